"""The feed of a store on MongoDB loses nothing, and says so if the server has."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from time import monotonic, sleep
from typing import Any

import pytest
from pymongo import MongoClient

from engine.transitions import RunPaused, RunResumed, TaskSucceeded, Wants
from store.mongo import MongoStore
from store.protocol import (
    BEGINNING,
    Change,
    Changes,
    HistoryLost,
    Position,
    Proposal,
    Store,
    StoreError,
    StoreGone,
    StoreUnavailable,
)
from tests.servers.mongod import MongoServer
from tests.store.driver import PATIENCE, Player, news, workflow

LOST = {"errorCode": 286, "errorLabels": ["NonResumableChangeStreamError"]}


@pytest.fixture
def player(mongo_uri: str) -> Iterator[Player]:
    store = MongoStore(mongo_uri)
    store.save_workflow(workflow())
    yield Player(store)
    store.close()


@pytest.fixture
def database(mongo_uri: str) -> Iterator[Any]:
    """The database as everybody sees it."""
    with MongoClient[dict[str, Any]](mongo_uri) as client:
        yield client.get_default_database()


def until_trouble(store: Store, after: Position) -> Exception:
    """Read on until the feed is in trouble that won't pass."""
    deadline = monotonic() + PATIENCE
    while monotonic() < deadline:
        try:
            after = store.changes(after).position
        except StoreUnavailable:
            pass
        except StoreError as error:
            return error
        sleep(0.01)
    pytest.fail("the feed went on")


def test_history_that_the_server_has_no_more_is_lost_loudly(player: Player, mongo_server: MongoServer) -> None:
    player.start()
    end = player.store.changes(BEGINNING).position
    with mongo_server.failing("aggregate", **LOST, mode="alwaysOn"), pytest.raises(HistoryLost, match="MongoDB at 127"):
        player.store.changes(BEGINNING)
    assert player.store.changes(end).changes == []


def test_history_that_is_lost_while_the_feed_is_read_can_be_left_behind(
    player: Player, mongo_server: MongoServer
) -> None:
    store = player.store
    assert isinstance(store, MongoStore)
    end = store.changes(BEGINNING).position
    with mongo_server.failing("getMore", **LOST):
        assert isinstance(until_trouble(store, end), HistoryLost)
    position = store.position()
    player.start()
    assert [change.id for change in news(store, position)] == ["r"]


def test_a_broken_connection_loses_no_change(player: Player, mongo_server: MongoServer) -> None:
    end = player.store.changes(BEGINNING).position
    with mongo_server.failing("getMore", closeConnection=True, mode={"times": 5}):
        for number in range(20):
            player.start(f"r{number}")
        found: list[str] = []
        deadline = monotonic() + PATIENCE
        while len(found) < 20:
            page = _page(player, end)
            found += [change.id for change in page.changes]
            end = page.position
            assert monotonic() < deadline
            sleep(0.01)
    assert found == [f"r{number}" for number in range(20)]


def _page(player: Player, after: Position) -> Changes:
    try:
        return player.store.changes(after)
    except StoreUnavailable:
        return Changes([], after)


def test_a_store_that_was_deleted_is_gone(player: Player, database: Any) -> None:
    store = player.store
    assert isinstance(store, MongoStore)
    end = store.changes(BEGINNING).position
    database.client.drop_database(database.name)
    assert isinstance(until_trouble(store, end), StoreGone)


def test_a_heartbeat_notices_that_the_store_was_replaced_by_another(
    player: Player, database: Any, mongo_uri: str
) -> None:
    store = player.store
    store.register("engine-1", 30.0)
    assert store.beat("engine-1", 30.0, BEGINNING)
    database.client.drop_database(database.name)
    MongoStore(mongo_uri).close()
    for _ in range(2):
        with pytest.raises(StoreGone, match="deleted or replaced while it was open: start again"):
            store.register("engine-2", 30.0)
    with pytest.raises(StoreGone):  # whatever is asked of it from now on
        store.next_wake()
    assert database.owners.count_documents({}) == 0


NOTICED: dict[str, Callable[[Store], object]] = {
    "beat": lambda store: store.beat("engine-1", 30.0, BEGINNING),
    "bookmark": lambda store: store.bookmark("relay", BEGINNING),
    "position": lambda store: store.position(),
}


@pytest.mark.parametrize("when", NOTICED)
def test_a_store_that_was_deleted_is_gone_for_whoever_reads_no_feed(player: Player, database: Any, when: str) -> None:
    store = player.store
    store.register("engine-1", 30.0)
    database.meta.update_one({"_id": "store"}, {"$set": {"schema": 99}})  # as a rolling upgrade may do
    NOTICED[when](store)
    database.client.drop_database(database.name)
    with pytest.raises(StoreGone):
        NOTICED[when](store)
    with pytest.raises(StoreGone):
        store.wake(10)


def test_a_right_that_was_taken_away_for_a_while_does_not_end_the_feed(
    player: Player, mongo_server: MongoServer
) -> None:
    end = player.store.changes(BEGINNING).position
    with mongo_server.failing("getMore", errorCode=13):
        assert "may not do that" in str(until_trouble(player.store, end))
    player.start()
    found: list[str] = []
    deadline = monotonic() + PATIENCE
    while not found:
        assert monotonic() < deadline, "the feed stays silent"
        with suppress(StoreError):
            found = [change.id for change in player.store.changes(end).changes]
        sleep(0.01)
    assert found == ["r"]


def test_a_collection_that_was_replaced_is_lost_history(player: Player, database: Any) -> None:
    store = player.store
    assert isinstance(store, MongoStore)
    player.start()
    end = store.changes(BEGINNING).position
    kept = list(database.runs.find())
    database.runs.drop()
    database.runs.insert_many(kept)
    assert isinstance(until_trouble(store, end), HistoryLost)
    position = store.position()
    player.do(RunPaused())
    assert [change.revision for change in news(store, position)] == [2]


def test_an_event_that_would_be_too_large_tells_what_happened_without_payloads(player: Player) -> None:
    names = [f"t{number}" for number in range(6)]
    player.store.save_workflow(workflow(*names, name="wide"))
    player.start(workflow="wide")
    results = [Proposal("r", TaskSucceeded(name, player.claim(name), "x" * 250_000)) for name in names]
    before = player.store.position()
    player.store.apply(results)
    told = news(player.store, before)
    assert [change.entry and change.entry.task for change in told] == names
    assert [change.transition for change in told] == [None] * 6
    assert len(player.run().tasks["t5"].outputs) == 250_000


def test_what_somebody_else_put_there_can_not_stop_the_feed(player: Player, database: Any) -> None:
    before = player.store.changes(BEGINNING).position
    database.runs.insert_one({"_id": "strange", "wake_at": 1.0})
    database.runs.update_one({"_id": "strange"}, {"$set": {"last": {"told": [[1, 2, "x", None]]}}})
    strange: list[object] = [5, None, {}, {"told": []}, {"told": [[1], 2]}, {"told": 3}]
    for last in strange:
        database.runs.update_one({"_id": "strange"}, {"$set": {"last": last}})
    database.workflows.insert_one({"_id": "strange", "document": 7})
    player.start()
    changes: list[Change] = []
    while len(changes) < 10:
        changes += news(player.store, before)
        before = changes[-1].position
    assert [change.id for change in changes] == [*["strange"] * 9, "r"]
    assert [change.entry is None for change in changes] == [*[True] * 9, False]
    assert [run.id for run in player.store.wake(10)] == []
    assert player.store.next_wake() != 1.0


def test_a_reader_that_stays_away_holds_up_nobody_and_misses_nothing(
    player: Player, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("store.mongo.stream.AHEAD", 3)
    before = player.store.changes(BEGINNING).position
    player.start()
    for _ in range(20):
        player.do(RunPaused())
        player.do(RunResumed())
    revisions: list[int] = []
    while len(revisions) < 41:
        page = news(player.store, before)
        revisions += [change.revision for change in page]
        before = page[-1].position
    assert revisions == list(range(1, 42))


def test_a_reader_goes_on_at_its_bookmark_after_a_restart(player: Player, mongo_uri: str) -> None:
    player.start()
    player.suspend("a", wants=Wants())
    position = player.store.changes(BEGINNING).position
    player.store.bookmark("relay", position)
    player.do(RunPaused())
    later = MongoStore(mongo_uri)
    found = later.bookmarked("relay")
    assert found == position
    assert [change.revision for change in later.changes(found).changes] == [4]
    assert later.bookmarked("nobody") is None
    later.close()
