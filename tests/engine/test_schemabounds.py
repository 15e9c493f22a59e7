"""JSON Schemas that make too much work are refused before anything compiles them; those that people write are not."""

from time import perf_counter
from typing import Any, Final

import pytest

from engine.schemabounds import LOOKS, UnboundedError
from engine.schemas import compile_schema

LEAF: Final = {"type": "integer"}
SLOWEST: Final = 5.0  # seconds; what isn't bounded takes for ever


def doubling(levels: int, **how: Any) -> dict[str, Any]:
    """A schema that looks at `x` twice as often at each level."""
    definitions: dict[str, Any] = {
        f"a{level}": {"anyOf": [{"$ref": f"#/$defs/a{level + 1}", **how}] * 2} for level in range(levels)
    }
    return {"$defs": {**definitions, f"a{levels}": LEAF}, "properties": {"x": {"$ref": "#/$defs/a0"}}}


def tree(*ways: dict[str, Any]) -> dict[str, Any]:
    """A schema of values that hold values of the same kind."""
    return {"$defs": {"t": {"anyOf": [LEAF, *ways]}}, "properties": {"x": {"$ref": "#/$defs/t"}}}


T: Final = {"$ref": "#/$defs/t"}


@pytest.mark.parametrize(
    ("schema", "reason"),
    [
        (doubling(22), f"more than {LOOKS:,} times"),
        (doubling(60), f"more than {LOOKS:,} times"),
        ({"properties": {"x": {"anyOf": [LEAF] * (LOOKS + 1)}}}, f"more than {LOOKS:,} times"),
        (tree({"items": T}, {"items": T}), f"more than {LOOKS:,} times"),
        (tree({"items": {"allOf": [T, T]}}), f"more than {LOOKS:,} times"),
        (tree({"items": T, "contains": T}), f"more than {LOOKS:,} times"),
        (tree({"patternProperties": {".*": T, ".+": T}}), f"more than {LOOKS:,} times"),
        ({"$defs": {"a": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"}, "refers to itself without end"),
        ({"anyOf": [{"$ref": "#"}, LEAF]}, "refers to itself without end"),
        ({"$defs": {"a": {"$anchor": "b", "not": {"$ref": "#b"}}}, "$ref": "#b"}, "refers to itself without end"),
        ({"$defs": {"a~b": {"$ref": "#/$defs/a~0b"}}, "$ref": "#/$defs/a~0b"}, "refers to itself without end"),
        ({"$defs": {"a b": {}}, "$ref": "#/$defs/a%20b"}, "without '%'"),
        ({"$defs": {"a": {"$id": "urn:a", **LEAF}}, "$ref": "urn:a"}, r"has an `\$id`"),
        ({"$ref": "other.json"}, "refers to 'other.json'"),
    ],
)
def test_a_schema_that_makes_too_much_work_is_refused_at_once(schema: dict[str, Any], reason: str) -> None:
    began = perf_counter()
    with pytest.raises(UnboundedError, match=reason):
        compile_schema(schema)
    assert perf_counter() - began < SLOWEST


@pytest.mark.parametrize(
    ("schema", "good", "bad"),
    [
        (doubling(4), {"x": 1}, {"x": "a"}),
        (tree({"properties": {"left": T, "right": T}}), {"x": {"left": {"right": 1}}}, {}),
        (tree({"items": T}, {"additionalProperties": T}), {"x": [{"a": [1]}]}, {}),
        ({"properties": {f"p{nr}": {"properties": {"id": LEAF}} for nr in range(3000)}}, {"p7": {"id": 1}}, {}),
        (
            {"$id": "urn:w", "$defs": {"a": {"$anchor": "b", **LEAF}}, "additionalProperties": {"$ref": "#b"}},
            {"a": 1},
            {},
        ),
        (
            {"properties": {"x": {"$ref": "https://json-schema.org/draft/2020-12/schema"}}},
            {"x": {}},
            {"x": {"type": 1}},
        ),
    ],
)
def test_what_people_write_is_taken(schema: dict[str, Any], good: Any, bad: Any) -> None:
    compiled = compile_schema(schema)
    assert compiled.faults(good, at="") == []
    assert not bad or compiled.faults(bad, at="")
