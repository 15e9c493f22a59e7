"""Several store objects on the same data are one store: against a reference that knows nothing of storing.

Objects and operations are chosen at random; the reference is `engine.machine` on a dictionary. What one object
remembers must never hide what another one wrote.
"""

import random
from dataclasses import dataclass, field

import pytest

from engine import machine
from engine.machine import ready
from engine.outcomes import Applied, Touched
from engine.run import JournalEntry, WorkflowRun
from engine.settle import HEAL_SECONDS
from engine.statuses import FINAL_RUN, RunStatus
from engine.transitions import (
    Error,
    RunCancelled,
    RunFailed,
    RunPaused,
    RunResumed,
    RunRetried,
    RunWoken,
    Signal,
    SignalReceived,
    TaskBypassed,
    TaskDelegated,
    TaskFailed,
    TaskLost,
    TaskReleased,
    TaskSucceeded,
    TaskSuspended,
    Transition,
    Wants,
)
from store.protocol import NewRun, Proposal, Store
from tests.store.conftest import Place
from tests.store.driver import states, untimed, values, workflow

PEOPLE = ("ada", "bob", "eva", "olga")


@dataclass
class World:
    """The stores under test, the reference, and the dice."""

    place: Place
    dice: random.Random
    stores: list[Store]
    runs: dict[str, WorkflowRun] = field(default_factory=dict)
    tokens: dict[str, list[tuple[str, str]]] = field(default_factory=dict)

    @property
    def now(self) -> float:
        return self.place.clock.time

    def create(self, store: Store) -> None:
        id_ = f"r{self.dice.randrange(12)}"
        [creation] = store.create([NewRun(id_, "w", {})])
        assert creation.outcome == ("exists" if id_ in self.runs else "created")
        assert creation.run is not None
        if creation.outcome == "created":
            self.runs[id_] = machine.start(creation.run.plan, {}, id=id_, at=self.now).run
        assert untimed(creation.run) == values(self.runs[id_])._replace(wake_at=None, heal=0)

    def apply(self, store: Store) -> None:
        proposals = [Proposal(id_, self._transition(id_)) for id_ in self._some_ids()]
        expected = []
        for id_, transition, _ in proposals:
            applied = machine.apply(self.runs[id_], transition, at=self.now)
            if isinstance(applied, (Applied, Touched)) and applied.run is not None:
                self.runs[id_] = applied.run
            expected.append(applied.entry if isinstance(applied, Applied) else applied)
        answers = store.apply(proposals, durable=self.dice.random() < 0.5)
        for answer, outcome, proposal in zip(answers, expected, proposals, strict=True):
            assert answer.outcome == (Touched() if isinstance(outcome, Touched) else outcome)
            assert answer.run is not None
            view = values if isinstance(outcome, JournalEntry) else untimed
            assert view(answer.run) == view(self.runs[proposal.run_id])

    def load(self, store: Store) -> None:
        ids = self._some_ids()
        assert states(store, ids) == {id_: untimed(self.runs[id_]) for id_ in ids}

    def wake(self, store: Store) -> None:
        due = sorted((run.wake_at, id_) for id_, run in self.runs.items() if run.wake_at and run.wake_at <= self.now)
        woken = store.wake(100)
        assert sorted(run.id for run in woken) == sorted(id_ for _, id_ in due)
        for _, id_ in due:
            wake_up: list[Transition] = [RunWoken(), *self._lost(id_)]
            for transition in wake_up:
                outcome = machine.apply(self.runs[id_], transition, at=self.now)
                if isinstance(outcome, (Applied, Touched)) and outcome.run is not None:
                    self.runs[id_] = outcome.run
        for run in woken:
            assert values(run) == values(self.runs[run.id])

    def wake_active(self, store: Store) -> None:
        store.wake_active()
        for id_, run in self.runs.items():
            active = run.status in (RunStatus.PENDING, RunStatus.RUNNING) or run.running
            if active and run.wake_at is not None and run.wake_at > self.now:
                self.runs[id_] = run._replace(wake_at=self.now)

    def pass_time(self, store: Store) -> None:
        self.place.clock.pass_(self.dice.choice([1.0, 5.0, HEAL_SECONDS]))
        due = [run.wake_at for run in self.runs.values() if run.wake_at is not None]
        assert store.next_wake() == min(due, default=None)

    def _some_ids(self) -> list[str]:
        return self.dice.choices(sorted(self.runs), k=self.dice.randint(1, 4)) if self.runs else []

    def _lost(self, id_: str) -> list[TaskLost]:
        tasks = self.runs[id_].tasks.items()
        return [TaskLost(name, task.claim.token) for name, task in tasks if task.claim and task.claim.owner == "dead"]

    def _transition(self, id_: str) -> Transition:
        """Something that fits the run, or doesn't."""
        run, dice = self.runs[id_], self.dice
        calls = ready(run)
        if calls and dice.random() < 0.5:
            token = f"t{dice.randrange(10**9)}"
            call = dice.choice(calls)
            self.tokens.setdefault(id_, []).append((call.task, token))
            return call.claim(token, dice.choice(["living", "living", "dead"]))
        if self.tokens.get(id_) and dice.random() < 0.7:
            task, token = dice.choice(self.tokens[id_][-3:])
            results: list[Transition] = [
                TaskSucceeded(task, token, {"n": dice.random()}),
                TaskSucceeded(task, token, {"n": 1}),
                TaskSucceeded(task, token),
                TaskFailed(task, token, Error("BROKEN", "it broke"), retryable=dice.random() < 0.7),
                TaskSuspended(task, token, after=dice.choice([None, 10.0]), wants=Wants()),
                *[TaskSuspended(task, token, after=dice.choice([None, 10.0]), wants=self._wants())] * 3,
                TaskReleased(task, token),
            ]
            return dice.choice(results)
        others: list[Transition] = [
            RunPaused(),
            RunResumed(),
            RunResumed(),
            RunCancelled() if dice.random() < 0.2 else RunResumed(),
            RunRetried(run.generation),
            RunFailed(Error("ENGINE_ERROR", "it can't go on")) if dice.random() < 0.1 else RunResumed(),
            *[self._said(dice.choice(_asking(run) or list(run.tasks)), run.generation)] * 4,
        ]
        return dice.choice(others)

    def _wants(self) -> Wants:
        """What a task wants of people, who may be barred, or be asked both by name and in a group."""
        people = self.dice.choice([None, PEOPLE[:1], PEOPLE[:3]])
        closes = self.dice.choice([None, {"approve": 1}, {"approve": 2, "reject": 1}])
        return Wants(None, people, closes, self.dice.choice([None, ("stewards",)]), self.dice.choice([(), PEOPLE[1:2]]))

    def _said(self, task: str, generation: int) -> Transition:
        """Something that somebody says to a task."""
        dice = self.dice
        person, other, groups = dice.choice(PEOPLE), dice.choice(PEOPLE), dice.choice([(), ("stewards",)])
        decision = {"decision": dice.choice(["approve", "reject"]), "comment": "à bientôt"}
        said: list[Transition] = [
            SignalReceived(task, Signal(f"s{dice.randrange(20)}", generation, person, decision, groups=groups)),
            TaskDelegated(task, generation, person, other, "away", groups),
            TaskBypassed(task, generation, "never mind") if dice.random() < 0.2 else RunResumed(),
        ]
        return dice.choice(said)


def _asking(run: WorkflowRun) -> list[str]:
    return [name for name, task in run.tasks.items() if task.wants is not None]


@pytest.mark.parametrize("seed", range(12))
def test_store_objects_on_the_same_data_are_one_store(place: Place, seed: int) -> None:
    world = World(place, random.Random(seed), [place.open() for _ in range(3)])
    first = world.stores[0]
    retry = {"max_attempts": 2, "initial_interval": "20s"}
    first.save_workflow(workflow("a", "b", "c: a || b", "d: c && a", "e: d || c.FAILED", retry=retry))
    first.register("living", 1e9)
    moves = {
        world.create: 2,
        world.apply: 18,
        world.load: 4,
        world.wake: 2,
        world.wake_active: 0.5,
        world.pass_time: 3,
    }
    for _ in range(400):
        [move] = world.dice.choices(list(moves), list(moves.values()))
        move(world.dice.choice(world.stores))
    assert any(run.status in FINAL_RUN for run in world.runs.values())
    assert {id_: values(run) for id_, run in place.open().load(world.runs).items()} == {
        id_: values(run) for id_, run in world.runs.items()
    }
