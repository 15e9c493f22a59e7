"""Workflows: save them in versions, read them, check drafts, and what their runs must be given.

a document ─► read strictly ─► every fault at once (engine.validation) ─► a new version, if nobody was faster
"""

from collections.abc import Iterable
from http import HTTPStatus
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool

from api import schema
from api.answers import JSON, answer, etag, expected, tagged
from api.guard import GuardedRoute
from api.models import Moment, Page, PageQuery, WorkflowModel
from api.principal import Principal
from api.problems import FaultModel, Problem, documented, not_found
from api.schema import DIALECT, DOCUMENT, EXAMPLE
from api.services import Asking, Services, ServicesOf
from api.starting import INLINE
from engine.documents import Workflow
from engine.faults import Fault, Invalid, nearest
from engine.limits import NAME_CHARS, WORKFLOW_BYTES
from engine.reading import read_json
from engine.schemas import compile_schema
from engine.validation import Report, check
from store.protocol import Conflict

router = APIRouter(route_class=GuardedRoute, tags=["Workflows"])

WorkflowName = Annotated[
    str, Path(max_length=4 * NAME_CHARS, description="The workflow's name", examples=["metadata-change-request"])
]
Version = Annotated[int, Path(ge=1, le=2**31, description="One of its versions", examples=[3])]
_MOST: Final = 2**31
_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "description": "A workflow; docs/specification.md and GET /v1/schema/workflow describe it",
        "content": {JSON: {"schema": {"$ref": DOCUMENT}, "example": EXAMPLE}},
    }
}
_IF_MATCH: Final[dict[str, Any]] = {
    "parameters": [
        {
            "name": "If-Match",
            "in": "header",
            "schema": {"type": "string"},
            "description": "The ETag of the version that is to be replaced; required if there is one, `*` is any",
            "example": '"3"',
        }
    ]
}


class SavedWorkflow(BaseModel):
    """A version of a workflow, and what is doubtful about it."""

    workflow: WorkflowModel
    warnings: list[FaultModel] = Field(description="What was not refused, but may not be meant")


class Verdict(BaseModel):
    """What is to be said of a draft."""

    valid: bool
    faults: list[FaultModel] = Field(description="Everything for which it would be refused")
    warnings: list[FaultModel] = Field(description="What would not be refused, but may not be meant")
    workflow: dict[str, Any] | None = Field(description="Its normal form; null if it has faults")


class WorkflowSummary(BaseModel):
    """A workflow as lists show it."""

    name: str = Field(examples=["metadata-change-request"])
    version: int = Field(examples=[3])
    description: str
    tasks: int = Field(description="How many tasks it has", examples=[4])
    labels: dict[str, str]
    created_by: str | None = Field(examples=["ann@example.org"])
    created_at: Moment


class WorkflowPage(Page):
    """Some workflows by name, or versions of one, the latest first."""

    items: list[WorkflowSummary]


class WorkflowsQuery(PageQuery):
    """Which workflows."""

    label: list[Annotated[str, Field(pattern=r"^[^=]+=", examples=["team=sales"])]] = Field(
        default_factory=list, max_length=20, description="`KEY=VALUE`: those with this label; may be repeated"
    )


class VersionQuery(BaseModel):
    """Of which version."""

    model_config = ConfigDict(extra="forbid")

    version: int | None = Field(default=None, ge=1, le=_MOST, description="Absent: the latest")


@router.post(
    "/workflows",
    status_code=HTTPStatus.CREATED,
    summary="Create a workflow",
    response_model=SavedWorkflow,
    responses=documented(409, 415),
    openapi_extra=_BODY,
)
async def create_workflow(request: Request, services: ServicesOf, principal: Asking) -> Response:
    """Save the first version of a workflow. It is refused for all of its faults at once, or not at all."""
    report = await run_in_threadpool(_checked, services, principal, await _document(request))
    workflow = _valid(report)
    try:
        saved = await run_in_threadpool(services.store.save_workflow, workflow, by=principal.subject, after=0)
    except Conflict:
        sentence = f"there is a workflow {workflow.name!r} already: PUT a new version of it, or choose another name"
        raise Problem(HTTPStatus.CONFLICT, "workflow-exists", sentence) from None
    return _saved(saved, report, HTTPStatus.CREATED)


@router.put(
    "/workflows/{name}",
    summary="Save a new version of a workflow",
    response_model=SavedWorkflow,
    responses={
        201: {"model": SavedWorkflow, "description": "There was no workflow of this name"},
        **documented(412, 415, 428),
    },
    openapi_extra={**_BODY, **_IF_MATCH},
)
async def save_workflow(name: WorkflowName, request: Request, services: ServicesOf, principal: Asking) -> Response:
    """Save a new version, or the first one. Runs keep the version that they started with.

    `If-Match` says which version was read before it was changed: if somebody else has saved another one meanwhile,
    nothing is saved (412). A document equal to the latest version changes nothing.
    """
    document = await _document(request)
    if isinstance(document, dict):
        document = {"name": name, **document}
    report = await run_in_threadpool(_checked, services, principal, document)
    workflow = _valid(report)
    if workflow.name != name:
        raise Invalid(Fault("name", f"is {workflow.name!r}, but this is the address of {name!r}"))
    latest = await run_in_threadpool(services.store.workflow, name, tenant=principal.tenant)
    after = _after(request, name, latest)
    try:
        saved = await run_in_threadpool(services.store.save_workflow, workflow, by=principal.subject, after=after)
    except Conflict as conflict:
        raise Problem(HTTPStatus.PRECONDITION_FAILED, "version-differs", str(conflict)) from None
    return _saved(saved, report, HTTPStatus.OK if latest is not None else HTTPStatus.CREATED)


@router.get("/workflows", summary="List workflows", response_model=WorkflowPage, responses=documented())
def list_workflows(query: Annotated[WorkflowsQuery, Query()], services: ServicesOf, principal: Asking) -> Response:
    """The latest version of each workflow, by name; without the definitions that runs brought along."""
    labels = [label.partition("=") for label in query.label]
    found = [
        workflow
        for workflow in sorted(services.store.workflows(tenant=principal.tenant), key=lambda one: one.name)
        if not workflow.name.startswith(INLINE)
        and workflow.name > (query.cursor or "")
        and all(workflow.labels.get(key) == value for key, _, value in labels)
    ]
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
    responses=documented(404),
)
def delete_workflow(name: WorkflowName, services: ServicesOf, principal: Asking) -> Response:
    """Delete all versions of a workflow: nobody can start it any more. Its runs keep theirs, and go on."""
    if not services.store.delete_workflow(name, tenant=principal.tenant, by=principal.subject):
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


@router.post(
    "/validate",
    summary="Check a draft of a workflow",
    response_model=Verdict,
    responses=documented(),
    openapi_extra=_BODY,
)
async def validate_workflow(request: Request, services: ServicesOf, principal: Asking) -> Response:
    """Everything that is wrong with a draft, and what is doubtful, without saving it.

    The answer is 200 whatever the draft is like; what isn't even JSON has a fault that says where.
    """
    report = await run_in_threadpool(_verdict, services, principal, await request.body())
    workflow = None if report.workflow is None else _json(report.workflow)
    faults, warnings = _faults(report.faults), _faults(report.warnings)
    return answer({"valid": workflow is not None, "faults": faults, "warnings": warnings, "workflow": workflow})


@router.get(
    "/schema/workflow",
    summary="Read the JSON Schema of workflows",
    responses={
        200: {
            "description": "A JSON Schema (draft 2020-12)",
            "content": {JSON: {"schema": {"type": "object"}, "example": {"$schema": DIALECT, "$id": schema.ID}}},
        },
        **documented(),
    },
)
def workflow_schema(services: ServicesOf) -> Response:
    """The JSON Schema of workflow documents, with the arguments of every installed block type: for editors.

    What it accepts has the form of a workflow; whether its parts fit together `POST /v1/validate` says.
    """
    return answer(schema.workflow_schema(services.catalogue))


async def _document(request: Request) -> Any:
    """The JSON that was sent.

    Raises:
        Invalid: it isn't.
    """
    return read_json(await request.body(), limit=WORKFLOW_BYTES, what="")


def _verdict(services: Services, principal: Principal, body: bytes) -> Report:
    try:
        document = read_json(body, limit=WORKFLOW_BYTES, what="")
    except Invalid as invalid:
        return Report(invalid.faults)
    return _checked(services, principal, document)


def _checked(services: Services, principal: Principal, document: Any) -> Report:
    """What is to be said of a document that somebody wants to save, whose tenant is his if it says nothing."""
    if not isinstance(document, dict):
        return check(document, services.catalogue)
    document = {"tenant": principal.tenant, **document}
    report = check(document, services.catalogue)
    faults = []
    if isinstance(document["tenant"], str) and document["tenant"] != principal.tenant:
        faults.append(Fault("tenant", f"must be {principal.tenant!r}, the tenant of the caller; leave it out"))
    if isinstance(document.get("name"), str) and document["name"].startswith(INLINE):
        sentence = f"names that begin with {INLINE!r} are those of definitions that runs brought along: choose another"
        faults.append(Fault("name", sentence))
    return Report((*faults, *report.faults)) if faults else report


def _valid(report: Report) -> Workflow:
    """The workflow.

    Raises:
        Invalid: it has faults.
    """
    if report.workflow is None:
        raise Invalid(*report.faults)
    return report.workflow


def _after(request: Request, name: str, latest: Workflow | None) -> int | None:
    """The version that is to be replaced (0: there is none; None: any).

    Raises:
        Problem: the caller doesn't say it, or has read another one.
    """
    if latest is None:
        if "If-Match" in request.headers:
            sentence = f"there is no workflow {name!r} any more: leave `If-Match` out to save it as a new one"
            raise Problem(HTTPStatus.PRECONDITION_FAILED, "version-differs", sentence)
        return 0
    after = expected(request, f"workflow {name!r}")
    if after is not None and after != latest.version:
        sentence = f"workflow {name!r} is at version {latest.version}, not at {after}: read it again"
        raise Problem(HTTPStatus.PRECONDITION_FAILED, "version-differs", sentence)
    return after


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
    names = [workflow.name for workflow in services.store.workflows(tenant=principal.tenant)]
    return not_found(f"workflow {name!r}{nearest(name, names)}")


def _version_of(cursor: str | None) -> int | None:
    if cursor is None:
        return None
    if not (cursor.isascii() and cursor.isdigit() and int(cursor[:12]) <= _MOST):
        raise Invalid(Fault("query.cursor", "is no cursor of this list: begin without one"))
    return int(cursor)


def _saved(workflow: Workflow, report: Report, status: HTTPStatus) -> Response:
    headers = {"Location": f"/v1/workflows/{workflow.name}", "ETag": etag(workflow.version)}
    return answer({"workflow": _json(workflow), "warnings": _faults(report.warnings)}, status, headers=headers)


def _tagged(workflow: Workflow, request: Request) -> Response:
    return tagged(_json(workflow), etag(workflow.version), request)


def _json(workflow: Workflow) -> dict[str, Any]:
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


def _faults(faults: Iterable[Fault]) -> list[dict[str, str]]:
    return [{"path": fault.path, "message": fault.message} for fault in faults]
