"""The inspection of a workflow: each of its parts alone, then how they fit together.

What has a fault is left out of the steps behind it, so that one slip is told once and everything else still looked at.
The work grows with the size of the document alone.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from engine.blocktypes import BlockTypes
from engine.conditions import ConditionError, judge
from engine.declarations import declared_inputs, schema_faults
from engine.depends import DependsError, Expression, atoms, parse
from engine.doubts import doubts
from engine.durations import parse_duration
from engine.faults import Fault, nearest, shown
from engine.foresight import foresee
from engine.graph import Upstream, in_order
from engine.limits import PAYLOAD_BYTES, LimitError, json_size
from engine.references import ReferenceSyntaxError, compile_template
from engine.shapes import MOST_FAULTS, Location, Shape, TaskShape, arguments_paths, path_of

_MOST_COMPARISONS: Final = 20_000  # of names that aren't known with those that are: a tenth of a second
_NAMES_SHOWN: Final = 10
_INDEX: Final = re.compile(r"(?<=\[)[0-9]+(?=\])")


def inspect(shape: Shape, blocks: BlockTypes) -> tuple[tuple[Fault, ...], tuple[Fault, ...]]:
    """The faults of a document by their paths; and if there are none, its warnings.

    Of more than `MOST_FAULTS` it is only told how many more there are.
    """
    inspection = _Inspection(shape, blocks)
    faults = sorted(inspection.faults[:MOST_FAULTS], key=lambda fault: _by_number(fault.path))
    untold = shape.untold + len(inspection.faults) - len(faults)
    if untold:
        faults.append(Fault("", f"and {untold:,} more faults"))
    return tuple(faults), () if faults else tuple(inspection.warnings())


def _by_number(path: str) -> str:
    """A key that sorts `tasks[2]` before `tasks[10]`."""
    return _INDEX.sub(lambda index: index[0].zfill(9), path)


@dataclass(frozen=True, slots=True)
class _Links:
    """What a task says of others.

    `depended` are those that its `depends` names, `referred` those that its references name, with a place for each;
    only tasks that there are, and not itself. Where `depends` can't be read or names no task, it isn't `clear`.
    """

    depends: Expression | None
    depended: Mapping[str, None]
    clear: bool
    referred: Mapping[str, str]


class _Inspection:
    """One document being looked at; its faults are collected in the order in which they are found."""

    def __init__(self, shape: Shape, blocks: BlockTypes) -> None:
        self.faults = list(shape.faults)
        self._shape = shape
        self._blocks = blocks
        self._comparisons = _MOST_COMPARISONS
        self._tasks: dict[str, TaskShape] = {}
        self._inputs: frozenset[str] | None = None
        self._check_timeout("timeout", None if shape.workflow is None else shape.workflow.timeout)
        self._check_inputs()
        self._check_names()
        links = {task.index: self._linked(task) for task in shape.tasks}
        self._links = {name: links[task.index] for name, task in self._tasks.items()}
        self._check_outputs()
        self._exits = dict(self._points("dag.exitpoints", shape.exitpoints))
        self._check_entrypoint(dict(self._points("dag.entrypoint", shape.entrypoint)))
        self._check_graph()

    def warnings(self) -> Iterator[Fault]:
        """What is legal and yet perhaps not meant, in a document without faults."""
        if self._shape.workflow is None:
            return iter(())
        gates = {name: link.depends for name, link in self._links.items()}
        return doubts(self._shape.workflow, self._blocks, gates, self._endings)

    def _add(self, path: str, message: str) -> None:
        self.faults.append(Fault(path, message))

    def _hint(self, name: str, names: Iterable[str]) -> str:
        """The nearest name; nothing once a document has so many unknown ones that looking would take too long."""
        known = tuple(names)
        self._comparisons -= len(known)
        return nearest(name, known) if self._comparisons >= 0 else ""

    def _unknown_task(self, path: str, name: str) -> None:
        self._add(path, f"{shown(name)} is not a task of this workflow{self._hint(name, self._tasks)}")

    # Each part alone

    def _check_inputs(self) -> None:
        if self._shape.inputs is None:
            return
        faults = schema_faults(self._shape.inputs)
        self.faults += faults
        if not faults:
            self._inputs = declared_inputs(self._shape.inputs)

    def _check_names(self) -> None:
        for task in self._shape.tasks:
            if task.name is not None:
                first = self._tasks.setdefault(task.name, task)
                if first is not task:
                    self._add(task.path("name"), f"{shown(task.name)} is already the name of {first.path()}")

    def _linked(self, task: TaskShape) -> _Links:
        """Check a task alone, and say what it has to do with others."""
        self._check_block(task)
        self._check_timeout(task.path("timeout"), task.spec.timeout)
        depends, depended, clear = self._depends(task)
        referred: dict[str, str] = {}
        for field in ("arguments", "when"):
            if field not in task.broken:
                self._check_references(task.raw.get(field), task.at(field), referred)
        self._check_constants(task)
        if task.name in referred:
            self._add(referred.pop(task.name), f"'{task.name}' refers to itself, and so would wait for itself")
        return _Links(depends, depended, clear, referred)

    def _check_timeout(self, path: str, timeout: str | None) -> None:
        if timeout is not None and not parse_duration(timeout):
            self._add(path, "leaves no time; it must be longer than zero")

    def _check_block(self, task: TaskShape) -> None:
        kind = task.spec.type
        known = "type" not in task.broken and kind in self._blocks
        if not known and "type" not in task.broken:
            hint = self._hint(kind, self._blocks)
            self._add(task.path("type"), f"{shown(kind)} is not a block type{hint}; `icefloe blocks` lists them")
        if "arguments" in task.broken:
            return
        try:
            json_size(task.spec.arguments, PAYLOAD_BYTES)
        except LimitError as error:
            self._add(task.path("arguments"), str(error))
            return
        if known:
            at = arguments_paths(task)
            for fault in self._blocks.check_arguments(kind, task.spec.arguments):
                self._add(at(fault.path), fault.message)

    def _depends(self, task: TaskShape) -> tuple[Expression | None, dict[str, None], bool]:
        """The expression, the tasks in it, and whether it is clear what it says."""
        path = task.path("depends")
        try:
            depends = parse(task.spec.depends)
        except DependsError as error:
            self._add(path, str(error))
            return None, {}, False
        named = {atom.task: None for atom in atoms(depends)} if depends is not None else {}
        clear = "depends" not in task.broken
        for name in list(named):
            if name not in self._tasks or name == task.name:
                clear = False
                del named[name]
                if name == task.name:
                    self._add(path, f"'{name}' waits for itself")
                else:
                    self._unknown_task(path, name)
        return depends, named, clear

    def _check_references(self, value: Any, at: Location, referred: dict[str, str]) -> None:
        """Check the references in a value, and put the tasks that they name into `referred`."""
        for place, text in _templates(value, at):
            path = path_of(place)
            try:
                references = compile_template(text).references
            except ReferenceSyntaxError as error:
                references = error.readable
                for one in error.every:
                    self._add(path, str(one))
            for reference in references:
                for name in reference.inputs:
                    if self._inputs is not None and name not in self._inputs:
                        self._add(path, f"{shown(name)} is not declared in `inputs`{self._hint(name, self._inputs)}")
                for name in dict(reference.tasks):
                    if name in self._tasks:
                        referred.setdefault(name, path)
                    else:
                        self._unknown_task(path, name)

    def _check_constants(self, task: TaskShape) -> None:
        """Conditions that can't be judged, whatever the run is."""
        for index, condition in enumerate(task.spec.when or ()):
            left, right = condition.left, condition.right
            if condition.operator == "matches" and _holds_templates(left):
                left = ""
            if not _holds_templates(left) and not _holds_templates(right):
                try:
                    judge(left, condition.operator, right)
                except ConditionError as error:
                    at = ("when", index) if isinstance(task.raw["when"], list) else ("when",)
                    self._add(task.path(*at), f"can never be judged: {error}")

    def _check_outputs(self) -> None:
        if self._shape.outputs is None:
            return
        try:
            json_size(self._shape.outputs, PAYLOAD_BYTES)
        except LimitError as error:
            self._add("outputs", str(error))
            return
        self._check_references(self._shape.outputs, ("outputs",), {})

    def _points(self, path: str, names: Any) -> Iterator[tuple[str, str]]:
        """The tasks in one of the dag's lists of names, each with its path."""
        listed = names if isinstance(names, list) else [] if names is None else [names]
        first: dict[str, str] = {}
        for index, name in enumerate(listed):
            at = f"{path}[{index}]" if isinstance(names, list) else path
            if name not in self._tasks:
                self._unknown_task(at, name)
            elif first.setdefault(name, at) == at:
                yield name, at
            else:
                self._add(at, f"'{name}' is already {first[name]}")

    def _check_entrypoint(self, entries: Mapping[str, str]) -> None:
        """The entry points are exactly the tasks without `depends`."""
        if self._shape.entrypoint is None:
            return
        for name, task in self._tasks.items():
            if "depends" in task.broken:
                continue
            if name in entries and task.spec.depends is not None:
                self._add(
                    entries[name], f"'{name}' has a `depends`, so it is no entry point: take away one or the other"
                )
            elif name not in entries and task.spec.depends is None:
                self._add("dag.entrypoint", f"'{name}' has no `depends`, so it begins the run: name it here as well")

    # How the tasks fit together

    def _check_graph(self) -> None:
        links = self._links
        order, cycles = in_order({name: {**link.depended, **link.referred} for name, link in links.items()})
        for cycle in cycles:
            link, task = links[cycle[0]], self._tasks[cycle[0]]
            path = task.path("depends") if cycle[1] in link.depended else link.referred[cycle[1]]
            self._add(path, f"'{cycle[0]}' waits for itself: {_round(cycle)}")
        clear = [name for name in order if links[name].clear]
        self._check_upstream(Upstream({name: link.depended for name, link in links.items()}, clear))
        never, unreached, self._endings = foresee({name: links[name].depends for name in clear})
        for name, reason in never.items():
            self._add(self._tasks[name].path("depends"), f"'{name}' can never start: {reason}")
        for name, path in self._exits.items():
            if name in unreached:
                self._add(path, f"'{name}' can never be reached: {unreached[name]}")

    def _check_upstream(self, upstream: Upstream) -> None:
        for name, link in self._links.items():
            for other, path in link.referred.items():
                if upstream.lacks(name, other):
                    message = (
                        f"'{other}' is not upstream of '{name}': let '{name}' depend on it, such as by {other}.DONE"
                    )
                    self._add(path, message)


def _templates(value: Any, at: Location) -> Iterator[tuple[Location, str]]:
    """Every text in a value that may hold references, with its place."""
    if isinstance(value, str):
        if "{{" in value:
            yield at, value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _templates(inner, (*at, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _templates(inner, (*at, index))


def _holds_templates(value: Any) -> bool:
    return next(_templates(value, ()), None) is not None


def _round(cycle: tuple[str, ...]) -> str:
    names = cycle if len(cycle) <= _NAMES_SHOWN else (*cycle[:_NAMES_SHOWN], "…")
    return " -> ".join((*names, cycle[0]))
