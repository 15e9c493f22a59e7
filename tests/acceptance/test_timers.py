"""G9: timers are never early by the store's clock, and act once."""

import pytest

from tests.acceptance.scene import Scene, task

pytestmark = [pytest.mark.acceptance, pytest.mark.everywhere]


def test_a_wait_is_not_early_and_ends_once(scene: Scene) -> None:
    scene.save(task("wait", "WAIT", duration="1s"), task("then", "LEDGER", "wait"))
    runs = [f"run-{number}" for number in range(20)]
    with scene.engine(), scene.engine():
        scene.start(*runs)
        scene.await_end()
    for run_id, journal in scene.check(runs).items():
        entries = {entry.type: entry.at for entry in journal if entry.task in ("wait", None)}
        assert entries["RunWoken"] >= entries["TaskSuspended"] + 1, run_id
        assert [entry.type for entry in journal].count("RunWoken") == 1
    assert len(scene.effects()) == len(runs)
