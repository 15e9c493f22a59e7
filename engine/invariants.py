"""The invariant that no run is ever stuck: each live run is in flight, timed, or waits for somebody, or will be woken.

Checked after every simulation, and by `icefloe doctor` in a store that is in use.
"""

from typing import Final

from engine.asked import asks
from engine.run import WorkflowRun
from engine.statuses import FINAL_TASK

OVERDUE_SECONDS: Final = 120.0  # a living engine wakes a run that is due within seconds


def stuck(run: WorkflowRun, at: float | None = None) -> str | None:
    """Why nothing will ever happen to the run again although it isn't done; None if all is well.

    `at` is the present, by which a living engine should have woken a run that is due; leave it out if none lives.
    """
    if at is not None and run.wake_at is not None:
        since = max(run.wake_at, run.updated_at)  # who resumes a run may make it due at a moment long ago
        if since + OVERDUE_SECONDS < at:
            return f"it has been due for {at - since:.0f} s, and no engine has looked at it"
    return _ended_badly(run) if run.is_final else _waits_in_vain(run)


def _ended_badly(run: WorkflowRun) -> str | None:
    unfinished = [name for name, task in run.tasks.items() if task.status not in FINAL_TASK]
    if unfinished:
        return f"it is {run.status}, but its task {unfinished[0]!r} is {run.tasks[unfinished[0]].status}"
    if run.parent is not None and not run.told and run.wake_at is None:
        return f"it has ended, but nobody will tell run {run.parent.run!r}, which started it"
    return None


def _waits_in_vain(run: WorkflowRun) -> str | None:
    """Why a run that hasn't ended never will."""
    moments = [] if run.paused else [at for at in (run.deadline, *(at for at, _ in run.timers[:1])) if at is not None]
    works = bool(run.running or (run.ready and not run.paused))
    lost = {
        f"all of its tasks have ended, but it is {run.status}": run.unfinished == 0,
        "a task of it is ready or runs, but nobody will notice if its engine dies": works and run.wake_at is None,
        "it waits for a moment, but nobody will look at it then": bool(moments)
        and (run.wake_at is None or run.wake_at > min(moments)),
        "none of its tasks is ready, runs, or waits for a moment or for anybody": not (
            works or moments or run.paused or any(map(asks, run.tasks.values()))
        ),
    }
    return next((sentence for sentence, holds in lost.items() if holds), None)
