"""The people of the simulation: they start runs, decide at the worst of moments, and meddle with what runs.

In every fourth seed they hand tasks over, and skip some by hand, as well.
"""

from functools import partial
from typing import TYPE_CHECKING
from zlib import crc32

from engine.run import WorkflowRun
from engine.statuses import FINAL_TASK, RunStatus, TaskStatus
from engine.transitions import (
    RunCancelled,
    RunPaused,
    RunResumed,
    RunRetried,
    Signal,
    SignalReceived,
    TaskBypassed,
    TaskDelegated,
    Transition,
)
from store.protocol import Proposal
from tests.simulation.blocks import APPROVERS, GROUP
from tests.simulation.documents import VARIETY, plan_of
from tests.simulation.world import World

if TYPE_CHECKING:
    from tests.simulation.simulation import Simulation

PATIENCE = 2.0  # seconds until somebody tries again
GENERATIONS = 3
ASKING = frozenset({"APPROVAL", "PANEL"})
DEPUTIES = ("dan", "fay")  # who may be asked to stand in
MEMBERS = frozenset({"cyd", "fay"})


class People:
    """Everybody who sends something to the store from outside."""

    def __init__(self, simulation: "Simulation") -> None:
        self._database = simulation.database
        self._world: World = simulation.world
        self._seed = simulation.seed
        self._timed = simulation.scenario.faults
        self._pauses = simulation.scenario.pauses
        self._meddle = simulation.scenario.faults and simulation.seed % 4 == 0
        self._asked: set[tuple[str, str, int, float | None]] = set()
        self._ended: set[tuple[str, int]] = set()
        self._numbers = 0

    def request(self, number: int, kinds: tuple[str, ...] | None) -> None:
        """Start a run, and go on trying until it is known to be started; then perhaps meddle with it."""
        world, id_ = self._world, f"r{number}"
        plan = plan_of(crc32(f"{self._seed} {id_}".encode()) % VARIETY, kinds, timed=self._timed)

        def create() -> None:
            if self._database.away or world.chance(0.05):
                world.later(PATIENCE, create)
                return
            self._database.create(plan, id_)
            if world.chance(0.1):  # the answer was lost
                world.later(PATIENCE, create)

        create()
        for _ in range(world.chance(0.25) if self._pauses is None else self._pauses):
            paused = world.between(1, 100)
            world.later(paused, lambda: self.say(id_, RunPaused()))
            world.later(paused + world.between(1, 200), lambda: self.say(id_, RunResumed()))
        if world.chance(0.12):
            world.later(world.between(0, 200), lambda: self.say(id_, RunCancelled()))

    def say(self, run_id: str, transition: Transition) -> None:
        """Propose something, and go on trying until there is an answer."""
        if run_id not in self._database.runs:
            return
        lost = self._world.chance(0.02)
        if not self._database.away and not self._world.chance(0.02):
            self._database.apply([Proposal(run_id, transition, "somebody")])
            if not lost:
                return
        self._world.later(PATIENCE, lambda: self.say(run_id, transition))

    def see(self, run: WorkflowRun) -> None:
        """Notice what a run asks for, and how it ended."""
        if run.is_final:
            if (run.id, run.generation) not in self._ended:
                self._ended.add((run.id, run.generation))
                self._react(run)
            return
        for name, task in run.tasks.items():
            if task.status is TaskStatus.WAITING and run.plan.tasks[name].spec.type in ASKING and not task.due:
                asked = (run.id, name, task.generation, task.until)
                if asked not in self._asked:
                    self._asked.add(asked)
                    self._gather(run.id, name, task.generation, task.until)

    def _react(self, run: WorkflowRun) -> None:
        """A run that failed may be retried, by two people at once, or long after somebody else did."""
        again = run.status is not RunStatus.SUCCESS and run.generation < GENERATIONS
        while again and self._world.chance(0.5):
            delay = self._world.random.choice([0.1, 5, 50])
            skip = self._left_out(run)
            self._world.later(delay, partial(self.say, run.id, RunRetried(run.generation, "again", skip)))

    def _left_out(self, run: WorkflowRun) -> tuple[str, ...]:
        """Now and then a task that failed, or one that didn't, is to be left out of a retry."""
        return (self._world.random.choice(list(run.tasks)),) if self._meddle and self._world.chance(0.2) else ()

    def _gather(self, run_id: str, name: str, generation: int, until: float | None) -> None:
        """Some people will decide: early, late, twice, unasked, or just when the time is up; in calm times two do."""
        world = self._world
        everybody = (*APPROVERS, *DEPUTIES) if self._meddle else APPROVERS
        if world.now >= world.calm_at:
            for index, sender in enumerate(everybody if self._meddle else APPROVERS[:2]):
                world.later(20 * index + world.between(1, 19), self._decision(run_id, name, generation, sender))
            return
        for _ in range(world.random.randint(1, 4)):
            if until is None:
                delay = world.between(0.5, 300)
            elif world.random.random() < 0.5:
                delay = (until - world.now) * world.between(0, 1.2)
            else:
                delay = until - world.now + world.between(-0.5, 3)
            old = generation - 1 if world.chance(0.1) else generation
            sender = "eve" if world.chance(0.1) else world.random.choice(everybody)
            world.later(max(delay, 0.01), self._decision(run_id, name, old, sender))
            if self._meddle and world.chance(0.5):
                to = world.random.choice(everybody)
                handed_over = TaskDelegated(name, old, world.random.choice(APPROVERS), to, "away")
                world.later(max(delay + world.between(-1, 1), 0.01), partial(self.say, run_id, handed_over))
        if self._meddle and world.chance(0.05):
            skipped = TaskBypassed(name, generation, "by hand")
            world.later(world.between(0.1, 100), partial(self.say, run_id, skipped))

    def _decision(self, run_id: str, name: str, generation: int, sender: str) -> "_Decision":
        self._numbers += 1
        if self._world.now < self._world.calm_at:
            approve = self._world.random.random() < 0.7
        else:  # everybody agrees
            approve = crc32(f"{self._seed} {run_id} {name}".encode()) % 10 < 7
        data = {"decision": "approve" if approve else "reject"}
        groups = (GROUP,) if sender in MEMBERS else ()
        signal = Signal(f"s{self._numbers}", generation, sender, data, groups=groups)
        return _Decision(self, run_id, SignalReceived(name, signal))

    def tidy_up(self) -> None:
        """Once it is calm: go on with what is paused, and decide what is open."""
        for run in list(self._database.runs.values()):
            if run.paused and not run.is_final:
                self.say(run.id, RunResumed())
            for name, task in run.tasks.items():
                if task.status not in FINAL_TASK and task.wants is not None and task.wants.senders:
                    for sender in (*APPROVERS, *DEPUTIES):
                        self._decision(run.id, name, task.generation, sender)()


class _Decision:
    """One person's decision, sent twice now and then."""

    def __init__(self, people: People, run_id: str, signal: SignalReceived) -> None:
        self._people, self._run_id, self._signal = people, run_id, signal

    def __call__(self) -> None:
        self._people.say(self._run_id, self._signal)
        if self._people._world.chance(0.1):
            self._people.say(self._run_id, self._signal)
