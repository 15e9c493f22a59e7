"""What people decide: the inbox of what waits for somebody, his decision, and handing it over to another person."""

from collections.abc import Callable
from hashlib import sha256
from http import HTTPStatus
from typing import Annotated, Any, Final
from uuid import uuid4

import orjson
import structlog
from fastapi import APIRouter, Body, Header, Query, Response

from api.answers import answer, etag
from api.deciding import DecisionBody, DelegationBody, Inbox, InboxQuery
from api.filters import page_of
from api.guard import GuardedRoute
from api.models import RunId, RunModel, TaskName
from api.principal import Principal
from api.problems import Problem, documented, invalid, not_found, rejected
from api.questions import questions
from api.seen import run_for
from api.services import Asking, Services, ServicesOf
from engine.asked import is_restricted
from engine.faults import Fault, Invalid, nearest, shown
from engine.limits import ID_CHARS
from engine.outcomes import Rejected
from engine.run import TaskState, WorkflowRun, present
from engine.schemas import compile_schema
from engine.transitions import Signal, SignalReceived, TaskDelegated
from store.protocol import Proposal, Recorded, RunQuery

router = APIRouter(route_class=GuardedRoute, tags=["Approvals"])

_log = structlog.get_logger(__name__)
_RUNS_AT_ONCE: Final = 25  # that are read before it is asked whether a page is full
_RUNS_AT_MOST: Final = 1000  # for one page: a group's runs may all have been decided by this member already
_PAGE_BYTES: Final = 4 * 1024 * 1024  # after which a page is full, however few there are on it

Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=ID_CHARS,
        description="However often it is sent with this key, it counts once",
    ),
]


@router.get("/approvals", responses=documented(), summary="What waits for me")
def list_approvals(services: ServicesOf, principal: Asking, query: Annotated[InboxQuery, Query()]) -> Inbox:
    """Every task that waits for a decision, or another signal, of the caller.

    He is asked in his own name, as a member of a group, or in place of somebody who handed it over to him. Those of the
    newest runs come first.
    """
    items: list[dict[str, Any]] = []
    cursor, looked, size = query.cursor, 0, 0
    while True:
        wanted = min(query.limit - len(items), _RUNS_AT_ONCE)
        runs, cursor = _waiting(services, principal, query.workflow, cursor, wanted)
        looked += wanted
        for run in runs:
            for question in questions(run, principal):
                items.append(question.document())
                size += len(orjson.dumps(items[-1]))
        if cursor is None or len(items) >= query.limit or size >= _PAGE_BYTES or looked >= _RUNS_AT_MOST:
            return Inbox.model_validate({"items": items, "cursor": cursor})


def _waiting(
    services: Services, principal: Principal, workflow: str | None, cursor: str | None, limit: int
) -> tuple[list[WorkflowRun], str | None]:
    """Some of the runs that wait for somebody, and where the others begin."""
    query = RunQuery(principal.tenant, workflow, waiting_for=principal.keys, limit=limit, cursor=cursor)
    page = page_of(services.store, query)
    found = services.store.load(run.id for run in page.runs)
    return [found[run.id] for run in page.runs if run.id in found], page.cursor


@router.post(
    "/runs/{run_id}/tasks/{task}/decision",
    response_model=RunModel,
    responses=documented(404, 409),
    summary="Approve or reject",
)
async def decide(  # noqa: PLR0913, PLR0917 - the parts of a request
    services: ServicesOf,
    principal: Asking,
    run_id: RunId,
    task: TaskName,
    body: Annotated[DecisionBody, Body()],
    key: Key = None,
) -> Response:
    """Decide what a run asks, and read the run as it is then.

    Only who is asked may: by name, as a member of a group, or in place of somebody who handed it over. There is one
    decision: a second one is refused with 409, and the sentence says whose the first was. To send the same again with
    the same Idempotency-Key changes nothing.
    """
    run = await run_for(services, principal, "read_run", run_id)
    state = _decidable(run, task)
    key = _key(key, body.id)
    data = _signal_data(body)
    id_ = f"api-{uuid4()}" if key is None else _signal_id(principal, key, data)
    signal = Signal(id_, body.generation or state.generation, principal.subject, data, groups=principal.groups)
    recorded = await services.writer.propose(Proposal(run_id, SignalReceived(task, signal), principal.subject))
    _log.info("decision_sent", run_id=run_id, task=task, outcome=type(recorded.outcome).__name__, via=principal.via)
    if isinstance(recorded.outcome, Rejected) and key is not None and recorded.run is not None:
        _refuse_reused(recorded.run, task, id_)
    return _answer(recorded, lambda refused: _faults(refused, state, data))


@router.post(
    "/runs/{run_id}/tasks/{task}/delegate",
    response_model=RunModel,
    responses=documented(404, 409),
    summary="Hand a decision over",
)
async def delegate(
    services: ServicesOf, principal: Asking, run_id: RunId, task: TaskName, body: Annotated[DelegationBody, Body()]
) -> Response:
    """Let somebody else decide in the caller's place, and read the run as it is then.

    Only who is asked may. The other one is shown it in his inbox, and the journal says that he decided in whose place.
    """
    run = await run_for(services, principal, "read_run", run_id)
    state = _decidable(run, task)
    groups = principal.groups
    transition = TaskDelegated(
        task, body.generation or state.generation, principal.subject, body.to, body.reason, groups
    )
    recorded = await services.writer.propose(Proposal(run_id, transition, principal.subject))
    _log.info("delegation_sent", run_id=run_id, task=task, outcome=type(recorded.outcome).__name__, via=principal.via)
    return _answer(recorded, rejected)


def _decidable(run: WorkflowRun, name: str) -> TaskState:
    """The task.

    Raises:
        Problem: there is none of this name, or it asks nobody in particular.
    """
    state = run.tasks.get(name)
    if state is None:
        hint = nearest(name, run.tasks)
        raise Problem(HTTPStatus.NOT_FOUND, "not-found", f"{shown(name)} is not a task of run {run.id!r}{hint}")
    if state.wants is not None and not is_restricted(state.wants):
        sentence = f"{name!r} asks nobody in particular: who may send it a signal does so with …/tasks/{name}/signal"
        raise Problem(HTTPStatus.FORBIDDEN, "not-allowed", sentence)
    return state


def _key(header: str | None, body: str | None) -> str | None:
    """Under which a decision counts once.

    Raises:
        Invalid: there are two.
    """
    if header is not None and body is not None and header != body:
        raise Invalid(Fault("id", "this is another one than that of the header Idempotency-Key: send one of them"))
    return header if header is not None else body


def _signal_data(body: DecisionBody) -> dict[str, Any]:
    """What the task is sent.

    Raises:
        Invalid: something is said twice.
    """
    twice = [
        Fault(f"data.{name}", f"say it once, as `{name}`") for name in ("decision", "comment") if name in body.data
    ]
    if twice:
        raise Invalid(*twice)
    return {**body.data, "decision": body.decision, **({"comment": body.comment} if body.comment else {})}


def _signal_id(principal: Principal, key: str, data: dict[str, Any]) -> str:
    """An id that is the same for the same decision under the same key, and begins alike for another one under it.

    The key is this person's alone: what somebody else sent under it is none of his.
    """
    whose = sha256(orjson.dumps([principal.tenant, principal.subject, key])).hexdigest()
    return f"api-{whose[:32]}-{sha256(orjson.dumps(data, option=orjson.OPT_SORT_KEYS)).hexdigest()[:32]}"


def _refuse_reused(run: WorkflowRun, task: str, id_: str) -> None:
    """See that it isn't for its key that a decision was refused.

    Raises:
        Problem: its key was used for another decision.
    """
    key, _, _ = id_.rpartition("-")
    if any(one.id.startswith(f"{key}-") for one in run.tasks[task].accepted):
        sentence = "this Idempotency-Key was used for another decision: use a new one for each"
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "idempotency-key-reused", sentence)


def _faults(refused: Rejected, state: TaskState, data: dict[str, Any]) -> Problem:
    """What was wrong with a decision, in its parts if there are any."""
    schema = state.wants.schema if state.wants is not None else None
    if refused.code != "BAD_SIGNAL" or schema is None:
        return rejected(refused)
    faults = [Fault(_place(one.path), one.message) for one in compile_schema(schema).faults(data, at="data")]
    return invalid(Invalid(*faults)) if faults else rejected(refused)


def _place(path: str) -> str:
    """Where in the request that stands which is at a path of the signal."""
    return path.removeprefix("data.") if path in ("data.decision", "data.comment") else path


def _answer(recorded: Recorded, refusal: Callable[[Rejected], Problem]) -> Response:
    """The run as it is now.

    Raises:
        Problem: it was refused.
    """
    if isinstance(recorded.outcome, Rejected):
        raise refusal(recorded.outcome)
    if recorded.run is None:
        raise not_found(f"run {recorded.run_id!r}")
    return answer(present(recorded.run), headers={"ETag": etag(recorded.run.revision)})
