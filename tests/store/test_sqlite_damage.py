"""A row that makes no sense hurts its own run, or its own event, and nothing else."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.outcomes import Rejected
from engine.run import JournalEntry
from engine.statuses import RunStatus
from engine.transitions import RunCancelled, Signal, SignalReceived
from store.protocol import BEGINNING, NewRun, Proposal, RunQuery, StoreError
from store.sqlite import SqliteStore
from tests.store.driver import Clock, Player, workflow

DAMAGES = [
    "UPDATE tasks SET state = 'nonsense' WHERE run = 1",
    "UPDATE tasks SET state = '7' WHERE run = 1",
    """UPDATE tasks SET state = '{"status": "DANCING"}' WHERE run = 1""",
    """UPDATE tasks SET state = '{"from": "a newer version"}' WHERE run = 1""",
    "UPDATE tasks SET name = 'nobody' WHERE run = 1",
    "UPDATE runs SET status = 'DANCING' WHERE number = 1",
    "UPDATE runs SET error = '{' WHERE number = 1",
    "UPDATE requests SET inputs = '' WHERE run = 1",
    "UPDATE requests SET parent = '[1]' WHERE run = 1",
    "DELETE FROM requests WHERE run = 1",
    "UPDATE runs SET version = 7 WHERE number = 1",
    "UPDATE runs SET workflow = 'v' WHERE number = 1",
    "UPDATE workflows SET document = '{}' WHERE name = 'v'; UPDATE runs SET workflow = 'v' WHERE number = 1",
]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "icefloe.db"


@pytest.fixture
def player(path: Path, clock: Clock) -> Iterator[Player]:
    """An engine with two runs in the middle of their work, `bad` (row 1) and `good`."""
    store = SqliteStore(path, clock=clock, luck=lambda: 0.5)
    store.save_workflow(workflow())
    store.save_workflow(workflow("x", name="v"))
    player = Player(store)
    for id_ in ("bad", "good"):
        player.start(id_)
        player.succeed("a", id_)
    yield player
    store.close()


def damage(path: Path, statements: str) -> None:
    """Change rows behind the store's back, so that it doesn't remember them either."""
    connection = sqlite3.connect(path)
    connection.executescript(statements)
    connection.execute("UPDATE changes SET position = position + 100")
    connection.commit()
    connection.close()


@pytest.mark.parametrize("statements", DAMAGES)
def test_a_run_that_makes_no_sense_is_failed_when_it_is_touched_and_the_others_go_on(
    player: Player, path: Path, statements: str
) -> None:
    damage(path, statements)
    bad, good = player.store.apply([Proposal("bad", RunCancelled()), Proposal("good", RunCancelled())])
    assert isinstance(bad.outcome, Rejected)
    assert bad.outcome.code == "ENGINE_ERROR"
    assert bad.run is None
    assert isinstance(good.outcome, JournalEntry)
    summaries = {summary.id: summary for summary in player.store.find(RunQuery()).runs}
    assert summaries["bad"].status is RunStatus.FAILED
    assert summaries["bad"].error == tuple(bad.outcome)
    entries = player.store.journal("bad")
    assert [entry.revision for entry in entries] == [1, 2, 3, 4]
    assert (entries[-1].type, entries[-1].status) == ("RunFailed", RunStatus.FAILED)


@pytest.mark.parametrize("statements", DAMAGES)
def test_a_run_that_makes_no_sense_is_failed_when_it_is_due_and_blocks_no_other(
    player: Player, path: Path, clock: Clock, statements: str
) -> None:
    damage(path, statements)
    clock.pass_(40)
    assert [run.id for run in player.store.wake(1)] == []
    assert [run.id for run in player.store.wake(1)] == ["good"]
    assert player.store.counts()[RunStatus.FAILED] == 1


@pytest.mark.parametrize("statements", DAMAGES)
def test_a_run_that_makes_no_sense_is_left_out_when_runs_are_read(player: Player, path: Path, statements: str) -> None:
    damage(path, statements)
    assert set(player.store.load(["bad", "good"])) == {"good"}
    again, other, new = player.store.create([NewRun(id_, "w", {}) for id_ in ("bad", "good", "new")])
    assert again.outcome == ("refused" if "DELETE" in statements else "exists")
    assert again.run is None
    assert [other.outcome, new.outcome] == ["exists", "created"]


def test_a_run_that_ended_and_makes_no_sense_is_not_due_for_ever(player: Player, path: Path, clock: Clock) -> None:
    player.finish("bad")
    damage(path, "UPDATE runs SET wake_at = 1 WHERE number = 1; UPDATE tasks SET state = '{' WHERE run = 1")
    assert player.store.wake(1) == []
    clock.pass_(40)
    assert [run.id for run in player.store.wake(1)] == ["good"]
    assert player.store.counts()[RunStatus.SUCCESS] == 1


def test_it_is_failed_once(player: Player, path: Path) -> None:
    damage(path, DAMAGES[0])
    signal = Proposal("bad", SignalReceived("b", Signal("s", 1, "olga", None)))
    for _ in range(2):
        assert {answer.run for answer in player.store.apply([signal, signal])} == {None}
    assert [entry.type for entry in player.store.journal("bad")].count("RunFailed") == 1


def test_a_change_that_makes_no_sense_still_says_whom_it_is_about(player: Player, path: Path) -> None:
    damage(path, "UPDATE changes SET entry = '{' WHERE run = 1 AND revision = 2")
    changes = {(change.id, change.revision): change for change in player.store.changes(BEGINNING).changes}
    assert changes["bad", 2].entry is None
    assert changes["bad", 3].entry is not None
    assert len(changes) == 8
    with pytest.raises(StoreError, match="the journal of run 'bad' can't be read"):
        player.store.journal("bad")
    assert len(player.store.journal("good")) == 3


def test_a_workflow_that_makes_no_sense_gets_a_sentence_and_its_next_version(player: Player, path: Path) -> None:
    damage(path, "UPDATE workflows SET document = '{}' WHERE name = 'v'")
    with pytest.raises(StoreError, match="the stored version 1 of workflow 'v' can't be read"):
        player.store.workflow("v")
    [refused] = player.store.create([NewRun("r", "v", {})])
    assert refused.outcome == "refused"
    assert player.store.save_workflow(workflow("x", name="v")).version == 2
    assert player.create("r", workflow="v").outcome == "created"
    assert [saved.version for saved in player.store.workflows()] == [2, 1]
