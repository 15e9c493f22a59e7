"""The owners of claims: who lives, who is dead, and what becomes of what they had claimed."""

import pytest

from engine.statuses import RunStatus
from engine.transitions import Wants
from store.protocol import BEGINNING, Owner, StoreError
from tests.store.conftest import Place
from tests.store.driver import START, Clock, Player, workflow


def test_an_owner_lives_from_its_start_on(place: Place) -> None:
    store = place.open()
    assert store.owners() == []
    store.register("e1", 30.0)
    assert place.open().owners() == [Owner("e1", START + 30, dead=False, position=BEGINNING)]


def test_a_beat_prolongs_the_lease_and_tells_how_far_the_feed_was_read(place: Place, clock: Clock) -> None:
    store = place.open()
    store.register("e1", 30.0)
    clock.pass_(10)
    assert store.beat("e1", 30.0, BEGINNING)
    assert store.owners() == [Owner("e1", START + 40, dead=False, position=BEGINNING)]


def test_an_owner_that_is_dead_or_unknown_can_not_beat(place: Place, clock: Clock) -> None:
    one, other = place.open(), place.open()
    one.register("e1", 30.0)
    clock.pass_(31)
    assert other.bury(by_time=True) == ["e1"]
    assert not one.beat("e1", 30.0, BEGINNING)
    assert not one.beat("nobody", 30.0, BEGINNING)
    assert one.owners() == []


def test_an_owner_is_declared_dead_once(place: Place, clock: Clock) -> None:
    place.open().register("e1", 30.0)
    clock.pass_(31)
    stores = [place.open() for _ in range(3)]
    assert [store.bury(by_time=True) for store in stores] == [["e1"], [], []]


def test_a_late_owner_is_buried_only_by_whom_may_judge_time(place: Place, clock: Clock) -> None:
    one, other = place.open(), place.open()
    one.register("e1", 30.0)
    clock.pass_(31)
    assert other.bury(by_time=False) == []
    assert one.beat("e1", 30.0, BEGINNING)
    assert other.bury(by_time=True) == []


def test_what_a_dead_owner_had_claimed_goes_on_at_once(place: Place, clock: Clock) -> None:
    one = place.open()
    one.save_workflow(workflow())
    one.register("e1", 5.0)
    dead = Player(one, "e1")
    for id_ in ("claimed", "ready", "waiting"):
        dead.start(id_)
    dead.claim("a", "claimed")
    dead.suspend("a", "waiting", wants=Wants())
    place.end(one)
    clock.pass_(6)
    successor = Player(place.open(), "e2")
    successor.store.register("e2", 30.0)
    assert successor.store.bury(by_time=True) == ["e1"]
    assert {run.id for run in successor.store.wake(10)} == {"claimed", "ready"}
    assert successor.finish("claimed").status is RunStatus.SUCCESS


def test_who_leaves_is_not_alive_and_its_runs_go_on_at_once(place: Place) -> None:
    store = place.open()
    store.save_workflow(workflow())
    store.register("e1", 30.0)
    Player(store, "e1").start()
    store.leave("e1", store.position())
    assert store.owners() == []
    assert store.bury(by_time=True) == []
    assert store.next_wake() == START
    store.leave("e1", store.position())


def test_a_new_owner_reads_the_feed_from_where_the_slowest_one_is(place: Place) -> None:
    one, other = place.open(), place.open()
    one.save_workflow(workflow())
    assert one.register("e1", 30.0) == BEGINNING
    slow = one.position()
    one.beat("e1", 30.0, slow)
    assert other.register("e2", 30.0) == slow
    Player(one, "e1").start()
    one.beat("e1", 30.0, one.position())
    assert place.open().register("e3", 30.0) == slow


def test_a_new_owner_reads_the_feed_from_where_the_last_one_was(place: Place) -> None:
    one = place.open()
    one.save_workflow(workflow())
    one.register("e1", 30.0)
    Player(one, "e1").start()
    end = one.position()
    one.leave("e1", end)
    assert place.open().register("e2", 30.0) == end


def test_the_same_owner_can_not_be_entered_twice(place: Place) -> None:
    one, other = place.open(), place.open()
    one.register("e1", 30.0)
    with pytest.raises(StoreError, match="e1"):
        other.register("e1", 30.0)
    assert one.beat("e1", 30.0, BEGINNING)
    one.leave("e1", BEGINNING)
    with pytest.raises(StoreError, match="e1"):
        other.register("e1", 30.0)


def test_the_dead_are_forgotten_in_the_end(place: Place) -> None:
    for number in range(130):
        store = place.open()
        store.register(f"e{number}", 30.0)
        store.leave(f"e{number}", BEGINNING)
        place.end(store)
    survivor = place.open()
    survivor.register("last", 30.0)
    assert [owner.id for owner in survivor.owners()] == ["last"]


def test_writes_carry_the_name_of_their_owner_while_it_is_one(place: Place) -> None:
    store = place.open()
    store.save_workflow(workflow())
    store.register("e1", 30.0)
    Player(store).start("own")
    store.leave("e1", BEGINNING)
    Player(store).start("after")
    ids = [change.id for change in store.changes(BEGINNING, excluding="e1").changes]
    assert ids == ["w", "after"]
