"""The form of a workflow document: as much of it as can be read, and in sentences what is wrong with the rest."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from engine.conditions import OPERATORS, Condition
from engine.documents import Dag, Retry, TaskSpec, Workflow
from engine.faults import Fault, nearest, shown
from engine.limits import NAME_CHARS

Location: TypeAlias = tuple[str | int, ...]

_OWNERS: Final[dict[tuple[str, ...], tuple[str, type[BaseModel]]]] = {
    (): ("a workflow", Workflow),
    ("dag",): ("a dag", Dag),
    ("dag", "tasks"): ("a task", TaskSpec),
    ("dag", "tasks", "retry"): ("a retry", Retry),
    ("dag", "tasks", "when"): ("a condition", Condition),
}
_EXPECTED: Final = {
    "string_type": "a string",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "an object",
    "model_type": "an object",
}
_SENTENCES: Final[dict[str, Callable[[Any], str]]] = {
    "missing": lambda _value: "is required",
    "string_pattern_mismatch": lambda value: (
        f"{shown(value)} is not a name: letters, digits, '_' and '-', beginning with a letter or '_'"
    ),
    "string_too_long": lambda value: f"is {len(value):,} characters long, at most {NAME_CHARS} are allowed",
    "too_short": lambda _value: "is empty; it needs at least one item",
    "literal_error": lambda value: (
        f"{shown(str(value))} is not an operator{nearest(str(value), OPERATORS)}; there are {', '.join(OPERATORS)}"
    ),
}
_TASKS: Final = ("dag", "tasks")
_FIRST_KEY: Final = re.compile(r"[.\[]")
MOST_FAULTS: Final = 1000
"""How many faults of one document are told."""


@dataclass(frozen=True, slots=True)
class TaskShape:
    """A task as far as it can be read. `raw` is as it was written; fields in `broken` have placeholders in `spec`."""

    index: int
    raw: Mapping[str, Any]
    spec: TaskSpec
    broken: frozenset[str] = frozenset()

    @property
    def name(self) -> str | None:
        """Its name, also one that isn't allowed: others may call it that."""
        name = self.raw.get("name")
        return name if isinstance(name, str) else None

    def at(self, *further: str | int) -> Location:
        """Where the task is, or something in it."""
        return (*_TASKS, self.index, *further)

    def path(self, *further: str | int) -> str:
        """The path of the task, or of something in it."""
        return path_of(self.at(*further))


@dataclass(frozen=True, slots=True)
class Shape:
    """A document as far as it can be read: `workflow` if all of it can, None for a part that can't.

    Of very many faults some are `untold`, and nothing of the document is read.
    """

    workflow: Workflow | None
    faults: tuple[Fault, ...]
    untold: int
    tasks: tuple[TaskShape, ...]
    entrypoint: Any
    exitpoints: Any
    inputs: Mapping[str, Any] | None
    outputs: Mapping[str, Any] | None


def read_shape(document: Any, block_types: Iterable[str]) -> Shape:
    """Read a document, which is any JSON value, as a workflow. No type is coerced."""
    try:
        workflow = Workflow.model_validate(document, strict=True)
    except ValidationError as error:
        return _partial(error, document, tuple(block_types))
    dag = document["dag"]
    shapes = (TaskShape(*each) for each in zip(range(len(dag["tasks"])), dag["tasks"], workflow.dag.tasks, strict=True))
    return Shape(
        workflow, (), 0, tuple(shapes), dag["entrypoint"], dag["exitpoints"], workflow.inputs, workflow.outputs
    )


def arguments_paths(task: TaskShape) -> Callable[[str], str]:
    """Turns a path below a task's arguments into one of the document, also where they are a list of objects."""
    written = task.raw.get("arguments")
    parts = {key: index for index, part in enumerate(written) for key in part} if isinstance(written, list) else {}

    def path_in_document(path: str) -> str:
        index = parts.get(_FIRST_KEY.split(path, maxsplit=1)[0])
        at = task.path("arguments") if index is None else task.path("arguments", index)
        return f"{at}.{path}" if path else at

    return path_in_document


def _partial(error: ValidationError, document: Any, block_types: tuple[str, ...]) -> Shape:
    """The faults, and what can be read in spite of them; nothing at all if there are too many."""
    told: dict[Fault, None] = {}
    broken: set[Location] = set()
    for detail in error.errors(include_url=False, include_context=False)[:MOST_FAULTS]:
        place = _place(detail["loc"], document)
        told[Fault(path_of(place), _sentence(detail, place, block_types))] = None
        broken.update(_parts(detail, place))
    untold = max(0, error.error_count() - MOST_FAULTS)
    return _readable(None if untold else document, tuple(told), untold, broken)


def path_of(location: Location) -> str:
    """`("dag", "tasks", 2, "name")` as `dag.tasks[2].name`."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location).removeprefix(".")


def _readable(document: Any, faults: tuple[Fault, ...], untold: int, broken: set[Location]) -> Shape:
    root = document if isinstance(document, dict) else {}
    dag = root["dag"] if isinstance(root.get("dag"), dict) else {}
    tasks = dag["tasks"] if isinstance(dag.get("tasks"), list) else []
    points = dag if tasks and all(isinstance(task, dict) for task in tasks) else {}
    return Shape(
        workflow=None,
        faults=faults,
        untold=untold,
        tasks=tuple(_readable_tasks(tasks, broken)),
        entrypoint=None if ("dag", "entrypoint") in broken else points.get("entrypoint"),
        exitpoints=None if ("dag", "exitpoints") in broken else points.get("exitpoints"),
        inputs=None if ("inputs",) in broken else root.get("inputs", {}),
        outputs=None if ("outputs",) in broken else root.get("outputs", {}),
    )


def _readable_tasks(tasks: list[Any], broken: set[Location]) -> Iterator[TaskShape]:
    fields: dict[int, set[str]] = {}
    for index, field in (part[2:] for part in broken if part[:2] == _TASKS and len(part) == len(_TASKS) + 2):
        fields.setdefault(int(index), set()).add(str(field))
    for index, raw in enumerate(tasks):
        if isinstance(raw, dict):
            unread = fields.get(index, set())
            rest = {key: value for key, value in raw.items() if key not in unread}
            spec = TaskSpec.model_validate({"name": "_", "type": "UNREAD", **rest}, strict=True)
            yield TaskShape(index, raw, spec, frozenset(unread))


def _parts(detail: ErrorDetails, place: Location) -> Iterator[Location]:
    """The fields that can't be read for this error: of the workflow, of its dag, or of one of its tasks."""
    part = place[: 4 if place[:2] == _TASKS else 2 if place[:1] == ("dag",) else 1]
    yield part
    if detail["type"] == "extra_forbidden" and part == place:
        for meant in _meant(place):
            yield (*place[:-1], meant)


def _meant(place: Location) -> list[str]:
    """The field that a misspelt one was probably meant to be."""
    hint = nearest(str(place[-1]), _owner(place)[1].model_fields)
    return hint.split("'")[1:2]


def _owner(place: Location) -> tuple[str, type[BaseModel]]:
    return _OWNERS[tuple(part for part in place[:-1] if isinstance(part, str))]


def _place(location: Location, document: Any) -> Location:
    """Where the document has it: of what may be given alone, pydantic names the item of a list that isn't there."""
    place: list[str | int] = []
    value: Any = document
    for part in location:
        holder: type[Any] = dict if isinstance(part, str) else list
        if not isinstance(value, holder):
            continue
        place.append(part)
        try:
            value = value[part]
        except (KeyError, IndexError):
            break
    return tuple(place)


def _sentence(detail: ErrorDetails, place: Location, block_types: tuple[str, ...]) -> str:
    kind, value = detail["type"], detail["input"]
    if kind == "extra_forbidden":
        owner, model = _owner(place)
        hint = nearest(str(place[-1]), model.model_fields) or f"; it has {', '.join(model.model_fields)}"
        return f"{owner} has no field {shown(str(place[-1]))}{hint}"
    if kind == "string_pattern_mismatch" and place[-1] == "type":
        hint = nearest(value, block_types) or ", which is written in capitals, such as HTTP_REQUEST"
        return f"{shown(value)} is not a block type{hint}; `icefloe blocks` lists them"
    if kind in _EXPECTED:
        return f"must be {_EXPECTED[kind]}, not {_kind(value)}"
    if kind in _SENTENCES:
        return _SENTENCES[kind](value)
    return detail["msg"].removeprefix("Value error, ").replace("Input should be", "must be")


def _kind(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true or false"
        case str():
            return "a string"
        case int() | float():
            return "a number"
        case list():
            return "a list"
        case _:
            return "an object"
