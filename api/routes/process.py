"""What the process says of itself: whether it lives and is ready, who is asking, and what the API is."""

from http import HTTPStatus
from typing import Any, Final

import orjson
from fastapi import APIRouter, Request, Response
from fastapi.responses import PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel, Field

from api import openapi as documents
from api.answers import JSON
from api.doc_pages import page
from api.guard import GuardedRoute
from api.principal import Role
from api.problems import documented
from api.services import Asking

router = APIRouter(route_class=GuardedRoute, tags=["Process"])

_TEXT: Final = "text/plain"


def _text(what: str, example: str) -> dict[str, Any]:
    return {"description": what, "content": {_TEXT: {"schema": {"type": "string"}, "example": example}}}


class Me(BaseModel):
    """Whom the API takes the caller for."""

    subject: str = Field(description="The name that runs and decisions are known by", examples=["ada@example.org"])
    tenant: str = Field(examples=["default"])
    roles: list[Role]
    groups: list[str] = Field(description="What he is a member of", examples=[["stewards"]])


@router.get("/v1/me", responses=documented(), summary="Who am I?")
async def who_am_i(principal: Asking) -> Me:
    """Whom the API takes the caller for, and what he may do."""
    return Me(
        subject=principal.subject,
        tenant=principal.tenant,
        roles=sorted(principal.roles),
        groups=list(principal.groups),
    )


@router.get(
    "/healthz", summary="Does it live?", response_class=PlainTextResponse, responses={200: _text("It lives", "alive\n")}
)
async def healthz() -> Response:
    """Whether the process lives; if it doesn't answer, start it again."""
    return Response("alive\n", media_type=_TEXT)


@router.get(
    "/readyz",
    summary="Can it do its work?",
    response_class=PlainTextResponse,
    responses={
        200: _text("It can; lines behind the first are worth knowing", "ready\n"),
        503: _text("It can't: a reason on each line", "the store can't be reached: no primary is available\n"),
    },
)
async def readyz(request: Request) -> Response:
    """Whether the store can be reached. That no engine is alive is worth a line, and no reason not to take requests."""
    reasons, notes = await request.app.state.health.readiness()
    lines = [*(reasons or ["ready"]), *notes]
    status = HTTPStatus.SERVICE_UNAVAILABLE if reasons else HTTPStatus.OK
    return Response("".join(f"{line}\n" for line in lines), status, media_type=_TEXT)


@router.get(
    "/metrics",
    summary="Metrics for Prometheus",
    response_class=PlainTextResponse,
    responses={
        200: _text("In Prometheus' text format", 'icefloe_api_requests_total{operation="read_run",status="200"} 7.0\n'),
        **documented(),
    },
)
async def metrics(request: Request) -> Response:
    """Requests by operation and status, and how long they took."""
    return Response(request.app.state.metrics.text(), headers={"Content-Type": CONTENT_TYPE_LATEST})


@router.get("/openapi.json", include_in_schema=False)
def openapi(request: Request) -> Response:
    """The OpenAPI document of this API."""
    return Response(orjson.dumps(_document(request)), media_type=JSON)


@router.get("/docs", include_in_schema=False)
def docs(request: Request) -> Response:
    """The OpenAPI document as a page for people."""
    return page(_document(request))


def _document(request: Request) -> documents.Document:
    """The document, which never changes while the process runs."""
    state = request.app.state
    if not hasattr(state, "openapi"):
        state.openapi = documents.document(request.app)
    found: documents.Document = state.openapi
    return found
