"""No run is ever stuck (G23): the invariant holds through every history, and finds each way to break it."""

import random
from collections.abc import Callable
from typing import Any

import pytest

from engine.invariants import OVERDUE_SECONDS, stuck
from engine.machine import ready
from engine.outcomes import Rejected
from engine.run import Parent, WorkflowRun
from engine.statuses import RunStatus
from engine.transitions import RunCancelled, RunPaused, RunResumed, RunRetried, Wants
from tests.engine.driver import Play

ASKING = Wants(None, ("olga",), {"approve": 1})


def waiting(**fields: Any) -> Play:
    play = Play("a", "b: a", **fields)
    play.suspend("a", wants=ASKING)
    return play


def test_a_run_that_waits_for_a_person_is_not_stuck_and_never_woken() -> None:
    play = waiting()
    assert play.run.wake_at is None
    assert stuck(play.run, play.now + 10 * OVERDUE_SECONDS) is None


def test_a_paused_run_is_not_stuck() -> None:
    play = Play("a")
    play.do(RunPaused())
    assert play.run.wake_at is None
    assert stuck(play.run, play.now) is None


def test_a_run_that_is_due_is_overdue_only_after_a_while_and_only_if_an_engine_lives() -> None:
    play = Play("a")
    due = play.run.wake_at
    assert due is not None
    assert stuck(play.run, due + OVERDUE_SECONDS) is None
    assert stuck(play.run, due + OVERDUE_SECONDS + 1) == "it has been due for 121 s, and no engine has looked at it"
    assert stuck(play.run) is None


def test_a_run_that_is_resumed_long_after_its_moment_is_due_only_from_then_on() -> None:
    play = Play("a")
    play.suspend("a", after=60)
    play.do(RunPaused())
    play.now += 10 * OVERDUE_SECONDS
    play.do(RunResumed())
    assert stuck(play.run, play.now) is None


Damage = Callable[[], WorkflowRun]


def ready_but_unwatched() -> WorkflowRun:
    return Play("a").run._replace(wake_at=None)


def running_but_unwatched() -> WorkflowRun:
    play = Play("a")
    play.claim("a")
    return play.run._replace(wake_at=None)


def a_timer_nobody_watches() -> WorkflowRun:
    play = Play("a")
    play.suspend("a", after=60)
    return play.run._replace(wake_at=None)


def a_timer_watched_too_late() -> WorkflowRun:
    play = Play("a")
    play.suspend("a", after=60)
    return play.run._replace(wake_at=play.now + 61)


def a_deadline_nobody_watches() -> WorkflowRun:
    return waiting(timeout="1h").run._replace(wake_at=None)


def asking_somebody_who_has_decided() -> WorkflowRun:
    play = waiting()
    play.send("a", sender="olga", data={"decision": "approve"})
    return play.run._replace(ready={})


def asking_nobody() -> WorkflowRun:
    run = waiting().run
    return run._replace(tasks={**run.tasks, "a": run.tasks["a"]._replace(wants=None)})


def done_but_live() -> WorkflowRun:
    play = Play("a")
    play.succeed("a")
    return play.run._replace(status=RunStatus.RUNNING)


def final_but_undone() -> WorkflowRun:
    return Play("a").run._replace(status=RunStatus.SUCCESS)


def ended_untold() -> WorkflowRun:
    play = Play("a", parent=Parent("p", "t", 1))
    play.succeed("a")
    return play.run._replace(wake_at=None)


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (ready_but_unwatched, "a task of it is ready or runs, but nobody will notice if its engine dies"),
        (running_but_unwatched, "a task of it is ready or runs, but nobody will notice if its engine dies"),
        (a_timer_nobody_watches, "it waits for a moment, but nobody will look at it then"),
        (a_timer_watched_too_late, "it waits for a moment, but nobody will look at it then"),
        (a_deadline_nobody_watches, "it waits for a moment, but nobody will look at it then"),
        (asking_somebody_who_has_decided, "none of its tasks is ready, runs, or waits for a moment or for anybody"),
        (asking_nobody, "none of its tasks is ready, runs, or waits for a moment or for anybody"),
        (done_but_live, "all of its tasks have ended, but it is RUNNING"),
        (final_but_undone, "it is SUCCESS, but its task 'a' is PENDING"),
        (ended_untold, "it has ended, but nobody will tell run 'p', which started it"),
    ],
)
def test_each_way_to_be_stuck_is_found(damage: Damage, sentence: str) -> None:
    assert stuck(damage()) == sentence


@pytest.mark.parametrize("seed", range(60))
def test_no_history_leaves_a_run_stuck(seed: int) -> None:
    luck = random.Random(seed)
    retry = {"max_attempts": 2, "initial_interval": "5s"}
    play = Play("a", {"name": "b", "type": "NOOP", "retry": retry}, "c: a || b.DONE", "d: c && !a.FAILED", timeout="1h")
    for _ in range(40):
        if play.run.is_final:
            if isinstance(play.propose(RunRetried(play.run.generation)), Rejected):
                break
        else:
            _happen(play, luck)
        assert stuck(play.run, play.now) is None, f"seed {seed}"


def _happen(play: Play, luck: random.Random) -> None:
    """One thing that can happen to a run that has not ended."""
    callable_now = [one.task for one in ready(play.run)]
    if luck.random() < 0.1:
        play.do(RunResumed() if play.run.paused else RunPaused())
    elif luck.random() < 0.03:
        play.do(RunCancelled())
    elif callable_now and luck.random() < 0.8:
        name = luck.choice(callable_now)
        steps: list[Callable[[], object]] = [
            lambda: play.succeed(name),
            lambda: play.fail(name, retryable=True),
            lambda: play.skip(name),
            lambda: play.suspend(name, after=luck.uniform(1, 100)),
            lambda: play.suspend(name, wants=ASKING),
            lambda: play.claim(name),
        ]
        luck.choice(steps)()
    elif play.run.wake_at is not None:
        play.wake()
