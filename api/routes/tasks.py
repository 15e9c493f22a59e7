"""The tasks of a run: read what became of one, go on without it, or send it what it waits for."""

from http import HTTPStatus
from typing import Any, Final

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field, JsonValue
from starlette.concurrency import run_in_threadpool

from api.answers import answer
from api.attempts import Outcome, attempts
from api.guard import GuardedRoute
from api.models import RUN_ID, ErrorModel, Moment, RunId, RunModel, TaskModel, TaskName
from api.problems import Problem, documented, rejected
from api.routes.histories import ExplanationModel
from api.routes.runs import Why, proposed
from api.seen import run_for
from api.services import Asking, Services, ServicesOf
from engine.explain import explain, why_omitted
from engine.faults import Fault, Invalid, nearest, shown
from engine.limits import ID_CHARS
from engine.machine import apply
from engine.outcomes import Rejected
from engine.run import TaskState, WorkflowRun, present
from engine.transitions import RunRetried, Signal, SignalReceived, TaskBypassed, Transition
from store.identifiers import new_id

router = APIRouter(route_class=GuardedRoute, prefix="/runs/{run_id}/tasks/{task}", tags=["Tasks"])

_OURS: Final = ("api-", "link-")  # with another one's id somebody could keep his decision out
_DATA: Final[dict[str, JsonValue]] = {"report_url": "https://reports.example.org/4711"}


class AttemptModel(BaseModel):
    """One call of a task's block."""

    generation: int = Field(description="Of the run", examples=[1])
    attempt: int = Field(description="Calls since the block last returned something, this one included", examples=[1])
    began: Moment
    ended: Moment | None = Field(description="Null: it lasts")
    outcome: Outcome | None = Field(
        description="RETRIED: failed, another attempt follows; WAITING: it returned, and waits; LOST: its engine died"
    )
    error: ErrorModel | None = Field(description="Known of the last attempt alone")


class TaskDetail(BaseModel):
    """A task, with what it waits for, and the calls that were made for it."""

    run: str = Field(examples=[RUN_ID])
    task: TaskModel
    explanation: ExplanationModel | None = Field(description="What it waits for; null if it runs or has ended")
    omitted: str | None = Field(description="Which part of its `depends` was false, if it was never asked")
    attempts: list[AttemptModel]


class SendSignal(BaseModel):
    """What is sent to a waiting task."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"data": _DATA}]})

    data: Any = Field(default=None, description="What its block asks for: `wants.schema` of the task", examples=[_DATA])
    id: str | None = Field(
        default=None,
        min_length=1,
        max_length=ID_CHARS,
        description="Any text that names this signal: sent again with it, it counts once",
        examples=["report-4711"],
    )
    generation: int | None = Field(
        default=None, ge=1, le=2**31, description="The run's, if it may have been retried meanwhile; absent: as it is"
    )


@router.get("", summary="Read a task of a run", response_model=TaskDetail, responses=documented(404))
async def read_task(run_id: RunId, task: TaskName, services: ServicesOf, principal: Asking) -> Response:
    """A task as it is now, what it waits for, and every call of its block: when, and what came of it."""
    run = await run_for(services, principal, "read_task", run_id)
    state = _task(run, task)
    return await run_in_threadpool(_detail, services, run, task, state)


@router.post("/skip", summary="Go on without a task", response_model=RunModel, responses=documented(404, 409))
async def skip_task(
    run_id: RunId, task: TaskName, services: ServicesOf, principal: Asking, why: Why | None = None
) -> Response:
    """Skip a task that waits; or, in a run that has failed, retry the run without this task.

    The task ends SKIPPED, as if its block had said no: what depends on that goes on.
    """
    run = await run_for(services, principal, "skip_task", run_id)
    state, reason = _task(run, task), (why or Why()).reason
    skip: Transition = TaskBypassed(task, state.generation, reason)
    if run.is_final:
        skip = RunRetried(run.generation, reason, (task,))
    return await proposed(services, principal, run_id, skip)


@router.post("/signal", summary="Send a signal to a task", response_model=RunModel, responses=documented(404, 409))
async def signal_task(
    run_id: RunId, task: TaskName, body: SendSignal, services: ServicesOf, principal: Asking
) -> Response:
    """Send a waiting task its data, in the caller's name.

    Only whom the task asks may, and what he sends must fit the JSON Schema that it gives in `wants`. A decision takes
    the role of an approver, here as well.
    """
    run = await run_for(services, principal, "signal_task", run_id)
    state = _task(run, task)
    if body.id is not None and body.id.startswith(_OURS):
        raise Invalid(Fault("id", f"ids that begin with {' or '.join(_OURS)} are those of decisions: choose another"))
    if "approve" in ((state.wants and state.wants.closes) or {}):
        await run_for(services, principal, "decide", run_id)
    generation = body.generation or state.generation
    id_ = body.id or new_id(services.store.now())
    signal = Signal(id_, generation, principal.subject, body.data, groups=principal.groups)
    received = SignalReceived(task, signal)
    if state.wants is None:  # whom it will ask for what isn't known yet, and so not either who may answer
        outcome = apply(run, received, at=services.store.now(), by=principal.subject)
        if isinstance(outcome, Rejected):
            raise rejected(outcome)
    return await proposed(services, principal, run_id, received)


def _task(run: WorkflowRun, name: str) -> TaskState:
    """A task.

    Raises:
        Problem: the run has none of this name.
    """
    task = run.tasks.get(name)
    if task is None:
        sentence = f"{shown(name)} is not a task of run {run.id!r}{nearest(name, run.tasks)}"
        raise Problem(HTTPStatus.NOT_FOUND, "not-found", sentence)
    return task


def _detail(services: Services, run: WorkflowRun, name: str, task: TaskState) -> Response:
    journal = services.store.journal(run.id)
    found = explain(run, services.store.now(), services.catalogue, journal)
    explanation = next((one.document() for one in found if one.task == name), None)
    document = {
        "run": run.id,
        "task": next(one for one in present(run)["dag"]["tasks"] if one["name"] == name),
        "explanation": explanation,
        "omitted": why_omitted(run, name) or None,
        "attempts": [one.document() for one in attempts(name, task, journal)],
    }
    return answer(document)
