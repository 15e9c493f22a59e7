"""G6: events that are lost, repeated, late, stale or out of order change nothing about how runs end."""

from collections.abc import Iterable
from dataclasses import dataclass
from random import Random
from typing import Any

import pytest

from engine.run import WorkflowRun
from store.protocol import Change, Changes, Position
from tests.simulation.connection import Connection
from tests.simulation.scenarios import CALM
from tests.simulation.simulation import Simulation


@dataclass(frozen=True)
class Mangling:
    """What happens to each event, with which probability."""

    name: str
    lost: float = 0.0
    repeated: float = 0.0
    late: float = 0.0
    shuffled: bool = False
    stale: float = 0.0


MANGLINGS = (
    Mangling("lost", lost=0.5),
    Mangling("all lost", lost=1.0),
    Mangling("repeated", repeated=0.9),
    Mangling("late", late=0.7),
    Mangling("out of order", shuffled=True, late=0.5),
    Mangling("read stale", stale=0.5),
    Mangling("all of it", lost=0.3, repeated=0.5, late=0.5, shuffled=True, stale=0.3),
)


def mangle(patch: pytest.MonkeyPatch, mangling: Mangling, random: Random) -> None:
    """Let every engine hear of changes in this way only, and read runs as they were."""
    changes, load = Connection.changes, Connection.load

    def mangled(connection: Connection, after: Position, *, limit: int = 1000, excluding: str | None = None) -> Changes:
        page = changes(connection, after, limit=limit, excluding=excluding)
        heard: list[Change] = []
        held_back = connection._held_back
        for change in [*held_back, *page.changes]:
            if random.random() >= mangling.lost:
                copies = 1 + (random.random() < mangling.repeated)
                late = random.random() < mangling.late
                (connection._held_back if late else heard).extend([change] * copies)
        if mangling.shuffled:
            random.shuffle(heard)
        return Changes(heard, page.position)

    def stale(connection: Connection, ids: Iterable[str]) -> dict[str, WorkflowRun]:
        earlier = connection._database.earlier
        runs = load(connection, ids)
        return {id_: (random.random() < mangling.stale and earlier(id_)) or run for id_, run in runs.items()}

    patch.setattr(Connection, "changes", mangled)
    patch.setattr(Connection, "load", stale)


def ends(seed: int) -> dict[str, Any]:
    """How all runs end, and all of their tasks."""
    simulation = Simulation(seed, CALM)
    report = simulation.run()
    assert not report.violations, report
    return {
        run.id: (
            run.status,
            run.error,
            {name: (task.status, task.outputs, task.error) for name, task in run.tasks.items()},
        )
        for run in simulation.database.runs.values()
    }


@pytest.mark.parametrize("mangling", MANGLINGS, ids=lambda mangling: mangling.name)
def test_g6_a_mangled_feed_leads_to_the_same_store(mangling: Mangling, monkeypatch: pytest.MonkeyPatch) -> None:
    seeds = range(8)
    undisturbed = [ends(seed) for seed in seeds]
    mangle(monkeypatch, mangling, Random(mangling.name))
    assert [ends(seed) for seed in seeds] == undisturbed


def test_the_runs_that_are_compared_end_in_every_way() -> None:
    statuses = {task[0] for seed in range(8) for _, _, tasks in ends(seed).values() for task in tasks.values()}
    assert statuses >= {"SUCCESS", "FAILED", "SKIPPED", "OMITTED"}
