"""The inputs that a workflow declares: what is wrong with the JSON Schema of them, and which names it has."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from engine.faults import Fault, shown
from engine.schemas import Schema, compile_schema

_LISTS: Final = ("allOf", "anyOf", "oneOf")
_SINGLES: Final = ("if", "then", "else")
_OF_OBJECTS: Final = {
    *("$dynamicRef", "$ref", "additionalProperties", "dependentRequired", "dependentSchemas", "maxProperties"),
    *("minProperties", "patternProperties", "properties", "propertyNames", "required", "unevaluatedProperties"),
    *_LISTS,
    *_SINGLES,
}
_FOR_DEFAULTS: Final = ("$schema", "$defs", "definitions", "properties")
_SHOWN: Final = 300


def schema_faults(schema: Mapping[str, Any]) -> list[Fault]:
    """What is wrong with the schema: it is none, it isn't that of an object, or its defaults don't fit it."""
    try:
        compile_schema(schema)
        checked = compile_schema({key: schema[key] for key in _FOR_DEFAULTS if key in schema})
    except ValueError as error:
        return [Fault("inputs", str(error)[:_SHOWN])]
    kind = schema.get("type")
    if kind is None and schema and not _OF_OBJECTS & schema.keys():
        hint = ", ".join(shown(name) for name in list(schema)[:3])
        return [Fault("inputs", f'must be a JSON Schema with "type": "object"; put {hint} under "properties"')]
    if kind is not None and "object" not in (kind if isinstance(kind, list) else [kind]):
        return [Fault("inputs.type", 'must be "object", since the inputs of a run are one')]
    return list(_misfit_defaults(schema, checked))


def _misfit_defaults(schema: Mapping[str, Any], checked: Schema) -> Iterator[Fault]:
    for name, inner in schema.get("properties", {}).items():
        if isinstance(inner, dict) and "default" in inner:
            for fault in checked.faults({name: inner["default"]}, at=""):
                told = Fault(fault.path.removeprefix(f".{name}").removeprefix("."), fault.message)
                yield Fault(f"inputs.properties.{name}.default", f"doesn't fit: {str(told)[:_SHOWN]}")


def declared_inputs(schema: Mapping[str, Any]) -> frozenset[str] | None:
    """The names of the inputs that there can be; None if there can be any.

    A name counts if a schema that applies to the inputs as a whole has it under `properties` or `required`. Any name
    goes if one of them says so (`additionalProperties`, `patternProperties`), or refers to where we don't look.
    """
    names: set[str] = set()
    seen: set[int] = set()
    queue: list[Any] = [schema]
    while queue:
        one = queue.pop()
        if not isinstance(one, dict) or id(one) in seen:
            continue
        seen.add(id(one))
        if _is_open(one):
            return None
        if "$ref" in one:
            target = _target(schema, one["$ref"])
            if target is None:
                return None
            queue.append(target)
        names.update(one.get("properties", ()), one.get("required", ()))
        queue.extend(one[key] for key in _SINGLES if key in one)
        queue.extend(inner for key in _LISTS for inner in one.get(key, ()))
        queue.extend(one.get("dependentSchemas", {}).values())
    return frozenset(names)


def _is_open(schema: Mapping[str, Any]) -> bool:
    others = (schema.get("additionalProperties", False), schema.get("unevaluatedProperties", False))
    return others != (False, False) or bool(schema.get("patternProperties")) or "$dynamicRef" in schema


def _target(schema: Mapping[str, Any], reference: str) -> Any:
    """What `#/$defs/name` refers to; None if it is elsewhere, or written in another way."""
    if reference == "#":
        return schema
    if not reference.startswith("#/") or "%" in reference:
        return None
    found: Any = schema
    for part in reference[2:].split("/"):
        key = part.replace("~1", "/").replace("~0", "~")
        if not isinstance(found, dict) or key not in found:
            return None
        found = found[key]
    return found
