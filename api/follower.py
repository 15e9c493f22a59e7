"""A follower of the change feed: how far he has been told everything, and what he hasn't taken yet.

News ─► what of it is for him ─► bounded queue ─► stream
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from typing import Final, TypeAlias

import orjson

from api.news import Event, News
from store.protocol import Position

QUEUE: Final = 2000  # events that a follower may be behind
PATIENCE_SECONDS: Final = 10.0  # how long one who reads up waits for one who doesn't take what he is told

Choice: TypeAlias = Callable[[News], Event | None]
"""What a follower is told of a change, if anything."""


class Follower:
    """One who follows. `position` is how far he has been told everything, `ended` why he is told nothing more."""

    def __init__(self, choose: Choice, *, run: str | None = None, tenant: str | None = None) -> None:
        self.position: Position = ""
        self.run = run
        self.tenant = tenant
        self.missed = 0
        self.ended: str | None = None
        self._choose = choose
        self._queue: deque[Event] = deque()
        self._moved = asyncio.Event()
        self._taken = asyncio.Event()

    def tell(self, news: Iterable[News], position: Position) -> None:
        """Let him know what is new to him, and is for him; that is all there is up to a position."""
        for one in news:
            if one.position > self.position:
                self.position = one.position
                self.missed += 1
                event = self._choose(one)
                if event is not None:
                    self._queue.append(event)
        self.position = max(self.position, position)
        if self._queue:
            self._moved.set()

    def reset(self, position: Position, reason: str) -> None:
        """Tell him that changes before this position are lost to him."""
        self.position = position
        self._queue.append(Event("reset", orjson.dumps({"reason": reason}), position))
        self._moved.set()

    def end(self, reason: str) -> None:
        """Tell him nothing more."""
        self.ended = self.ended or reason
        self._moved.set()
        self._taken.set()

    @property
    def is_late(self) -> bool:
        """Whether he doesn't take what he is told."""
        return len(self._queue) > QUEUE

    async def take(self, seconds: float) -> list[Event]:
        """What there is, as soon as there is something; nothing if there isn't within these seconds, or at the end."""
        if not self._queue and self.ended is None:
            self._moved.clear()
            try:
                async with asyncio.timeout(seconds):
                    await self._moved.wait()
            except TimeoutError:
                return []
        taken = list(self._queue)
        self._queue.clear()
        self._taken.set()
        return taken

    async def room(self) -> None:
        """Wait until he has taken what he was told; who doesn't within reasonable time has ended."""
        if self.is_late and self.ended is None:
            self._taken.clear()
            try:
                async with asyncio.timeout(PATIENCE_SECONDS):
                    await self._taken.wait()
            except TimeoutError:
                self.end("slow")
