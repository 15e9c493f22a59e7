"""Delegation: who may hand a task over, to whom, what follows for both, and what the journal keeps."""

import json

import pytest

from engine.limits import DELEGATIONS, ID_CHARS, REASON_CHARS
from engine.outcomes import Duplicate, Rejected
from engine.run import dump_task, load_task
from engine.transitions import (
    RunPaused,
    RunRetried,
    Signal,
    SignalReceived,
    TaskDelegated,
    Transition,
    Wants,
    dump_transition,
    load_transition,
)
from tests.engine.driver import Play

WANTS = Wants({}, ("ada", "grace"), {"approve": 2, "reject": 1}, ("stewards",), ("eve",))


@pytest.fixture
def play() -> Play:
    play = Play("a")
    play.suspend("a", after=600, wants=WANTS)
    return play


def hand(play: Play, sender: str, to: str, *groups: str) -> None:
    play.do(TaskDelegated("a", 1, sender, to, "on holiday", groups), by=sender)


def approve(play: Play, sender: str) -> None:
    data = {"decision": "approve", "comment": "fine"}
    play.do(SignalReceived("a", Signal(f"s-{sender}", 1, sender, data)), by=sender)


def test_who_takes_over_decides_on_behalf_of_who_was_asked(play: Play) -> None:
    hand(play, "ada", "bob")
    approve(play, "bob")
    (signal,), (accepted,) = play["a"].inbox, play["a"].accepted
    assert (signal.sender, signal.on_behalf) == ("bob", "ada")
    assert (accepted.sender, accepted.voice) == ("bob", "ada")
    assert play.journal[-1].detail == {"decision": "approve", "comment": "fine", "on_behalf": "ada"}


def test_the_journal_keeps_who_handed_over_to_whom_and_why_and_no_status_changes(play: Play) -> None:
    hand(play, "ada", "bob")
    entry = play.journal[-1]
    assert (entry.type, entry.task, entry.by, entry.tasks) == ("TaskDelegated", "a", "ada", {})
    assert entry.detail == {"from": "ada", "to": "bob", "reason": "on holiday"}


def test_who_handed_over_decides_no_more(play: Play) -> None:
    hand(play, "ada", "bob")
    assert play.refusal(SignalReceived("a", Signal("s", 1, "ada", {}))) == "NOT_ALLOWED"
    assert play.refusal(TaskDelegated("a", 1, "ada", "carol")) == "NOT_ALLOWED"


def test_who_took_over_hands_it_on_in_the_same_place(play: Play) -> None:
    hand(play, "ada", "bob")
    hand(play, "bob", "carol")
    assert play["a"].delegated == (("carol", "ada"),)
    assert play.refusal(SignalReceived("a", Signal("s", 1, "bob", {}))) == "NOT_ALLOWED"
    approve(play, "carol")
    assert play["a"].accepted[0].on_behalf == "ada"


def test_a_member_of_a_group_hands_over_his_own_place(play: Play) -> None:
    hand(play, "gus", "hal", "stewards")
    assert play["a"].delegated == (("hal", "gus"),)
    approve(play, "hal")
    assert play["a"].accepted[0].voice == "gus"


def test_the_same_said_twice_is_said_once(play: Play) -> None:
    hand(play, "ada", "bob")
    assert isinstance(play.propose(TaskDelegated("a", 1, "ada", "bob")), Duplicate)


@pytest.mark.parametrize(
    ("transition", "code"),
    [
        (TaskDelegated("b", 1, "ada", "bob"), "UNKNOWN_TASK"),
        (TaskDelegated("a", 2, "ada", "bob"), "STALE_SIGNAL"),
        (TaskDelegated("a", 1, "mallory", "bob"), "NOT_ALLOWED"),
        (TaskDelegated("a", 1, "mallory", "bob", groups=("others",)), "NOT_ALLOWED"),
        (TaskDelegated("a", 1, "eve", "bob", groups=("stewards",)), "NOT_ALLOWED"),
        (TaskDelegated("a", 1, "mallory", "ada"), "NOT_ALLOWED"),  # and not that ada has a say already
        (TaskDelegated("a", 1, "ada", "eve"), "BAD_DELEGATE"),
        (TaskDelegated("a", 1, "ada", "ada"), "BAD_DELEGATE"),
        (TaskDelegated("a", 1, "ada", "grace"), "BAD_DELEGATE"),
        (TaskDelegated("a", 1, "ada", ""), "BAD_DELEGATE"),
        (TaskDelegated("a", 1, "ada", "b" * (ID_CHARS + 1)), "BAD_DELEGATE"),
        (TaskDelegated("a", 1, "ada", "bob", "r" * (REASON_CHARS + 1)), "REASON_TOO_LONG"),
    ],
)
def test_what_can_not_be_handed_over_is_refused(play: Play, transition: Transition, code: str) -> None:
    assert play.refusal(transition) == code


def test_names_and_reasons_may_be_as_long_as_the_limits_say(play: Play) -> None:
    play.do(TaskDelegated("a", 1, "ada", "b" * ID_CHARS, "r" * REASON_CHARS))


def test_nobody_stands_in_for_two_or_for_somebody_who_has_decided(play: Play) -> None:
    hand(play, "ada", "bob")
    assert play.refusal(TaskDelegated("a", 1, "grace", "bob")) == "BAD_DELEGATE"
    approve(play, "bob")
    assert play.refusal(TaskDelegated("a", 1, "bob", "carol")) == "ALREADY_DECIDED"
    assert play.refusal(TaskDelegated("a", 1, "grace", "bob")) == "BAD_DELEGATE"


def test_a_task_is_handed_over_so_often_and_no_more() -> None:
    play = Play("a")
    people = tuple(f"p{number}" for number in range(DELEGATIONS + 1))
    play.suspend("a", wants=Wants({}, people, {"approve": 1}))
    for person in people[:-1]:
        play.do(TaskDelegated("a", 1, person, f"{person}-deputy"))
    assert play.refusal(TaskDelegated("a", 1, people[-1], "one-more")) == "BAD_DELEGATE"


def test_what_anybody_may_send_there_is_nobody_to_hand_it_over() -> None:
    play = Play("a")
    assert play.refusal(TaskDelegated("a", 1, "ada", "bob")) == "NOT_WAITING"
    play.suspend("a", wants=Wants({}))
    assert play.refusal(TaskDelegated("a", 1, "ada", "bob")) == "NOT_DELEGABLE"
    play.succeed("a") if play.ready else play.send("a", sender="x")
    play.succeed("a")
    assert play.refusal(TaskDelegated("a", 1, "ada", "bob")) == "ALREADY_DECIDED"


def test_a_task_can_be_handed_over_while_the_run_is_paused_or_a_decision_is_processed(play: Play) -> None:
    play.do(RunPaused())
    hand(play, "ada", "bob")
    other = Play("a")
    other.suspend("a", wants=WANTS)
    approve(other, "grace")
    other.claim("a")
    hand(other, "ada", "bob")
    other.suspend("a")
    approve(other, "bob")


def test_a_retried_task_is_nobody_s_delegate_s(play: Play) -> None:
    hand(play, "ada", "bob")
    assert play.wake()
    play.fail("a")
    play.do(RunRetried(1))
    assert play["a"].delegated == ()


def test_a_task_with_all_that_people_did_is_stored_and_read_back_as_it_was(play: Play) -> None:
    hand(play, "ada", "bob")
    hand(play, "gus", "hal", "stewards")
    approve(play, "bob")
    task = play["a"]
    assert load_task(json.loads(json.dumps(dump_task(task)))) == task
    for wants in (Wants({}, ()), Wants({}, None, None, ()), Wants(None, None, None, ("g",), ("x",)), Wants()):
        stored = task._replace(wants=wants)
        assert load_task(json.loads(json.dumps(dump_task(stored)))) == stored


def test_a_decision_for_oneself_is_stored_as_it_was_before_others_could_stand_in(play: Play) -> None:
    approve(play, "ada")
    [accepted] = dump_task(play["a"])["accepted"]
    assert len(accepted) == 3
    assert "on_behalf" not in dump_task(play["a"])["inbox"][0]


@pytest.mark.parametrize(
    "transition",
    [
        TaskDelegated("a", 1, "ada", "bob", "on holiday", ("stewards",)),
        TaskDelegated("a", 1, "ada", "bob"),
        SignalReceived("a", Signal("s", 1, "ada", {"x": [1]}, groups=("stewards", "owners"))),
        RunRetried(2, "again", ("a", "b")),
    ],
)
def test_what_people_say_is_written_to_the_feed_and_read_back(transition: Transition) -> None:
    assert load_transition(json.loads(json.dumps(dump_transition(transition)))) == transition


def test_a_refusal_says_who_has_it_now(play: Play) -> None:
    hand(play, "ada", "bob")
    outcome = play.propose(SignalReceived("a", Signal("s", 1, "ada", {})))
    assert isinstance(outcome, Rejected)
    assert outcome.reason == "'ada' has handed 'a' over to 'bob'"


def test_who_decided_before_the_count_began_anew_can_not_stand_in() -> None:
    play = Play("a")
    play.suspend("a", after=600, wants=Wants(None, ("ada", "bob"), {"approve": 2, "reject": 2}))
    play.send("a", sender="bob", data={"decision": "reject"})
    play.suspend("a", after=600, wants=Wants(None, ("ada",), {"approve": 2, "reject": 1}, None, ("bob",)))
    assert play["a"].counted == 1
    assert play.refusal(TaskDelegated("a", 1, "ada", "bob")) == "BAD_DELEGATE"
