"""The lease: who may begin calls, who is dead, and who looks after which run."""

from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest

from dataflows import lease as module
from dataflows.lease import BEATS_PER_LEASE, Lease
from engine.transitions import TaskClaimed
from store.protocol import BEGINNING, NewRun, Position, StoreUnavailable
from store.sqlite import SqliteStore
from store.sqlite.rows import position
from tests.engine.driver import plan_of
from tests.store.driver import START, Clock

SECONDS = 30.0


class World:
    """A store, engines that have a lease on it, and one clock for all; leases are kept by hand."""

    def __init__(self, folder: Path) -> None:
        self.clock = Clock()
        self._path = folder / "icefloe.db"
        self._stores: list[SqliteStore] = []

    def store(self) -> SqliteStore:
        store = SqliteStore(self._path, clock=self.clock, luck=lambda: 0.0)
        self._stores.append(store)
        return store

    def lease(self, *types: str, position: Position = BEGINNING) -> Lease:
        """A lease that was begun."""
        lease = Lease(self.store(), SECONDS, types, lambda: position)
        lease._thread = Thread(target=dict)  # nothing happens by itself
        lease.begin()
        return lease

    def close(self) -> None:
        for store in self._stores:
            store.close()


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    world = World(tmp_path)
    monkeypatch.setattr(module, "monotonic", world.clock)
    yield world
    world.close()


def keep(world: World, *leases: Lease, seconds: float = SECONDS) -> None:
    """Let time go by, in which these leases are kept."""
    for _ in range(round(seconds)):
        world.clock.pass_(1)
        for lease in leases:
            lease.look()


def away(monkeypatch: pytest.MonkeyPatch, lease: Lease) -> None:
    """The store of this lease is away."""

    def refuse(*_: object, **__: object) -> None:
        raise StoreUnavailable("nobody home")

    for name in ("beat", "bury", "owners", "register"):
        monkeypatch.setattr(lease._store, name, refuse)


def owners(world: World) -> list[str]:
    return [owner.id for owner in world.store().owners()]


def ready_run(world: World) -> SqliteStore:
    """A store with a run whose task is ready, which is to be looked at again in half a minute."""
    store = world.store()
    store.save_workflow(plan_of("a").workflow)
    store.create([NewRun("r", "w", {})])
    assert (store.next_wake() or 0) > world.clock()
    return store


# One engine.


def test_calls_may_begin_as_long_as_the_lease_lasts_some_seconds_more(world: World) -> None:
    lease = world.lease()
    assert lease.holds()
    world.clock.pass_(SECONDS - 3.1)
    assert lease.holds()
    world.clock.pass_(0.2)
    assert not lease.holds()


def test_a_heartbeat_prolongs_the_lease(world: World) -> None:
    lease = world.lease()
    keep(world, lease, seconds=5 * SECONDS)
    assert lease.holds()
    assert [owner.alive_until for owner in world.store().owners()] == [START + 6 * SECONDS]


def test_the_lease_is_counted_from_before_the_heartbeat_was_sent(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    lease = world.lease()
    beat = lease._store.beat

    def slow_beat(owner: str, seconds: float, read: Position) -> bool:
        answer = beat(owner, seconds, read)
        world.clock.pass_(20)
        return answer

    monkeypatch.setattr(lease._store, "beat", slow_beat)
    world.clock.pass_(SECONDS / BEATS_PER_LEASE)
    lease.look()
    assert lease.holds()
    world.clock.pass_(8)
    assert not lease.holds()


def test_without_the_store_the_lease_runs_out_and_is_regained_with_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    lease = world.lease()
    with monkeypatch.context() as trouble:
        away(trouble, lease)
        keep(world, lease)
        assert not lease.holds()
    keep(world, lease, seconds=1)
    assert lease.holds()


def test_what_came_up_while_the_lease_had_lapsed_is_looked_at_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    lease = world.lease()
    with monkeypatch.context() as trouble:
        away(trouble, lease)
        keep(world, lease)
    store = ready_run(world)
    keep(world, lease, seconds=1)
    assert store.next_wake() == world.clock()


def test_a_lease_that_did_not_lapse_wakes_nobody(world: World) -> None:
    lease = world.lease()
    store = ready_run(world)
    keep(world, lease, seconds=20)
    assert (store.next_wake() or 0) > world.clock()


def test_the_lease_is_kept_whatever_goes_wrong(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    lease = world.lease()

    def crash(**_: object) -> None:
        raise KeyError("a bug")

    with monkeypatch.context() as trouble:
        trouble.setattr(lease._store, "bury", crash)
        keep(world, lease, seconds=2 * SECONDS)
    assert lease.holds()


def test_tokens_are_never_the_same(world: World) -> None:
    one, other = world.lease(), world.lease()
    tokens = [lease.token() for _ in range(100) for lease in (one, other)]
    assert len(set(tokens)) == len(tokens)


def test_how_far_the_feed_was_read_is_noted_when_it_has_moved(world: World) -> None:
    positions = iter(map(position, [3, 3, 5, 5, 5, 5]))
    lease = Lease(world.store(), SECONDS, (), lambda: next(positions))
    lease._thread = Thread(target=dict)
    lease.begin()
    lease.look()
    assert [owner.position for owner in world.store().owners()] == [position(3)]


def test_who_leaves_is_gone_at_once(world: World) -> None:
    lease = world.lease()
    lease.end()
    assert owners(world) == []


# Several engines.


def test_an_engine_whose_process_has_ended_is_found_dead_at_once(world: World) -> None:
    lease, dead = world.lease(), world.lease()
    store = ready_run(world)
    dead._store.close()
    keep(world, lease, seconds=1)
    assert owners(world) == [lease.owner]
    assert store.next_wake() == world.clock(), "what it was working on is looked at"


def test_an_engine_that_starts_finds_those_before_it_dead(world: World) -> None:
    dead = world.lease()
    dead._store.close()
    lease = world.lease()
    assert owners(world) == [lease.owner]


def test_an_engine_whose_lease_is_over_is_declared_dead(world: World) -> None:
    lease, silent = world.lease(), world.lease()
    keep(world, lease, seconds=SECONDS)
    assert silent.owner in owners(world)
    keep(world, lease, seconds=1)
    assert owners(world) == [lease.owner]


def test_after_an_outage_nobody_is_declared_dead_before_all_could_say_that_they_live(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    leases = world.lease(), world.lease()
    with monkeypatch.context() as trouble:
        for lease in leases:
            away(trouble, lease)
        keep(world, *leases, seconds=2 * SECONDS)
    keep(world, leases[0], seconds=SECONDS - 1)
    assert len(owners(world)) == 2
    keep(world, *leases, seconds=2 * SECONDS)
    assert len(owners(world)) == 2


def test_an_engine_that_was_stopped_judges_nobody_by_what_it_missed(world: World) -> None:
    leases = world.lease(), world.lease()
    keep(world, *leases)
    world.clock.pass_(10 * SECONDS)
    leases[0].look()
    assert len(owners(world)) == 2


def test_a_step_of_the_store_s_clock_buries_nobody(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    leases = world.lease(), world.lease()
    names = [lease.owner for lease in leases]
    keep(world, *leases, seconds=2 * SECONDS)
    monkeypatch.setattr(module, "monotonic", lambda: world.clock() - 1000)
    world.clock.pass_(1000)
    keep(world, *leases, seconds=2 * SECONDS)
    assert owners(world) == names


def test_an_engine_that_was_declared_dead_takes_another_name_and_works_on(world: World) -> None:
    lease, sleeper = world.lease(), world.lease()
    keep(world, lease, seconds=SECONDS + 1)
    before = sleeper.owner
    claim = TaskClaimed("a", sleeper.token(), before, 1, 0, 1, "main")
    sleeper.look()
    assert sleeper.owner not in ("", before)
    assert sorted(owners(world)) == sorted([lease.owner, sleeper.owner])
    assert sleeper.holds()
    assert not sleeper.covers(claim), "a call that it had claimed before must not begin"
    assert sleeper.covers(claim._replace(owner=sleeper.owner))


# Sharing.


def shares(runs: int, *leases: Lease) -> list[int]:
    """How many of these engines look after each of so many runs."""
    return [sum(lease.shares(f"run-{number}") for lease in leases) for number in range(runs)]


def test_an_engine_that_is_alone_looks_after_every_run(world: World) -> None:
    assert shares(10, world.lease()) == [1] * 10


def test_engines_that_know_of_each_other_share_the_runs(world: World) -> None:
    leases = [world.lease("A"), world.lease("A"), world.lease("A")]
    keep(world, *leases, seconds=1)
    assert shares(300, *leases) == [1] * 300
    assert all(sum(shares(300, lease)) > 60 for lease in leases)


def test_an_engine_takes_over_the_share_of_one_that_has_left(world: World) -> None:
    lease, other = world.lease(), world.lease()
    keep(world, lease, other, seconds=1)
    other.end()
    keep(world, lease, seconds=1)
    assert shares(10, lease) == [1] * 10


def test_engines_with_other_block_types_look_after_all_runs_as_well(world: World) -> None:
    old, new, newer = world.lease("A"), world.lease("A", "B"), world.lease("A", "B")
    keep(world, old, new, newer, seconds=1)
    assert shares(50, old) == [1] * 50
    assert shares(50, new, newer) == [1] * 50


def test_the_first_engine_with_other_block_types_looks_at_what_has_waited_for_it(world: World) -> None:
    world.lease("A")
    store = ready_run(world)
    world.lease("A")
    assert (store.next_wake() or 0) > world.clock()
    world.lease("A", "B")
    assert store.next_wake() == world.clock()
