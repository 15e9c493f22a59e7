"""Whatever is sent, by whomever: no answer that isn't described, and no 500.

Schemathesis makes requests from the OpenAPI document, good ones and bad ones; half of them are about what is there.
`ICEFLOE_TEST_REQUESTS=50` makes so many for each operation, role and kind, instead of a few.
"""

import os
from typing import Any, Final

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from api.principal import Role
from api.schema import EXAMPLE
from engine.transitions import Wants
from tests.api.conftest import Desk, Person
from tests.api.test_openapi import BY_ID
from tests.api.test_runs import SKETCH
from tests.api.test_tasks import SIGNAL

REQUESTS: Final = int(os.environ.get("ICEFLOE_TEST_REQUESTS", "2"))
CHECKS: Final[list[Any]] = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
STREAMS: Final = {"follow_run", "follow_runs"}  # they don't end
ORDER: Final = ("get", "post", "put", "delete")  # what destroys comes last


def populated(desk: Desk) -> dict[str, list[str]]:
    """A store with workflows and runs of every kind; what the parts of addresses may be about."""
    for document in (EXAMPLE, SKETCH, SIGNAL):
        desk.save(document)
    people = {"asset": "a", "owner": "olga", "requester": "ada"}
    ids = []
    for who in ("ada", "olga"):
        somebody = desk.ask(who, "requester", "builder")
        ids += [str(somebody.post("/v1/runs", {"workflow": EXAMPLE["name"], "inputs": people})["id"])]
        for _ in range(3):
            ids.append(str(somebody.post("/v1/runs", {"workflow": "signal"})["id"]))
        desk.engine.suspend("wait", ids[-1], wants=Wants({"type": "object"}, ("olga", "ada"), {"*": 1}))
        desk.engine.fail("wait", ids[-2])
        somebody.post(f"/v1/runs/{ids[-3]}/cancel")
    root = desk.ask("root", "admin")
    hooks = [str(root.post("/v1/workflows/signal/webhooks", {})["id"])]
    operations = [str(root.post("/v1/operations", {"action": "pause", "filter": {"workflow": "sketch"}})["id"])]
    return {
        "run_id": ids,
        "name": [EXAMPLE["name"], "sketch", "signal"],
        "task": ["wait", "done", "manual-approval"],
        "type": list(desk.catalogue),
        "version": ["1"],
        "endpoint_id": hooks,
        "operation_id": operations,
    }


@pytest.mark.parametrize("role", Role)
def test_whatever_is_sent_is_answered_as_described(desk: Desk, role: Role) -> None:
    there = populated(desk)
    document = desk.client.get("/openapi.json").json()
    schema = schemathesis.openapi.from_dict(document)
    person = desk.ask("olga", role)
    faults: list[str] = []
    for name in sorted(set(BY_ID) - STREAMS, key=lambda one: (ORDER.index(BY_ID[one][1]), one)):
        operation = schema.find_operation_by_id(name)
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            try:
                _send_all(person, operation.as_strategy(generation_mode=mode), there)
            except Unsatisfiable:
                continue  # nothing about it can be wrong
            except Exception as error:  # noqa: BLE001 - all of them are told
                faults.append(f"{name}, {mode}: {error}")
    assert not faults, "\n\n".join(faults)


def _send_all(person: Person, cases: st.SearchStrategy[Case[Any]], there: dict[str, list[str]]) -> None:
    @seed(20261122)
    @settings(
        max_examples=REQUESTS,
        deadline=None,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=cases, data=st.data())
    def send(case: Case[Any], data: st.DataObject) -> None:
        for part in case.path_parameters or {}:
            if part in there and data.draw(st.booleans()):
                case.path_parameters[part] = data.draw(st.sampled_from(there[part]))
        if case.operation.label == "POST /v1/runs" and case.query:
            case.query.pop("wait", None)
        case.validate_response(_answer(person, case), checks=CHECKS)

    send()


def _answer(person: Person, case: Case[Any]) -> Any:
    kwargs = case.as_transport_kwargs("http://127.0.0.1")
    fields = ("method", "url", "headers", "params", "data", "json", "files", "cookies")
    sent = requests.Request(**{name: kwargs[name] for name in fields if name in kwargs}).prepare()
    headers = {
        name: value.encode("latin-1") if isinstance(value, str) else value for name, value in sent.headers.items()
    }
    return person.ask(str(sent.method), str(sent.path_url), content=sent.body, headers=headers)
