"""Tasks that people skip by hand: while they wait, and when a run is retried without them."""

import pytest

from engine.limits import REASON_CHARS
from engine.machine import ready
from engine.outcomes import Rejected
from engine.transitions import RunCancelled, RunPaused, RunRetried, TaskBypassed, TaskSucceeded, Wants
from tests.engine.driver import Play, task

TWICE = {"retry": {"max_attempts": 2, "initial_interval": "10s", "jitter": 0}}


def waiting(*more: str) -> Play:
    play = Play("a", *more)
    play.suspend("a", after=60, wants=Wants({}, ("ada",)), outputs={"so": "far"})
    return play


def test_a_task_that_waits_is_skipped_and_the_run_goes_on() -> None:
    play = waiting("b: a.SKIPPED", "c: a")
    play.do(TaskBypassed("a", 1, "decided by phone"), by="olga")
    assert play.tasks == "a=SKIPPED b=PENDING c=OMITTED"
    assert play.ready == "b"
    assert play["a"].outputs == {"so": "far", "reason": "decided by phone"}
    assert (play["a"].wants, play["a"].until, play["a"].error) == (None, None, None)
    entry = play.journal[-1]
    assert (entry.type, entry.task, entry.by, entry.detail) == (
        "TaskBypassed",
        "a",
        "olga",
        {"reason": "decided by phone"},
    )


def test_without_a_reason_it_says_that_it_was_done_by_hand() -> None:
    play = waiting()
    play.do(TaskBypassed("a", 1))
    assert play["a"].outputs["reason"] == "skipped by hand"
    assert play.journal[-1].detail is None
    assert play.status == "FAILED"  # no exit point succeeded


def test_a_task_in_its_back_off_is_skipped() -> None:
    play = Play(task("a", **TWICE), "b: a.SKIPPED")
    play.fail("a", retryable=True)
    play.do(TaskBypassed("a", 1, "never mind"))
    assert play.tasks == "a=SKIPPED b=PENDING"
    assert (play["a"].not_before, play["a"].error) == (None, None)


@pytest.mark.parametrize(
    ("closes", "left"),
    [(None, "has already got its signal, by ada"), ({"approve": 1}, "is already decided, by ada")],
)
def test_a_decision_that_was_accepted_is_not_overridden_by_a_skip(closes: dict[str, int] | None, left: str) -> None:
    play = Play("a", "b: a.SKIPPED")
    play.suspend("a", after=60, wants=Wants(None, ("ada", "bob"), closes))
    play.send("a", sender="ada", data={"decision": "approve"})
    assert play.ready == "a:signal"
    refusal = play.propose(TaskBypassed("a", 1))
    assert refusal == Rejected("ALREADY_DECIDED", f"'a' {left}")


def test_a_task_that_waits_for_more_decisions_is_skipped_before_those_it_has_are_processed() -> None:
    play = Play("a", "b: a.SKIPPED")
    play.suspend("a", after=60, wants=Wants(None, ("ada", "bob"), {"approve": 2}))
    play.send("a", sender="ada", data={"decision": "approve"})
    play.do(TaskBypassed("a", 1))
    assert play.ready == "b"


def test_a_task_of_a_paused_run_is_skipped_and_what_follows_waits_for_its_resumption() -> None:
    play = waiting("b: a.SKIPPED")
    play.do(RunPaused())
    play.do(TaskBypassed("a", 1))
    assert (play.status, play.ready) == ("PAUSED", "")


def test_what_does_not_wait_can_not_be_skipped() -> None:
    play = Play("a", "b: a", "c")
    assert play.refusal(TaskBypassed("a", 1)) == "NOT_WAITING"  # ready
    assert play.refusal(TaskBypassed("b", 1)) == "NOT_WAITING"  # blocked
    token = play.claim("a")
    assert play.refusal(TaskBypassed("a", 1)) == "NOT_WAITING"  # running
    play.do(TaskSucceeded("a", token))
    assert play.refusal(TaskBypassed("a", 1)) == "NOT_WAITING"  # ended
    assert play.refusal(TaskBypassed("d", 1)) == "UNKNOWN_TASK"


def test_a_skip_that_is_meant_for_another_try_or_says_too_much_is_refused() -> None:
    play = waiting()
    assert play.refusal(TaskBypassed("a", 2)) == "STALE_SKIP"
    assert play.refusal(TaskBypassed("a", 1, "r" * (REASON_CHARS + 1))) == "REASON_TOO_LONG"
    play.do(TaskBypassed("a", 1, "r" * REASON_CHARS))
    assert play.refusal(TaskBypassed("a", 1)) == "NOT_WAITING"


def test_the_result_of_a_call_that_waited_once_comes_too_late_after_a_skip() -> None:
    play = Play("a", "b: a.SKIPPED")
    play.suspend("a", after=60, wants=Wants(None, ("ada", "bob"), {"approve": 2}))
    play.send("a", sender="ada", data={"decision": "approve"})
    token = play.claim("a")
    play.release("a")
    play.do(TaskBypassed("a", 1))
    outcome = play.propose(TaskSucceeded("a", f"{token}-other"))
    assert isinstance(outcome, Rejected)
    assert outcome.code == "LATE_RESULT"


# Retrying without some tasks.


def failed() -> Play:
    play = Play("a", "b: a", "c: a.SKIPPED", "d")
    play.fail("a")
    play.fail("d")
    return play


def test_a_run_is_retried_without_a_task_that_failed() -> None:
    play = failed()
    play.do(RunRetried(1, "not needed", ("a",)), by="olga")
    assert play.tasks == "a=SKIPPED b=OMITTED c=PENDING d=PENDING"
    assert [one.task for one in ready(play.run)] == ["c", "d"]
    assert (play["a"].generation, play["a"].outputs) == (2, {"reason": "not needed"})
    assert play.journal[-1].detail == {"reason": "not needed", "skip": ["a"]}
    play.succeed("c")
    play.succeed("d")
    assert play.status == "SUCCESS"


def test_a_run_retried_without_all_that_failed_may_end_at_once() -> None:
    play = Play("a", "b", exits=["a"])
    play.succeed("a")
    play.fail("b")
    play.do(RunRetried(1, "", ("b",)))
    assert (play.status, play.run.generation) == ("SUCCESS", 2)
    play = Play("a")
    play.fail("a")
    play.do(RunRetried(1, "", ("a",)))
    assert (play.status, play.code(), play.run.generation) == ("FAILED", "NO_EXIT_REACHED", 2)


def test_a_cancelled_task_can_be_left_out_too() -> None:
    play = waiting("b: a.SKIPPED")
    play.do(RunCancelled())
    play.do(RunRetried(1, "", ("a",)))
    assert play.tasks == "a=SKIPPED b=PENDING"


@pytest.mark.parametrize(
    ("skip", "code"), [(("e",), "UNKNOWN_TASK"), (("b",), "TASK_FINAL"), (("a", "b"), "TASK_FINAL")]
)
def test_only_what_failed_can_be_left_out(skip: tuple[str, ...], code: str) -> None:
    assert failed().refusal(RunRetried(1, "", skip)) == code


def test_naming_a_task_twice_is_naming_it_once() -> None:
    play = failed()
    play.do(RunRetried(1, "", ("a", "a")))
    assert play["a"].status == "SKIPPED"


def test_a_run_that_goes_on_is_not_retried_without_anything() -> None:
    assert waiting().refusal(RunRetried(1, "", ("a",))) == "NOT_FAILED"
