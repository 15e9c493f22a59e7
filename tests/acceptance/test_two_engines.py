"""Engines on one store share the work, and go on with that of one that is killed, stopped, or comes later."""

import pytest

from engine.statuses import RunStatus
from tests.acceptance.engines import until
from tests.acceptance.scene import Scene, chain, task

pytestmark = [pytest.mark.acceptance, pytest.mark.everywhere]


def test_two_engines_share_the_work_and_one_goes_on_with_that_of_the_other(scene: Scene) -> None:
    scene.save(*chain("a", "b", "c", type_="LEDGER_ASYNC", seconds=0.02))
    with scene.engine() as one, scene.engine() as two:
        scene.await_sharing(one, two)
        shared = [f"shared-{number}" for number in range(100)]
        scene.start(*shared)
        scene.await_end()
        assert {effect.pid for effect in scene.effects()} == {one.pid, two.pid}
        left = [f"left-{number}" for number in range(100)]
        scene.start(*left)
        until(lambda: any(effect.pid == one.pid for effect in scene.effects()[300:]), "both have begun")
        one.kill()
        scene.await_end()
        assert two.terminate() == 0
    scene.check([*shared, *left])
    assert scene.store.counts() == {RunStatus.SUCCESS: 200}


def test_no_run_waits_while_engines_come_and_go(scene: Scene) -> None:
    scene.save(*chain("a", "b", "c", "d", type_="LEDGER_ASYNC", seconds=0.05))
    runs = [f"run-{number}" for number in range(240)]
    with scene.engine() as first:
        scene.start(*runs[:60])
        with scene.engine() as second:
            scene.start(*runs[60:120])
            with scene.engine() as third:
                scene.start(*runs[120:180])
                assert first.terminate() == 0
                scene.start(*runs[180:])
                assert second.terminate() == 0
                scene.await_end()
                assert third.terminate() == 0
    journals = scene.check(runs)
    assert scene.store.counts() == {RunStatus.SUCCESS: len(runs)}
    assert "TaskLost" not in {entry.type for journal in journals.values() for entry in journal}


def test_the_block_types_that_one_engine_lacks_are_left_to_another(scene: Scene, events_kind: str) -> None:
    if events_kind == "kafka":
        pytest.skip("on Kafka the other engine may not hear of such a task before it is looked at again, in 30 s")
    scene.save(task("a", "NOOP"), task("b", "LEDGER", "a"), task("c", "NOOP", "b"))
    runs = [f"run-{number}" for number in range(20)]
    with scene.engine("-m", "icefloe", "engine") as plain, scene.engine() as able:
        until(lambda: len(scene.store.owners()) == 2, "both are there")
        scene.start(*runs)
        scene.await_end()
        assert (plain.terminate(), able.terminate()) == (0, 0)
    scene.check(runs)
