"""Examples for the OpenAPI document, where a route has none of its own: made from those of its models' fields."""

from collections.abc import Mapping
from typing import Any, Final

Schema = Mapping[str, Any]

_PREFIX: Final = "#/components/schemas/"
_GIVEN: Final = ("example", "const", "default")
_SCALARS: Final[dict[str, Any]] = {"string": "text", "integer": 1, "number": 1.0, "boolean": True, "null": None}


def example_of(schema: Schema, components: Mapping[str, Schema]) -> Any:
    """A value that fits a schema: its own example, or one put together from those of its parts."""
    if "$ref" in schema:
        return example_of(components[schema["$ref"].removeprefix(_PREFIX)], components)
    given = [*schema.get("examples", ()), *schema.get("enum", ()), *(schema[key] for key in _GIVEN if key in schema)]
    if given:
        return given[0]
    ways = schema.get("anyOf") or schema.get("oneOf") or schema.get("allOf")
    if ways:
        return example_of(ways[0], components)
    match schema.get("type"):
        case "object":
            return {
                name: example_of(one, components)
                for name, one in schema.get("properties", {}).items()
                if name in schema.get("required", ()) or one.get("examples")
            }
        case "array":
            return [example_of(schema["items"], components)] if "items" in schema else []
        case kind:
            return _SCALARS.get(str(kind))
