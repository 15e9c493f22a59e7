"""What pydantic finds wrong with a request, in our words: a place, a sentence, and the nearest name.

RequestValidationError ─► the place in the request, never the value: that may be a secret ─► Fault
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, get_args

from fastapi import Request
from fastapi.routing import APIRoute
from pydantic import BaseModel, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

from engine.faults import Fault, nearest

_LOCATIONS: Final = {"body": "", "query": "query", "path": "path", "header": "header", "cookie": "cookie"}

MISSING: Final = Fault("", "the body is missing: this takes a JSON object")


@dataclass(frozen=True, slots=True)
class Spelled:
    """How a text is to be written, as a regular expression for programs and as a sentence for people."""

    pattern: str
    sentence: str

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        spelled = core_schema.custom_error_schema(
            core_schema.str_schema(pattern=self.pattern),
            custom_error_type="spelling",
            custom_error_message=self.sentence,
        )
        return core_schema.chain_schema([handler(source), spelled])

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {**handler(schema), "pattern": self.pattern}


def fault(error: Mapping[str, Any], request: Request) -> Fault:
    """An error of pydantic's as one of ours."""
    place, *steps = error["loc"] or ("body",)
    path = _LOCATIONS.get(str(place), str(place))
    for step in steps:
        path += f"[{step}]" if isinstance(step, int) else f".{step}" if path else str(step)
    match error["type"]:
        case "missing":
            return Fault(path, "is required") if path else MISSING
        case "extra_forbidden":
            known = _names(request, str(place), steps[:-1])
            return unknown(path, str(steps[-1]), known)
        case "model_type" | "model_attributes_type" | "dict_type":
            return Fault(path, "should be an object")
        case "too_long" | "string_too_long":
            return Fault(path, f"should have at most {_counted(error['ctx']['max_length'], error['input'])}")
        case "too_short" | "string_too_short":
            return Fault(path, f"should have at least {_counted(error['ctx']['min_length'], error['input'])}")
        case _:
            return Fault(path, str(error["msg"]).removeprefix("Value error, ").replace("Input should", "should"))


def _counted(length: int, given: object) -> str:
    """So many of what something consists of."""
    what = "character" if isinstance(given, str) else "item"
    return f"{length:,} {what}{'' if length == 1 else 's'}"


def unknown(path: str, name: str, known: Sequence[str]) -> Fault:
    """What is to be said of a name that isn't one of those that are known at this place."""
    hint = nearest(name, known) or (f"; there are {', '.join(known)}" if known else "")
    return Fault(path, f"is not known here{hint}")


def _names(request: Request, place: str, steps: list[Any]) -> list[str]:
    """What may stand at a place of a request to this route; nothing where that can't be told."""
    route = request.scope.get("route")
    if not isinstance(route, APIRoute):
        return []
    if place == "body" and route.body_field is not None:
        taken = [route.body_field.field_info.annotation]
    elif place == "query":
        taken = [parameter.field_info.annotation for parameter in route.dependant.query_params]
    else:
        return []
    models = [model for one in taken for model in (one, *get_args(one)) if is_model(model)]
    for step in steps:
        fields = [model.model_fields[step] for model in models if step in model.model_fields]
        inner = [one.annotation for one in fields]
        models = [model for one in inner for model in (one, *get_args(one)) if is_model(model)]
    return [field.alias or name for model in models for name, field in model.model_fields.items()]


def is_model(kind: Any) -> bool:
    """Whether that is a class of pydantic's."""
    return isinstance(kind, type) and issubclass(kind, BaseModel)
