"""Whatever is asked of a store on MongoDB, an index answers: nothing gets slower because there are many runs."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from pymongo import MongoClient

from engine.statuses import FINAL_RUN, RunStatus
from engine.transitions import RunCancelled, Wants
from store.mongo import MongoStore
from store.protocol import RunQuery
from tests.store.driver import START, Clock, Player, workflow

QUERIES = [
    RunQuery(),
    RunQuery(tenant=None),
    RunQuery(workflow="w"),
    RunQuery(statuses=frozenset({RunStatus.PENDING})),
    RunQuery(statuses=frozenset({RunStatus.PENDING, RunStatus.CANCELLED})),
    RunQuery(requested_by="olga"),
    RunQuery(waiting_for=frozenset({"person:ada"})),
    RunQuery(waiting_for=frozenset({"person:ada", "group:stewards"})),
    RunQuery(tenant=None, waiting_for=frozenset({"person:ada", "group:stewards"})),
    RunQuery(inputs={"n": 1}),
    RunQuery(tenant=None, inputs_any={"n": (1, "1")}),
    RunQuery(workflow="w", created_after=START, limit=2),
]


@pytest.fixture
def database(mongo_uri: str) -> Iterator[Any]:
    with MongoClient[dict[str, Any]](mongo_uri) as client:
        yield client.get_default_database()


def test_nothing_is_searched_for_by_reading_all_runs(mongo_uri: str, database: Any) -> None:
    clock = Clock()
    store = MongoStore(mongo_uri, clock=clock)
    player = Player(store)
    store.save_workflow(workflow())
    database.command("profile", 2)
    store.register("engine-1", 30.0)
    for number in range(6):
        player.start(f"r{number}", {"n": number % 2}, requested_by="olga")
    player.succeed("a", "r0")
    player.do(RunCancelled(), "r1")
    store.wake_active()
    store.wake(3)
    store.next_wake()
    store.counts()
    store.counts(tenant="default")
    store.journal("r0")
    store.sealed("r0")
    for query in QUERIES:
        page = store.find(query)
        if page.cursor is not None:
            store.find(RunQuery(workflow="w", limit=2, cursor=page.cursor))
    store.beat("engine-1", 30.0, "")
    store.bury(by_time=True)
    store.close()
    database.command("profile", 0)
    asked = list(database["system.profile"].find({"ns": f"{database.name}.runs"}))
    assert len(asked) > 20
    for one in asked:
        assert "COLLSCAN" not in one.get("planSummary", ""), one["command"]
        assert not one.get("hasSortStage") or "facts" in str(one["command"]), one["command"]


def test_live_runs_of_all_tenants_are_found_without_reading_those_that_ended(mongo_uri: str, database: Any) -> None:
    store = MongoStore(mongo_uri, clock=Clock())
    player = Player(store)
    for tenant in ("one", "other"):
        store.save_workflow(workflow(tenant=tenant))
        for number in range(20):
            player.start(f"{tenant}{number}", tenant=tenant)
            if number > 1:
                player.do(RunCancelled(), f"{tenant}{number}")
    database.command("profile", 2)
    live = RunQuery(tenant=None, statuses=frozenset(RunStatus) - FINAL_RUN)
    assert [run.id for run in store.find(live).runs] == ["other1", "other0", "one1", "one0"]
    store.close()
    database.command("profile", 0)
    asked = list(database["system.profile"].find({"ns": f"{database.name}.runs"}))
    assert max(one["docsExamined"] for one in asked) == 4
    assert not any(one.get("hasSortStage") for one in asked)


def test_a_page_of_what_waits_for_somebody_reads_no_more_than_it_shows(mongo_uri: str, database: Any) -> None:
    store = MongoStore(mongo_uri, clock=Clock())
    player = Player(store)
    store.save_workflow(workflow())
    for number in range(60):
        player.start(f"r{number}")
        if number < 40:
            player.suspend("a", f"r{number}", wants=Wants(None, ("ada",), {"*": 1}, ("stewards",)))
    database.command("profile", 2)
    query = RunQuery(waiting_for=frozenset({"person:ada", "group:stewards"}), limit=3)
    page = store.find(query)
    rest = store.find(replace(query, cursor=page.cursor))
    store.close()
    database.command("profile", 0)
    assert [run.id for run in (*page.runs, *rest.runs)] == ["r39", "r38", "r37", "r36", "r35", "r34"]
    asked = list(database["system.profile"].find({"ns": f"{database.name}.runs"}))
    assert max(one["docsExamined"] for one in asked) <= 10
    assert not any(one.get("hasSortStage") for one in asked)
