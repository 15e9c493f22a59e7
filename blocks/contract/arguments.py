"""Checking arguments against a block's model, in a person's words, also before their references are filled in."""

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any, TypeAlias

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from engine.faults import Fault, nearest
from engine.references import ReferenceSyntaxError, compile_template

Location: TypeAlias = tuple[str | int, ...]

FAULTS_AT_MOST = 100

_ROOT: Location = ()
_PREFIX = re.compile(r"^(Input |Value error, |Assertion failed, |(List|Dictionary|String) (?=should ))")


def faults_of(error: ValidationError, model: type[BaseModel], value: object) -> list[Fault]:
    """What pydantic found, one fault a place: `payload.title: is required`."""
    return _told(error.errors(include_url=False, include_context=False, include_input=False), model, value, _Places(()))


def check(model: type[BaseModel], arguments: Mapping[str, Any]) -> list[Fault]:
    """The faults that no run can mend: whatever holds a `{{ reference }}` may turn out to be anything."""
    holes = _Places(_holes(arguments, _ROOT))
    try:
        model.model_validate(arguments)
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)
        return _told(found, model, arguments, holes)
    except Exception as error:  # noqa: BLE001 - a model's own validator, which a reference's text may confuse
        return [] if holes else [Fault("", f"{type(error).__name__}: {error}")]
    return []


def path_of(location: Location) -> str:
    """`("payload", "items", 2)` as `payload.items[2]`."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location).removeprefix(".")


class _Places:
    """Some places in a value; arguments may have very many, so each question takes a look or two."""

    def __init__(self, places: Iterable[Location]) -> None:
        self._places = frozenset(places)
        self._above = frozenset(place[:length] for place in self._places for length in range(len(place) + 1))

    def __bool__(self) -> bool:
        return bool(self._places)

    def hold(self, place: Location) -> bool:
        """Whether `place` is one of these, or within one."""
        return bool(self._places) and any(place[:length] in self._places for length in range(len(place) + 1))

    def are_within(self, place: Location) -> bool:
        """Whether one of these is `place`, or within it."""
        return place in self._above


def _told(found: list[ErrorDetails], model: type[BaseModel], value: object, holes: _Places) -> list[Fault]:
    places = [_place(detail, value) for detail in found]
    undecided = _Places(place for place, _ in places if holes.hold(place))
    sentences: dict[Location, dict[str, None]] = {}
    untold = 0
    for detail, (place, union) in zip(found, places, strict=True):
        another_may_fit = union is not None and undecided.are_within(union)
        if another_may_fit or not _is_certain(detail["type"], place, holes):
            continue
        if place in sentences or len(sentences) < FAULTS_AT_MOST:
            sentences.setdefault(place, {})[_sentence(detail, place, model)] = None
        else:
            untold += 1
    faults = [Fault(path_of(place), ", or ".join(said)) for place, said in sentences.items()]
    return [*faults, Fault("", f"and {untold:,} more faults")] if untold else faults


def _is_certain(kind: str, place: Location, holes: _Places) -> bool:
    """Whether an error is one whatever the references turn out to be."""
    if kind in {"missing", "extra_forbidden"}:
        return True  # names are never references
    if holes.hold(place):
        return False
    # What holds a reference somewhere can still be of the wrong type; any other rule may hang on what is filled in.
    return kind.endswith("_type") or not holes.are_within(place)


def _sentence(detail: ErrorDetails, place: Location, model: type[BaseModel]) -> str:
    match detail["type"]:
        case "missing":
            return "is required"
        case "extra_forbidden":
            return f"is not known here{nearest(str(place[-1]), _names(model, place[:-1]))}"
        case _:
            return _PREFIX.sub("", detail["msg"]).replace(" after validation", "")


def _place(detail: ErrorDetails, value: object) -> tuple[Location, Location | None]:
    """Where in `value` an error is, and the place of the union if it is about one member of a union.

    Pydantic's location is the path in the value, with the names of union members in between.
    """
    absent = detail["loc"][-1:] if detail["type"] == "missing" else ()
    place: list[str | int] = []
    union: Location | None = None
    for part in detail["loc"][: len(detail["loc"]) - len(absent)]:
        match value, part:
            case (dict(), str()) if part in value:
                value = value[part]
                place.append(part)
            case (list(), int()) if part < len(value):
                value = value[part]
                place.append(part)
            case _:
                union = tuple(place) if union is None else union
    return (*place, *absent), union


def _holes(value: object, at: Location) -> Iterator[Location]:
    """Where `value` has text with references in it."""
    match value:
        case str() if "{{" in value:
            try:
                if compile_template(value).references:
                    yield at
            except ReferenceSyntaxError:
                yield at  # told by whoever checks references
        case dict():
            for key, inner in value.items():
                yield from _holes(inner, (*at, key))
        case list():
            for index, inner in enumerate(value):
                yield from _holes(inner, (*at, index))


@lru_cache(maxsize=1024)
def _names(model: type[BaseModel], place: Location) -> list[str]:
    """The property names that the model knows at `place`, by its JSON Schema."""
    root = model.model_json_schema()
    schemas = list(_flat(root, root))
    for part in place:
        inner = (_member(schema, part) for schema in schemas)
        schemas = [flat for schema in inner if isinstance(schema, dict) for flat in _flat(schema, root)]
    return [name for schema in schemas for name in schema.get("properties", {})]


def _member(schema: Mapping[str, Any], part: str | int) -> object:
    if isinstance(part, int):
        return schema.get("items")
    return schema.get("properties", {}).get(part, schema.get("additionalProperties"))


def _flat(schema: Mapping[str, Any], root: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """A schema and its alternatives, with `$ref` followed."""
    if "$ref" in schema:
        schema = root["$defs"][schema["$ref"].rpartition("/")[2]]
    yield schema
    for alternative in (*schema.get("anyOf", ()), *schema.get("oneOf", ()), *schema.get("allOf", ())):
        yield from _flat(alternative, root)
