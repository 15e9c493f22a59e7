"""What is done to a run as a whole: waking, healing, pausing, cancelling, retrying, and telling its parent."""

import pytest

from engine.outcomes import Duplicate, Rejected, Touched
from engine.run import Parent
from engine.transitions import (
    Error,
    ParentNotified,
    RunCancelled,
    RunFailed,
    RunPaused,
    RunResumed,
    RunRetried,
    RunWoken,
    TaskLost,
    TaskSucceeded,
    Wants,
)
from tests.engine.driver import Play, task

RETRY = {"max_attempts": 2, "initial_interval": "7s", "jitter": 0}
ANY = Wants(closes={"*": 1})
PARENT = Parent("p", "sub", 1)

# `wake_at`, row by row.


def test_a_run_with_a_ready_task_is_looked_at_after_the_heal_time() -> None:
    assert Play("a").wakes_in == 30


def test_a_run_with_a_running_task_is_looked_at_after_the_heal_time_paused_or_not() -> None:
    play = Play("a")
    play.claim("a")
    assert play.wakes_in == 30
    play.do(RunPaused())
    assert play.wakes_in == 30


def test_a_run_is_woken_at_the_end_of_a_back_off_and_not_while_it_is_paused() -> None:
    play = Play(task("a", retry=RETRY))
    play.fail("a", retryable=True)
    assert play.wakes_in == 7
    play.do(RunPaused())
    assert play.run.wake_at is None
    play.do(RunResumed())
    assert play.wakes_in == 5


def test_a_run_is_woken_at_the_moment_a_task_waits_for_and_not_while_it_is_paused() -> None:
    play = Play("a")
    play.suspend("a", after=100)
    assert play.wakes_in == 100
    play.do(RunPaused())
    assert play.wakes_in is None


def test_the_earliest_moment_counts() -> None:
    play = Play("a", "b", "c: a")
    play.suspend("a", after=100)
    play.suspend("b", after=20)
    assert play.wakes_in == 20
    play.wake()
    play.succeed("b")
    assert play.wakes_in == 76


def test_a_run_that_only_waits_for_people_is_never_woken() -> None:
    play = Play("a")
    play.suspend("a", wants=ANY)
    assert (play.status, play.wakes_in) == ("WAITING", None)


def test_an_ended_run_is_never_woken() -> None:
    play = Play("a")
    play.succeed("a")
    assert play.wakes_in is None


def test_an_ended_run_is_looked_at_until_its_parent_has_been_told() -> None:
    play = Play("a", parent=PARENT)
    play.succeed("a")
    assert (play.status, play.wakes_in) == ("SUCCESS", 30)
    assert not play.wake()
    assert play.wakes_in == 60
    play.do(ParentNotified())
    assert play.wakes_in is None


def test_a_run_is_woken_at_the_end_of_its_time() -> None:
    play = Play("a", timeout="1h")
    play.suspend("a", wants=ANY)
    assert play.wakes_in == 3600 - 2


# Waking and healing.


def test_a_run_is_not_woken_before_its_time() -> None:
    play = Play("a")
    play.suspend("a", after=100)
    play.pass_(99)
    assert play.refusal(RunWoken()) == "NOT_DUE"
    play.do(RunWoken())


def test_a_run_that_waits_for_people_is_not_woken() -> None:
    play = Play("a")
    play.suspend("a", wants=ANY)
    play.pass_(10_000)
    assert play.refusal(RunWoken()) == "NOT_DUE"


def test_a_wake_up_that_finds_nothing_to_do_is_only_a_touch() -> None:
    play = Play("a")
    play.claim("a")
    play.pass_(100)
    before = play.run
    assert isinstance(play.propose(RunWoken()), Touched)
    assert (play.run.revision, play.run.heal, play.said) == (before.revision, 1, "RunCreated TaskClaimed")


def test_touches_become_rarer_up_to_a_limit_and_start_anew_after_progress() -> None:
    play = Play("a", "b: a")
    waits = []
    for _ in range(7):
        waits.append(play.wakes_in)
        play.wake()
    assert waits == [30, 60, 120, 240, 480, 960, 960]
    play.succeed("a")
    assert (play.wakes_in, play.run.heal) == (30, 0)


def test_healing_is_spread_by_luck() -> None:
    assert Play("a", luck=0.5).wakes_in == 31.5


def test_due_moments_become_state_all_at_once() -> None:
    play = Play(task("a", retry=RETRY), "b", "c")
    play.fail("a", retryable=True)
    play.suspend("b", after=5)
    play.suspend("c", after=500)
    play.pass_(60)
    assert play.wake()
    assert play.ready == "a b:wake"
    assert play.wakes_in == 30


def test_a_run_whose_time_is_over_fails_with_its_unfinished_tasks_cancelled() -> None:
    play = Play("a", "b", "c: b", timeout="1m")
    play.succeed("a")
    play.suspend("b", wants=ANY)
    assert play.wake()
    assert (play.tasks, play.status) == ("a=SUCCESS b=CANCELLED c=CANCELLED", "FAILED")
    assert play.run.error == Error("RUN_TIMED_OUT", "the run took longer than its timeout of 60 s")


# Pausing.


def test_a_paused_run_records_what_is_in_flight_and_claims_nothing() -> None:
    play = Play("a", "b: a", "c")
    token, other = play.claim("a"), play.dispatch("c").claim("t", "o")
    play.do(RunPaused())
    assert play.refusal(other) == "NOT_READY"
    play.do(TaskSucceeded("a", token, None))
    assert (play.status, play.ready) == ("PAUSED", "")
    play.do(RunResumed())
    assert (play.status, play.ready) == ("RUNNING", "b c")


def test_a_paused_run_may_end() -> None:
    play = Play("a")
    token = play.claim("a")
    play.do(RunPaused())
    play.do(TaskSucceeded("a", token, None))
    assert play.status == "SUCCESS"


def test_a_paused_run_loses_the_claims_of_dead_engines() -> None:
    play = Play("a")
    token = play.claim("a")
    play.do(RunPaused())
    play.do(TaskLost("a", token))
    assert (play.status, play.tasks, play.wakes_in) == ("PAUSED", "a=PENDING", None)


def test_what_came_due_in_a_pause_acts_when_it_ends() -> None:
    play = Play("a", timeout="1h")
    play.suspend("a", after=60)
    play.do(RunPaused())
    play.pass_(100)
    assert play.refusal(RunWoken()) == "NOT_DUE"
    play.do(RunResumed())
    assert (play.ready, play.run.wake_at is not None and play.run.wake_at <= play.now) == ("", True)
    play.wake()
    assert play.ready == "a:wake"


def test_pausing_twice_and_resuming_what_runs_are_refused() -> None:
    play = Play("a")
    assert play.refusal(RunResumed()) == "NOT_PAUSED"
    play.do(RunPaused(), by="ann")
    assert play.journal[-1].by == "ann"
    assert play.refusal(RunPaused()) == "ALREADY_PAUSED"


# Cancelling.


def test_cancelling_a_run_cancels_what_has_not_ended_and_starts_no_handlers() -> None:
    play = Play("a", "b", "c", "d: c.CANCELLED", "e: b.DONE")
    play.succeed("a")
    play.suspend("b", after=60)
    token = play.claim("c")
    play.do(RunCancelled("enough"))
    assert (play.status, play.run.wake_at, play.ready) == ("CANCELLED", None, "")
    assert play.tasks == "a=SUCCESS b=CANCELLED c=CANCELLED d=CANCELLED e=CANCELLED"
    assert play.refusal(TaskSucceeded("c", token, None)) == "LATE_RESULT"


def test_cancelling_again_is_a_duplicate() -> None:
    play = Play("a")
    play.do(RunCancelled())
    assert play.propose(RunCancelled()) == Duplicate()


def test_a_paused_run_can_be_cancelled() -> None:
    play = Play("a")
    play.do(RunPaused())
    play.do(RunCancelled())
    assert play.status == "CANCELLED"


@pytest.mark.parametrize(
    "transition",
    [RunCancelled(), RunPaused(), RunResumed(), RunFailed(Error("E", "m"))],
    ids=lambda one: type(one).__name__,
)
def test_an_ended_run_is_beyond_control(transition: RunPaused) -> None:
    play = Play("a")
    play.succeed("a")
    assert play.propose(transition) == Rejected("RUN_FINAL", "the run has already ended: SUCCESS")


# Retrying.


def test_a_retry_resets_what_failed_and_all_that_is_downstream_of_it() -> None:
    play = Play("a", "b", "c: a && b", "d: b.FAILED", "e: a", exits=["c"])
    play.succeed("a", {"n": 1})
    play.fail("b")
    play.succeed("d")
    play.succeed("e")
    assert play.status == "FAILED"
    play.do(RunRetried(1), by="ann")
    assert play.tasks == "a=SUCCESS b=PENDING c=PENDING d=PENDING e=SUCCESS"
    assert (play.status, play.ready, play.run.generation) == ("RUNNING", "b", 2)
    assert [play[name].generation for name in "abcde"] == [1, 2, 2, 2, 1]
    assert (play.run.error, play.run.finished_at, play["b"].attempt) == (None, None, 0)
    play.succeed("b")
    assert (play["d"].status, play.ready) == ("OMITTED", "c")
    play.succeed("c")
    assert play.status == "SUCCESS"


def test_a_result_from_before_the_retry_counts_no_more() -> None:
    play = Play("a")
    token = play.claim("a")
    play.do(RunCancelled())
    play.do(RunRetried(1))
    assert play.refusal(TaskSucceeded("a", token, None)) == "LATE_RESULT"
    play.claim("a")
    assert play.refusal(TaskSucceeded("a", token, None)) == "LATE_RESULT"


def test_a_retry_names_the_generation_that_it_is_for() -> None:
    play = Play("a")
    play.fail("a")
    play.do(RunRetried(1))
    assert play.refusal(RunRetried(1)) == "STALE_RETRY"
    assert play.refusal(RunRetried(2)) == "NOT_FAILED"


def test_a_run_that_succeeded_or_goes_on_can_not_be_retried() -> None:
    play = Play("a")
    assert play.refusal(RunRetried(1)) == "NOT_FAILED"
    play.succeed("a")
    assert play.refusal(RunRetried(1)) == "NOT_FAILED"


def test_a_run_in_which_nothing_failed_has_nothing_to_retry() -> None:
    play = Play("a")
    play.skip("a")
    assert (play.status, play.refusal(RunRetried(1))) == ("FAILED", "NOTHING_TO_RETRY")


def test_a_retried_run_gets_its_whole_time_again_and_is_not_paused() -> None:
    play = Play("a", timeout="1h")
    play.do(RunPaused())
    play.pass_(5000)
    play.do(RunCancelled())
    play.do(RunRetried(1))
    assert (play.run.paused, play.run.deadline) == (False, play.now + 3600)


def test_a_retried_run_may_end_at_once() -> None:
    play = Play(task("a", when={"left": "1", "operator": "<", "right": 2}))
    assert play.status == "FAILED"
    play.do(RunRetried(1))
    assert (play.status, play.run.generation, play["a"].generation) == ("FAILED", 2, 2)


# Parents.


def test_only_an_ended_child_tells_its_parent_and_once() -> None:
    play = Play("a", parent=PARENT)
    assert play.refusal(ParentNotified()) == "NOT_ENDED"
    play.succeed("a")
    play.do(ParentNotified())
    assert play.propose(ParentNotified()) == Duplicate()
    assert play.status == "SUCCESS"


def test_a_run_without_a_parent_tells_nobody() -> None:
    play = Play("a")
    play.succeed("a")
    assert play.refusal(ParentNotified()) == "NOT_ENDED"


def test_a_retried_child_tells_its_parent_again() -> None:
    play = Play("a", parent=PARENT)
    play.fail("a")
    play.do(ParentNotified())
    play.do(RunRetried(1))
    play.succeed("a")
    assert play.wakes_in == 30
    play.do(ParentNotified())
