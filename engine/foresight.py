"""Foresight: which tasks can never start, whatever happens in a run.

A task starts when its `depends` is true. What that says of other tasks is collected as *facts*: for each task, the
final statuses that it may still have, six bits a task in one whole number. A task that has started brings along the
facts under which it could start, one that was omitted those under which it couldn't; facts that leave a task no status
at all are a contradiction, as in `a.SUCCESS && b.SUCCESS` where `b` depends on `a.FAILED`.

"Never" is always right. Alternatives are merged to what they have in common, so that the work grows with the length of
the expressions alone; for that, some tasks that can't start are not found.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Final, NamedTuple, TypeAlias, assert_never

from engine.depends import And, Atom, Expression, Not, Or, satisfiable
from engine.statuses import FINAL_TASK, TaskStatus

Endings: TypeAlias = Callable[[str, str], frozenset[TaskStatus]]
_Facts: TypeAlias = int

_STATUSES: Final = tuple(status for status in TaskStatus if status in FINAL_TASK)
_WIDTH: Final = len(_STATUSES)
_BIT: Final = {status: 1 << index for index, status in enumerate(_STATUSES)}
_ANY: Final = (1 << _WIDTH) - 1
_OMITTED: Final = _BIT[TaskStatus.OMITTED]
_CANCELLED: Final = _BIT[TaskStatus.CANCELLED]
_STARTED: Final = _ANY & ~_OMITTED & ~_CANCELLED
_REASONS_SHOWN: Final = 3
_PASSES: Final = 2  # what the end of a conjunction says may rule out alternatives at its beginning


class Foresight(NamedTuple):
    """`never`: the tasks whose own `depends` can't become true, and why; `unreached`: with those they drag along.

    `endings(task, other)` has the final statuses that `other` may have once `task` has started.
    """

    never: Mapping[str, str]
    unreached: Mapping[str, str]
    endings: Endings


def foresee(gates: Mapping[str, Expression | None]) -> Foresight:
    """Which tasks can never start.

    `gates` has the `depends` of each task, behind those of the tasks that it names; nothing is said of other tasks.
    """
    reasoning = _Reasoning(gates)
    never = reasoning.never(gates, dragging=False)
    return Foresight(never, _Reasoning(gates).never(gates, dragging=True) if never else {}, reasoning.endings)


class _Reasoning:
    """What is known of all tasks so far, in whatever way the run goes, and what follows from how one of them ended.

    No task is CANCELLED as far as another is concerned: cancelling a run starts nothing, and a retry resets the task.
    """

    def __init__(self, tasks: Iterable[str]) -> None:
        self._names = tuple(tasks)
        self._shift = {task: _WIDTH * index for index, task in enumerate(self._names)}
        self._lowest = sum(1 << shift for shift in self._shift.values())
        self._always: _Facts = self._lowest * (_ANY & ~_CANCELLED)
        self._if_started: dict[str, _Facts | None] = {}  # None: nothing follows
        self._if_omitted: dict[str, _Facts | None] = {}
        self._conflicts: dict[str, None] = {}

    def never(self, gates: Mapping[str, Expression | None], *, dragging: bool) -> dict[str, str]:
        """The tasks that can't start, and why.

        One that can't is omitted as far as the others are concerned if it is `dragging` them along; otherwise they are
        judged as if it could.
        """
        found: dict[str, str] = {}
        for task, gate in gates.items():
            started, omitted = (None, None) if gate is None else self._outlook(gate)
            if gate is not None and started is None:
                found[task] = self._why()
                if dragging:
                    self._restrict(task, _OMITTED)
            elif omitted is None:
                self._restrict(task, _ANY & ~_OMITTED)
            self._if_started[task] = started
            self._if_omitted[task] = omitted
        return found

    def endings(self, task: str, other: str) -> frozenset[TaskStatus]:
        """How `other` may have ended once `task` has started."""
        facts = self._if_started[task]
        left = self._left(self._always if facts is None else facts, other)
        return frozenset(status for status in _STATUSES if _BIT[status] & left)

    def _outlook(self, gate: Expression) -> tuple[_Facts | None, _Facts | None]:
        """The facts if the gate is true, and if it is false; None if it can't be."""
        omitted = self._facts(gate, self._always, positive=False)
        self._conflicts.clear()
        started: _Facts | None = self._always
        for _ in range(_PASSES):
            started = None if started is None else self._facts(gate, started, positive=True)
        return started if satisfiable(gate) else None, omitted

    def _facts(self, expression: Expression, facts: _Facts, *, positive: bool) -> _Facts | None:
        """The facts once the expression is true (false, if not `positive`) as well; None if they contradict."""
        match expression:
            case Atom():
                return self._atom(expression, facts, positive=positive)
            case Not(operand=operand):
                return self._facts(operand, facts, positive=not positive)
            case And(operands=operands) | Or(operands=operands):
                if isinstance(expression, And) is positive:
                    for operand in operands:
                        narrower = self._facts(operand, facts, positive=positive)
                        if narrower is None:
                            return None
                        facts = narrower
                    return facts
                ways = 0
                for operand in operands:
                    ways |= self._facts(operand, facts, positive=positive) or 0
                return ways or None
            case _:
                assert_never(expression)

    def _atom(self, atom: Atom, facts: _Facts, *, positive: bool) -> _Facts | None:
        task = atom.task
        if task not in self._if_started:
            return facts
        asked = _ANY if atom.status is None else _BIT[atom.status]
        wanted = asked if positive else _ANY & ~asked
        left = self._left(facts, task) & wanted
        if not left:
            self._conflict(task, self._left(facts, task), wanted)
            return None
        facts &= ~((_ANY & ~left) << self._shift[task])
        implied = None
        if not left & ~_STARTED:
            implied = self._if_started[task]
        elif left == _OMITTED:
            implied = self._if_omitted[task]
        if implied is None:
            return facts
        other = self._empty(facts & implied)
        if other is not None:
            self._conflict(other, self._left(facts, other), self._left(implied, other))
            return None
        return facts & implied

    def _left(self, facts: _Facts, task: str) -> int:
        return facts >> self._shift[task] & _ANY

    def _restrict(self, task: str, statuses: int) -> None:
        self._always &= ~((_ANY & ~statuses) << self._shift[task])

    def _empty(self, facts: _Facts) -> str | None:
        """A task that is left no status."""
        filled = facts
        for shift in range(1, _WIDTH):
            filled |= facts >> shift
        empty = self._lowest & ~filled
        return self._names[(empty.bit_length() - 1) // _WIDTH] if empty else None

    def _conflict(self, task: str, left: int, wanted: int) -> None:
        possible = self._left(self._always, task)
        if wanted & possible:
            reason = f"'{task}' would have to end both {_spoken(left & possible)} and {_spoken(wanted & possible)}"
        elif not wanted:
            reason = f"'{task}' always ends"
        elif wanted == _CANCELLED:
            reason = f"'{task}' is CANCELLED only with the whole run, and then nothing starts"
        else:
            reason = f"'{task}' never ends {_spoken(wanted)}"
        self._conflicts[reason] = None

    def _why(self) -> str:
        reasons = list(self._conflicts)[:_REASONS_SHOWN]
        return ", and ".join(reasons) or "no outcome of the tasks that it names makes it true"


def _spoken(statuses: int) -> str:
    return " or ".join(status for status in _STATUSES if _BIT[status] & statuses)
