r"""Templates: JSON in which `{{ … }}` refers to a run's inputs, to other tasks, and to the run itself.

    "{{ inputs.rows }}"                          one whole reference keeps the type of what it finds
    "Rows: {{ inputs.rows }}"                    inside text: objects as compact JSON, null as nothing
    "{{ tasks.manual-approval.outputs.by[0] }}"  a dotted path; names may have hyphens
    "{{ tasks.count.outputs.n || `0` }}"         anything else is JMESPath over inputs, tasks and run
    "\{{ not a reference }}"                     the text `{{ not a reference }}`

Only values are filled in, never keys, and what was filled in is never read again. A template is compiled once; what
has no reference in it costs nothing to resolve. What is resolved is limited in size while it is put together.
"""

import json
import re
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from engine.limits import JSON_DEPTH, PAYLOAD_BYTES, LimitError, json_size
from engine.lookups import (
    RUN_FIELDS,
    TASK_FIELDS,
    BadReference,
    Reference,
    ReferenceSyntaxError,
    Scope,
    Source,
    compile_reference,
)
from engine.queries import Fuel

__all__ = [
    "RUN_FIELDS",
    "TASK_FIELDS",
    "BadReference",
    "Reference",
    "ReferenceSyntaxError",
    "Scope",
    "Template",
    "compile_template",
]


@dataclass(frozen=True, slots=True)
class Template:
    """A compiled template. `where` in its facts is the path of a value in the template, such as `payload.title`.

    `inputs` has the names of top-level inputs, and where; `task_references` a task, one of its fields (None: all), and
    where; `run_fields` a field of the run, and where; `tasks` the names of all tasks that must be final to resolve it.
    """

    constant: bool
    references: tuple[Reference, ...]
    inputs: tuple[tuple[str, str], ...]
    tasks: frozenset[str]
    task_references: tuple[tuple[str, str | None, str], ...]
    run_fields: tuple[tuple[str, str], ...]
    _value: Any
    _filling: "_Filling | None"
    _room: int

    def resolve(self, scope: Scope) -> Any:
        """The value with its references filled in. Parts of it are shared with the scope: don't change it.

        Raises:
            BadReference: a reference finds nothing where there must be something, or the value becomes too large.
        """
        if self._filling is None:
            return self._value
        return self._filling.fill(scope, _Room(self._room))


_TOO_LARGE: Final = f"is larger than {PAYLOAD_BYTES:,} bytes as JSON"


class _Room:
    """What a resolved value may still take: bytes by which it may grow, and fuel for its queries."""

    __slots__ = ("fuel", "left")

    def __init__(self, left: int) -> None:
        self.left = left
        self.fuel = Fuel()

    def take(self, value: object, depth: int, reference: Reference) -> None:
        try:
            self.left -= json_size(value, PAYLOAD_BYTES, JSON_DEPTH - depth)
        except LimitError as error:
            raise _misfit(reference, str(error)) from None
        if self.left < 0:
            raise _misfit(reference, _TOO_LARGE)


def _misfit(reference: Reference, why: str) -> BadReference:
    return BadReference(reference.path, reference.source, f"what this resolves to {why}")


@dataclass(frozen=True, slots=True)
class _Whole:
    """A value that is one reference."""

    source: Source
    depth: int

    def fill(self, scope: Scope, room: _Room) -> Any:
        value = self.source.value(scope, room.fuel)
        room.take(value, self.depth, self.source.reference)
        return value


@dataclass(frozen=True, slots=True)
class _Text:
    """A text with references in it."""

    parts: tuple[str | Source, ...]
    reference: Reference
    depth: int

    def fill(self, scope: Scope, room: _Room) -> Any:
        pieces: list[str] = []
        length = 0
        reference = self.reference
        for part in self.parts:
            if isinstance(part, str):
                piece = part
            else:
                reference = part.reference
                piece = _written(part.value(scope, room.fuel), reference)
            pieces.append(piece)
            length += len(piece)
            if length > room.left:
                raise _misfit(reference, _TOO_LARGE)
        text = "".join(pieces)
        room.take(text, self.depth, reference)
        return text


@dataclass(frozen=True, slots=True)
class _Container:
    """An object or a list some of whose values are filled in, by key or index."""

    constants: Any
    fillings: tuple[tuple[Any, "_Filling"], ...]

    def fill(self, scope: Scope, room: _Room) -> Any:
        filled = self.constants.copy()
        for key, filling in self.fillings:
            filled[key] = filling.fill(scope, room)
        return filled


_Filling: TypeAlias = _Whole | _Text | _Container
_NULL_BYTES: Final = 4  # of the null that stands in the constants for what is filled in


def _written(value: Any, reference: Reference) -> str:
    """How a value reads inside a text."""
    if value is None:
        return ""
    if type(value) is str:
        return value
    try:
        json_size(value)
    except LimitError as error:
        raise _misfit(reference, str(error)) from None
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def compile_template(value: Any) -> Template:
    """Compile a JSON value in which there may be references.

    Raises:
        ReferenceSyntaxError: references in it can't be read, or it is too large or too deep even without them.
    """
    return _Compiler().template(value)


_MOST_FAULTS: Final = 1000  # of one template; behind that nobody reads on

# The parts of a reference in which `}}` doesn't end it, and the end itself.
_PIECE: Final = re.compile(
    r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|`(?:[^`\\]|\\.)*`|(?P<brace>[{}])|(?P<unclosed>['"`])|[^'"`{}]+""",
    re.DOTALL,
)


class _Compiler:
    """Walks through a value once, and collects its references and its faults."""

    def __init__(self) -> None:
        self._references: list[Reference] = []
        self._faults: list[ReferenceSyntaxError] = []
        self._filled = 0

    def template(self, value: Any) -> Template:
        constants, filling = self._compiled(value, "", 0)
        room = PAYLOAD_BYTES
        try:
            if not self._faults:
                room -= json_size(constants, PAYLOAD_BYTES + _NULL_BYTES * self._filled) - _NULL_BYTES * self._filled
        except LimitError as error:
            self._faults.append(ReferenceSyntaxError("", 1, str(error)))
        if self._faults:
            first = self._faults[0]
            first.every, first.readable = tuple(self._faults), tuple(self._references)
            raise first
        references = self._references
        task_references = tuple((*task, one.path) for one in references for task in one.tasks)
        return Template(
            constant=filling is None,
            references=tuple(references),
            inputs=tuple((name, one.path) for one in references for name in one.inputs),
            tasks=frozenset(task for task, _, _ in task_references),
            task_references=task_references,
            run_fields=tuple((name, one.path) for one in references for name in one.run_fields),
            _value=constants,
            _filling=filling,
            _room=room,
        )

    def _compiled(self, value: Any, path: str, depth: int) -> tuple[Any, _Filling | None]:
        """The constants of a value, null where something is filled in, and what fills it in if anything does."""
        if type(value) is str:
            return self._text(value, path, depth) if "{{" in value else (value, None)
        if type(value) is not dict and type(value) is not list:
            return value, None
        if depth == JSON_DEPTH:
            self._faults.append(ReferenceSyntaxError(path, 1, f"is nested deeper than {JSON_DEPTH}"))
            return None, None
        constants = value.copy()
        fillings: list[tuple[Any, _Filling]] = []
        for key, inner in value.items() if type(value) is dict else enumerate(value):
            at = f"{path}[{key}]" if type(value) is list else f"{path}.{key}" if path else str(key)
            constants[key], filling = self._compiled(inner, at, depth + 1)
            if filling is not None:
                fillings.append((key, filling))
        return constants, _Container(constants, tuple(fillings)) if fillings else None

    def _text(self, text: str, path: str, depth: int) -> tuple[Any, _Filling | None]:
        parts: list[str | Source] = []
        literal: list[str] = []
        position = 0
        while (start := text.find("{{", position)) >= 0:
            if start > position and text[start - 1] == "\\":
                literal.append(text[position : start - 1] + "{{")
                position = start + 2
                continue
            literal.append(text[position:start])
            end = len(text)
            try:
                end = _end(text, start + 2, path)
                parts += ("".join(literal), compile_reference(path, start + 3, text[start + 2 : end]))
            except ReferenceSyntaxError as error:
                self._faults.append(error)
                if len(self._faults) >= _MOST_FAULTS:
                    break
            literal.clear()
            position = end + 2
        literal.append(text[position:])
        parts = [part for part in (*parts, "".join(literal)) if part != ""]
        sources = [part for part in parts if not isinstance(part, str)]
        if not sources:
            return "".join(literal), None
        self._filled += 1
        self._references += (source.reference for source in sources)
        return None, _Whole(sources[0], depth) if len(parts) == 1 else _Text(tuple(parts), sources[0].reference, depth)


def _end(text: str, start: int, path: str) -> int:
    """Where the `}}` stands that ends the reference whose inside begins at `start`."""
    depth = 0
    position = start
    while piece := _PIECE.match(text, position):
        if piece["unclosed"]:
            raise ReferenceSyntaxError(path, position + 1, f"the quote {piece[0]} is never closed")
        if piece["brace"] == "{":
            depth += 1
        elif piece["brace"] and depth:
            depth -= 1
        elif text.startswith("}}", position):
            return position
        position = piece.end()
    raise ReferenceSyntaxError(
        path, start - 1, r"'{{' is never closed by '}}'; for the characters themselves write '\{{'"
    )
