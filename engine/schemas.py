"""JSON Schemas that users write: compiled once, checked in linear time, with defaults filled in."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import jsonschema_rs

from engine.faults import Fault, nearest
from engine.schemabounds import see_that_it_is_bounded


@dataclass(frozen=True, slots=True)
class Schema:
    """A compiled JSON Schema."""

    document: Mapping[str, Any]
    validator: Any

    def faults(self, value: object, *, at: str) -> list[Fault]:
        """Every way in which `value` doesn't fit, with paths that begin with `at`."""
        if self.validator is None or self.validator.is_valid(value):
            return []
        return [fault for error in self.validator.iter_errors(value) for fault in self._told(error, at)]

    def _told(self, error: jsonschema_rs.ValidationError, at: str) -> Iterator[Fault]:
        """An error at the place that a form has for it: a property that is missing, or too many, is named there."""
        place = at + "".join(_segment(part) for part in error.instance_path)
        match error.kind:
            case jsonschema_rs.ValidationErrorKind.Required(property=name):
                yield Fault(place + _segment(name), "is required")
            case jsonschema_rs.ValidationErrorKind.AdditionalProperties(unexpected=names):
                known = _properties(self.document, error.schema_path[:-1])
                for name in names:
                    yield Fault(place + _segment(name), f"is not known here{nearest(name, known)}")
            case _:
                yield Fault(place, error.message)

    def with_defaults(self, value: dict[str, Any]) -> dict[str, Any]:
        """`value`, with the defaults of absent properties, also of nested objects."""
        return _filled(self.document, value)


def _segment(part: str | int) -> str:
    return f"[{part}]" if isinstance(part, int) else f".{part}"


def _properties(schema: Any, path: list[str | int]) -> list[str]:
    """The names of the properties that the schema at a path within `schema` declares."""
    for part in path:
        schema = schema[part]
    return list(schema.get("properties", {}))


def _filled(schema: Mapping[str, Any], value: dict[str, Any]) -> dict[str, Any]:
    filled = dict(value)
    for name, inner in schema.get("properties", {}).items():
        if not isinstance(inner, Mapping):
            continue
        if name not in filled and "default" in inner:
            filled[name] = inner["default"]
        if isinstance(filled.get(name), dict):
            filled[name] = _filled(inner, filled[name])
    return filled


def compile_schema(document: Mapping[str, Any]) -> Schema:
    """Compile a JSON Schema (draft 2020-12 unless it says otherwise); it may refer to nothing outside itself.

    Regular expressions in it are matched in linear time, and no value is looked at more often than it may be.

    Raises:
        ValueError: it is no valid schema, or makes too much work.
    """
    if not document:
        return Schema(document, None)
    see_that_it_is_bounded(document)
    try:
        validator = jsonschema_rs.validator_for(
            dict(document), offline=True, pattern_options=jsonschema_rs.RegexOptions(), validate_formats=True
        )
    except (ValueError, jsonschema_rs.ReferencingError) as error:
        where = "".join(_segment(part) for part in getattr(error, "instance_path", ()))
        message = f"not a JSON Schema{' at ' + where.lstrip('.') if where else ''}: {getattr(error, 'message', error)}"
        raise ValueError(message) from error
    return Schema(document, validator)
