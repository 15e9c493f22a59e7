"""One reference: how `{{ … }}` is read, what it can see, and where it gets its value from.

A dotted path is followed here; anything else is JMESPath (`engine.queries`). Either way all that a reference can see is
known when it is compiled: it names its tasks, so that a task can wait for them, and nothing computes a name.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import takewhile
from typing import Any, Final, Literal, TypeAlias

from engine.faults import nearest, shown
from engine.limits import EXPRESSION_BYTES
from engine.queries import Fuel, Query, QueryError, QuerySyntaxError, compile_query
from engine.statuses import TaskStatus

ROOTS: Final = ("inputs", "tasks", "run")
TASK_FIELDS: Final = ("status", "outputs", "error", "attempt", "started_at", "finished_at", "updated_at")
RUN_FIELDS: Final = (
    "id",
    "workflow",
    "version",
    "tenant",
    "labels",
    "requested_by",
    "parent",
    "generation",
    "created_at",
)


_DOTTED: Final = re.compile(r"(?:inputs|tasks|run)(?:\.[A-Za-z_][A-Za-z0-9_-]*|\[-?[0-9]{1,9}\])*")
_STEP: Final = re.compile(r"([A-Za-z_][A-Za-z0-9_-]*)|\[(-?[0-9]+)\]")
_MISSING: Final = object()
_Step: TypeAlias = str | int


class ReferenceSyntaxError(ValueError):
    """A template that can't be compiled: why, and in which column (from 1) of the value that `path` leads to.

    `every` has one of these for each fault of the template, this one first; `readable` are its other references.
    """

    def __init__(self, path: str, column: int, message: str) -> None:
        self.path = path
        self.column = column
        self.message = message
        self.every: tuple[ReferenceSyntaxError, ...] = (self,)
        self.readable: tuple[Reference, ...] = ()
        super().__init__(f"{path}: column {column}: {message}" if path else f"column {column}: {message}")

    def __reduce__(self) -> tuple[type["ReferenceSyntaxError"], tuple[str, int, str]]:
        return (ReferenceSyntaxError, (self.path, self.column, self.message))


class BadReference(ValueError):  # noqa: N818 - named as its code
    """A template that can't be resolved: `path` leads to the value in it, `expression` is the reference."""

    code: Final = "BAD_REFERENCE"

    def __init__(self, path: str, expression: str, message: str) -> None:
        self.path = path
        self.expression = expression
        self.message = message
        where = f"{path}: " if path else ""
        super().__init__(f"{where}{{{{ {expression} }}}}: {message}" if expression else f"{where}{message}")

    def __reduce__(self) -> tuple[type["BadReference"], tuple[str, str, str]]:
        return (BadReference, (self.path, self.expression, self.message))


@dataclass(frozen=True, slots=True)
class Scope:
    """What references can see.

    `tasks` gives the fields of one task (those of `TASK_FIELDS` that it has, `status` at least), or None if there is no
    such task; it is asked for tasks that are referred to, and no others. `run` has those of `RUN_FIELDS`.
    """

    inputs: Mapping[str, Any]
    tasks: Callable[[str], Mapping[str, Any] | None]
    run: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Reference:
    """One `{{ … }}`: the `path` of the value it is in, its `column` there, its `source`, and what it can see.

    `tasks` has pairs of a task and one of its fields; the field is None where the reference takes all of them.
    """

    path: str
    column: int
    source: str
    inputs: tuple[str, ...]
    tasks: tuple[tuple[str, str | None], ...]
    run_fields: tuple[str, ...]


def _descend(value: Any, steps: tuple[_Step, ...]) -> Any:
    for step in steps:
        if type(value) is str:
            return _MISSING
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            return _MISSING
    return value


def _as_dict(mapping: Mapping[str, Any]) -> dict[str, Any]:
    return mapping if isinstance(mapping, dict) else dict(mapping)


def _task(scope: Scope, name: str, reference: Reference) -> Mapping[str, Any]:
    task = scope.tasks(name)
    if task is None:
        raise BadReference(reference.path, reference.source, f"{shown(name)} is not a task of this run")
    return task


def _whole_task(task: Mapping[str, Any]) -> dict[str, Any]:
    fields = {field: task.get(field) for field in TASK_FIELDS}
    fields["status"] = str(task["status"])
    return fields


@dataclass(frozen=True, slots=True)
class _Path:
    reference: Reference
    root: Literal["inputs", "run"]
    steps: tuple[_Step, ...]

    def value(self, scope: Scope, _fuel: Fuel) -> Any:
        """What is there; null if nothing is."""
        whole = scope.inputs if self.root == "inputs" else scope.run
        if not self.steps:
            return _as_dict(whole)
        value = _descend(whole, self.steps)
        return None if value is _MISSING else value


@dataclass(frozen=True, slots=True)
class _TaskPath:
    reference: Reference
    task: str
    steps: tuple[_Step, ...]

    def value(self, scope: Scope, _fuel: Fuel) -> Any:
        """What is there; null if nothing is, except in the outputs of a success, which must have what is asked for."""
        task = _task(scope, self.task, self.reference)
        if not self.steps:
            return _whole_task(task)
        value = _descend(task, self.steps)
        if value is _MISSING:
            if len(self.steps) > 1 and self.steps[0] == "outputs" and task["status"] == TaskStatus.SUCCESS:
                message = f"'{self.task}' succeeded, and its outputs have no {shown(_in_writing(self.steps[1:]))}"
                raise BadReference(self.reference.path, self.reference.source, message)
            return None
        return str(value) if type(value) is TaskStatus else value


@dataclass(frozen=True, slots=True)
class _Search:
    reference: Reference
    query: Query

    def value(self, scope: Scope, fuel: Fuel) -> Any:
        """What the expression finds, in no more tasks than it names."""
        reference = self.reference
        tasks = {name: _whole_task(_task(scope, name, reference)) for name in dict(reference.tasks)}
        root = {"inputs": _as_dict(scope.inputs), "tasks": tasks, "run": _as_dict(scope.run)}
        try:
            return self.query.value(root, fuel)
        except QueryError as error:
            raise BadReference(reference.path, reference.source, str(error)) from None


Source: TypeAlias = _Path | _TaskPath | _Search


def compile_reference(path: str, column: int, source: str) -> Source:
    """What is between `{{` and `}}`, which begins in this column of the value that `path` leads to.

    Raises:
        ReferenceSyntaxError: it can't be read, or sees more than a reference may.
    """
    expression = source.strip()
    column += len(source) - len(source.lstrip())
    if not expression:
        raise ReferenceSyntaxError(path, column, "there is nothing between '{{' and '}}'")
    if len(expression.encode("utf-8", "surrogatepass")) > EXPRESSION_BYTES:
        raise ReferenceSyntaxError(path, column, f"the expression is longer than {EXPRESSION_BYTES} bytes")
    if not _DOTTED.fullmatch(expression):
        try:
            query = compile_query(expression)
        except QuerySyntaxError as error:
            raise ReferenceSyntaxError(path, column + error.position, error.message) from None
        return _Search(_seeing(query.reads, path, column, expression), query)
    root, *steps = [int(index) if index else name for name, index in _STEP.findall(expression)]
    leading = tuple(step for step in takewhile(lambda step: isinstance(step, str), steps) if isinstance(step, str))
    reference = _seeing([(str(root), *leading)], path, column, expression)
    if root == "tasks":
        return _TaskPath(reference, leading[0], tuple(steps[1:]))
    return _Path(reference, "inputs" if root == "inputs" else "run", tuple(steps))


def _seeing(reads: Iterable[tuple[str, ...]], path: str, column: int, source: str) -> Reference:
    """The facts of a reference, from the names of what it reads; what it may not read is refused."""
    seen: dict[str, dict[Any, None]] = {root: {} for root in ROOTS}
    for names in reads:
        match names:
            case ["inputs", *rest]:
                seen["inputs"].update(dict.fromkeys(rest[:1]))
            case ["tasks", task, *rest] if not rest or rest[0] in TASK_FIELDS:
                seen["tasks"][task, rest[0] if rest else None] = None
            case ["tasks", _, field, *_]:
                raise ReferenceSyntaxError(path, column, _no_field("a task", field, TASK_FIELDS))
            case ["tasks"]:
                raise ReferenceSyntaxError(path, column, "'tasks' needs the name of one task: tasks.NAME.outputs")
            case ["run", *rest] if not rest or rest[0] in RUN_FIELDS:
                seen["run"].update(dict.fromkeys(rest[:1]))
            case ["run", field, *_]:
                raise ReferenceSyntaxError(path, column, _no_field("a run", field, RUN_FIELDS))
            case [root, *_]:
                message = f"{shown(root)} is none of {', '.join(ROOTS)}{nearest(root, ROOTS)}"
                raise ReferenceSyntaxError(path, column, message)
            case _:
                message = "a reference can't take everything there is: begin with inputs, tasks or run"
                raise ReferenceSyntaxError(path, column, message)
    return Reference(path, column, source, tuple(seen["inputs"]), tuple(seen["tasks"]), tuple(seen["run"]))


def _no_field(owner: str, field: str, fields: tuple[str, ...]) -> str:
    return f"{owner} has no {shown(field)}{nearest(field, fields)}; it has {', '.join(fields)}"


def _in_writing(steps: Iterable[_Step]) -> str:
    return "".join(f".{step}" if isinstance(step, str) else f"[{step}]" for step in steps).removeprefix(".")
