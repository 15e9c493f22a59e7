"""Writing in groups: what requests want to write at the same time goes into one write of the store.

    request ─┐
    request ─┼─► waiting ──► one write at a time, of all that waits ──► an answer to each
    request ─┘

A durable write costs a sync of the disk, or a round trip; this way sixteen that come together cost one.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, Generic, TypeVar

from store.protocol import Creation, NewRun, Proposal, Recorded, Store

Item = TypeVar("Item")
Answer = TypeVar("Answer")

_MOST: Final = 256  # in one write


class Writer:
    """Starts runs and applies transitions. To be used on one event loop."""

    def __init__(self, store: Store) -> None:
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="api-write")
        self._starts = _Group(store.create, self._threads)
        self._proposals = _Group(store.apply, self._threads)

    async def start(self, request: NewRun) -> Creation:
        """Start a run, durably.

        Raises:
            StoreError: as the store says; nothing is known of what became of it if that is `StoreUnavailable`.
        """
        return await self._starts.write(request)

    async def propose(self, proposal: Proposal) -> Recorded:
        """Apply a transition, durably.

        Raises:
            StoreError: as above.
        """
        return await self._proposals.write(proposal)

    async def close(self) -> None:
        """End when what waits is written."""
        await self._starts.end()
        await self._proposals.end()
        self._threads.shutdown()


class _Group(Generic[Item, Answer]):
    def __init__(self, write: Callable[[Sequence[Item]], list[Answer]], threads: ThreadPoolExecutor) -> None:
        self._write = write
        self._threads = threads
        self._waiting: list[tuple[Item, asyncio.Future[Answer]]] = []
        self._writing: asyncio.Task[None] | None = None

    async def write(self, item: Item) -> Answer:
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Answer] = loop.create_future()
        self._waiting.append((item, answer))
        if self._writing is None or self._writing.done():
            self._writing = loop.create_task(self._write_all())
        return await answer

    async def end(self) -> None:
        if self._writing is not None:
            await self._writing

    async def _write_all(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            group, self._waiting = self._waiting[:_MOST], self._waiting[_MOST:]
            try:
                answers = await loop.run_in_executor(self._threads, self._write, [item for item, _ in group])
            except Exception as error:  # noqa: BLE001 - each of those who wait is told
                for _, answer in group:
                    if not answer.done():  # whoever asked may have gone
                        answer.set_exception(error)
            else:
                for (_, answer), one in zip(group, answers, strict=True):
                    if not answer.done():
                        answer.set_result(one)
