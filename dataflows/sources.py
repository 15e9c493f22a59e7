"""The sources: what happened in the store, what is due there, and which calls have come to their end.

Bytewax polls them in turn. Only the source of completions ever waits, and no longer than the pace of the moment allows;
whatever ends, in whichever thread, wakes it at once. In each process the first worker's sources do the work.
"""

from datetime import datetime
from time import monotonic
from typing import TypeAlias, TypeVar

import structlog
from bytewax.inputs import DynamicSource, StatelessSourcePartition

from dataflows import metrics
from dataflows.calls import Work
from dataflows.shell import News, Shell
from store.protocol import HistoryLost, StoreError, StoreGone

PAGE = 250
DUE_AT_ONCE = 500
LOOK_SECONDS = 1.0  # how often the store is asked for the next due time, which others may have set
IDLE_SECONDS = 0.1  # how often a source that has nothing to do looks whether the engine stops
TROUBLED_SECONDS = 0.5  # how long a source leaves a store alone that is away

Keyed: TypeAlias = tuple[str, News]
T = TypeVar("T")

log = structlog.get_logger("engine")


class _Idle(StatelessSourcePartition[T]):
    """The source of a worker that isn't its process's first: nothing, until the engine stops."""

    def __init__(self, shell: Shell, worker: int = 0) -> None:
        self._shell = shell
        self._worker = worker

    def next_batch(self) -> list[T]:
        self._shell.vitals.turned(self._worker)
        if self._shell.stopping and not len(self._shell.calls):
            raise StopIteration
        return []

    def next_awake(self) -> datetime | None:
        return self._shell.next_turn(IDLE_SECONDS)


class _Polled(StatelessSourcePartition[T]):
    """Polled in each turn of the dataflow. A store that is away is left alone for a moment; if it is gone, all ends.

    Then `poll` must ask the store again the next time: that it raises nothing is taken for a sign that all is well.
    """

    doing: str

    def __init__(self, shell: Shell, worker: int = 0) -> None:
        self._shell = shell
        self._worker = worker
        self._not_before = 0.0

    def next_awake(self) -> datetime | None:
        return self._shell.next_turn()

    def next_batch(self) -> list[T]:
        if monotonic() < self._not_before:
            return []
        try:
            batch = self.poll()
        except StoreGone as error:
            raise self._shell.hopeless(error) from None
        except StoreError as error:
            metrics.STORE_UNAVAILABLE.inc()
            self._shell.troubles[self.doing] = str(error)
            self._not_before = monotonic() + TROUBLED_SECONDS
            log.warning("store_unavailable", doing=self.doing, error=str(error))
            return []
        self._shell.troubles.pop(self.doing, None)
        self._shell.moving = self._shell.moving or bool(batch)
        return batch

    def poll(self) -> list[T]:
        """What there is now.

        Raises:
            StopIteration: the engine stops.
            StoreError: the store is away.
        """
        raise NotImplementedError


class Changes(_Polled[Keyed]):
    """What others wrote, as a feed tells it, and the echo of what this process wrote itself."""

    doing = "read changes"
    _next_look = 0.0
    _more = True  # there is more to read at once

    def poll(self) -> list[Keyed]:
        """What there is now."""
        shell = self._shell
        if shell.stopping:
            raise StopIteration
        others: list[str] = []
        now = monotonic()
        if self._more or now >= self._next_look:
            self._next_look = now + shell.pace()
            others = self.others()
            if others:
                shell.heard()
        # A read that failed has lost no echo.
        return [(run.id, News(run)) for run in shell.echoes()] + [(run_id, News(None)) for run_id in others]

    def others(self) -> list[str]:
        """The runs that others changed and this engine looks after, each once.

        Raises:
            StoreError: the store is away.
        """
        raise NotImplementedError


class StoreFeed(Changes):
    """The store's own feed of changes."""

    def others(self) -> list[str]:
        """Those of the next page, if anybody may have written."""
        shell = self._shell
        if not self._more and not shell.store.changed():
            return []
        self._more = True  # should the read fail: `changed` has said it already
        try:
            page = shell.store.changes(shell.position, limit=PAGE, excluding=shell.lease.owner)
        except HistoryLost as error:
            self._begin_anew(error)
            return []
        self._more = len(page.changes) == PAGE
        shell.position = page.position
        metrics.CHANGES_READ.inc(len(page.changes))
        runs = dict.fromkeys(change.id for change in page.changes if change.entity == "run")
        return [run_id for run_id in runs if shell.lease.shares(run_id)]

    def _begin_anew(self, error: HistoryLost) -> None:
        """Look at every run that has something to do, and go on from now."""
        shell = self._shell
        now = shell.store.position()
        look_at_all(shell, str(error))
        shell.position = now


def look_at_all(shell: Shell, why: str) -> None:
    """Changes are lost to a feed: wake every run that has something to do, whatever happened to it.

    Raises:
        StoreError: the store is away.
    """
    woken = shell.store.wake_active()
    metrics.HISTORY_LOST.inc()
    log.warning("history_lost", error=why, woken=woken)


class WakeUps(_Polled[Keyed]):
    """Runs to be looked at although nothing has been written: they are due, or a slot that they wait for is free."""

    doing = "wake runs"
    _next_look = 0.0

    def poll(self) -> list[Keyed]:
        """What there is now."""
        shell = self._shell
        if shell.stopping:
            raise StopIteration
        news: list[Keyed] = []
        now = monotonic()
        if now >= self._next_look:
            if shell.slots.overflowed():
                shell.store.wake_active()
            next_wake = shell.store.next_wake()
            shell.next_wake = float("inf") if next_wake is None else next_wake
            shell.calls.unstick()
            self._next_look = now + LOOK_SECONDS
        if shell.next_wake <= shell.store.now():
            self._next_look = 0.0  # asked next time: that may fail, and must not lose who is woken now
            news += [(run.id, News(run, woken=True)) for run in shell.store.wake(DUE_AT_ONCE)]
        news += [(run_id, News(None)) for run_id in shell.released()]  # last: a read that fails loses none of them
        if news:
            shell.heard()
        return news


class Completions(_Polled[tuple[str, Work]]):
    """Calls that have come to their end, and those that were claimed when one did.

    This is where the dataflow waits when nothing else is to be done.
    """

    doing = "collect results"

    def poll(self) -> list[tuple[str, Work]]:
        """What there is now."""
        shell = self._shell
        calls = shell.calls
        shell.vitals.turned(self._worker)
        shell.paces()
        if shell.overtime:
            calls.give_back_all()
        if shell.stopping and not len(calls):
            raise StopIteration
        calls.overdue()
        begun: list[tuple[str, Work]] = [(call.run_id, call) for call in shell.granted()]
        return begun + [(one.call.run_id, one) for one in calls.ended(0.0 if begun else shell.pause())]


class Source(DynamicSource[T]):
    """One of the sources above, for each process once."""

    def __init__(self, shell: Shell, partition: type[_Polled[T]]) -> None:
        self._shell = shell
        self._partition: type[_Polled[T]] | None = partition

    def build(self, step_id: str, worker_index: int, worker_count: int) -> StatelessSourcePartition[T]:  # noqa: ARG002
        """Called once by each worker of the process."""
        partition, self._partition = self._partition, None
        return _Idle(self._shell, worker_index) if partition is None else partition(self._shell, worker_index)
