"""Runs are started once per id, durably, and a fault in one request is nobody else's."""

from typing import Any

import pytest

from engine.limits import PAYLOAD_BYTES
from engine.run import Parent
from engine.statuses import RunStatus
from store.protocol import BEGINNING, NewRun, Store
from tests.store.conftest import Place
from tests.store.driver import Clock, Player, values, workflow

INPUTS = {
    "type": "object",
    "required": ["asset"],
    "properties": {"asset": {"type": "string"}, "risk": {"enum": ["low", "high"], "default": "high"}},
}


@pytest.fixture
def people(store: Store) -> Player:
    store.save_workflow(workflow(inputs=INPUTS))
    return Player(store)


def test_a_new_run_has_all_that_was_asked_for(people: Player, clock: Clock) -> None:
    people.start("parent", {"asset": "x"})
    run = people.start(
        inputs={"asset": "ü✓\u0000"}, requested_by="olga", labels={"team": "data"}, parent=Parent("parent", "a", 1)
    )
    assert run.inputs == {"asset": "ü✓\u0000", "risk": "high"}
    assert (run.requested_by, run.labels, run.parent) == ("olga", {"team": "data"}, Parent("parent", "a", 1))
    assert (run.created_at, run.revision, run.status) == (clock.time, 1, RunStatus.PENDING)
    assert values(people.run()) == values(run)


def test_the_creation_is_told_with_the_whole_document(people: Player) -> None:
    people.start(inputs={"asset": "x"}, requested_by="olga")
    change = people.store.changes(BEGINNING).changes[-1]
    assert (change.id, change.revision, change.by, change.transition) == ("r", 1, "olga", None)
    assert change.document is not None
    assert change.document["inputs"] == {"asset": "x", "risk": "high"}
    assert [task["status"] for task in change.document["dag"]["tasks"]] == ["PENDING"] * 3


def test_the_same_request_again_starts_nothing(people: Player) -> None:
    first = people.create(inputs={"asset": "x"}, labels={"k": "v"})
    people.succeed("a")
    before = people.store.position()
    again = people.create(inputs={"asset": "x"}, labels={"k": "v"})
    assert (first.outcome, again.outcome) == ("created", "exists")
    assert again.run is not None
    assert again.run.revision == 3
    assert people.store.position() == before


def test_the_same_request_twice_in_one_call_starts_one_run(people: Player) -> None:
    request = NewRun("r", "w", {"asset": "x"})
    outcomes = [creation.outcome for creation in people.store.create([request, request])]
    assert outcomes == ["created", "exists"]


@pytest.mark.parametrize(
    "other",
    [
        {"inputs": {"asset": "y"}},
        {"inputs": {"asset": "x", "risk": "high"}},
        {"version": 1},
        {"requested_by": "ivan"},
        {"labels": {"k": "w"}},
        {"parent": Parent("r", "a", 1)},
    ],
)
def test_another_request_under_the_same_id_is_refused(people: Player, other: dict[str, Any]) -> None:
    request: dict[str, Any] = {"inputs": {"asset": "x"}, "requested_by": "olga", "labels": {"k": "v"}}
    people.create(**request)
    refused = people.create(**{**request, **other})
    assert refused.outcome == "refused"
    assert [fault.path for fault in refused.faults] == ["id"]
    assert people.run().revision == 1


def test_a_new_version_of_the_workflow_makes_no_other_request(people: Player) -> None:
    people.create(inputs={"asset": "x"})
    people.store.save_workflow(workflow("z", inputs=INPUTS))
    assert people.create(inputs={"asset": "x"}).outcome == "exists"


def test_a_misspelt_workflow_is_refused_with_the_nearest_name(store: Store) -> None:
    store.save_workflow(workflow(name="approval"))
    [fault] = Player(store).create(workflow="aproval").faults
    assert (fault.path, fault.message) == ("workflow", "'aproval' is not a saved workflow (did you mean 'approval'?)")


@pytest.mark.parametrize("version", [0, 2, -1, 2**40])
def test_a_version_that_is_not_there_is_refused(people: Player, version: int) -> None:
    [fault] = people.create(inputs={"asset": "x"}, version=version).faults
    assert (fault.path, fault.message) == ("version", f"'w' has no version {version}; its latest is 1")


def test_inputs_that_do_not_fit_are_refused_with_every_fault(people: Player) -> None:
    faults = people.create(inputs={"asset": 1, "risk": "none"}).faults
    assert {fault.path for fault in faults} == {"inputs.asset", "inputs.risk"}
    assert people.store.load(["r"]) == {}


def test_a_refused_request_may_be_made_again_rightly(people: Player) -> None:
    assert people.create(inputs={}).outcome == "refused"
    assert people.create(inputs={"asset": "x"}).outcome == "created"


def test_one_fault_does_not_touch_the_other_requests(people: Player) -> None:
    requests = [NewRun(f"r{number}", "w", {"asset": "x"} if number % 2 else {}) for number in range(6)]
    creations = people.store.create(requests)
    assert [creation.id for creation in creations] == [request.id for request in requests]
    assert [creation.outcome for creation in creations] == ["refused", "created"] * 3
    assert set(people.store.load(creation.id for creation in creations)) == {"r1", "r3", "r5"}


@pytest.mark.parametrize("id_", ["", "x" * 256, "a\u0000b", "a\nb", "\ud800"])
def test_an_id_that_is_no_printable_text_is_refused(people: Player, id_: str) -> None:
    [fault] = people.create(id_, {"asset": "x"}).faults
    assert fault.path == "id"
    assert people.store.load([id_]) == {}
    assert people.store.journal(id_) == []


@pytest.mark.parametrize("id_", ["x" * 255, "topic/3/42", "Ω'\"; --", "r%_?*"])
def test_any_printable_text_may_be_an_id(people: Player, id_: str) -> None:
    people.start(id_, {"asset": "x"})
    assert people.run(id_).id == id_


@pytest.mark.parametrize("value", [2**70, "\udcff", {1: 2}, object(), {"x"}])
def test_what_json_can_not_say_is_refused(people: Player, value: object) -> None:
    creations = people.store.create(
        [NewRun("bad", "w", {"asset": "x", "more": value}), NewRun("r", "w", {"asset": "x"})]
    )
    assert [creation.outcome for creation in creations] == ["refused", "created"]


def test_inputs_may_have_their_full_size_and_no_byte_more(people: Player) -> None:
    room = PAYLOAD_BYTES - len('{"asset":"","risk":"high"}')
    assert people.start("full", {"asset": "x" * room}).inputs["asset"] == "x" * room
    assert people.run("full").inputs["asset"] == "x" * room
    assert people.create("over", {"asset": "x" * (room + 1)}).outcome == "refused"


def test_an_accepted_run_is_there_for_everybody(place: Place, people: Player) -> None:
    people.start(inputs={"asset": "x"})
    assert Player(place.open()).run().id == "r"


def test_no_request_at_all_is_no_work(people: Player) -> None:
    assert people.store.create([]) == []
    assert people.store.apply([]) == []
    assert people.store.load([]) == {}
