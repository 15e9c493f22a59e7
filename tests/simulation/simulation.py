"""A whole system on virtual time: engines, their store and its feed, people, and everything that goes wrong.

    people ──► database ──► feed or topic ──► processes (real shell, lease, slots, orchestrators, calls)
                  ▲                               │
                  └────────── connection ◄────────┘       the auditor watches the database and the calls

One seed is one history; what goes wrong ends at `World.calm_at`, and from then on every run must come to its end.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from logging import ERROR
from unittest.mock import patch
from uuid import UUID
from zlib import crc32

import structlog
from structlog.typing import EventDict

import dataflows.calls
import dataflows.lease
import dataflows.quarantine
import dataflows.shell
import dataflows.sources
from blocks.contract import BlockContext
from engine.run import Parent, WorkflowRun
from store.protocol import StoreUnavailable
from tests.simulation.blocks import STAGE
from tests.simulation.checks import Auditor, Violation
from tests.simulation.database import Database
from tests.simulation.documents import VARIETY, plan_of
from tests.simulation.people import People
from tests.simulation.process import Fate, Process
from tests.simulation.scenarios import CHAOS, Scenario
from tests.simulation.topic import Topic
from tests.simulation.world import EPOCH, World

QUIET = 150.0  # seconds without an unfinished run after which nothing more will happen
PATIENCE = 6000.0  # seconds of calm in which every run must end

_CLOCKED = (dataflows.calls, dataflows.lease, dataflows.quarantine, dataflows.shell, dataflows.sources)


@dataclass(frozen=True)
class Report:
    """What came of one simulation."""

    seed: int
    mode: str
    violations: list[Violation]
    counts: dict[str, int]
    digest: int


class Simulation:
    """One history."""

    def __init__(self, seed: int, scenario: Scenario = CHAOS) -> None:
        self.seed, self.scenario = seed, scenario
        self.world = world = World(seed)
        random = world.random
        embedded = random.random() < 0.5 if scenario.embedded is None else scenario.embedded
        through_topic = random.random() < 0.4 if scenario.topic is None else scenario.topic
        number = scenario.engines or random.choice([1, 2] if embedded else [1, 2, 3])
        self.mode = f"{'embedded' if embedded else 'remote'}{' topic' if through_topic else ''} {number}"
        world.calm_at = EPOCH + (world.between(200, 1500) if scenario.faults else 0.0)
        self.auditor = Auditor(world, only_killers_kill=not scenario.faults)
        self.database = Database(world, self.auditor, embedded=embedded)
        self.people = People(self)
        self.topic = Topic(self) if through_topic else None
        self.acting: Process | None = None
        self.skews = [0.0 if embedded or not scenario.faults else world.between(-2, 2) for _ in range(number)]
        self.processes = [Process(self, index, skew) for index, skew in enumerate(self.skews)]
        self.database.written = self._written
        self._plan(number)

    def _plan(self, number: int) -> None:
        """Decide what will happen from outside."""
        world, random = self.world, self.world.random
        for process in self.processes:
            world.later(world.between(0, 1), process.begin)
        kinds = self.scenario.kinds
        runs = len(kinds) if kinds else self.scenario.runs or random.randint(2, 8)
        for index in range(runs):
            requested = kinds[index] if kinds else None
            when = EPOCH + world.between(0, max(world.calm_at - EPOCH, 1.0) * 0.6)
            world.at(when, partial(self.people.request, index, requested))
        if not self.scenario.faults:
            return
        if world.chance(0.35):
            since = world.between(EPOCH + 20, world.calm_at)
            self.database.outages.append((since, since + random.choice([3, 15, 60, 90])))
        for _ in range(random.randint(0, 6) if self.scenario.misfortunes is None else self.scenario.misfortunes):
            world.at(world.between(EPOCH + 5, world.calm_at), lambda: self._misfortune(random.randrange(number)))

    def _misfortune(self, number: int) -> None:
        world, process = self.world, self.processes[number]
        away, pause = world.random.choice([0.5, 5, 60]), world.random.choice([3, 20, 45, 120])
        fate: Fate | None = None
        match world.random.choice(
            ["crash", "crash in a write", "stop", "stop in a write", "term", "power", "rebalance"]
        ):
            case "crash":
                self.crash(process, away)
            case "crash in a write":
                fate = (world.random.choice(["before", "after"]), "crash", away)
            case "stop":
                self.stop(process, pause)
            case "stop in a write":
                fate = (world.random.choice(["before", "after"]), "stop", pause)
            case "term":
                process.soon(0, process.shell.stop)
            case "power" if self.database.embedded:
                self.power_cut()
            case _ if self.topic is not None:
                self.topic.rebalance(at_random=True)
        process.fate = fate or process.fate

    # What happens to processes.

    def crash(self, process: Process, away: float) -> None:
        """A process ends, and another one takes its place after a while."""
        if process.dead:
            return
        self.auditor.counts["crashes"] += 1
        process.crash()
        self._replace(process, away)

    def stop(self, process: Process, seconds: float) -> None:
        """A process gets no time for a while."""
        self.auditor.counts["stops"] += 1
        process.stop(seconds)
        if self.topic is not None and seconds > Topic.SESSION:
            self.world.later(Topic.SESSION, self.topic.rebalance)
            self.world.later(seconds + 1, self.topic.rebalance)

    def left(self, process: Process) -> None:
        """A process has ended by itself."""
        self.auditor.counts["left"] += 1
        process.dead = True
        self._replace(process, 2.0)

    def _replace(self, process: Process, away: float) -> None:
        def restart() -> None:
            new = Process(self, process.number, self.skews[process.number])
            self.processes[process.number] = new
            new.begin()
            if self.topic is not None:
                self.world.later(1, self.topic.rebalance)

        self.world.later(away, restart)
        if self.topic is not None:
            self.world.later(3, self.topic.rebalance)

    def power_cut(self) -> None:
        """Every process ends, and what wasn't synced is gone."""
        for process in self.processes:
            self.crash(process, 2.0)
        self.database.power_cut()

    # What the database tells.

    def _written(self, run: WorkflowRun) -> None:
        for process in self.processes:
            if not process.dead:
                late = 60.0 if self.world.chance(0.01) else 0.0
                process.kick(self.world.between(0.001, 0.03) + late)
        if self.topic is not None:
            self.topic.publish(run)
        self.people.see(run)

    # What blocks do.

    def effect(self, context: BlockContext) -> None:
        """See `blocks.Stage`."""
        self.auditor.effect(context)

    def start_child(self, context: BlockContext) -> None:
        """See `blocks.Stage`."""
        if self.database.away or self.world.chance(0.05):
            raise StoreUnavailable("the store is away")
        generation = int(context.idempotency_key.rpartition("/")[2])
        plan = plan_of(crc32(context.idempotency_key.encode()) % VARIETY, child=True, timed=self.scenario.faults)
        self.database.create(plan, context.idempotency_key, parent=Parent(context.run_id, context.task, generation))
        if self.world.chance(0.05):
            raise StoreUnavailable("the answer was lost")

    def kills(self) -> bool:
        """See `blocks.Stage`."""
        if self.world.random.random() >= self.scenario.deadly or self.acting is None:
            return False
        self.crash(self.acting, 2.0)
        return True

    # The whole.

    def run(self) -> Report:
        """Play it to its end, or to the first violation."""
        with _installed(self):
            self._play()
        digest = crc32(repr([(run.id, self.auditor.journals[run.id]) for run in self.database.runs.values()]).encode())
        return Report(self.seed, self.mode, self.auditor.violations, dict(self.auditor.counts), digest)

    def _play(self) -> None:
        world, auditor, runs = self.world, self.auditor, self.database.runs
        while not auditor.violations and world.step(world.calm_at):
            pass
        world.now = max(world.now, world.calm_at)
        world.later(50, self._tidy_up)
        quiet_since: float | None = None
        while not auditor.violations and world.step(world.calm_at + PATIENCE):
            if not all(run.is_final and (run.parent is None or run.told) for run in runs.values()):
                quiet_since = None
            elif quiet_since is None:
                quiet_since = world.now
            elif world.now > quiet_since + QUIET:
                break
        if not auditor.violations:
            auditor.finished(runs)

    def _tidy_up(self) -> None:
        self.people.tidy_up()
        self.world.later(100, self._tidy_up)


@contextmanager
def _installed(simulation: Simulation) -> Iterator[None]:
    """Let the real code see virtual time and seeded identifiers; an error that it logs is a violation."""
    world, logging = simulation.world, structlog.get_config()
    token = STAGE.set(simulation)

    def noted(_logger: object, _method: str, event: EventDict) -> EventDict:
        simulation.auditor.check(False, "ERROR_LOGGED", event)  # noqa: FBT003
        raise structlog.DropEvent

    only_errors = structlog.make_filtering_bound_logger(ERROR)
    structlog.configure(processors=[structlog.processors.format_exc_info, noted], wrapper_class=only_errors)
    with ExitStack() as stack:
        for module in _CLOCKED:
            stack.enter_context(patch.object(module, "monotonic", world.monotonic))
        stack.enter_context(patch.object(dataflows.lease, "uuid4", lambda: UUID(int=world.random.getrandbits(128))))
        try:
            yield
        finally:
            structlog.configure(**logging)
            STAGE.reset(token)
