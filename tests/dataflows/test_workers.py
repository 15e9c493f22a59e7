"""Workers: threads that are bounded, event loops that survive their blocks, and what is told of each call."""

import asyncio
import sys
from collections.abc import Callable, Iterator
from threading import Event, Lock, current_thread
from threading import enumerate as threads
from typing import Any

import pytest

from dataflows import workers as module
from dataflows.workers import LoopWorker, ThreadWorker
from tests.dataflows.driver import until


class Told:
    """What a worker said of calls, each of which is named by what it does."""

    def __init__(self) -> None:
        self.results: dict[str, object] = {}
        self._lock = Lock()

    def __call__(self, call: str, result: object) -> None:
        with self._lock:
            assert call not in self.results, "a call ends once"
            self.results[call] = result

    def await_(self, *calls: str) -> list[object]:
        """The results of these, once they are all there."""
        until(lambda: set(calls) <= set(self.results), f"{calls} have ended; so far {self.results}")
        return [self.results[call] for call in calls]


@pytest.fixture
def told() -> Told:
    return Told()


def raising(error: BaseException) -> Callable[[], Any]:
    def function() -> None:
        raise error

    return function


# Threads.


def test_a_plain_function_is_called_in_a_thread_of_its_type(told: Told) -> None:
    worker = ThreadWorker[str]("NAME", 2, lambda call: lambda: f"{call} in {current_thread().name}", told)
    worker.submit(["call"])
    assert told.await_("call") == ["call in NAME-1"]


def test_no_more_calls_run_at_once_than_there_are_threads(told: Told) -> None:
    go, lock, running, most = Event(), Lock(), [0], [0]

    def function() -> None:
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        go.wait(20)
        with lock:
            running[0] -= 1

    worker = ThreadWorker[str]("BOUND", 3, lambda _call: function, told)
    calls = [str(number) for number in range(10)]
    for call in calls:
        worker.submit([call])
    until(lambda: running[0] == 3, "all threads are busy")
    go.set()
    told.await_(*calls)
    assert most == [3]
    assert len([thread for thread in threads() if thread.name.startswith("BOUND-")]) == 3


def test_one_thread_is_enough_for_calls_that_follow_one_another(told: Told) -> None:
    worker = ThreadWorker[str]("FRUGAL", 3, lambda _call: lambda: current_thread().name, told)
    for call in "abc":
        worker.submit([call])
        told.await_(call)
        until(lambda: worker._outstanding == 0, "the thread is free")
    assert set(told.results.values()) == {"FRUGAL-1"}


@pytest.mark.parametrize("error", [ValueError("x"), SystemExit(0), KeyboardInterrupt(), GeneratorExit()])
def test_whatever_a_plain_function_raises_is_its_result_and_the_thread_goes_on(
    told: Told, error: BaseException
) -> None:
    worker = ThreadWorker[str]("T", 1, lambda call: raising(error) if call == "bad" else lambda: call, told)
    worker.submit(["bad", "good"])
    assert told.await_("bad", "good") == [error, "good"]


def test_what_keeps_a_call_from_being_made_is_its_result(told: Told) -> None:
    error = ValueError("no arguments")
    thread = ThreadWorker[str]("T", 1, lambda _call: raising(error)(), told)
    loop = LoopWorker[str]("T", lambda _call: raising(error)(), told)
    thread.submit(["thread"])
    loop.submit(["loop"])
    assert told.await_("thread", "loop") == [error, error]
    loop.end()


def test_a_thread_can_not_be_taken_away_from_a_call(told: Told) -> None:
    worker = ThreadWorker[str]("T", 1, lambda _call: dict, told)
    assert not worker.abandon("call")
    assert worker.stuck() == []


# Event loops.


class Blocks:
    """Asynchronous functions by name, for a LoopWorker."""

    def __init__(self) -> None:
        self.go = Event()
        self.blocked = Event()
        self.begun: list[str] = []

    def prepare(self, call: str) -> Callable[[], Any]:
        return lambda: getattr(self, call.partition(" ")[0])(call)

    async def quick(self, call: str) -> str:
        self.begun.append(call)
        return call

    async def long(self, call: str) -> None:
        self.begun.append(call)
        await asyncio.Event().wait()

    async def blocking(self, call: str) -> str:
        self.blocked.set()
        self.go.wait(20)
        return call

    async def leaving(self, _call: str) -> None:
        sys.exit(0)

    async def leaving_in_a_task(self, call: str) -> None:
        await asyncio.gather(self.leaving(call))

    async def stopping(self, call: str) -> str:
        asyncio.get_running_loop().stop()
        return call

    async def cancelling(self, call: str) -> str:
        for task in asyncio.all_tasks():
            if task is not asyncio.current_task():
                task.cancel()
        return call


@pytest.fixture
def blocks() -> Iterator[Blocks]:
    blocks = Blocks()
    yield blocks
    blocks.go.set()


@pytest.fixture
def worker(blocks: Blocks, told: Told, monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopWorker[str]]:
    """A worker that thinks an event loop stuck at once, and leaves it at once."""
    monkeypatch.setattr(module, "STUCK_SECONDS", 0.0)
    monkeypatch.setattr(module, "LEAVE_SECONDS", 0.0)
    worker = LoopWorker[str]("LOOP", blocks.prepare, told)
    yield worker
    blocks.go.set()
    worker.end()
    for loop in worker._blocked:
        loop.thread.join()


def test_asynchronous_functions_share_an_event_loop(worker: LoopWorker[str], told: Told, blocks: Blocks) -> None:
    worker.submit(["long 1", "long 2", "quick 1"])
    worker.submit(["quick 2"])
    assert told.await_("quick 1", "quick 2") == ["quick 1", "quick 2"]
    assert blocks.begun == ["long 1", "long 2", "quick 1", "quick 2"]


@pytest.mark.parametrize("call", ["leaving", "leaving_in_a_task"])
def test_an_event_loop_outlives_a_block_that_wants_to_exit(worker: LoopWorker[str], told: Told, call: str) -> None:
    worker.submit([call])
    [result] = told.await_(call)
    assert isinstance(result, SystemExit)
    worker.submit(["quick"])
    assert told.await_("quick") == ["quick"]


def test_an_event_loop_outlives_a_block_that_stops_it(worker: LoopWorker[str], told: Told) -> None:
    worker.submit(["stopping", "quick 1"])
    worker.submit(["quick 2"])
    assert told.await_("stopping", "quick 1", "quick 2") == ["stopping", "quick 1", "quick 2"]


def test_each_call_that_a_block_cancels_is_told_of_begun_or_not(worker: LoopWorker[str], told: Told) -> None:
    worker.submit(["long", "cancelling", "quick"])
    results = told.await_("long", "quick")
    assert [type(result) for result in results] == [asyncio.CancelledError, asyncio.CancelledError]


def test_an_abandoned_call_is_cancelled_and_its_place_is_free(
    worker: LoopWorker[str], told: Told, blocks: Blocks
) -> None:
    worker.submit(["long 1", "long 2"])
    until(lambda: len(blocks.begun) == 2, "both have begun")
    assert worker.abandon("long 1")
    [result] = told.await_("long 1")
    assert isinstance(result, asyncio.CancelledError)
    assert "long 2" not in told.results


def test_an_event_loop_that_turns_is_not_stuck(worker: LoopWorker[str], told: Told) -> None:
    assert worker.stuck() == []
    worker.submit(["long", "quick"])
    told.await_("quick")
    assert worker.stuck() == []  # asks for a turn
    loop = worker._loop
    assert loop is not None
    until(lambda: loop._asked is None, "the loop has turned")
    assert worker.stuck() == []


def test_an_event_loop_that_a_call_blocks_is_replaced(worker: LoopWorker[str], told: Told, blocks: Blocks) -> None:
    worker.submit(["long"])
    until(lambda: blocks.begun == ["long"], "it has begun")
    worker.submit(["blocking"])
    assert blocks.blocked.wait(20)
    worker.submit(["quick 1"])
    assert worker.stuck() == ["long", "quick 1"], "all but the one to blame"
    assert worker.stuck() == [], "said once"
    worker.submit(["quick 2"])
    assert told.await_("quick 2") == ["quick 2"]


def test_a_blocked_event_loop_begins_nothing_more_when_it_can_go_on(
    worker: LoopWorker[str], told: Told, blocks: Blocks
) -> None:
    worker.submit(["long"])
    until(lambda: blocks.begun == ["long"], "it has begun")
    worker.submit(["blocking"])
    assert blocks.blocked.wait(20)
    worker.submit(["quick"])
    old = worker._loop
    worker.stuck()
    blocks.go.set()
    blocking, long = told.await_("blocking", "long")
    assert blocking == "blocking", "it ends like any other call"
    assert isinstance(long, asyncio.CancelledError)
    assert old is not None
    old.thread.join(20)
    assert not old.thread.is_alive()
    assert blocks.begun == ["long"]


def test_a_call_that_waits_is_given_back_though_the_event_loop_goes_on_in_that_moment(
    worker: LoopWorker[str], told: Told, blocks: Blocks, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker.submit(["blocking"])
    assert blocks.blocked.wait(20)
    worker.submit(["quick"])
    loop = worker._loop
    assert loop is not None
    soon = loop._loop.call_soon_threadsafe

    def slowly(*arguments: Any) -> Any:
        handle = soon(*arguments)
        blocks.go.set()
        loop.thread.join()
        return handle

    monkeypatch.setattr(loop._loop, "call_soon_threadsafe", slowly)
    assert worker.stuck() == ["quick"]
    assert told.await_("blocking") == ["blocking"]


def test_so_many_event_loops_may_be_blocked_and_no_more(
    worker: LoopWorker[str], told: Told, blocks: Blocks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LOOPS_AT_MOST", 2)
    for number in range(3):
        blocks.blocked.clear()
        worker.submit([f"blocking {number}"])
        assert blocks.blocked.wait(20)
        worker.submit([f"quick {number}"])
        assert worker.stuck() == ([f"quick {number}"] if number < 2 else [])
    blocks.go.set()
    assert told.await_("quick 2") == ["quick 2"]
    until(lambda: not any(loop.thread.is_alive() for loop in worker._blocked), "the blocked loops have ended")
    blocks.go.clear()
    blocks.blocked.clear()
    worker.submit(["blocking 3"])
    assert blocks.blocked.wait(20)
    worker.submit(["quick 3"])
    assert worker.stuck() == ["quick 3"], "those that are blocked no more don't count"
