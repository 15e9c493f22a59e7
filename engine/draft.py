"""A draft: a run that is being changed, with the books kept on what is ready, running, unfinished and timed.

Only `engine.machine` and `engine.settle` write to drafts; everybody else sees frozen runs.
"""

from bisect import bisect_left, insort
from collections.abc import Mapping
from typing import Any

from engine.limits import RUN_BYTES, json_size
from engine.run import JournalEntry, TaskState, WorkflowRun
from engine.statuses import FINAL_TASK, RunStatus, TaskStatus
from engine.transitions import Error, Phase, Wants

_ENTRY_BYTES = 160  # what a journal entry takes in the document, about
_EFFECT_BYTES = 48
_ACCEPTED_BYTES = 120


class Draft:
    """A thawed run.

    `effects` has the statuses that the transition at hand has changed, `finals` the tasks that it ended and whose
    dependents are still to be looked at; `touched` all tasks that were put since the draft was made.
    """

    __slots__ = (
        "cancelled", "deadline", "effects", "error", "finals", "finished_at", "generation", "heal", "outputs", "paused",
        "plan", "ready", "revision", "run", "running", "size", "started_at", "status", "tasks", "timers", "told",
        "touched", "unfinished", "updated_at", "wake_at",
    )  # fmt: skip

    def __init__(self, run: WorkflowRun) -> None:
        self.run = run
        self.plan = run.plan
        self.tasks: dict[str, TaskState] = dict(run.tasks)
        self.ready: dict[str, Phase] = dict(run.ready)
        self.timers: list[tuple[float, str]] = list(run.timers)
        self.status: RunStatus = run.status
        self.paused: bool = run.paused
        self.cancelled: bool = run.cancelled
        self.generation: int = run.generation
        self.revision: int = run.revision
        self.updated_at: float = run.updated_at
        self.started_at: float | None = run.started_at
        self.finished_at: float | None = run.finished_at
        self.outputs: Any = run.outputs
        self.error: Error | None = run.error
        self.heal: int = run.heal
        self.wake_at: float | None = run.wake_at
        self.deadline: float | None = run.deadline
        self.told: bool = run.told
        self.size: int = run.size
        self.running: int = run.running
        self.unfinished: int = run.unfinished
        self.effects: dict[str, TaskStatus] = {}
        self.finals: list[str] = []
        self.touched: set[str] = set()

    def freeze(self, seal: str | None = None) -> WorkflowRun:
        """The run as it stands now, and its seal if that is another one."""
        run = self.run
        return WorkflowRun(  # by the order of its fields, which takes a third of the time of `_replace`
            run.id, run.tenant, run.plan, run.inputs, run.labels, run.requested_by, run.parent, run.created_at,
            self.status, self.paused, self.cancelled, self.generation, self.revision, self.updated_at, self.started_at,
            self.finished_at, self.outputs, self.error, self.heal, self.wake_at, self.deadline, self.told, self.size,
            self.tasks, self.ready, self.running, self.unfinished, tuple(self.timers), seal or run.seal,
        )  # fmt: skip

    def put(self, name: str, new: TaskState) -> None:
        """Replace the state of a task, and keep the books."""
        old = self.tasks[name]
        self.tasks[name] = new
        self.touched.add(name)
        if old.status is not new.status:
            self._count(name, old.status, new.status)
        if new.outputs is not old.outputs or new.inbox is not old.inbox or new.error is not old.error:
            self.size += _weight(new) - _weight(old)
        if new.wants is not old.wants:
            self.size += wants_size(new.wants) - wants_size(old.wants)
        before, after = _moment(old), _moment(new)
        if before != after:
            if before is not None:
                del self.timers[bisect_left(self.timers, (before, name))]
            if after is not None:
                insort(self.timers, (after, name))
        phase = self._phase(name, old, new)
        if phase is not None:
            self.ready[name] = phase
        elif name in self.ready:
            del self.ready[name]

    def _count(self, name: str, old: TaskStatus, new: TaskStatus) -> None:
        self.effects[name] = new
        if old is TaskStatus.RUNNING:
            self.running -= 1
        elif new is TaskStatus.RUNNING:
            self.running += 1
        if new in FINAL_TASK:
            if old not in FINAL_TASK:
                self.unfinished -= 1
            self.finals.append(name)
        elif old in FINAL_TASK:
            self.unfinished += 1

    def _phase(self, name: str, old: TaskState, new: TaskState) -> Phase | None:
        """What the task may be called for.

        That a pending task's gate opened is for `engine.settle` to say; here it is known only of one that was ready or
        has been called before, since a gate stays open.
        """
        if new.not_before is not None:
            return None
        if new.status is TaskStatus.WAITING:
            return "signal" if new.inbox else "wake" if new.due else None
        open_ = name in self.ready or old.status is TaskStatus.RUNNING or old.not_before is not None
        return "main" if new.status is TaskStatus.PENDING and open_ else None

    def close(  # noqa: PLR0913 - what an entry says
        self,
        kind: str,
        task: str | None,
        before: TaskState | None,
        *,
        at: float,
        by: str | None,
        status: RunStatus | None,
        detail: Mapping[str, Any] | None = None,
    ) -> JournalEntry:
        """Close the books on one transition: the next revision, and its journal entry.

        `before` is the task as it was, `status` the status that the run had. The attempt is the one that the transition
        was about: a claim begins one, and what ends a step has begun to count anew.
        """
        self.revision += 1
        self.updated_at = at
        self.size += _ENTRY_BYTES + _EFFECT_BYTES * len(self.effects)
        self.size += (0 if by is None else len(by)) + (0 if detail is None else json_size(detail))
        effects, self.effects = self.effects, {}
        attempt = None if task is None or before is None else max(before.attempt, self.tasks[task].attempt)
        return JournalEntry(
            self.revision, at, kind, task, attempt, by, effects, None if self.status is status else self.status, detail
        )


def _weight(task: TaskState) -> int:
    """Bytes of what people and blocks put into a task, about."""
    weight = json_size(task.outputs) if task.outputs else 0
    for signal in task.inbox:
        weight += json_size(signal.data)
    return weight + _ACCEPTED_BYTES * len(task.accepted) + (0 if task.error is None else len(task.error.message))


def wants_size(wants: Wants | None) -> int:
    """Bytes of what a task wants: the people whom it asks may be many.

    Raises:
        LimitError: it is no JSON, or larger than a run may be.
    """
    if wants is None:
        return 0
    return json_size([list(field) if type(field) is tuple else field for field in wants], RUN_BYTES)


def _moment(task: TaskState) -> float | None:
    """When time alone changes this task."""
    if task.status is not TaskStatus.WAITING and task.status is not TaskStatus.PENDING:
        return None
    if task.not_before is None or task.until is None:
        return task.until if task.not_before is None else task.not_before
    return min(task.not_before, task.until)


def fold(journal: list[JournalEntry], tasks: Mapping[str, object]) -> tuple[dict[str, TaskStatus], RunStatus]:
    """The statuses that a journal, read from its beginning, leads to."""
    statuses = dict.fromkeys(tasks, TaskStatus.PENDING)
    status = RunStatus.PENDING
    for entry in journal:
        statuses.update(entry.tasks)
        status = entry.status or status
    return statuses, status
