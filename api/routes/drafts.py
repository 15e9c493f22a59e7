"""Drafts of workflows: checked, saved as the next version, and the schema that they are written by.

a document ─► read strictly ─► every fault at once (engine.validation) ─► a new version, if nobody was faster
"""

from collections.abc import Iterable
from http import HTTPStatus
from typing import Any, Final

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool

from api import schema
from api.answers import JSON, answer, etag, expected, if_match
from api.guard import GuardedRoute
from api.models import WorkflowModel
from api.principal import Principal
from api.problems import FaultModel, Problem, documented
from api.routes.workflows import WorkflowName, differs, written
from api.schema import DIALECT, DOCUMENT, EXAMPLE
from api.services import Asking, Services, ServicesOf
from api.starting import INLINE
from api.wording import MISSING
from engine.documents import Workflow
from engine.faults import Fault, Invalid
from engine.limits import WORKFLOW_BYTES
from engine.reading import read_json
from engine.validation import Report, check
from store.protocol import Conflict

router = APIRouter(route_class=GuardedRoute, tags=["Workflows"])

_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "description": "A workflow; docs/specification.md and GET /v1/schema/workflow describe it",
        "content": {JSON: {"schema": {"$ref": DOCUMENT}, "example": EXAMPLE}},
    }
}
_IF_MATCH: Final = if_match("The ETag of the version that is to be replaced; required if there is one, `*` is any")


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
    workflow = None if report.workflow is None else written(report.workflow)
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
    body = await request.body()
    if not body:
        raise Invalid(MISSING)
    return read_json(body, limit=WORKFLOW_BYTES, what="")


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
        raise differs(name, latest.version, after)
    return after


def _saved(workflow: Workflow, report: Report, status: HTTPStatus) -> Response:
    headers = {"Location": f"/v1/workflows/{workflow.name}", "ETag": etag(workflow.version)}
    return answer({"workflow": written(workflow), "warnings": _faults(report.warnings)}, status, headers=headers)


def _faults(faults: Iterable[Fault]) -> list[dict[str, str]]:
    return [{"path": fault.path, "message": fault.message} for fault in faults]
