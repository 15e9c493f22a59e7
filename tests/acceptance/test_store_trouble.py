"""G12 and G13: the store away for a while, and damaged: nothing is lost, and nobody else is hurt."""

import sqlite3
import time
from collections.abc import Callable
from typing import Final

import pytest

from engine.statuses import RunStatus
from tests.acceptance.engines import until
from tests.acceptance.scene import Scene, chain, task

pytestmark = pytest.mark.acceptance

LOCKED_SECONDS: Final = 8.0  # longer than a store waits for a lock, and much longer than a lease


def test_an_engine_waits_for_a_store_that_another_process_has_locked(scene: Scene) -> None:
    scene.save(*chain("a", "b", "c", type_="LEDGER_ASYNC", seconds=0.1))
    ids = [f"run-{number}" for number in range(50)]
    with scene.engine() as engine:
        scene.start(*ids)
        scene.await_effects(10)
        other = sqlite3.connect(scene.file, isolation_level=None)
        other.execute("PRAGMA busy_timeout = 5000")
        other.execute("BEGIN EXCLUSIVE")
        time.sleep(LOCKED_SECONDS)
        other.execute("ROLLBACK")
        other.close()
        assert scene.unfinished()
        scene.await_end()
        assert engine.events("store_unavailable")
        assert engine.terminate() == 0
    scene.check(ids)
    assert scene.store.counts() == {RunStatus.SUCCESS: len(ids)}


def test_an_engine_that_ends_before_its_store_is_back_says_so_in_a_sentence(scene: Scene) -> None:
    scene.save(task("call", "GATE", gate="g"))
    with scene.engine(drain=1) as engine:
        scene.start("run")
        scene.await_effects(1)
        other = sqlite3.connect(scene.file, isolation_level=None)
        other.execute("PRAGMA busy_timeout = 5000")
        other.execute("BEGIN EXCLUSIVE")
        scene.open_gate("g")
        assert engine.terminate() == 1  # it tries to record the result, and then to leave
        other.execute("ROLLBACK")
        other.close()
        assert str(engine.events("process_failed")[0]["error"]).startswith(f"{scene.file} is locked")
        assert "panicked" not in engine.words()
    with scene.engine():
        scene.await_end()
    scene.check(["run"])


def damage(scene: Scene, *statements: str) -> None:
    """Change the file behind the store's back."""
    connection = sqlite3.connect(scene.file)
    with connection:
        for statement in statements:
            assert connection.execute(statement).rowcount > 0, statement
    connection.close()


DAMAGES: Final = {  # of the first run that was started
    "a task that is no JSON": ["UPDATE tasks SET state = '{' WHERE run = 1"],
    "a task that the workflow hasn't": ["UPDATE tasks SET name = 'x' WHERE run = 1 AND name = 'ask'"],
    "a status that there isn't": ["UPDATE runs SET status = 'DANCING' WHERE id = 'bad'"],
    "inputs that are no JSON": ["UPDATE requests SET inputs = '{' WHERE run = 1"],
    "a request that is gone": ["DELETE FROM requests WHERE run = 1"],
    "a workflow that is no JSON": ["UPDATE workflows SET document = '{' WHERE name = 'v'"],
    "a workflow that is none": ["UPDATE workflows SET document = '{}' WHERE name = 'v'"],
    "changes that are no JSON": ["UPDATE changes SET entry = '{', transition = '{' WHERE run = 1"],
}


def wake_at(scene: Scene) -> float | None:
    """When the damaged run is to be looked at, by a program that doesn't mind what it looks like."""
    connection = sqlite3.connect(scene.file)
    [[moment]] = connection.execute("SELECT wake_at FROM runs WHERE id = 'bad'")
    connection.close()
    return None if moment is None else float(moment)


def by_being_due(scene: Scene) -> None:
    """The engine comes upon the damaged run since it is due."""
    damage(scene, "UPDATE runs SET wake_at = 1 WHERE id = 'bad'")
    until(lambda: wake_at(scene) != 1, "the run is given up or put off")


def by_a_decision(scene: Scene) -> None:
    """Somebody decides on the damaged run."""
    scene.decide("bad", "ask", "approve")


@pytest.mark.parametrize("found", [by_being_due, by_a_decision])
@pytest.mark.parametrize("statements", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_run_hurts_no_other(scene: Scene, statements: list[str], found: Callable[[Scene], None]) -> None:
    scene.save(task("ask", "WAIT_FOR_SIGNAL"), task("then", "LEDGER", "ask"))
    scene.save(task("ask", "WAIT_FOR_SIGNAL"), task("then", "LEDGER", "ask"), name="v")
    with scene.engine() as engine:
        scene.start("bad", workflow="v")
        scene.start("good")
        until(lambda: scene.store.counts() == {RunStatus.WAITING: 2}, "both wait")
        damage(scene, *statements)
        found(scene)
        scene.start("another")
        until(lambda: scene.run("another").tasks["ask"].wants, "the other one waits for its signal")
        scene.decide("good", "ask", "approve")
        scene.decide("another", "ask", "approve")
        scene.await_end(["good", "another"])
        assert engine.terminate() == 0, engine.words()
    assert {scene.run(id_).status for id_ in ("good", "another")} == {RunStatus.SUCCESS}


def test_a_run_that_makes_no_sense_fails_by_itself_and_says_why(scene: Scene) -> None:
    scene.save(task("ask", "WAIT_FOR_SIGNAL"), task("then", "LEDGER", "ask"))
    scene.start("bad")
    with scene.engine():
        until(lambda: scene.run("bad").tasks["ask"].wants, "it waits")
    damage(scene, "UPDATE tasks SET state = '{'", "UPDATE runs SET wake_at = 1")
    with scene.engine():
        until(lambda: RunStatus.FAILED in scene.store.counts(), "it is failed")
    [change] = [change for change in scene.changes() if change.entry and change.entry.type == "RunFailed"]
    assert change.transition is not None
    assert change.transition["error"]["code"] == "ENGINE_ERROR"
