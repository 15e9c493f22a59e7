"""The demo's people do what the script says when it is time for it, and what they mustn't do is refused."""

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from engine.documents import Workflow
from engine.faults import Invalid
from engine.transitions import TaskClaimed, TaskSucceeded, TaskSuspended, Wants
from icefloe import demo_people
from icefloe.demo_people import INTRUDER, People, Trigger, read_script
from store.open import open_store
from store.protocol import NewRun, Proposal, Store

WORKFLOW = {
    "name": "ask",
    "dag": {
        "entrypoint": ["owner", "stewards"],
        "exitpoints": ["owner"],
        "tasks": [{"name": "owner", "type": "APPROVAL"}, {"name": "stewards", "type": "APPROVAL"}],
    },
}
LINE: dict[str, Any] = {
    "id": "run-1",
    "workflow": "ask",
    "scenario": "agreed",
    "inputs": {"url": "$DEMO_SERVER/tickets"},
    "requested_by": "ada",
    "expect": {"status": "SUCCESS", "tasks": {"owner": "SUCCESS", "stewards": "SUCCESS"}},
    "decisions": [],
}


def script(*decisions: tuple[str, str]) -> list[Trigger]:
    cues = [{"task": task, "as": name, "decision": "approve", "comment": "Fine."} for task, name in decisions]
    return [Trigger.model_validate(LINE | {"decisions": cues})]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with closing(open_store(f"sqlite:///{tmp_path}/icefloe.db")) as store:
        store.save_workflow(Workflow.model_validate(WORKFLOW))
        store.create([NewRun("run-1", "ask", {})])
        yield store


def ask(store: Store, task: str, *people: str) -> None:
    """Let a task wait for all of these people."""
    claim = TaskClaimed(task, f"t-{task}", "engine", 1, 0, 1, "main")
    wants = Wants(senders=people, closes={"approve": len(people)})
    store.apply([Proposal("run-1", claim), Proposal("run-1", TaskSuspended(task, claim.token, wants=wants))])


def act(people: People) -> None:
    people._more = True  # in one process nobody else writes, so the store can't tell that something is new
    while people.act():
        pass


def decided(store: Store) -> list[tuple[str | None, str | None]]:
    return [(entry.task, entry.by) for entry in store.journal("run-1") if entry.type == "SignalReceived"]


def test_people_decide_in_the_order_of_the_script_and_only_once_their_task_waits(store: Store) -> None:
    people = People(store, script(("stewards", "kofi"), ("stewards", "yuki"), ("owner", "olga")))
    ask(store, "owner", "olga")
    act(people)
    assert decided(store) == []
    assert len(people.asked) == 1
    ask(store, "stewards", "yuki", "kofi")
    act(people)
    assert decided(store) == [("stewards", "kofi"), ("stewards", "yuki"), ("owner", "olga")]
    assert (people.accepted, people.refused, people.unexpected) == (3, {}, [])


def test_who_was_not_asked_and_who_has_decided_are_refused(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo_people, "INTRUDED_EVERY", 1)
    people = People(store, script(("owner", "olga")))
    ask(store, "owner", "olga")
    act(people)
    assert decided(store) == [("owner", "olga")]
    assert people.refused == {"NOT_ALLOWED": 1, "ALREADY_DECIDED": 1}
    assert people.unexpected == []


def test_a_decision_of_the_script_that_is_refused_is_unexpected(store: Store) -> None:
    people = People(store, script(("owner", "yuki")))
    ask(store, "owner", "olga")
    act(people)
    (sentence,) = people.unexpected
    assert sentence.startswith("run-1: yuki was refused: 'yuki' may not send this to 'owner'")


def test_an_intruder_who_is_let_in_is_unexpected(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo_people, "INTRUDED_EVERY", 1)
    people = People(store, script(("owner", "olga")))
    ask(store, "owner", "olga", INTRUDER)
    act(people)
    assert people.unexpected == [f"run-1: {INTRUDER} was let in, and shouldn't have been"]


def test_what_has_ended_is_counted(store: Store) -> None:
    people = People(store, script())
    for number, task in enumerate(("owner", "stewards"), 1):
        claim = TaskClaimed(task, f"t-{task}", "engine", 1, 0, 1, "main")
        store.apply([Proposal("run-1", claim), Proposal("run-1", TaskSucceeded(task, claim.token, {}))])
        act(people)
        assert (people.called, people.ended) == (number, number - 1)


def test_a_script_is_read_with_the_address_of_the_desk(tmp_path: Path) -> None:
    file = tmp_path / "triggers.jsonl"
    file.write_text(f"{json.dumps(LINE)}\n" * 3, encoding="utf-8")
    first, second = read_script(file, "http://127.0.0.1:8080", limit=2)
    assert first == second
    assert first.inputs == {"url": "http://127.0.0.1:8080/tickets"}


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ('{"id": ', "triggers.jsonl:2: line 1, column 8: not JSON"),
        (json.dumps(LINE | {"id": 7}), "triggers.jsonl:2: id: Input should be a valid string"),
        (json.dumps(LINE | {"decision": []}), "triggers.jsonl:2: decision: Extra inputs are not permitted"),
    ],
)
def test_a_line_that_is_no_trigger_is_named(tmp_path: Path, line: str, sentence: str) -> None:
    file = tmp_path / "triggers.jsonl"
    file.write_text(f"{json.dumps(LINE)}\n{line}\n", encoding="utf-8")
    with pytest.raises(Invalid) as refused:
        read_script(file, "http://127.0.0.1:8080")
    assert str(refused.value).startswith(sentence)


def test_a_script_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match=r"can't be read: .*No such file"):
        read_script(tmp_path / "absent.jsonl", "")
