"""The calls that were made for a task, as the journal of its run tells them.

TaskClaimed ──► (a call) ──► TaskSucceeded, TaskRetried, …, or whatever else ends it: a time-out, a cancellation

A pure block is called without a claim: of that there is only the end.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, TypeAlias

from engine.run import JournalEntry, TaskState
from engine.statuses import TaskStatus
from engine.transitions import Error

Outcome: TypeAlias = Literal[
    "SUCCESS", "FAILED", "TIMED_OUT", "SKIPPED", "WAITING", "RETRIED", "LOST", "RELEASED", "CANCELLED"
]

_OUTCOMES: Final[dict[str, Outcome]] = {
    "TaskSucceeded": "SUCCESS",
    "TaskFailed": "FAILED",
    "TaskTimedOut": "TIMED_OUT",
    "TaskSkipped": "SKIPPED",
    "TaskSuspended": "WAITING",
    "TaskRetried": "RETRIED",
    "TaskLost": "LOST",
    "TaskReleased": "RELEASED",
}
_WITH_ERRORS: Final = {"FAILED", "TIMED_OUT", "RETRIED", "LOST"}


@dataclass(frozen=True, slots=True)
class Attempt:
    """One call of a task's block. Times are Unix seconds.

    `attempt` counts the calls since the block last returned something, in a `generation` of the run. `outcome` is None
    while it lasts; RETRIED is a failure after which there is another attempt, LOST one whose engine died. `error` is
    known of the last call alone.
    """

    generation: int
    attempt: int
    began: float
    ended: float | None = None
    outcome: Outcome | None = None
    error: Error | None = None

    def document(self) -> dict[str, Any]:
        """The JSON form."""
        return {
            "generation": self.generation,
            "attempt": self.attempt,
            "began": self.began,
            "ended": self.ended,
            "outcome": self.outcome,
            "error": None if self.error is None else self.error._asdict(),
        }


def attempts(name: str, task: TaskState, journal: Sequence[JournalEntry]) -> list[Attempt]:
    """The calls of a task, in order, from the whole journal of its run."""
    found: list[Attempt] = []
    generation = 1
    for entry in journal:
        if entry.type == "RunRetried":
            generation += 1
        lasting = bool(found) and found[-1].ended is None
        own = entry.task == name
        if own and entry.type == "TaskClaimed":
            found.append(Attempt(generation, entry.attempt or 1, entry.at))
        elif lasting and ((own and entry.type in _OUTCOMES) or entry.tasks.get(name, "RUNNING") != "RUNNING"):
            found[-1] = replace(found[-1], ended=entry.at, outcome=_outcome(entry, name))
        elif own and entry.type in _OUTCOMES:
            found.append(Attempt(generation, entry.attempt or 1, entry.at, entry.at, _outcome(entry, name)))
    if found and found[-1].outcome in _WITH_ERRORS and found[-1].generation == task.generation:
        found[-1] = replace(found[-1], error=task.error)
    return found


def _outcome(entry: JournalEntry, name: str) -> Outcome:
    if entry.task == name and entry.type in _OUTCOMES:
        return _OUTCOMES[entry.type]
    match entry.tasks.get(name):  # what was done to the run ended the call
        case TaskStatus.TIMED_OUT:
            return "TIMED_OUT"
        case TaskStatus.CANCELLED:
            return "CANCELLED"
        case _:
            return "RETRIED"
