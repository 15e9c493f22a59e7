"""The blocks that only decide, name or wait: NOOP, CONDITION, TRANSFORM, WAIT, WAIT_FOR_SIGNAL."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from blocks.condition import condition
from blocks.contract import Expired, Failed, Outcome, Signal, Skipped, Succeeded, Waiting
from blocks.noop import noop
from blocks.transform import transform
from blocks.wait import wait
from blocks.wait_for_signal import wait_for_signal

Call = Callable[..., Outcome]
HIGH_RISK = {"left": "high", "operator": "==", "right": "low"}
MANY_ROWS = {"left": 5_000, "operator": ">", "right": 1_000}


@pytest.mark.parametrize("arguments", [{}, {"note": "hello", "nested": {"list": [1, None, 2.5]}}])
def test_a_noop_gives_its_arguments_back(call: Call, arguments: dict[str, Any]) -> None:
    assert call(noop, arguments) == Succeeded(arguments)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (MANY_ROWS, Succeeded({"result": True})),
        (HIGH_RISK, Skipped("'high' == 'low' is false")),
        ({"all": [MANY_ROWS, HIGH_RISK]}, Skipped("'high' == 'low' is false")),
        ({"all": [MANY_ROWS, MANY_ROWS]}, Succeeded({"result": True})),
        ({"any": [HIGH_RISK, MANY_ROWS]}, Succeeded({"result": True})),
        ({"any": [HIGH_RISK, HIGH_RISK]}, Skipped("none of the comparisons holds")),
        ({"left": None, "operator": "exists"}, Skipped("None exists is false")),
        ({"left": "x", "operator": "in", "right": ["x"]}, Succeeded({"result": True})),
    ],
)
def test_a_condition_succeeds_or_is_skipped(call: Call, arguments: dict[str, Any], expected: Outcome) -> None:
    assert call(condition, arguments) == expected


def test_a_condition_that_cannot_be_judged_fails(call: Call) -> None:
    result = call(condition, {"left": "1", "operator": "<", "right": 2})
    assert isinstance(result, Failed)
    assert (result.code, result.retryable) == ("BAD_CONDITION", False)


def test_a_condition_stops_at_the_first_comparison_that_decides(call: Call) -> None:
    unjudgeable = {"left": "1", "operator": "<", "right": 2}
    assert call(condition, {"all": [HIGH_RISK, unjudgeable]}) == Skipped("'high' == 'low' is false")
    assert call(condition, {"any": [MANY_ROWS, unjudgeable]}) == Succeeded({"result": True})


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({}, "one of the three"),
        ({"left": 1}, "operator: is required"),
        ({"left": 1, "operator": "=="}, "right"),
        ({"left": 1, "operator": "=", "right": 1}, "operator: should be '=='"),
        ({**HIGH_RISK, "all": [HIGH_RISK]}, "one of the three"),
        ({"all": []}, "all: should have at least 1 item"),
        ({"all": [{"left": 1, "operater": "==", "right": 1}]}, "did you mean 'operator'?"),
    ],
)
def test_a_condition_refuses_arguments_that_are_no_comparison(
    call: Call, arguments: dict[str, Any], complaint: str
) -> None:
    result = call(condition, arguments)
    assert isinstance(result, Failed)
    assert result.code == "BAD_ARGUMENTS"
    assert complaint in result.message


def test_a_transform_gives_its_values(call: Call) -> None:
    values = {"owners": ["ada", "grace"], "count": 2}
    assert call(transform, {"values": values}) == Succeeded(values)


def test_a_wait_counts_from_when_it_is_recorded_and_ends_when_woken(call: Call) -> None:
    assert call(wait, {"duration": "1h"}) == Waiting(after=3600.0)
    assert isinstance(call(wait, {"duration": "1h"}, phase="wake"), Succeeded)


def test_a_wait_until_a_moment_has_that_moment(call: Call) -> None:
    moment = datetime(2027, 1, 31, 8, 0, tzinfo=UTC).timestamp()
    assert call(wait, {"until": "2027-01-31T09:00:00+01:00"}) == Waiting(until=moment)


@pytest.mark.parametrize(
    "arguments",
    [{}, {"duration": "1h", "until": "2027-01-31T09:00:00Z"}, {"until": "2027-01-31T09:00:00"}, {"duration": "soon"}],
)
def test_a_wait_refuses_an_ambiguous_time(call: Call, arguments: dict[str, Any]) -> None:
    result = call(wait, arguments)
    assert isinstance(result, Failed)
    assert result.code == "BAD_ARGUMENTS"


def test_a_wait_for_a_signal_says_who_may_send_what_and_how_often(call: Call) -> None:
    schema = {"type": "object", "required": ["url"]}
    result = call(wait_for_signal, {"from": ["ada", "ada", "grace"], "schema": schema, "expires_in": "30s"})
    assert result == Waiting(after=30.0, schema=schema, senders=("ada", "grace"), closes={"*": 1})


def test_the_first_signal_ends_the_wait_with_its_data(call: Call) -> None:
    signal = Signal("s-1", "ada", 0.0, {"url": "x"})
    result = call(wait_for_signal, {"from": "ada"}, phase="signal", signal=signal)
    assert result == Succeeded({"data": {"url": "x"}, "sender": "ada", "at": "1970-01-01T00:00:00Z"})


def test_a_wait_for_a_signal_that_never_comes_times_out(call: Call) -> None:
    result = call(wait_for_signal, {"expires_in": "30s"}, phase="wake")
    assert result == Expired("no signal came within 30s")


@pytest.mark.parametrize(
    "arguments", [{"from": []}, {"from": ""}, {"schema": {"type": "objct"}}, {"expires_in": "P1M"}]
)
def test_a_wait_for_a_signal_refuses_what_can_never_be_sent(call: Call, arguments: dict[str, Any]) -> None:
    result = call(wait_for_signal, arguments)
    assert isinstance(result, Failed)
    assert result.code == "BAD_ARGUMENTS"
