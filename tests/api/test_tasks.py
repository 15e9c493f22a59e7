"""The tasks of runs, what happened to them, and what they wait for."""

from typing import Any

import pytest

from engine.transitions import TaskClaimed, TaskLost, TaskSucceeded, TaskSuspended, Wants
from store.protocol import Store
from tests.api.conftest import Desk
from tests.api.test_runs import asked, orders, started

__all__ = ["orders"]

SIGNAL: dict[str, Any] = {
    "name": "signal",
    "dag": {
        "entrypoint": "wait",
        "exitpoints": ["done"],
        "tasks": [
            {"name": "wait", "type": "WAIT_FOR_SIGNAL", "retry": {"max_attempts": 3}},
            {"name": "done", "type": "NOOP", "depends": "wait"},
            {"name": "late", "type": "NOOP", "depends": "wait.TIMED_OUT"},
        ],
    },
}
SCHEMA = {"type": "object", "required": ["url"], "properties": {"url": {"type": "string"}}}


def waiting(desk: Desk, wants: Wants, who: str = "ada") -> str:
    """A run that waits for a signal."""
    desk.save(SIGNAL)
    id_ = str(desk.ask(who, "requester").post("/v1/runs", {"workflow": "signal"})["id"])
    desk.engine.suspend("wait", id_, wants=wants)
    return id_


def test_a_task_that_waits_says_for_whom_and_what_was_called(orders: Desk) -> None:
    id_ = started(orders)
    asked(orders, id_)
    found = orders.ask("olga", "approver").get(f"/v1/runs/{id_}/tasks/ask")
    assert found["task"]["status"] == "WAITING"
    assert found["task"]["wants"]["senders"] == ["olga"]
    assert found["explanation"]["kind"] == "people"
    assert found["explanation"]["people"] == ["olga"]
    assert [(one["attempt"], one["outcome"], one["error"]) for one in found["attempts"]] == [(1, "WAITING", None)]


def test_every_attempt_of_a_task_is_told(desk: Desk) -> None:
    id_ = waiting(desk, Wants())
    desk.engine.signal("wait", "s", id_, data={})
    desk.engine.fail("wait", id_, retryable=True)
    desk.clock.pass_(60)
    desk.store.wake(10)
    token = desk.engine.claim("wait", id_)
    desk.engine.do(TaskLost("wait", token), id_)
    desk.engine.fail("wait", id_)
    found = desk.ask("vera", "viewer").get(f"/v1/runs/{id_}/tasks/wait")
    assert [(one["attempt"], one["outcome"]) for one in found["attempts"]] == [
        (1, "WAITING"),
        (1, "RETRIED"),
        (2, "LOST"),
        (2, "FAILED"),
    ]
    assert found["attempts"][-1]["error"] == {"code": "BROKEN", "message": "it broke"}
    assert all(one["ended"] >= one["began"] for one in found["attempts"])
    assert found["explanation"] is None


def test_a_call_that_lasts_has_no_end_and_one_that_was_cancelled_says_so(orders: Desk) -> None:
    id_ = started(orders)
    orders.engine.claim("ask", id_)
    vera = orders.ask("vera", "viewer")
    [attempt] = vera.get(f"/v1/runs/{id_}/tasks/ask")["attempts"]
    assert (attempt["ended"], attempt["outcome"]) == (None, None)
    orders.ask("ann", "admin").post(f"/v1/runs/{id_}/cancel")
    [attempt] = vera.get(f"/v1/runs/{id_}/tasks/ask")["attempts"]
    assert attempt["outcome"] == "CANCELLED"


def test_attempts_of_a_retried_run_say_of_which_generation(orders: Desk) -> None:
    id_ = started(orders)
    orders.engine.fail("ask", id_)
    orders.ask("ann", "admin").post(f"/v1/runs/{id_}/retry")
    orders.engine.succeed("ask", id_)
    found = orders.ask("vera", "viewer").get(f"/v1/runs/{id_}/tasks/ask")
    assert [(one["generation"], one["attempt"], one["outcome"]) for one in found["attempts"]] == [
        (1, 1, "FAILED"),
        (2, 1, "SUCCESS"),
    ]


def test_a_pure_block_is_called_once_without_a_claim(orders: Desk) -> None:
    id_ = started(orders)
    claim = orders.engine.dispatch("ask", id_).claim("t", "engine-1")
    assert isinstance(claim, TaskClaimed)
    orders.engine.do(TaskSucceeded("ask", "t", {}, claim), id_)
    [attempt] = orders.ask("vera", "viewer").get(f"/v1/runs/{id_}/tasks/ask")["attempts"]
    assert (attempt["outcome"], attempt["began"]) == ("SUCCESS", attempt["ended"])


def test_an_omitted_task_says_which_part_of_its_depends_was_false(orders: Desk) -> None:
    id_ = started(orders)
    orders.engine.fail("ask", id_)
    found = orders.ask("vera", "viewer").get(f"/v1/runs/{id_}/tasks/done")
    assert (found["omitted"], found["attempts"], found["explanation"]) == ("ask.SUCCESS is false", [], None)


def test_a_task_that_isnt_there_isnt_found(orders: Desk) -> None:
    id_ = started(orders)
    ann = orders.ask("ann", "admin")
    for method, path, body in (("GET", "", None), ("POST", "/skip", {}), ("POST", "/signal", {})):
        answer = ann.ask(method, f"/v1/runs/{id_}/tasks/aks{path}", json=body)
        assert (answer.status_code, "did you mean 'ask'?" in answer.text) == (404, True)


def test_a_waiting_task_is_skipped_with_who_and_why(orders: Desk) -> None:
    id_ = started(orders)
    asked(orders, id_)
    run = orders.ask("ann", "admin").post(f"/v1/runs/{id_}/tasks/ask/skip", {"reason": "olga is away"})
    assert [task["status"] for task in run["dag"]["tasks"]] == ["SKIPPED", "OMITTED"]
    entry = orders.store.journal(id_)[-1]
    assert (entry.type, entry.by, entry.detail) == ("TaskBypassed", "ann", {"reason": "olga is away"})


def test_a_failed_task_is_skipped_by_retrying_its_run(orders: Desk) -> None:
    id_ = started(orders)
    orders.engine.fail("ask", id_)
    run = orders.ask("ann", "admin").post(f"/v1/runs/{id_}/tasks/ask/skip", {"reason": "done by hand"})
    assert (run["generation"], run["dag"]["tasks"][0]["status"]) == (2, "SKIPPED")


def test_what_neither_waits_nor_failed_cant_be_skipped(orders: Desk) -> None:
    id_ = started(orders)
    ann = orders.ask("ann", "admin")
    answer = ann.ask("POST", f"/v1/runs/{id_}/tasks/ask/skip")
    assert (answer.status_code, answer.json()["code"]) == (409, "not-waiting")
    assert orders.ask("ada", "requester").ask("POST", f"/v1/runs/{id_}/tasks/ask/skip").status_code == 403


def test_a_signal_reaches_the_task_in_the_senders_name(desk: Desk) -> None:
    id_ = waiting(desk, Wants(SCHEMA, ("olga",), {"*": 1}))
    olga = desk.ask("olga", "approver")
    run = olga.post(f"/v1/runs/{id_}/tasks/wait/signal", {"data": {"url": "x"}, "id": "s 1"})
    assert run["revision"] == desk.engine.run(id_).revision
    [signal] = desk.engine.run(id_).tasks["wait"].inbox
    assert (signal.id, signal.sender, signal.data) == ("s 1", "olga", {"url": "x"})
    again = olga.post(f"/v1/runs/{id_}/tasks/wait/signal", {"data": {"url": "x"}, "id": "s 1"})
    assert again["revision"] == run["revision"]
    second = olga.ask("POST", f"/v1/runs/{id_}/tasks/wait/signal", json={"data": {"url": "y"}})
    assert (second.status_code, second.json()["code"]) == (409, "already-decided")


def test_a_member_of_a_group_that_is_asked_may_send(desk: Desk) -> None:
    id_ = waiting(desk, Wants(None, None, {"*": 1}, ("stewards",)))
    desk.ask("otto", "approver", groups=("stewards",)).post(f"/v1/runs/{id_}/tasks/wait/signal", {"data": 1})
    [signal] = desk.engine.run(id_).tasks["wait"].inbox
    assert signal.sender == "otto"


def test_who_may_see_a_run_may_send_what_anybody_may(desk: Desk) -> None:
    id_ = waiting(desk, Wants())
    desk.ask("ada", "requester").post(f"/v1/runs/{id_}/tasks/wait/signal", {"data": {"url": "x"}})
    assert desk.ask("eve", "requester").ask("POST", f"/v1/runs/{id_}/tasks/wait/signal", json={}).status_code == 404


def test_who_may_answer_is_not_guessed_while_the_task_has_not_asked(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.save(SIGNAL)
    rita = desk.ask("rita", "requester")
    id_ = str(rita.post("/v1/runs", {"workflow": "signal"})["id"])
    token = desk.engine.claim("wait", id_)
    asks = TaskSuspended("wait", token, wants=Wants(senders=("rita",), closes={"approve": 1, "reject": 1}))
    store: Store = desk.client.app.state.services.store  # type: ignore[attr-defined] # TestClient knows any ASGI app
    read, asking = store.load, iter([asks])

    def slow(ids: list[str]) -> Any:
        found = read(ids)
        for transition in asking:
            desk.engine.do(transition, id_)
        return found

    monkeypatch.setattr(store, "load", slow)
    answers = [
        rita.ask("POST", f"/v1/runs/{id_}/tasks/wait/signal", json={"data": {"decision": "approve"}}) for _ in "ab"
    ]
    assert [(one.status_code, one.json()["code"]) for one in answers] == [(409, "not-waiting"), (403, "not-yours")]


@pytest.mark.parametrize(
    ("who", "body", "status", "code"),
    [
        ("olga", {"data": {}}, 422, "bad-signal"),
        ("olga", {"data": {"url": "x"}, "generation": 2}, 409, "stale-signal"),
        ("ann", {"data": {"url": "x"}}, 403, "not-allowed"),
        ("olga", {"dta": 1}, 422, "invalid"),
        ("olga", {"id": ""}, 422, "invalid"),
    ],
)
def test_a_signal_that_isnt_wanted_is_refused(desk: Desk, who: str, body: Any, status: int, code: str) -> None:
    id_ = waiting(desk, Wants(SCHEMA, ("olga",), {"*": 1}))
    answer = desk.ask(who, "admin").ask("POST", f"/v1/runs/{id_}/tasks/wait/signal", json=body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_the_journal_says_what_was_done_when_and_by_whom(orders: Desk) -> None:
    id_ = started(orders)
    asked(orders, id_)
    orders.ask("ann", "admin").post(f"/v1/runs/{id_}/cancel", {"reason": "enough"})
    vera = orders.ask("vera", "viewer")
    first = vera.get(f"/v1/runs/{id_}/journal?limit=3")
    second = vera.get(f"/v1/runs/{id_}/journal?limit=3&cursor={first['cursor']}")
    items = first["items"] + second["items"]
    assert [one["type"] for one in items] == ["RunCreated", "TaskClaimed", "TaskSuspended", "RunCancelled"]
    assert [one["revision"] for one in items] == [1, 2, 3, 4]
    assert (items[-1]["by"], items[-1]["detail"], second["cursor"]) == ("ann", {"reason": "enough"}, None)
    assert all(one["seal"] for one in items)
    assert vera.ask("GET", f"/v1/runs/{id_}/journal?cursor=x").status_code == 422


def test_a_run_is_explained_in_words_and_as_data(orders: Desk) -> None:
    id_ = started(orders)
    asked(orders, id_)
    found = orders.ask("ada", "requester").get(f"/v1/runs/{id_}/explanation")
    assert (found["run"], found["status"], found["engine_alive"]) == (id_, "WAITING", True)
    assert [(one["task"], one["kind"]) for one in found["items"]] == [("ask", "people"), ("done", "tasks")]
    orders.engine.store.leave("engine-1", orders.store.position())
    orders.ask("ann", "admin").post(f"/v1/runs/{id_}/cancel")
    ended = orders.ask("ada", "requester").get(f"/v1/runs/{id_}/explanation")
    assert ended["items"][0]["sentence"] == "the run was cancelled by ann"
    assert not ended["engine_alive"]


def test_an_ended_run_says_why_tasks_were_omitted(orders: Desk) -> None:
    id_ = started(orders)
    orders.engine.fail("ask", id_)
    assert orders.ask("ada", "requester").get(f"/v1/runs/{id_}/explanation")["omitted"] == {
        "done": "ask.SUCCESS is false"
    }


def test_a_journal_as_it_was_written_is_intact(orders: Desk) -> None:
    id_ = started(orders)
    found = orders.ask("vera", "viewer").get(f"/v1/runs/{id_}/verification")
    assert found == {"run": id_, "intact": True, "entries": 1, "seal": orders.engine.run(id_).seal, "flaws": []}


class Forged:
    """A store of which one entry of a journal was changed behind its back."""

    def __init__(self, store: Store, revision: int) -> None:
        self._store = store
        self._revision = revision

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def sealed(self, id_: str) -> list[Any]:
        return [
            one._replace(text=one.text.replace("ada", "eve")) if one.revision == self._revision else one
            for one in self._store.sealed(id_)
        ]


def test_a_changed_entry_is_named(orders: Desk) -> None:
    id_ = started(orders)
    asked(orders, id_)
    services = orders.client.app.state.services  # type: ignore[attr-defined] # the client has it as an ASGI callable
    object.__setattr__(services, "store", Forged(services.store, 1))
    found = orders.ask("vera", "viewer").get(f"/v1/runs/{id_}/verification")
    assert (found["intact"], [one["revision"] for one in found["flaws"]]) == (False, [1])


@pytest.mark.parametrize("path", ["", "/journal", "/explanation", "/verification", "/tasks/ask"])
def test_what_isnt_ones_own_isnt_there(orders: Desk, path: str) -> None:
    id_ = started(orders)
    assert orders.ask("bob", "requester").ask("GET", f"/v1/runs/{id_}{path}").status_code == 404
    assert orders.ask("olga", "approver").ask("GET", f"/v1/runs/{id_}{path}").status_code == 404
    asked(orders, id_)
    assert orders.ask("olga", "approver").ask("GET", f"/v1/runs/{id_}{path}").status_code == 200


def test_a_decision_takes_the_role_of_an_approver_as_a_signal_too(desk: Desk) -> None:
    id_ = waiting(desk, Wants(senders=("ada",), closes={"approve": 1, "reject": 1}))
    path, said = f"/v1/runs/{id_}/tasks/wait/signal", {"data": {"decision": "approve"}}
    for roles in (("requester",), ("builder",), ("admin",)):
        answer = desk.ask("ada", *roles).ask("POST", path, json=said)
        assert (answer.status_code, answer.json()["code"]) == (403, "not-yours")
    desk.ask("ada", "requester", "approver").post(path, said)
    [signal] = desk.engine.run(id_).tasks["wait"].inbox
    assert signal.sender == "ada"


def test_nobodys_signal_is_taken_for_what_somebody_else_sent(desk: Desk) -> None:
    id_ = waiting(desk, Wants(senders=("olga", "otto"), closes={"*": 2}))
    path = f"/v1/runs/{id_}/tasks/wait/signal"
    olga, otto = desk.ask("olga", "approver"), desk.ask("otto", "approver")
    olga.post(path, {"data": "hers", "id": "s"})
    answer = otto.ask("POST", path, json={"data": "his", "id": "s"})
    assert (answer.status_code, answer.json()["code"]) == (409, "signal-id-taken")
    otto.post(path, {"data": "his", "id": "t"})
    assert [one.data for one in desk.engine.run(id_).tasks["wait"].inbox] == ["hers", "his"]
