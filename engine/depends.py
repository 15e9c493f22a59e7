"""The language of `depends`: which final statuses of other tasks start a task.

    expression  =  name | name.STATUS | name.DONE | !e | e && e | e || e | (e)

`!` binds tighter than `&&`, and that tighter than `||`. A name alone means `name.SUCCESS`. The logic is Kleene's: an
atom is unknown (None) until its task is final, then true or false, and an expression is known as soon as what is still
unknown can't change it. An expression is data: nothing in it is called, and its length and depth are limited.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import product
from typing import Final, TypeAlias, assert_never

from engine.faults import nearest, shown
from engine.limits import EXPRESSION_BYTES, EXPRESSION_DEPTH
from engine.statuses import FINAL_TASK, TaskStatus


@dataclass(frozen=True, slots=True)
class Atom:
    """Whether `task` ended as `status` (None: in any way). `column` is where that is written, from 1."""

    task: str
    status: TaskStatus | None
    column: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Not:
    """The opposite of its operand."""

    operand: "Expression"


@dataclass(frozen=True, slots=True)
class And:
    """Whether all operands are true. None of them is an And."""

    operands: tuple["Expression", ...]


@dataclass(frozen=True, slots=True)
class Or:
    """Whether any operand is true. None of them is an Or."""

    operands: tuple["Expression", ...]


Expression: TypeAlias = Atom | Not | And | Or


class DependsError(ValueError):
    """An expression that can't be read: `message` says why, `column` (from 1) where."""

    def __init__(self, message: str, column: int) -> None:
        self.message = message
        self.column = column
        super().__init__(f"column {column}: {message}")

    def __reduce__(self) -> tuple[type["DependsError"], tuple[str, int]]:
        return (DependsError, (self.message, self.column))


_BLANK: Final = " \t\r\n"
_TOKEN: Final = re.compile(
    r"[ \t\r\n]*(?:(?P<operator>&&|\|\||[!()])|(?P<task>[A-Za-z_][A-Za-z0-9_-]*)(?:\.(?P<status>[A-Za-z0-9_-]*))?)"
)
_POWER: Final = {"||": 1, "&&": 2}
_STATUSES: Final = {status.value: status for status in TaskStatus if status in FINAL_TASK}
_ENDINGS: Final[dict[str, TaskStatus | None]] = {**_STATUSES, "DONE": None}
_FORESEEING: Final = frozenset({TaskStatus.FAILED, TaskStatus.TIMED_OUT, None})
_HINTS: Final = {
    "&": "write '&&'",
    "and": "write '&&'",
    "|": "write '||'",
    "or": "write '||'",
    "=": "write 'name.STATUS'",
    ".": "write 'name.STATUS', without spaces",
    "{": "references belong in arguments and in `when`",
}


def parse(text: str | None) -> Expression | None:
    """The expression that `text` says; None if there is none or it is blank.

    Raises:
        DependsError: it isn't one, or is longer or deeper than the limits allow.
    """
    if text is None or not text.strip(_BLANK):
        return None
    if len(text) > EXPRESSION_BYTES:  # a character of this language is one byte; any other is refused anyway
        raise DependsError(f"longer than {EXPRESSION_BYTES} bytes", EXPRESSION_BYTES + 1)
    return _Parser(text).whole()


class _Parser:
    """A Pratt parser: operators are taken while they bind tighter than what is on their left."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._depth = 0
        self._end = 0  # of the token in hand
        self._advance()

    def whole(self) -> Expression:
        expression = self._expression(0)
        if self._symbol:
            raise self._unexpected("'&&', '||' or the end" if self._symbol != ")" else "a '(' before it")
        return expression

    def _advance(self) -> None:
        """Take the next token: `_symbol` is an operator, a task's name, or empty at the end."""
        match = _TOKEN.match(self._text, self._end)
        if match is None:
            rest = self._text[self._end :].lstrip(_BLANK)
            self._column = len(self._text) - len(rest) + 1
            if rest:
                hint = _HINTS.get(rest[0], "a task's name begins with a letter or '_'")
                raise DependsError(f"unexpected {shown(rest[0])}: {hint}", self._column)
            self._symbol, self._is_task, self._status = "", False, None
            return
        self._is_task = match["task"] is not None
        self._symbol = match["task"] or match["operator"]
        self._status = match["status"]
        self._column = match.start("task" if self._is_task else "operator") + 1
        self._end = match.end()

    def _expression(self, power: int) -> Expression:
        left = self._operand()
        while (operator := self._symbol) in _POWER and _POWER[operator] > power and not self._is_task:
            kind = And if operator == "&&" else Or
            operands: list[Expression] = []
            self._gather(left, kind, operands)
            while self._symbol == operator:
                self._advance()
                self._gather(self._expression(_POWER[operator]), kind, operands)
            left = kind(tuple(operands))
        return left

    @staticmethod
    def _gather(operand: Expression, kind: type[And | Or], operands: list[Expression]) -> None:
        """Add an operand, or, where parentheses hold an expression of the same kind, its operands."""
        if isinstance(operand, And | Or) and isinstance(operand, kind):
            operands += operand.operands
        else:
            operands.append(operand)

    def _operand(self) -> Expression:
        if self._is_task:
            return self._atom()
        if self._symbol not in {"!", "("}:
            raise self._unexpected("a task's name, '!' or '('")
        if self._depth == EXPRESSION_DEPTH:
            raise DependsError(f"more than {EXPRESSION_DEPTH} parentheses and '!' inside one another", self._column)
        operator, opened = self._symbol, self._column
        self._depth += 1
        self._advance()
        inside = Not(self._operand()) if operator == "!" else self._expression(0)
        self._depth -= 1
        if operator == "(":
            if self._symbol != ")":
                raise self._unexpected(f"the ')' of the '(' in column {opened}")
            self._advance()
        return inside

    def _atom(self) -> Atom:
        status = self._status if self._status is not None else TaskStatus.SUCCESS.value
        if status not in _ENDINGS:
            raise DependsError(
                f"{shown(status)} is not how a task can end{nearest(status, _ENDINGS)}; "
                f"allowed are {', '.join(_ENDINGS)}",
                self._column + len(self._symbol) + 1,
            )
        atom = Atom(self._symbol, _ENDINGS[status], self._column)
        self._advance()
        return atom

    def _unexpected(self, expected: str) -> DependsError:
        found = f"unexpected {shown(self._symbol)}" if self._symbol else "it ends too early"
        hint = f": {_HINTS[self._symbol]}" if self._is_task and self._symbol in _HINTS else f"; expected {expected}"
        return DependsError(f"{found}{hint}", self._column)


def evaluate(expression: Expression, status: Callable[[str], TaskStatus]) -> bool | None:
    """Whether the expression is true, given the status of each task; None while that is unknown."""
    match expression:
        case Atom(task=task, status=wanted):
            now = status(task)
            return None if now not in FINAL_TASK else wanted is None or now == wanted
        case Not(operand=operand):
            value = evaluate(operand, status)
            return None if value is None else not value
        case And(operands=operands) | Or(operands=operands):
            decisive = type(expression) is Or
            known = True
            for operand in operands:
                value = evaluate(operand, status)
                if value is decisive:
                    return decisive
                known = known and value is not None
            return not decisive if known else None
        case _:
            assert_never(expression)


def blocking(expression: Expression, status: Callable[[str], TaskStatus]) -> tuple[Atom, ...]:
    """The atoms that keep the expression unknown: whose tasks aren't final, and that can still decide it.

    Nothing is left of a part that is already decided: in `a && (b || c)` with `b` a success, that is `a` alone.
    """
    if evaluate(expression, status) is not None:
        return ()
    match expression:
        case Atom():
            return (expression,)
        case Not(operand=operand):
            return blocking(operand, status)
        case And(operands=operands) | Or(operands=operands):
            return tuple(dict.fromkeys(atom for operand in operands for atom in blocking(operand, status)))
        case _:
            assert_never(expression)


def atoms(expression: Expression) -> tuple[Atom, ...]:
    """Every atom, in the order in which they are written."""
    match expression:
        case Atom():
            return (expression,)
        case Not(operand=operand):
            return atoms(operand)
        case And(operands=operands) | Or(operands=operands):
            return tuple(atom for operand in operands for atom in atoms(operand))
        case _:
            assert_never(expression)


def text(expression: Expression) -> str:
    """The expression in writing: statuses spelt out, and parentheses only where they are needed."""
    match expression:
        case Atom(task=task, status=status):
            return f"{task}.{status or 'DONE'}"
        case Not(operand=operand):
            return f"!({text(operand)})" if isinstance(operand, And | Or) else f"!{text(operand)}"
        case And(operands=operands):
            return " && ".join(f"({text(one)})" if isinstance(one, Or) else text(one) for one in operands)
        case Or(operands=operands):
            return " || ".join(map(text, operands))
        case _:
            assert_never(expression)


def handles(expression: Expression) -> frozenset[str]:
    """The tasks whose failure is foreseen: named through `.FAILED`, `.TIMED_OUT`, `.DONE`, or anywhere under a `!`."""
    match expression:
        case Atom(task=task, status=status):
            return frozenset({task}) if status in _FORESEEING else frozenset()
        case Not(operand=operand):
            return frozenset(atom.task for atom in atoms(operand))
        case And(operands=operands) | Or(operands=operands):
            return frozenset().union(*map(handles, operands))
        case _:
            assert_never(expression)


def satisfiable(expression: Expression) -> bool:
    """Whether any final statuses of its tasks make the expression true.

    False is always right. In expressions with a great many alternatives some clauses are left out of account, so that
    True may then be wrong: the question is NP-complete, and this answer takes a bounded time.
    """
    return bool(_ways(expression, positive=True))


# The statuses that each task may have; a task that isn't in it may have any.
_Way: TypeAlias = dict[str, frozenset[TaskStatus]]
_ANY: Final[tuple[_Way, ...]] = ({},)
_MOST_WAYS: Final = 256


def _ways(expression: Expression, *, positive: bool) -> tuple[_Way, ...]:
    """The ways in which the expression becomes true (false, if not `positive`), or more than those, never fewer."""
    match expression:
        case Atom(task=task, status=status):
            wanted = FINAL_TASK if status is None else frozenset({status})
            allowed = wanted if positive else FINAL_TASK - wanted
            return ({task: allowed},) if allowed else ()
        case Not(operand=operand):
            return _ways(operand, positive=not positive)
        case And(operands=operands) | Or(operands=operands):
            parts = [_ways(operand, positive=positive) for operand in operands]
            if isinstance(expression, Or) is positive:
                ways = tuple(way for part in parts for way in part)
                return ways if len(ways) <= _MOST_WAYS else _ANY
            return _joined(sorted(parts, key=len))
        case _:
            assert_never(expression)


def _joined(parts: list[tuple[_Way, ...]]) -> tuple[_Way, ...]:
    """The ways to have all parts at once. The part with the fewest comes first, as it rules out the most."""
    ways = _ANY
    for part in parts:
        if len(ways) * len(part) > _MOST_WAYS:
            continue
        ways = tuple(way for pair in product(ways, part) if (way := _both(*pair)) is not None)
    return ways


def _both(one: _Way, other: _Way) -> _Way | None:
    both = dict(one)
    for task, allowed in other.items():
        both[task] = both.get(task, FINAL_TASK) & allowed
        if not both[task]:
            return None
    return both
