"""Conditions: what each operator answers, and what it refuses to answer."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from engine.conditions import OPERATORS, Condition, ConditionError, judge, same
from engine.limits import EXPRESSION_BYTES

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-2, 2)
    | st.sampled_from([0.0, 1.0, 0.5])
    | st.sampled_from(["", "1", "true"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
    max_leaves=5,
)


def refusal(left: Any, operator: str, right: Any) -> str:
    with pytest.raises(ConditionError) as caught:
        judge(left, operator, right)
    assert caught.value.code == "BAD_CONDITION"
    return str(caught.value)


@pytest.mark.parametrize(
    ("left", "right", "equal"),
    [
        (1, 1, True),
        (1, 1.0, True),
        ("1", 1, False),
        (True, 1, False),
        (False, 0, False),
        (None, False, False),
        (None, None, True),
        ("a", "A", False),
        ([1, [True]], [1.0, [True]], True),
        ([1, [True]], [1, [1]], False),
        ([1], [1, 1], False),
        ({"a": {"b": 0}, "c": 1}, {"c": 1, "a": {"b": 0.0}}, True),
        ({"a": {"b": 0}}, {"a": {"b": False}}, False),
        ({"a": None}, {}, False),
        ([], {}, False),
        ({}, {}, True),
        ("", None, False),
    ],
)
def test_equality_coerces_nothing(left: Any, right: Any, equal: bool) -> None:  # noqa: FBT001
    assert judge(left, "==", right) is equal
    assert judge(right, "==", left) is equal
    assert judge(left, "!=", right) is not equal


@given(json_values, json_values)
def test_values_are_the_same_exactly_if_their_json_is(one: Any, other: Any) -> None:
    def canonical(value: Any) -> str:
        return json.dumps(value, sort_keys=True).replace("0.0", "0").replace("1.0", "1")

    assert same(one, other) is (canonical(one) == canonical(other))


@pytest.mark.parametrize(
    ("left", "operator", "right", "answer"),
    [
        (1, "<", 1.5, True),
        (2, "<", 2.0, False),
        (2, "<=", 2.0, True),
        (3, ">", 2, True),
        (2, ">=", 3, False),
        ("10", "<", "9", True),
        ("b", ">", "a", True),
        (1, "in", [0, 1.0], True),
        (True, "in", [1], False),
        (True, "not in", [1], True),
        ({"a": 1}, "in", [{"a": 1}], True),
        ("ab", "in", "cabs", True),
        ("key", "in", {"key": None}, True),
        ("value", "not in", {"key": "value"}, True),
        (["x"], "contains", "x", True),
        ("text", "contains", "ex", True),
        ({"k": 1}, "contains", "k", True),
        ([], "contains", None, False),
        ("name@example.org", "matches", r"@example\.(org|com)$", True),
        ("name@example.org", "matches", r"^example", False),
        ("näme", "matches", r"^\pL+$", True),
        (0, "exists", None, True),
        ("", "exists", None, True),
        (False, "exists", None, True),
        (None, "exists", None, False),
    ],
)
def test_an_operator_answers(left: Any, operator: str, right: Any, answer: bool) -> None:  # noqa: FBT001
    assert judge(left, operator, right) is answer


@pytest.mark.parametrize(
    ("left", "operator", "right", "message"),
    [
        ("1", "<", 2, "'<' compares two numbers or two strings, not a string and a number"),
        (True, "<=", 2, "'<=' compares two numbers or two strings, not true or false and a number"),
        (None, ">", None, "'>' compares two numbers or two strings, not null and null"),
        ([1], ">=", [0], "'>=' compares two numbers or two strings, not a list and a list"),
        (1, "in", 12, "'in' looks into a list, a string or an object, not into a number"),
        (1, "in", "12", "'in' looks for a string in a string, not for a number"),
        (None, "not in", {"a": 1}, "'not in' looks for a string in an object, not for null"),
        (None, "contains", "x", "'contains' looks into a list, a string or an object, not into null"),
        (7, "matches", "7", "'matches' takes a string and a pattern, not a number and a string"),
        ("7", "matches", None, "'matches' takes a string and a pattern, not a string and null"),
        ("(", "matches", "(", "'(' is not a pattern of RE2: missing ): ("),
        ("aa", "matches", r"(a)\1", r"'(a)\\1' is not a pattern of RE2: invalid escape sequence: \1"),
        (1, "=", 1, f"'=' is not an operator; there are {', '.join(OPERATORS)}"),
    ],
)
def test_an_operator_refuses_what_has_no_answer(left: Any, operator: str, right: Any, message: str) -> None:
    assert refusal(left, operator, right) == message


@given(json_values, st.sampled_from(OPERATORS), json_values)
def test_every_question_has_an_answer_or_a_sentence(left: Any, operator: str, right: Any) -> None:
    try:
        answer = judge(left, operator, right)
    except ConditionError as error:
        assert len(str(error)) > 20  # noqa: PT017 - either outcome is fine
    else:
        assert isinstance(answer, bool)


@pytest.mark.parametrize("length", [EXPRESSION_BYTES - 1, EXPRESSION_BYTES, EXPRESSION_BYTES + 1])
def test_g18_the_limit_of_a_pattern_is_exact(length: int) -> None:
    pattern = "é" + "a" * (length - 2)
    if length <= EXPRESSION_BYTES:
        assert judge(pattern, "matches", pattern)
    else:
        assert refusal(pattern, "matches", pattern) == "the pattern is longer than 4096 bytes"


@pytest.mark.parametrize("pattern", ["^(a+)+$", "(a|a)*c", "(.*)*(.*)*x$"])
def test_s8_patterns_that_hang_other_engines_are_answered(pattern: str) -> None:
    assert judge("a" * 250_000 + "!", "matches", pattern) is False


@pytest.mark.parametrize("pattern", ["[ab]*a[ab]{500}c", "(([ab]?){30}){30}x", "(.?){1000}x", r"(\pL{1,9}){1,9}"])
def test_s8_patterns_that_are_slow_on_long_texts_are_refused_for_those(pattern: str) -> None:
    assert judge("ab!", "matches", pattern) in {True, False}
    assert refusal("ab" * 125_000, "matches", pattern).startswith("the string is too long to look for ")


def test_s8_a_pattern_that_compiles_to_too_much_is_refused() -> None:
    assert refusal("x", "matches", r"(\pL{1,500})+").endswith("pattern too large - compile failed")


def test_a_condition_is_read_strictly() -> None:
    assert Condition.model_validate({"left": 1, "operator": "==", "right": None}).right is None
    assert Condition.model_validate({"left": 1, "operator": "exists"}).right is None
    for wrong in (
        {"left": 1, "operator": "=="},
        {"left": 1, "operator": "=", "right": 1},
        {"operator": "==", "right": 1},
        {"left": 1, "operator": "exists", "right": 1},
        {"left": 1, "operator": "==", "right": 1, "otherwise": 2},
    ):
        with pytest.raises(ValidationError):
            Condition.model_validate(wrong)
