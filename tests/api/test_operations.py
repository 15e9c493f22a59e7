"""Many runs at once: progress, refusals, stopping, and going on in another process as if nothing had happened."""

import asyncio
from collections.abc import Iterator
from time import monotonic, sleep
from typing import Any, Final

import pytest
import structlog
from fastapi.testclient import TestClient

from api import bulk
from api.app import create_app
from api.operation import KIND, Operation, load
from api.settings import ApiSettings
from blocks.catalogue import Catalogue
from engine.statuses import RunStatus
from engine.transitions import RunResumed
from store.protocol import NewRun, Proposal, Record, Recorded, Store, StoreGone, StoreUnavailable
from tests.api.conftest import Believing, Desk, Person
from tests.store.conftest import Place
from tests.store.driver import PATIENCE, workflow

URL: Final = "/v1/operations"


class Overnight:
    """A store of which an operation in another process has the use, until it crashes at a given write."""

    def __init__(self, store: Store, *, crash_after: str) -> None:
        self._store = store
        self._crash_after = crash_after

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def apply(self, proposals: list[Proposal]) -> list[Recorded]:
        """Apply, and crash after it if that is what is wanted."""
        recorded = self._store.apply(proposals) if self._crash_after == "apply" else []
        raise StoreUnavailable(f"crashed; {len(recorded)} were written")


@pytest.fixture
def root(desk: Desk) -> Person:
    return desk.ask("root", "admin")


def start_runs(desk: Desk, count: int, name: str = "w", *, prefix: str = "r", **fields: Any) -> list[str]:
    """Runs of which nothing has begun, and a moment after them."""
    if desk.store.workflow(name) is None:
        desk.store.save_workflow(workflow("a", name=name, inputs={"type": "object"}))
    ids = [f"{prefix}{number:04}" for number in range(count)]
    for begin in range(0, count, 500):
        page = ids[begin : begin + 500]
        desk.store.create([NewRun(id_, name, **{"inputs": {}, **fields}) for id_ in page])
    desk.clock.pass_(1.0)
    return ids


def ended(person: Person, location: str) -> Any:
    """The operation at its end."""
    deadline = monotonic() + PATIENCE
    while (document := person.get(location))["status"] == "RUNNING":
        assert monotonic() < deadline, document
        sleep(0.02)
    return document


def do(person: Person, action: str, **fields: Any) -> Any:
    """An operation at its end."""
    answer = person.ask("POST", URL, json={"action": action, **fields})
    assert answer.status_code == 202, answer.text
    assert answer.headers["Location"] == f"{URL}/{answer.json()['id']}"
    assert (answer.json()["status"], answer.json()["done"]) == ("RUNNING", 0)
    return ended(person, answer.headers["Location"])


def statuses(desk: Desk, ids: list[str]) -> set[str]:
    return {run.status for run in desk.store.load(ids).values()}


def written(desk: Desk, **fields: Any) -> Operation:
    """An operation that was asked for, while no process works on any."""
    body = {"action": "pause", "all": True, "reason": "full moon", **fields}
    document = desk.ask("root", "admin").post(URL, body)
    record = desk.store.record(KIND, document["id"])
    assert record is not None
    return load(record)


def stored(desk: Desk, operation: Operation) -> Operation:
    record = desk.store.record(KIND, operation.id)
    assert record is not None
    return load(record)


def finish(store: Store, operation: Operation, owner: str) -> int:
    """Let a process work on an operation until there is nothing more to do; the pages it took."""
    pages = 0
    while bulk.advance(store, owner, "default", operation.id):
        pages += 1
    return pages


@pytest.fixture
def idle(monkeypatch: pytest.MonkeyPatch) -> None:
    """The API takes operations, and nobody works on them."""
    monkeypatch.setattr(bulk.Bulk, "_advance", lambda *_: False)


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "PAGE", 4)


def test_two_thousand_runs_are_cancelled_with_who_and_why(desk: Desk, root: Person) -> None:
    ids = start_runs(desk, 2000)
    others = start_runs(desk, 3, "other", prefix="o")
    document = do(root, "cancel", filter={"workflow": "w"}, reason="wrong dataset")
    assert (document["status"], document["total"], document["done"]) == ("DONE", 2000, 2000)
    assert document["refused"] == {"count": 0, "reasons": []}
    assert (document["by"], document["error"]) == ("root", None)
    assert document["finished_at"] == desk.clock.time
    assert statuses(desk, ids) == {"CANCELLED"}
    assert statuses(desk, others) == {"PENDING"}
    entry = desk.store.journal(ids[7])[-1]
    assert (entry.type, entry.by) == ("RunCancelled", "root")
    assert entry.detail == {"reason": f"wrong dataset (operation {document['id']})"}


def test_runs_are_paused_and_resumed_and_retried(desk: Desk, root: Person) -> None:
    ids = start_runs(desk, 5)
    assert do(root, "pause", all=True)["done"] == 5
    assert statuses(desk, ids) == {"PAUSED"}
    assert do(root, "pause", all=True)["total"] == 0
    assert do(root, "resume", all=True)["done"] == 5
    assert do(root, "cancel", all=True)["done"] == 5
    assert do(root, "retry", all=True, reason="once more")["done"] == 5
    assert {desk.engine.run(id_).generation for id_ in ids} == {2}


def test_refusals_are_counted_and_the_first_twenty_told(desk: Desk, root: Person) -> None:
    ids = start_runs(desk, 30)
    for id_ in ids[:25]:
        desk.engine.finish(id_)
    document = do(root, "cancel", filter={"status": ["SUCCESS", "PENDING"]})
    assert (document["total"], document["done"], document["refused"]["count"]) == (30, 5, 25)
    assert len(document["refused"]["reasons"]) == 20
    assert {one["code"] for one in document["refused"]["reasons"]} == {"RUN_FINAL"}
    assert "SUCCESS" in document["refused"]["reasons"][0]["reason"]
    assert statuses(desk, ids[25:]) == {"CANCELLED"}


def test_a_dry_run_says_what_would_become_of_each_run(desk: Desk, root: Person) -> None:
    ids = start_runs(desk, 10)
    for id_ in ids[:4]:
        desk.engine.finish(id_)
    document = do(root, "cancel", filter={"workflow": "w", "status": list(RunStatus)}, dry_run=True)
    assert (document["done"], document["refused"]["count"]) == (6, 4)
    assert statuses(desk, ids[4:]) == {"PENDING"}


@pytest.mark.usefixtures("idle")
def test_runs_that_were_started_later_are_left_alone(desk: Desk) -> None:
    before = start_runs(desk, 3)
    operation = written(desk)
    desk.clock.pass_(0.001)
    after = start_runs(desk, 3, prefix="s")
    finish(desk.store, operation, "p1")
    assert (statuses(desk, before), statuses(desk, after)) == ({"PAUSED"}, {"PENDING"})


def test_runs_are_found_by_the_filters_of_lists(desk: Desk, root: Person) -> None:
    low = start_runs(desk, 2, prefix="l", inputs={"risk": "low", "size": 1})
    high = start_runs(desk, 2, prefix="h", inputs={"risk": "high", "size": "1"})
    assert do(root, "pause", filter={"inputs.risk": "low"})["done"] == 2
    assert statuses(desk, low) == {"PAUSED"}
    assert do(root, "resume", filter={"inputs.size": 1})["done"] == 2
    assert do(root, "pause", filter={"inputs.size": "1", "inputs.risk": "high"})["done"] == 2
    assert statuses(desk, high) == {"PAUSED"}
    start_runs(desk, 2, prefix="b", labels={"team": "sales"})
    assert do(root, "pause", filter={"label": ["team=sales"]})["done"] == 2
    assert do(root, "cancel", filter={"requested_by": "me"})["done"] == 0
    assert do(root, "cancel", filter={"created_before": 5.0})["done"] == 0
    assert do(root, "cancel", filter={"created_before": 0})["done"] == 0


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ({"action": "cancel"}, "filter"),
        ({"action": "cancel", "filter": {}}, "filter"),
        ({"action": "cancel", "filter": {"status": []}}, "filter"),
        ({"action": "cancel", "filter": {"workflow": None}}, "filter"),
        ({"action": "cancel", "filter": {"workflow": "w"}, "all": True}, "all"),
        ({"action": "cancel", "filter": {"workflw": "w"}}, "filter.workflw"),
        ({"action": "cancel", "filter": {"status": ["GONE"]}}, "filter.status[0]"),
        ({"action": "delete", "all": True}, "action"),
        ({"all": True}, "action"),
        ({"action": "cancel", "all": True, "reason": "x" * 2000}, "reason"),
        ({"action": "cancel", "all": True, "why": "x"}, "why"),
    ],
)
def test_what_can_not_be_done_is_refused_at_once(root: Person, body: dict[str, Any], where: str) -> None:
    answer = root.ask("POST", URL, json=body)
    assert (answer.status_code, [fault["path"] for fault in answer.json()["faults"]]) == (422, [where])


def test_the_runs_of_other_tenants_are_left_alone_and_their_operations_not_seen(desk: Desk, root: Person) -> None:
    desk.save({"name": "w", "dag": workflow("a").model_dump(mode="json")["dag"]}, tenant="other")
    desk.engine.start("theirs", tenant="other")
    ids = start_runs(desk, 2)
    mine = do(root, "cancel", all=True)
    assert (mine["done"], statuses(desk, ids), statuses(desk, ["theirs"])) == (2, {"CANCELLED"}, {"PENDING"})
    theirs = desk.ask("root", "admin", tenant="other")
    assert theirs.get(URL)["items"] == []
    assert theirs.ask("GET", f"{URL}/{mine['id']}").status_code == 404
    assert theirs.ask("POST", f"{URL}/{mine['id']}/stop").status_code == 404


def test_operations_are_listed_the_newest_first_in_pages(desk: Desk, root: Person) -> None:
    made = []
    for _ in range(5):
        made.append(do(root, "cancel", all=True)["id"])
        desk.clock.pass_(1.0)
    first = root.get(f"{URL}?limit=3")
    rest = root.get(URL, params={"limit": 3, "cursor": first["cursor"]})
    assert [one["id"] for one in first["items"] + rest["items"]] == made[::-1]
    assert rest["cursor"] is None
    bad = root.ask("GET", URL, params={"cursor": "x"})
    assert (bad.status_code, [fault["path"] for fault in bad.json()["faults"]]) == (422, ["query.cursor"])


def test_only_admins_touch_many_runs(desk: Desk) -> None:
    for role in ("builder", "requester", "approver", "viewer"):
        assert desk.ask("eve", role).ask("POST", URL, json={"action": "cancel", "all": True}).status_code == 403


@pytest.mark.usefixtures("idle", "small_pages")
def test_progress_is_told_after_each_page(desk: Desk, root: Person) -> None:
    start_runs(desk, 10)
    operation = written(desk)
    seen = []
    while bulk.advance(desk.store, "p1", "default", operation.id):
        document = root.get(f"{URL}/{operation.id}")
        seen.append((document["status"], document["total"], document["done"]))
    assert seen == [("RUNNING", 10, 4), ("RUNNING", 10, 8), ("DONE", 10, 10)]
    assert bulk.open_operations(desk.store) == []


@pytest.mark.usefixtures("idle", "small_pages")
def test_a_stopped_operation_leaves_the_rest_as_it_is(desk: Desk, root: Person) -> None:
    ids = start_runs(desk, 10)
    operation = written(desk)
    bulk.advance(desk.store, "p1", "default", operation.id)
    stopped = root.post(f"{URL}/{operation.id}/stop")
    assert (stopped["status"], stopped["done"]) == ("STOPPED", 4)
    assert root.post(f"{URL}/{operation.id}/stop") == stopped
    assert finish(desk.store, operation, "p1") == 0
    assert sum(run.paused for run in desk.store.load(ids).values()) == 4
    assert bulk.open_operations(desk.store) == []


def test_what_has_ended_can_not_be_stopped(root: Person) -> None:
    document = do(root, "cancel", all=True)
    answer = root.ask("POST", f"{URL}/{document['id']}/stop")
    assert (answer.status_code, answer.json()["code"]) == (409, "operation-ended")
    assert root.ask("POST", f"{URL}/none/stop").status_code == 404


@pytest.mark.usefixtures("idle", "small_pages")
def test_what_is_stopped_in_the_midst_of_a_page_still_counts_that_page(
    desk: Desk, root: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    start_runs(desk, 10)
    operation = written(desk)
    apply = desk.store.apply

    def stopping(proposals: list[Proposal]) -> list[Recorded]:
        root.post(f"{URL}/{operation.id}/stop")
        return apply(proposals)

    monkeypatch.setattr(desk.store, "apply", stopping)
    finish(desk.store, operation, "p1")
    assert (stored(desk, operation).status, stored(desk, operation).done) == ("STOPPED", 4)


@pytest.mark.parametrize("crash_after", ["nothing", "apply"])
@pytest.mark.usefixtures("idle", "small_pages")
def test_another_process_goes_on_where_one_crashed_and_does_nothing_twice(desk: Desk, crash_after: str) -> None:
    ids = start_runs(desk, 10)
    operation = written(desk)
    bulk.advance(desk.store, "p1", "default", operation.id)
    with pytest.raises(StoreUnavailable):
        bulk.advance(Overnight(desk.store, crash_after=crash_after), "p1", "default", operation.id)  # type: ignore[arg-type] # it is the store, but for one write
    assert finish(desk.store, operation, "p2") == 0, "the lease is not over"
    resumed = next((id_ for id_ in ids if desk.engine.run(id_).paused), ids[0])
    again = [id_ for id_ in ids if desk.engine.run(id_).paused][-1]
    for id_ in {resumed, again}:
        desk.engine.do(RunResumed("somebody else wants it so"), id_, by="olga")
    desk.clock.pass_(bulk.LEASE_SECONDS + 1)
    assert finish(desk.store, operation, "p2") == 2
    done = stored(desk, operation)
    assert (done.status, done.done, done.refused.count) == ("DONE", 10, 0)
    for id_ in ids:
        pauses = [entry for entry in desk.store.journal(id_) if entry.type == "RunPaused"]
        assert len(pauses) == 1
    assert {desk.engine.run(id_).paused for id_ in (resumed, again)} == {False}


@pytest.mark.usefixtures("idle", "small_pages")
def test_a_page_that_was_done_before_a_stop_and_a_crash_is_counted(desk: Desk) -> None:
    ids = start_runs(desk, 10)
    operation = written(desk)
    with pytest.raises(StoreUnavailable):
        bulk.advance(Overnight(desk.store, crash_after="apply"), "p1", "default", operation.id)  # type: ignore[arg-type] # as above
    bulk.stop(desk.store, "default", operation.id)
    desk.clock.pass_(bulk.LEASE_SECONDS + 1)
    finish(desk.store, operation, "p2")
    assert (stored(desk, operation).status, stored(desk, operation).done) == ("STOPPED", 4)
    assert sum(run.paused for run in desk.store.load(ids).values()) == 4


@pytest.mark.usefixtures("idle", "small_pages")
def test_a_process_that_ends_in_order_is_followed_at_once(desk: Desk) -> None:
    start_runs(desk, 10)
    operation = written(desk)
    bulk.advance(desk.store, "p1", "default", operation.id)
    bulk.release(desk.store, "p1")
    assert finish(desk.store, operation, "p2") == 2
    assert stored(desk, operation).done == 10


@pytest.mark.usefixtures("idle")
def test_a_run_that_is_gone_is_refused_and_the_others_go_on(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = start_runs(desk, 3)
    operation = written(desk)
    read = desk.store.load
    with monkeypatch.context() as patched:
        patched.setattr(desk.store, "load", lambda wanted: {k: v for k, v in read(wanted).items() if k != ids[1]})
        finish(desk.store, operation, "p1")
    done = stored(desk, operation)
    assert (done.done, [one.code for one in done.refused.reasons]) == (2, ["UNKNOWN_RUN"])


@pytest.mark.usefixtures("idle")
def test_a_fault_ends_its_own_operation_and_says_so(desk: Desk, root: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    start_runs(desk, 3)
    bad, good = written(desk), written(desk, action="cancel")

    def broken(*_: object) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as patched:
        patched.setattr(bulk, "_apply", broken)
        finish(desk.store, bad, "p1")
    failed = root.get(f"{URL}/{bad.id}")
    assert (failed["status"], failed["error"]) == ("FAILED", "a fault of the server: its log says more")
    finish(desk.store, good, "p1")
    assert stored(desk, good).done == 3
    bulk.advance(desk.store, "p1", "default", bad.id)
    assert bulk.open_operations(desk.store) == []


class Gone:
    """A store that was deleted."""

    def records(self, *_: object, **__: object) -> list[Record]:
        raise StoreGone("the file was deleted")

    def record(self, *_: object, **__: object) -> Record:
        raise StoreGone("the file was deleted")


def test_a_store_that_is_gone_is_told_in_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "POLL_SECONDS", 0.01)
    gone: Any = Gone()

    async def work() -> None:
        async with bulk.Bulk(gone).working(), asyncio.timeout(PATIENCE):
            while len(lines) < 2:  # noqa: ASYNC110 - the log has no events to wait for
                await asyncio.sleep(0.01)

    with structlog.testing.capture_logs() as lines:
        asyncio.run(work())
        with pytest.raises(StoreGone):
            bulk.advance(gone, "p1", "default", "one")
    assert {(line["event"], line["log_level"], "exc_info" in line) for line in lines} == {
        ("operations_interrupted", "warning", False)
    }


@pytest.mark.usefixtures("idle")
def test_what_was_only_half_asked_for_is_forgotten(desk: Desk) -> None:
    operation = written(desk)
    desk.store.remove_record(KIND, operation.id)
    assert not bulk.advance(desk.store, "p1", "default", operation.id)
    assert len(bulk.open_operations(desk.store)) == 1
    desk.clock.pass_(61.0)
    assert not bulk.advance(desk.store, "p1", "default", operation.id)
    assert bulk.open_operations(desk.store) == []


@pytest.mark.usefixtures("idle")
def test_more_runs_than_are_counted_have_no_total(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "COUNTED", 5)
    start_runs(desk, 6)
    operation = written(desk)
    finish(desk.store, operation, "p1")
    assert (stored(desk, operation).total, stored(desk, operation).done) == (None, 6)


@pytest.fixture
def other_desk(place: Place, catalogue: Catalogue, api_settings: ApiSettings) -> Iterator[TestClient]:
    """Another process of the API on the same store."""
    app = create_app(api_settings, place.open(), catalogue, authenticator=Believing())
    with TestClient(app, base_url="http://127.0.0.1") as client:
        yield client


def test_two_processes_share_operations_and_do_each_page_once(
    desk: Desk, other_desk: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "PAGE", 5)
    monkeypatch.setattr(bulk, "POLL_SECONDS", 0.01)
    ids = start_runs(desk, 60)
    said = {"subject": "root", "roles": ["admin"], "groups": [], "tenant": "default"}
    people = [desk.ask("root", "admin"), Person(other_desk, said)]
    asked = [people[number % 2].post(URL, {"action": "pause", "filter": {"workflow": "w"}}) for number in range(4)]
    documents = [ended(people[0], f"{URL}/{one['id']}") for one in asked]
    assert {one["status"] for one in documents} == {"DONE"}
    assert sum(one["done"] + one["refused"]["count"] for one in documents) >= 60
    assert sum(one["done"] for one in documents) == 60
    for id_ in ids:
        assert [entry.type for entry in desk.store.journal(id_)] == ["RunCreated", "RunPaused"]


def test_other_requests_are_answered_while_an_operation_is_at_work(desk: Desk, root: Person) -> None:
    start_runs(desk, 2000)
    location = f"{URL}/{root.post(URL, {'action': 'cancel', 'all': True})['id']}"
    waits = []
    while root.get(location)["status"] == "RUNNING":
        began = monotonic()
        root.get("/v1/runs?limit=10")
        waits.append(monotonic() - began)
    assert ended(root, location)["done"] == 2000
    assert waits, "it was over before anybody asked for anything"
