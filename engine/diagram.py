"""The state diagrams of tasks and runs: every change of status that there is, as data, and drawn for the documentation.

`engine.machine` decides; this says what it decides. A test plays small runs in every way and finds just these changes.
"""

from collections.abc import Iterator
from itertools import groupby
from typing import Final, NamedTuple, TypeAlias

from engine.statuses import FINAL_RUN, FINAL_TASK, RunStatus, TaskStatus

Status: TypeAlias = TaskStatus | RunStatus


class Change(NamedTuple):
    """A change of status: why, in a few words, and the types of the journal entries that can bring it about.

    What is `aside` is told below the picture, which would otherwise be all arrows.
    """

    source: Status
    target: Status
    why: str
    causes: tuple[str, ...]
    aside: bool = False


_ENDS: Final = ("TaskSucceeded", "TaskFailed", "TaskSkipped", "TaskTimedOut", "TaskLost", "TaskBypassed", "RunWoken")
_SETTLES: Final = (*_ENDS, "RunCreated", "RunRetried")  # what can decide about a task that waits for others
_CALLS: Final = ("TaskClaimed", "TaskSucceeded", "TaskFailed", "TaskSkipped", "TaskRetried")  # results of pure blocks
_CANCELS: Final = ("RunCancelled", "RunFailed", "RunWoken")
_AGAIN: Final = ("TaskRetried", "TaskReleased", "TaskLost")


def _of_tasks() -> Iterator[Change]:
    status = TaskStatus
    yield Change(status.PENDING, status.RUNNING, "claimed", _CALLS)
    yield Change(status.PENDING, status.OMITTED, "depends is false", _SETTLES)
    yield Change(status.PENDING, status.SKIPPED, "when is false", _SETTLES)
    yield Change(status.PENDING, status.FAILED, "bad reference or condition", _SETTLES)
    yield Change(status.WAITING, status.SKIPPED, "skipped by hand", ("TaskBypassed",))
    yield Change(status.RUNNING, status.SUCCESS, "returned", ("TaskSucceeded",))
    yield Change(status.RUNNING, status.FAILED, "failed", ("TaskFailed", "TaskLost"))
    yield Change(status.RUNNING, status.TIMED_OUT, "out of time", ("TaskTimedOut", "RunWoken"))
    yield Change(status.RUNNING, status.SKIPPED, "said no", ("TaskSkipped",))
    yield Change(status.RUNNING, status.PENDING, "to be called again", (*_AGAIN, "RunWoken"))
    yield Change(status.RUNNING, status.WAITING, "waits", (*_AGAIN, "TaskSuspended"))
    yield Change(status.WAITING, status.RUNNING, "claimed for a signal or its moment", ("TaskClaimed",))
    by_hand = "skipped by hand, in its back-off or when the run is retried"
    yield Change(status.PENDING, status.SKIPPED, by_hand, ("TaskBypassed", "RunRetried"), aside=True)
    for source in (status.PENDING, status.RUNNING, status.WAITING):
        yield Change(source, status.CANCELLED, "the run is cancelled, given up, or out of time", _CANCELS, aside=True)
    for source in status:
        if source in FINAL_TASK:
            yield Change(source, status.PENDING, "the run is retried", ("RunRetried",), aside=True)


def _of_runs() -> Iterator[Change]:
    status = RunStatus
    idle = "nothing runs or is ready"
    yield Change(status.PENDING, status.RUNNING, "the first claim", _CALLS)
    yield Change(status.PENDING, status.WAITING, idle, ("TaskRetried",), aside=True)
    yield Change(status.RUNNING, status.WAITING, idle, (*_ENDS, "TaskRetried", "TaskSuspended"))
    yield Change(
        status.WAITING, status.RUNNING, "a signal, or a moment", ("SignalReceived", "RunWoken", "TaskBypassed")
    )
    for source in (status.RUNNING, status.PENDING, status.WAITING):
        aside = source is not status.RUNNING
        yield Change(source, status.PAUSED, "paused", ("RunPaused",), aside)
        yield Change(status.PAUSED, source, "resumed", ("RunResumed",), aside)
    reached, missed, given_up = "all tasks final, success", "all tasks final, failure", "given up, or out of time"
    yield Change(status.PENDING, status.SUCCESS, reached, ("TaskSucceeded",), aside=True)
    yield Change(
        status.PENDING, status.FAILED, missed, ("TaskSucceeded", "TaskFailed", "TaskSkipped", "RunCreated"), aside=True
    )
    for source in (status.RUNNING, status.PAUSED):
        aside = source is not status.RUNNING
        yield Change(source, status.SUCCESS, reached, _ENDS, aside)
        yield Change(source, status.FAILED, missed, _ENDS, aside)
    yield Change(status.WAITING, status.SUCCESS, reached, ("TaskBypassed",), aside=True)
    yield Change(status.WAITING, status.FAILED, missed, ("TaskBypassed",), aside=True)
    for source in (status.PENDING, status.RUNNING, status.WAITING):
        yield Change(source, status.FAILED, given_up, ("RunFailed", "RunWoken"), aside=True)
    yield Change(status.PAUSED, status.FAILED, given_up, ("RunFailed",), aside=True)
    for source in (status.RUNNING, status.PENDING, status.WAITING, status.PAUSED):
        yield Change(source, status.CANCELLED, "cancelled", ("RunCancelled",), aside=source is not status.RUNNING)
    for source in (status.FAILED, status.CANCELLED):
        yield Change(source, status.RUNNING, "retried", ("RunRetried",))
        yield Change(source, status.PENDING, "retried, if nothing was ever called", ("RunRetried",), aside=True)
        yield Change(source, status.SUCCESS, "retried without all that failed", ("RunRetried",), aside=True)
    yield Change(status.CANCELLED, status.FAILED, "retried without all that failed", ("RunRetried",), aside=True)


TASK_CHANGES: Final = tuple(_of_tasks())
RUN_CHANGES: Final = tuple(_of_runs())


def drawn(changes: tuple[Change, ...]) -> str:
    """The changes as a Mermaid state diagram, and those that are aside as a list below it."""
    shown = [change for change in changes if not change.aside]
    ends = [status for status in dict.fromkeys(change.target for change in shown) if status in FINAL_TASK | FINAL_RUN]
    lines = [
        "```mermaid",
        "stateDiagram-v2",
        "    [*] --> PENDING",
        *(f"    {change.source} --> {change.target}: {change.why}" for change in shown),
        *(f"    {status} --> [*]" for status in ends),
        "```",
        "",
        "Besides:",
        "",
    ]
    asides = sorted((change for change in changes if change.aside), key=lambda change: change.why)
    for why, group in groupby(asides, key=lambda change: change.why):
        some = list(group)
        lines.append(f"* {why}: {_either(one.source for one in some)} → {_either(one.target for one in some)}")
    return "\n".join(lines)


def _either(statuses: Iterator[Status]) -> str:
    names = [f"`{status}`" for status in dict.fromkeys(statuses)]
    return " or ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
