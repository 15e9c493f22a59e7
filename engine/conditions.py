"""Conditions: `{"left", "operator", "right"}`, as a CONDITION block and a task's `when` take them.

No type is coerced. Values of different types are unequal (`"1"` and `1`, `true` and `1`), and to ask for their order is
an error rather than an answer.

| operator | asks whether |
| --- | --- |
| `==`, `!=` | both are the same JSON, all the way down; `1` and `1.0` are |
| `<`, `<=`, `>`, `>=` | two numbers, or two strings (by code point), stand in that order |
| `in`, `not in` | left is an item of the list, a part of the string, or a key of the object on the right |
| `contains` | the same with the sides exchanged |
| `matches` | the RE2 regular expression on the right is found anywhere in the string (`^…$` for all of it) |
| `exists` | left is not null; there is no right side |
"""

import operator as compare
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any, Final, Literal, Self, get_args

import re2
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from engine.faults import shown
from engine.limits import EXPRESSION_BYTES

Operator = Literal["==", "!=", "<", "<=", ">", ">=", "in", "not in", "contains", "matches", "exists"]
OPERATORS: Final[tuple[str, ...]] = get_args(Operator)
_PATTERN_MEMORY: Final = 4 * 1024 * 1024  # bytes that one compiled pattern, and its cache, may take
_SEARCH_STEPS: Final = 64_000_000  # characters times instructions, of which RE2 makes 150 million a second at worst


class Condition(BaseModel):
    """A question with the answer true or false."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    left: Any = Field(description="A value, most often a reference")
    operator: Operator
    right: Any = Field(default=None, description="What left is compared with; absent for `exists`")

    @model_serializer(mode="wrap")
    def _with_nulls(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """A null that was written is no field that was left out."""
        written = {**serialize(self), "left": self.left}
        return written if self.operator == "exists" else {**written, "right": self.right}

    @model_validator(mode="after")
    def _has_its_sides(self) -> Self:
        if self.operator == "exists" and self.right is not None:
            raise ValueError("'exists' has no right side")
        if self.operator != "exists" and "right" not in self.model_fields_set:
            raise ValueError(f"'{self.operator}' needs a right side (null may be written)")
        return self


class ConditionError(ValueError):
    """A condition that can't be judged; the text says why."""

    code: Final = "BAD_CONDITION"


def judge(left: Any, operator: str, right: Any = None) -> bool:
    """The answer to a condition whose references are resolved.

    Raises:
        ConditionError: the operator can't be asked about values of these types, or isn't one.
    """
    question = _QUESTIONS.get(operator)
    if question is None:
        raise ConditionError(f"{shown(operator)} is not an operator; there are {', '.join(OPERATORS)}")
    return question(left, right)


def same(one: Any, other: Any) -> bool:
    """Whether two JSON values are the same, without coercion: `1` is `1.0`, and neither is `true` or `"1"`."""
    if isinstance(one, dict):
        return isinstance(other, dict) and one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return isinstance(other, list) and len(one) == len(other) and all(map(same, one, other))
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)


def _in_order(order: Callable[[Any, Any], bool], operator: str, left: Any, right: Any) -> bool:
    if _kind(left) != _kind(right) or _kind(left) not in {"a number", "a string"}:
        raise ConditionError(f"'{operator}' compares two numbers or two strings, not {_kind(left)} and {_kind(right)}")
    return order(left, right)


def _has(operator: str, container: Any, item: Any) -> bool:
    if isinstance(container, list):
        return any(same(item, one) for one in container)
    if isinstance(container, str | dict):
        if isinstance(item, str):
            return item in container
        raise ConditionError(f"'{operator}' looks for a string in {_kind(container)}, not for {_kind(item)}")
    raise ConditionError(f"'{operator}' looks into a list, a string or an object, not into {_kind(container)}")


def _matches(text: Any, pattern: Any) -> bool:
    if not isinstance(text, str) or not isinstance(pattern, str):
        raise ConditionError(f"'matches' takes a string and a pattern, not {_kind(text)} and {_kind(pattern)}")
    try:
        compiled = _compiled(pattern)
        if len(text) * compiled.programsize > _SEARCH_STEPS:
            raise ConditionError(f"the string is too long to look for {shown(pattern)} in it")
        return compiled.search(text) is not None
    except UnicodeEncodeError:
        raise ConditionError("'matches' reads whole characters, not half of a surrogate pair") from None


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> Any:
    if len(pattern.encode()) > EXPRESSION_BYTES:
        raise ConditionError(f"the pattern is longer than {EXPRESSION_BYTES} bytes")
    options = re2.Options()
    options.max_mem = _PATTERN_MEMORY
    options.log_errors = False  # on standard error
    options.never_capture = True
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        reason = error.args[0].decode(errors="replace") if isinstance(error.args[0], bytes) else error.args[0]
        raise ConditionError(f"{shown(pattern)} is not a pattern of RE2: {reason}") from None


def _kind(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case str():
            return "a string"
        case list():
            return "a list"
        case _:
            return "an object"


_QUESTIONS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "==": same,
    "!=": lambda left, right: not same(left, right),
    "<": partial(_in_order, compare.lt, "<"),
    "<=": partial(_in_order, compare.le, "<="),
    ">": partial(_in_order, compare.gt, ">"),
    ">=": partial(_in_order, compare.ge, ">="),
    "in": lambda left, right: _has("in", right, left),
    "not in": lambda left, right: not _has("not in", right, left),
    "contains": partial(_has, "contains"),
    "matches": _matches,
    "exists": lambda left, _right: left is not None,
}
