"""Saved workflows: find and read them and their versions, delete them, and what their runs must be given."""

from collections.abc import Iterator
from http import HTTPStatus
from itertools import islice
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from api import webhooks
from api.answers import JSON, answer, etag, expected, if_match, tagged
from api.filters import Labels, labels_of
from api.guard import GuardedRoute
from api.models import Moment, Page, PageQuery, WorkflowModel
from api.principal import Principal
from api.problems import Problem, documented, not_found
from api.schema import DIALECT, EXAMPLE
from api.services import Asking, Services, ServicesOf
from api.starting import INLINE
from engine.documents import Workflow
from engine.faults import Fault, Invalid, nearest
from engine.limits import NAME_CHARS
from engine.schemas import compile_schema
from store.protocol import Conflict, Store

router = APIRouter(route_class=GuardedRoute, tags=["Workflows"])

WorkflowName = Annotated[
    str, Path(max_length=4 * NAME_CHARS, description="The workflow's name", examples=["metadata-change-request"])
]
Version = Annotated[int, Path(ge=1, le=2**31, description="One of its versions", examples=[3])]
_MOST: Final = 2**31
_PAGE: Final = 100
_NAMES: Final = 1000  # among which a name is looked for that somebody may have meant
_BEHIND_INLINE: Final = INLINE[:-1] + chr(ord(INLINE[-1]) + 1)
_DIGITS: Final = len(str(_MOST))


class WorkflowSummary(BaseModel):
    """A workflow as lists show it."""

    name: str = Field(examples=["metadata-change-request"])
    version: int = Field(examples=[3])
    description: str = Field(examples=["Approve and apply a metadata change"])
    tasks: int = Field(description="How many tasks it has", examples=[4])
    labels: dict[str, str]
    created_by: str | None = Field(examples=["ann@example.org"])
    created_at: Moment


class WorkflowPage(Page):
    """Some workflows by name, or versions of one, the latest first."""

    items: list[WorkflowSummary]


class WorkflowsQuery(PageQuery):
    """Which workflows."""

    label: Labels = Field(default_factory=list)


class VersionQuery(BaseModel):
    """Of which version."""

    model_config = ConfigDict(extra="forbid")

    version: int | None = Field(default=None, ge=1, le=_MOST, description="Absent: the latest")


@router.get("/workflows", summary="List workflows", response_model=WorkflowPage, responses=documented())
def list_workflows(query: Annotated[WorkflowsQuery, Query()], services: ServicesOf, principal: Asking) -> Response:
    """The latest version of each workflow, by name; without the definitions that runs brought along."""
    labels = labels_of(query.label).items()
    wanted = (
        workflow
        for workflow in _saved(services.store, principal.tenant, query.cursor or "")
        if workflow.labels.items() >= labels
    )
    found = list(islice(wanted, query.limit + 1))
    shown = found[: query.limit]
    cursor = shown[-1].name if len(found) > len(shown) else None
    return answer({"items": [_summary(workflow) for workflow in shown], "cursor": cursor})


@router.get(
    "/workflows/{name}",
    summary="Read a workflow",
    response_model=WorkflowModel,
    responses={304: {"description": "It is as it was"}, **documented(404)},
)
def read_workflow(name: WorkflowName, request: Request, services: ServicesOf, principal: Asking) -> Response:
    """The latest version of a workflow. Its `ETag` is the version, for `If-None-Match` and `If-Match`."""
    return _tagged(_found(services, principal, name), request)


@router.delete(
    "/workflows/{name}",
    status_code=HTTPStatus.NO_CONTENT,
    summary="Delete a workflow",
    response_class=Response,
    responses=documented(404, 412),
    openapi_extra=if_match("The ETag of the version that was read: nothing is deleted if another one is the latest"),
)
def delete_workflow(name: WorkflowName, request: Request, services: ServicesOf, principal: Asking) -> Response:
    """Delete all versions of a workflow, and its webhooks: nobody can start it any more.

    Its runs keep their versions, and go on. One that is saved under its name later has no webhooks.
    """
    after = expected(request, f"workflow {name!r}") if "If-Match" in request.headers else None
    if after is not None:
        latest = _found(services, principal, name)
        if latest.version != after:
            raise differs(name, latest.version, after)
    webhooks.remove_all(services.store, principal.tenant, name)  # first: none may be left for what is saved later
    try:
        deleted = services.store.delete_workflow(name, tenant=principal.tenant, by=principal.subject, after=after)
    except Conflict as conflict:
        raise Problem(HTTPStatus.PRECONDITION_FAILED, "version-differs", str(conflict)) from None
    if not deleted:
        raise _unknown(services, principal, name)
    return Response(None, HTTPStatus.NO_CONTENT)


@router.get(
    "/workflows/{name}/versions",
    summary="List the versions of a workflow",
    response_model=WorkflowPage,
    responses=documented(404),
)
def list_workflow_versions(
    name: WorkflowName, query: Annotated[PageQuery, Query()], services: ServicesOf, principal: Asking
) -> Response:
    """The versions of a workflow, the latest first."""
    before = _version_of(query.cursor)
    found = services.store.versions(name, tenant=principal.tenant, before=before, limit=query.limit + 1)
    if not found and before is None:
        raise _unknown(services, principal, name)
    shown = found[: query.limit]
    cursor = str(shown[-1].version) if len(found) > len(shown) else None
    return answer({"items": [_summary(workflow) for workflow in shown], "cursor": cursor})


@router.get(
    "/workflows/{name}/versions/{version}",
    summary="Read a version of a workflow",
    response_model=WorkflowModel,
    responses={304: {"description": "It is as it was, as versions always are"}, **documented(404)},
)
def read_workflow_version(
    name: WorkflowName, version: Version, request: Request, services: ServicesOf, principal: Asking
) -> Response:
    """A version of a workflow; it never changes."""
    return _tagged(_found(services, principal, name, version), request)


@router.get(
    "/workflows/{name}/inputs",
    summary="Read what a workflow's runs must be given",
    responses={
        200: {
            "description": "A JSON Schema",
            "content": {
                JSON: {"example": {"$schema": DIALECT, "title": "metadata-change-request", **EXAMPLE["inputs"]}}
            },
        },
        **documented(404),
    },
)
def read_workflow_inputs(
    name: WorkflowName, query: Annotated[VersionQuery, Query()], services: ServicesOf, principal: Asking
) -> Response:
    """The JSON Schema of the inputs: a form can be drawn from it; `default` is what a run has if nothing is given."""
    workflow = _found(services, principal, name, query.version)
    wanted = {
        "$schema": DIALECT,
        "title": workflow.name,
        **({"description": workflow.description} if workflow.description else {}),
        "type": "object",
        **workflow.inputs,
        "default": compile_schema(workflow.inputs).with_defaults({}),
    }
    return answer(wanted, headers={"ETag": etag(workflow.version)})


def _found(services: Services, principal: Principal, name: str, version: int | None = None) -> Workflow:
    """A version of a workflow.

    Raises:
        Problem: there is none.
    """
    workflow = services.store.workflow(name, version, tenant=principal.tenant)
    if workflow is None:
        raise _unknown(services, principal, name, version)
    return workflow


def _unknown(services: Services, principal: Principal, name: str, version: int | None = None) -> Problem:
    if version is not None and services.store.workflow(name, tenant=principal.tenant) is not None:
        return not_found(f"version {version} of workflow {name!r}")
    names = [workflow.name for workflow in islice(_saved(services.store, principal.tenant), _NAMES)]
    return not_found(f"workflow {name!r}{nearest(name, names)}")


def differs(name: str, latest: int | None, known: int) -> Problem:
    """Another version is the latest than the one that the caller knows."""
    sentence = f"workflow {name!r} is at version {latest}, not at {known}: read it again"
    return Problem(HTTPStatus.PRECONDITION_FAILED, "version-differs", sentence)


def _saved(store: Store, tenant: str, after: str = "") -> Iterator[Workflow]:
    """The latest version of each workflow, by name; definitions that runs brought along are passed over unread."""
    while page := store.workflows(tenant=tenant, after=after, limit=_PAGE):
        for workflow in page:
            if workflow.name.startswith(INLINE):
                after = _BEHIND_INLINE
                break
            yield workflow
            after = workflow.name


def _version_of(cursor: str | None) -> int | None:
    if cursor is None:
        return None
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) <= _DIGITS):
        raise Invalid(Fault("query.cursor", "is no cursor of this list: begin without one"))
    return int(cursor)


def _tagged(workflow: Workflow, request: Request) -> Response:
    return tagged(written(workflow), etag(workflow.version), request)


def written(workflow: Workflow) -> dict[str, Any]:
    """A version of a workflow as it is answered."""
    return workflow.model_dump(mode="json", exclude_none=True)


def _summary(workflow: Workflow) -> dict[str, Any]:
    return {
        "name": workflow.name,
        "version": workflow.version,
        "description": workflow.description,
        "tasks": len(workflow.dag.tasks),
        "labels": workflow.labels,
        "created_by": workflow.created_by,
        "created_at": workflow.created_at,
    }
