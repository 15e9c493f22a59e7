"""The hub on real stores: nothing is lost or doubled, whoever comes when, and whatever happens to the store."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import pytest

from api import follower as following
from api import hub as reading
from api.follower import Follower
from api.hub import Hub
from api.news import Event, News
from engine.transitions import RunCancelled
from store.protocol import BEGINNING, HistoryLost, Position, Store, StoreGone, StoreUnavailable
from tests.api.fallible import Fallible
from tests.store.conftest import Place
from tests.store.driver import Player, workflow

PATIENCE = 30.0


def everything(news: News) -> Event:
    return news.event


@pytest.fixture
def engine(place: Place) -> Player:
    store = place.open()
    store.register("engine-1", 30.0)
    store.save_workflow(workflow("a"), by="ann")
    return Player(store)


def another(place: Place) -> Callable[[], Store]:
    """What opens a store object that the hub closes."""
    return lambda: place._opener(place.clock)


def play(hub: Hub, scene: Callable[[], Awaitable[None]]) -> None:
    """Let a scene happen while the hub is at work."""

    async def played() -> None:
        await hub.start()
        try:
            async with asyncio.timeout(PATIENCE):
                await scene()
        finally:
            await hub.close()

    asyncio.run(played())


async def taken(follower: Follower, count: int) -> list[Event]:
    """The next events."""
    events: list[Event] = []
    while len(events) < count:
        assert follower.ended is None, follower.ended
        events += await follower.take(1.0)
    return events


def positions(store: Store, after: Position = BEGINNING) -> list[Position]:
    """Those of all changes."""
    return [change.position for change in store.changes(after, limit=100_000).changes]


@pytest.mark.parametrize("seed", range(3))
def test_whoever_comes_whenever_is_told_all_that_follows_once_and_in_order(
    place: Place, engine: Player, seed: int
) -> None:
    luck = random.Random(seed)
    store = place.open()
    hub = Hub(store, another(place))
    told: list[tuple[Position, list[Event]]] = []

    async def follow(begin: float, after: Position | None, count: int) -> None:
        await asyncio.sleep(begin)
        follower = await hub.follow(everything, after=after)
        start = follower.position
        events: list[Event] = []
        while len(events) < count:
            new = await follower.take(0.5)
            events += new
            if not new and not writing:
                break
        hub.leave(follower)
        told.append((start, events))

    writing = True

    async def write() -> None:
        nonlocal writing
        for number in range(60):
            await asyncio.to_thread(engine.start, f"late-{number}")
            if luck.random() < 0.3:
                await asyncio.to_thread(engine.succeed, "a", f"late-{number}")
            await asyncio.sleep(luck.random() * 0.02)
        writing = False

    async def scene() -> None:
        for number in range(300):
            engine.start(f"early-{number}")
        there = [BEGINNING, *positions(engine.store)]
        followers = (
            follow(luck.random(), luck.choice([None, luck.choice(there)]), luck.randrange(1, 400)) for _ in range(40)
        )
        await asyncio.gather(write(), *followers)

    play(hub, scene)
    all_of_them = positions(engine.store)
    assert any(events for _, events in told)
    for start, events in told:
        rest = [one for one in all_of_them if one > start]
        assert [event.position for event in events] == rest[: len(events)]


def test_two_hundred_followers_cost_no_more_reads_than_one(place: Place, engine: Player) -> None:
    store = Fallible(place.open())
    hub = Hub(store)

    async def scene() -> None:
        before = engine.store.position()
        for number in range(10):
            engine.start(f"r-{number}")
        followers = await asyncio.gather(*(hub.follow(everything, after=before) for _ in range(200)))
        for follower in followers:
            assert len(await taken(follower, 10)) == 10
        await asyncio.sleep(0)
        reads = store.reads
        assert reads < 50
        engine.start("last")
        for follower in followers:
            [event] = await taken(follower, 1)
            assert event.data == (await taken(followers[0], 0) or [event])[0].data

    play(hub, scene)


def test_who_is_too_slow_is_let_go_and_can_come_back(
    place: Place, engine: Player, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "QUEUE", 20)
    hub = Hub(place.open(), another(place))

    async def scene() -> None:
        slow = await hub.follow(everything)
        quick = await hub.follow(everything)
        begin = slow.position
        quick_events: list[Event] = []
        for number in range(40):
            await asyncio.to_thread(engine.start, f"r-{number}")
            quick_events += await taken(quick, 1)
        assert slow.ended == "slow"
        events = await slow.take(1.0)
        assert 20 < len(events) <= 40
        again = await hub.follow(everything, after=events[-1].position)
        events += await taken(again, 40 - len(events)) if len(events) < 40 else []
        assert [event.position for event in events] == positions(engine.store, begin)
        assert quick.ended is None

    play(hub, scene)


def test_who_reads_up_slowly_is_waited_for_and_then_let_go(
    place: Place, engine: Player, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "QUEUE", 20)
    monkeypatch.setattr(following, "PATIENCE_SECONDS", 0.3)
    monkeypatch.setattr(reading, "PAGE", 10)
    hub = Hub(place.open(), another(place))

    async def scene() -> None:
        begin = engine.store.position()
        for number in range(100):
            engine.start(f"r-{number}")
        idle = await hub.follow(everything, after=begin)
        busy = await hub.follow(everything, after=begin)
        events = await taken(busy, 100)
        assert [event.position for event in events] == positions(engine.store, begin)
        assert idle.ended == "slow"

    play(hub, scene)


@pytest.mark.parametrize("after", ["0", "nonsense", "~", "9999999999999999"])
def test_who_comes_from_elsewhere_is_told_to_begin_again(place: Place, engine: Player, after: str) -> None:
    if after == "0" and type(place.open()).__name__ == "SqliteStore":
        after = "-1"
    hub = Hub(place.open(), another(place))

    async def scene() -> None:
        follower = await hub.follow(everything, after=after)
        [event] = await taken(follower, 1)
        assert event.kind == "reset"
        engine.start("r")
        [event] = await taken(follower, 1)
        assert b'"RunCreated"' in event.data

    play(hub, scene)


@pytest.mark.parametrize("forged", ["0" * 20 + "9" * 20, "0" * 16 + "x", "82" + "0" * 16 + "F" * 8])
def test_who_forges_a_position_disturbs_nobody_who_catches_up(place: Place, engine: Player, forged: str) -> None:
    hub = Hub(place.open(), another(place))

    async def scene() -> None:
        begin = engine.store.position()
        for number in range(20):
            engine.start(f"r-{number}")
        forger, honest = await asyncio.gather(*(hub.follow(everything, after=one) for one in (forged, begin)))
        assert [event.position for event in await taken(honest, 20)] == positions(engine.store, begin)
        assert (await taken(forger, 1))[0].kind == "reset"

    play(hub, scene)


def test_who_has_missed_too_much_begins_again_and_delays_nobody_else(
    place: Place, engine: Player, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "MISSED", 50)
    monkeypatch.setattr(reading, "PAGE", 10)
    hub = Hub(place.open(), another(place))

    async def scene() -> None:
        begin = engine.store.position()
        for number in range(100):
            engine.start(f"r-{number}")
        middle = positions(engine.store, begin)[70]
        old, young = await asyncio.gather(*(hub.follow(everything, after=one) for one in (begin, middle)))
        assert [event.position for event in await taken(young, 29)] == positions(engine.store, middle)
        events = await taken(old, 51)
        assert [event.kind for event in events][-1] == "reset"
        engine.start("last")
        assert [event.data for event in await taken(old, 1)] == [event.data for event in await taken(young, 1)]

    play(hub, scene)


def test_lost_history_resets_all_and_a_store_that_is_away_is_waited_for(
    place: Place, engine: Player, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "TROUBLED_SECONDS", 0.02)
    store = Fallible(place.open())
    hub = Hub(store)

    async def scene() -> None:
        follower = await hub.follow(everything)
        store.trouble = StoreUnavailable("away")
        engine.start("while-away")
        assert await follower.take(0.2) == []
        store.trouble = None
        [event] = await taken(follower, 1)
        assert b"while-away" in event.data
        store.trouble = HistoryLost("gone")
        assert [event.kind for event in await taken(follower, 1)] == ["reset"]
        store.trouble = None
        engine.start("after")
        events = await taken(follower, 1)
        while events[-1].kind == "reset":  # it was asked more than once
            events = await taken(follower, 1)
        assert b"after" in events[-1].data
        store.trouble = RuntimeError("a fault of ours")
        engine.start("in-spite")
        await asyncio.sleep(0.1)
        store.trouble = None
        assert b"in-spite" in (await taken(follower, 1))[0].data
        store.trouble = StoreGone("another store is there now")
        await follower.take(PATIENCE)
        assert follower.ended == "error"

    play(hub, scene)


def test_nothing_is_read_while_nobody_follows_and_never_written(
    place: Place, engine: Player, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "LINGER_SECONDS", 0.1)
    store = Fallible(place.open())
    hub = Hub(store)

    async def scene() -> None:
        await asyncio.sleep(0.2)
        assert store.reads == 0
        follower = await hub.follow(everything)
        await follower.take(0.5)
        hub.leave(follower)
        before = files(tmp_path)
        while hub.is_reading:  # noqa: ASYNC110 - the end of it is no event of the hub's
            await asyncio.sleep(0.05)
        reads = store.reads
        await asyncio.sleep(0.3)
        assert store.reads == reads
        assert files(tmp_path) == before
        engine.start("r")
        again = await hub.follow(everything)
        engine.do(RunCancelled(), "r", by="ann")
        [event] = await taken(again, 1)
        assert b"RunCancelled" in event.data

    play(hub, scene)


def files(folder: Path) -> Sequence[tuple[str, int, int]]:
    return sorted((path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in folder.iterdir())


def test_all_followers_end_when_the_hub_does(place: Place, engine: Player) -> None:
    hub = Hub(place.open(), another(place))

    async def scene() -> None:
        begin = engine.store.position()
        engine.start("r")
        followers = [await hub.follow(everything), await hub.follow(everything, after=begin)]
        hub.let_go()
        for follower in followers:
            await follower.take(PATIENCE)
            assert follower.ended == "shutdown"
        late = await hub.follow(everything)
        assert late.ended == "shutdown"

    play(hub, scene)
