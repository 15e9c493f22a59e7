"""Workflows: saving them in versions, reading and deleting them, checking drafts, and the published schema."""

import json
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from api.schema import DURATION, EXAMPLE, workflow_schema
from blocks.catalogue import Catalogue
from engine.durations import parse_duration
from engine.shapes import read_shape
from engine.validation import check
from tests.api.conftest import Desk
from tests.api.test_runs import ORDER, SKETCH

EXAMPLES = sorted((Path(__file__).parents[2] / "examples" / "workflows").glob("*.json"))


def changed(description: str, **fields: Any) -> dict[str, Any]:
    return {**SKETCH, "description": description, **fields}


def put(desk: Desk, document: object, match: str | None = None, name: str = "sketch") -> Any:
    headers = {} if match is None else {"If-Match": match}
    return desk.ask("ann", "builder").ask("PUT", f"/v1/workflows/{name}", json=document, headers=headers)


def test_a_workflow_is_created_in_the_callers_tenant(desk: Desk) -> None:
    answer = desk.ask("ann", "builder", tenant="acme").ask("POST", "/v1/workflows", json=SKETCH)
    assert (answer.status_code, answer.headers["Location"]) == (201, "/v1/workflows/sketch")
    assert answer.headers["ETag"] == '"1"'
    saved = answer.json()["workflow"]
    assert (saved["tenant"], saved["version"], saved["created_by"]) == ("acme", 1, "ann")
    assert desk.store.workflow("sketch") is None
    assert desk.store.workflow("sketch", tenant="acme") is not None


def test_a_name_is_created_once(desk: Desk) -> None:
    ann = desk.ask("ann", "builder")
    ann.post("/v1/workflows", SKETCH)
    answer = ann.ask("POST", "/v1/workflows", json=changed("other"))
    assert (answer.status_code, answer.json()["code"]) == (409, "workflow-exists")


def test_of_many_who_create_a_name_at_once_one_does(desk: Desk) -> None:
    ann = desk.ask("ann", "builder")
    with ThreadPoolExecutor(8) as threads:
        answers = list(
            threads.map(lambda nr: ann.ask("POST", "/v1/workflows", json=changed(str(nr))).status_code, range(12))
        )
    assert sorted(answers) == [201] + [409] * 11


def test_a_workflow_is_refused_for_all_of_its_faults(desk: Desk) -> None:
    tasks = [{"name": "a", "type": "NOPE"}, {"name": "b", "type": "NOOP", "depends": "aa"}]
    document = {**SKETCH, "colour": "red", "tenant": "other", "dag": {**SKETCH["dag"], "tasks": tasks}}
    answer = desk.ask("ann", "builder").ask("POST", "/v1/workflows", json=document)
    assert answer.status_code == 422
    paths = {fault["path"] for fault in answer.json()["faults"]}
    assert {"colour", "tenant", "dag.tasks[0].type", "dag.tasks[1].depends"} <= paths


@pytest.mark.parametrize(
    ("document", "path"),
    [
        ([], ""),
        ({**SKETCH, "name": "inline-0123456789abcdef"}, "name"),
        ({**SKETCH, "tenant": "other"}, "tenant"),
        ({**SKETCH, "tenant": 7}, "tenant"),
    ],
)
def test_what_is_no_workflow_of_ones_own_is_refused(desk: Desk, document: object, path: str) -> None:
    answer = desk.ask("ann", "builder").ask("POST", "/v1/workflows", json=document)
    assert (answer.status_code, [fault["path"] for fault in answer.json()["faults"]]) == (422, [path])


def test_json_is_read_strictly_and_said_to_be_json(desk: Desk) -> None:
    ann = desk.ask("ann", "builder")
    twice = ann.ask(
        "POST", "/v1/workflows", content=b'{"name": "a", "name": "b"}', headers={"Content-Type": "application/json"}
    )
    assert (twice.status_code, "given twice" in twice.text) == (422, True)
    plain = ann.ask("POST", "/v1/workflows", content=json.dumps(SKETCH), headers={"Content-Type": "text/plain"})
    assert (plain.status_code, plain.json()["code"]) == (415, "unsupported-media-type")


def test_warnings_refuse_nothing_and_are_told(desk: Desk) -> None:
    tasks = [
        {"name": "a", "type": "HTTP_REQUEST", "arguments": {"url": "https://example.org"}},
        {"name": "b", "type": "NOOP", "depends": "a"},
    ]
    document = {**SKETCH, "dag": {"entrypoint": "a", "exitpoints": ["b"], "tasks": tasks}}
    answer = desk.ask("ann", "builder").post("/v1/workflows", document)
    assert [one["path"] for one in answer["warnings"]] == ["dag.tasks"]


def test_a_new_version_follows_the_one_that_was_read(desk: Desk) -> None:
    assert put(desk, SKETCH).status_code == 201
    without = put(desk, changed("2"))
    assert (without.status_code, without.json()["code"]) == (428, "if-match-required")
    second = put(desk, changed("2"), '"1"')
    assert (second.status_code, second.headers["ETag"]) == (200, '"2"')
    for stale in ('"1"', '"7"', "2", 'W/"2"', '"x"', '"02"', f'"{"0" * 17}21"'):
        late = put(desk, changed("3"), stale)
        assert (late.status_code, late.json()["code"]) == (412, "version-differs"), stale
    assert put(desk, changed("3"), "*").headers["ETag"] == '"3"'


def test_equal_content_is_no_new_version(desk: Desk) -> None:
    put(desk, SKETCH)
    read = desk.ask("ann", "builder").get("/v1/workflows/sketch")
    again = put(desk, read, '"1"')
    assert (again.status_code, again.headers["ETag"]) == (200, '"1"')
    assert again.json()["workflow"] == read


def test_what_was_deleted_meanwhile_isnt_brought_back_unknowingly(desk: Desk) -> None:
    put(desk, SKETCH)
    desk.ask("ann", "builder").delete("/v1/workflows/sketch")
    late = put(desk, changed("2"), '"1"')
    assert late.status_code == 412
    assert put(desk, changed("2")).json()["workflow"]["version"] == 2


def test_of_many_who_save_the_next_version_at_once_one_does(desk: Desk) -> None:
    put(desk, SKETCH)
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda nr: put(desk, changed(str(nr)), '"1"').status_code, range(12)))
    assert sorted(answers) == [200] + [412] * 11


def test_the_name_in_a_document_is_that_of_its_address(desk: Desk) -> None:
    nameless = {key: value for key, value in SKETCH.items() if key != "name"}
    assert put(desk, nameless).json()["workflow"]["name"] == "sketch"
    other = put(desk, SKETCH, name="other")
    assert (other.status_code, other.json()["faults"][0]["path"]) == (422, "name")


def test_workflows_are_listed_by_name_without_those_that_runs_brought_along(desk: Desk) -> None:
    ann = desk.ask("ann", "builder")
    for name in ("z", "a", "b"):
        ann.post("/v1/workflows", changed(name, name=name, labels={"team": "x" if name == "b" else "y"}))
    ann.post("/v1/runs", {"definition": SKETCH})
    desk.save({**SKETCH, "name": "d"}, tenant="other")
    first = desk.ask("vera", "viewer").get("/v1/workflows?limit=2")
    assert [one["name"] for one in first["items"]] == ["a", "b"]
    assert first["items"][0].items() >= {"version": 1, "description": "a", "tasks": 1, "created_by": "ann"}.items()
    second = ann.get(f"/v1/workflows?limit=2&cursor={first['cursor']}")
    assert ([one["name"] for one in second["items"]], second["cursor"]) == (["z"], None)
    assert [one["name"] for one in ann.get("/v1/workflows?label=team=y")["items"]] == ["a", "z"]
    assert ann.ask("GET", "/v1/workflows/zz").json()["detail"].endswith("(did you mean 'z'?)")
    assert ann.ask("GET", "/v1/workflows?label=team").status_code == 422


def test_versions_are_listed_the_latest_first_and_read_for_ever(desk: Desk) -> None:
    for number in range(5):
        put(desk, changed(str(number)), None if number == 0 else f'"{number}"')
    vera = desk.ask("vera", "viewer")
    first = vera.get("/v1/workflows/sketch/versions?limit=3")
    second = vera.get(f"/v1/workflows/sketch/versions?limit=3&cursor={first['cursor']}")
    assert [one["version"] for one in first["items"] + second["items"]] == [5, 4, 3, 2, 1]
    assert vera.get("/v1/workflows/sketch/versions/2")["description"] == "1"
    tagged = vera.ask("GET", "/v1/workflows/sketch", headers={"If-None-Match": '"5"'})
    assert (tagged.status_code, tagged.content) == (304, b"")
    assert tagged.headers["Vary"] == "Authorization"  # what a cache has of another caller's version 1 isn't this one
    for cursor in ("x", f"{'0' * 12}{'9' * 20}"):
        assert vera.ask("GET", f"/v1/workflows/sketch/versions?cursor={cursor}").status_code == 422


@pytest.mark.parametrize(
    "path",
    [
        "sketsch",
        "sketsch/versions",
        "sketsch/inputs",
        "sketsch/versions/1",
        "sketch/versions/9",
        "sketch/inputs?version=9",
    ],
)
def test_what_isnt_there_isnt_found(desk: Desk, path: str) -> None:
    put(desk, SKETCH)
    answer = desk.ask("vera", "viewer").ask("GET", f"/v1/workflows/{path}")
    assert (answer.status_code, answer.json()["code"]) == (404, "not-found")
    assert ("sketsch" not in path) or "did you mean 'sketch'?" in answer.json()["detail"]


def test_workflows_of_another_tenant_dont_exist(desk: Desk) -> None:
    put(desk, SKETCH)
    stranger = desk.ask("root", "admin", tenant="other")
    assert stranger.get("/v1/workflows")["items"] == []
    for method, path in (("GET", ""), ("GET", "/versions"), ("GET", "/versions/1"), ("GET", "/inputs"), ("DELETE", "")):
        assert stranger.ask(method, f"/v1/workflows/sketch{path}").status_code == 404


def test_a_deleted_workflow_is_gone_and_its_runs_go_on(desk: Desk) -> None:
    put(desk, SKETCH)
    ann = desk.ask("ann", "builder")
    run = ann.post("/v1/runs", {"workflow": "sketch"})
    ann.delete("/v1/workflows/sketch")
    assert ann.ask("GET", "/v1/workflows/sketch").status_code == 404
    assert ann.ask("DELETE", "/v1/workflows/sketch").status_code == 404
    assert ann.ask("POST", "/v1/runs", json={"workflow": "sketch"}).status_code == 422
    assert desk.engine.finish(run["id"]).status == "SUCCESS"


def test_a_workflow_that_somebody_has_changed_meanwhile_is_not_deleted(desk: Desk) -> None:
    put(desk, SKETCH)
    put(desk, changed("2"), '"1"')
    ann = desk.ask("ann", "builder")
    webhook = ann.post("/v1/workflows/sketch/webhooks", {})
    for stale in ('"1"', '"3"', "2"):
        late = ann.ask("DELETE", "/v1/workflows/sketch", headers={"If-Match": stale})
        assert (late.status_code, late.json()["code"]) == (412, "version-differs"), stale
    assert [one["id"] for one in ann.get("/v1/workflows/sketch/webhooks")["items"]] == [webhook["id"]]
    ann.delete("/v1/workflows/sketch", headers={"If-Match": '"2"'})
    assert ann.ask("DELETE", "/v1/workflows/sketch", headers={"If-Match": '"2"'}).status_code == 404
    put(desk, SKETCH)
    ann.delete("/v1/workflows/sketch", headers={"If-Match": "*"})


def test_only_builders_save(desk: Desk) -> None:
    put(desk, SKETCH)
    for role in ("requester", "approver", "viewer"):
        somebody = desk.ask("x", role)
        for method, path in (("POST", ""), ("PUT", "/sketch"), ("DELETE", "/sketch")):
            assert somebody.ask(method, f"/v1/workflows{path}", json=SKETCH).status_code == 403


def test_a_form_can_be_drawn_from_the_inputs(desk: Desk) -> None:
    desk.save(ORDER)
    schema = desk.ask("ada", "requester").get("/v1/workflows/order/inputs")
    assert schema["title"] == "order"
    assert schema["properties"] == ORDER["inputs"]["properties"]
    assert schema["default"] == {"risk": "high"}
    assert jsonschema_rs.validator_for(schema).is_valid({"asset": "x"})


def test_a_draft_is_told_everything_whatever_it_is_like(desk: Desk) -> None:
    ann = desk.ask("ann", "builder")
    good = ann.post("/v1/validate", SKETCH)
    assert (good["valid"], good["faults"], good["workflow"]["tenant"]) == (True, [], "default")
    bad = ann.post("/v1/validate", {**SKETCH, "dag": {}})
    assert (bad["valid"], bad["workflow"]) == (False, None)
    assert {"dag.entrypoint", "dag.tasks"} <= {fault["path"] for fault in bad["faults"]}
    for broken in (b"", b"{", b"[]", b"null", b'{"name": NaN}', b"\xff"):
        answer = ann.ask("POST", "/v1/validate", content=broken, headers={"Content-Type": "application/json"})
        assert (answer.status_code, answer.json()["valid"]) == (200, False)
        assert answer.json()["faults"]
    assert desk.store.workflows() == []


@pytest.fixture(scope="session")
def published(catalogue: Catalogue) -> Any:
    """The published schema, compiled."""
    return jsonschema_rs.validator_for(workflow_schema(catalogue))


def test_the_schema_is_a_schema_that_describes_every_field(desk: Desk) -> None:
    schema = desk.ask("vera", "viewer").get("/v1/schema/workflow")
    jsonschema_rs.meta.validate(schema)
    assert schema["$schema"].endswith("2020-12/schema")
    described = [schema, *(schema["$defs"][name] for name in ("Dag", "TaskSpec", "Retry", "Condition"))]
    for one in described:
        assert one["description"]
        for name, field in one["properties"].items():
            assert field.get("description") or name == "operator", name
    assert schema["$defs"]["TaskSpec"]["properties"]["type"]["enum"] == list(desk.catalogue)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_every_example_fits_the_schema(published: Any, path: Path) -> None:
    published.validate(json.loads(path.read_text()))


def test_the_schemas_own_example_fits_and_is_valid(published: Any, catalogue: Catalogue) -> None:
    published.validate(EXAMPLE)
    assert check(EXAMPLE, catalogue).faults == ()


def test_the_examples_of_every_block_type_fit_the_schema(published: Any, catalogue: Catalogue) -> None:
    for block in catalogue.values():
        for arguments in block.examples:
            tasks = [{"name": "a", "type": block.type, "arguments": dict(arguments)}]
            published.validate({**SKETCH, "dag": {**SKETCH["dag"], "tasks": tasks}})


@pytest.mark.parametrize(
    "task",
    [
        {"arguments": [{"url": "https://example.org"}, {"method": "POST"}]},
        {"arguments": {"url": "https://example.org", "method": "{{ inputs.method }}"}},
        {"arguments": {"url": "https://example.org", "expect_status": "2xx"}},
        {"when": {"left": 1, "operator": "exists"}},
        {"when": [{"left": 1, "operator": "==", "right": None}]},
        {"depends": ""},
        {"timeout": "PT5M", "retry": {"max_attempts": 3, "initial_interval": "1.5s"}},
    ],
)
def test_what_may_be_written_in_short_fits_the_schema(published: Any, catalogue: Catalogue, task: Any) -> None:
    whole = {"name": "a", "type": "HTTP_REQUEST", "arguments": {"url": "https://example.org"}, **task}
    document = {**SKETCH, "dag": {**SKETCH["dag"], "tasks": [whole]}}
    assert read_shape(document, catalogue).faults == ()
    published.validate(document)


@pytest.mark.parametrize(
    "task",
    [
        {"arguments": {"url": "https://example.org", "methd": "POST"}},
        {"arguments": {"url": "https://example.org", "method": "FETCH"}},
        {"arguments": {}},
        {"type": "HTTP"},
    ],
)
def test_arguments_that_cant_fit_their_block_fail_the_schema(published: Any, task: Any) -> None:
    whole = {"name": "a", "type": "HTTP_REQUEST", "arguments": {"url": "https://example.org"}, **task}
    assert not published.is_valid({**SKETCH, "dag": {**SKETCH["dag"], "tasks": [whole]}})


BAD_FORMS: list[tuple[tuple[str | int, ...], Any]] = [
    ((), []),
    (("name",), "7up"),
    (("name",), "x" * 64),
    (("nmae",), "x"),
    (("labels",), {"a": 1}),
    (("inputs",), []),
    (("timeout",), "1 hour"),
    (("timeout",), "P1M"),
    (("version",), 0),
    (("dag",), None),
    (("dag", "entrypoint"), 7),
    (("dag", "exitpoints"), []),
    (("dag", "exitpoints"), "a"),
    (("dag", "tasks"), []),
    (("dag", "tasks", 0), "a"),
    (("dag", "tasks", 0, "name"), "a.b"),
    (("dag", "tasks", 0, "type"), "noop"),
    (("dag", "tasks", 0, "arguments"), "x"),
    (("dag", "tasks", 0, "arguments"), [1]),
    (("dag", "tasks", 0, "depends"), 7),
    (("dag", "tasks", 0, "when"), {"left": 1, "operator": "=="}),
    (("dag", "tasks", 0, "when"), {"left": 1, "operator": "exists", "right": 2}),
    (("dag", "tasks", 0, "when"), {"left": 1, "operator": "~", "right": 2}),
    (("dag", "tasks", 0, "retry"), {"max_attempts": 0}),
    (("dag", "tasks", 0, "retry"), {"attempts": 3}),
    (("dag", "tasks", 0, "allow_failure"), "yes"),
]


@pytest.mark.parametrize(("place", "value"), BAD_FORMS, ids=str)
def test_what_is_refused_for_its_form_fails_the_schema(
    published: Any, catalogue: Catalogue, place: tuple[str | int, ...], value: Any
) -> None:
    document: Any = json.loads(json.dumps(SKETCH))
    inner = document
    for part, _ in pairwise(place):
        inner = inner[part]
    if place:
        inner[place[-1]] = value
    else:
        document = value
    assert read_shape(document, catalogue).faults
    assert not published.is_valid(document)


@given(st.from_regex(r"P?([0-9]{1,3}(\.[0-9])?(w|d|h|m|s|ms|W|D|H|M|S)?){0,3}(T[0-9]{1,2}[HMS])?", fullmatch=True))
@example("P")
@example("PT")
@example("P1M")
@example("30s")
@example("PT1H30M")
def test_the_pattern_of_durations_is_that_which_is_read(text: str) -> None:
    try:
        parse_duration(text)
    except ValueError as error:
        refused = "longer than" not in str(error)  # which no pattern tells
    else:
        refused = False
    assert jsonschema_rs.validator_for({"pattern": DURATION}).is_valid(text) != refused
