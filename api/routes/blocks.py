"""The catalogue of block types: enough to draw a palette, and a form for the arguments of each, and nothing else."""

from hashlib import sha256
from typing import Annotated, Any, Final

import orjson
from fastapi import APIRouter, Path, Request, Response
from pydantic import BaseModel, Field

from api.answers import etag, tagged
from api.guard import GuardedRoute
from api.models import Page
from api.problems import documented, not_found
from api.services import ServicesOf
from engine.documents import Retry

router = APIRouter(route_class=GuardedRoute, prefix="/blocks", tags=["Blocks"])

_UNCHANGED: Final[dict[int | str, dict[str, Any]]] = {304: {"description": "The same are installed as before"}}


class BlockModel(BaseModel):
    """A block type: what it does, what it takes and gives, and what holds for tasks that don't say otherwise."""

    type: str = Field(description="What workflows call it", examples=["APPROVAL"])
    title: str = Field(description="What people call it", examples=["Approval"])
    category: str = Field(description="Where a palette has it", examples=["People"])
    icon: str = Field(
        description="The name of an icon, of those at lucide.dev; empty: it has none", examples=["user-check"]
    )
    description: str = Field(description="What it does", examples=["Ask people to approve or reject."])
    arguments: dict[str, Any] = Field(description="JSON Schema; every value may be a reference instead")
    outputs: dict[str, Any] = Field(description="JSON Schema of what later tasks may refer to")
    signal: dict[str, Any] | None = Field(
        description="JSON Schema of what people may send it; null: nothing, or anything"
    )
    retry: Retry = Field(description="How often it is tried, if its task doesn't say")
    timeout: str | None = Field(description="Longest time of one attempt, if its task doesn't say", examples=["30s"])
    pure: bool = Field(description="Whether it has no effects outside")
    concurrency: int | None = Field(description="How many calls an engine makes at once; null: as many as it likes")
    secrets: list[str] = Field(description="The names of the secrets that it needs", examples=[["link_key"]])
    examples: list[dict[str, Any]] = Field(description="Arguments that it takes")


class BlockPage(Page):
    """All block types, in the order of their names."""

    items: list[BlockModel]


@router.get("", summary="List block types", response_model=BlockPage, responses={**_UNCHANGED, **documented()})
def list_blocks(request: Request, services: ServicesOf) -> Response:
    """Every block type that is installed where the API runs, with its texts, JSON Schemas, defaults and examples."""
    return _tagged({"items": services.catalogue.describe(), "cursor": None}, request)


@router.get(
    "/{type}", summary="Read a block type", response_model=BlockModel, responses={**_UNCHANGED, **documented(404)}
)
def read_block(
    type: Annotated[str, Path(description="A block type", examples=["APPROVAL"])],  # noqa: A002 - what it is called
    request: Request,
    services: ServicesOf,
) -> Response:
    """One block type, as the list has it."""
    if type not in services.catalogue:
        raise not_found(f"block type {type!r}{services.catalogue.nearest(type)}")
    return _tagged(services.catalogue[type].schema(), request)


def _tagged(document: dict[str, Any], request: Request) -> Response:
    return tagged(document, etag(sha256(orjson.dumps(document)).hexdigest()[:16]), request)
