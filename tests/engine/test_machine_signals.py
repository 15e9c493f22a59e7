"""Signals: who may send what when, in which order they are processed, and that an accepted one is never lost."""

import pytest

from engine.limits import PAYLOAD_BYTES, RUN_BYTES, RUN_RESERVE
from engine.outcomes import Duplicate, Rejected
from engine.statuses import RunStatus
from engine.transitions import RunCancelled, RunPaused, RunRetried, TaskTimedOut, Wants
from tests.engine.driver import Play, task

ANY = Wants(closes={"*": 1})
TWO_OF_THREE = Wants(senders=("ann", "bob", "cyd"), closes={"approve": 2, "reject": 2})
YES, NO = {"decision": "approve"}, {"decision": "reject"}


def waiting(wants: Wants | None, *, after: float | None = None) -> Play:
    play = Play("a", "b: a.FAILED || a.TIMED_OUT")
    play.suspend("a", wants=wants, after=after)
    return play


# Who may send what, and when.


def test_a_signal_is_accepted_and_makes_the_task_ready_for_it() -> None:
    play = waiting(ANY, after=60)
    assert (play.ready, play.wakes_in) == ("", 60)
    play.send("a", data={"x": 1}, sender="ann")
    signal = play.dispatch("a").signal
    assert signal is not None
    assert (play.ready, signal.data, signal.sender, signal.at) == ("a:signal", {"x": 1}, "ann", play.now)
    assert (play.status, play.wakes_in) == ("RUNNING", 30)


def test_a_signal_sent_again_is_a_duplicate_for_ever() -> None:
    play = waiting(ANY)
    play.send("a", "s")
    assert play.propose(play.signal("a", "s")) == Duplicate()
    play.succeed("a")
    assert play.propose(play.signal("a", "s")) == Duplicate()


def test_a_second_decision_is_refused_with_who_decided() -> None:
    play = waiting(ANY)
    play.send("a", "s", "ann")
    outcome = play.propose(play.signal("a", "t", "bob"))
    assert outcome == Rejected("ALREADY_DECIDED", "'a' is already decided, by ann")
    play.succeed("a")
    outcome = play.propose(play.signal("a", "t", "bob"))
    assert outcome == Rejected("ALREADY_DECIDED", "'a' has already ended: SUCCESS, by ann")


def test_without_closes_one_signal_at_a_time_is_taken() -> None:
    play = waiting(Wants())
    play.send("a", "s")
    assert play.refusal(play.signal("a", "t")) == "ALREADY_DECIDED"
    play.suspend("a")
    play.send("a", "t")


def test_a_decision_is_closed_by_the_number_of_equal_ones() -> None:
    play = waiting(TWO_OF_THREE)
    play.send("a", "1", "ann", YES)
    play.send("a", "2", "bob", NO)
    play.suspend("a")
    play.send("a", "3", "cyd", YES)
    assert play.refusal(play.signal("a", "4", "bob", NO)) == "ALREADY_DECIDED"


def test_only_the_named_may_send() -> None:
    play = waiting(TWO_OF_THREE)
    assert play.refusal(play.signal("a", "s", "eve", YES)) == "NOT_ALLOWED"
    assert play.refusal(play.signal("a", "s", None, YES)) == "NOT_ALLOWED"


def test_each_of_the_named_may_send_once() -> None:
    play = waiting(TWO_OF_THREE)
    play.send("a", "1", "ann", YES)
    assert play.refusal(play.signal("a", "2", "ann", NO)) == "ALREADY_DECIDED"
    play.suspend("a")
    assert play.refusal(play.signal("a", "2", "ann", NO)) == "ALREADY_DECIDED"


def test_data_must_fit_the_schema() -> None:
    play = waiting(Wants(schema={"type": "object", "required": ["decision"]}))
    outcome = play.propose(play.signal("a", data={}))
    assert isinstance(outcome, Rejected)
    assert (outcome.code, "decision" in outcome.reason) == ("BAD_SIGNAL", True)
    play.send("a", data=YES)


def test_what_was_refused_may_be_sent_again_in_order() -> None:
    play = waiting(Wants(schema={"type": "object"}))
    assert play.refusal(play.signal("a", "s", data=1)) == "BAD_SIGNAL"
    play.send("a", "s", data={})


@pytest.mark.parametrize(
    ("size", "fits"), [(PAYLOAD_BYTES - 1, True), (PAYLOAD_BYTES, True), (PAYLOAD_BYTES + 1, False)]
)
def test_g18_the_data_of_a_signal_is_limited(size: int, fits: bool) -> None:  # noqa: FBT001 - a row of the table
    play = waiting(ANY)
    signal = play.signal("a", data="a" * (size - 2))
    if fits:
        play.do(signal)
    else:
        assert play.refusal(signal) == "BAD_SIGNAL"


@pytest.mark.parametrize(("over", "fits"), [(-1, True), (0, True), (1, False)])
def test_g18_a_full_run_takes_no_more_signals(over: int, fits: bool) -> None:  # noqa: FBT001 - a row of the table
    play = waiting(ANY)
    play.run = play.run._replace(size=RUN_BYTES - RUN_RESERVE - len('"yes"') + over)
    if fits:
        play.send("a", data="yes")
    else:
        assert play.refusal(play.signal("a", data="yes")) == "RUN_FULL"


def test_a_decision_is_a_word_and_not_a_text() -> None:
    for length, kept in ((255, True), (256, False)):
        play = waiting(ANY)
        play.send("a", data={"decision": "x" * length})
        assert (play["a"].accepted[-1].decision is not None) == kept
        assert (play.journal[-1].detail is not None) == kept


def test_data_that_is_not_json_is_refused() -> None:
    assert waiting(ANY).refusal(Play("a").signal("a", data=float("nan"))) == "BAD_SIGNAL"


def test_people_are_only_heard_by_a_task_that_waits_for_them() -> None:
    play = Play("a", "b: a")
    assert play.refusal(play.signal("b")) == "NOT_WAITING"
    play.claim("a")
    assert play.refusal(play.signal("a")) == "NOT_WAITING"
    assert waiting(None).refusal(play.signal("a")) == "NOT_WAITING"


@pytest.mark.parametrize("kind", ["child", "callback"])
def test_a_child_or_callback_may_come_before_its_task_waits_for_it(kind: "str") -> None:
    play = Play("a", "b: a")
    play.send("b", "early", kind=kind)
    play.claim("a")
    play.send("a", "at once", kind=kind)
    assert (play.tasks, play.ready) == ("a=RUNNING b=PENDING", "")
    play.suspend("a")
    assert (play.tasks, play.ready) == ("a=WAITING b=PENDING", "a:signal")


def test_a_task_that_is_ready_stays_so_when_a_callback_comes_early() -> None:
    play = Play("a")
    play.send("a", kind="callback")
    assert (play.ready, play.wakes_in) == ("a", 30)


def test_an_ended_task_takes_nothing() -> None:
    play = Play("a", "b: a")
    play.succeed("a")
    assert play.refusal(play.signal("a")) == "TASK_FINAL"
    assert play.refusal(play.signal("a", kind="child")) == "TASK_FINAL"


def test_a_run_that_was_given_up_takes_nothing() -> None:
    play = waiting(ANY)
    play.run = play.run._replace(status=RunStatus.FAILED)
    assert play.refusal(play.signal("a")) == "RUN_FINAL"


def test_an_old_link_is_refused_after_a_retry() -> None:
    play = waiting(ANY)
    play.do(RunCancelled())
    play.do(RunRetried(1))
    play.suspend("a", wants=ANY)
    assert play.refusal(play.signal("a", generation=1)) == "STALE_SIGNAL"
    play.send("a", generation=2)


def test_a_retry_forgets_what_was_decided_before() -> None:
    play = waiting(ANY)
    play.send("a", "s", "ann")
    play.do(RunCancelled())
    play.do(RunRetried(1))
    play.suspend("a", wants=ANY)
    assert play.ready == ""
    play.send("a", "s", "ann", generation=2)


def test_a_paused_run_takes_signals_and_calls_nothing() -> None:
    play = waiting(ANY)
    play.do(RunPaused())
    play.send("a")
    assert (play.status, play.ready, play.run.wake_at) == ("PAUSED", "", None)


def test_a_decision_is_taken_while_another_one_is_processed() -> None:
    play = waiting(TWO_OF_THREE)
    play.send("a", "1", "ann", YES)
    play.claim("a")
    play.send("a", "2", "bob", YES)
    play.suspend("a")
    assert play.ready == "a:signal"


# Their order, and expiry.


def test_signals_are_processed_one_at_a_time_in_the_order_in_which_they_came() -> None:
    play = waiting(TWO_OF_THREE)
    processed = []
    play.send("a", "1", "ann", YES)
    play.send("a", "2", "bob", NO)
    while play.ready:
        signal = play.dispatch("a").signal
        assert signal is not None
        processed.append(signal.id)
        play.suspend("a")
    assert processed == ["1", "2"]


def test_a_signal_is_consumed_by_the_recorded_result_of_its_call() -> None:
    play = Play(task("a", retry={"max_attempts": 2, "initial_interval": "1s"}))
    play.suspend("a", wants=ANY)
    play.send("a")
    play.release("a")
    assert play.ready == "a:signal"
    play.fail("a", retryable=True)
    assert (play.tasks, play.ready) == ("a=WAITING", "")
    play.wake()
    assert play.ready == "a:signal"
    play.suspend("a")
    assert play.ready == ""


def test_a_decision_comes_before_an_expiry() -> None:
    play = waiting(ANY, after=60)
    play.pass_(60)
    play.send("a")
    play.run = play.run._replace(wake_at=play.now)
    assert play.wake()
    assert (play.ready, play["a"].due) == ("a:signal", True)
    play.succeed("a")
    assert play["a"].status == "SUCCESS"


def test_a_decision_that_is_accepted_while_the_expiry_is_processed_is_not_lost() -> None:
    play = waiting(ANY, after=60)
    play.wake()
    token = play.claim("a")
    play.send("a")
    play.do(TaskTimedOut("a", token, "nobody decided"))
    assert (play.journal[-1].type, play.ready, play["a"].due) == ("TaskSuspended", "a:signal", True)
    play.succeed("a")
    assert play.tasks == "a=SUCCESS b=OMITTED"


def test_an_expiry_comes_behind_the_decisions_that_did_not_settle_it() -> None:
    play = waiting(TWO_OF_THREE, after=60)
    play.wake()
    token = play.claim("a")
    play.send("a", "1", "ann", YES)
    play.do(TaskTimedOut("a", token, "nobody decided"))
    play.suspend("a", outputs={"approved": 1})
    assert play.ready == "a:wake"
    play.time_out("a")
    assert (play["a"].status, play.ready, play["a"].outputs) == ("TIMED_OUT", "b", {"approved": 1})


def test_a_new_moment_replaces_one_that_is_due() -> None:
    play = waiting(TWO_OF_THREE, after=60)
    play.wake()
    play.send("a", "1", "ann", YES)
    play.suspend("a", after=10)
    assert (play.ready, play["a"].due, play.wakes_in) == ("", False, 10)
