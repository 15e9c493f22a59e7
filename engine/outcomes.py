"""What becomes of a transition that is proposed: applied, or refused with a sentence."""

from typing import NamedTuple, TypeAlias

from engine.run import JournalEntry, WorkflowRun


class Rejected(NamedTuple):
    """The transition is not legal now: a stable code, and a sentence for people. The run is unchanged."""

    code: str
    reason: str


class Duplicate(NamedTuple):
    """The transition is recorded already; saying it again changes nothing."""


class Touched(NamedTuple):
    """The run was looked at in vain: only `wake_at` and `heal` moved; no revision, no journal entry, no change."""

    run: WorkflowRun | None = None


class Applied(NamedTuple):
    """The run after the transition, and what the journal says of it."""

    run: WorkflowRun
    entry: JournalEntry


Refusal: TypeAlias = Rejected | Duplicate | Touched
DUPLICATE = Duplicate()
TOUCHED = Touched()
