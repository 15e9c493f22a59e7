"""A run that has anything to do is due in time, and due runs are woken: this is what heals whatever was lost."""

import pytest

from engine import machine
from engine.draft import Draft
from engine.outcomes import Rejected, Touched
from engine.run import Parent
from engine.settle import HEAL_SECONDS
from engine.statuses import RunStatus, TaskStatus
from engine.transitions import ParentNotified, RunCancelled, RunPaused, RunResumed, RunWoken, TaskSucceeded, Wants
from store import playing
from store.protocol import BEGINNING
from tests.store.conftest import Place
from tests.store.driver import START, WOKEN, Clock, Player, values, workflow

HEAL = HEAL_SECONDS * 1.05  # with the luck of these tests


@pytest.fixture
def player(engine: Player) -> Player:
    engine.store.save_workflow(workflow())
    return engine


def test_nothing_is_due_in_an_empty_store(player: Player) -> None:
    assert player.store.next_wake() is None
    assert player.store.wake(10) == []


def test_a_run_that_is_ready_is_due_before_long(player: Player, clock: Clock) -> None:
    player.start()
    assert player.store.next_wake() == START + HEAL
    clock.pass_(HEAL - 1)
    assert player.store.wake(10) == []
    clock.pass_(1)
    assert [run.id for run in player.store.wake(10)] == ["r"]


def test_a_run_that_waits_for_people_alone_is_never_due(player: Player) -> None:
    player.start()
    player.suspend("a", wants=Wants())
    assert player.store.next_wake() is None
    assert player.run().status is RunStatus.WAITING


def test_a_run_that_ended_is_not_due(player: Player) -> None:
    player.start()
    player.finish()
    assert player.store.next_wake() is None


def test_a_wake_up_in_vain_moves_the_next_one_further_away_each_time(
    place: Place, player: Player, clock: Clock
) -> None:
    player.start()
    for doublings in (1, 2, 3, 4, 5, 5):
        due = player.store.next_wake()
        assert due is not None
        clock.time = due
        [touched] = player.store.wake(10)
        assert touched.wake_at == player.store.next_wake() == clock.time + HEAL * 2**doublings
        assert values(Player(place.open()).run()) == values(touched)
    assert player.run().revision == 1


def test_progress_makes_the_next_look_an_early_one_again(player: Player, clock: Clock) -> None:
    player.start()
    clock.pass_(HEAL)
    player.store.wake(10)
    player.succeed("a")
    assert player.run().heal == 0
    assert player.store.next_wake() == clock.time + HEAL


def test_a_timer_is_never_early_and_acts_once(player: Player, clock: Clock) -> None:
    player.start()
    player.suspend("a", after=3600.0)
    assert player.store.next_wake() == START + 3600
    clock.pass_(3599.999)
    assert player.store.wake(10) == []
    clock.pass_(0.001)
    [woken] = player.store.wake(10)
    assert (woken.tasks["a"].due, woken.ready) == (True, {"a": "wake"})
    assert player.store.wake(10) == []
    assert [entry.type for entry in player.store.journal("r")].count("RunWoken") == 1


def test_a_paused_run_lets_its_timer_pass_and_acts_when_it_is_resumed(player: Player, clock: Clock) -> None:
    player.start()
    player.suspend("a", after=60.0)
    player.do(RunPaused())
    clock.pass_(100)
    assert player.store.wake(10) == []
    player.do(RunResumed())
    [woken] = player.store.wake(10)
    assert woken.tasks["a"].due


def test_the_longest_due_are_woken_first_and_no_more_than_asked_for(player: Player, clock: Clock) -> None:
    for number in range(5):
        player.start(f"r{number}")
        clock.pass_(1)
    clock.pass_(HEAL)
    assert [run.id for run in player.store.wake(2)] == ["r0", "r1"]
    assert [run.id for run in player.store.wake(9)] == ["r2", "r3", "r4"]
    assert player.store.wake(9) == []


def test_all_that_has_something_to_do_can_be_made_due_now(player: Player) -> None:
    for id_ in ("ready", "running", "paused", "waiting", "timed", "ended"):
        player.start(id_)
    player.claim("a", "running")
    player.claim("a", "paused")
    player.do(RunPaused(), "paused")
    player.suspend("a", "waiting", wants=Wants())
    player.suspend("a", "timed", after=9.0)
    player.finish("ended")
    assert player.store.wake_active() == 3
    assert {run.id for run in player.store.wake(10)} == {"ready", "running", "paused"}


def test_that_another_store_object_made_a_run_due_counts(place: Place, player: Player) -> None:
    player.start()
    player.run()  # remembered
    other = place.open()
    other.wake_active()
    [woken] = player.store.wake(10)
    assert woken.heal == 1
    assert player.store.next_wake() == START + 2 * HEAL


def test_a_wake_up_may_be_proposed_once_another_store_object_made_the_run_due(place: Place, player: Player) -> None:
    player.start()
    place.open().wake_active()
    assert isinstance(player.propose(WOKEN).outcome, Touched)


def test_a_child_that_ended_is_due_until_its_parent_was_told(player: Player, clock: Clock) -> None:
    player.start("parent")
    player.start("child", parent=Parent("parent", "a", 1))
    player.do(RunCancelled(), "parent")
    player.finish("child")
    clock.pass_(HEAL)
    assert [run.id for run in player.store.wake(10)] == ["child"]
    player.do(ParentNotified(), "child")
    assert player.store.next_wake() is None


def test_a_run_whose_time_is_up_fails(player: Player, clock: Clock) -> None:
    player.store.save_workflow(workflow(timeout="1h"))
    player.start()
    player.suspend("a", wants=Wants())
    clock.pass_(3600)
    [woken] = player.store.wake(10)
    assert woken.error is not None
    assert (woken.status, woken.error.code) == (RunStatus.FAILED, "RUN_TIMED_OUT")


def test_the_claim_of_a_dead_owner_is_lost_when_its_run_is_woken(place: Place, player: Player) -> None:
    player.start()
    player.claim("a")
    successor = Player(place.open(), "engine-2")
    player.store.leave("engine-1", BEGINNING)
    [woken] = successor.store.wake(10)
    assert (woken.tasks["a"].status, woken.tasks["a"].lost) == (TaskStatus.PENDING, 1)
    assert [entry.type for entry in successor.store.journal("r")] == ["RunCreated", "TaskClaimed", "TaskLost"]
    assert successor.finish().status is RunStatus.SUCCESS


def test_the_claim_of_an_owner_that_nobody_knows_is_lost_too(player: Player, clock: Clock) -> None:
    player.start()
    Player(player.store, "nobody").claim("a")
    clock.pass_(HEAL)
    [woken] = player.store.wake(10)
    assert woken.tasks["a"].lost == 1


def test_the_claim_of_a_living_owner_stays(player: Player, clock: Clock) -> None:
    player.start()
    token = player.claim("a")
    clock.pass_(HEAL)
    [woken] = player.store.wake(10)
    assert woken.tasks["a"].status is TaskStatus.RUNNING
    player.do(TaskSucceeded("a", token))


def test_a_late_result_of_a_lost_claim_is_refused(place: Place, player: Player) -> None:
    player.start()
    token = player.claim("a")
    player.store.leave("engine-1", BEGINNING)
    successor = Player(place.open(), "engine-2")
    successor.store.register("engine-2", 30.0)
    successor.store.wake(10)
    successor.succeed("a", outputs="right")
    late = player.propose(TaskSucceeded("a", token, "late")).outcome
    assert isinstance(late, Rejected)
    assert late.code == "LATE_RESULT"
    assert player.run().tasks["a"].outputs == "right"


def test_a_run_that_can_not_be_woken_fails_and_blocks_no_other(
    player: Player, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    for id_ in ("bad", "good"):
        player.start(id_)
        clock.pass_(1)
    clock.pass_(HEAL)
    _crash_on_waking(monkeypatch, "bad")
    assert [run.id for run in player.store.wake(1)] == ["bad"]
    assert [run.id for run in player.store.wake(1)] == ["good"]
    assert player.run("bad").status is RunStatus.FAILED


def test_a_run_that_ended_and_can_not_be_woken_is_put_off(
    player: Player, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    player.start("parent")
    player.start("bad", parent=Parent("parent", "a", 1))
    player.do(RunCancelled(), "parent")
    player.do(RunCancelled(), "bad")
    clock.pass_(HEAL)
    _crash_on_waking(monkeypatch, "bad")
    player.store.wake(1)
    due = player.store.next_wake()
    assert due is not None
    assert due > clock.time + HEAL
    assert player.store.wake(1) == []


def _crash_on_waking(patch: pytest.MonkeyPatch, run_id: str) -> None:
    real = machine.advance

    def advance(draft: Draft, transition: object, **fields: object) -> object:
        if draft.run.id == run_id and isinstance(transition, RunWoken):
            raise RuntimeError("planted")
        return real(draft, transition, **fields)  # type: ignore[arg-type] # passed through

    patch.setattr(playing, "advance", advance)
