"""Claims and results: which are legal, how attempts are counted, and what becomes of calls whose engine is gone."""

from typing import Any

import pytest

from engine.limits import PAYLOAD_BYTES, RUN_BYTES, RUN_RESERVE
from engine.outcomes import Duplicate
from engine.transitions import (
    Error,
    RunCancelled,
    RunPaused,
    RunWoken,
    TaskClaimed,
    TaskFailed,
    TaskLost,
    TaskReleased,
    TaskSkipped,
    TaskSucceeded,
    TaskSuspended,
    TaskTimedOut,
    Wants,
)
from tests.engine.driver import Play, task

RETRY = {"max_attempts": 3, "initial_interval": "10s", "backoff": 2, "max_interval": "15s", "jitter": 0.5}
CLAIM = TaskClaimed("a", "t", "o", 1, 0, 1, "main")
OTHER: dict[str, Any] = {"token": "u"}


# Claims.


def test_a_claim_makes_a_task_running_under_its_token() -> None:
    play = Play("a")
    play.do(CLAIM)
    assert (play.status, play.tasks, play.ready, play["a"].attempt) == ("RUNNING", "a=RUNNING", "", 1)
    assert (play["a"].started_at, play.run.started_at) == (play.now, play.now)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"phase": "signal"}, "NOT_READY"),
        ({"phase": "wake"}, "NOT_READY"),
        ({"task": "b"}, "NOT_READY"),
        ({"generation": 2}, "STALE_CLAIM"),
        ({"step": 1}, "STALE_CLAIM"),
        ({"attempt": 2}, "STALE_CLAIM"),
    ],
)
def test_a_claim_must_be_for_exactly_the_call_that_is_ready(changes: dict[str, Any], code: str) -> None:
    assert Play("a", "b: a").refusal(CLAIM._replace(**changes)) == code


def test_a_claim_said_again_is_a_duplicate_and_another_one_is_refused() -> None:
    play = Play("a")
    play.do(CLAIM)
    assert play.propose(CLAIM) == Duplicate()
    assert play.refusal(CLAIM._replace(**OTHER)) == "NOT_READY"


def test_a_signal_call_is_claimed_for_the_first_signal_in_the_inbox() -> None:
    play = Play("a")
    play.suspend("a")
    play.send("a", "first", kind="callback")
    play.send("a", "second", kind="callback")
    claim = TaskClaimed("a", "t", "o", 1, 1, 1, "signal", "second")
    assert play.refusal(claim) == "STALE_CLAIM"
    play.do(claim._replace(signal="first"))


# Results.


@pytest.mark.parametrize(
    ("result", "status"),
    [
        (TaskSucceeded("a", "t", {"n": 1}), "SUCCESS"),
        (TaskFailed("a", "t", Error("E", "m"), retryable=True), "FAILED"),
        (TaskSkipped("a", "t", "no"), "SKIPPED"),
        (TaskTimedOut("a", "t", "late"), "TIMED_OUT"),
        (TaskSuspended("a", "t"), "WAITING"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_result_counts_once_and_only_with_the_token_of_the_claim(result: TaskSucceeded, status: str) -> None:
    play = Play("a")
    assert play.refusal(result) == "LATE_RESULT"
    play.do(CLAIM)
    assert play.refusal(result._replace(**OTHER)) == "LATE_RESULT"
    play.do(result)
    assert play["a"].status == status
    assert play.propose(result) == Duplicate()
    assert play.refusal(result._replace(**OTHER)) == "LATE_RESULT"


def test_outputs_of_a_result_are_kept_and_a_skip_gives_its_reason() -> None:
    play = Play("a", "b")
    play.succeed("a", {"n": 1})
    play.skip("b")
    assert (play["a"].outputs, play["b"].outputs) == ({"n": 1}, {"reason": "no"})


def test_the_result_of_a_pure_block_carries_its_claim() -> None:
    play = Play("a")
    result = TaskSucceeded("a", "t", {"n": 1}, CLAIM)
    assert play.refusal(result._replace(claim=CLAIM._replace(attempt=2))) == "STALE_CLAIM"
    play.do(result)
    assert (play.tasks, play["a"].attempt, play.status, play.run.revision) == ("a=SUCCESS", 1, "SUCCESS", 2)
    assert play.propose(result) == Duplicate()


def test_a_pure_result_comes_too_late_if_somebody_else_has_claimed_the_task() -> None:
    play = Play("a")
    play.do(CLAIM._replace(**OTHER))
    assert play.refusal(TaskSucceeded("a", "t", {}, CLAIM)) == "LATE_RESULT"


def test_a_pure_result_must_be_that_of_its_claim() -> None:
    play = Play("a", "b")
    assert play.refusal(TaskSucceeded("a", "t", {}, CLAIM._replace(**OTHER))) == "LATE_RESULT"
    assert play.refusal(TaskSucceeded("a", "t", {}, CLAIM._replace(task="b"))) == "LATE_RESULT"


@pytest.mark.parametrize(
    ("size", "fits"), [(PAYLOAD_BYTES - 1, True), (PAYLOAD_BYTES, True), (PAYLOAD_BYTES + 1, False)]
)
def test_g18_outputs_of_a_task_are_limited(size: int, fits: bool) -> None:  # noqa: FBT001 - a row of the table
    play = Play("a")
    play.succeed("a", {"x": "a" * (size - len('{"x":""}'))})
    assert play["a"].status == ("SUCCESS" if fits else "FAILED")
    assert play.code("a") == ("" if fits else "OUTPUT_TOO_LARGE")


@pytest.mark.parametrize(("over", "fits"), [(-1, True), (0, True), (1, False)])
def test_g18_outputs_that_do_not_fit_into_the_run_fail_their_task(over: int, fits: bool) -> None:  # noqa: FBT001
    play = Play("a")
    token = play.claim("a")
    outputs = {"x": 1}
    room = RUN_BYTES - RUN_RESERVE - len('{"x":1}')
    play.run = play.run._replace(size=room + over)
    play.do(TaskSucceeded("a", token, outputs))
    assert play["a"].status == ("SUCCESS" if fits else "FAILED")
    assert play.code("a") == ("" if fits else "OUTPUT_TOO_LARGE")


@pytest.mark.parametrize(("over", "goes_on"), [(-1, True), (0, True), (1, False)])
def test_g18_a_task_of_a_full_run_neither_waits_again_nor_is_retried(over: int, goes_on: bool) -> None:  # noqa: FBT001
    play = Play(task("a"), task("b", retry=RETRY))
    waits, fails = play.claim("a"), play.claim("b")
    play.run = play.run._replace(size=RUN_BYTES + over)
    play.do(TaskSuspended("a", waits, after=1.0))
    assert (play["a"].status, play.code("a")) == (("WAITING", "") if goes_on else ("FAILED", "RUN_FULL"))
    play.run = play.run._replace(size=RUN_BYTES + over)
    play.do(TaskFailed("b", fails, Error("BROKEN", "it broke"), retryable=True))
    assert play["b"].status == ("PENDING" if goes_on else "FAILED")


@pytest.mark.parametrize(("over", "fits"), [(-1, True), (0, True), (1, False)])
def test_g18_whom_a_task_asks_has_to_fit_into_the_run(over: int, fits: bool) -> None:  # noqa: FBT001 - as above
    play = Play("a")
    token = play.claim("a")
    wants = Wants(None, tuple(f"person-{number:04}" for number in range(1000)))
    size = len("[null,[],null,null,[]]") + 1000 * len('"person-0000"') + 999
    play.run = play.run._replace(size=RUN_BYTES - RUN_RESERVE - size + over)
    before = play.run.size
    play.do(TaskSuspended("a", token, wants=wants))
    assert (play["a"].status, play.code("a")) == (("WAITING", "") if fits else ("FAILED", "RUN_FULL"))
    if fits:
        assert play.run.size >= before + size
        play.do(RunCancelled())
        assert play.run.size < before + size


def test_what_is_no_json_can_not_be_wanted() -> None:
    play = Play("a")
    play.do(TaskSuspended("a", play.claim("a"), wants=Wants({"enum": [float("nan")]})))
    assert (play["a"].status, play.code("a")) == ("FAILED", "RUN_FULL")


def test_who_did_something_takes_room_in_the_journal() -> None:
    sizes = []
    for person in ("o", "o" * 200):
        play = Play("a")
        play.do(RunPaused(), by=person)
        sizes.append(play.run.size)
    assert sizes[1] - sizes[0] == 199


# Retries.


def test_a_retryable_failure_is_called_again_after_its_back_off() -> None:
    play = Play(task("a", retry=RETRY))
    play.fail("a", retryable=True)
    assert (play.tasks, play.ready, play.status, play.wakes_in) == ("a=PENDING", "", "WAITING", 10)
    assert play.journal[-1].type == "TaskRetried"
    assert play.wake()
    assert (play.ready, play["a"].attempt) == ("a", 1)
    play.succeed("a")
    assert (play["a"].attempt, play["a"].error, play.status) == (2, None, "SUCCESS")


def test_a_back_off_grows_up_to_its_longest_and_by_luck() -> None:
    for luck, waits in ((0.0, [10, 15]), (0.5, [12.5, 18.75])):
        play = Play(task("a", retry=RETRY), luck=luck)
        for wait in waits:
            play.fail("a", retryable=True)
            assert play.wakes_in == wait
            play.wake()


def test_the_last_attempt_fails_the_task() -> None:
    play = Play(task("a", retry=RETRY))
    for _ in range(2):
        play.fail("a", retryable=True)
        play.wake()
    play.fail("a", "LAST", retryable=True)
    assert (play.tasks, play["a"].attempt, play["a"].error) == ("a=FAILED", 3, Error("LAST", "it failed"))


def test_a_failure_that_is_not_retryable_is_final_at_once() -> None:
    play = Play(task("a", retry=RETRY))
    play.fail("a")
    assert play.status == "FAILED"


def test_each_step_of_a_task_has_its_own_attempts() -> None:
    play = Play(task("a", retry={**RETRY, "max_attempts": 2}))
    play.fail("a", retryable=True)
    play.wake()
    play.suspend("a", after=60)
    assert (play["a"].step, play["a"].attempt) == (1, 0)
    play.wake()
    play.fail("a", retryable=True)
    assert (play.tasks, play["a"].due) == ("a=WAITING", True)
    play.wake()
    assert play.ready == "a:wake"


def test_an_attempt_whose_time_is_over_is_retried_like_a_failure() -> None:
    play = Play(task("a", retry=RETRY))
    play.time_out("a", attempt_over=True)
    assert (play.tasks, play.wakes_in) == ("a=PENDING", 10)
    for _ in range(2):
        play.wake()
        play.time_out("a", attempt_over=True)
    assert play.tasks == "a=TIMED_OUT"


def test_a_block_that_says_its_time_is_up_is_not_called_again() -> None:
    play = Play(task("a", retry=RETRY))
    play.time_out("a")
    assert play.tasks == "a=TIMED_OUT"


def test_an_attempt_is_timed_out_by_the_wake_up_if_its_engine_does_not() -> None:
    play = Play(task("a", timeout="40s", retry=RETRY))
    token = play.claim("a")
    assert not play.wake()  # 30 s after the claim
    play.pass_(15.5)
    play.run = play.run._replace(wake_at=play.now)
    assert play.wake()
    assert (play.tasks, play["a"].not_before is not None) == ("a=PENDING", True)
    assert play.propose(TaskSucceeded("a", token, {})) == Duplicate()


def test_a_timeout_is_of_the_main_call_only() -> None:
    play = Play(task("a", timeout="40s"))
    play.suspend("a")
    play.send("a", kind="callback")
    play.claim("a")
    for _ in range(3):
        assert not play.wake()
    assert play.tasks == "a=RUNNING"


# Suspensions.


def test_waiting_for_some_time_counts_from_when_it_is_recorded() -> None:
    play = Play("a")
    play.suspend("a", after=60)
    assert (play.status, play.tasks, play["a"].until, play.wakes_in) == ("WAITING", "a=WAITING", play.now + 60, 60)
    assert play.refusal(RunWoken()) == "NOT_DUE"
    assert play.wake()
    assert (play.ready, play["a"].due, play["a"].until) == ("a:wake", True, None)
    play.succeed("a")
    assert play.status == "SUCCESS"


def test_a_wait_without_a_time_keeps_the_moment_that_was_set() -> None:
    play = Play("a")
    play.suspend("a", until=play.now + 500)
    until = play["a"].until
    play.send("a", kind="callback")
    play.suspend("a")
    assert play["a"].until == until


def test_a_wait_with_a_time_replaces_the_moment_that_was_set() -> None:
    play = Play("a")
    play.suspend("a", after=500)
    play.send("a", kind="callback")
    play.suspend("a", after=20)
    assert play.wakes_in == 20


def test_a_moment_comes_only_once() -> None:
    play = Play("a")
    play.suspend("a", after=5)
    play.wake()
    play.suspend("a")
    assert (play["a"].due, play["a"].until, play.ready, play.run.wake_at) == (False, None, "", None)


def test_what_a_waiting_task_knows_so_far_stays_with_it() -> None:
    play = Play("a")
    play.suspend("a", outputs={"n": 1})
    play.send("a", kind="callback")
    play.suspend("a")
    assert play["a"].outputs == {"n": 1}


# Claims that are given back or lost.


def test_a_released_claim_costs_no_attempt() -> None:
    play = Play("a")
    token = play.claim("a")
    play.do(TaskReleased("a", token))
    assert (play.tasks, play.ready, play["a"].attempt) == ("a=PENDING", "a", 0)
    assert play.propose(TaskReleased("a", token)) == Duplicate()
    play.succeed("a")
    assert play["a"].attempt == 1


def test_a_released_signal_or_wake_keeps_what_it_was_for() -> None:
    play = Play("a")
    play.suspend("a", after=5)
    play.wake()
    play.release("a")
    assert (play.tasks, play.ready) == ("a=WAITING", "a:wake")
    play.send("a", kind="callback")
    play.release("a")
    assert (play.tasks, play.ready, play["a"].due) == ("a=WAITING", "a:signal", True)


def test_a_lost_claim_costs_no_attempt_and_is_counted() -> None:
    play = Play("a")
    token = play.claim("a")
    assert play.refusal(TaskLost("a", "another")) == "LATE_RESULT"
    play.do(TaskLost("a", token))
    assert (play.tasks, play.ready, play["a"].attempt, play["a"].lost) == ("a=PENDING", "a", 0, 1)
    assert play.refusal(TaskSucceeded("a", token, {})) == "LATE_RESULT"


def test_a_lost_signal_or_wake_keeps_the_inbox_and_the_due_time() -> None:
    play = Play("a")
    play.suspend("a", after=5)
    play.send("a", kind="callback")
    play.wake()
    play.do(TaskLost("a", play.claim("a")))
    assert (play.tasks, play.ready, play["a"].due, play["a"].lost) == ("a=WAITING", "a:signal", True, 1)


def test_a_task_that_loses_four_claims_in_a_row_fails() -> None:
    play = Play("a", "b: a.FAILED")
    for _ in range(3):
        play.do(TaskLost("a", play.claim("a")))
        assert play.ready == "a"
    play.do(TaskLost("a", play.claim("a")))
    assert (play.tasks, play.ready, play.code("a")) == ("a=FAILED b=PENDING", "b", "WORKER_LOST")


def test_a_task_that_ends_with_its_claims_lost_waits_for_nothing_more() -> None:
    play = Play("a")
    play.suspend("a", after=500)
    play.send("a", kind="callback")
    for _ in range(4):
        play.do(TaskLost("a", play.claim("a")))
    assert (play.status, play["a"].until, play["a"].due) == ("FAILED", None, False)


@pytest.mark.parametrize("result", ["suspended", "retried"])
def test_a_recorded_result_starts_the_count_of_lost_claims_anew(result: str) -> None:
    play = Play(task("a", retry=RETRY))
    for _ in range(3):
        play.do(TaskLost("a", play.claim("a")))
    if result == "retried":
        play.fail("a", retryable=True)
        play.wake()
    else:
        play.suspend("a")
        play.send("a", kind="callback")
    assert play["a"].lost == 0
    play.do(TaskLost("a", play.claim("a")))
    assert play["a"].lost == 1
