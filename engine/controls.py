"""What is done to a run as a whole: waking, cancelling, pausing, resuming, retrying, giving up, telling its parent."""

from collections.abc import Collection, Iterable

from engine.asked import is_answered
from engine.draft import Draft
from engine.limits import REASON_CHARS
from engine.outcomes import DUPLICATE, TOUCHED, Refusal, Rejected
from engine.refusals import too_wordy, unknown_task
from engine.results import timed_out
from engine.run import TaskState
from engine.settle import consider, settle
from engine.signals import answered
from engine.statuses import FINAL_RUN, FINAL_TASK, RunStatus, TaskStatus
from engine.transitions import (
    Error,
    ParentNotified,
    RunCancelled,
    RunFailed,
    RunPaused,
    RunResumed,
    RunRetried,
    RunWoken,
    TaskBypassed,
)

TIMEOUT_GRACE = 5.0  # seconds in which the engine that runs an attempt reports its timeout itself
_REDONE = frozenset({TaskStatus.FAILED, TaskStatus.TIMED_OUT, TaskStatus.CANCELLED})


def woken(draft: Draft, transition: RunWoken, at: float, luck: float) -> str | Refusal:  # noqa: ARG001
    """`wake_at` has passed: due times become state. If nothing does, the run is only touched."""
    if draft.wake_at is None or draft.wake_at > at:
        return Rejected("NOT_DUE", "there is nothing to wake this run for yet")
    if draft.status in FINAL_RUN:
        return _touch(draft, at, luck)
    if not draft.paused and draft.deadline is not None and draft.deadline <= at:
        draft.error = Error("RUN_TIMED_OUT", f"the run took longer than its timeout of {draft.plan.timeout:g} s")
        _cancel_tasks(draft, at)
        return "RunWoken"
    changed = False
    while not draft.paused and draft.timers and draft.timers[0][0] <= at:
        changed = True
        name = draft.timers[0][1]
        task = draft.tasks[name]
        if task.not_before is not None and task.not_before <= at:
            task = task._replace(not_before=None)
        if task.until is not None and task.until <= at:
            task = task._replace(until=None, due=True)
        draft.put(name, task)
    for name in _overdue(draft, at):
        changed = True
        timed_out(draft, name, f"the attempt took longer than {draft.plan.tasks[name].timeout:g} s", at, luck)
    return "RunWoken" if changed else _touch(draft, at, luck)


def _overdue(draft: Draft, at: float) -> list[str]:
    """Attempts whose time was over long ago, and whose engine hasn't said so."""
    if not draft.running:
        return []
    overdue = []
    for name, task in draft.tasks.items():
        timeout = draft.plan.tasks[name].timeout
        if task.claim is None or task.claim.phase != "main" or timeout is None:
            continue
        if task.claim.at + timeout + TIMEOUT_GRACE <= at:
            overdue.append(name)
    return overdue


def _touch(draft: Draft, at: float, luck: float) -> Refusal:
    draft.heal += 1
    settle(draft, at, luck)
    return TOUCHED


def cancelled(draft: Draft, transition: RunCancelled, at: float, luck: float) -> str | Refusal:  # noqa: ARG001
    """Every task that isn't final is cancelled at once, and no handler is started."""
    if len(transition.reason) > REASON_CHARS:
        return too_wordy(transition.reason)
    if draft.status in FINAL_RUN:
        return DUPLICATE if draft.cancelled else _ended(draft)
    draft.cancelled = True
    _cancel_tasks(draft, at)
    return "RunCancelled"


def failed(draft: Draft, transition: RunFailed, at: float, luck: float) -> str | Refusal:  # noqa: ARG001
    """The engine can't go on with this run."""
    if draft.status in FINAL_RUN:
        return _ended(draft)
    draft.error = transition.error
    _cancel_tasks(draft, at)
    return "RunFailed"


def _cancel_tasks(draft: Draft, at: float) -> None:
    for name, task in draft.tasks.items():
        if task.status not in FINAL_TASK:
            draft.put(
                name,
                task._replace(
                    status=TaskStatus.CANCELLED,
                    updated_at=at,
                    finished_at=at,
                    claim=None,
                    not_before=None,
                    until=None,
                    due=False,
                    wants=None,
                ),
            )
    draft.finals.clear()  # nobody is left to start


def paused(draft: Draft, transition: RunPaused, at: float, luck: float) -> str | Refusal:  # noqa: ARG001
    """Nothing new is claimed and no timer acts; results and signals are still recorded."""
    if len(transition.reason) > REASON_CHARS:
        return too_wordy(transition.reason)
    if draft.status in FINAL_RUN:
        return _ended(draft)
    if draft.paused:
        return Rejected("ALREADY_PAUSED", "the run is paused already")
    draft.paused = True
    return "RunPaused"


def resumed(draft: Draft, transition: RunResumed, at: float, luck: float) -> str | Refusal:  # noqa: ARG001
    """The run goes on; what became due meanwhile acts at once."""
    if len(transition.reason) > REASON_CHARS:
        return too_wordy(transition.reason)
    if draft.status in FINAL_RUN:
        return _ended(draft)
    if not draft.paused:
        return Rejected("NOT_PAUSED", "the run is not paused")
    draft.paused = False
    return "RunResumed"


def retried(draft: Draft, transition: RunRetried, at: float, luck: float) -> str | Refusal:  # noqa: ARG001
    """Failed, timed-out and cancelled tasks are reset, and all that is downstream of them: a new generation."""
    redone = {name for name, task in draft.tasks.items() if task.status in _REDONE}
    refusal = _unretriable(draft, transition, redone) or _unskippable(draft, transition.skip, redone)
    if refusal is not None:
        return refusal
    _add_downstream(draft, redone)
    draft.generation += 1
    draft.cancelled = draft.paused = draft.told = False
    draft.outputs = draft.error = draft.finished_at = None
    draft.deadline = None if draft.plan.timeout is None else at + draft.plan.timeout
    draft.status = RunStatus.RUNNING
    fresh = TaskState(generation=draft.generation, updated_at=at)
    for name in draft.tasks:
        if name in redone:
            draft.put(name, fresh)
    for name in transition.skip:
        draft.put(name, _bypassed(fresh, transition.reason, at))
    for name in draft.tasks:
        if name in redone:
            consider(draft, name, None, at)
    return "RunRetried"


def _unretriable(draft: Draft, transition: RunRetried, redone: Collection[str]) -> Rejected | None:
    """Why a run can't be retried; `redone` are its tasks that failed."""
    if len(transition.reason) > REASON_CHARS:
        return too_wordy(transition.reason)
    if draft.generation != transition.generation:
        return Rejected("STALE_RETRY", f"the run has been retried already: its generation is {draft.generation}")
    if draft.status not in (RunStatus.FAILED, RunStatus.CANCELLED):
        return Rejected("NOT_FAILED", f"only a failed or cancelled run can be retried; this one is {draft.status}")
    if not redone:
        return Rejected("NOTHING_TO_RETRY", "no task of this run failed, timed out or was cancelled: start another run")
    return None


def _unskippable(draft: Draft, skip: Iterable[str], redone: Collection[str]) -> Rejected | None:
    for name in skip:
        if name not in draft.tasks:
            return unknown_task(draft, name)
        if name not in redone:
            return Rejected("TASK_FINAL", f"{name!r} didn't fail, it is {draft.tasks[name].status}: nothing to skip")
    return None


def bypassed(draft: Draft, transition: TaskBypassed, at: float, luck: float) -> str | Refusal:  # noqa: ARG001
    """The run goes on as if a task that waits had said no."""
    task = draft.tasks.get(transition.task)
    if task is None:
        return unknown_task(draft, transition.task)
    refusal = _unbypassable(draft, transition, task)
    if refusal is not None:
        return refusal
    draft.put(transition.task, _bypassed(task, transition.reason, at))
    return "TaskBypassed"


def _unbypassable(draft: Draft, transition: TaskBypassed, task: TaskState) -> Rejected | None:
    name, generation, reason = transition
    if len(reason) > REASON_CHARS:
        return too_wordy(reason)
    if generation != task.generation:
        return Rejected("STALE_SKIP", f"this is for an earlier try of {name!r}; the run has been retried since")
    if draft.status in FINAL_RUN and task.status not in FINAL_TASK:
        return _ended(draft)
    if task.status is not TaskStatus.WAITING and task.not_before is None:
        doing = {TaskStatus.RUNNING: "is being called", TaskStatus.PENDING: "has not begun"}
        stands = doing.get(task.status, f"has already ended: {task.status}")
        return Rejected("NOT_WAITING", f"{name!r} {stands}; what can be skipped is a task that waits")
    if task.inbox and task.wants is not None and is_answered(task, task.wants):
        return answered(name, task)  # somebody was told that his decision counts
    return None


def _bypassed(task: TaskState, reason: str, at: float) -> TaskState:
    """The task, skipped by hand; what it put out so far stays."""
    outputs = {**(task.outputs or {}), "reason": reason or "skipped by hand"}
    skipped = task._replace(status=TaskStatus.SKIPPED, updated_at=at, finished_at=at, outputs=outputs, error=None)
    return skipped._replace(not_before=None, until=None, due=False, wants=None, claim=None)


def _add_downstream(draft: Draft, tasks: set[str]) -> None:
    queue = list(tasks)
    while queue:
        new = set(draft.plan.dependents[queue.pop()]) - tasks
        tasks |= new
        queue += new


def parent_notified(draft: Draft, transition: ParentNotified, at: float, luck: float) -> str | Refusal:  # noqa: ARG001
    """The run that started this one has recorded its end."""
    if draft.told:
        return DUPLICATE
    if draft.run.parent is None or draft.status not in FINAL_RUN:
        return Rejected("NOT_ENDED", "only a run that has a parent and has ended tells it so")
    draft.told = True
    return "ParentNotified"


def _ended(draft: Draft) -> Rejected:
    return Rejected("RUN_FINAL", f"the run has already ended: {draft.status}")
