"""G1 and G3: engines and those who start runs are killed at random moments, and blocks kill the engines that call them.

accepted means durable · one recorded result · no call for a task known to be finished · a restart goes on at once
"""

import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable

import pytest

from engine.results import LOST_AT_MOST
from engine.run import JournalEntry, WorkflowRun
from engine.statuses import RunStatus, TaskStatus
from tests.acceptance.engines import ROOT, supervised, until
from tests.acceptance.producer import acknowledged
from tests.acceptance.scene import Scene, chain, task
from tests.processes import TO_START_OR_END, bounded

pytestmark = pytest.mark.acceptance

KILLS = 60
KILLS_ELSEWHERE = 12  # on stores and events that aren't the embedded one's
STARTING = 6  # each such one is killed while it starts, or soon after


@pytest.mark.everywhere
@pytest.mark.parametrize("seed", [20261122])
def test_nothing_is_lost_when_engines_are_killed_at_random_moments(scene: Scene, seed: int) -> None:
    dice = random.Random(seed)
    scene.save(
        task("first", "LEDGER", deadly=0.01),
        task("left", "LEDGER_ASYNC", "first", deadly=0.01, seconds=0.05),
        task("right", "LEDGER", "first", seconds=0.05),
        task("last", "LEDGER_ASYNC", "left && right"),
    )
    accepted: list[str] = []
    kills = KILLS if scene.surroundings.is_embedded else KILLS_ELSEWHERE
    for round_ in range(kills):
        ids = [f"run-{round_}-{number}" for number in range(10)]
        scene.start(*ids)
        accepted += ids
        with scene.engine(await_start=round_ % STARTING > 0) as engine:
            time.sleep(dice.uniform(0, 0.4))
            engine.kill()
    with supervised(scene.engine):
        scene.await_end()
    journals = scene.check(accepted)
    assert sum(entry.type == "TaskLost" for journal in journals.values() for entry in journal) > kills / 2
    for run in scene.store.load(accepted).values():
        assert run.status is RunStatus.SUCCESS or given_up(run, journals[run.id]), run.error


def given_up(run: WorkflowRun, journal: Iterable[JournalEntry]) -> bool:
    """Whether the run failed since some of its tasks were called just when the engine was killed, again and again."""
    deaths = Counter(entry.task for entry in journal if entry.type == "TaskLost")
    failed = {name: task.error for name, task in run.tasks.items() if task.status is TaskStatus.FAILED}
    lost = [name for name, error in failed.items() if error is not None and error.code == "WORKER_LOST"]
    return len(lost) == len(failed) > 0 and all(deaths[name] > LOST_AT_MOST for name in lost)


def test_an_engine_that_follows_one_that_was_killed_goes_on_at_once(scene: Scene) -> None:
    scene.save(task("call", "GATE", gate="g"), task("after", "LEDGER", "call"))
    with scene.engine(lease=3600) as engine:
        scene.start("run")
        scene.await_effects(1)
        engine.kill()
    scene.open_gate("g")
    with scene.engine(lease=3600):  # it can't wait for a lease to end, nor for the run to be looked at again
        scene.await_end()
    journals = scene.check(["run"])
    assert [entry.type for entry in journals["run"] if entry.task == "call"] == [
        "TaskClaimed", "TaskLost", "TaskClaimed", "TaskSucceeded"
    ]  # fmt: skip
    assert {effect.attempt for effect in scene.effects()} == {1}


@pytest.mark.everywhere
@pytest.mark.parametrize("seed", [1])
def test_what_was_acknowledged_is_there_once_though_who_asked_is_killed_and_asks_again(scene: Scene, seed: int) -> None:
    dice = random.Random(seed)
    scene.save(*chain("a", "b", type_="LEDGER_ASYNC"))
    file = scene.folder / "acknowledged"
    command = [sys.executable, "-m", "tests.acceptance.producer", scene.url, str(file)]
    with scene.engine():
        for _ in range(10):
            before = len(acknowledged(file))
            with bounded(subprocess.Popen(command, cwd=ROOT)):
                until(
                    lambda: len(acknowledged(file)) > before,  # noqa: B023 - called at once
                    "a run was acknowledged",
                    TO_START_OR_END,
                )
                time.sleep(dice.uniform(0, 0.1))
        scene.await_end()
    scene.check(acknowledged(file))
    assert scene.store.counts() == {RunStatus.SUCCESS: len(scene.effects()) / 2}
