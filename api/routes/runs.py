"""Runs: start them, find them, read what they are and were, and say what is to become of them.

POST /v1/runs ─► checked ─► one write for all who start at the same moment ─► 201, or 200 if it was asked for before
"""

from collections.abc import Callable
from http import HTTPStatus
from typing import Annotated, Any, Final
from urllib.parse import quote

from fastapi import APIRouter, Header, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool

from api import filters
from api.answers import answer, etag, tagged
from api.guard import GuardedRoute
from api.models import RUN_ID, ErrorModel, Moment, Page, RunId, RunModel, RunSummaryModel, WorkflowRef
from api.principal import Principal
from api.problems import documented, not_found, rejected
from api.seen import run_for
from api.services import Asking, Services, ServicesOf, principal_of, services_of
from api.starting import StartRun, ended, start
from api.wording import Spelled
from engine.limits import REASON_CHARS
from engine.outcomes import Rejected
from engine.run import WorkflowRun, present
from engine.statuses import RunStatus
from engine.transitions import RunCancelled, RunPaused, RunResumed, RunRetried, Transition
from store.protocol import Proposal, RunSummary

router = APIRouter(route_class=GuardedRoute, prefix="/runs", tags=["Runs"])

WAIT_SECONDS: Final = 30

_REASON: Final = "the owner has changed his mind"


class StartedRun(BaseModel):
    """A run that was accepted: it is in the store, and will reach its end."""

    id: str = Field(examples=[RUN_ID])
    status: RunStatus
    workflow: WorkflowRef
    revision: int = Field(examples=[1])
    created_at: Moment
    finished_at: Moment | None = Field(description="Null: it goes on")
    outputs: Any
    error: ErrorModel | None


class RunPage(Page):
    """Some runs, the newest first."""

    items: list[RunSummaryModel]


class Counts(BaseModel):
    """How many runs of the tenant there are in each status."""

    PENDING: int
    RUNNING: int
    WAITING: int
    PAUSED: int
    SUCCESS: int
    FAILED: int
    CANCELLED: int


class Why(BaseModel):
    """Why somebody does this, for the journal."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"reason": _REASON}]})

    reason: str = Field(default="", max_length=REASON_CHARS, description="Kept in the journal", examples=[_REASON])


class RetryRun(Why):
    """Which tasks not to call again, and why."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"reason": "the server is back", "skip": ["notify-approved"]}]}
    )

    skip: list[str] = Field(
        default_factory=list, max_length=1000, description="Failed tasks that the run is to go on without"
    )


class StartQuery(BaseModel):
    """How to start."""

    model_config = ConfigDict(extra="forbid")

    wait: float = Field(
        default=0, ge=0, le=WAIT_SECONDS, allow_inf_nan=False, description="Seconds to wait for the run's end"
    )


Key = Annotated[
    Annotated[
        str,
        Spelled(
            r"^[!-~]([ -~]*[!-~])?$", "should be 1 to 255 printable ASCII characters, without a space at either end"
        ),
        Field(max_length=255),
    ]
    | None,
    Header(
        alias="Idempotency-Key",
        description="Any text of the caller's that names this request: asked again with it, nothing is started twice",
        examples=["order-4711"],
    ),
]
_RUN: Final[dict[int | str, dict[str, Any]]] = {200: {"model": RunModel, "description": "The run as it is now"}}


@router.post(
    "",
    status_code=HTTPStatus.CREATED,
    summary="Start a run",
    response_model=StartedRun,
    responses={200: {"model": StartedRun, "description": "It was started before by the same request"}, **documented()},
)
async def start_run(
    wanted: StartRun, query: Annotated[StartQuery, Query()], request: Request, idempotency_key: Key = None
) -> Response:
    """Start a run of a saved workflow, or of a `definition` that is brought along.

    When this answers, the run is in the store, and survives whatever happens. With an `Idempotency-Key` the request may
    be repeated as often as one likes: the same caller's same key is the same run. `?wait=10` waits for the run's end,
    at most so many seconds; if it hasn't ended by then, it goes on all the same.
    """
    services = services_of(request)  # no dependencies, which take their time: this operation is to be quick
    creation, run = await start(services, principal_of(request), wanted, idempotency_key)
    if query.wait and not run.is_final:
        run = await ended(services, run, query.wait)
    workflow = run.plan.workflow
    document = {
        "id": run.id,
        "status": run.status,
        "workflow": {"name": workflow.name, "version": workflow.version},
        "revision": run.revision,
        "created_at": run.created_at,
        "finished_at": run.finished_at,
        "outputs": run.outputs,
        "error": None if run.error is None else run.error._asdict(),
    }
    headers = {"Location": f"/v1/runs/{quote(run.id, safe='')}", "ETag": etag(run.revision)}
    return answer(document, HTTPStatus.CREATED if creation == "created" else HTTPStatus.OK, headers=headers)


@router.get("", summary="List runs", response_model=RunPage, responses=documented())
def list_runs(query: Annotated[filters.RunsQuery, Query()], services: ServicesOf, principal: Asking) -> Response:
    """The runs for which all that is asked holds, the newest first.

    `inputs.NAME=VALUE` finds those that have this input: a JSON value (`inputs.nr=7` finds the number and the text,
    `inputs.nr="7"` the text alone), any number of them. Requesters see their own runs, approvers those that wait for
    them (as if they had said `requested_by=me`, or `waiting_for=me`); whoever else may list runs sees all of them.
    """
    wanted = filters.query_for(principal, query, limit=query.limit, cursor=query.cursor)
    page = filters.page_of(services.store, wanted)
    return answer({"items": [summary(run) for run in page.runs], "cursor": page.cursor})


@router.get("/counts", summary="Count the runs by status", response_model=Counts, responses=documented())
def count_runs(services: ServicesOf, principal: Asking) -> Response:
    """How many runs of the tenant there are in each status."""
    counts = services.store.counts(tenant=principal.tenant)
    return answer({status.value: counts.get(status, 0) for status in RunStatus})


@router.get(
    "/{run_id}",
    summary="Read a run",
    response_model=RunModel,
    responses={304: {"description": "It is as it was"}, **documented(404)},
)
async def read_run(run_id: RunId, request: Request, services: ServicesOf, principal: Asking) -> Response:
    """A run as it is now: inputs, outputs, and the workflow's dag with how each task stands.

    The `ETag` is the run's revision: `If-None-Match` with it gives 304 as long as nothing has happened.
    """
    run = await run_for(services, principal, "read_run", run_id)
    return tagged(present(run), etag(run.revision), request)


@router.post("/{run_id}/cancel", summary="Cancel a run", response_model=RunModel, responses=documented(404, 409))
async def cancel_run(run_id: RunId, services: ServicesOf, principal: Asking, why: Why | None = None) -> Response:
    """End a run now: what hasn't ended is cancelled, and no handlers are started. Asked again it changes nothing."""
    reason = (why or Why()).reason
    return await _proposed(services, principal, "cancel_run", run_id, lambda _: RunCancelled(reason))


@router.post("/{run_id}/pause", summary="Pause a run", response_model=RunModel, responses=documented(404, 409))
async def pause_run(run_id: RunId, services: ServicesOf, principal: Asking, why: Why | None = None) -> Response:
    """Let nothing new begin until the run is resumed; results, decisions and timers are still recorded."""
    reason = (why or Why()).reason
    return await _proposed(services, principal, "pause_run", run_id, lambda _: RunPaused(reason))


@router.post("/{run_id}/resume", summary="Resume a run", response_model=RunModel, responses=documented(404, 409))
async def resume_run(run_id: RunId, services: ServicesOf, principal: Asking, why: Why | None = None) -> Response:
    """Let a paused run go on."""
    reason = (why or Why()).reason
    return await _proposed(services, principal, "resume_run", run_id, lambda _: RunResumed(reason))


@router.post("/{run_id}/retry", summary="Retry a run", response_model=RunModel, responses=documented(404, 409))
async def retry_run(run_id: RunId, services: ServicesOf, principal: Asking, how: RetryRun | None = None) -> Response:
    """Try a failed or cancelled run again, from the tasks that failed; those that succeeded stay as they are.

    To go on without a task takes the right to skip it: else who was refused something could leave out who refused it.
    """
    asked = how or RetryRun()
    skip = tuple(dict.fromkeys(asked.skip))
    if skip:
        await run_for(services, principal, "skip_task", run_id)
    return await _proposed(
        services, principal, "retry_run", run_id, lambda run: RunRetried(run.generation, asked.reason, skip)
    )


def summary(run: RunSummary) -> dict[str, Any]:
    """A run as lists show it."""
    return {
        "id": run.id,
        "workflow": {"name": run.workflow, "version": run.version},
        "status": run.status,
        "requested_by": run.requested_by,
        "created_at": run.created_at,
        "updated_at": run.updated_at,
        "finished_at": run.finished_at,
        "error": None if run.error is None else run.error._asdict(),
    }


async def _proposed(
    services: Services,
    principal: Principal,
    operation: str,
    run_id: str,
    transition_for: Callable[[WorkflowRun], Transition],
) -> Response:
    """Propose something for a run that the caller may do this with, and answer how the run is after it."""
    run = await run_for(services, principal, operation, run_id)
    return await proposed(services, principal, run_id, transition_for(run))


async def proposed(services: Services, principal: Principal, run_id: str, transition: Transition) -> Response:
    """Propose a transition, in the caller's name, and answer how the run is after it.

    Raises:
        Problem: it is refused.
    """
    recorded = await services.writer.propose(Proposal(run_id, transition, principal.subject))
    if isinstance(recorded.outcome, Rejected):
        raise rejected(recorded.outcome)
    if recorded.run is None:
        raise not_found(f"run {run_id!r}")
    document = await run_in_threadpool(present, recorded.run)
    return answer(document, headers={"ETag": etag(recorded.run.revision)})
