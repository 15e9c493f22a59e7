"""The store on one SQLite file: each method of the protocol, as one transaction."""

import random
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import structlog

from engine.documents import Workflow
from engine.run import JournalEntry, WorkflowRun
from engine.statuses import RunStatus
from store.playing import Stored
from store.protocol import (
    Changes,
    Creation,
    Follow,
    NewRun,
    Owner,
    Page,
    Position,
    Proposal,
    Record,
    Recorded,
    RunQuery,
    Sealed,
)
from store.requests import is_id
from store.sqlite import owners, reads, records, runs, workflows
from store.sqlite.batch import Batch
from store.sqlite.cache import CACHED_BYTES, RunCache
from store.sqlite.file import BUSY_SECONDS, Database
from store.sqlite.rows import position
from store.sqlite.runs import Write

_log = structlog.get_logger(__name__)


class SqliteStore:
    """The protocol `store.protocol.Store`. `clock` gives Unix seconds, and `luck` random numbers in [0, 1)."""

    def __init__(  # noqa: PLR0913 - what tests and unusual machines set
        self,
        path: Path,
        *,
        create: bool = True,
        clock: Callable[[], float] = time.time,
        luck: Callable[[], float] = random.random,
        busy_seconds: float = BUSY_SECONDS,
        cached_bytes: int = CACHED_BYTES,
    ) -> None:
        self._clock = clock
        self._luck = luck
        self._database = Database(path, create=create, busy_seconds=busy_seconds)
        self._cache = RunCache(cached_bytes)
        self._asked_version: int | None = None
        self._writer: int | None = None
        self._lock: owners.OwnerLock | None = None
        with self._database.reading() as connection:
            reads.prepare_reads(connection)
            (self.incarnation,) = connection.execute("SELECT value FROM meta WHERE name = 'incarnation'").fetchone()

    def now(self) -> float:
        """The store's clock: that of this machine."""
        return self._clock()

    @contextmanager
    def _writing(self, *, durable: bool = True, follow: Follow | None = None) -> Iterator[Write]:
        """A write transaction; the rows of its batch are stored at its end."""
        with self._database.lock:
            try:
                with self._database.writing(durable=durable) as connection:
                    self._cache.refresh(connection)
                    batch = Batch(self.now(), self._writer, self._luck, follow)
                    yield Write(connection, self._cache, batch)
                    batch.write(connection)
                    self._cache.wrote(connection)
            except BaseException:
                self._cache.forget()  # it may hold what was not written
                raise

    def save_workflow(self, workflow: Workflow, *, by: str | None = None, after: int | None = None) -> Workflow:
        """Save a new version; a document equal to the latest version gives that one back.

        Raises:
            Conflict: the latest version is another than `after`.
        """
        with self._writing() as (connection, _, batch):
            workflows.expect_latest(connection, workflow.tenant, workflow.name, after)
            return workflows.save(connection, workflow, at=batch.at, by=by, writer=self._writer)

    def workflow(self, name: str, version: int | None = None, *, tenant: str = "default") -> Workflow | None:
        """A version of a workflow (the latest by default)."""
        with self._database.reading() as connection:
            return workflows.read(connection, tenant, name, version)

    def workflows(self, *, tenant: str = "default", after: str = "", limit: int | None = None) -> list[Workflow]:
        """The latest version of each workflow, by name."""
        with self._database.reading() as connection:
            return workflows.read_all(connection, tenant, after, limit)

    def versions(
        self, name: str, *, tenant: str = "default", before: int | None = None, limit: int = 100
    ) -> list[Workflow]:
        """The versions of a workflow, the latest first; `before` are those older than that one."""
        with self._database.reading() as connection:
            return workflows.versions(connection, tenant, name, before, limit)

    def delete_workflow(
        self, name: str, *, tenant: str = "default", by: str | None = None, after: int | None = None
    ) -> bool:
        """Delete all versions of a workflow; False if there is none. Its runs keep theirs and go on.

        Raises:
            Conflict: the latest version is another than `after`.
        """
        with self._writing() as (connection, _, batch):
            return workflows.delete(connection, tenant, name, at=batch.at, by=by, after=after, writer=self._writer)

    def create(self, requests: Sequence[NewRun]) -> list[Creation]:
        """Start runs, durably, in one write; one answer each, in order. A fault in one doesn't touch the others."""
        with self._writing() as write:
            return runs.create(write, requests)

    def apply(
        self, proposals: Sequence[Proposal], *, durable: bool = True, follow: Follow | None = None
    ) -> list[Recorded]:
        """Apply transitions in one write; one answer each, in order."""
        with self._writing(durable=durable, follow=follow) as write:
            return runs.apply(write, proposals)

    def load(self, ids: Iterable[str]) -> dict[str, WorkflowRun]:
        """The current state of these runs; the unknown, and those that can't be read (a log says so), are missing."""
        with self._database.fresh() as connection:
            self._cache.refresh(connection)
            found = self._cache.load(connection, filter(is_id, dict.fromkeys(ids)))
        return {id_: stored.run for id_, stored in found.items() if isinstance(stored, Stored)}

    def journal(self, id: str) -> list[JournalEntry]:  # noqa: A002 - as in the protocol
        """Everything that happened to a run, in order; no payloads."""
        with self._database.reading() as connection:
            return reads.journal(connection, id) if is_id(id) else []

    def sealed(self, id: str) -> list[Sealed]:  # noqa: A002 - as in the protocol
        """The journal of a run as it is stored, in order, to be verified."""
        with self._database.reading() as connection:
            return reads.sealed(connection, id) if is_id(id) else []

    def find(self, query: RunQuery) -> Page:
        """Runs, newest first.

        Raises:
            ValueError: the cursor is not one that this store gave.
        """
        with self._database.reading() as connection:
            return reads.find(connection, query)

    def counts(self, *, tenant: str | None = None) -> dict[RunStatus, int]:
        """How many runs there are in each status."""
        with self._database.reading() as connection:
            return reads.counts(connection, tenant)

    def wake(self, limit: int) -> list[WorkflowRun]:
        """Wake up to `limit` due runs in one write, the longest due first."""
        earliest = self.next_wake()
        if earliest is None or earliest > self.now():
            return []
        with self._writing() as write:
            living = {owner.id for owner in owners.living(write.connection)}
            return runs.wake(write, living, limit)

    def next_wake(self) -> float | None:
        """The earliest `wake_at` of all runs."""
        with self._database.reading() as connection:
            return reads.next_wake(connection)

    def wake_active(self) -> int:
        """Make every run that has something ready or running due now; how many."""
        with self._writing() as (connection, _, batch):
            return owners.wake_active(connection, batch.at)

    def changes(self, after: Position, *, limit: int = 1000, excluding: str | None = None) -> Changes:
        """The changes after a position, in order; without those that the owner `excluding` wrote."""
        with self._database.reading() as connection:
            return reads.changes(connection, after, limit, excluding)

    def position(self) -> Position:
        """The position of the newest change."""
        with self._database.reading() as connection:
            return position(reads.newest(connection))

    def bookmark(self, reader: str, position: Position) -> None:
        """Remember, durably, how far a reader of the feed has got. What was read before this is durable as well."""
        with self._writing() as (connection, _, _):
            connection.execute("INSERT OR REPLACE INTO bookmarks VALUES (?, ?)", (reader, reads.number_of(position)))

    def bookmarked(self, reader: str) -> Position | None:
        """How far a reader of the feed had got; None if it never said."""
        with self._database.reading() as connection:
            return reads.bookmarked(connection, reader)

    def record(self, kind: str, id: str, *, tenant: str = "default") -> Record | None:  # noqa: A002 - as in the protocol
        """A record."""
        with self._database.reading() as connection:
            return records.read(connection, kind, tenant, id, self.now())

    def records(self, kind: str, *, tenant: str | None = "default", after: str = "", limit: int = 100) -> list[Record]:
        """Records of a kind by id, those behind `after`."""
        with self._database.reading() as connection:
            return records.read_some(connection, kind, tenant, after, limit, self.now())

    def put_record(self, record: Record) -> Record:
        """Write a record durably, and give it back at its new revision.

        Raises:
            Conflict: the store has another revision than the record names.
        """
        with self._writing() as (connection, _, batch):
            return records.put(connection, record, batch.at)

    def remove_record(self, kind: str, id: str, *, tenant: str = "default") -> bool:  # noqa: A002 - as in the protocol
        """Remove a record; False if there was none."""
        with self._writing() as (connection, _, batch):
            return records.remove(connection, kind, tenant, id, batch.at)

    def changed(self) -> bool:
        """Whether another store object may have written since this was last asked; its own writes don't count."""
        with self._database.fresh() as connection:
            (version,) = connection.execute("PRAGMA data_version").fetchone()
        asked, self._asked_version = self._asked_version, version
        return bool(version != asked)

    def register(self, owner: str, lease: float) -> Position:
        """Enter an owner with a lease in seconds; the position from which it should read the feed."""
        self._database.lengthen_log()
        lock = owners.OwnerLock(self._database.path, owner)
        try:
            with self._writing() as (connection, _, batch):
                newest = reads.newest(connection)
                number, read = owners.enter(connection, owner, batch.at + lease, newest)
                if read > newest:  # the file is an older copy of what those owners read
                    _log.warning(
                        "feed_went_back", newest=newest, read=read, woken=owners.wake_active(connection, batch.at)
                    )
        except BaseException:
            lock.release()
            raise
        if self._lock is not None:  # of an owner that was declared dead
            self._lock.release()
        self._writer, self._lock = number, lock
        return position(min(read, newest))

    def beat(self, owner: str, lease: float, position: Position) -> bool:
        """Prolong the lease and say how far the feed was read; False if the owner has been declared dead."""
        self._database.keep_reserve()
        with self._writing(durable=False) as (connection, _, batch):
            return owners.prolong(connection, owner, batch.at + lease, reads.number_of(position))

    def owners(self) -> list[Owner]:
        """The owners that aren't dead."""
        with self._database.reading() as connection:
            return owners.living(connection)

    def bury(self, *, by_time: bool) -> list[str]:
        """Declare dead whoever is: its process is gone, or (`by_time`) its lease is over."""
        path, now = self._database.path, self.now()
        suspects: dict[str, float | None] = {}
        for owner in self.owners():
            if owners.is_gone(path, owner.id):
                suspects[owner.id] = None
            elif by_time and owner.alive_until < now:
                suspects[owner.id] = now
        if not suspects:
            return []
        with self._writing() as (connection, _, batch):
            buried = [id_ for id_, late_at in suspects.items() if owners.declare_dead(connection, id_, late_at=late_at)]
            if buried:
                _log.warning("owners_buried", owners=buried, woken=owners.wake_active(connection, batch.at))
        for id_ in buried:
            owners.clear_away(path, id_)
        return buried

    def leave(self, owner: str, position: Position) -> None:
        """End an owner that has nothing in flight: as `bury`, of itself."""
        with self._writing() as (connection, _, batch):
            owners.prolong(connection, owner, batch.at, reads.number_of(position))
            if owners.declare_dead(connection, owner):
                owners.wake_active(connection, batch.at)
        if self._lock is not None and self._lock.owner == owner:
            self._lock.release()
            self._writer = self._lock = None

    def close(self) -> None:
        """Close the file; idempotent. An owner that didn't `leave` is dead from now on."""
        if self._lock is not None:
            self._lock.close()
        self._database.close()
