"""The store on MongoDB: each method of the protocol, with the errors of the driver as sentences."""

import random
from collections.abc import Callable, Iterable, Sequence

import structlog

from engine.documents import Workflow
from engine.run import JournalEntry, WorkflowRun
from engine.statuses import RunStatus
from store.mongo import owners, reads, records, runs, workflows
from store.mongo.cache import CACHED_BYTES, RunCache
from store.mongo.clock import ServerClock
from store.mongo.connection import Connection
from store.mongo.feed import Feed
from store.mongo.runs import Write
from store.mongo.schema import prepare, there, verify
from store.mongo.stream import newest
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

_log = structlog.get_logger(__name__)


class MongoStore:
    """The protocol `store.protocol.Store`. `luck` gives random numbers in [0, 1); `clock` is for tests.

    Raises:
        StoreError: it can't be opened; the sentence says why.
    """

    def __init__(
        self,
        url: str,
        *,
        create: bool = True,
        clock: Callable[[], float] | None = None,
        luck: Callable[[], float] = random.random,
        cached_bytes: int = CACHED_BYTES,
    ) -> None:
        self._luck = luck
        self._writer: str | None = None
        self._connection = Connection(url)
        self._clock = ServerClock(self._connection.database, clock)
        self._speaking = self._connection.speaking
        self._cache = RunCache(self._connection, cached_bytes)
        try:
            with self._speaking():
                mark = prepare(self._connection, newest(self._connection)) if create else there(self._connection)
                self._clock.measure()
        except BaseException:
            self._connection.close()
            raise
        self._mark = mark
        self.incarnation = mark.incarnation
        self._feed = Feed(self._connection, mark, self._cache.plan)

    def now(self) -> float:
        """The server's clock, or a moment before it."""
        return self._clock()

    def _write(self) -> Write:
        return Write(self._connection, self._cache, self._clock.measure(), self._writer, self._luck)

    def save_workflow(self, workflow: Workflow, *, by: str | None = None, after: int | None = None) -> Workflow:
        """Save a new version; a document equal to the latest version gives that one back.

        Raises:
            Conflict: the latest version is another than `after`.
        """
        with self._speaking():
            at = self._clock.measure()
            return workflows.save(self._connection, workflow, at=at, by=by, after=after, writer=self._writer)

    def workflow(self, name: str, version: int | None = None, *, tenant: str = "default") -> Workflow | None:
        """A version of a workflow (the latest by default)."""
        with self._speaking():
            return workflows.read(self._connection, tenant, name, version)

    def workflows(self, *, tenant: str = "default", after: str = "", limit: int | None = None) -> list[Workflow]:
        """The latest version of each workflow, by name."""
        with self._speaking():
            return workflows.read_all(self._connection, tenant, after, limit)

    def versions(
        self, name: str, *, tenant: str = "default", before: int | None = None, limit: int = 100
    ) -> list[Workflow]:
        """The versions of a workflow, the latest first; `before` are those older than that one."""
        with self._speaking():
            return workflows.versions(self._connection, tenant, name, before, limit)

    def delete_workflow(
        self, name: str, *, tenant: str = "default", by: str | None = None, after: int | None = None
    ) -> bool:
        """Delete all versions of a workflow; False if there is none. Its runs keep theirs and go on.

        Raises:
            Conflict: the latest version is another than `after`.
        """
        with self._speaking():
            at = self._clock.measure()
            return workflows.delete(self._connection, tenant, name, at=at, by=by, after=after, writer=self._writer)

    def create(self, requests: Sequence[NewRun]) -> list[Creation]:
        """Start runs, durably, in one write; one answer each, in order. A fault in one doesn't touch the others."""
        with self._speaking():
            return runs.create(self._write(), requests)

    def apply(
        self, proposals: Sequence[Proposal], *, durable: bool = True, follow: Follow | None = None
    ) -> list[Recorded]:
        """Apply transitions in one write; one answer each, in order."""
        with self._speaking():
            return runs.apply(self._write(), proposals, durable=durable, follow=follow)

    def load(self, ids: Iterable[str]) -> dict[str, WorkflowRun]:
        """The current state of these runs; the unknown, and those that can't be read (a log says so), are missing."""
        with self._speaking():
            found = self._cache.load_newest(filter(is_id, dict.fromkeys(ids)))
        return {id_: stored.run for id_, stored in found.items() if isinstance(stored, Stored)}

    def journal(self, id: str) -> list[JournalEntry]:  # noqa: A002 - as in the protocol
        """Everything that happened to a run, in order; no payloads."""
        with self._speaking():
            return reads.journal(self._connection, id) if is_id(id) else []

    def sealed(self, id: str) -> list[Sealed]:  # noqa: A002 - as in the protocol
        """The journal of a run as it is stored, in order, to be verified."""
        with self._speaking():
            return reads.sealed(self._connection, id) if is_id(id) else []

    def find(self, query: RunQuery) -> Page:
        """Runs, newest first.

        Raises:
            ValueError: the cursor is not one that this store gave.
        """
        with self._speaking():
            return reads.find(self._connection, query)

    def counts(self, *, tenant: str | None = None) -> dict[RunStatus, int]:
        """How many runs there are in each status."""
        with self._speaking():
            return reads.counts(self._connection, tenant)

    def wake(self, limit: int) -> list[WorkflowRun]:
        """Wake up to `limit` due runs in one write, the longest due first."""
        with self._speaking():
            return runs.wake(self._write(), limit)

    def next_wake(self) -> float | None:
        """The earliest `wake_at` of all runs."""
        with self._speaking():
            return reads.next_wake(self._connection)

    def wake_active(self) -> int:
        """Make every run that has something ready or running due now; how many."""
        with self._speaking():
            return owners.wake_active(self._connection, self._clock.measure())

    def changes(self, after: Position, *, limit: int = 1000, excluding: str | None = None) -> Changes:
        """The changes after a position, in order; without those that the owner `excluding` wrote.

        The first page after any position has all that was there when it was asked for; what comes later is told as soon
        as the server has sent it.
        """
        with self._speaking():
            return self._feed.changes(after, limit, excluding)

    def position(self) -> Position:
        """The position of the newest change."""
        with self._speaking():
            verify(self._connection, self._mark)  # who lost history and goes on from here must know whose that is
            return newest(self._connection)

    def changed(self) -> bool:
        """Whether there may be something that `changes` hasn't told."""
        return self._feed.changed()

    def bookmark(self, reader: str, position: Position) -> None:
        """Remember, durably, how far a reader of the feed has got. The feed tells nothing that isn't durable."""
        with self._speaking():
            verify(self._connection, self._mark)  # a stream goes on silently on a server that has another store now
            self._connection.durable("bookmarks").update_one(
                {"_id": reader}, {"$set": {"position": position}}, upsert=True
            )

    def bookmarked(self, reader: str) -> Position | None:
        """How far a reader of the feed had got; None if it never said."""
        with self._speaking():
            found = self._connection.quick("bookmarks").find_one({"_id": reader})
        return None if found is None else str(found["position"])

    def record(self, kind: str, id: str, *, tenant: str = "default") -> Record | None:  # noqa: A002 - as in the protocol
        """A record."""
        with self._speaking():
            return records.read(self._connection, kind, tenant, id, self._clock.measure())

    def records(self, kind: str, *, tenant: str | None = "default", after: str = "", limit: int = 100) -> list[Record]:
        """Records of a kind by id, those behind `after`."""
        with self._speaking():
            return records.read_some(self._connection, kind, tenant, after, limit, self._clock.measure())

    def put_record(self, record: Record) -> Record:
        """Write a record durably, and give it back at its new revision.

        Raises:
            Conflict: the store has another revision than the record names.
        """
        with self._speaking():
            return records.put(self._connection, record, self._clock.measure())

    def remove_record(self, kind: str, id: str, *, tenant: str = "default") -> bool:  # noqa: A002 - as in the protocol
        """Remove a record; False if there was none."""
        with self._speaking():
            return records.remove(self._connection, kind, tenant, id, self._clock.measure())

    def register(self, owner: str, lease: float) -> Position:
        """Enter an owner with a lease in seconds; the position from which it should read the feed."""
        with self._speaking():
            verify(self._connection, self._mark)
            position = owners.first_to_read(self._connection)
            owners.enter(self._connection, self._clock, owner, lease, position)
        self._writer = owner
        return position

    def beat(self, owner: str, lease: float, position: Position) -> bool:
        """Prolong the lease and say how far the feed was read; False if the owner has been declared dead."""
        with self._speaking():
            self._clock.measure(again=True)
            verify(self._connection, self._mark)  # an engine that hears of changes elsewhere would never notice
            lives = owners.prolong(self._connection, self._clock, owner, lease, position)
        if lives:
            self._writer = owner  # should the answer to its entry have been lost
        return lives

    def owners(self) -> list[Owner]:
        """The owners that aren't dead."""
        with self._speaking():
            return owners.living(self._connection)

    def bury(self, *, by_time: bool) -> list[str]:
        """Declare dead whose lease is over, if `by_time`: there is no other way to tell."""
        if not by_time:
            return []
        with self._speaking():
            now = self._clock.measure()
            late = [owner.id for owner in owners.living(self._connection) if owner.alive_until < now]
            buried = [id_ for id_ in late if owners.declare_dead(self._connection, id_, late=self._clock)]
            if buried:
                _log.warning("owners_buried", owners=buried, woken=owners.wake_active(self._connection, now))
        return buried

    def leave(self, owner: str, position: Position) -> None:
        """End an owner that has nothing in flight: as `bury`, of itself."""
        with self._speaking():
            owners.prolong(self._connection, self._clock, owner, 0.0, position)
            if owners.declare_dead(self._connection, owner):
                owners.wake_active(self._connection, self._clock.measure())
        if self._writer == owner:
            self._writer = None

    def close(self) -> None:
        """Close the connection; idempotent."""
        self._feed.close()
        self._connection.close()
