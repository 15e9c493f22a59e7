"""What the process says of itself: whether it lives and is ready, who is asking, and what the API is."""

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from api.guard import GuardedRoute
from api.principal import Role
from api.problems import documented
from api.services import Asking

router = APIRouter(route_class=GuardedRoute, tags=["Process"])


class Me(BaseModel):
    """Whom the API takes the caller for."""

    subject: str = Field(description="The name that runs and decisions are known by", examples=["ada@example.org"])
    tenant: str = Field(examples=["default"])
    roles: list[Role]
    groups: list[str]


@router.get("/v1/me", responses=documented(), summary="Who am I?")
async def who_am_i(principal: Asking) -> Me:
    """Whom the API takes the caller for, and what he may do."""
    return Me(
        subject=principal.subject,
        tenant=principal.tenant,
        roles=sorted(principal.roles),
        groups=list(principal.groups),
    )


@router.get("/openapi.json", include_in_schema=False)
async def openapi(request: Request) -> dict[str, object]:
    """The OpenAPI document of this API."""
    document: dict[str, object] = request.app.openapi()
    return document
