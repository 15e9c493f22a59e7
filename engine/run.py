"""A run: a workflow's plan, and the state of the run and of each of its tasks, as values that are never changed.

The values are named tuples, not dataclasses: one is made at every transition, and a tuple is made four times faster.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from engine.plan import Plan
from engine.statuses import FINAL_RUN, FINAL_TASK, RunStatus, TaskStatus
from engine.transitions import Error, Phase, Signal, Wants, dump_signal, load_signal, load_wants


class Claim(NamedTuple):
    """Who is calling a task's block: counted only with this token. `at` is Unix time."""

    token: str
    owner: str
    phase: Phase
    at: float
    signal: str | None = None


class Accepted(NamedTuple):
    """A signal that was accepted in this generation: which, whose, what it decided, and for whom if for another."""

    id: str
    sender: str | None
    decision: str | None
    on_behalf: str | None = None

    @property
    def voice(self) -> str | None:
        """Whose decision it counts as."""
        return self.on_behalf or self.sender


class TaskState(NamedTuple):
    """The state of one task. Times are Unix seconds.

    `step` counts the recorded results of the generation and `attempt` the calls of the step; `lost` the claims in a row
    whose engine died. `not_before` is the end of a back-off, `until` the moment a waiting task is woken, `due` that it
    has come. `inbox` holds the signals not yet processed, `accepted` all of this generation, of which those from
    `counted` on decide what the task still wants; `tokens` are the last results. `delegated` has pairs: who may decide
    now, and in whose place.
    """

    status: TaskStatus = TaskStatus.PENDING
    updated_at: float = 0.0
    generation: int = 1
    step: int = 0
    attempt: int = 0
    lost: int = 0
    outputs: Any = None
    error: Error | None = None
    started_at: float | None = None
    finished_at: float | None = None
    claim: Claim | None = None
    not_before: float | None = None
    until: float | None = None
    due: bool = False
    wants: Wants | None = None
    inbox: tuple[Signal, ...] = ()
    accepted: tuple[Accepted, ...] = ()
    tokens: tuple[str, ...] = ()
    counted: int = 0
    delegated: tuple[tuple[str, str], ...] = ()


class Parent(NamedTuple):
    """The task of another run that started this one, and the generation of that task."""

    run: str
    task: str
    generation: int


class WorkflowRun(NamedTuple):
    """A run. Times are Unix seconds, `size` estimates the bytes of its document.

    `wake_at` is when somebody must look at the run at the latest, `heal` how often that was in vain in a row,
    `deadline` when its time is up, `told` that its parent knows of its end. `ready`, `running`, `unfinished` and
    `timers` follow from the others and are not stored: the tasks that may be called (and for what), how many run and
    how many aren't final, and the moments ahead. `seal` is that of the last journal entry: the store's, not ours.
    """

    id: str
    tenant: str
    plan: Plan
    inputs: Mapping[str, Any]
    labels: Mapping[str, str]
    requested_by: str | None
    parent: Parent | None
    created_at: float
    status: RunStatus
    paused: bool
    cancelled: bool
    generation: int
    revision: int
    updated_at: float
    started_at: float | None
    finished_at: float | None
    outputs: Any
    error: Error | None
    heal: int
    wake_at: float | None
    deadline: float | None
    told: bool
    size: int
    tasks: Mapping[str, TaskState]
    ready: Mapping[str, Phase]
    running: int
    unfinished: int
    timers: tuple[tuple[float, str], ...]
    seal: str | None = None

    @property
    def is_final(self) -> bool:
        """Whether it has ended."""
        return self.status in FINAL_RUN

    @property
    def workflow(self) -> str:
        """The name of its workflow."""
        return self.plan.workflow.name


class JournalEntry(NamedTuple):
    """What one transition did: the statuses of the tasks it changed, and of the run if that changed. No payloads.

    `type` is that of the transition as it was recorded: a failure that is retried is a `TaskRetried`. `detail` has what
    people said: the `reason`, the `decision` with its `comment`, and whom it was made `on_behalf` of. `seal` is there
    in entries that a store gives back: the hash that chains them (`store.seals`).
    """

    revision: int
    at: float
    type: str
    task: str | None
    attempt: int | None
    by: str | None
    tasks: Mapping[str, TaskStatus]
    status: RunStatus | None
    detail: Mapping[str, Any] | None = None
    seal: str | None = None


_FRESH = TaskState()
_TASK_FIELDS = TaskState._fields


def dump_task(task: TaskState) -> dict[str, Any]:
    """The JSON form of a task's state: every field that isn't as in a fresh task."""
    document: dict[str, Any] = {
        field: value
        for field, value, fresh in zip(_TASK_FIELDS, task, _FRESH, strict=True)
        if value is not fresh and value != fresh
    }
    for field in ("error", "claim"):
        if document.get(field) is not None:
            document[field] = document[field]._asdict()
    if task.wants is not None:
        document["wants"] = task.wants.document()
    if task.inbox:
        document["inbox"] = [dump_signal(signal) for signal in task.inbox]
    if task.accepted:  # as they always were, if nobody stood in: older programs that run beside this one read them
        document["accepted"] = [one if one.on_behalf is not None else one[:3] for one in task.accepted]
    return document


def load_task(document: Mapping[str, Any]) -> TaskState:
    """The state of its JSON form."""
    fields = dict(document)
    if "status" in fields:
        fields["status"] = TaskStatus(fields["status"])
    if "error" in fields:
        fields["error"] = Error(**fields["error"])
    if "claim" in fields:
        fields["claim"] = Claim(**fields["claim"])
    if "wants" in fields:
        fields["wants"] = load_wants(fields["wants"])
    if "inbox" in fields:
        fields["inbox"] = tuple(map(load_signal, fields["inbox"]))
    if "accepted" in fields:
        fields["accepted"] = tuple(Accepted(*one) for one in fields["accepted"])
    if "tokens" in fields:
        fields["tokens"] = tuple(fields["tokens"])
    if "delegated" in fields:
        fields["delegated"] = tuple((to, whom) for to, whom in fields["delegated"])
    return TaskState(**fields)


def present(run: WorkflowRun, journal: list[JournalEntry] | None = None) -> dict[str, Any]:
    """The whole document, as people and front ends read it: the workflow's tasks, each with its state."""
    workflow = run.plan.workflow.model_dump(mode="json", exclude_none=True)
    document: dict[str, Any] = {
        "id": run.id,
        "tenant": run.tenant,
        "workflow": {"name": workflow["name"], "version": run.plan.workflow.version},
        "status": run.status,
        "requested_by": run.requested_by,
        "labels": dict(run.labels),
        "inputs": dict(run.inputs),
        "outputs": run.outputs,
        "error": None if run.error is None else run.error._asdict(),
        "parent": None if run.parent is None else run.parent._asdict(),
        "generation": run.generation,
        "revision": run.revision,
        "created_at": run.created_at,
        "updated_at": run.updated_at,
        "started_at": run.started_at,
        "finished_at": run.finished_at,
        "wake_at": run.wake_at,
        "deadline": run.deadline,
        "dag": {
            **{key: value for key, value in workflow["dag"].items() if key != "tasks"},
            "tasks": [{**spec, **_shown(run.tasks[spec["name"]])} for spec in workflow["dag"]["tasks"]],
        },
    }
    if journal is not None:
        document["journal"] = [
            {key: value for key, value in entry._asdict().items() if value not in (None, {})} for entry in journal
        ]
    return document


def _shown(task: TaskState) -> dict[str, Any]:
    """A task's state as people read it; how the engine keeps its books is left out."""
    shown: dict[str, Any] = {
        "status": task.status,
        "updated_at": task.updated_at,
        "attempt": task.attempt,
        "outputs": task.outputs,
        "error": None if task.error is None else task.error._asdict(),
        "started_at": task.started_at,
        "finished_at": task.finished_at,
    }
    for field in ("not_before", "until"):
        if getattr(task, field) is not None:
            shown[field] = getattr(task, field)
    if task.status not in FINAL_TASK and task.wants is not None:
        shown["wants"] = task.wants.document()
        if task.delegated:
            shown["delegated"] = [{"to": to, "on_behalf": whom} for to, whom in task.delegated]
    return shown
