"""APPROVAL: when it is certain, who is counted, and what stays in the outputs."""

from collections.abc import Callable, Mapping
from datetime import datetime
from itertools import product
from time import time
from typing import Any, Literal

import pytest

from blocks.approval import approval
from blocks.contract import Expired, Failed, Outcome, Signal, Succeeded, Waiting

Call = Callable[..., Outcome]
THREE = ["ada", "grace", "edsger"]


def decided(call: Call, arguments: Mapping[str, Any], *decisions: tuple[str, str]) -> Outcome:
    """The outcome after these people decided so, one after another, as long as it waits."""
    result = call(approval, arguments)
    for number, (who, decision) in enumerate(decisions):
        if not isinstance(result, Waiting):
            break
        signal = Signal(f"s-{number}", who, float(number), {"decision": decision, "comment": f"{who} says so"})
        result = call(approval, arguments, phase="signal", signal=signal, waited=result.outputs)
    return result


def test_an_approval_lets_only_its_approvers_decide_and_closes_with_the_last_that_counts(call: Call) -> None:
    result = call(approval, {"approvers": THREE, "require": 2, "expires_in": "P7D"})
    assert isinstance(result, Waiting)
    assert result.senders == ("ada", "grace", "edsger")
    assert result.closes == {"approve": 2, "reject": 2}
    assert result.outputs is not None
    asked_at = datetime.fromisoformat(result.outputs["asked_at"])
    assert abs(asked_at.timestamp() - time()) < 60
    assert result.until == pytest.approx(asked_at.timestamp() + 7 * 86400)
    assert result.outputs == {
        "status": "waiting",
        "decided_by": [],
        "decisions": [],
        "asked": THREE,
        "asked_groups": [],
        "asked_at": result.outputs["asked_at"],
        "reminders_sent": 0,
        "escalated_at": None,
        "remind_at": None,
        "escalate_at": None,
        "expires_at": result.outputs["expires_at"],
        "problems": [],
    }
    assert result.schema is not None
    assert result.schema["required"] == ["decision"]


def test_one_approval_of_any_is_enough_and_the_outputs_say_who_what_and_when(call: Call) -> None:
    decision = {"who": "grace", "decision": "approve", "comment": "grace says so", "at": "1970-01-01T00:00:00Z"}
    result = decided(call, {"approvers": THREE}, ("grace", "approve"))
    assert isinstance(result, Succeeded)
    assert {"status": "approved", "decided_by": ["grace"], "decisions": [decision]}.items() <= result.outputs.items()


def test_a_decision_that_does_not_settle_it_keeps_the_moment_and_the_decision(call: Call) -> None:
    arguments = {"approvers": THREE, "require": "all", "expires_in": "P7D"}
    result = decided(call, arguments, ("ada", "approve"))
    assert isinstance(result, Waiting)
    assert (result.until, result.after) == (None, None)
    assert result.outputs is not None
    assert result.outputs["decided_by"] == ["ada"]
    assert (result.schema, result.senders, result.closes) == (None, None, None)  # what was wanted is wanted still


def test_a_rejection_fails_with_the_decisions_kept(call: Call) -> None:
    result = decided(call, {"approvers": "ada"}, ("ada", "reject"))
    assert isinstance(result, Failed)
    assert (result.code, result.retryable) == ("REJECTED", False)
    assert result.message == "rejected by ada: ada says so"
    assert result.outputs is not None
    assert (result.outputs["status"], result.outputs["decided_by"]) == ("rejected", ["ada"])


@pytest.mark.parametrize("require", ["any", "all", 1, 2, 3])
@pytest.mark.parametrize("votes", list(product(["approve", "reject"], repeat=3)))
def test_an_approval_ends_exactly_when_its_outcome_is_certain(
    call: Call, require: Literal["any", "all"] | int, votes: tuple[str, ...]
) -> None:
    needed = {"any": 1, "all": 3}[require] if isinstance(require, str) else require
    for cast in range(4):
        yes, no = votes[:cast].count("approve"), votes[:cast].count("reject")
        result = decided(call, {"approvers": THREE, "require": require}, *zip(THREE, votes[:cast], strict=False))
        if yes >= needed:
            assert isinstance(result, Succeeded)
        elif no > 3 - needed:
            assert isinstance(result, Failed)
        else:
            assert isinstance(result, Waiting)


@pytest.mark.parametrize("who", ["mallory", "ada", None])
def test_a_stranger_or_a_second_decision_changes_nothing(call: Call, who: str | None) -> None:
    arguments = {"approvers": THREE, "require": 2}
    waiting = decided(call, arguments, ("ada", "approve"))
    assert isinstance(waiting, Waiting)
    signal = Signal("s-9", who, 9.0, {"decision": "approve"})
    assert call(approval, arguments, phase="signal", signal=signal, waited=waiting.outputs) == waiting


def test_an_approval_that_expires_keeps_the_decisions_that_came(call: Call) -> None:
    arguments = {"approvers": THREE, "require": 2, "expires_in": "5m"}
    waiting = decided(call, arguments, ("ada", "approve"))
    assert isinstance(waiting, Waiting)
    result = call(approval, arguments, phase="wake", waited=waiting.outputs)
    assert isinstance(result, Expired)
    assert result.reason == "1 of 2 approvals came within 5m"
    assert result.outputs == {**(waiting.outputs or {}), "status": "expired"}


def test_approvers_given_twice_count_once(call: Call) -> None:
    result = call(approval, {"approvers": ["ada", " ada ", "grace"], "require": "all"})
    assert isinstance(result, Waiting)
    assert (result.senders, result.closes) == (("ada", "grace"), {"approve": 2, "reject": 1})


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({}, "give `approvers` or `groups`"),
        ({"approvers": []}, "give `approvers` or `groups`"),
        ({"approvers": "ada\nbob"}, "approvers: holds a character that can't be printed"),
        ({"groups": "stewards", "require": "all"}, "`require` can't be all with `groups`"),
        ({"approvers": "ada", "escalate_after": "1h"}, "give `escalate_after` and `escalate_to` together"),
        ({"approvers": "ada", "escalate_to": "bob"}, "give `escalate_after` and `escalate_to` together"),
        ({"approvers": "ada", "escalate_after": "0s", "escalate_to": "bob"}, "escalate_after: should be longer than"),
        ({"approvers": "ada", "remind_every": "0s"}, "remind_every: should be longer than nothing"),
        ({"groups": "stewards", "remind_every": "1h"}, "the members of a group get no mails"),
        ({"approvers": "ada", "reminders": 0}, "reminders: should be greater than or equal to 1"),
        ({"approvers": ["ada", ""]}, "approvers[1]: should have at least 1 character"),
        ({"approvers": [7]}, "approvers[0]: should be a valid string"),
        ({"approvers": ["ada", "ada"], "require": 2}, "asks for 2 approvals, but there are 1 approvers"),
        ({"approvers": "ada", "require": 0}, "require: "),
        ({"approvers": "ada", "require": True}, "require: "),
        ({"approvers": "ada", "expires_in": "1 month"}, "expires_in: "),
        ({"aprovers": "ada"}, "did you mean 'approvers'?"),
    ],
)
def test_an_approval_refuses_what_nobody_can_decide(call: Call, arguments: dict[str, Any], complaint: str) -> None:
    result = call(approval, arguments)
    assert isinstance(result, Failed)
    assert result.code == "BAD_ARGUMENTS"
    assert complaint in result.message


@pytest.mark.parametrize("data", [{}, {"decision": "maybe"}, {"decision": "approve", "as": "ada"}, "approve", None])
def test_a_signal_that_is_no_decision_is_refused(call: Call, data: object) -> None:
    signal = Signal("s-1", "ada", 0.0, data)
    result = call(approval, {"approvers": "ada"}, phase="signal", signal=signal)
    assert isinstance(result, Failed)
    assert result.code == "BAD_SIGNAL"
