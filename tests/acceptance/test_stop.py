"""G16: SIGTERM drains. What is in flight ends or is given back, the exit status is 0, and a restart goes on."""

import random
import time

import pytest

from engine.statuses import RunStatus
from tests.acceptance.engines import until
from tests.acceptance.scene import Scene, task

pytestmark = [pytest.mark.acceptance, pytest.mark.everywhere]

STOPS = 8
STOPS_ELSEWHERE = 5  # on stores and events that aren't the embedded one's


@pytest.mark.parametrize(("workers", "seed"), [(1, 1), (2, 2)])
def test_nothing_is_lost_when_engines_are_stopped_at_random_moments(scene: Scene, workers: int, seed: int) -> None:
    dice = random.Random(seed)
    scene.save(
        task("a", "LEDGER_ASYNC", seconds=0.03),
        task("b", "LEDGER", "a", seconds=0.01),
        task("c", "TRANSFORM", "b", values={"one": 1}),
        task("d", "LEDGER_ASYNC", "c"),
    )
    accepted: list[str] = []
    for round_ in range(STOPS if scene.surroundings.is_embedded else STOPS_ELSEWHERE):
        ids = [f"run-{round_}-{number}" for number in range(20)]
        scene.start(*ids)
        accepted += ids
        with scene.engine(workers=workers) as engine:
            time.sleep(dice.uniform(0, 0.3))
            assert engine.terminate() == 0, engine.words()
        assert not [run.id for run in scene.store.load(accepted).values() if run.running]
    with scene.engine(workers=workers) as engine:
        scene.await_end()
        assert engine.terminate() == 0
    journals = scene.check(accepted)
    assert scene.store.counts() == {RunStatus.SUCCESS: len(accepted)}
    assert "TaskLost" not in {entry.type for journal in journals.values() for entry in journal}
    assert {effect.attempt for effect in scene.effects()} == {1}
    assert len(scene.effects()) == 3 * len(accepted)  # in the grace period each call could end


def test_a_call_that_outlasts_the_grace_period_is_given_back(scene: Scene) -> None:
    scene.save(task("short", "GATE", gate="first"), task("long", "GATE", gate="second"), exits=["short", "long"])
    with scene.engine(drain=1) as engine:
        scene.start("run")
        scene.await_effects(2)
        scene.open_gate("first")
        assert engine.terminate() == 0
    assert scene.run("run").tasks["long"].attempt == 0
    scene.open_gate("second")
    with scene.engine():
        scene.await_end()
    journals = scene.check(["run"])
    assert [entry.type for entry in journals["run"] if entry.task == "long"] == [
        "TaskClaimed", "TaskReleased", "TaskClaimed", "TaskSucceeded"
    ]  # fmt: skip
    assert scene.run("run").tasks["long"].attempt == 1


@pytest.mark.parametrize("how", ["endless loop", "endless sleep"])
@pytest.mark.parametrize("type_", ["BAD", "BAD_ASYNC"])
def test_an_engine_ends_although_a_block_hangs(scene: Scene, type_: str, how: str) -> None:
    scene.save(task("bad", type_, how=how))
    with scene.engine(drain=0.5) as engine:
        scene.start("run")
        until(lambda: scene.run("run").running, "the block is being called")
        assert engine.terminate() == 0
    assert scene.run("run").running == 0
    assert [entry.type for entry in scene.check()["run"]][-1] == "TaskReleased"


def test_an_engine_that_is_asked_twice_ends_at_once(scene: Scene) -> None:
    scene.save(task("long", "GATE", gate="never"))
    with scene.engine(drain=3600) as engine:
        scene.start("run")
        scene.await_effects(1)
        engine.ask_to_end()
        time.sleep(0.5)
        assert engine.is_running
        assert engine.terminate() != 0
    with scene.engine():
        scene.await_effects(2)
