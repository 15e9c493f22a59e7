"""Several writers on one MongoDB, and writes of unknown fate: nothing is lost, and nothing is done twice."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from threading import Event, Thread
from time import monotonic, sleep
from typing import Any

import pytest

from engine.machine import ready
from engine.outcomes import Duplicate, Rejected
from engine.run import JournalEntry, WorkflowRun
from engine.statuses import RunStatus, TaskStatus
from engine.transitions import RunCancelled, RunPaused, RunResumed, RunWoken, TaskSucceeded
from store.mongo import MongoStore
from store.mongo.cache import RunCache
from store.protocol import BEGINNING, NewRun, Proposal, StoreUnavailable
from tests.servers.mongod import MongoServer, mongod
from tests.store.driver import PATIENCE, Player, check, news, workflow

AMBIGUOUS = [
    {"closeConnection": True},
    {"writeConcernError": {"code": 64, "errmsg": "waiting for replication timed out"}},
    {"errorCode": 10107},
    {"errorCode": 11602, "errorLabels": ["RetryableWriteError"]},
]


@pytest.fixture
def stores(mongo_uri: str) -> Iterator[tuple[MongoStore, MongoStore]]:
    """Two store objects, as two processes have them."""
    one, other = MongoStore(mongo_uri), MongoStore(mongo_uri)
    one.save_workflow(workflow("a", "b", "c: a && b"))
    yield one, other
    fresh = MongoStore(mongo_uri)
    check(fresh)
    for store in (one, other, fresh):
        store.close()


def test_what_somebody_else_wrote_meanwhile_is_reckoned_with(stores: tuple[MongoStore, MongoStore]) -> None:
    mine, theirs = map(Player, stores)
    for id_ in ("r1", "r2", "r3"):
        mine.start(id_)
        mine.run(id_)  # remembered, and soon out of date
    theirs.do(RunPaused(), "r1")
    theirs.do(RunCancelled(), "r2")
    claims = [Proposal(id_, mine.dispatch("a", "r3").claim(id_, "engine-1")) for id_ in ("r1", "r2", "r3")]
    outcomes = [answer.outcome for answer in mine.store.apply(claims)]
    assert [type(outcome) for outcome in outcomes] == [Rejected, Rejected, JournalEntry]


def test_a_store_can_be_opened_and_its_newest_position_asked_for_while_others_write(
    stores: tuple[MongoStore, MongoStore],
) -> None:
    mine, theirs = stores
    done = Event()

    def write() -> None:
        for number in count():
            if done.is_set():
                return
            theirs.bookmark("reader", str(number))

    writers = [Thread(target=write) for _ in range(4)]
    for writer in writers:
        writer.start()
    try:
        positions = [mine.position() for _ in range(200)]
    finally:
        done.set()
        for writer in writers:
            writer.join()
    assert positions == sorted(positions)


def test_a_refusal_by_what_is_out_of_date_is_none(stores: tuple[MongoStore, MongoStore]) -> None:
    mine, theirs = map(Player, stores)
    mine.start()
    assert isinstance(mine.propose(RunResumed()).outcome, Rejected)
    theirs.do(RunPaused())
    assert isinstance(mine.propose(RunResumed()).outcome, JournalEntry)
    theirs.succeed("a")
    assert isinstance(mine.propose(RunWoken()).outcome, Rejected)
    token = theirs.claim("b")
    theirs.do(TaskSucceeded("b", token))
    assert isinstance(mine.propose(TaskSucceeded("b", token)).outcome, Duplicate)


def test_what_follows_is_asked_again_if_somebody_was_faster(stores: tuple[MongoStore, MongoStore]) -> None:
    mine, theirs = map(Player, stores)
    mine.start()
    token = mine.claim("a")
    asked: list[WorkflowRun] = []

    def follow(run: WorkflowRun) -> Sequence[Proposal]:
        asked.append(run)
        if len(asked) == 1:  # now, between the reading and the writing of this run
            theirs.succeed("b")
        return [Proposal(run.id, call.claim(f"t-{call.task}", "engine-1")) for call in ready(run)]

    [answer] = mine.store.apply([Proposal("r", TaskSucceeded("a", token))], follow=follow)
    assert isinstance(answer.outcome, JournalEntry)
    assert [[call.task for call in ready(run)] for run in asked] == [["b"], ["c"]]
    assert answer.run is not None
    assert answer.run.tasks["c"].status is TaskStatus.RUNNING
    assert [entry.type for entry in mine.store.journal("r")][-2:] == ["TaskSucceeded", "TaskClaimed"]


def test_a_run_that_another_thread_forgets_meanwhile_is_not_missing(
    mongo_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = MongoStore(mongo_uri)
    store.save_workflow(workflow())
    Player(store).start()
    look = RunCache.get

    def look_and_forget(cache: RunCache, id_: str) -> Any:
        found = look(cache, id_)
        cache.drop(id_)
        return found

    monkeypatch.setattr(RunCache, "get", look_and_forget)
    assert list(store.load(["r"])) == ["r"]
    store.close()


def test_a_run_whose_document_gets_too_large_is_failed_beside_others(
    stores: tuple[MongoStore, MongoStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    player = Player(stores[0])
    for id_ in ("full", "r"):
        player.start(id_)
    monkeypatch.setattr("store.mongo.batch.FULL_BYTES", player.run("full").size + 1000)
    while isinstance(player.propose(RunPaused(), "full").outcome, JournalEntry):
        player.propose(RunResumed(), "full")
    claims = [Proposal(id_, player.dispatch("a", "r").claim(id_, "engine-1")) for id_ in ("full", "r")]
    refused, claimed = stores[0].apply(claims)
    assert isinstance(claimed.outcome, JournalEntry)
    assert isinstance(refused.outcome, Rejected)
    full = Player(stores[1]).run("full")
    assert full.error is not None
    assert (full.status, full.error.code) == (RunStatus.FAILED, "ENGINE_ERROR")


def test_two_who_start_the_same_runs_at_once_start_them_once(stores: tuple[MongoStore, MongoStore]) -> None:
    requests = [NewRun(f"r{number}", "w", {"n": number}) for number in range(100)]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda store: store.create(requests), [*stores, *stores]))
    for creations in zip(*answers, strict=True):
        assert sorted(creation.outcome for creation in creations) == ["created", "exists", "exists", "exists"]


def test_a_run_that_two_wake_is_woken_once(stores: tuple[MongoStore, MongoStore]) -> None:
    player = Player(stores[0])
    for number in range(50):
        player.start(f"r{number}")
    player.store.wake_active()
    with ThreadPoolExecutor(2) as pool:
        woken = [run.id for runs in pool.map(lambda store: store.wake(100), stores) for run in runs]
    assert sorted(woken) == sorted(f"r{number}" for number in range(50))


@pytest.mark.parametrize("fault", AMBIGUOUS)
@pytest.mark.parametrize("kind", ["durable", "quick"])
def test_a_write_of_unknown_fate_may_be_repeated(
    stores: tuple[MongoStore, MongoStore], mongo_server: MongoServer, fault: dict[str, Any], kind: str
) -> None:
    player = Player(stores[0])
    player.start()
    result = TaskSucceeded("a", player.claim("a"), {"n": 1})
    with mongo_server.failing("update", **fault), pytest.raises(StoreUnavailable, match="MongoDB at 127"):
        player.propose(result, durable=kind == "durable")
    again = player.propose(result, durable=kind == "durable").outcome
    assert isinstance(again, Duplicate if "writeConcernError" in fault else JournalEntry)
    assert [entry.type for entry in player.store.journal("r")] == ["RunCreated", "TaskClaimed", "TaskSucceeded"]


@pytest.mark.parametrize("fault", AMBIGUOUS)
def test_a_start_of_unknown_fate_may_be_repeated(
    stores: tuple[MongoStore, MongoStore], mongo_server: MongoServer, fault: dict[str, Any]
) -> None:
    player = Player(stores[0])
    with mongo_server.failing("insert", **fault), pytest.raises(StoreUnavailable):
        player.create()
    assert player.create().outcome == ("exists" if "writeConcernError" in fault else "created")


def test_an_owner_whose_entry_was_never_answered_still_signs_what_it_writes(
    stores: tuple[MongoStore, MongoStore], mongo_server: MongoServer
) -> None:
    player = Player(stores[0])
    fault = {"writeConcernError": {"code": 64, "errmsg": "waiting for replication timed out"}}
    with mongo_server.failing("update", **fault), pytest.raises(StoreUnavailable):
        player.store.register("engine-1", 30.0)
    assert player.store.beat("engine-1", 30.0, BEGINNING)
    player.start()
    assert [change.writer for change in news(player.store, BEGINNING)] == [None, "engine-1"]


def test_a_server_that_is_frozen_is_away_until_it_goes_on(mongo_server: MongoServer, mongo_uri: str) -> None:
    store = MongoStore(f"{mongo_uri}&socketTimeoutMS=3000&serverSelectionTimeoutMS=3000")
    player = Player(store)
    store.save_workflow(workflow())
    player.start()
    end = store.changes(BEGINNING).position
    mongo_server.freeze()
    try:
        for _ in range(2):
            with pytest.raises(StoreUnavailable):
                player.propose(RunPaused())
    finally:
        mongo_server.thaw()
    _until_it_works(lambda: player.propose(RunPaused()))
    assert [entry.type for entry in store.journal("r")] == ["RunCreated", "RunPaused"]
    assert _told(store, end, 1) == [("r", 2)]
    store.close()


def test_what_was_accepted_outlives_the_server(tmp_path: Path) -> None:
    if mongod() is None:
        pytest.skip("the packaged MongoDB runs on Linux on x86_64 only")
    with MongoServer(tmp_path) as server:
        store = MongoStore(f"{server.uri()}&socketTimeoutMS=3000&serverSelectionTimeoutMS=3000")
        store.save_workflow(workflow())
        end = store.changes(BEGINNING).position
        accepted: list[str] = []
        stop = Event()

        def people() -> None:
            player = Player(store)
            for id_ in map(str, count()):
                while not stop.is_set():
                    try:
                        player.start(id_)
                    except StoreUnavailable:
                        continue
                    accepted.append(id_)
                    break
                if stop.is_set():
                    return

        thread = Thread(target=people)
        thread.start()
        try:
            for crash in range(1, 3):
                while len(accepted) < 20 * crash:
                    assert thread.is_alive()
                    thread.join(0.01)
                server.restart()
        finally:
            stop.set()
            thread.join()
        told = _told(store, end, len(accepted))
        assert len(told) == len(set(told))
        assert {(id_, 1) for id_ in accepted} <= set(told)
        fresh = MongoStore(server.uri())
        assert {run.revision for run in fresh.load(accepted).values()} == {1}
        assert set(accepted) <= set(fresh.load(accepted))
        fresh.close()
        store.close()


def _until_it_works(action: Any) -> None:
    deadline = monotonic() + PATIENCE
    while True:
        try:
            action()
        except StoreUnavailable:
            assert monotonic() < deadline, "the store didn't come back"
            sleep(0.05)
        else:
            return


def _told(store: MongoStore, after: str, number: int) -> list[tuple[str, int]]:
    """At least so many changes of runs after a position, whatever trouble the feed is still in."""
    found: list[tuple[str, int]] = []

    def read() -> None:
        nonlocal after
        while len(found) < number:
            changes = news(store, after)
            after = changes[-1].position
            found.extend((change.id, change.revision) for change in changes if change.entity == "run")

    _until_it_works(read)
    return found
