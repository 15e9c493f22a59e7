"""What an older version wrote into MongoDB, this one goes on with, whoever opens it first and however many at once."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.database import Database

from engine.transitions import RunCancelled, Signal, SignalReceived, Wants
from store.mongo import MongoStore
from store.mongo.schema import VERSION
from store.protocol import BEGINNING, RunQuery
from store.seals import flaws
from tests.store.driver import Clock, Player, workflow

ADA = Wants(None, ("ada", "ivan"), {"approve": 2})


@pytest.fixture
def database(mongo_uri: str) -> Iterator[Database[dict[str, Any]]]:
    with MongoClient[dict[str, Any]](mongo_uri) as client:
        yield client.get_default_database()


@pytest.fixture
def version_1(mongo_uri: str, database: Database[dict[str, Any]]) -> Clock:
    """A store as version 1 left it: no seals, no `waiting`, no deletions, no records."""
    clock = Clock()
    store = MongoStore(mongo_uri, clock=clock, luck=lambda: 0.5)
    store.save_workflow(workflow("a", "b: a"))
    player = Player(store)
    for id_ in ("waiting", "decided", "ended"):
        player.start(id_)
        player.suspend("a", id_, wants=ADA)
    player.do(SignalReceived("a", Signal("s", 1, "ada", {"decision": "approve"})), "decided", by="ada")
    player.do(RunCancelled(), "ended")
    for number in range(6):
        player.start(f"r{number}")
    store.close()
    for run in database.runs.find():
        journal = [entry[:3] for entry in run["journal"]]
        told = [[*entry[:3], entry[4]] for entry in run["last"]["told"]]
        last = {"writer": run["last"]["writer"], "told": told}
        database.runs.update_one({"_id": run["_id"]}, {"$set": {"journal": journal, "last": last}})
    database.runs.update_many({}, {"$unset": {"waiting": 1, "seal": 1}})
    database.runs.drop_index("by_waiting")
    database.workflows.update_many({}, {"$unset": {"first": 1}})
    database.records.drop()
    database.meta.update_one({"_id": "store"}, {"$set": {"schema": 1}})
    return clock


def waiting(store: MongoStore, who: str) -> set[str]:
    return {run.id for run in store.find(RunQuery(waiting_for=frozenset({who}))).runs}


@pytest.mark.parametrize("create", [True, False])
def test_whom_live_runs_wait_for_is_found_out_when_an_older_store_is_opened(
    mongo_uri: str, database: Database[dict[str, Any]], version_1: Clock, *, create: bool
) -> None:
    store = MongoStore(mongo_uri, clock=version_1, create=create)
    assert waiting(store, "person:ada") == {"waiting"}
    assert waiting(store, "person:ivan") == {"waiting", "decided"}
    assert "by_waiting" in database.runs.index_information()
    [mark] = database.meta.find({"_id": "store"})
    assert mark["schema"] == VERSION
    store.close()


def test_many_may_bring_a_store_up_to_date_at_once(mongo_uri: str, version_1: Clock) -> None:
    with ThreadPoolExecutor(6) as pool:
        stores = list(pool.map(lambda _: MongoStore(mongo_uri, clock=version_1), range(6)))
    for store in stores:
        assert waiting(store, "person:ivan") == {"waiting", "decided"}
        store.close()


def test_what_was_brought_up_to_date_is_not_touched_again(
    mongo_uri: str, database: Database[dict[str, Any]], version_1: Clock
) -> None:
    MongoStore(mongo_uri, clock=version_1).close()
    before = list(database.runs.find())
    MongoStore(mongo_uri, clock=version_1).close()
    assert list(database.runs.find()) == before


def test_a_run_that_makes_no_sense_holds_up_nobody(
    mongo_uri: str, database: Database[dict[str, Any]], version_1: Clock
) -> None:
    database.runs.update_one({"_id": "waiting"}, {"$set": {"tasks": {"a": "nonsense", "b": "[]", "c": 5}}})
    database.runs.update_one({"_id": "r0"}, {"$set": {"tasks": None}})
    store = MongoStore(mongo_uri, clock=version_1)
    assert waiting(store, "person:ivan") == {"decided"}
    store.close()


def test_the_journal_goes_on_with_seals_after_entries_without(mongo_uri: str, version_1: Clock) -> None:
    store = MongoStore(mongo_uri, clock=version_1)
    store.register("engine-2", 30.0)
    player = Player(store, "engine-2")
    unsealed = store.sealed("waiting")
    assert {entry.seal for entry in unsealed} == {None}
    assert flaws(player.run("waiting"), unsealed) == []
    player.do(SignalReceived("a", Signal("s", 1, "ada", {"decision": "approve"})), "waiting", by="ada")
    entries = store.sealed("waiting")
    assert entries[:-1] == unsealed
    assert entries[-1].seal is not None
    assert flaws(player.run("waiting"), entries) == []
    store.close()


def test_changes_that_an_older_version_wrote_are_told(mongo_uri: str, version_1: Clock) -> None:
    store = MongoStore(mongo_uri, clock=version_1)
    told = [change for change in store.changes(BEGINNING).changes if change.id == "ended"]
    by_version_1 = [change for change in told if change.entry is not None and change.entry.seal is None]
    assert [(change.transition or {}).get("type") for change in by_version_1] == ["RunCancelled"]
    store.close()


def test_versions_of_workflows_that_an_older_version_saved_are_all_there(mongo_uri: str, version_1: Clock) -> None:
    store = MongoStore(mongo_uri, clock=version_1)
    second = store.save_workflow(workflow("a"))
    assert [saved.version for saved in store.versions("w")] == [2, 1]
    assert store.workflow("w", 1) is not None
    assert second.version == 2
    store.close()
