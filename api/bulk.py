"""Works through bulk operations in the background, page by page, also those that another process left behind.

    open operations ─► take (lease) ─► write the page down ─► apply ─► progress ─┐
            ▲                                                                    │
            └────────────────────────────── a pause as long as the page took ◄───┘

Two processes never work on one operation: each write of its record is a compare-and-set on the record's revision, and
has a lease that another one waits for. A page that may be done already is compared with the journals of its runs.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from time import monotonic
from typing import Final, TypeVar
from uuid import uuid4

import structlog

from api.operation import KIND, Lease, Operation, Worked, asked_at, dump, load, refusal
from engine.machine import apply
from engine.outcomes import Rejected
from engine.run import WorkflowRun
from store.protocol import Conflict, Proposal, Record, Store, StoreError, StoreGone, StoreUnavailable

PAGE: Final = 100  # runs, in one write: for as long as that takes, others can't write
LEASE_SECONDS: Final = 30.0
POLL_SECONDS: Final = 5.0
COUNTED: Final = 10_000  # runs; if there are more, their number is not known

_OPEN: Final = "operation-open"  # a record for each that hasn't ended, so that nobody looks through those that have
_ORPHAN_SECONDS: Final = 60.0
_OPEN_AT_ONCE: Final = 100
_LEAST_PAUSE: Final = 0.002
_UNKNOWN: Final = Rejected("UNKNOWN_RUN", "there is no such run any more, or it can't be read")

Result = TypeVar("Result")

_log = structlog.get_logger(__name__)


class Bulk:
    """The operations of one store, as one process works on them. To be used on one event loop."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._owner = uuid4().hex
        self._asked: asyncio.Event | None = None

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """Work meanwhile; at the end, the page at hand is done and others may go on at once."""
        asked = self._asked = asyncio.Event()
        with ThreadPoolExecutor(1, thread_name_prefix="api-bulk") as threads:
            working = asyncio.create_task(self._work(asked, threads))
            try:
                yield
            finally:
                working.cancel()
                with suppress(asyncio.CancelledError):
                    await working
                with suppress(StoreError):
                    await _in(threads, release, self._store, self._owner)

    def look(self) -> None:
        """An operation was asked for."""
        if self._asked is not None:
            self._asked.set()

    async def _work(self, asked: asyncio.Event, threads: ThreadPoolExecutor) -> None:
        while True:
            asked.clear()
            busy = False
            try:
                for record in await _in(threads, open_operations, self._store):
                    began = monotonic()
                    busy |= await _in(threads, self._advance, record)
                    await asyncio.sleep(max(monotonic() - began, _LEAST_PAUSE))  # others want the store as well
            except (StoreUnavailable, StoreGone) as error:  # if it is gone, the server ends by itself
                _log.warning("operations_interrupted", reason=str(error))
                busy = False
            except Exception:  # noqa: BLE001 - whatever it is, the next round may be better
                _log.exception("operations_interrupted")
                busy = False
            if not busy:
                with suppress(TimeoutError):
                    await asyncio.wait_for(asked.wait(), POLL_SECONDS)

    def _advance(self, record: Record) -> bool:
        return advance(self._store, self._owner, record.tenant, record.id)


async def _in(threads: ThreadPoolExecutor, call: Callable[..., Result], *arguments: object) -> Result:
    return await asyncio.get_running_loop().run_in_executor(threads, call, *arguments)


def open_operations(store: Store) -> list[Record]:
    """The records of the operations that haven't ended, of all tenants."""
    return store.records(_OPEN, tenant=None, limit=_OPEN_AT_ONCE)


def begin(store: Store, operation: Operation, tenant: str) -> None:
    """Write an operation down, durably: from now on some process works on it."""
    store.put_record(Record(_OPEN, tenant, operation.id, {}, 0))
    store.put_record(dump(operation, tenant, 0))


def advance(store: Store, owner: str, tenant: str, id_: str) -> bool:
    """Do a page of an operation; False if there is nothing (more) for this process to do.

    Raises:
        StoreUnavailable: try again later; nothing is known of what became of the page.
        StoreGone: it won't come back.
    """
    try:
        return _advanced(store, owner, tenant, id_)
    except (StoreUnavailable, StoreGone):
        raise
    except Conflict:
        return True  # somebody stopped it, or has taken it: the next round sees
    except Exception as error:  # noqa: BLE001 - it would fail for ever, and the others wait
        _log.exception("operation_failed", operation=id_)
        sentence = str(error) if isinstance(error, StoreError) else "a fault of the server: its log says more"
        _change(store, tenant, id_, lambda one: one.failed(store.now(), sentence))
        return False


def _advanced(store: Store, owner: str, tenant: str, id_: str) -> bool:
    record = store.record(KIND, id_, tenant=tenant)
    if record is None:
        if asked_at(id_) + _ORPHAN_SECONDS < store.now():  # whoever asked for it ended in between
            store.remove_record(_OPEN, id_, tenant=tenant)
        return False
    operation = load(record)
    if operation.held_by_another(owner, store.now()):
        return False
    if operation.status != "RUNNING" and operation.pending is None:
        store.remove_record(_OPEN, id_, tenant=tenant)
        _log.info("operation_ended", operation=id_, status=operation.status, done=operation.done)
        return False
    again = operation.pending is not None
    if not again:
        operation = _with_page(store, operation, tenant)
    lease = Lease(owner=owner, until=store.now() + LEASE_SECONDS)
    operation = operation.but(store.now(), lease=lease)
    store.put_record(dump(operation, tenant, record.revision))
    worked = _worked(store, operation, again=again)
    _change(store, tenant, id_, lambda one: one.after(worked, store.now()) if one.lease == lease else one)
    return True


def _with_page(store: Store, operation: Operation, tenant: str) -> Operation:
    """The operation with the next page to work on, and counted before the first one."""
    total = operation.total
    if total is None and operation.cursor is None:
        total = _count(store, operation, tenant)
    page = store.find(operation.found.query(tenant, limit=PAGE, cursor=operation.cursor))
    ids = tuple(run.id for run in page.runs)
    return operation.but(store.now(), total=total, pending=ids, behind=page.cursor)


def _count(store: Store, operation: Operation, tenant: str) -> int | None:
    """How many runs are concerned, as it is now; None if they are too many to be counted."""
    found, cursor = 0, None
    while found <= COUNTED:
        page = store.find(operation.found.query(tenant, limit=500, cursor=cursor))
        found, cursor = found + len(page.runs), page.cursor
        if cursor is None:
            return found if found <= COUNTED else None
    return None


def _worked(store: Store, operation: Operation, *, again: bool) -> Worked:
    """Do the pending page; `again` if it may be done already. Of one that was stopped only what is done counts."""
    ids = operation.pending or ()
    done = [id_ for id_ in ids if again and not operation.dry_run and operation.did(store.journal(id_))]
    left = [id_ for id_ in ids if id_ not in set(done)]
    if operation.status != "RUNNING":
        return Worked(len(done), ())
    runs = store.load(left)
    verdicts: dict[str, object] = dict.fromkeys(left, _UNKNOWN)
    verdicts |= (_foresee if operation.dry_run else _apply)(store, operation, list(runs.values()))
    refused = tuple(refusal(id_, verdict) for id_, verdict in verdicts.items() if isinstance(verdict, Rejected))
    return Worked(len(ids) - len(refused), refused)


def _apply(store: Store, operation: Operation, runs: Iterable[WorkflowRun]) -> dict[str, object]:
    """What became of each run, in one write."""
    proposals = [Proposal(run.id, operation.transition(run), operation.by) for run in runs]
    return {one.run_id: one.outcome for one in store.apply(proposals)}


def _foresee(store: Store, operation: Operation, runs: Iterable[WorkflowRun]) -> dict[str, object]:
    """What would become of each run."""
    at = store.now()
    return {run.id: apply(run, operation.transition(run), at=at, by=operation.by) for run in runs}


def stop(store: Store, tenant: str, id_: str) -> Operation | None:
    """End an operation after the page at hand; one that has ended stays as it is. None: there is no such operation."""
    return _change(store, tenant, id_, lambda one: one.stopped(store.now()))


def release(store: Store, owner: str) -> None:
    """Let others go on with what a process worked on."""
    for record in open_operations(store):
        _change(store, record.tenant, record.id, lambda one: one.released_by(owner))


def _change(store: Store, tenant: str, id_: str, change: Callable[[Operation], Operation]) -> Operation | None:
    """Write an operation as `change` makes it of what is there, again if somebody else writes it meanwhile."""
    while True:
        record = store.record(KIND, id_, tenant=tenant)
        if record is None:
            return None
        before = load(record)
        after = change(before)
        if after == before:
            return before
        try:
            store.put_record(dump(after, tenant, record.revision))
        except Conflict:
            continue
        return after
