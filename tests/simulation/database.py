"""The simulated store: what `store.protocol` says, in memory, on the real state machine.

Two kinds of it: an embedded one, which lives in the processes that use it and may lose its last unsynced writes in a
power cut; and a remote one, which writes a batch run by run. How they are reached, and what goes wrong on the way, is
for `connection`.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from engine.machine import apply, start
from engine.outcomes import Applied, Duplicate, Rejected, Touched
from engine.plan import Plan
from engine.run import JournalEntry, Parent, WorkflowRun
from engine.statuses import RunStatus
from engine.transitions import RunWoken, TaskLost, Transition
from store.protocol import BEGINNING, Change, Follow, Owner, Position, Proposal, Recorded
from tests.simulation.checks import Auditor
from tests.simulation.world import World

_ACTIVE = frozenset({RunStatus.PENDING, RunStatus.RUNNING})


def place(number: int) -> Position:
    """The position of the change with this number."""
    return f"{number:09}" if number else BEGINNING


class _Written(NamedTuple):
    number: int
    run_id: str
    before: WorkflowRun | None


class Database:
    """Runs, their changes, and the owners of claims. `written` is told of each run that was changed or touched."""

    def __init__(self, world: World, auditor: Auditor, *, embedded: bool) -> None:
        self.world = world
        self.auditor = auditor
        self.embedded = embedded
        self.runs: dict[str, WorkflowRun] = {}
        self.changes: list[Change] = []
        self.writers: dict[Position, str | None] = {}
        self.owners: dict[str, Owner] = {}
        self.outages: list[tuple[float, float]] = []
        self.written: Callable[[WorkflowRun], None] = lambda _: None
        self.clock: Callable[[str | None], float] = lambda _writer: world.now
        self._written: list[_Written] = []
        self._synced = 0

    @property
    def away(self) -> bool:
        """Whether nobody can reach it."""
        return any(since <= self.world.now < until for since, until in self.outages)

    # Runs.

    def create(self, plan: Plan, id_: str, parent: Parent | None = None) -> WorkflowRun:
        """Start a run, unless it was started before."""
        if id_ in self.runs:
            return self.runs[id_]
        run, entry = start(plan, {}, id=id_, at=self.clock(None), luck=self.world.random.random(), parent=parent)
        self.auditor.created(run, entry)
        self._log(None, run, entry, None)
        self.sync()
        return run

    def apply(
        self,
        proposals: Iterable[Proposal],
        *,
        durable: bool = True,
        writer: str | None = None,
        follow: Follow | None = None,
    ) -> list[Recorded]:
        """Apply transitions, one answer each."""
        answers = [(one.run_id, self._advance(one.run_id, one.transition, writer)) for one in proposals]
        if follow is not None:
            for run_id in dict.fromkeys(run_id for run_id, outcome in answers if isinstance(outcome, JournalEntry)):
                for one in follow(self.runs[run_id]):
                    self._advance(one.run_id, one.transition, writer)
        if durable:
            self.sync()
        return [Recorded(run_id, outcome, self.runs.get(run_id)) for run_id, outcome in answers]

    def _advance(
        self, run_id: str, transition: Transition, writer: str | None
    ) -> JournalEntry | Duplicate | Rejected | Touched:
        before = self.runs.get(run_id)
        if before is None:
            return Rejected("UNKNOWN_RUN", f"there is no run {run_id!r}")
        outcome = apply(before, transition, at=self.clock(writer), luck=self.world.random.random())
        match outcome:
            case Applied(after, entry):
                self.auditor.recorded(before, after, transition, entry, self.owners)
                self._log(before, after, entry, writer)
                return entry
            case Touched(after) if after is not None:
                self.auditor.touched(before, after)
                self.runs[run_id] = after
                self.written(after)
        self.auditor.answered(before, transition, outcome)
        return outcome

    def _log(self, before: WorkflowRun | None, after: WorkflowRun, entry: JournalEntry, writer: str | None) -> None:
        number = len(self.changes) + 1
        position = place(number)
        self.changes.append(Change(position, "run", after.id, after.revision, entry.at, entry.by, None, entry, None))
        self.writers[position] = writer
        self._written.append(_Written(number, after.id, before))
        self.runs[after.id] = after
        self.written(after)

    def earlier(self, run_id: str) -> WorkflowRun | None:
        """A run as it was before its last change: what somebody reads who doesn't ask the primary."""
        return next((one.before for one in reversed(self._written) if one.run_id == run_id), None)

    # Durability.

    def sync(self) -> None:
        """Everything written so far is safe."""
        self._synced = len(self.changes)

    def power_cut(self) -> None:
        """What wasn't synced never happened."""
        while self._written and self._written[-1].number > self._synced:
            _, run_id, before = self._written.pop()
            change = self.changes.pop()
            assert change.entry is not None
            self.auditor.undone(run_id, before, change.entry)
            if before is not None:
                self.runs[run_id] = before

    # Waking.

    def due(self) -> list[WorkflowRun]:
        """The runs that somebody must look at now, the longest due first."""
        now = self.world.now
        due = [(run.wake_at, run.id) for run in self.runs.values() if run.wake_at is not None and run.wake_at <= now]
        return [self.runs[run_id] for _, run_id in sorted(due)]

    def next_wake(self) -> float | None:
        """The earliest `wake_at`."""
        return min((run.wake_at for run in self.runs.values() if run.wake_at is not None), default=None)

    def wake(self, limit: int, writer: str | None) -> list[WorkflowRun]:
        """Wake due runs: times become state, claims of dead owners are lost."""
        woken = []
        for run in self.due()[:limit]:
            lost = [
                Proposal(run.id, TaskLost(name, task.claim.token))
                for name, task in run.tasks.items()
                if task.claim is not None and not self.lives(task.claim.owner)
            ]
            self.apply([Proposal(run.id, RunWoken()), *lost], writer=writer)
            woken.append(self.runs[run.id])
        return woken

    def wake_active(self) -> int:
        """Make every run due that has something ready or running."""
        active = [
            run for run in self.runs.values() if run.wake_at is not None and (run.status in _ACTIVE or run.running)
        ]
        for run in active:
            assert run.wake_at is not None
            self.runs[run.id] = run._replace(wake_at=min(run.wake_at, self.world.now))
            self.written(self.runs[run.id])
        return len(active)

    # Owners.

    def lives(self, owner: str) -> bool:
        """Whether nobody has declared this owner dead."""
        return owner in self.owners and not self.owners[owner].dead

    def register(self, owner: str, lease: float) -> Position:
        """Enter an owner; the position from which it should read the feed."""
        newest = place(len(self.changes))
        living = [one.position for one in self.owners.values() if not one.dead]
        position = min(living, default=max((one.position for one in self.owners.values()), default=BEGINNING))
        if position > newest:
            self.wake_active()
        self.owners[owner] = Owner(owner, self.world.now + lease, dead=False, position=min(position, newest))
        return min(position, newest)

    def beat(self, owner: str, lease: float, position: Position) -> bool:
        """Prolong a lease; whether the owner still lives."""
        if not self.lives(owner):
            return False
        self.owners[owner] = Owner(owner, self.world.now + lease, dead=False, position=position)
        return True

    def bury(self, owners: Sequence[str]) -> list[str]:
        """Declare owners dead, each once."""
        buried = [owner for owner in owners if self.lives(owner)]
        for owner in buried:
            self.owners[owner] = self.owners[owner]._replace(dead=True)
        if buried:
            self.wake_active()
        return buried
