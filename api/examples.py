"""Examples for the OpenAPI document, where a route has none of its own: made from those of its models' fields."""

from collections.abc import Mapping
from typing import Any, Final

Schema = Mapping[str, Any]

_PREFIX: Final = "#/components/schemas/"
_NULL: Final = {"type": "null"}
_GIVEN: Final = ("example", "const", "default")
_SCALARS: Final[dict[str, Any]] = {"string": "text", "integer": 1, "number": 1.0, "boolean": True}


def example_of(schema: Schema, components: Mapping[str, Schema]) -> Any:
    """A value that fits a schema: its own example, or one put together from those of its parts."""
    if "$ref" in schema:
        return example_of(components[schema["$ref"].removeprefix(_PREFIX)], components)
    given = [*schema.get("examples", ()), *schema.get("enum", ()), *(schema[key] for key in _GIVEN if key in schema)]
    if given:
        return whole(given[0], schema, components)
    ways = schema.get("anyOf") or schema.get("oneOf") or schema.get("allOf")
    if ways:
        return None if _NULL in ways else example_of(ways[0], components)
    match schema.get("type"):
        case "object":
            told = {name: one for name, one in schema.get("properties", {}).items() if one.get("examples")}
            return whole({name: one["examples"][0] for name, one in told.items()}, schema, components)
        case "array":
            return [example_of(schema["items"], components)] if "items" in schema else []
        case kind:
            return _SCALARS.get(str(kind))


def whole(example: Any, schema: Schema, components: Mapping[str, Schema]) -> Any:
    """An example with whatever its schema requires besides: FastAPI leaves out of examples what is null."""
    if "$ref" in schema:
        return whole(example, components[schema["$ref"].removeprefix(_PREFIX)], components)
    ways = [one for one in schema.get("anyOf", ()) if one != _NULL]
    if example is not None and len(ways) == 1:
        return whole(example, ways[0], components)
    if isinstance(example, list) and isinstance(schema.get("items"), Mapping):
        return [whole(one, schema["items"], components) for one in example]
    if not isinstance(example, dict):
        return example
    parts = schema.get("properties", {})
    missing = {name: example_of(parts[name], components) for name in schema.get("required", ()) if name not in example}
    return {**{name: whole(one, parts.get(name, {}), components) for name, one in example.items()}, **missing}
