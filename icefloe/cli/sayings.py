"""What people said of a run and its tasks, from the journal: who handed over, skipped, paused or retried, and why."""

from collections.abc import Iterator, Sequence
from typing import Final

from engine.explain import why_skipped
from engine.run import JournalEntry, WorkflowRun
from icefloe.cli.wording import moment

_DONE: Final = {
    "RunPaused": "paused",
    "RunResumed": "resumed",
    "RunRetried": "retried",
    "RunCancelled": "cancelled",
}
_MOST: Final = 5


def said_of_run(run: WorkflowRun, journal: Sequence[JournalEntry], at: float) -> list[str]:
    """What was done to the run as a whole with words, the last few: `16:40:11 paused by olga: maintenance`.

    That it is paused or cancelled now is explained elsewhere.
    """
    told = {"RunPaused"} if run.paused else {"RunCancelled"} if run.cancelled else set()
    spoken = [entry for entry in journal if entry.type in _DONE and entry.detail and entry.type not in told]
    return [f"{moment(entry.at, at)} {_DONE[entry.type]}{_words(entry)}" for entry in spoken[-_MOST:]]


def said_of_task(run: WorkflowRun, name: str, journal: Sequence[JournalEntry], at: float) -> Iterator[str]:
    """Who handed this try of the task over to whom, and who skipped it."""
    begins = max((entry.revision for entry in journal if entry.type == "RunRetried" and name in entry.tasks), default=0)
    for entry in journal:
        if entry.type == "TaskDelegated" and entry.task == name and entry.revision > begins:
            words = entry.detail or {}
            reason = f": {words['reason']}" if "reason" in words else ""
            yield f"handed over by {words.get('from')} to {words.get('to')}, {moment(entry.at, at)}{reason}"
    skipped = why_skipped(run, name, journal)
    if skipped:
        yield skipped


def _words(entry: JournalEntry) -> str:
    words = entry.detail or {}
    without = f" without {', '.join(words['skip'])}" if "skip" in words else ""
    by = f" by {entry.by}" if entry.by is not None else ""
    return f"{without}{by}" + (f": {words['reason']}" if "reason" in words else "")
