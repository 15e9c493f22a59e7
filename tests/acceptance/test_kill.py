"""G1 and G3: engines and those who start runs are killed at random moments, and blocks kill the engines that call them.

accepted means durable · one recorded result · no call for a task known to be finished · a restart goes on at once
"""

import random
import subprocess
import sys
import time
from collections.abc import Iterable
from itertools import groupby

import pytest

from engine.results import LOST_AT_MOST
from engine.run import JournalEntry, WorkflowRun
from engine.statuses import RunStatus
from tests.acceptance.engines import ROOT, supervised, until
from tests.acceptance.producer import acknowledged
from tests.acceptance.scene import Scene, chain, task

pytestmark = pytest.mark.acceptance

KILLS = 60
STARTING = 6  # each such one is killed while it starts, or soon after


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
    for round_ in range(KILLS):
        ids = [f"run-{round_}-{number}" for number in range(10)]
        scene.start(*ids)
        accepted += ids
        with scene.engine(await_start=round_ % STARTING > 0) as engine:
            time.sleep(dice.uniform(0, 0.4))
            engine.kill()
    with supervised(scene.engine):
        scene.await_end()
    journals = scene.check(accepted)
    assert sum(entry.type == "TaskLost" for journal in journals.values() for entry in journal) > KILLS
    for run in scene.store.load(accepted).values():
        assert run.status is RunStatus.SUCCESS or given_up(run, journals[run.id]), run.error


def given_up(run: WorkflowRun, journal: Iterable[JournalEntry]) -> bool:
    """Whether the run failed since one of its tasks was called just when the engine was killed, again and again."""
    deaths = sorted(entry.task or "" for entry in journal if entry.type == "TaskLost")
    most = max((len(list(group)) for _, group in groupby(deaths)), default=0)
    return run.error is not None and run.error.code == "WORKER_LOST" and most > LOST_AT_MOST


@pytest.mark.parametrize("seed", [1])
def test_what_was_acknowledged_is_there_once_though_who_asked_is_killed_and_asks_again(scene: Scene, seed: int) -> None:
    dice = random.Random(seed)
    scene.save(*chain("a", "b", type_="LEDGER_ASYNC"))
    file = scene.folder / "acknowledged"
    command = [sys.executable, "-m", "tests.acceptance.producer", scene.url, str(file)]
    with scene.engine():
        for _ in range(10):
            before = len(acknowledged(file))
            with subprocess.Popen(command, cwd=ROOT) as producer:
                until(lambda: len(acknowledged(file)) > before, "a run was acknowledged")  # noqa: B023 - called at once
                time.sleep(dice.uniform(0, 0.1))
                producer.kill()
        scene.await_end()
    scene.check(acknowledged(file))
    assert scene.store.counts() == {RunStatus.SUCCESS: len(scene.effects()) / 2}
