"""How an engine process reaches the simulated store: late, in vain, twice, or without ever hearing the answer."""

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, TypeVar

from engine.machine import apply
from engine.outcomes import Applied
from engine.run import WorkflowRun
from store.protocol import Change, Changes, Follow, Owner, Position, Proposal, Recorded, StoreUnavailable
from tests.simulation.database import place

if TYPE_CHECKING:
    from tests.simulation.process import Process

T = TypeVar("T")


def _nothing() -> None:
    """What arrives of a write that is as good as none if nobody hears its answer."""


class Connection:
    """What one process sees of the database, as `store.protocol.Store` has it."""

    incarnation = "simulated"

    def __init__(self, process: "Process", skew: float) -> None:
        self._process = process
        self._database = process.database
        self._world = process.world
        self._skew = skew
        self._owner: str | None = None
        self._held_back: list[Change] = []
        self._asked = -1

    def now(self) -> float:
        """What this process takes for the store's clock."""
        return self._world.now + self._skew

    # What the dataflow asks, on the main thread: it may take a while, and the process may end in it.

    def apply(
        self, proposals: Sequence[Proposal], *, durable: bool = True, follow: Follow | None = None
    ) -> list[Recorded]:
        """Apply transitions in one write; a remote store writes run by run, and may stop half-way."""
        cut = len(proposals)
        if not self._database.embedded and cut > 1 and self._world.chance(0.1):
            cut = self._world.random.randrange(1, cut)
        part = proposals[:cut]
        safe = durable or not self._database.embedded
        answers = self._do(
            lambda: self._database.apply(part, durable=safe, writer=self._owner, follow=follow),
            late=lambda: self._late(part, follow),
        )
        if cut < len(proposals):
            if self._world.chance(0.3):
                self._process.simulation.crash(self._process, 5.0)
                self._process.sleep(0)
            raise StoreUnavailable("the connection broke in the middle of a batch")
        return answers

    def _late(self, proposals: Sequence[Proposal], follow: Follow | None) -> Callable[[], object]:
        """What becomes of a write that arrives when nobody waits for it any more. It was made up when it was sent."""
        runs = self._database.runs
        sent = {one.run_id: runs[one.run_id].revision for one in proposals if one.run_id in runs}
        claims = [] if follow is None else self._foreseen(proposals, follow)
        queued = self._process.simulation.scenario.queued

        def arrive() -> None:
            as_before = [
                one for one in [*proposals, *claims] if queued or runs[one.run_id].revision == sent[one.run_id]
            ]
            self._database.apply(as_before, writer=self._owner)

        return arrive

    def _foreseen(self, proposals: Sequence[Proposal], follow: Follow) -> list[Proposal]:
        """What is to follow from proposals, as it is sent along with them."""
        after: dict[str, WorkflowRun] = {}
        for run_id, transition, by in proposals:
            run = after.get(run_id) or self._database.runs.get(run_id)
            outcome = None if run is None else apply(run, transition, at=self.now(), by=by)
            if isinstance(outcome, Applied):
                after[run_id] = outcome.run
        return [claim for run in after.values() for claim in follow(run)]

    def load(self, ids: Iterable[str]) -> dict[str, WorkflowRun]:
        """Read runs; from a remote store sometimes as they were before their last change."""
        return self._do(lambda: {id_: self._read(id_) for id_ in sorted(ids) if id_ in self._database.runs})

    def _read(self, id_: str) -> WorkflowRun:
        earlier = None
        if not self._database.embedded and self._world.chance(0.05):
            earlier = self._database.earlier(id_)
        return earlier or self._database.runs[id_]

    def wake(self, limit: int) -> list[WorkflowRun]:
        """Wake due runs."""
        return self._do(lambda: self._database.wake(limit, self._owner), late=lambda: _nothing)

    def next_wake(self) -> float | None:
        """The earliest `wake_at`."""
        return self._at_once(self._database.next_wake)

    def wake_active(self) -> int:
        """Make every active run due."""
        return self._at_once(self._database.wake_active)

    # The feed: changes are dropped, repeated, held back and shuffled on their way.

    def changed(self) -> bool:
        """Whether there may be something new."""
        asked, self._asked = self._asked, len(self._database.changes)
        return self._at_once(lambda: bool(self._held_back) or asked != self._asked)

    def changes(self, after: Position, *, limit: int = 1000, excluding: str | None = None) -> Changes:
        """The changes after a position, more or less."""
        newest = self._at_once(lambda: len(self._database.changes))
        begin = int(after or 0)
        held_back, self._held_back = self._held_back, []
        page: list[Change] = []
        for change in [*held_back, *self._database.changes[begin : begin + limit]]:
            if self._database.writers[change.position] == excluding or self._world.chance(0.02):
                continue
            if self._world.chance(0.03):
                self._held_back.append(change)
            if not self._world.chance(0.02):
                page.append(change)
        if self._world.chance(0.1):
            self._world.random.shuffle(page)
        return Changes(page, place(min(newest, begin + limit)))

    # What the lease asks, on a thread of its own: the answer comes at once or not at all.

    def register(self, owner: str, lease: float) -> Position:
        """Enter an owner."""
        position = self._at_once(lambda: self._database.register(owner, lease))
        self._owner = owner
        return position

    def beat(self, owner: str, lease: float, position: Position) -> bool:
        """Prolong the lease."""
        return self._at_once(lambda: self._database.beat(owner, lease, position))

    def owners(self) -> list[Owner]:
        """Who isn't dead."""
        return self._at_once(lambda: [owner for owner in self._database.owners.values() if not owner.dead])

    def bury(self, *, by_time: bool) -> list[str]:
        """Declare dead whoever is."""
        gone = self._process.gone() if self._database.embedded else []
        late = [one.id for one in self.owners() if by_time and one.alive_until < self._world.now]
        if late:
            self._process.auditor.judged(self._process, self._database.outages)
        return self._at_once(lambda: self._database.bury([*gone, *late]))

    def leave(self, owner: str, position: Position) -> None:
        """End an owner."""
        self.beat(owner, 0.0, position)
        self._at_once(lambda: self._database.bury([owner]))

    def close(self) -> None:
        """There are no files."""

    # What can go wrong.

    def _at_once(self, operation: Callable[[], T]) -> T:
        if self._database.away:
            raise StoreUnavailable("the store is away")
        return operation()

    def _do(self, operation: Callable[[], T], *, late: Callable[[], Callable[[], object]] | None = None) -> T:
        """A request and its answer; for writes `late` gives what arrives when nobody waits for it."""
        world, process, database = self._world, self._process, self._database
        if world.chance(0.1):
            process.sleep(world.between(0.001, 0.03))
        if world.chance(0.005):
            process.sleep(world.between(0, 25))
        if late is not None:
            process.meet_fate("before")
        if database.away or world.chance(0.02):
            raise StoreUnavailable("the store is away")
        if late is not None and not database.embedded and world.chance(process.simulation.scenario.late):
            arrive = late()
            world.later(world.between(0, 40), lambda: None if database.away else arrive())
            raise StoreUnavailable("no answer came, and the request is still on its way")
        done = operation()
        if late is not None:
            process.meet_fate("after")
        if world.chance(0.005):
            process.sleep(world.between(0, 25))
        if world.chance(0.02):
            raise StoreUnavailable("the answer was lost")
        return done
