"""Tests of the state diagrams: they say just what the machine does, and the documentation shows them as they are."""

from collections import deque
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from engine.diagram import RUN_CHANGES, TASK_CHANGES, Change, drawn
from engine.draft import Draft
from engine.machine import advance, ready, start
from engine.plan import Plan
from engine.run import JournalEntry, Parent, TaskState, WorkflowRun
from engine.statuses import RunStatus, TaskStatus
from engine.transitions import (
    Error,
    ParentNotified,
    RunCancelled,
    RunFailed,
    RunPaused,
    RunResumed,
    RunRetried,
    RunWoken,
    Signal,
    SignalReceived,
    TaskBypassed,
    TaskFailed,
    TaskLost,
    TaskReleased,
    TaskSkipped,
    TaskSucceeded,
    TaskSuspended,
    TaskTimedOut,
    Transition,
    Wants,
)
from tests.engine.driver import plan_of, task

SPECIFICATION = Path(__file__).parents[2] / "docs" / "specification.md"
ERROR = Error("E", "it failed")
LATE = 1e6  # seconds, when every moment that was set has passed
MOST_SITUATIONS = 5000  # of one workflow; all there are in most
TWICE = {"retry": {"max_attempts": 2, "initial_interval": "5s"}, "timeout": "10s"}
NO = {"left": 1, "operator": "==", "right": 2}
BAD = {"left": 1, "operator": "<", "right": "2"}
Seen = set[tuple[str, str, str]]

PLANS = (
    plan_of(task("a", **TWICE), timeout="1h"),
    plan_of("a", "b: a.FAILED", exits=["b"], timeout="1h"),
    plan_of(task("a", **TWICE), "b: a", exits=["b"]),
    plan_of(task("a", allow_failure=True, **TWICE), task("b: a.DONE", when=NO), exits=["a", "b"]),
    plan_of(task("a", **TWICE), task("b: a.DONE", when=NO), "c: a.DONE", exits=["a", "c"]),
    plan_of(task("a", allow_failure=True, **TWICE), task("b: a.DONE", when=BAD, allow_failure=True), exits=["a", "b"]),
    plan_of(task("a", allow_failure=True, **TWICE), "b", exits=["b"]),
    plan_of("b", task("a: b", allow_failure=True), exits=["b"]),
    plan_of(task("a", when=BAD), "b: a", exits=["b"]),
    plan_of(task("a", when=NO), "b: a", exits=["b"]),
    plan_of(task("a", when=BAD, allow_failure=True), task("c", when=NO), "b: a.FAILED", exits=["b"]),
    plan_of(task("a", when=BAD), task("b: a.FAILED", when=NO), exits=["b"]),
)


class Watched(Draft):
    """A draft that keeps each change of a task's status, also those that one transition makes one after the other."""

    __slots__ = ("changes",)

    def __init__(self, run: WorkflowRun) -> None:
        super().__init__(run)
        self.changes: list[tuple[TaskStatus, TaskStatus]] = []

    def _count(self, name: str, old: TaskStatus, new: TaskStatus) -> None:
        self.changes.append((old, new))
        super()._count(name, old, new)


def moves(run: WorkflowRun) -> Iterator[Transition]:
    """Everything that could happen next, and much that can't."""
    for call in ready(run):
        yield call.claim(f"claim-{run.revision}", "engine")
        if call.phase == "main":
            claim = call.claim(f"pure-{run.revision}", "engine")
            yield TaskSucceeded(call.task, claim.token, None, claim)
            yield TaskSkipped(call.task, claim.token, "no", claim)
            for retryable in (False, True):
                yield TaskFailed(call.task, claim.token, ERROR, retryable, None, claim)
    for name, state in run.tasks.items():
        yield from _results(name, state)
        if state.status is TaskStatus.WAITING and not state.accepted:
            yield SignalReceived(name, Signal(f"s{run.revision}", state.generation, None, None, "callback"))
        yield TaskBypassed(name, state.generation)
        if run.generation == 1:
            yield RunRetried(1, skip=(name,))
    yield from (RunWoken(), RunCancelled(), RunPaused(), RunResumed(), RunFailed(ERROR), ParentNotified())
    if run.generation == 1:
        yield RunRetried(1)


def _results(name: str, state: TaskState) -> Iterator[Transition]:
    if state.claim is not None:
        token = state.claim.token
        yield from (TaskSucceeded(name, token, None), TaskSkipped(name, token, "no"))
        yield from (TaskReleased(name, token), TaskLost(name, token))
        yield from (TaskSuspended(name, token, after=5.0), TaskSuspended(name, token, wants=Wants()))
        for again in (False, True):
            yield from (TaskFailed(name, token, ERROR, again), TaskTimedOut(name, token, "too late", again))


def moments(run: WorkflowRun, move: Transition) -> set[float]:
    """The times at which a move may mean different things."""
    if not isinstance(move, RunWoken) or run.wake_at is None:
        return {run.updated_at}
    return {max(run.wake_at, run.updated_at), max(run.wake_at + 20, run.updated_at), max(LATE, run.updated_at)}


def situation(run: WorkflowRun) -> tuple[Any, ...]:
    """What of a run decides how it can go on; times and counters that only grow are left out."""
    tasks = (
        (
            *(one.status, one.attempt, one.lost, one.due, one.generation, len(one.inbox), len(one.accepted)),
            *(one.not_before is None, one.until is None, one.wants is None, one.claim and one.claim.phase),
        )
        for one in run.tasks.values()
    )
    return (run.status, run.cancelled, run.generation, run.told, run.started_at is None, run.error is None, *tasks)


def explore(plan: Plan, seen_tasks: Seen, seen_runs: Seen) -> None:
    """Play a workflow in every way, and note which changes of status there are."""
    parent = Parent("parent", "task", 1)
    run, entry = start(plan, {}, id="r", at=0.0, parent=parent)
    seen_tasks.update((TaskStatus.PENDING, entry.type, status) for status in entry.tasks.values())
    seen_runs.update({(RunStatus.PENDING, entry.type, run.status)} if run.status is not RunStatus.PENDING else ())
    situations = {situation(run)}
    queue = deque([run])
    while queue:
        run = queue.popleft()
        for move in moves(run):
            for at in moments(run, move):
                draft = Watched(run)
                entry_or_refusal = advance(draft, move, at=at)
                if not isinstance(entry_or_refusal, JournalEntry):
                    continue
                seen_tasks.update((old, entry_or_refusal.type, new) for old, new in draft.changes)
                if draft.status is not run.status:
                    seen_runs.add((run.status, entry_or_refusal.type, draft.status))
                after = draft.freeze()
                if situation(after) not in situations and len(situations) < MOST_SITUATIONS:
                    situations.add(situation(after))
                    queue.append(after)


@cache
def observed() -> tuple[Seen, Seen]:
    tasks: Seen = set()
    runs: Seen = set()
    for plan in PLANS:
        explore(plan, tasks, runs)
    return tasks, runs


def listed(changes: tuple[Change, ...]) -> Seen:
    return {(change.source, cause, change.target) for change in changes for cause in change.causes}


def test_g4_the_diagram_of_tasks_has_every_change_that_there_is_and_no_other() -> None:
    assert observed()[0] == listed(TASK_CHANGES)


def test_g4_the_diagram_of_runs_has_every_change_that_there_is_and_no_other() -> None:
    assert observed()[1] == listed(RUN_CHANGES)


def test_the_specification_shows_the_diagrams_as_they_are_drawn() -> None:
    text = SPECIFICATION.read_text(encoding="utf-8")
    _, _, rest = text.partition("<!-- states:begin -->\n")
    shown, end, _ = rest.partition("<!-- states:end -->")
    assert end
    assert shown == f"\n### Of a task\n\n{drawn(TASK_CHANGES)}\n\n### Of a run\n\n{drawn(RUN_CHANGES)}\n\n"
