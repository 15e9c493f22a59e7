"""What people decide through the API: the inbox, decisions, delegation, and that there is one decision (G10)."""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Final

import pytest
from fastapi.testclient import TestClient

from api.app import create_app
from api.settings import ApiSettings
from blocks.approval import Decision
from blocks.catalogue import Catalogue
from engine.run import WorkflowRun
from engine.transitions import Error, TaskFailed, TaskSucceeded, TaskTimedOut, Wants
from tests.api.conftest import Believing, Desk, Person
from tests.store.conftest import Place

ASKED: Final = 1_000_000.0
SCHEMA: Final = Decision.model_json_schema()


def asking(name: str = "w", **arguments: Any) -> dict[str, Any]:
    """A workflow with one approval."""
    task = {"name": "ask", "type": "APPROVAL", "arguments": {"approvers": ["ada", "bob"], **arguments}}
    inputs = {"type": "object", "properties": {"what": {"type": "string"}}}
    return {"name": name, "inputs": inputs, "dag": {"entrypoint": "ask", "exitpoints": ["ask"], "tasks": [task]}}


def ask(desk: Desk, id_: str = "r", *, wants: Mapping[str, Any] | None = None, **fields: Any) -> WorkflowRun:
    """A run that waits for ada or bob."""
    wanted = Wants(
        **{"schema": SCHEMA, "senders": ("ada", "bob"), "closes": {"approve": 1, "reject": 1}, **(wants or {})}
    )
    if desk.store.workflow("w") is None:
        desk.save(asking(title="Change {{ inputs.what }}", details={"why": "because"}, expires_in="P7D"))
    desk.engine.start(id_, {"what": "it"}, requested_by=fields.pop("requested_by", "rita"))
    return desk.engine.suspend("ask", id_, wants=wanted, **fields)


def url(what: str, id_: str = "r", task: str = "ask") -> str:
    return f"/v1/runs/{id_}/tasks/{task}/{what}"


def decide(person: Person, decision: str = "approve", id_: str = "r", **fields: Any) -> Any:
    """The answer to a decision, whatever it is."""
    headers = fields.pop("headers", {})
    return person.ask("POST", url("decision", id_), json={"decision": decision, **fields}, headers=headers)


@pytest.fixture
def ada(desk: Desk) -> Person:
    return desk.ask("ada", "approver")


@pytest.fixture
def bob(desk: Desk) -> Person:
    return desk.ask("bob", "approver")


def test_the_inbox_shows_what_waits_for_somebody_and_all_it_takes_to_decide(desk: Desk, ada: Person) -> None:
    ask(desk, after=604_800.0)
    assert ada.get("/v1/approvals") == {
        "items": [
            {
                "run": "r",
                "workflow": {"name": "w", "version": 1},
                "task": "ask",
                "type": "APPROVAL",
                "generation": 1,
                "title": "Change it",
                "details": {"why": "because"},
                "requested_by": "rita",
                "since": ASKED,
                "until": ASKED + 604_800,
                "schema": SCHEMA,
                "asked": {"people": ["ada", "bob"], "groups": []},
                "decisions": [],
                "on_behalf_of": None,
            }
        ],
        "cursor": None,
    }


def test_a_reminder_is_not_the_end_of_the_time_to_decide(desk: Desk, ada: Person) -> None:
    ask(desk, "r1", after=60.0, outputs={"expires_at": "1970-01-12T14:46:40Z"})
    ask(desk, "r2", after=60.0, outputs={"expires_at": None})
    assert {one["run"]: one["until"] for one in ada.get("/v1/approvals")["items"]} == {"r1": 1_003_600.0, "r2": None}


def test_nobody_is_shown_what_waits_for_others(desk: Desk) -> None:
    ask(desk)
    for somebody in (desk.ask("eve", "approver"), desk.ask("ada", "approver", tenant="other")):
        assert somebody.get("/v1/approvals") == {"items": [], "cursor": None}
    assert desk.ask("ada", "admin").ask("GET", "/v1/approvals").status_code == 403


def test_the_inbox_shows_what_others_have_decided(desk: Desk, ada: Person, bob: Person) -> None:
    ask(desk, wants={"closes": {"approve": 2, "reject": 1}})
    desk.clock.pass_(5.0)
    ada.post(url("decision"), {"decision": "approve", "comment": "fine"})
    assert ada.get("/v1/approvals")["items"] == []
    [item] = bob.get("/v1/approvals")["items"]
    assert item["asked"]["people"] == ["bob"]
    assert item["decisions"] == [
        {"who": "ada", "decision": "approve", "comment": "fine", "at": ASKED + 5, "on_behalf_of": None}
    ]


def test_the_inbox_comes_in_pages_and_of_one_workflow_if_asked(desk: Desk, ada: Person) -> None:
    desk.save(asking("other"))
    for number in range(7):
        ask(desk, f"r{number}")
        desk.clock.pass_(1.0)
    desk.engine.start("o", {}, workflow="other")
    desk.engine.suspend("ask", "o", wants=Wants(SCHEMA, ("ada",), {"*": 1}))
    found: list[str] = []
    cursor: str | None = None
    while True:
        page = ada.get("/v1/approvals", params={"limit": 3, **({"cursor": cursor} if cursor else {})})
        assert len(page["items"]) <= 3
        found += [item["run"] for item in page["items"]]
        cursor = page["cursor"]
        if cursor is None:
            break
    assert found == ["o", "r6", "r5", "r4", "r3", "r2", "r1", "r0"]
    assert [one["run"] for one in ada.get("/v1/approvals?workflow=other")["items"]] == ["o"]


def test_a_member_of_a_group_who_has_decided_is_not_shown_it_again_and_sees_what_is_behind(desk: Desk) -> None:
    gus = desk.ask("gus", "approver", groups=("stewards",))
    desk.save(asking(approvers=["ada"]))
    for number in range(60):
        ask(desk, f"r{number:02}", wants={"senders": None, "groups": ("stewards",), "closes": {"approve": 2}})
        if number:
            gus.post(url("decision", f"r{number:02}"), {"decision": "approve"})
        desk.clock.pass_(1.0)
    assert [one["run"] for one in gus.get("/v1/approvals?limit=2")["items"]] == ["r00"]


@pytest.mark.parametrize(
    ("query", "where"), [("limit=0", "query.limit"), ("cursor=x", "query.cursor"), ("who=me", "query.who")]
)
def test_an_inbox_that_can_not_be_shown_says_why(ada: Person, query: str, where: str) -> None:
    answer = ada.ask("GET", f"/v1/approvals?{query}")
    assert answer.status_code == 422
    assert [fault["path"] for fault in answer.json()["faults"]] == [where]


def test_a_task_that_waits_for_another_signal_of_somebody_is_shown_too(desk: Desk, ada: Person) -> None:
    schema = {"type": "object", "required": ["report"]}
    task = {"name": "get", "type": "WAIT_FOR_SIGNAL", "description": "Send the report", "arguments": {"from": "ada"}}
    desk.save({"name": "g", "dag": {"entrypoint": "get", "exitpoints": ["get"], "tasks": [task]}})
    desk.engine.start("g", {}, workflow="g")
    desk.engine.suspend("get", "g", wants=Wants(schema, ("ada",), {"*": 1}))
    [item] = ada.get("/v1/approvals")["items"]
    assert (item["type"], item["title"], item["schema"]) == ("WAIT_FOR_SIGNAL", "Send the report", schema)


def test_a_decision_is_recorded_with_who_and_why(desk: Desk, ada: Person) -> None:
    ask(desk)
    document = ada.post(url("decision"), {"decision": "approve", "comment": "as discussed"})
    assert (document["id"], document["revision"]) == ("r", desk.engine.run().revision)
    entry = desk.store.journal("r")[-1]
    assert (entry.type, entry.task, entry.by) == ("SignalReceived", "ask", "ada")
    assert entry.detail == {"decision": "approve", "comment": "as discussed"}
    [signal] = desk.engine.run().tasks["ask"].inbox
    assert (signal.sender, signal.data) == ("ada", {"decision": "approve", "comment": "as discussed"})


@pytest.mark.parametrize("by", ["header", "body"])
def test_the_same_decision_sent_twice_counts_once(desk: Desk, ada: Person, by: str) -> None:
    ask(desk, wants={"closes": {"approve": 2}})
    sent: dict[str, Any] = {"headers": {"Idempotency-Key": "k"}} if by == "header" else {"id": "k"}
    answers = [decide(ada, **sent) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].json() == answers[1].json()
    other = decide(ada, "reject", **sent)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency-key-reused")
    assert len(desk.engine.run().tasks["ask"].accepted) == 1


def test_a_key_is_of_who_sends_it_alone(desk: Desk, ada: Person, bob: Person) -> None:
    ask(desk, wants={"closes": {"approve": 2}})
    assert [decide(one, id="k").status_code for one in (ada, bob)] == [200, 200]
    assert [one.sender for one in desk.engine.run().tasks["ask"].accepted] == ["ada", "bob"]


def test_two_keys_for_one_decision_are_refused(desk: Desk, ada: Person) -> None:
    ask(desk)
    answer = decide(ada, id="a", headers={"Idempotency-Key": "b"})
    assert [fault["path"] for fault in answer.json()["faults"]] == ["id"]


def test_a_second_decision_is_refused_and_says_whose_the_first_was(desk: Desk, ada: Person, bob: Person) -> None:
    ask(desk)
    decide(ada)
    early = decide(bob, "reject")
    desk.engine.do(TaskSucceeded("ask", desk.engine.claim("ask"), {"status": "approved"}))
    late = decide(bob, "reject")
    for answer in (early, late):
        assert (answer.status_code, answer.json()["code"]) == (409, "already-decided")
        assert "by ada" in answer.json()["detail"]


def test_a_decision_must_fit_what_the_task_asks_for(desk: Desk, ada: Person) -> None:
    schema = {
        "type": "object",
        "required": ["decision", "amount"],
        "properties": {"decision": {"enum": ["approve"]}, "amount": {"type": "integer", "maximum": 10}},
        "additionalProperties": False,
    }
    ask(desk, wants={"schema": schema})
    answer = decide(ada, "reject", comment="no", data={"amount": 11})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")
    assert {fault["path"] for fault in answer.json()["faults"]} == {"comment", "decision", "data.amount"}
    assert decide(ada, data={"amount": 10}).status_code == 200
    assert desk.engine.run().tasks["ask"].inbox[0].data == {"decision": "approve", "amount": 10}


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ({"decision": "maybe"}, "decision"),
        ({}, "decision"),
        ({"decision": "approve", "why": "x"}, "why"),
        ({"decision": "approve", "data": {"decision": "reject"}}, "data.decision"),
        ({"decision": "approve", "comment": "x" * 4001}, "comment"),
    ],
)
def test_a_decision_that_is_none_is_refused_with_its_place(
    desk: Desk, ada: Person, body: dict[str, Any], where: str
) -> None:
    ask(desk)
    answer = ada.ask("POST", url("decision"), json=body)
    assert answer.status_code == 422
    assert [fault["path"] for fault in answer.json()["faults"]] == [where]
    assert desk.engine.run().tasks["ask"].inbox == ()


def test_who_is_not_asked_is_told_so_if_he_may_see_the_run_and_else_knows_of_none(desk: Desk) -> None:
    ask(desk)
    seeing = decide(desk.ask("eve", "approver", "viewer"))
    assert (seeing.status_code, seeing.json()["code"]) == (403, "not-allowed")
    assert "it waits for: ada, bob" in seeing.json()["detail"]
    blind = decide(desk.ask("eve", "approver"))
    abroad = decide(desk.ask("ada", "approver", tenant="other"))
    unknown = decide(desk.ask("eve", "approver"), id_="none")
    assert [answer.status_code for answer in (blind, abroad, unknown)] == [404] * 3
    assert blind.json()["detail"].replace("'r'", "'none'") == unknown.json()["detail"]


def test_an_unknown_task_is_named_with_the_nearest_one(desk: Desk, ada: Person) -> None:
    ask(desk)
    answer = ada.ask("POST", url("decision", task="aks"), json={"decision": "approve"})
    assert answer.status_code == 404
    assert "did you mean 'ask'?" in answer.json()["detail"]


def test_what_asks_nobody_in_particular_is_not_decided_here(desk: Desk) -> None:
    ask(desk, wants={"senders": None})
    answer = decide(desk.ask("eve", "approver", "viewer"))
    assert (answer.status_code, answer.json()["code"]) == (403, "not-allowed")


def test_who_may_not_decide_on_his_own_request_is_told_so(desk: Desk) -> None:
    ask(desk, wants={"senders": ("ada", "bob"), "barred": ("ada",)}, requested_by="ada")
    answer = decide(desk.ask("ada", "approver", "requester"))
    assert (answer.status_code, answer.json()["code"]) == (403, "not-allowed")
    assert "his own request" in answer.json()["detail"]
    assert desk.ask("ada", "approver").get("/v1/approvals")["items"] == []


def test_members_of_a_group_decide_by_the_groups_they_were_authenticated_with(desk: Desk) -> None:
    ask(desk, wants={"senders": None, "groups": ("stewards",)})
    assert decide(desk.ask("gus", "approver", "viewer", groups=("others",))).status_code == 403
    gus = desk.ask("gus", "approver", groups=("others", "stewards"))
    assert [item["asked"] for item in gus.get("/v1/approvals")["items"]] == [{"people": [], "groups": ["stewards"]}]
    assert decide(gus).status_code == 200


def test_a_decision_for_an_earlier_try_is_refused(desk: Desk, ada: Person) -> None:
    ask(desk)
    desk.engine.do(TaskFailed("ask", _claimed_by_signal(desk, ada), Error("BROKEN", "it broke")))
    desk.ask("root", "admin").post("/v1/runs/r/retry", {})
    desk.engine.suspend("ask", wants=Wants(SCHEMA, ("ada",), {"*": 1}))
    answer = decide(ada, generation=1)
    assert (answer.status_code, answer.json()["code"]) == (409, "stale-signal")
    assert decide(ada, generation=2).status_code == 200


def _claimed_by_signal(desk: Desk, person: Person) -> str:
    decide(person)
    return desk.engine.claim("ask")


def test_who_is_handed_a_task_decides_in_the_others_place(desk: Desk, ada: Person) -> None:
    ask(desk)
    cleo = desk.ask("cleo", "approver")
    assert decide(cleo).status_code == 404
    ada.post(url("delegate"), {"to": "cleo", "reason": "holiday"})
    entry = desk.store.journal("r")[-1]
    assert (entry.type, entry.by) == ("TaskDelegated", "ada")
    assert entry.detail == {"from": "ada", "to": "cleo", "reason": "holiday"}
    [item] = cleo.get("/v1/approvals")["items"]
    assert (item["on_behalf_of"], item["asked"]["people"]) == ("ada", ["cleo", "bob"])
    assert ada.get("/v1/approvals")["items"] == []
    gone = decide(ada)
    assert (gone.status_code, gone.json()["detail"]) == (403, "'ada' has handed 'ask' over to 'cleo'")
    decide(cleo)
    assert desk.store.journal("r")[-1].detail == {"decision": "approve", "on_behalf": "ada"}


def test_after_a_delegation_another_who_is_asked_may_decide_as_before(desk: Desk, ada: Person, bob: Person) -> None:
    ask(desk)
    ada.post(url("delegate"), {"to": "cleo"})
    assert decide(bob).status_code == 200
    answer = decide(desk.ask("cleo", "approver"))
    assert (answer.status_code, answer.json()["code"]) == (409, "already-decided")


def test_a_member_of_a_group_hands_over_his_own_say(desk: Desk) -> None:
    ask(desk, wants={"senders": None, "groups": ("stewards",)})
    desk.ask("gus", "approver", groups=("stewards",)).post(url("delegate"), {"to": "cleo"})
    assert decide(desk.ask("cleo", "approver")).status_code == 200


@pytest.mark.parametrize(("to", "code"), [("bob", "bad-delegate"), ("ada", "bad-delegate")])
def test_a_task_is_handed_over_to_who_has_no_say_in_it_yet(desk: Desk, ada: Person, to: str, code: str) -> None:
    ask(desk)
    answer = ada.ask("POST", url("delegate"), json={"to": to})
    assert (answer.status_code, answer.json()["code"]) == (422, code)


def test_who_is_not_asked_can_not_hand_over(desk: Desk) -> None:
    ask(desk)
    answer = desk.ask("eve", "approver", "viewer").ask("POST", url("delegate"), json={"to": "cleo"})
    assert (answer.status_code, answer.json()["code"]) == (403, "not-allowed")


def test_who_was_asked_may_still_read_the_run_when_another_has_decided(desk: Desk, bob: Person, ada: Person) -> None:
    ask(desk)
    decide(ada)
    desk.engine.do(
        TaskSucceeded("ask", desk.engine.claim("ask"), {"status": "approved", "asked": ["ada", "bob", "eli"]})
    )
    assert desk.ask("eli", "approver").get("/v1/runs/r")["id"] == "r", "he was asked later"
    assert bob.get("/v1/runs/r")["status"] == "SUCCESS"
    assert desk.ask("hal", "approver").ask("GET", "/v1/runs/r").status_code == 404
    assert desk.ask("eve", "approver").ask("GET", "/v1/runs/r").status_code == 404


def test_a_decision_on_an_ended_run_is_refused(desk: Desk, ada: Person) -> None:
    ask(desk)
    desk.ask("root", "admin").post("/v1/runs/r/cancel", {})
    answer = decide(ada)
    assert answer.status_code == 409
    assert "CANCELLED" in answer.json()["detail"]


def test_g10_of_sixty_four_who_decide_both_ways_at_once_one_does(desk: Desk) -> None:
    people = tuple(f"p{number}" for number in range(64))
    ask(desk, wants={"senders": people})
    asked = [desk.ask(person, "approver") for person in people]
    with ThreadPoolExecutor(64) as threads:
        answers = list(threads.map(lambda one: decide(one[1], "approve" if one[0] % 2 else "reject"), enumerate(asked)))
    winners = [number for number, answer in enumerate(answers) if answer.status_code == 200]
    refused = [answer.json() for answer in answers if answer.status_code != 200]
    assert len(winners) == 1
    assert {(one["status"], one["code"]) for one in refused} == {(409, "already-decided")}
    assert all(f"by p{winners[0]}" in one["detail"] for one in refused)
    [entry] = [entry for entry in desk.store.journal("r") if entry.type == "SignalReceived"]
    assert entry.by == f"p{winners[0]}"
    assert (entry.detail or {})["decision"] == ("approve" if winners[0] % 2 else "reject")


@pytest.fixture
def other_process(place: Place, catalogue: Catalogue, api_settings: ApiSettings) -> Iterator[TestClient]:
    """The API once more, on the same store."""
    app = create_app(api_settings, place.open(), catalogue, authenticator=Believing())
    with TestClient(app, base_url="http://127.0.0.1") as client:
        yield client


def test_g10_of_many_who_decide_by_two_processes_one_does(desk: Desk, other_process: TestClient) -> None:
    people = tuple(f"p{number}" for number in range(32))
    for round_ in range(3):
        run_id = f"r{round_}"
        ask(desk, run_id, wants={"senders": people})
        said = [{"subject": person, "roles": ["approver"], "groups": [], "tenant": "default"} for person in people]
        clients = (desk.client, other_process)
        asked = [Person(clients[number % 2], who) for number, who in enumerate(said)]
        with ThreadPoolExecutor(32) as threads:
            answers = list(threads.map(partial(decide, id_=run_id), asked))
        assert sorted(answer.status_code for answer in answers) == [200, *[409] * 31]
        assert len([entry for entry in desk.store.journal(run_id) if entry.type == "SignalReceived"]) == 1


def test_g10_of_one_person_who_decides_both_ways_at_once_one_counts(desk: Desk, ada: Person) -> None:
    ask(desk)
    with ThreadPoolExecutor(16) as threads:
        answers = list(threads.map(lambda number: decide(ada, "approve" if number % 2 else "reject"), range(16)))
    assert sorted(answer.status_code for answer in answers) == [200, *[409] * 15]
    assert len(desk.engine.run().tasks["ask"].accepted) == 1


def test_g10_a_decision_before_its_expiry_is_processed_counts_though_the_time_is_up(desk: Desk, ada: Person) -> None:
    ask(desk, after=10.0)
    desk.clock.pass_(11.0)
    assert decide(ada).status_code == 200
    desk.store.wake(10)
    assert desk.engine.dispatch("ask").phase == "signal"


def test_g10_a_decision_that_comes_while_the_expiry_is_processed_counts(desk: Desk, ada: Person) -> None:
    ask(desk, after=10.0)
    desk.clock.pass_(11.0)
    desk.store.wake(10)
    token = desk.engine.claim("ask")
    assert decide(ada).status_code == 200
    desk.engine.do(TaskTimedOut("ask", token, "nobody decided"))
    assert desk.engine.dispatch("ask").phase == "signal"


def test_g10_a_decision_after_its_expiry_is_refused(desk: Desk, ada: Person) -> None:
    ask(desk, after=10.0)
    desk.clock.pass_(11.0)
    desk.store.wake(10)
    desk.engine.do(TaskTimedOut("ask", desk.engine.claim("ask"), "nobody decided"))
    answer = decide(ada)
    assert answer.status_code == 409
    assert "TIMED_OUT" in answer.json()["detail"]


@pytest.mark.parametrize("round_", range(5))
def test_g10_of_a_decision_and_an_expiry_at_once_one_ends_the_task(desk: Desk, ada: Person, round_: int) -> None:
    run_id = f"r{round_}"
    ask(desk, run_id, after=10.0)
    desk.clock.pass_(11.0)

    def expire() -> None:
        desk.store.wake(10)
        call = desk.engine.dispatch("ask", run_id)
        if call.phase == "wake":  # claimed as such, or not at all: a decision may have come since
            desk.engine.do(call.claim("expiry", desk.engine.owner), run_id)
            desk.engine.do(TaskTimedOut("ask", "expiry", "nobody decided"), run_id)

    with ThreadPoolExecutor(2) as threads:
        expiry, decision = threads.submit(expire), threads.submit(decide, ada, id_=run_id)
    assert expiry.exception() is None or isinstance(expiry.exception(), (AssertionError, StopIteration))
    run = desk.engine.run(run_id)
    if decision.result().status_code == 200:
        assert desk.engine.dispatch("ask", run_id).phase == "signal"
    else:
        assert decision.result().status_code == 409
        assert run.tasks["ask"].status == "TIMED_OUT"
