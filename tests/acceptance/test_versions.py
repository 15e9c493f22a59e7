"""G19: a run keeps the version of its workflow, whatever becomes of the workflow meanwhile."""

from contextlib import nullcontext
from itertools import product
from typing import Any, Final

import pytest

from engine.statuses import TaskStatus
from tests.acceptance.engines import until
from tests.acceptance.scene import Scene, chain, task

pytestmark = [pytest.mark.acceptance, pytest.mark.everywhere]

TASKS: Final = ("a", "b", "c")
EDITS: Final[dict[str, list[dict[str, Any]]]] = {
    "reordered": chain("c", "x", "b", "a", type_="LEDGER"),
    "deleted": [task("a", "LEDGER")],
    "replaced": chain("a", "b", "c"),
    "unknown": chain("a", "b", "c", type_="NOT_INSTALLED"),
}
BOUNDARIES: Final = range(len(TASKS) + 1)  # before each task, and after the last one


@pytest.mark.parametrize("between_engines", [False, True])
def test_a_run_keeps_its_version_at_whatever_moment_its_workflow_is_edited(
    scene: Scene, *, between_engines: bool
) -> None:
    runs = {f"{edit}-{done}": (edit, done) for edit, done in product(EDITS, BOUNDARIES)}
    for run_id in runs:
        gates = [
            task(name, "GATE", before, gate=f"{run_id}-{name}")
            for name, before in zip(TASKS, (None, *TASKS), strict=False)
        ]
        scene.save(*gates, name=run_id)
        scene.start(run_id, workflow=run_id)
    with scene.engine(drain=0.2) as engine:
        for run_id, (_, done) in runs.items():
            for name in TASKS[:done]:
                scene.open_gate(f"{run_id}-{name}")
        begun = sum(min(done + 1, len(TASKS)) for _, done in runs.values())
        scene.await_effects(begun)
        until(lambda: len(scene.unfinished(runs)) == len(EDITS) * len(TASKS), "each run is where it should be")
        if between_engines:
            assert engine.terminate() == 0
        for run_id, (edit, _) in runs.items():
            assert scene.save(*EDITS[edit], name=run_id).version == 2
        with scene.engine() if between_engines else nullcontext():
            for run_id, name in product(runs, TASKS):
                scene.open_gate(f"{run_id}-{name}")
            scene.await_end(runs)
            for run_id in runs:
                scene.start(f"{run_id}-again", workflow=run_id)
    scene.check(runs)
    for run_id in runs:
        run = scene.run(run_id)
        assert run.plan.workflow.version == 1
        assert {name: state.status for name, state in run.tasks.items()} == dict.fromkeys(TASKS, TaskStatus.SUCCESS)
        assert scene.run(f"{run_id}-again").plan.workflow.version == 2
