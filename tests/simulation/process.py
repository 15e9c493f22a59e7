"""An engine process of the simulation: the real shell, lease, slots and orchestrators, on virtual time.

Its turn is that of the dataflow (`dataflows.workflows`), step by step. Its threads are events: calls of blocks end when
their time has passed, and the lease is looked after now and then. While it waits for the store the others go on.
"""

from collections import Counter, deque
from collections.abc import Callable
from queue import Empty
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypeVar, cast

from bytewax.inputs import StatelessSourcePartition

from dataflows.branches import branch, by_type
from dataflows.calls import Call, Finished
from dataflows.orchestrate import Orchestrator
from dataflows.settings import EngineSettings
from dataflows.shell import News, Recordable, Shell, Stopped
from dataflows.sources import Changes, Completions, StoreFeed, WakeUps
from store.protocol import Store, StoreError
from tests.simulation.blocks import CATALOGUE, DURATION, DURATIONS
from tests.simulation.checks import CAPACITY, LEASE
from tests.simulation.connection import Connection

if TYPE_CHECKING:
    from tests.simulation.simulation import Simulation

T = TypeVar("T")

IDLE_SECONDS = 20.0  # the real ones look about all the time
SETTINGS = EngineSettings(store="simulated", lease=LEASE, threads=CAPACITY, calls=CAPACITY)
Fate: TypeAlias = tuple[Literal["before", "after"], Literal["crash", "stop"], float]


class Crashed(BaseException):
    """The process has ended; raised where it was waiting, to unwind what it was doing."""


class Process:
    """One start of one engine. `fate` is what will happen to it in the middle of its next write."""

    def __init__(self, simulation: "Simulation", number: int, skew: float) -> None:
        self.simulation = simulation
        self.world = simulation.world
        self.database = simulation.database
        self.auditor = simulation.auditor
        self.number = number
        self.dead = False
        self.stopped_until = 0.0
        self.stopped_for = 0.0
        self.fate: Fate | None = None
        self.calling: Counter[str] = Counter()
        self.heard: list[str] = []
        self._busy = self._again = False
        self._next_turn = float("inf")
        self.shell = shell = Shell(cast("Store", Connection(self, skew)), CATALOGUE, SETTINGS)
        # What would run by itself, or wait for real time, is driven by virtual time instead.
        shell._ending = cast("Any", _Waiting(self))
        shell.lease._thread = cast("Any", _LeaseThread(self))
        shell.calls.finished = cast("Any", _Queue(self))
        shell.calls._workers = {type_: _Worker(self, shell.calls._prepare, shell.calls._done) for type_ in CATALOGUE}
        self._branches = [branch(shell, type_) for type_ in CATALOGUE]
        changes = StoreFeed(shell) if simulation.topic is None else _Topic(self)
        self._sources = (changes, WakeUps(shell))
        self._completions = Completions(shell)

    @property
    def stopped(self) -> bool:
        """Whether it gets no time at present."""
        return self.world.now < self.stopped_until

    # Its life.

    def begin(self) -> None:
        """Start, as soon as the store is there."""
        if self.dead:
            return
        try:
            self.shell.begin()
        except StoreError:
            self.soon(1.0, self.begin)
        else:
            self.kick()

    def crash(self) -> None:
        """End at once; nothing of it is left."""
        self.dead = True

    def stop(self, seconds: float) -> None:
        """Get no time for a while."""
        since = max(self.stopped_until, self.world.now)
        self.stopped_for = self.stopped_for if self.stopped else 0.0
        self.stopped_until = max(self.stopped_until, self.world.now + seconds)
        self.stopped_for += self.stopped_until - since

    def meet_fate(self, moment: str) -> None:
        """Crash or be stopped here, if that is what is to happen."""
        if self.fate is not None and self.fate[0] == moment:
            (_, what, seconds), self.fate = self.fate, None
            if what == "crash":
                self.simulation.crash(self, seconds)
            else:
                self.simulation.stop(self, seconds)
            self.sleep(0)

    def gone(self) -> list[str]:
        """The owners whose processes have ended, as anybody on the same machine can see."""
        alive = {process.shell.lease.owner for process in self.simulation.processes if not process.dead}
        return [owner for owner in self.database.owners if owner not in alive]

    # Its time.

    def soon(self, delay: float, action: Callable[[], object]) -> None:
        """Let something happen in this process, unless it has ended by then."""

        def happen() -> None:
            if self.dead:
                return
            if self.stopped:
                self.world.at(self.stopped_until + self.world.between(0.001, 0.05), happen)
            else:
                action()

        self.world.later(delay, happen)

    def sleep(self, seconds: float) -> None:
        """Wait on the main thread, while the others go on.

        Raises:
            Crashed: it ended meanwhile.
        """
        self.world.run_until(self.world.now + seconds)
        while self.stopped and not self.dead:
            self.world.run_until(self.stopped_until + self.world.between(0, 0.1))  # its threads go on in any order
        if self.dead:
            raise Crashed

    # Its work.

    def kick(self, delay: float = 0.001) -> None:
        """Have a turn by then."""
        when = self.world.now + delay
        self._again = self._busy
        if when < self._next_turn and not self._busy:
            self._next_turn = when
            self.soon(delay, lambda: self._turn_of(when))

    def _turn_of(self, when: float) -> None:
        if when != self._next_turn:
            return
        self._busy, more, ended = True, False, False
        try:
            more = self._turn()
        except Crashed:
            return
        except Stopped:  # as it would end the dataflow
            ended = True
        self._busy = False
        self._next_turn = float("inf")
        if ended or (self.shell.stopping and not len(self.shell.calls)):
            self.shell.end()
            self.simulation.left(self)
            return
        wake_at = self.database.next_wake()
        idle = IDLE_SECONDS if wake_at is None else min(max(wake_at - self.world.now, 1.0), IDLE_SECONDS)
        self.kick(0.002 if more or self._again else idle + self.world.between(0, 0.5))
        self._again = False

    def _turn(self) -> bool:
        """Everything that is to be done now goes through the dataflow; whether there may be more."""
        shell = self.shell
        news = [one for source in self._sources for one in self._read(source)]
        work: list[tuple[str, Call | Finished]] = [*self._read(self._completions)]
        moves = [
            move for run_id, batch in self._by_run(shell.load(news)).items() for move in self._decided(run_id, batch)
        ]
        calls = [(run_id, move) for run_id, move in moves if isinstance(move, Call)]
        said = [(run_id, move) for run_id, move in moves if not isinstance(move, Call)]
        work += shell.claim(calls) if calls else []
        loads = by_type(work)
        for turn in self._branches:
            said += turn(loads)
        if said:
            shell.record([move for _, move in said])
        return bool(news or work or said)

    @staticmethod
    def _read(source: StatelessSourcePartition[T]) -> list[T]:
        try:
            return list(source.next_batch())
        except StopIteration:
            return []

    @staticmethod
    def _by_run(news: Any) -> dict[str, list[News]]:
        by_run: dict[str, list[News]] = {}
        for run_id, one in news:
            by_run.setdefault(run_id, []).append(one)
        return by_run

    def _decided(self, run_id: str, news: list[News]) -> list[tuple[str, Call | Recordable]]:
        moves, _ = Orchestrator(self.shell).on_batch(news)
        return [(run_id, move) for move in moves]


class _Waiting:
    """Stands for the event that ends all waiting: the shell waits on it when the store is away."""

    def __init__(self, process: Process) -> None:
        self._process = process

    def wait(self, seconds: float) -> None:
        self._process.sleep(seconds)

    def set(self) -> None:
        """Nobody waits for it: `sleep` is short."""


class _LeaseThread:
    """Stands for the thread that looks after the lease."""

    def __init__(self, process: Process) -> None:
        self._process = process

    def start(self) -> None:
        self._process.soon(self._process.world.between(5, 9.5), self._look)

    def is_alive(self) -> bool:
        return False

    def _look(self) -> None:
        self._process.shell.lease.look()
        self.start()


class _Queue:
    """Stands for the queue of calls that have ended: nobody waits at it, and what is put there asks for a turn."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._items: deque[Finished | None] = deque()

    def put(self, item: Finished | None) -> None:
        self._items.append(item)
        self._process.kick()

    def get(self, timeout: float = 0.0) -> Finished | None:  # noqa: ARG002 - nothing comes while it is asked
        return self.get_nowait()

    def get_nowait(self) -> Finished | None:
        if not self._items:
            raise Empty
        return self._items.popleft()

    def qsize(self) -> int:
        return len(self._items)


class _Worker:
    """Stands for the threads of a block type: a call has its effects at once, and ends some time later."""

    def __init__(self, process: Process, prepare: Callable[[Call], Any], done: Callable[[Call, object], None]) -> None:
        self._process, self._prepare, self._done = process, prepare, done

    def submit(self, calls: list[Call]) -> None:
        for call in calls:
            self._begin(call)

    def _begin(self, call: Call) -> None:
        process, world = self._process, self._process.world
        process.calling[call.type] += 1
        process.simulation.acting = process
        process.auditor.began(process, call)
        result: object
        try:
            result = self._prepare(call)()
        except Exception as error:  # noqa: BLE001 - whatever a block raises is a result
            result = error
        except SystemExit:
            raise Crashed from None
        if call.timeout is not None:
            process.soon(call.timeout + 0.01, process.kick)
        process.soon(world.between(*DURATIONS.get(call.type, DURATION)), lambda: self._end(call, result))

    def _end(self, call: Call, result: object) -> None:
        self._process.calling[call.type] -= 1
        self._done(call, result)
        self._process.kick()

    def abandon(self, call: Call) -> bool:  # noqa: ARG002 - its thread is free when it returns
        return False

    def stuck(self) -> list[Call]:
        return []


class _Topic(Changes):
    """A consumer of the changes' topic: it is given the runs of its partitions."""

    def __init__(self, process: Process) -> None:
        super().__init__(process.shell)
        self._process = process

    def others(self) -> list[str]:
        heard, self._process.heard = self._process.heard, []
        return heard
