"""G11: a bad block hurts only its own task, whatever it does: 200 healthy runs beside all of them succeed."""

from typing import Final

import pytest

from engine.statuses import RunStatus
from tests.acceptance.engines import supervised, until
from tests.acceptance.scene import Scene, chain, task

pytestmark = pytest.mark.acceptance

HEALTHY = 200
ENDS: Final = {  # how a task ends whose block behaves so
    ("BAD", "raise"): "BLOCK_CRASHED",
    ("BAD", "unprintable error"): "BLOCK_CRASHED",
    ("BAD", "SystemExit"): "BLOCK_CRASHED",
    ("BAD", "KeyboardInterrupt"): "BLOCK_CRASHED",
    ("BAD", "endless loop"): "TIMED_OUT",
    ("BAD", "endless sleep"): "TIMED_OUT",
    ("BAD", "100 MB"): "OUTPUT_TOO_LARGE",
    ("BAD", "unserialisable"): "BAD_OUTPUTS",
    ("BAD", "NaN"): "BAD_OUTPUTS",
    ("BAD", "endless outputs"): "BAD_OUTPUTS",
    ("BAD", "os._exit"): "WORKER_LOST",
    ("BAD", "segfault"): "WORKER_LOST",
    ("BAD_ASYNC", "raise"): "BLOCK_CRASHED",
    ("BAD_ASYNC", "unprintable error"): "BLOCK_CRASHED",
    ("BAD_ASYNC", "SystemExit"): "BLOCK_CRASHED",
    ("BAD_ASYNC", "KeyboardInterrupt"): "BLOCK_CRASHED",
    ("BAD_ASYNC", "SystemExit in a task of its own"): "BLOCK_CRASHED",
    ("BAD_ASYNC", "stop the event loop"): "SUCCESS",
    ("BAD_ASYNC", "wait for ever"): "TIMED_OUT",
    ("BAD_ASYNC", "ignore cancellation"): "TIMED_OUT",
    ("BAD_ASYNC", "endless sleep"): "TIMED_OUT",
    ("BAD_ASYNC", "100 MB"): "OUTPUT_TOO_LARGE",
    ("BAD_ASYNC", "os._exit"): "WORKER_LOST",
}
DEATHS: Final = {3, -11}  # exit statuses of engines that were killed by `os._exit` and by a segmentation fault


def test_a_bad_block_hurts_only_its_own_task(scene: Scene) -> None:
    bad = {f"{type_} {how}": end for (type_, how), end in ENDS.items()}
    for number, ((type_, how), end) in enumerate(ENDS.items()):
        timeout = "1s" if end == "TIMED_OUT" else "60s"  # the others end by themselves, once it is their turn
        scene.save(task("bad", type_, how=how, timeout=timeout), name=f"bad-{number}")
    scene.save(*chain("a", "b", type_="LEDGER_ASYNC"), task("c", "LEDGER", "b"), task("d", "NOOP", "c"))
    healthy = [f"healthy-{number}" for number in range(HEALTHY)]
    scene.start(*healthy[: HEALTHY // 2])
    for number, run_id in enumerate(bad):
        scene.start(run_id, workflow=f"bad-{number}")
    scene.start(*healthy[HEALTHY // 2 :])
    with supervised(scene.engine) as statuses:
        # When engines die, what was being called is called again one by one: that takes its time.
        scene.await_end(within=90)
    scene.check([*healthy, *bad])
    runs = scene.store.load(bad)
    assert {id_: run.error.code if run.error else str(run.status) for id_, run in runs.items()} == bad
    assert {run.status for run in scene.store.load(healthy).values()} == {RunStatus.SUCCESS}
    assert set(statuses) == DEATHS


def test_a_type_whose_calls_hang_for_ever_exhausts_only_itself(scene: Scene) -> None:
    scene.save(task("bad", "BAD", how="endless sleep"), name="bad")
    scene.save(task("bad", "BAD_ASYNC", how="endless sleep"), name="bad-async")
    scene.save(*chain("a", "b", type_="LEDGER"))
    hanging = [f"{type_}-{number}" for number in range(40) for type_ in ("bad", "bad-async")]
    healthy = [f"healthy-{number}" for number in range(40)]
    with scene.engine(drain=1) as engine:
        scene.start(*hanging[::2], workflow="bad")
        scene.start(*hanging[1::2], workflow="bad-async")
        until(lambda: scene.run("bad-0").running and scene.run("bad-async-0").running, "the blocks are being called")
        scene.start(*healthy)
        scene.await_end(healthy)
        assert len(scene.unfinished(hanging)) == len(hanging)
        assert engine.terminate() == 0
    scene.check([*healthy, *hanging])


def test_a_hanging_call_ends_with_its_run_and_can_be_retried(scene: Scene) -> None:
    scene.save(task("call", "GATE", gate="g"))
    with scene.engine():
        scene.start("run")
        scene.await_effects(1)
        scene.cancel("run")
        scene.retry("run")
        scene.await_effects(2)
        scene.open_gate("g")
        scene.await_end()
    scene.check(["run"])
    assert [effect.key for effect in scene.effects()] == ["run/call/1", "run/call/2"]
