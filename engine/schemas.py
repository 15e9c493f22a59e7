"""JSON Schemas that users write: compiled once, checked in linear time, with defaults filled in."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jsonschema_rs

from engine.faults import Fault


@dataclass(frozen=True, slots=True)
class Schema:
    """A compiled JSON Schema."""

    document: Mapping[str, Any]
    validator: Any

    def faults(self, value: object, *, at: str) -> list[Fault]:
        """Every way in which `value` doesn't fit, with paths that begin with `at`."""
        if self.validator is None or self.validator.is_valid(value):
            return []
        return [
            Fault(at + "".join(_segment(part) for part in error.instance_path), error.message)
            for error in self.validator.iter_errors(value)
        ]

    def with_defaults(self, value: dict[str, Any]) -> dict[str, Any]:
        """`value`, with the defaults of absent properties, also of nested objects."""
        return _filled(self.document, value)


def _segment(part: str | int) -> str:
    return f"[{part}]" if isinstance(part, int) else f".{part}"


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

    Regular expressions in it are matched in linear time.

    Raises:
        ValueError: it is no valid schema.
    """
    if not document:
        return Schema(document, None)
    try:
        validator = jsonschema_rs.validator_for(
            dict(document), offline=True, pattern_options=jsonschema_rs.RegexOptions(), validate_formats=True
        )
    except (ValueError, jsonschema_rs.ReferencingError) as error:
        where = "".join(_segment(part) for part in getattr(error, "instance_path", ()))
        message = f"not a JSON Schema{' at ' + where.lstrip('.') if where else ''}: {getattr(error, 'message', error)}"
        raise ValueError(message) from error
    return Schema(document, validator)
