"""Runs are found by whom they wait for: a person, or a group; nobody is shown what doesn't wait for him."""

from dataclasses import replace
from typing import Any

import pytest

from engine.asked import waiting_for
from engine.run import JournalEntry
from engine.statuses import RunStatus
from engine.transitions import (
    RunCancelled,
    RunPaused,
    RunRetried,
    Signal,
    SignalReceived,
    TaskBypassed,
    TaskDelegated,
    TaskLost,
    TaskTimedOut,
    Wants,
)
from store import playing
from store.protocol import Proposal, RunQuery, Store
from tests.store.conftest import Place
from tests.store.driver import Clock, Player, everything, workflow

ADA_OR_IVAN = Wants(None, ("ada", "ivan"), {"approve": 1})
BOTH = Wants(None, ("ada", "ivan"), {"approve": 2, "reject": 1})
STEWARDS = Wants(None, ("ada",), {"approve": 2}, ("stewards", "owners"))


@pytest.fixture
def player(engine: Player) -> Player:
    engine.store.save_workflow(workflow("a", "b", "c: a && b"))
    return engine


def waiting(store: Store, *keys: str, **query: Any) -> list[str]:
    """The runs that wait for somebody of these."""
    return [run.id for run in everything(store, waiting_for=frozenset(keys), **query)]


def decide(
    player: Player, who: str, id_: str = "r", *, decision: str = "approve", groups: tuple[str, ...] = ()
) -> None:
    task = player.run(id_).tasks["a"]
    signal = Signal(f"{who}-{task.step}", task.generation, who, {"decision": decision}, groups=groups)
    player.do(SignalReceived("a", signal), id_, by=who)


def test_a_run_is_found_as_soon_as_it_waits_for_somebody(player: Player) -> None:
    player.start()
    assert waiting(player.store, "person:ada") == []
    player.suspend("a", wants=ADA_OR_IVAN)
    assert waiting(player.store, "person:ada") == ["r"]
    assert waiting(player.store, "person:ivan") == ["r"]
    assert waiting(player.store, "person:eva") == []
    assert waiting(player.store, "group:ada") == []


def test_a_decision_that_closes_the_wait_takes_it_from_everybody(player: Player) -> None:
    player.start()
    player.suspend("a", wants=ADA_OR_IVAN)
    decide(player, "ivan")
    assert waiting(player.store, "person:ada", "person:ivan") == []
    player.succeed("a")
    assert waiting(player.store, "person:ada", "person:ivan") == []


def test_who_has_decided_is_not_waited_for_but_the_others_are(player: Player) -> None:
    player.start()
    player.suspend("a", wants=BOTH)
    decide(player, "ada")
    assert waiting(player.store, "person:ada") == []
    assert waiting(player.store, "person:ivan") == ["r"]
    player.suspend("a", wants=BOTH)  # the block has counted, and goes on waiting
    assert waiting(player.store, "person:ada") == []
    assert waiting(player.store, "person:ivan") == ["r"]
    decide(player, "ivan")
    assert waiting(player.store, "person:ivan") == []


def test_a_task_that_is_called_for_a_signal_asks_on(player: Player) -> None:
    player.start()
    player.suspend("a", wants=BOTH)
    decide(player, "ada")
    player.claim("a")
    assert waiting(player.store, "person:ivan") == ["r"]


def test_groups_are_asked_under_their_own_names(player: Player) -> None:
    player.start()
    player.suspend("a", wants=STEWARDS)
    assert waiting(player.store, "group:stewards") == ["r"]
    assert waiting(player.store, "group:owners") == ["r"]
    assert waiting(player.store, "person:stewards") == []
    decide(player, "eva", groups=("stewards",))
    assert waiting(player.store, "group:stewards") == ["r"]  # it takes one more
    decide(player, "ada")
    assert waiting(player.store, "group:stewards", "group:owners", "person:ada") == []


def test_a_task_that_is_handed_over_waits_for_the_other_person(player: Player) -> None:
    player.start()
    player.suspend("a", wants=ADA_OR_IVAN)
    player.do(TaskDelegated("a", 1, "ada", "eva"), by="ada")
    assert waiting(player.store, "person:ada") == []
    assert waiting(player.store, "person:eva") == ["r"]
    assert waiting(player.store, "person:ivan") == ["r"]
    player.do(TaskDelegated("a", 1, "eva", "olga"), by="eva")
    assert waiting(player.store, "person:eva") == []
    assert waiting(player.store, "person:olga") == ["r"]
    decide(player, "olga")
    assert waiting(player.store, "person:olga", "person:ivan") == []


def test_who_asks_others_than_before_waits_for_those(player: Player) -> None:
    player.start()
    player.suspend("a", wants=ADA_OR_IVAN, after=60.0)
    decide(player, "ada", decision="abstain")
    player.suspend("a", wants=Wants(None, ("boss",), {"*": 1}))
    assert waiting(player.store, "person:boss") == ["r"]
    assert waiting(player.store, "person:ada", "person:ivan") == []


def test_a_run_that_waits_for_several_is_there_until_the_last_task_has_its_answer(player: Player) -> None:
    player.start()
    player.suspend("a", wants=ADA_OR_IVAN)
    player.suspend("b", wants=ADA_OR_IVAN)
    decide(player, "ada")
    assert waiting(player.store, "person:ada") == ["r"]
    player.do(TaskBypassed("b", 1, "olga"), by="olga")
    assert waiting(player.store, "person:ada", "person:ivan") == []


def test_a_wait_that_expires_is_over(player: Player, clock: Clock) -> None:
    player.start()
    player.suspend("a", wants=ADA_OR_IVAN, after=60.0)
    clock.pass_(61)
    player.store.wake(10)
    assert waiting(player.store, "person:ada") == ["r"]  # it is for the block to say that the time is up
    player.do(TaskTimedOut("a", player.claim("a"), "nobody decided"))
    assert waiting(player.store, "person:ada", "person:ivan") == []


def test_a_run_that_is_cancelled_waits_for_nobody(player: Player) -> None:
    player.start()
    player.suspend("a", wants=ADA_OR_IVAN)
    player.do(RunCancelled())
    assert waiting(player.store, "person:ada", "person:ivan") == []
    player.do(RunRetried(1))
    assert waiting(player.store, "person:ada", "person:ivan") == []
    player.suspend("a", wants=ADA_OR_IVAN)
    assert waiting(player.store, "person:ada") == ["r"]


def test_a_run_that_is_out_of_time_waits_for_nobody(player: Player, clock: Clock) -> None:
    player.store.save_workflow(workflow("a", timeout="1h"))
    player.start()
    player.suspend("a", wants=ADA_OR_IVAN)
    clock.pass_(3601)
    [run] = player.store.wake(10)
    assert run.status is RunStatus.FAILED
    assert waiting(player.store, "person:ada", "person:ivan") == []


def test_a_run_that_was_given_up_as_it_stood_waits_for_people_again_once_it_is_retried(player: Player) -> None:
    player.start()
    player.suspend("a", wants=ADA_OR_IVAN)
    player.fail("b")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(playing, "advance", _crash)
        player.propose(TaskLost("a", "of nobody"))
    assert player.run().status is RunStatus.FAILED
    assert waiting(player.store, "person:ada") == []
    player.do(RunRetried(1))
    assert waiting(player.store, "person:ada") == ["r"]


def _crash(*_: object, **__: object) -> None:
    raise RuntimeError("planted")


def test_a_paused_run_still_takes_decisions(player: Player) -> None:
    player.start()
    player.suspend("a", wants=ADA_OR_IVAN)
    player.do(RunPaused())
    assert waiting(player.store, "person:ada") == ["r"]
    decide(player, "ada")
    assert waiting(player.store, "person:ada", "person:ivan") == []


def test_a_task_that_takes_a_signal_from_anybody_waits_for_nobody_in_particular(player: Player) -> None:
    player.start()
    player.suspend("a", wants=Wants())
    assert waiting_for(player.run()) == frozenset()


def test_all_that_happens_in_one_write_counts_at_its_end(player: Player) -> None:
    player.start()
    player.suspend("a", wants=BOTH)
    decisions = [
        Proposal("r", SignalReceived("a", Signal(who, 1, who, {"decision": "approve"})), who) for who in ("ada", "ivan")
    ]
    outcomes = [one.outcome for one in player.store.apply(decisions)]
    assert all(isinstance(outcome, JournalEntry) for outcome in outcomes)
    assert waiting(player.store, "person:ada", "person:ivan") == []


def test_who_is_asked_himself_and_in_his_group_sees_a_run_once(player: Player, clock: Clock) -> None:
    for number in range(20):
        player.start(f"r{number}")
        wants = (STEWARDS, ADA_OR_IVAN, Wants(None, (), {"*": 1}, ("stewards",)))[number % 3]
        player.suspend("a", f"r{number}", wants=wants)
        clock.pass_(number % 2)
    expected = [f"r{number}" for number in reversed(range(20))]
    for limit in (1, 3, 7, 20, 50):
        assert waiting(player.store, "person:ada", "group:stewards", "group:owners", limit=limit) == expected
    assert waiting(player.store, "group:stewards", limit=3) == [id_ for id_ in expected if int(id_[1:]) % 3 != 1]


def test_runs_that_come_in_meanwhile_move_no_page(player: Player, clock: Clock) -> None:
    query = RunQuery(waiting_for=frozenset({"person:ada", "group:stewards"}), limit=3)
    for number in range(6):
        player.start(f"r{number}")
        player.suspend("a", f"r{number}", wants=STEWARDS)
        clock.pass_(1)
    first = player.store.find(query)
    player.start("late")
    player.suspend("a", "late", wants=STEWARDS)
    decide(player, "ada", "r5")
    player.do(RunCancelled(), "r2")
    second = player.store.find(replace(query, cursor=first.cursor))
    assert [run.id for run in (*first.runs, *second.runs)] == ["r5", "r4", "r3", "r1", "r0"]
    assert second.cursor is None


def test_tenants_have_their_own_people(player: Player) -> None:
    player.store.save_workflow(workflow("a", "b", "c: a && b", tenant="other"))
    for id_, tenant in (("ours", "default"), ("theirs", "other")):
        player.start(id_, tenant=tenant)
        player.suspend("a", id_, wants=ADA_OR_IVAN)
    assert waiting(player.store, "person:ada") == ["ours"]
    assert waiting(player.store, "person:ada", tenant="other") == ["theirs"]
    assert waiting(player.store, "person:ada", tenant=None) == ["theirs", "ours"]
    assert waiting(player.store, "person:ada", tenant="nobody") == []


def test_it_goes_with_every_other_condition(player: Player) -> None:
    player.store.save_workflow(workflow("a", name="v"))
    player.start("one", {"n": 1}, requested_by="olga")
    player.start("two", {"n": 2}, requested_by="olga")
    player.start("three", {"n": 1}, requested_by="eva", workflow="v")
    for id_ in ("one", "two", "three"):
        player.suspend("a", id_, wants=ADA_OR_IVAN)
    player.do(RunPaused(), "two")
    store = player.store
    assert waiting(store, "person:ada", inputs={"n": 1}) == ["three", "one"]
    assert waiting(store, "person:ada", workflow="w") == ["two", "one"]
    assert waiting(store, "person:ada", requested_by="eva") == ["three"]
    assert waiting(store, "person:ada", statuses=frozenset({RunStatus.PAUSED})) == ["two"]
    assert waiting(store, "person:ada", statuses=frozenset({RunStatus.PAUSED, RunStatus.SUCCESS}), limit=1) == ["two"]
    assert waiting(store, "person:ada", created_before=0.0) == []


@pytest.mark.parametrize("who", ["person:$ada", "person:a.b", "person:ü ✓", "person:", "person:" + "x" * 255, '["a"]'])
def test_a_person_may_have_any_name(player: Player, who: str) -> None:
    player.start()
    player.suspend("a", wants=Wants(None, (who.removeprefix("person:"),), {"*": 1}))
    expected = ["r"] if who.startswith("person:") else []
    assert waiting(player.store, who) == expected


def test_another_store_object_sees_it_at_once(place: Place, player: Player) -> None:
    other = place.open()
    player.start()
    player.suspend("a", wants=ADA_OR_IVAN)
    assert waiting(other, "person:ada") == ["r"]
    Player(other).do(RunCancelled())
    assert waiting(player.store, "person:ada") == []
