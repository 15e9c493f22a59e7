"""The OpenAPI document: complete, true to what the API does, and with examples that work."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from api import openapi
from api.access import RULES
from api.models import RUN_ID
from api.schema import EXAMPLE
from engine.transitions import TaskSkipped, Wants
from store.protocol import NewRun
from tests.api.conftest import Desk

COMMITTED = Path(__file__).parents[2] / "docs" / "openapi.json"
OPERATIONS = [
    (path, method, operation)
    for path, methods in json.loads(COMMITTED.read_text())["paths"].items()
    for method, operation in methods.items()
]
BY_ID = {operation["operationId"]: (path, method, operation) for path, method, operation in OPERATIONS}
UNDESCRIBED = {"openapi", "docs", "start_inline_run"}
PARTS = {"run_id": RUN_ID, "id": RUN_ID, "task": "manual-approval", "version": "1", "type": "APPROVAL"}


@pytest.fixture(scope="session")
def document() -> Any:
    return json.loads(COMMITTED.read_text())


def test_the_committed_document_is_that_of_the_code() -> None:
    assert COMMITTED.read_bytes() == openapi.printed(), "python -m api.openapi > docs/openapi.json"


def test_every_operation_that_has_a_rule_is_described() -> None:
    assert set(BY_ID) == set(RULES) - UNDESCRIBED


@pytest.mark.parametrize("name", BY_ID)
def test_an_operation_says_what_it_does_and_for_whom(document: Any, name: str) -> None:
    _, _, operation = BY_ID[name]
    assert operation["summary"]
    assert operation["description"]
    assert {operation["tags"][0]} <= {tag["name"] for tag in document["tags"]}
    public = RULES[name].public
    assert (operation.get("security") == []) == public
    assert set(operation.get("x-roles", ())) == (set() if public else RULES[name].roles)
    for parameter in operation.get("parameters", ()):
        assert parameter["schema"], parameter["name"]


@pytest.mark.parametrize("name", BY_ID)
def test_an_operation_has_examples_that_fit_their_schemas(document: Any, name: str) -> None:
    _, _, operation = BY_ID[name]
    good = [answer for status, answer in operation["responses"].items() if status.startswith("2")]
    for content in (one.get("content", {}) for one in [operation.get("requestBody", {}), *good]):
        for medium in content.values():
            assert medium.keys() & {"example", "examples"}, medium
            schema = {**medium.get("schema", {}), "components": document["components"]}
            jsonschema_rs.validator_for(schema).validate(medium["example"])


def test_every_reference_leads_somewhere(document: Any) -> None:
    for reference in references(document):
        place = document
        for part in reference.removeprefix("#/").split("/"):
            place = place[part]


def references(value: Any) -> Iterator[str]:
    if isinstance(value, list):
        for one in value:
            yield from references(one)
    elif isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for one in value.values():
            yield from references(one)


def test_the_document_that_is_served_says_where(desk: Desk) -> None:
    served = desk.client.get("/openapi.json")
    assert served.headers["Content-Type"] == "application/json"
    assert served.json()["servers"] == [{"url": "http://icefloe.test"}]


# Examples of requests, and what there must be for them to be taken.


def nothing(desk: Desk) -> None:
    """An empty store."""


def workflow(desk: Desk) -> None:
    desk.save(EXAMPLE)


def run(desk: Desk) -> None:
    workflow(desk)
    inputs = {"asset": "a", "owner": "ann", "requester": "ada"}
    desk.store.create([NewRun(RUN_ID, EXAMPLE["name"], inputs, requested_by="ann")])


def asking(desk: Desk) -> None:
    run(desk)
    desk.engine.do(TaskSkipped("auto-approval", desk.engine.claim("auto-approval", RUN_ID), "no"), RUN_ID)
    desk.engine.suspend("manual-approval", RUN_ID, wants=Wants(None, ("ann",), {"approve": 1, "reject": 1}))


def failed(desk: Desk) -> None:
    run(desk)
    desk.engine.fail("auto-approval", RUN_ID)


def paused(desk: Desk) -> None:
    run(desk)
    desk.ask("ann", "admin").post(f"/v1/runs/{RUN_ID}/pause")


SCENES: dict[str, Callable[[Desk], None]] = {
    "create_workflow": nothing,
    "save_workflow": nothing,
    "validate_workflow": nothing,
    "start_run": workflow,
    "cancel_run": run,
    "pause_run": run,
    "resume_run": paused,
    "retry_run": failed,
    "skip_task": asking,
    "signal_task": asking,
    "decide": asking,
    "delegate": asking,
    "start_operation": run,
    "create_webhook": workflow,
}
ELSEWHERE = {"rotate_webhook", "use_link", "receive_webhook"}  # they need what only the answer before has


def test_every_example_of_a_request_is_sent_here_or_elsewhere() -> None:
    assert {name for name, (_, _, operation) in BY_ID.items() if "requestBody" in operation} == set(SCENES) | ELSEWHERE


@pytest.mark.parametrize("name", SCENES)
def test_the_example_of_a_request_is_accepted_and_answered_as_described(desk: Desk, document: Any, name: str) -> None:
    SCENES[name](desk)
    path, method, operation = BY_ID[name]
    address = path.format(**PARTS, name=EXAMPLE["name"])
    example = operation["requestBody"]["content"]["application/json"]["example"]
    if name == "retry_run":
        example = {**example, "skip": ["auto-approval"]}
    if name == "signal_task":
        example = {**example, "data": {"decision": "approve"}}
    roles = ("admin", "builder", "approver")
    answer = desk.ask("ann", *roles).ask(method.upper(), address, json=example)
    assert answer.is_success, answer.text
    described = operation["responses"][str(answer.status_code)]["content"]["application/json"]["schema"]
    jsonschema_rs.validator_for({**described, "components": document["components"]}).validate(answer.json())


def test_every_example_of_a_run_that_is_started_is_accepted(desk: Desk, document: Any) -> None:
    workflow(desk)
    for example in document["components"]["schemas"]["StartRun"]["examples"]:
        desk.ask("ann", "builder").post("/v1/runs", example)
