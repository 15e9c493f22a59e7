"""G8: an engine that is stopped past its lease, while another one takes over, can do no harm when it goes on."""

import pytest

from engine.statuses import RunStatus
from tests.acceptance.engines import until
from tests.acceptance.probing import samples
from tests.acceptance.scene import Scene, task
from tests.servers.mongod import free_port

pytestmark = [pytest.mark.acceptance, pytest.mark.everywhere]


def test_the_late_result_of_an_engine_that_was_thought_dead_is_refused(scene: Scene) -> None:
    scene.save(task("call", "GATE", gate="g"), task("after", "LEDGER", "call"))
    port = free_port()
    with scene.engine(health_port=port) as sleeper:
        scene.start("first")
        scene.await_effects(1)
        scene.freeze(sleeper)
        with scene.engine() as other:
            scene.await_effects(2)
            scene.open_gate("g")
            scene.await_end()
            before = scene.run("first")
            sleeper.thaw()
            until(lambda: sleeper.events("owner_fenced"), "the sleeper knows that it was fenced")
            until(lambda: sleeper.events("result_refused"), "its late result is refused")
            assert scene.run("first") == before
            other.kill()
        scene.start("second")  # the sleeper works on, as another owner
        scene.await_end()
        [fenced] = sleeper.events("owner_fenced")
        assert fenced["owner"] == sleeper.owner != fenced["now"]
        assert sleeper.events("result_refused")[0]["code"] == "LATE_RESULT"
        assert samples(port)["icefloe_results_refused_total", "LATE_RESULT"] > 0
    scene.check(["first", "second"])
    assert scene.store.counts() == {RunStatus.SUCCESS: 2}
    assert [effect.pid for effect in scene.effects()][-1] == sleeper.pid
    assert [effect.attempt for effect in scene.effects()] == [1] * len(scene.effects())


def test_a_late_result_counts_as_little_while_the_task_is_being_called_by_another_engine(scene: Scene) -> None:
    scene.save(task("call", "GATE", gate="g"))
    with scene.engine() as sleeper:
        scene.start("run")
        scene.await_effects(1)
        scene.freeze(sleeper)
        with scene.engine():
            scene.await_effects(2)
            scene.open_gate(f"g-{sleeper.pid}")
            sleeper.thaw()
            until(lambda: sleeper.events("result_refused"), "its late result is refused")
            assert scene.run("run").tasks["call"].status == "RUNNING"
            scene.open_gate("g")
            scene.await_end()
    scene.check(["run"])


def test_an_engine_that_was_stopped_past_its_lease_with_nobody_else_there_goes_on(scene: Scene) -> None:
    scene.save(task("call", "GATE", gate="g"), task("after", "LEDGER", "call"))
    with scene.engine() as sleeper:
        scene.start("run")
        scene.await_effects(1)
        scene.freeze(sleeper)
        scene.open_gate("g")
        [owner] = scene.store.owners()
        until(lambda: scene.store.now() > owner.alive_until + 0.1, "its lease is over")
        sleeper.thaw()
        scene.await_end()
        assert not sleeper.events("owner_fenced")
    scene.check(["run"])
    assert len(scene.effects()) == 2
