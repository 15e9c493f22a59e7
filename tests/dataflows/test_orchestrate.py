"""The orchestrator of one run: what it does about news, what it remembers, and what if nothing makes sense."""

from typing import Any

import pytest

from dataflows.calls import Call
from dataflows.orchestrate import Move, Orchestrator, is_call
from dataflows.shell import News
from engine.run import Parent, WorkflowRun
from engine.transitions import (
    ParentNotified,
    RunCancelled,
    RunFailed,
    RunPaused,
    SignalReceived,
    TaskLost,
    TaskReleased,
    Transition,
)
from tests.dataflows.driver import CONCURRENCY, Rig, task


@pytest.fixture
def orchestrator(rig: Rig) -> Orchestrator:
    """The orchestrator of the run `r`."""
    return Orchestrator(rig.shell)


def calls(moves: list[Move]) -> list[str]:
    """The tasks to be called."""
    return [move.task for move in moves if isinstance(move, Call)]


def said(moves: list[Move]) -> list[tuple[str, Transition]]:
    """What is to be recorded, and of which run."""
    return [move[0][:2] for move in moves if not isinstance(move, Call)]


def test_what_is_ready_is_called_and_nothing_remembered(rig: Rig, orchestrator: Orchestrator) -> None:
    run = rig.start("r", "a", "b", "c: a")
    moves, discard = orchestrator.on_batch([News(run)])
    assert calls(moves) == ["a", "b"]
    assert discard
    assert all(is_call(("r", move)) for move in moves)
    assert rig.shell.calls.holds("r", "a")


def test_what_is_being_called_already_is_not_called_again(rig: Rig, orchestrator: Orchestrator) -> None:
    run = rig.start("r", "a")
    orchestrator.on_batch([News(run)])
    moves, _ = orchestrator.on_batch([News(run), News(run, woken=True)])
    assert moves == []


def test_of_several_news_the_newest_counts(rig: Rig, orchestrator: Orchestrator) -> None:
    old = rig.start("r", "a", "b: a")
    rig.begin("r", "a")
    new = rig.do("r", rig.ended().result)
    moves, _ = orchestrator.on_batch([News(new), News(old), News(None)])
    assert calls(moves) == ["b"]


def test_stale_news_cost_a_refused_claim_and_nothing_else(rig: Rig, orchestrator: Orchestrator) -> None:
    old = rig.start("r", "a", "b: a")
    rig.begin("r", "a")
    rig.record(rig.ended())
    before = rig.journal("r")
    moves, _ = orchestrator.on_batch([News(old)])
    assert calls(moves) == ["a"]
    assert rig.shell.claim([("r", move) for move in moves if isinstance(move, Call)]) == []
    assert rig.journal("r") == before
    assert not rig.shell.calls.holds("r", "a")


def test_a_run_that_is_not_known_is_passed_over(orchestrator: Orchestrator) -> None:
    assert orchestrator.on_batch([News(None)]) == ([], True)


def test_a_run_that_is_over_or_paused_or_only_waits_or_is_run_by_another_needs_nothing(rig: Rig) -> None:
    rig.start("r", task("a", type="APPROVAL", arguments={"approvers": ["olga"]}))
    rig.begin("r", "a")
    waiting = rig.record(rig.ended())
    paused = rig.do("r", RunPaused())
    over = rig.do("r", RunCancelled())
    rig.start("s", "a")
    claimed = rig.do("s", rig.dispatch("s", "a").claim("another/1", "another"))
    for run in (waiting, paused, over, claimed):
        assert Orchestrator(rig.shell).on_batch([News(run)]) == ([], True), run.status


def test_a_task_for_which_there_is_no_slot_is_left_for_later(rig: Rig, orchestrator: Orchestrator) -> None:
    for _ in range(rig.free("NOOP")):
        assert rig.shell.slots.take("NOOP", "another", "default")
    assert orchestrator.on_batch([News(rig.start("r", "a"))]) == ([], True)
    rig.shell.slots.give("NOOP")
    assert rig.shell.released() == ["r"]


def test_of_many_tasks_only_those_are_called_for_which_there_are_slots(rig: Rig, orchestrator: Orchestrator) -> None:
    run = rig.start("r", *(task(f"t{number}", type="HOLD_THREAD") for number in range(10)), "other")
    moves, _ = orchestrator.on_batch([News(run)])
    assert calls(moves) == ["t0", "t1", "other"]
    for move in moves[:CONCURRENCY]:
        rig.shell.withdraw([move])
    assert rig.shell.released() == ["r"]


def test_a_run_of_another_engine_s_share_is_not_remembered(
    rig: Rig, orchestrator: Orchestrator, monkeypatch: pytest.MonkeyPatch
) -> None:
    orphan = orphaned(rig, "another")
    monkeypatch.setattr(rig.shell.lease, "shares", lambda _run_id: False)
    assert orchestrator.on_batch([News(orphan)]) == ([], True)


def test_a_block_type_that_is_not_installed_here_is_left_to_others(rig: Rig, orchestrator: Orchestrator) -> None:
    run = rig.start("r", task("a", type="NOT_INSTALLED"), "b")
    moves, _ = orchestrator.on_batch([News(run)])
    assert calls(moves) == ["b"]


def test_a_task_that_may_have_killed_engines_is_called_alone(rig: Rig) -> None:
    for run_id in ("r", "s"):
        rig.start(run_id, "a")
        for number in range(2):
            claim = rig.dispatch(run_id, "a").claim(f"dead/{run_id}-{number}", "dead")
            rig.do(run_id, claim)
            rig.do(run_id, TaskLost("a", claim.token))
    first, _ = Orchestrator(rig.shell).on_batch([News(rig.run("r"))])
    second, _ = Orchestrator(rig.shell).on_batch([News(rig.run("s"))])
    assert (calls(first), calls(second)) == (["a"], [])
    assert rig.shell.released() == []
    rig.shell.withdraw(first)
    assert rig.shell.released() == ["s"]


def test_what_is_being_called_for_a_run_that_was_cancelled_ends(rig: Rig, orchestrator: Orchestrator) -> None:
    rig.start("r", task("a", type="HOLD"))
    call = rig.begin("r", "a")
    orchestrator.on_batch([News(rig.do("r", RunCancelled()))])
    assert rig.ended().call is call


# Orphans.


def orphaned(rig: Rig, owner: str) -> WorkflowRun:
    """A run with a claim that nobody works on."""
    rig.start("r", "a")
    return rig.do("r", rig.dispatch("r", "a").claim("token", owner))


def test_a_claim_in_its_own_name_that_it_is_not_working_on_is_released(rig: Rig, orchestrator: Orchestrator) -> None:
    run = orphaned(rig, rig.shell.lease.owner)
    assert orchestrator.on_batch([News(run)])[0] == [], "the call may be on its way"
    moves, _ = orchestrator.on_batch([News(run, woken=True)])
    assert said(moves) == [("r", TaskReleased("a", "token"))]


def test_a_claim_that_it_is_working_on_is_not_released(rig: Rig, orchestrator: Orchestrator) -> None:
    rig.start("r", task("a", type="HOLD"))
    rig.begin("r", "a")
    assert orchestrator.on_batch([News(rig.run("r"), woken=True)])[0] == []


def test_the_claims_of_others_are_left_alone(rig: Rig, orchestrator: Orchestrator) -> None:
    assert orchestrator.on_batch([News(orphaned(rig, "another"), woken=True)])[0] == []


# Parents.


def child(rig: Rig, **fields: Any) -> WorkflowRun:
    """A run that was started by another one, and has ended."""
    rig.start("r", "a", parent=Parent("p", "start", 3), outputs={"x": "{{ tasks.a.status }}"}, **fields)
    rig.begin("r", "a")
    return rig.record(rig.ended())


def test_a_run_tells_its_parent_of_its_end_until_that_is_recorded(rig: Rig, orchestrator: Orchestrator) -> None:
    run = child(rig)
    moves, discard = orchestrator.on_batch([News(run)])
    [(parent, signal), (own, notified)] = said(moves)
    assert (parent, own, notified) == ("p", "r", ParentNotified())
    assert isinstance(signal, SignalReceived)
    assert signal.task == "start"
    assert signal.signal.data == {"run": "r", "status": "SUCCESS", "outputs": {"x": "SUCCESS"}, "error": None}
    assert (signal.signal.id, signal.signal.generation, signal.signal.kind) == ("r/1", 3, "child")
    assert discard
    told = rig.do("r", ParentNotified())
    assert Orchestrator(rig.shell).on_batch([News(told)])[0] == []


# Whatever goes wrong.


@pytest.fixture
def broken(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> Rig:
    """An engine that can't prepare calls of tasks whose name is `bad`."""
    prepare = rig.shell.prepare

    def prepare_or_not(dispatch: Any) -> Call | None:
        if dispatch.task == "bad":
            raise KeyError(dispatch.task)
        return prepare(dispatch)

    monkeypatch.setattr(rig.shell, "prepare", prepare_or_not)
    return rig


def test_a_run_that_the_engine_can_not_go_on_with_fails_and_keeps_no_slot(
    broken: Rig, orchestrator: Orchestrator
) -> None:
    free = broken.free("NOOP")
    moves, discard = orchestrator.on_batch([News(broken.start("r", "good", "bad"))])
    [(run_id, failed)] = said(moves)
    assert isinstance(failed, RunFailed)
    assert (run_id, failed.error.code) == ("r", "ENGINE_ERROR")
    assert "KeyError: 'bad'" in failed.error.message
    assert calls(moves) == []
    assert discard
    assert broken.free("NOOP") == free
    assert broken.do("r", failed).status == "FAILED"
