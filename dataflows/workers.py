"""Where block functions run: outside the dataflow, each type by itself, so that one that hangs exhausts only itself.

An `async def` runs on an event loop on a thread of its type; if a call blocks the loop, a new one takes its place. A
plain `def` runs in one of a few threads of its type, and keeps it if it never returns.
"""

import asyncio
from collections.abc import Callable
from queue import SimpleQueue
from threading import Lock, Thread
from time import monotonic
from typing import Any, Generic, Protocol, TypeVar

import structlog

STUCK_SECONDS = 5.0  # how long a call may block the event loop that it shares with others of its type
LOOPS_AT_MOST = 16  # event loops of one type that may be blocked at the same time
LEAVE_SECONDS = 1.0  # what the other calls of such a loop get to clean up, should it ever turn again

T = TypeVar("T")
Prepare = Callable[[T], Callable[[], Any]]
Done = Callable[[T, object], None]

log = structlog.get_logger("engine")


class Worker(Protocol[T]):
    """Runs the calls of one block type. `prepare` gives what to call; `done` is told what it returned or raised."""

    def submit(self, calls: list[T]) -> None:
        """Begin these calls; returns at once."""

    def abandon(self, call: T) -> bool:
        """Nobody waits for this call any more; whether its place is free at once."""

    def stuck(self) -> list[T]:
        """Calls that can't go on because another one blocks their event loop; they are no longer this worker's."""


class ThreadWorker(Generic[T]):
    """Plain functions, on up to `size` daemon threads: Python can't end one that hangs, but exits all the same."""

    def __init__(self, name: str, size: int, prepare: Prepare[T], done: Done[T]) -> None:
        self._name, self._size, self._prepare, self._done = name, size, prepare, done
        self._calls: SimpleQueue[T] = SimpleQueue()
        self._lock = Lock()
        self._threads = 0
        self._outstanding = 0

    def submit(self, calls: list[T]) -> None:
        """Begin these calls; returns at once."""
        with self._lock:
            self._outstanding += len(calls)
            needed = min(self._outstanding, self._size) - self._threads
            for _ in range(needed):
                self._threads += 1
                Thread(target=self._work, name=f"{self._name}-{self._threads}", daemon=True).start()
        for call in calls:
            self._calls.put(call)

    def abandon(self, call: T) -> bool:  # noqa: ARG002
        """Its thread is free only when it returns."""
        return False

    def stuck(self) -> list[T]:
        """Threads don't share anything."""
        return []

    def _work(self) -> None:
        while True:
            call = self._calls.get()
            result: object
            try:
                result = self._prepare(call)()
            except BaseException as error:  # noqa: BLE001 - whatever a block raises is its own task's affair
                result = error
            with self._lock:
                self._outstanding -= 1
            self._done(call, result)


class LoopWorker(Generic[T]):
    """`async` functions, all on one event loop of their own, which is replaced when a call blocks it."""

    def __init__(self, name: str, prepare: Prepare[T], done: Done[T]) -> None:
        self._name, self._prepare, self._done = name, prepare, done
        self._lock = Lock()
        self._loop: _Loop[T] | None = None
        self._blocked: list[_Loop[T]] = []

    def submit(self, calls: list[T]) -> None:
        """Begin these calls; returns at once."""
        with self._lock:
            if self._loop is None:
                self._loop = _Loop(self._name, self._prepare, self._done)
            self._loop.submit(calls)

    def abandon(self, call: T) -> bool:
        """Cancel it."""
        with self._lock:
            if self._loop is not None:
                self._loop.cancel(call)
        return True

    def stuck(self) -> list[T]:
        """Give up an event loop that hasn't turned for a while; the call that blocks it stays there."""
        with self._lock:
            loop = self._loop
            self._blocked = [blocked for blocked in self._blocked if blocked.thread.is_alive()]
            if loop is None or not loop.is_stuck() or len(self._blocked) >= LOOPS_AT_MOST:
                return []
            self._loop = None
            self._blocked.append(loop)
        log.error("block_blocked_its_event_loop", type=self._name, call=str(loop.current()))
        return loop.give_up()

    def end(self) -> None:
        """Give up the event loop; for who goes on without this worker, not for a process that ends."""
        with self._lock:
            loop, self._loop = self._loop, None
        if loop is not None:
            loop.give_up()
            loop.thread.join()


class _Loop(Generic[T]):
    """One event loop and its thread. A turn is asked for with each submission, and noted when it comes."""

    def __init__(self, name: str, prepare: Prepare[T], done: Done[T]) -> None:
        self._name, self._prepare, self._done = name, prepare, done
        self._loop = asyncio.new_event_loop()
        self._tasks: dict[asyncio.Task[None], T] = {}
        self._waiting: dict[int, list[T]] = {}
        self._asked: float | None = None
        self._given_up = False
        self._handing = Lock()  # a call is begun or given up, and never both or neither
        self.thread = Thread(target=self._run, name=name, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        while not self._given_up:
            try:
                self._loop.run_forever()
            except BaseException as error:  # noqa: BLE001 - a SystemExit in a task of a block's own comes up to here
                log.warning("block_stopped_its_event_loop", type=self._name, error=repr(error))
        self._loop.close()

    def submit(self, calls: list[T]) -> None:
        self._waiting[id(calls)] = calls
        if self._asked is None:
            self._asked = monotonic()
        self._loop.call_soon_threadsafe(self._begin, calls)

    def _begin(self, calls: list[T]) -> None:
        self._asked = None
        with self._handing:
            if self._given_up:
                return
            del self._waiting[id(calls)]
            for call in calls:
                task = self._loop.create_task(self._call(call))
                self._tasks[task] = call
                task.add_done_callback(self._ended)

    async def _call(self, call: T) -> None:
        result: object
        try:
            result = await self._prepare(call)()
        except BaseException as error:  # noqa: BLE001 - whatever a block raises is its own task's affair
            result = error
        self._done(call, result)

    def _ended(self, task: asyncio.Task[None]) -> None:
        call = self._tasks.pop(task)
        if task.cancelled():  # before it began
            self._done(call, asyncio.CancelledError())

    def cancel(self, call: T) -> None:
        self._loop.call_soon_threadsafe(self._cancel, call)

    def _cancel(self, call: T) -> None:
        for task, other in list(self._tasks.items()):
            if other is call:
                task.cancel()

    def is_stuck(self) -> bool:
        """Whether a turn was asked for long ago and hasn't come; asks for one, so that the next look knows."""
        if self._asked is None:
            if self._tasks:
                self._asked = monotonic()
                self._loop.call_soon_threadsafe(self._turned)
            return False
        return monotonic() - self._asked > STUCK_SECONDS

    def _turned(self) -> None:
        self._asked = None

    def current(self) -> T | None:
        """The call that the loop is in."""
        task = asyncio.current_task(self._loop)
        return None if task is None else self._tasks.get(task)

    def give_up(self) -> list[T]:
        """Let the thread end when the call that blocks it lets go; gives all calls but that one, begun or not."""
        with self._handing:
            self._given_up = True
            current = self.current()
            begun = [call for call in list(self._tasks.values()) if call is not current]
            waiting = [call for calls in self._waiting.values() for call in calls]
        self._loop.call_soon_threadsafe(self._leave)
        return begun + waiting

    def _leave(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        self._loop.call_later(LEAVE_SECONDS if self._tasks else 0, self._loop.stop)
