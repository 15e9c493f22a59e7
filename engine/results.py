"""Claims and the results of calls: which are legal, and what they make of a task.

A claim is legal for a task that is ready for exactly that call. A result is legal only for a running task whose claim
has the result's token; a token that is recorded already is a duplicate.
"""

from typing import Any

from engine.asked import still_delegated
from engine.draft import Draft, wants_size
from engine.limits import RUN_BYTES, RUN_RESERVE, LimitError, json_size
from engine.outcomes import DUPLICATE, Refusal, Rejected
from engine.run import Claim, TaskState
from engine.statuses import FINAL_RUN, TaskStatus
from engine.transitions import (
    Error,
    Result,
    TaskClaimed,
    TaskFailed,
    TaskLost,
    TaskReleased,
    TaskSkipped,
    TaskSucceeded,
    TaskSuspended,
    TaskTimedOut,
)

LOST_AT_MOST = 3
_TOKENS_KEPT = 3


def claimed(draft: Draft, claim: TaskClaimed, at: float, luck: float) -> str | Refusal:  # noqa: ARG001
    """An engine wants to call a task."""
    task = draft.tasks.get(claim.task)
    if task is None:
        return _unknown(draft, claim.task)
    if task.claim is not None and task.claim.token == claim.token:
        return DUPLICATE
    refusal = _unclaimable(draft, task, claim)
    if refusal is not None:
        return refusal
    _take(draft, task, claim, at)
    return "TaskClaimed"


def _unclaimable(draft: Draft, task: TaskState, claim: TaskClaimed) -> Rejected | None:
    if draft.paused or draft.status in FINAL_RUN or draft.ready.get(claim.task) != claim.phase:
        where = f"run {draft.status}, task {task.status}"
        return Rejected("NOT_READY", f"{claim.task!r} is not ready for a {claim.phase} call ({where})")
    if (claim.generation, claim.step, claim.attempt) != (task.generation, task.step, task.attempt + 1):
        return Rejected("STALE_CLAIM", f"{claim.task!r} has moved on since the claim was made")
    if claim.phase == "signal" and claim.signal != task.inbox[0].id:
        return Rejected("STALE_CLAIM", f"{claim.task!r} has another signal to process first")
    return None


def _take(draft: Draft, task: TaskState, claim: TaskClaimed, at: float) -> None:
    if draft.started_at is None:
        draft.started_at = at
    draft.put(
        claim.task,
        task._replace(
            status=TaskStatus.RUNNING,
            updated_at=at,
            attempt=claim.attempt,
            claim=Claim(claim.token, claim.owner, claim.phase, at, claim.signal),
            started_at=at if task.started_at is None else task.started_at,
        ),
    )


def result(draft: Draft, result: Result, at: float, luck: float) -> str | Refusal:
    """A call ended, in any way."""
    task = draft.tasks.get(result.task)
    if task is None:
        return _unknown(draft, result.task)
    if result.token in task.tokens:
        return DUPLICATE
    unclaimed: TaskClaimed | None = getattr(result, "claim", None)
    if unclaimed is not None and task.claim is None and unclaimed[:2] == (result.task, result.token):
        refusal = _unclaimable(draft, task, unclaimed)
        if refusal is not None:
            return refusal
        _take(draft, task, unclaimed, at)
        task = draft.tasks[result.task]
    if task.claim is None or task.claim.token != result.token:
        ended = draft.status in FINAL_RUN
        why = f"the run is {draft.status}" if ended else f"the task is {task.status}, by another claim"
        return Rejected("LATE_RESULT", f"the result of {result.task!r} came too late: {why}")
    if isinstance(result, TaskReleased):
        draft.put(result.task, _given_back(task, at)._replace(tokens=_with(task, result.token)))
        return "TaskReleased"
    return _recorded(draft, task, result, at, luck)


def lost(draft: Draft, transition: TaskLost, at: float, luck: float) -> str | Refusal:  # noqa: ARG001
    """The owner of a claim is dead: the task is called again, a few times at most."""
    task = draft.tasks.get(transition.task)
    if task is None:
        return _unknown(draft, transition.task)
    if task.claim is None or task.claim.token != transition.token:
        return Rejected("LATE_RESULT", f"{transition.task!r} is not under that claim any more")
    if task.lost < LOST_AT_MOST:
        draft.put(transition.task, _given_back(task, at)._replace(lost=task.lost + 1))
    else:
        error = Error("WORKER_LOST", f"the engine died {task.lost + 1} times in a row while calling this task")
        failed = task._replace(status=TaskStatus.FAILED, lost=task.lost + 1, error=error, finished_at=at, updated_at=at)
        draft.put(transition.task, failed._replace(claim=None, until=None, due=False, wants=None))
    return "TaskLost"


def timed_out(draft: Draft, name: str, message: str, at: float, luck: float) -> str:
    """The time of an attempt is over: it is retried like one that failed."""
    task = draft.tasks[name]
    return _recorded(draft, task, TaskTimedOut(name, _claim_of(task).token, message, attempt_over=True), at, luck)


def _given_back(task: TaskState, at: float) -> TaskState:
    """The task before its claim: no attempt is charged, the inbox and `due` are kept."""
    status = TaskStatus.PENDING if _claim_of(task).phase == "main" else TaskStatus.WAITING
    return task._replace(status=status, updated_at=at, attempt=task.attempt - 1, claim=None)


def _with(task: TaskState, token: str) -> tuple[str, ...]:
    return (*task.tokens, token)[-_TOKENS_KEPT:]


def _fitting(draft: Draft, task: TaskState, result: Result) -> Result:
    """The result, unless there is no room for its outputs, or for going on: then a failure that says so."""
    outputs = getattr(result, "outputs", None)
    if isinstance(result, TaskSuspended) and (sentence := _no_room_to_wait(draft, task, result)):
        return TaskFailed(result.task, result.token, Error("RUN_FULL", sentence))
    if not outputs:
        return result
    try:
        size = json_size(outputs)
    except LimitError as error:
        sentence = f"the outputs can't be recorded: this {error}"
    else:
        if draft.size + size - (json_size(task.outputs) if task.outputs else 0) <= RUN_BYTES - RUN_RESERVE:
            return result
        sentence = f"{size:,} bytes of outputs don't fit: the run's document has reached its limit of {RUN_BYTES:,}"
    return TaskFailed(result.task, result.token, Error("OUTPUT_TOO_LARGE", sentence))


def _no_room_to_wait(draft: Draft, task: TaskState, result: TaskSuspended) -> str | None:
    try:
        more = 0 if result.wants in (None, task.wants) else wants_size(result.wants) - wants_size(task.wants)
    except LimitError as error:
        return f"the task can't wait for this: it {error}"
    if draft.size + max(more, 0) <= RUN_BYTES - (RUN_RESERVE if more > 0 else 0):
        return None
    return f"the task can't wait for this: the run's document has reached its limit of {RUN_BYTES:,} bytes"


def _recorded(draft: Draft, task: TaskState, result: Result, at: float, luck: float) -> str:
    """Record what a call came to; a call is a step of its task, unless it is to be made again."""
    backoff = draft.plan.tasks[result.task].backoff
    if task.attempt < backoff.max_attempts and _may_be_retried(result) and draft.size <= RUN_BYTES:
        _retried(draft, task, result, at, at + backoff.delay(task.attempt, luck))
        return "TaskRetried"
    result = _fitting(draft, task, result)
    claim = _claim_of(task)
    if claim.phase == "signal":
        task = task._replace(inbox=tuple(signal for signal in task.inbox if signal.id != claim.signal))
    elif claim.phase == "wake" and task.inbox and not isinstance(result, TaskSuspended):
        # A decision was accepted while the expiry was being processed: it comes first, the time stays due behind it.
        _suspended(draft, task, TaskSuspended(result.task, result.token), at, due=True)
        return "TaskSuspended"
    if isinstance(result, TaskSuspended):
        _suspended(draft, task, result, at, due=task.due and claim.phase == "signal")
        return "TaskSuspended"
    status, error, outputs = _end(result)
    draft.put(
        result.task,
        task._replace(
            status=status,
            updated_at=at,
            step=task.step + 1,
            lost=0,
            outputs=task.outputs if outputs is None else outputs,
            error=error,
            finished_at=at,
            claim=None,
            until=None,
            due=False,
            wants=None,
            tokens=_with(task, result.token),
        ),
    )
    return type(result).__name__


def _may_be_retried(result: Result) -> bool:
    match result:
        case TaskFailed(retryable=retryable):
            return retryable
        case TaskTimedOut(attempt_over=attempt_over):
            return attempt_over
    return False


def _retried(draft: Draft, task: TaskState, result: Result, at: float, not_before: float) -> None:
    """The attempt failed, and there will be another one."""
    draft.put(
        result.task,
        task._replace(
            status=TaskStatus.PENDING if _claim_of(task).phase == "main" else TaskStatus.WAITING,
            updated_at=at,
            claim=None,
            error=_end(result)[1],
            lost=0,
            not_before=not_before,
            tokens=_with(task, result.token),
        ),
    )


def _end(result: Result) -> tuple[TaskStatus, Error | None, Any]:
    match result:
        case TaskSucceeded(outputs=outputs):
            return TaskStatus.SUCCESS, None, outputs
        case TaskFailed(error=error, outputs=outputs):
            return TaskStatus.FAILED, error, outputs
        case TaskSkipped(reason=reason):
            return TaskStatus.SKIPPED, None, {"reason": reason}
        case TaskTimedOut(message=message, outputs=outputs):
            return TaskStatus.TIMED_OUT, Error("TIMED_OUT", message), outputs
    raise AssertionError(f"{type(result).__name__} doesn't end a task")


def _suspended(draft: Draft, task: TaskState, result: TaskSuspended, at: float, *, due: bool) -> None:
    """The task waits; with no time of its own the result leaves the moment that was set before.

    Who wants something else than before begins to count anew, with what is still in the inbox.
    """
    again = result.wants is None or result.wants == task.wants
    wants = task.wants if again else result.wants
    until = result.until if result.after is None else at + result.after
    if until is not None:
        due = False
    elif _claim_of(task).phase != "wake":
        until = task.until
    draft.put(
        result.task,
        task._replace(
            status=TaskStatus.WAITING,
            updated_at=at,
            step=task.step + 1,
            attempt=0,
            lost=0,
            outputs=task.outputs if result.outputs is None else result.outputs,
            error=None,
            claim=None,
            until=until,
            due=due,
            wants=wants,
            counted=task.counted if again else len(task.accepted) - len(task.inbox),
            delegated=task.delegated if again or wants is None else still_delegated(task, wants),
            tokens=_with(task, result.token),
        ),
    )


def _claim_of(task: TaskState) -> Claim:
    """The claim of a running task."""
    if task.claim is None:
        raise AssertionError(f"a task that is {task.status} has no claim")
    return task.claim


def _unknown(draft: Draft, name: str) -> Rejected:
    return Rejected("UNKNOWN_TASK", f"{name!r} is not a task of workflow {draft.plan.workflow.name!r}")
