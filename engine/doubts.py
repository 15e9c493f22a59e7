"""Doubts: what is legal in a workflow and yet perhaps not meant. They are shown as warnings, and refuse nothing.

That the failure of a task fails the run is what most people want of most tasks, so one sentence tells it of all of
them. A task has a sentence of its own if its failure is handled in part: when it is FAILED but not when it is
TIMED_OUT, or the other way round.
"""

from collections.abc import Container, Iterator, Mapping
from typing import Final

from engine.blocktypes import BlockTypes
from engine.depends import Expression, atoms, handles
from engine.documents import Workflow
from engine.faults import Fault
from engine.foresight import Endings
from engine.statuses import TaskStatus

_GIVEN: Final = ("version", "created_by", "created_at")  # by the store
_DEADLINE: Final = "expires_in"  # what blocks that wait call the argument after which they are TIMED_OUT
_NAMES_SHOWN: Final = 6
_OTHER: Final = {TaskStatus.FAILED: TaskStatus.TIMED_OUT, TaskStatus.TIMED_OUT: TaskStatus.FAILED}


def doubts(
    workflow: Workflow, blocks: BlockTypes, gates: Mapping[str, Expression | None], endings: Endings
) -> Iterator[Fault]:
    """The warnings about a workflow without faults. `gates` has the `depends` of each task, `endings` is foreseen."""
    if given := [field for field in _GIVEN if getattr(workflow, field) is not None]:
        verb = "is" if len(given) == 1 else "are"
        yield Fault(given[0], f"{_listed(given)} {verb} given by the store; what is written here is ignored")
    exits = frozenset(workflow.dag.exitpoints)
    timed = _timed(workflow, blocks, gates)
    handled = _handled(gates, endings, timed)
    bare: list[str] = []
    for index, spec in enumerate(workflow.dag.tasks):
        path = f"dag.tasks[{index}]"
        ways = handled.get(spec.name, {})
        if spec.name in exits:
            if spec.allow_failure:
                message = f"has no effect: '{spec.name}' is an exit point, so if it fails, so does the run"
                yield Fault(f"{path}.allow_failure", message)
        elif spec.allow_failure:
            continue
        elif not ways:
            bare.append(spec.name)
        elif len(ways) == 1:
            [(status, by)] = ways.items()
            if spec.name in timed:
                yield Fault(path, _halfway(spec.name, status, by))
    if bare:
        message = (
            f"nothing handles a failure of {_listed(bare, 'or')}, so it fails the run; where that isn't meant, name "
            "the task in a `depends` with .FAILED, .TIMED_OUT or .DONE, or set its `allow_failure`"
        )
        yield Fault("dag.tasks", message)


def _timed(workflow: Workflow, blocks: BlockTypes, gates: Mapping[str, Expression | None]) -> set[str]:
    """The tasks that may be TIMED_OUT: those that something sets a time, or of which a `depends` takes it to be so."""
    named = (atom for gate in gates.values() if gate is not None for atom in atoms(gate))
    timed = {atom.task for atom in named if atom.status is TaskStatus.TIMED_OUT}
    for spec in workflow.dag.tasks:
        if spec.timeout is not None or blocks[spec.type].timeout is not None or _DEADLINE in spec.arguments:
            timed.add(spec.name)
    return timed


def _handled(
    gates: Mapping[str, Expression | None], endings: Endings, timed: Container[str]
) -> Mapping[str, Mapping[TaskStatus, list[str]]]:
    """For each task the ways in which it may fail and be handled, and by whom: by tasks that can start then."""
    handled: dict[str, dict[TaskStatus, list[str]]] = {}
    for handler, gate in gates.items():
        for task in handles(gate) if gate is not None else ():
            for status in _OTHER.keys() & endings(handler, task):
                if status is TaskStatus.FAILED or task in timed:
                    handled.setdefault(task, {}).setdefault(status, []).append(handler)
    return handled


def _halfway(name: str, status: TaskStatus, by: list[str]) -> str:
    other = _OTHER[status]
    return (
        f"'{name}' is handled if it is {status}, by {_listed(by)}, but if it is {other} it fails the run; where that "
        f"isn't meant, name {name}.{other} in a `depends` as well"
    )


def _listed(names: list[str], word: str = "and") -> str:
    shown = [f"'{name}'" for name in names[:_NAMES_SHOWN]]
    if len(names) > _NAMES_SHOWN:
        shown.append(f"{len(names) - _NAMES_SHOWN} more")
    return f" {word} ".join(filter(None, (", ".join(shown[:-1]), shown[-1])))
