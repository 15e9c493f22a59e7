"""The catalogue of block types: whoever has it can draw a palette, and a form for the arguments of each."""

from typing import Any

import jsonschema_rs
import pytest

from tests.api.conftest import Desk

WIDGETS = {
    "string": "text",
    "integer": "number",
    "number": "number",
    "boolean": "checkbox",
    "array": "list",
    "object": "object",
    None: "any JSON",
}


def test_the_catalogue_has_every_block_type_for_anybody(desk: Desk) -> None:
    found = desk.ask("ada", "requester").get("/v1/blocks")
    assert [one["type"] for one in found["items"]] == list(desk.catalogue)
    assert found["cursor"] is None


def test_a_palette_can_be_drawn(desk: Desk) -> None:
    for block in desk.ask("ada", "requester").get("/v1/blocks")["items"]:
        for text in ("title", "category", "icon", "description"):
            assert block[text], (block["type"], text)
        assert block["retry"]["max_attempts"] >= 1
        assert block["examples"]


def test_one_block_type_is_read_as_the_list_has_it(desk: Desk) -> None:
    ada = desk.ask("ada", "requester")
    for block in ada.get("/v1/blocks")["items"]:
        assert ada.get(f"/v1/blocks/{block['type']}") == block


def test_a_misspelt_type_is_told_the_nearest(desk: Desk) -> None:
    answer = desk.ask("ada", "viewer").ask("GET", "/v1/blocks/HTTP")
    assert (answer.status_code, "did you mean 'HTTP_REQUEST'?" in answer.text) == (404, True)


@pytest.mark.parametrize("path", ["/v1/blocks", "/v1/blocks/NOOP"])
def test_who_has_the_catalogue_already_isnt_sent_it_again(desk: Desk, path: str) -> None:
    ada = desk.ask("ada", "requester")
    tag = ada.ask("GET", path).headers["ETag"]
    again = ada.ask("GET", path, headers={"If-None-Match": tag})
    assert (again.status_code, again.content) == (304, b"")


def test_a_form_can_be_drawn_for_the_arguments_of_every_type(desk: Desk) -> None:
    for block in desk.ask("ada", "requester").get("/v1/blocks")["items"]:
        schema = block["arguments"]
        drawn = [field(schema, name, one) for name, one in schema.get("properties", {}).items()]
        assert all(one["label"] and one["help"] and one["widget"] for one in drawn), (block["type"], drawn)


def test_the_examples_that_are_no_references_fit_the_schemas(desk: Desk) -> None:
    for block in desk.ask("ada", "requester").get("/v1/blocks")["items"]:
        jsonschema_rs.meta.validate(block["arguments"])
        jsonschema_rs.meta.validate(block["outputs"])
        assert block["signal"] is None or jsonschema_rs.meta.is_valid(block["signal"])


def field(root: dict[str, Any], name: str, schema: dict[str, Any]) -> dict[str, str]:
    """How a simple renderer, which knows nothing but JSON Schema, shows one argument."""
    while "$ref" in schema:
        schema = {
            **root["$defs"][schema["$ref"].removeprefix("#/$defs/")],
            **{k: v for k, v in schema.items() if k != "$ref"},
        }
    label = schema.get("title") or name
    return {"label": label, "help": schema.get("description", ""), "widget": widget(root, schema)}


def widget(root: dict[str, Any], schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        return field(root, "", schema)["widget"]
    if "enum" in schema or "const" in schema:
        return "choice"
    if "anyOf" in schema:
        ways = {widget(root, one) for one in schema["anyOf"] if one.get("type") != "null"}
        return ways.pop() if len(ways) == 1 else "one of"
    for name, one in schema.get("properties", {}).items():
        assert field(root, name, one)["help"], name
    return WIDGETS[schema.get("type")]
