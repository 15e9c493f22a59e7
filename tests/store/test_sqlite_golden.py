"""What an older version wrote, this one goes on with: a golden store for each version of the tables."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.statuses import RunStatus
from engine.transitions import ParentNotified, RunResumed, RunRetried
from store.sqlite import SqliteStore
from store.sqlite.schema import STEPS
from tests.store.driver import ALIVE, Clock, Player, check, everything

VERSIONS = sorted((Path(__file__).parent / "golden").glob("version-*.sql"))


@pytest.fixture(params=VERSIONS, ids=lambda path: path.stem)
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    connection = sqlite3.connect(tmp_path / "icefloe.db")
    connection.executescript(request.param.read_text())
    connection.close()
    return tmp_path / "icefloe.db"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def player(path: Path, clock: Clock) -> Iterator[Player]:
    """The engine that is started after the old one was killed, and upgraded."""
    store = SqliteStore(path, clock=clock, luck=lambda: 0.5)
    store.register("engine-2", 30.0)
    yield Player(store, "engine-2")
    store.close()


def tables(path: Path) -> dict[str, str]:
    connection = sqlite3.connect(path)
    found = dict(connection.execute("SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL"))
    connection.close()
    return {name: " ".join(sql.replace('"', "").split()) for name, sql in found.items()}


def test_there_is_a_golden_store_of_every_version() -> None:
    assert [path.stem for path in VERSIONS] == [f"version-{number + 1}" for number in range(len(STEPS))]


def test_an_older_file_gets_the_same_tables_as_a_new_one(path: Path, tmp_path: Path) -> None:
    for file in (path, tmp_path / "new.db"):
        SqliteStore(file).close()
    assert tables(path) == tables(tmp_path / "new.db")


def test_every_run_is_read_as_it_was(player: Player) -> None:
    check(player.store)
    assert {summary.id: str(summary.status) for summary in everything(player.store)} == {
        "again": "RUNNING",
        "cancelled": "CANCELLED",
        "child": "SUCCESS",
        "claimed": "RUNNING",
        "ended": "SUCCESS",
        "paused": "PAUSED",
        "ready": "PENDING",
        "retrying": "WAITING",
        "signalled": "RUNNING",
        "timed": "WAITING",
        "waiting": "WAITING",
    }
    waiting = player.run("waiting")
    assert waiting.tasks["a"].outputs == {"k": [1.5, None]}
    assert waiting.tasks["a"].wants is not None
    assert waiting.tasks["a"].wants.senders == ("olga", "ivan")
    assert (waiting.inputs, waiting.labels) == ({"n": 1, "text": "ü✓"}, {"team": "data"})


def test_every_run_can_be_brought_to_its_end(player: Player, clock: Clock) -> None:
    store = player.store
    assert store.bury(by_time=False) == ["engine-1"]
    player.do(RunResumed(), "paused")
    player.do(RunRetried(1), "cancelled")
    assert player.signal("a", "s2", "waiting", {"decision": "approve"}).outcome is not None
    for _ in range(10):
        store.wake(100)
        for summary in store.find(ALIVE).runs:
            player.finish(summary.id)
        clock.pass_(600)
    player.do(ParentNotified(), "child")
    assert store.counts() == {RunStatus.SUCCESS: 11}
    assert store.next_wake() is None
    check(store)
