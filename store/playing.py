"""What a write does to runs, in every store: proposals are played on drafts, and the store keeps what came of it.

    run + proposals ──advance──► outcomes ──follow──► more of them ──keep──► whatever the store writes

Whatever goes wrong with one run stays with that run.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Sequence
from typing import Final, Generic, NamedTuple, TypeAlias, TypeVar

import structlog

from engine.draft import Draft
from engine.machine import advance
from engine.outcomes import Duplicate, Rejected, Touched
from engine.run import JournalEntry, WorkflowRun
from engine.settle import HEAL_DOUBLINGS, HEAL_SECONDS
from engine.statuses import FINAL_RUN, RunStatus
from engine.transitions import BY_PEOPLE, Error, RunFailed, RunWoken, TaskLost, Transition
from store.protocol import Follow, Proposal, Recorded
from store.seals import seal
from store.texts import entry_text, in_short

P = TypeVar("P")

_PUT_OFF: Final = HEAL_SECONDS * 2**HEAL_DOUBLINGS

_log = structlog.get_logger(__name__)


class Stored(NamedTuple, Generic[P]):
    """A run, and its place in the store."""

    place: P
    run: WorkflowRun


class Unreadable(NamedTuple, Generic[P]):
    """A run whose document makes no sense, and why. `status` is None if even that is none of ours."""

    place: P
    id: str
    revision: int
    status: RunStatus | None
    seal: str | None
    reason: str


class Told(NamedTuple):
    """What happened to a run: the entry of its journal, its text and its seal; the transition (None: it began)."""

    entry: JournalEntry
    text: str
    seal: str
    transition: Transition | None


def tell(run_id: str, previous: str | None, entry: JournalEntry, transition: Transition | None) -> Told:
    """What happened to a run, as it is written down; `previous` is the seal of what happened before."""
    text = entry_text(entry)
    return Told(entry, text, seal(previous, run_id, entry.revision, entry.at, text), transition)


Outcome: TypeAlias = JournalEntry | Duplicate | Rejected | Touched


class Playing(ABC, Generic[P]):
    """One write at the time `at`, in Unix seconds; `luck` gives random numbers in [0, 1)."""

    def __init__(self, at: float, luck: Callable[[], float], follow: Follow | None = None) -> None:
        self.at = at
        self.luck = luck
        self._follow = follow

    @abstractmethod
    def keep_change(self, stored: Stored[P], run: WorkflowRun, told: Sequence[Told], touched: Collection[str]) -> None:
        """Keep what a run has become, what happened to it, and the tasks that this touched; all of it or nothing.

        Raises:
            Exception: it can't be written down.
        """

    @abstractmethod
    def keep_touch(self, stored: Stored[P], run: WorkflowRun) -> None:
        """Keep when a run is to be looked at again: only its `wake_at` and `heal` have moved."""

    @abstractmethod
    def keep_failure(self, run: Unreadable[P], told: Told | None, error: Error) -> None:
        """Never wake a run again that can't be handled at all. If it hasn't ended, `told` says that it has now.

        Its tasks stay as they are, for whoever looks into it.
        """

    def play(self, stored: Stored[P], proposals: Sequence[Proposal]) -> tuple[WorkflowRun, list[Recorded]]:
        """The run after the proposals, and what became of each of them, whatever happens.

        One that raises is refused. If the engine made it, the run is failed too, for the engine would make it again.
        """
        place, run = stored
        try:
            return self._advance(stored, proposals)
        except MemoryError:
            raise
        except Exception as error:  # noqa: BLE001 - it must not cost the others their transitions
            if len(proposals) > 1:  # which one is it? each on a draft of its own
                answers: list[Recorded] = []
                for proposal in proposals:
                    run, one = self.play(Stored(place, run), [proposal])
                    answers += one
                return run, [answer._replace(run=run) for answer in answers]
            transition = proposals[0].transition
            kind = type(transition).__name__
            reason = f"{kind} could not be handled: {in_short(error)}"
            _log.exception("transition_crashed", run_id=run.id, transition=kind, task=getattr(transition, "task", None))
            if type(transition) not in BY_PEOPLE:
                run = self._fail(stored, reason)
            return run, [Recorded(run.id, Rejected("ENGINE_ERROR", reason), run)]

    def _advance(self, stored: Stored[P], proposals: Sequence[Proposal]) -> tuple[WorkflowRun, list[Recorded]]:
        run = stored.run
        draft = Draft(run)
        outcomes, told = self._played(draft, proposals)
        if told:
            run = draft.freeze(told[-1].seal)
            touched = draft.touched
            if self._follow is not None:
                draft, more = self._followed(run, self._follow)
                if more:
                    run = draft.freeze(more[-1].seal)
                    told += more
                    touched |= draft.touched
            self.keep_change(stored, run, told, touched)
        elif draft.wake_at != run.wake_at or draft.heal != run.heal:
            run = self._touch(stored, draft.wake_at, draft.heal)
        return run, [Recorded(run.id, outcome, run) for outcome in outcomes]

    def _played(self, draft: Draft, proposals: Sequence[Proposal]) -> tuple[list[Outcome], list[Told]]:
        outcomes: list[Outcome] = []
        told: list[Told] = []
        previous = draft.run.seal
        for _, transition, by in proposals:
            outcome = advance(draft, transition, at=self.at, luck=self.luck(), by=by)
            if isinstance(outcome, JournalEntry):
                told.append(tell(draft.run.id, previous, outcome, transition))
                previous = told[-1].seal
            outcomes.append(outcome)
        return outcomes, told

    def _followed(self, run: WorkflowRun, follow: Follow) -> tuple[Draft, list[Told]]:
        """What follows from what was recorded. Should that go wrong, it is as if nothing did."""
        draft = Draft(run)
        try:
            return draft, self._played(draft, follow(run))[1]
        except MemoryError:
            raise
        except Exception:  # noqa: BLE001 - what was recorded must not be lost for it
            _log.exception("nothing_followed", run_id=run.id)
            return Draft(run), []

    def _touch(self, stored: Stored[P], wake_at: float | None, heal: int) -> WorkflowRun:
        run = stored.run._replace(wake_at=wake_at, heal=heal)
        self.keep_touch(stored, run)
        return run

    def _fail(self, stored: Stored[P], reason: str) -> WorkflowRun:
        """End a run that the engine can't go on with. If that fails as well, only its status is changed."""
        place, run = stored
        if run.is_final:  # nothing more can be done to it, but it must not be the first to be woken for ever
            return run if run.wake_at is None else self._touch(stored, self.at + _PUT_OFF, run.heal)
        error = Error("ENGINE_ERROR", reason)
        try:
            return self._advance(stored, [Proposal(run.id, RunFailed(error))])[0]
        except Exception:  # noqa: BLE001 - as above
            _log.exception("run_given_up", run_id=run.id)
            told = self._end(Unreadable(place, run.id, run.revision, run.status, run.seal, reason), error)
            return run._replace(
                status=RunStatus.FAILED,
                error=error,
                revision=run.revision + 1,
                updated_at=self.at,
                finished_at=self.at,
                wake_at=None,
                ready={},
                running=0,
                timers=(),
                seal=run.seal if told is None else told.seal,
            )

    def give_up(self, run: Unreadable[P]) -> Rejected:
        """Fail a run that can't be handled at all, unless it has ended, and never wake it again."""
        error = Error("ENGINE_ERROR", run.reason)
        self._end(run, error)
        return Rejected(*error)

    def _end(self, run: Unreadable[P], error: Error) -> Told | None:
        told = None
        if run.status not in FINAL_RUN:
            entry = JournalEntry(run.revision + 1, self.at, "RunFailed", None, None, None, {}, RunStatus.FAILED)
            told = tell(run.id, run.seal, entry, RunFailed(error))
        self.keep_failure(run, told, error)
        return told


def by_run(proposals: Sequence[Proposal]) -> dict[str, list[int]]:
    """Which of the proposals are for which run."""
    indices: dict[str, list[int]] = {}
    for index, proposal in enumerate(proposals):
        indices.setdefault(proposal.run_id, []).append(index)
    return indices


def unknown(run_id: str) -> Rejected:
    """The answer to whoever proposes something for a run that isn't there."""
    return Rejected("UNKNOWN_RUN", f"there is no run {run_id!r}")


def waking(run: WorkflowRun, living: Collection[str]) -> list[Proposal]:
    """What is proposed for a run that is due: claims of owners who aren't `living` are lost."""
    proposals = [Proposal(run.id, RunWoken())]
    if run.running:
        claims = ((name, task.claim) for name, task in run.tasks.items())
        proposals += [
            Proposal(run.id, TaskLost(name, claim.token))
            for name, claim in claims
            if claim is not None and claim.owner not in living
        ]
    return proposals
