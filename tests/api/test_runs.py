"""Runs: starting, finding, reading and steering them."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from api.routes.runs import WAIT_SECONDS
from engine.run import present
from engine.transitions import Wants
from tests.api.conftest import Desk

ORDER: dict[str, Any] = {
    "name": "order",
    "inputs": {
        "type": "object",
        "required": ["asset"],
        "properties": {"asset": {"type": "string"}, "risk": {"default": "high"}, "nr": {}},
    },
    "labels": {"team": "sales"},
    "dag": {
        "entrypoint": "ask",
        "exitpoints": ["done"],
        "tasks": [
            {"name": "ask", "type": "APPROVAL", "arguments": {"approvers": ["olga"]}},
            {"name": "done", "type": "NOOP", "depends": "ask"},
        ],
    },
}
SKETCH: dict[str, Any] = {
    "name": "sketch",
    "inputs": {"type": "object"},
    "dag": {"entrypoint": "a", "exitpoints": ["a"], "tasks": [{"name": "a", "type": "NOOP"}]},
}


@pytest.fixture
def orders(desk: Desk) -> Desk:
    desk.save(ORDER)
    return desk


def started(desk: Desk, who: str = "ada", **inputs: Any) -> str:
    run = desk.ask(who, "requester").post("/v1/runs", {"workflow": "order", "inputs": {"asset": "x", **inputs}})
    return str(run["id"])


def asked(desk: Desk, id_: str) -> None:
    """Let the run wait for olga."""
    desk.engine.suspend("ask", id_, wants=Wants(senders=("olga",), closes={"approve": 1, "reject": 1}))


def test_a_run_is_started_in_the_callers_name(orders: Desk) -> None:
    answer = orders.ask("ada", "requester").ask(
        "POST", "/v1/runs", json={"workflow": "order", "inputs": {"asset": "x"}, "labels": {"prio": "1"}}
    )
    body = answer.json()
    assert answer.status_code == 201
    assert answer.headers["Location"] == f"/v1/runs/{body['id']}"
    assert answer.headers["ETag"] == '"1"'
    assert body["workflow"] == {"name": "order", "version": 1}
    assert (body["status"], body["revision"], body["finished_at"]) == ("PENDING", 1, None)
    run = orders.engine.run(body["id"])
    assert (run.requested_by, run.inputs) == ("ada", {"asset": "x", "risk": "high"})
    assert run.labels == {"team": "sales", "prio": "1"}


def test_the_same_key_starts_nothing_twice(orders: Desk) -> None:
    ada = orders.ask("ada", "requester")
    request = {"json": {"workflow": "order", "inputs": {"asset": "x"}}, "headers": {"Idempotency-Key": "o 1"}}
    first, again = ada.ask("POST", "/v1/runs", **request), ada.ask("POST", "/v1/runs", **request)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    other = ada.ask("POST", "/v1/runs", **{**request, "json": {"workflow": "order", "inputs": {"asset": "y"}}})
    assert (other.status_code, other.json()["code"]) == (422, "idempotency-key-reused")


def test_the_same_key_of_somebody_else_is_another_one(orders: Desk) -> None:
    request = {"json": {"workflow": "order", "inputs": {"asset": "x"}}, "headers": {"Idempotency-Key": "k"}}
    ids = {orders.ask(who, "requester").ask("POST", "/v1/runs", **request).json()["id"] for who in ("ada", "bob")}
    assert len(ids) == 2


def test_one_key_sent_many_times_at_once_is_one_run(orders: Desk) -> None:
    request = {"json": {"workflow": "order", "inputs": {"asset": "x"}}, "headers": {"Idempotency-Key": "k"}}
    ada = orders.ask("ada", "requester")
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: ada.ask("POST", "/v1/runs", **request), range(16)))
    assert sorted(one.status_code for one in answers) == [200] * 15 + [201]
    assert len({one.json()["id"] for one in answers}) == 1


@pytest.mark.parametrize(
    ("document", "path"),
    [
        ({}, ""),
        ({"workflow": "order", "definition": SKETCH}, ""),
        ({"definition": SKETCH, "version": 1}, ""),
        ({"workflow": "oder"}, "workflow"),
        ({"workflow": "order", "version": 7, "inputs": {"asset": "x"}}, "version"),
        ({"workflow": "order", "inputs": {"asset": 7}}, "inputs.asset"),
        ({"workflow": "order", "inputs": []}, "inputs"),
        ({"workflow": "order", "inputs": {"asset": "x"}, "labels": {"icefloe.inline": "x"}}, "labels.icefloe.inline"),
        ({"workflow": "order", "inputs": {"asset": "x"}, "requested_by": "eve"}, "requested_by"),
        ({"workflow": "order", "inputs": {"asset": "x"}, "tenant": "other"}, "tenant"),
    ],
)
def test_what_cant_be_started_is_refused_with_its_place(orders: Desk, document: dict[str, Any], path: str) -> None:
    answer = orders.ask("ada", "builder").ask("POST", "/v1/runs", json=document)
    assert answer.status_code == 422, answer.text
    assert [fault["path"] for fault in answer.json()["faults"]] == [path]


def test_a_misspelt_workflow_is_told_the_nearest_name(orders: Desk) -> None:
    answer = orders.ask("ada", "requester").ask("POST", "/v1/runs", json={"workflow": "oder"})
    assert "did you mean 'order'?" in answer.text


@pytest.mark.parametrize("key", ["", " ", "x" * 256, "tab\there"])
def test_a_key_that_is_none_is_refused(orders: Desk, key: str) -> None:
    answer = orders.ask("ada", "requester").ask(
        "POST", "/v1/runs", json={"workflow": "order", "inputs": {"asset": "x"}}, headers={"Idempotency-Key": key}
    )
    assert (answer.status_code, answer.json()["faults"][0]["path"]) == (422, "header.Idempotency-Key")


def test_a_definition_brought_along_is_one_workflow_whatever_its_name(desk: Desk) -> None:
    ann = desk.ask("ann", "builder")
    runs = [ann.post("/v1/runs", {"definition": {**SKETCH, "name": name}}) for name in ("sketch", "other")]
    assert runs[0]["workflow"] == runs[1]["workflow"]
    assert runs[0]["workflow"]["name"].startswith("inline-")
    assert len(runs[0]["workflow"]["name"]) == len("inline-") + 16
    assert [desk.engine.run(run["id"]).labels["icefloe.inline"] for run in runs] == ["sketch", "other"]
    assert ann.post("/v1/runs", {"definition": {**SKETCH, "description": "!"}})["workflow"] != runs[0]["workflow"]


def test_a_definition_with_a_key_is_started_once(desk: Desk) -> None:
    request = {"json": {"definition": SKETCH}, "headers": {"Idempotency-Key": "k"}}
    answers = [desk.ask("ann", "builder").ask("POST", "/v1/runs", **request) for _ in range(2)]
    assert [one.status_code for one in answers] == [201, 200]


def test_only_builders_bring_definitions_along(desk: Desk) -> None:
    answer = desk.ask("ada", "requester").ask("POST", "/v1/runs", json={"definition": SKETCH})
    assert (answer.status_code, answer.json()["code"]) == (403, "role-missing")


def test_every_fault_of_a_definition_is_told(desk: Desk) -> None:
    tasks = [{"name": "a", "type": "NOPE"}, {"name": "b", "type": "NOOP", "depends": "c"}]
    definition = {**SKETCH, "dag": {**SKETCH["dag"], "tasks": tasks}}
    answer = desk.ask("ann", "builder").ask("POST", "/v1/runs", json={"definition": definition})
    paths = [fault["path"] for fault in answer.json()["faults"]]
    assert {"definition.dag.tasks[0].type", "definition.dag.tasks[1].depends"} <= set(paths)
    other = desk.ask("ann", "builder").ask("POST", "/v1/runs", json={"definition": {**SKETCH, "tenant": "other"}})
    assert [fault["path"] for fault in other.json()["faults"]] == ["definition.tenant"]


def test_waiting_for_the_end_of_a_run_gives_its_outputs(desk: Desk) -> None:
    inputs = {"type": "object", "properties": {"note": {"type": "string"}}}
    desk.save({**SKETCH, "inputs": inputs, "outputs": {"note": "{{ inputs.note }}"}})

    def start() -> Any:
        document = {"workflow": "sketch", "inputs": {"note": "!"}}
        return desk.ask("ada", "requester").post(f"/v1/runs?wait={WAIT_SECONDS}", document)

    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(start)
        while not (found := desk.ask("ann", "admin").get("/v1/runs")["items"]):
            pass
        desk.engine.finish(found[0]["id"])
        body = waiting.result()
    assert (body["status"], body["outputs"]) == ("SUCCESS", {"note": "!"})


def test_who_waits_in_vain_is_told_how_the_run_stands(orders: Desk) -> None:
    body = orders.ask("ada", "requester").post("/v1/runs?wait=0.05", {"workflow": "order", "inputs": {"asset": "x"}})
    assert (body["status"], body["finished_at"]) == ("PENDING", None)


@pytest.mark.parametrize("query", ["wait=31", "wait=-1", "wait=nan", "wiat=1"])
def test_a_parameter_that_makes_no_sense_is_refused(orders: Desk, query: str) -> None:
    document = {"workflow": "order", "inputs": {"asset": "x"}}
    answer = orders.ask("ada", "requester").ask("POST", f"/v1/runs?{query}", json=document)
    assert answer.status_code == 422
    assert answer.json()["faults"][0]["path"] == f"query.{query.partition('=')[0]}"


def test_a_run_is_read_as_the_store_has_it(orders: Desk) -> None:
    id_ = started(orders)
    answer = orders.ask("vera", "viewer").ask("GET", f"/v1/runs/{id_}")
    assert answer.json() == {**present(orders.engine.run(id_))}
    assert answer.headers["ETag"] == '"1"'


def test_who_has_a_run_already_isnt_sent_it_again(orders: Desk) -> None:
    id_ = started(orders)
    vera = orders.ask("vera", "viewer")
    for tag in ('"1"', 'W/"1"', '"7", "1"'):
        answer = vera.ask("GET", f"/v1/runs/{id_}", headers={"If-None-Match": tag})
        assert (answer.status_code, answer.content) == (304, b"")
    asked(orders, id_)
    assert vera.ask("GET", f"/v1/runs/{id_}", headers={"If-None-Match": '"1"'}).status_code == 200


def test_runs_are_listed_page_by_page(orders: Desk) -> None:
    ids = [started(orders, nr=number) for number in range(5)]
    vera = orders.ask("vera", "viewer")
    first = vera.get("/v1/runs?limit=3")
    second = vera.get(f"/v1/runs?limit=3&cursor={first['cursor']}")
    assert {one["id"] for one in first["items"] + second["items"]} == set(ids)
    assert second["cursor"] is None
    assert first["items"][0].keys() == {
        "id", "workflow", "status", "requested_by", "created_at", "updated_at", "finished_at", "error"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", {"high", "low", "mine"}),
        ("workflow=order", {"high", "low"}),
        ("workflow=none", set()),
        ("status=WAITING", {"low"}),
        ("status=WAITING&status=PENDING&workflow=order", {"high", "low"}),
        ("requested_by=ada", {"high", "low"}),
        ("requested_by=me", {"mine"}),
        ("waiting_for=person:olga", {"low"}),
        ("waiting_for=me", set()),
        ("inputs.risk=low", {"low"}),
        ("inputs.nr=7", {"high", "low"}),
        ("inputs.nr=%227%22", {"high"}),
        ("inputs.nr=7&inputs.risk=low", {"low"}),
        ("label=a=1", {"mine"}),
        ("label=b=x%3Dy&label=a=1&requested_by=me", {"mine"}),
        ("label=a=2", set()),
        ("created_after=2000000000", set()),
        ("created_before=2000000000", {"high", "low", "mine"}),
    ],
)
def test_runs_are_found_by_what_is_asked(orders: Desk, query: str, found: set[str]) -> None:
    orders.save(SKETCH)
    ids = {"high": started(orders, nr="7"), "low": started(orders, risk="low", nr=7)}
    ids["mine"] = orders.ask("bea", "builder").post(
        "/v1/runs", {"workflow": "sketch", "labels": {"a": "1", "b": "x=y"}}
    )["id"]
    asked(orders, ids["low"])
    page = orders.ask("bea", "builder").get(f"/v1/runs?{query}")
    assert {one["id"] for one in page["items"]} == {ids[name] for name in found}


@pytest.mark.parametrize(
    ("query", "path"),
    [
        ("worfklow=x", "query.worfklow"),
        ("inputs.=x", "query.inputs."),
        ("inputs.a=1&inputs.a=2", "query.inputs.a"),
        ("status=OPEN", "query.status[0]"),
        ("limit=0", "query.limit"),
        ("limit=501", "query.limit"),
        ("cursor=x", "query.cursor"),
        ("cursor=WzEuMCw5MjIzMzcyMDM2ODU0Nzc1ODA4XQ", "query.cursor"),  # [1.0,9223372036854775808]
        ("waiting_for=olga", "query.waiting_for"),
        ("created_after=yesterday", "query.created_after"),
        ("label=team", "query.label[0]"),
        ("label=team=a&label=team=b", "query.label"),
    ],
)
def test_a_filter_that_isnt_one_is_refused_with_its_place(orders: Desk, query: str, path: str) -> None:
    answer = orders.ask("vera", "viewer").ask("GET", f"/v1/runs?{query}")
    assert (answer.status_code, answer.json()["faults"][0]["path"]) == (422, path), answer.text


@pytest.mark.parametrize(
    ("roles", "query", "found"),
    [
        (("requester",), "", {"own"}),
        (("requester",), "requested_by=me", {"own"}),
        (("requester",), "requested_by=olga", {"own"}),
        (("requester",), "requested_by=ada", None),
        (("requester",), "waiting_for=me", set()),
        (("approver",), "", {"asked"}),
        (("approver",), "waiting_for=me", {"asked"}),
        (("approver",), "waiting_for=person:olga", {"asked"}),
        (("approver",), "requested_by=ada", {"asked"}),
        (("approver",), "waiting_for=person:otto", None),
        (("approver", "requester"), "", {"own"}),
        (("approver", "requester"), "waiting_for=me", {"asked"}),
        (("approver", "requester"), "requested_by=ada", None),
        (("viewer", "requester"), "", {"own", "asked"}),
    ],
)
def test_a_list_has_only_what_its_reader_may_see(
    orders: Desk, roles: tuple[str, ...], query: str, found: set[str] | None
) -> None:
    ids = {"own": started(orders, "olga"), "asked": started(orders, "ada")}
    asked(orders, ids["asked"])
    answer = orders.ask("olga", *roles).ask("GET", f"/v1/runs?{query}")
    if found is None:
        assert (answer.status_code, answer.json()["code"]) == (403, "not-yours")
    else:
        assert {one["id"] for one in answer.json()["items"]} == {ids[name] for name in found}


def test_runs_are_counted_by_status(orders: Desk) -> None:
    asked(orders, started(orders))
    started(orders)
    assert orders.ask("vera", "viewer").get("/v1/runs/counts") == {
        "PENDING": 1, "RUNNING": 0, "WAITING": 1, "PAUSED": 0, "SUCCESS": 0, "FAILED": 0, "CANCELLED": 0
    }  # fmt: skip


def test_runs_of_others_dont_exist(orders: Desk) -> None:
    id_ = started(orders, "ada")
    for stranger in (
        orders.ask("bob", "requester"),
        orders.ask("olga", "approver"),
        orders.ask("root", "admin", tenant="other"),
    ):
        answer = stranger.ask("GET", f"/v1/runs/{id_}")
        assert (answer.status_code, answer.json()["detail"]) == (404, f"there is no run '{id_}'")
        assert stranger.ask("POST", f"/v1/runs/{id_}/cancel").status_code in {403, 404}
        assert stranger.ask("GET", "/v1/runs").json()["items"] == []


def test_who_may_read_a_run_may_not_always_steer_it(orders: Desk) -> None:
    id_ = started(orders, "ada")
    for reader in (orders.ask("vera", "viewer"), orders.ask("bea", "builder")):
        answer = reader.ask("POST", f"/v1/runs/{id_}/cancel")
        assert answer.status_code == 403
        assert answer.json()["code"] in {"role-missing", "not-yours"}


def test_a_run_is_paused_resumed_and_cancelled_with_who_and_why(orders: Desk) -> None:
    id_ = started(orders)
    ada, ann = orders.ask("ada", "requester"), orders.ask("ann", "admin")
    assert ada.post(f"/v1/runs/{id_}/pause", {"reason": "wait"})["status"] == "PAUSED"
    again = ann.ask("POST", f"/v1/runs/{id_}/pause")
    assert (again.status_code, again.json()["code"]) == (409, "already-paused")
    assert ann.post(f"/v1/runs/{id_}/resume")["status"] == "PENDING"
    cancelled = ann.post(f"/v1/runs/{id_}/cancel", {"reason": "enough"})
    assert cancelled["status"] == "CANCELLED"
    assert ann.post(f"/v1/runs/{id_}/cancel") == cancelled
    late = ann.ask("POST", f"/v1/runs/{id_}/resume")
    assert (late.status_code, late.json()["code"]) == (409, "run-final")
    said = [(entry.type, entry.by, (entry.detail or {}).get("reason")) for entry in orders.store.journal(id_)[1:]]
    assert said == [("RunPaused", "ada", "wait"), ("RunResumed", "ann", None), ("RunCancelled", "ann", "enough")]


def test_a_failed_run_is_retried_without_what_is_skipped(orders: Desk) -> None:
    id_ = started(orders)
    orders.engine.fail("ask", id_)
    ann = orders.ask("ann", "admin")
    wrong = ann.ask("POST", f"/v1/runs/{id_}/retry", json={"skip": ["aks"]})
    assert wrong.status_code in {404, 409}
    run = ann.post(f"/v1/runs/{id_}/retry", {"reason": "by hand", "skip": ["ask"]})
    assert (run["generation"], [task["status"] for task in run["dag"]["tasks"]]) == (2, ["SKIPPED", "OMITTED"])
    assert orders.store.journal(id_)[-1].detail == {"reason": "by hand", "skip": ["ask"]}


def test_who_may_skip_no_task_retries_no_run_without_one(orders: Desk) -> None:
    id_ = started(orders)
    orders.engine.fail("ask", id_)
    ada = orders.ask("ada", "requester")
    answer = ada.ask("POST", f"/v1/runs/{id_}/retry", json={"skip": ["ask"]})
    assert (answer.status_code, answer.json()["code"]) == (403, "not-yours")
    assert ada.post(f"/v1/runs/{id_}/retry", {})["generation"] == 2


def test_a_reason_that_is_too_long_is_refused(orders: Desk) -> None:
    answer = orders.ask("ada", "requester").ask(
        "POST", f"/v1/runs/{started(orders)}/cancel", json={"reason": "x" * 2001}
    )
    assert (answer.status_code, answer.json()["faults"][0]["path"]) == (422, "reason")
