"""The hub: reads the store's change feed once for all who follow it live.

                     ┌─► page after page, in a thread ─► News ─► follower: what he may hear ─► bounded queue ─► stream
    change feed ─────┤                                              ▲
                     └─► what some have missed, as far as the ──────┘  (then they follow live)
                         first reader has got

Nothing is read while nobody follows. Each follower knows the position that he has been told everything up to, and
ignores what he is told again: so it doesn't matter where the two readers meet.
"""

import asyncio
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from time import monotonic
from typing import Any, Final, TypeVar

import structlog

from api.follower import Choice, Follower
from api.news import read_news
from api.places import Places
from store.protocol import HistoryLost, Position, Store, StoreError, StoreGone, StoreUnavailable

T = TypeVar("T")

PAGE: Final = 250
QUICK_SECONDS: Final = 0.02  # between two looks while something changes
IDLE_SECONDS: Final = 0.25
SLOWER: Final = 1.3
TROUBLED_SECONDS: Final = 0.5  # how long a store is left alone that is away
LINGER_SECONDS: Final = 5.0  # how long the feed is read on when nobody follows any more
MISSED: Final = 50_000  # changes that a follower may have missed: behind that he must read everything again

_log = structlog.get_logger(__name__)


class Hub:
    """The feed of one store, for as many followers as there are. To be used on one event loop.

    `open_store` opens a store object for as long as somebody is told what he has missed, so that this doesn't disturb
    the reader that is up to date; without it they share one, which a store on MongoDB serves more slowly. `places` are
    those of the streams.
    """

    def __init__(self, store: Store, open_store: Callable[[], Store] | None = None) -> None:
        self._store = store
        self._open_store = open_store
        self._position: Position | None = None  # None: nothing is being read
        self._told: Position = ""  # that of the last change that was told live
        self._followers: set[Follower] = set()
        self._of_runs: dict[str, set[Follower]] = {}
        self._waiting: list[Follower] = []  # for what they have missed
        self._catching_up: list[Follower] = []
        self._arriving = 0
        self._lock = asyncio.Lock()
        self._live: asyncio.Task[None] | None = None
        self._history: asyncio.Task[None] | None = None
        self._live_thread: ThreadPoolExecutor | None = None
        self._history_thread: ThreadPoolExecutor | None = None
        self._closed = True
        self.places = Places()

    @property
    def id(self) -> str:
        """Whose positions these are: followers of another store, or of an older copy, have to begin again."""
        return self._store.incarnation

    @property
    def is_reading(self) -> bool:
        """Whether the feed is being read, for somebody or because somebody was there a moment ago."""
        return self._position is not None

    @property
    def is_closed(self) -> bool:
        """Whether followers are taken no more: the server is about to end."""
        return self._closed

    async def start(self) -> None:
        """Be ready for followers."""
        self._live_thread = ThreadPoolExecutor(1, "api-live")
        self._history_thread = ThreadPoolExecutor(1, "api-history")
        self._closed = False

    async def close(self) -> None:
        """Stop reading, and let go of all followers."""
        self.let_go()
        tasks = [task for task in (self._live, self._history) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for thread in (self._live_thread, self._history_thread):
            if thread is not None:
                await asyncio.to_thread(thread.shutdown)
        self._position = None

    def let_go(self) -> None:
        """End all followers, and take no more: for a server that is about to end, and waits for its streams."""
        self._closed = True
        self._end_all("shutdown")

    async def follow(
        self, choose: Choice, *, after: Position | None = None, run: str | None = None, tenant: str | None = None
    ) -> Follower:
        """Follow the feed from now on, or from a position: all of it or one `run`.

        `tenant`: of the changes of these runs, `choose` must know how the run stands.

        Raises:
            StoreError: the store is away.
        """
        follower = Follower(choose, run=run, tenant=tenant)
        self._arriving += 1
        try:
            now = await self._now()
            if after is not None and after > now:  # another process may be ahead of this one
                is_known = after <= await self._live_read(self._store.position)
                now = self._position or now
                if not is_known:
                    follower.reset(now, "what you had read is not in this store: read everything again")
                    after = None
        finally:
            self._arriving -= 1
        follower.position = now if after is None else after
        if self._closed:
            follower.end("shutdown")
        elif follower.position < now and not "" < self._told <= follower.position:
            self._waiting.append(follower)
            if self._history is None or self._history.done():
                self._history = asyncio.create_task(self._catch_up())
        else:
            self._join(follower)
        return follower

    def leave(self, follower: Follower) -> None:
        """Follow no more."""
        follower.end("left")
        for group in (self._waiting, self._catching_up):
            if follower in group:
                group.remove(follower)
        self._followers.discard(follower)
        of_run = self._of_runs.get(follower.run or "", set())
        of_run.discard(follower)
        if not of_run:
            self._of_runs.pop(follower.run or "", None)

    def _join(self, follower: Follower) -> None:
        if follower.ended is None:
            if follower.run is None:
                self._followers.add(follower)
            else:
                self._of_runs.setdefault(follower.run, set()).add(follower)

    def _end_all(self, reason: str) -> None:
        for follower in [*self._everybody(), *self._waiting, *self._catching_up]:
            follower.end(reason)
            self.leave(follower)

    def _everybody(self) -> list[Follower]:
        return [*self._followers, *(one for group in self._of_runs.values() for one in group)]

    async def _now(self) -> Position:
        """How far the feed has been read; from now on it is."""
        async with self._lock:
            if self._position is None:
                self._position, self._told = await self._live_read(self._store.position), ""
                self._live = asyncio.create_task(self._read_on())
            return self._position

    async def _live_read(self, function: Callable[..., T], *arguments: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._live_thread, function, *arguments)

    async def _history_read(self, function: Callable[..., T], *arguments: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._history_thread, function, *arguments)

    async def _read_on(self) -> None:
        """Read what is new for as long as somebody follows."""
        pause, troubled, followed = QUICK_SECONDS, False, monotonic()
        while True:
            if self._is_followed():
                followed = monotonic()
            elif monotonic() - followed > LINGER_SECONDS:
                self._position = None  # who comes now begins again
                return
            try:
                found = await self._read_page()
            except StoreGone as error:
                _log.error("store_gone", reason=str(error))
                self._end_all("error")
                self._position = None
                return
            except Exception as error:  # noqa: BLE001 - a reader that ended would be a feed that is silent for ever
                if not troubled:
                    _log.warning("feed_unavailable", reason=str(error), exc_info=not isinstance(error, StoreError))
                troubled = True
                await asyncio.sleep(TROUBLED_SECONDS)
                continue
            troubled = False
            pause = QUICK_SECONDS if found else min(pause * SLOWER, IDLE_SECONDS)
            if found < PAGE:
                await asyncio.sleep(pause)

    def _is_followed(self) -> bool:
        return bool(self._followers or self._of_runs or self._waiting or self._catching_up or self._arriving)

    async def _read_page(self) -> int:
        """Tell a page; how many changes it had.

        Raises:
            StoreError: the store is away.
        """
        after = self._position
        assert after is not None  # noqa: S101 - it is set before there is a task that reads
        try:
            tenants = _tenants(self._followers)
            news, position = await self._live_read(read_news, self._store, after, PAGE, tenants)
            while (
                news and not _tenants(self._followers) <= tenants
            ):  # somebody has come who must know more of these runs
                tenants = _tenants(self._followers)
                news, position = await self._live_read(read_news, self._store, after, PAGE, tenants)
            if position < after:
                raise HistoryLost("the feed went back")  # noqa: TRY301 - as the store itself says it
        except HistoryLost as lost:
            self._position = await self._live_read(self._store.position)
            _log.warning("history_lost", reason=str(lost))
            self._told = ""
            self._followers.update(self._catching_up)
            self._catching_up.clear()
            for follower in self._everybody():
                follower.reset(self._position, "changes were lost: read everything again")
            return 0
        self._position, self._told = position, news[-1].position if news else self._told
        for follower in self._followers:
            follower.tell(news, position)
        for one in news if self._of_runs else ():
            for follower in self._of_runs.get(one.run or "", ()):
                follower.tell((one,), one.position)
        for follower in [one for one in self._everybody() if one.is_late]:
            follower.end("slow")
            self.leave(follower)
        return len(news)

    async def _catch_up(self) -> None:
        """Tell followers what they have missed, until nobody has."""
        while self._waiting:
            self._catching_up, self._waiting = self._waiting, []
            store = self._store
            try:
                if self._open_store is not None:
                    store = await self._history_read(self._open_store)
                await self._tell_missed(store, self._catching_up)
            except Exception:  # noqa: BLE001 - they are told, and may come again
                _log.exception("feed_crashed")
                for follower in list(self._catching_up):
                    follower.end("error")
                    self.leave(follower)
            finally:
                if store is not self._store:
                    await self._history_read(store.close)  # when nothing is being read any more

    async def _tell_missed(self, store: Store, group: list[Follower]) -> None:
        """Read from where the first of them was to where the feed is followed live; there they join the others.

        They are there when they know what was told live, and a page that isn't full has said that nothing else was
        there when this began: positions alone don't say so, since a feed without changes may go on as well.
        """
        while group:
            begin = min(follower.position for follower in group)
            try:
                news, position = await self._history_read(read_news, store, begin, PAGE, _tenants(group))
            except StoreGone:
                raise
            except StoreUnavailable:
                await asyncio.sleep(TROUBLED_SECONDS)
                continue
            except StoreError as error:  # it is for who named that position, and for nobody else in the group
                _log.warning("history_lost", reason=str(error))
                self._give_up_all(group, begin)
                continue
            for follower in list(group):
                follower.tell(news, position)
                if follower.missed > MISSED:
                    self._give_up(group, follower, "you have missed too much: read everything again")
            await asyncio.gather(*(follower.room() for follower in group))
            is_there = len(news) < PAGE and position >= self._told
            for follower in [one for one in group if one.ended is not None or is_there]:
                group.remove(follower)
                self._join(follower)
            if not news:
                await asyncio.sleep(QUICK_SECONDS)

    def _give_up_all(self, group: list[Follower], position: Position) -> None:
        for follower in [one for one in group if one.position == position]:
            self._give_up(group, follower, "what followed is not to be had any more: read everything again")

    def _give_up(self, group: list[Follower], follower: Follower, reason: str) -> None:
        follower.reset(self._position or "", reason)
        group.remove(follower)
        self._join(follower)


def _tenants(followers: Iterable[Follower]) -> frozenset[str]:
    """The tenants of whose runs somebody must know more than what changed."""
    return frozenset(one.tenant for one in followers if one.tenant is not None)
