"""Calls in flight: what becomes of each of them, once; and its slot, which is given back once."""

from time import monotonic
from typing import Any

import pytest
from structlog.testing import capture_logs

from dataflows import calls as module
from dataflows.calls import Calls
from engine.transitions import (
    RunCancelled,
    RunRetried,
    Signal,
    SignalReceived,
    TaskFailed,
    TaskReleased,
    TaskSkipped,
    TaskSucceeded,
    TaskSuspended,
    TaskTimedOut,
)
from tests.dataflows.driver import CONCURRENCY, Rig, task, until

HOLDS = pytest.mark.parametrize("type_", ["HOLD", "HOLD_THREAD"])


def hold(rig: Rig, type_: str = "HOLD", run_id: str = "r", **fields: Any) -> None:
    """Start a run whose task is held."""
    rig.start(run_id, task("a", type=type_, **fields))


def later(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Let time go by, as calls see it."""
    monkeypatch.setattr(module, "monotonic", lambda: monotonic() + seconds)


@HOLDS
def test_a_call_succeeds_with_what_its_block_returns(rig: Rig, type_: str) -> None:
    hold(rig, type_, arguments={"x": [1, {"y": None}]})
    call = rig.begin("r", "a")
    rig.let_go()
    finished = rig.ended()
    assert finished.call is call
    assert finished.result == TaskSucceeded("a", call.claim.token, {"x": [1, {"y": None}]})
    assert rig.record(finished).status == "SUCCESS"


@HOLDS
@pytest.mark.parametrize(
    ("how", "kind"), [("fail", TaskFailed), ("skip", TaskSkipped), ("expire", TaskTimedOut), ("wait", TaskSuspended)]
)
def test_a_call_may_come_to_something_else(rig: Rig, type_: str, how: str, kind: type) -> None:
    hold(rig, type_, arguments={"how": how})
    call = rig.begin("r", "a")
    rig.let_go()
    result = rig.ended().result
    assert isinstance(result, kind)
    assert (result.task, result.token) == ("a", call.claim.token)
    assert not getattr(result, "attempt_over", False)


def test_a_block_that_waits_for_nothing_at_all_fails(rig: Rig) -> None:
    hold(rig, arguments={"how": "wait for nothing"})
    rig.begin("r", "a")
    rig.let_go()
    run = rig.record(rig.ended())
    assert run.error is not None
    assert (run.error.code, run.error.message.partition(": ")[2]) == (
        "BAD_OUTPUTS",
        "the block waits, but for no moment and for nobody)",
    )


@HOLDS
def test_a_crash_is_logged_once_with_its_traceback_and_a_refusal_is_not(rig: Rig, type_: str) -> None:
    rig.let_go()
    with capture_logs() as logs:
        for run_id, how in (("r", "crash"), ("s", "fail")):
            hold(rig, type_, run_id, arguments={"how": how})
            rig.begin(run_id, "a")
            assert isinstance(rig.ended().result, TaskFailed)
    (logged,) = logs
    assert isinstance(logged.pop("exc_info"), ZeroDivisionError)
    told = {"run_id": "r", "task": "a", "type": type_, "attempt": 1}
    assert logged == {"event": "block_crashed", "log_level": "warning", **told}


def test_a_call_that_was_given_up_but_keeps_its_thread_is_logged(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    with capture_logs() as logs:
        for type_ in ("HOLD", "HOLD_THREAD"):
            hold(rig, type_, type_, timeout="1m")
            rig.begin(type_, "a")
        later(monkeypatch, 61)
        rig.shell.calls.overdue()
    assert [type(one.result) for one in rig.shell.calls.ended(0)] == [TaskTimedOut] * 2
    told = {"run_id": "HOLD_THREAD", "task": "a", "type": "HOLD_THREAD"}
    assert logs == [{"event": "abandoned_call_keeps_its_thread", "log_level": "warning", **told}]


def test_arguments_that_do_not_fit_are_the_result_of_the_call(rig: Rig) -> None:
    hold(rig, arguments={"how": 7})
    call = rig.claim("r", "a")
    rig.shell.start(call.type, [call])
    result = rig.ended().result
    assert isinstance(result, TaskFailed)
    assert result.error.code == "BAD_ARGUMENTS"


def test_a_block_is_told_who_calls_it_and_for_what(rig: Rig) -> None:
    hold(rig)
    call = rig.begin("r", "a")
    [context] = rig.begun()
    assert (context.idempotency_key, context.attempt) == ("r/a/1", 1)
    assert (context.run_id, context.task, context.workflow) == ("r", "a", "r")
    assert rig.shell.calls.holds("r", "a")
    assert rig.shell.calls.holds("r", "a", call.claim.token)
    assert not rig.shell.calls.holds("r", "a", "another claim")


def test_every_attempt_has_the_same_key_until_the_run_is_retried(rig: Rig) -> None:
    hold(rig, arguments={"how": "fail"}, retry={"max_attempts": 2, "initial_interval": "1s"})
    rig.let_go()
    for _ in range(2):
        rig.begin("r", "a")
        rig.record(rig.ended())
        rig.clock.pass_(10)
        rig.people.wake(1)
    rig.do("r", RunRetried(1))
    rig.begin("r", "a")
    assert [(one.idempotency_key, one.attempt) for one in rig.begun()] == [("r/a/1", 1), ("r/a/1", 2), ("r/a/2", 1)]


# Slots.


@HOLDS
def test_a_slot_is_free_again_when_the_call_has_ended_and_only_once(rig: Rig, type_: str) -> None:
    hold(rig, type_)
    free = rig.free(type_)
    rig.begin("r", "a")
    assert rig.free(type_) == free - 1
    rig.let_go()
    finished = rig.ended()
    until(lambda: rig.free(type_) == free, "the slot is free")
    rig.record(finished)
    assert rig.free(type_) == free
    assert len(rig.shell.calls) == 0


def test_a_slot_is_free_again_when_the_call_will_not_be_made(rig: Rig) -> None:
    hold(rig)
    free = rig.free("HOLD")
    call = rig.prepare("r", "a")
    assert rig.free("HOLD") == free - 1
    for _ in range(2):
        rig.shell.calls.forget(call)
        assert rig.free("HOLD") == free
    assert not rig.shell.calls.holds("r", "a")


def test_an_async_call_that_takes_too_long_makes_room_at_once_and_its_result_counts_no_more(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    hold(rig, timeout="1m")
    free = rig.free("HOLD")
    rig.begin("r", "a")
    rig.shell.calls.overdue()
    assert rig.shell.calls.ended(0) == []
    later(monkeypatch, 61)
    rig.shell.calls.overdue()
    finished = rig.ended()
    assert isinstance(finished.result, TaskTimedOut)
    assert finished.result.attempt_over
    assert "timeout of 60 s" in finished.result.message
    assert rig.free("HOLD") == free
    assert rig.record(finished).status == "FAILED"
    rig.let_go()
    assert rig.shell.calls.ended(0.05) == []
    assert rig.free("HOLD") == free


def test_a_thread_that_takes_too_long_makes_room_when_it_returns(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    hold(rig, "HOLD_THREAD", timeout="1m")
    rig.begin("r", "a")
    later(monkeypatch, 61)
    rig.shell.calls.overdue()
    rig.record(rig.ended())
    assert rig.free("HOLD_THREAD") == CONCURRENCY - 1
    rig.let_go()
    until(lambda: rig.free("HOLD_THREAD") == CONCURRENCY, "the slot is free")
    assert rig.shell.calls.ended(0.05) == []


def test_time_is_counted_from_when_the_call_begins(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    hold(rig, timeout="1m")
    rig.claim("r", "a")
    later(monkeypatch, 61)
    rig.shell.calls.overdue()
    assert rig.shell.calls.ended(0) == []


def test_only_attempts_have_a_timeout_and_not_the_processing_of_a_signal(rig: Rig) -> None:
    rig.start("r", task("a", type="APPROVAL", arguments={"approvers": ["olga"]}, timeout="1m"))
    assert rig.begin("r", "a").timeout == 60
    rig.record(rig.ended())
    rig.do("r", SignalReceived("a", Signal("s", 1, "olga", {"decision": "approve"})))
    assert rig.begin("r", "a").timeout is None


def test_the_deadlines_of_calls_that_have_ended_are_not_kept_for_ever(rig: Rig) -> None:
    rig.let_go()
    calls = rig.shell.calls
    hold(rig, timeout="1h")
    call = rig.begin("r", "a")
    rig.record(rig.ended())
    for _ in range(1100):
        calls._limit(call, 3600)
    assert len(calls._deadlines) < 200


# Giving back.


@HOLDS
def test_a_call_that_is_given_back_has_no_result_and_makes_room(rig: Rig, type_: str) -> None:
    hold(rig, type_)
    free = rig.free(type_)
    call = rig.begin("r", "a")
    rig.shell.calls.give_back(call)
    finished = rig.ended()
    assert finished.result == TaskReleased("a", call.claim.token)
    assert rig.free(type_) == free
    rig.let_go()
    assert rig.shell.calls.ended(0.05) == []
    assert rig.free(type_) == free
    run = rig.record(finished)
    assert (run.tasks["a"].status, run.tasks["a"].attempt) == ("PENDING", 0)


@HOLDS
def test_a_call_that_was_given_back_before_it_began_does_not_begin(rig: Rig, type_: str) -> None:
    hold(rig, type_)
    call = rig.claim("r", "a")
    rig.shell.calls.give_back(call)
    rig.shell.calls.start(type_, [call])
    assert isinstance(rig.ended().result, TaskReleased)
    assert rig.shell.calls.ended(0.05) == []
    assert rig.begun() == []


def test_whatever_has_not_ended_can_be_given_back_at_once(rig: Rig) -> None:
    for number in range(3):
        hold(rig, run_id=f"r{number}")
    calls = [rig.begin(f"r{number}", "a") for number in range(3)]
    rig.shell.calls.give_back(calls[0])
    rig.shell.calls.give_back_all()
    assert [finished.call for finished in rig.shell.calls.ended(0)] == calls


def test_calls_behind_one_that_blocks_the_event_loop_are_given_back(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    hold(rig)
    call = rig.begin("r", "a")
    monkeypatch.setattr(rig.shell.calls._workers["HOLD"], "stuck", lambda: [call])
    rig.shell.calls.unstick()
    assert rig.ended().result == TaskReleased("a", call.claim.token)


# A claim that is taken back.


@HOLDS
def test_the_call_of_a_task_that_was_cancelled_ends(rig: Rig, type_: str) -> None:
    hold(rig, type_)
    call = rig.begin("r", "a")
    rig.shell.disown(rig.do("r", RunCancelled()))
    finished = rig.ended()
    assert finished.call is call
    assert rig.record(finished).status == "CANCELLED"
    assert not rig.shell.calls.holds("r", "a")


def test_a_task_whose_call_hangs_is_called_again_after_a_retry(rig: Rig) -> None:
    hold(rig)
    rig.begin("r", "a")
    rig.do("r", RunCancelled())
    rig.do("r", RunRetried(1))
    assert rig.shell.prepare(rig.dispatch("r", "a")) is None
    rig.record(rig.ended())
    rig.begin("r", "a")
    assert [context.idempotency_key for context in rig.begun()] == ["r/a/1", "r/a/2"]


def test_a_call_whose_claim_stands_is_left_alone(rig: Rig) -> None:
    hold(rig)
    before = rig.run("r")
    rig.begin("r", "a")
    for run in (before, rig.run("r")):
        rig.shell.calls.disown(run, "a")
    assert rig.shell.calls.ended(0) == []


# Pure blocks.


def test_the_result_of_a_pure_block_carries_its_claim(rig: Rig) -> None:
    rig.start("r", task("a", type="PURE"))
    call = rig.begin("r", "a")
    assert rig.run("r").tasks["a"].claim is None
    finished = rig.ended()
    assert finished.result == TaskSucceeded("a", call.claim.token, {}, call.claim)
    assert rig.record(finished).status == "SUCCESS"
    assert rig.journal("r") == "RunCreated TaskSucceeded"


@pytest.mark.parametrize("how", ["expire", "wait", "wait for nothing"])
def test_a_pure_block_that_waits_or_times_out_fails(rig: Rig, how: str) -> None:
    rig.start("r", task("a", type="PURE", arguments={"how": how}))
    rig.begin("r", "a")
    run = rig.record(rig.ended())
    assert run.status == "FAILED"
    assert run.error is not None
    assert run.error.code == "BAD_OUTPUTS"


def test_the_call_of_a_pure_block_ends_with_its_run(rig: Rig) -> None:
    rig.start("r", task("a", type="PURE", arguments={"how": "hold"}))
    call = rig.prepare("r", "a")
    rig.shell.start("PURE", [call])
    rig.shell.disown(rig.run("r"))
    assert rig.shell.calls.ended(0) == []
    rig.shell.disown(rig.do("r", RunCancelled()))
    assert rig.ended().result == TaskReleased("a", call.claim.token)


def test_a_pure_block_with_a_timeout_is_claimed_since_it_takes_a_claim_to_time_out(rig: Rig) -> None:
    rig.start("r", task("a", type="PURE", timeout="1m"))
    rig.begin("r", "a")
    rig.record(rig.ended())
    assert rig.journal("r") == "RunCreated TaskClaimed TaskSucceeded"


# What was asked.


def test_who_waits_for_completions_is_woken_by_nothing_at_all(rig: Rig) -> None:
    rig.shell.calls.finished.put(None)
    assert rig.shell.calls.ended(20) == []


def test_capacity_is_the_block_s_own_or_that_of_its_kind(rig: Rig) -> None:
    calls = Calls(rig.shell.catalogue, rig.shell.settings.model_copy(update={"calls": 7, "threads": 3}))
    assert calls.slots._free == {"APPROVAL": 7, "HOLD": 7, "HOLD_THREAD": CONCURRENCY, "NOOP": 7, "PURE": 3}
