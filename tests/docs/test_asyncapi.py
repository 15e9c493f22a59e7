"""Tests of docs/asyncapi.json: it is made from the code, it is AsyncAPI 3, and real messages are as it says."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import orjson
import pytest

from dataflows.kafka.messages import record_of, truncated
from dataflows.triggers.letters import Letter, letter_of
from dataflows.triggers.messages import read
from dataflows.triggers.refusals import Refusal
from engine.transitions import RunCancelled
from icefloe.asyncapi import document
from store.protocol import BEGINNING, NewRun, Proposal
from store.sqlite import SqliteStore
from tests.dataflows.triggers.messages import TRUSTED, binary, message, structured
from tests.engine.driver import plan_of

TEXT = (Path(__file__).parents[2] / "docs" / "asyncapi.json").read_text(encoding="utf-8")
DOCUMENT: dict[str, Any] = json.loads(TEXT)


def found(reference: str) -> Any:
    """What a reference within the document refers to."""
    assert reference.startswith("#/"), reference
    place: Any = DOCUMENT
    for part in reference[2:].split("/"):
        place = place[part]
    return place


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from [value["$ref"]] if isinstance(value.get("$ref"), str) else []
        value = list(value.values())
    for inner in value if isinstance(value, list) else ():
        yield from references(inner)


def validator(name: str, part: str = "payload") -> Any:
    """Checks the payload, or the headers, of a message."""
    return jsonschema_rs.validator_for(
        {**DOCUMENT["components"]["messages"][name][part], "components": DOCUMENT["components"]}
    )


def test_the_document_is_as_it_is_written_from_the_code() -> None:
    assert json.loads(json.dumps(document())) == DOCUMENT, (
        "write it anew: `python -m icefloe.asyncapi > docs/asyncapi.json`"
    )


def test_it_has_the_parts_that_asyncapi_3_asks_for() -> None:
    assert DOCUMENT["asyncapi"] == "3.0.0"
    assert DOCUMENT.keys() <= {
        "asyncapi",
        "id",
        "info",
        "servers",
        "defaultContentType",
        "channels",
        "operations",
        "components",
    }
    assert DOCUMENT["info"].keys() >= {"title", "version"}
    for server in DOCUMENT["servers"].values():
        assert server.keys() >= {"host", "protocol"}
    for operation in DOCUMENT["operations"].values():
        assert operation["action"] in {"send", "receive"}
        assert "address" in found(operation["channel"]["$ref"])
    told = {reference for channel in DOCUMENT["channels"].values() for reference in references(channel["messages"])}
    assert told == {f"#/components/messages/{name}" for name in DOCUMENT["components"]["messages"]}
    assert all(found(reference) for reference in references(DOCUMENT))
    for one in DOCUMENT["components"]["messages"].values():
        for part in ("payload", "headers"):
            jsonschema_rs.meta.validate(one.get(part, {}))


START = {"workflow": "greet", "version": 1, "inputs": {"a": 1}, "requested_by": "olga", "labels": {"x": "y"}}
SIGNAL = {"run": "r", "task": "ask", "data": {"decision": "approve"}, "sender": "olga", "generation": 1}
CANCEL = {"run": "r", "reason": "enough", "requested_by": "olga"}


@pytest.mark.parametrize(
    ("name", "data"), [("startRun", START), ("signalTask", SIGNAL), ("cancelRun", CANCEL), ("startRunPlain", START)]
)
def test_what_the_document_allows_is_accepted_and_what_it_forbids_is_refused(name: str, data: dict[str, Any]) -> None:
    schema = validator(name)
    type_ = {"startRun": "icefloe.run.start", "signalTask": "icefloe.task.signal", "cancelRun": "icefloe.run.cancel"}
    cases = [
        data,
        {**data, "surplus": 1},
        *({**data, field: None} for field in data),
        *({**data, field: ""} for field in data),
    ]
    cases += [{key: value for key, value in data.items() if key != field} for field in data]
    for case in cases:
        plain = name == "startRunPlain"
        one = message(case) if plain else binary(type_[name], case)
        assert schema.is_valid(case) is not isinstance(read(one, TRUSTED), Refusal), case
        if not plain:
            assert validator(name, "headers").is_valid({key: (value or b"").decode() for key, value in one.headers})
            event = structured(type_[name], case)
            assert validator(f"{name}Structured").is_valid(json.loads(event.value or b"")) is schema.is_valid(case)


def test_a_dead_letter_has_the_headers_that_it_is_said_to_have() -> None:
    record = letter_of(Letter(message(b"?"), Refusal("BAD_MESSAGE", "it is none")), "icefloe.triggers.dlq", 0)
    validator("deadLetter", "headers").validate({name: value.decode() for name, value in record.headers})


def test_changes_are_told_as_the_document_says(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "icefloe.db")
    store.save_workflow(plan_of("a", name="greet").workflow, by="olga")
    store.create([NewRun("r", "greet", {})])
    store.apply([Proposal("r", RunCancelled("enough"), "olga")])
    store.delete_workflow("greet", by="olga")
    changes = store.changes(BEGINNING).changes
    seals = [entry.seal for entry in store.sealed("r")]
    store.close()
    assert len(changes) == 4
    schema = validator("change")
    for change in changes:
        record = record_of(change, "icefloe.changes")
        for told in (record, truncated(record)):
            schema.validate(orjson.loads(told.value or b""))
    saved, started, cancelled, deleted = (
        orjson.loads(record_of(change, "icefloe.changes").value or b"") for change in changes
    )
    assert {one["tenant"] for one in (saved, started, cancelled, deleted)} == {"default"}
    assert (cancelled["status"], cancelled["tasks"]) == ("CANCELLED", {"a": "CANCELLED"})
    assert cancelled["detail"] == {"reason": "enough"}
    assert [started["seal"], cancelled["seal"]] == seals
    assert (deleted["id"], deleted["transitions"]) == ("greet", [{"type": "WorkflowDeleted", "by": "olga"}])
    assert "document" not in deleted
