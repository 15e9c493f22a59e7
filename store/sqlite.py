"""The embedded store: one SQLite file, which several processes may have open.

Another process's writes are noticed at the next transaction; the owner of a claim holds a lock file beside the database.
"""

import random
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import structlog

from engine.documents import Workflow
from engine.faults import Fault, Invalid, nearest
from engine.machine import start
from engine.outcomes import Rejected
from engine.plan import Plan
from engine.run import JournalEntry, WorkflowRun
from engine.statuses import RunStatus, TaskStatus
from engine.transitions import RunWoken, TaskLost
from store import sqlite_owners as owners_of
from store.protocol import Changes, Creation, NewRun, Owner, Page, Proposal, Recorded, RunQuery
from store.sqlite_batch import Batch
from store.sqlite_cache import CACHED_BYTES, Loaded, RunCache
from store.sqlite_file import BUSY_SECONDS, Database
from store.sqlite_rows import SELECT_CHANGES, digest_of, dumps, read_change, read_entry
from store.sqlite_search import find, prepare_search

_ID_CHARS = 255
_log = structlog.get_logger(__name__)


class SqliteStore:
    """The protocol `store.protocol.Store` on one file. `clock` gives Unix seconds, `luck` random numbers in [0, 1)."""

    def __init__(
        self,
        path: Path,
        *,
        create: bool = True,
        clock: Callable[[], float] = time.time,
        luck: Callable[[], float] = random.random,
        busy_seconds: float = BUSY_SECONDS,
        cached_bytes: int = CACHED_BYTES,
    ) -> None:
        self.now = clock
        self._luck = luck
        self._database = Database(path, create=create, busy_seconds=busy_seconds)
        self._cache = RunCache(cached_bytes)
        self._asked_version: int | None = None
        self._writer: int | None = None
        self._lock: owners_of.OwnerLock | None = None
        with self._database.reading() as connection:
            prepare_search(connection)
            (self.incarnation,) = connection.execute("SELECT value FROM meta WHERE name = 'incarnation'").fetchone()

    @contextmanager
    def _writing(self, *, durable: bool = True) -> Iterator[sqlite3.Connection]:
        with self._database.lock:
            try:
                with self._database.writing(durable=durable) as connection:
                    self._cache.refresh(connection)
                    yield connection
            except BaseException:
                self._cache.forget()  # it may hold what was not written
                raise

    # Workflows.

    def save_workflow(self, workflow: Workflow, *, by: str | None = None) -> Workflow:
        """Save a new version; a document equal to the latest version gives that one back."""
        with self._writing() as connection:
            row = connection.execute(
                "SELECT document FROM workflows WHERE tenant = ? AND name = ? ORDER BY version DESC LIMIT 1",
                (workflow.tenant, workflow.name),
            ).fetchone()
            latest = None if row is None else Workflow.model_validate_json(row[0])
            if latest is not None and _content(latest) == _content(workflow):
                return latest
            version = 1 if latest is None or latest.version is None else latest.version + 1
            at = self.now()
            saved = workflow.model_copy(update={"version": version, "created_by": by, "created_at": at})
            number = connection.execute(
                "INSERT INTO workflows (tenant, name, version, document) VALUES (?, ?, ?, ?)",
                (saved.tenant, saved.name, version, saved.model_dump_json(exclude_none=True)),
            ).lastrowid
            connection.execute(
                "INSERT INTO changes (workflow, revision, at, writer) VALUES (?, ?, ?, ?)",
                (number, version, at, self._writer),
            )
            self._cache.wrote(_position(connection))
            return saved

    def workflow(self, name: str, version: int | None = None, *, tenant: str = "default") -> Workflow | None:
        """A version of a workflow (the latest by default)."""
        with self._database.reading() as connection:
            row = connection.execute(
                "SELECT document FROM workflows WHERE tenant = ? AND name = ? AND version = coalesce(?, version)"
                " ORDER BY version DESC LIMIT 1",
                (tenant, name, version),
            ).fetchone()
        return None if row is None else Workflow.model_validate_json(row[0])

    def workflows(self, *, tenant: str = "default") -> list[Workflow]:
        """The latest version of each workflow, by name."""
        with self._database.reading() as connection:
            rows = connection.execute(
                "SELECT document, max(version) FROM workflows WHERE tenant = ? GROUP BY name ORDER BY name", (tenant,)
            ).fetchall()
        return [Workflow.model_validate_json(document) for document, _ in rows]

    # Runs.

    def create(self, requests: Sequence[NewRun]) -> list[Creation]:
        """Start runs, durably, in one write; one answer each, in order. A fault in one doesn't touch the others."""
        with self._writing() as connection:
            batch = Batch(self.now(), self._writer, self._luck)
            answers = self._creations(connection, batch, requests)
            batch.write(connection)
            self._cache.wrote(_position(connection))
            return answers

    def _creations(self, connection: sqlite3.Connection, batch: Batch, requests: Sequence[NewRun]) -> list[Creation]:
        ids = [request.id for request in requests if _plausible(request.id)]
        known: dict[str, tuple[bytes, WorkflowRun | None]] = {}
        rows = connection.execute(
            "SELECT id, digest FROM runs JOIN requests ON run = number WHERE id IN (SELECT value FROM json_each(?))",
            (dumps(ids),),
        ).fetchall()
        if rows:
            loaded = self._cache.load(connection, [id_ for id_, _ in rows]).runs
            known = {id_: (digest, loaded[id_].run if id_ in loaded else None) for id_, digest in rows}
        (number,) = connection.execute("SELECT coalesce(max(number), 0) FROM runs").fetchone()
        answers = []
        for request in requests:
            try:
                digest = _checked_digest(request)
                if request.id in known:
                    answers.append(_again(request, digest, *known[request.id]))
                    continue
                plan = self._plan_for(connection, request)
                run, entry = start(
                    plan,
                    request.inputs,
                    id=request.id,
                    at=batch.at,
                    luck=self._luck(),
                    requested_by=request.requested_by,
                    labels=request.labels,
                    parent=request.parent,
                )
                batch.create(request, digest, run, entry, number + 1)
            except Invalid as invalid:
                answers.append(Creation(request.id, "refused", None, invalid.faults))
            except Exception as error:
                _log.exception("run_not_started", run_id=request.id, workflow=request.workflow)
                fault = Fault("", f"the run could not be started: {type(error).__name__}: {error}")
                answers.append(Creation(request.id, "refused", None, (fault,)))
            else:
                number += 1
                known[request.id] = (digest, run)
                self._cache.keep(number, run)
                answers.append(Creation(request.id, "created", run))
        return answers

    def _plan_for(self, connection: sqlite3.Connection, request: NewRun) -> Plan:
        """The plan that a request asks for.

        Raises:
            Invalid: there is no such workflow, or not in that version.
        """
        key = (request.tenant, request.workflow)
        (latest,) = connection.execute(
            "SELECT max(version) FROM workflows WHERE tenant = ? AND name = ?", key
        ).fetchone()
        if latest is None:
            names = connection.execute("SELECT DISTINCT name FROM workflows WHERE tenant = ?", key[:1])
            hint = nearest(request.workflow, [name for (name,) in names])
            raise Invalid(Fault("workflow", f"{request.workflow!r} is not a saved workflow{hint}"))
        plan = self._cache.plan(connection, *key, request.version or latest)
        if plan is None:
            sentence = f"workflow {request.workflow!r} has no version {request.version}; the latest is {latest}"
            raise Invalid(Fault("version", sentence))
        return plan

    def apply(self, proposals: Sequence[Proposal], *, durable: bool = True) -> list[Recorded]:
        """Apply transitions in one write; one answer each, in order."""
        by_run: dict[str, list[int]] = {}
        for index, proposal in enumerate(proposals):
            by_run.setdefault(proposal.run_id, []).append(index)
        answers: list[Recorded | None] = [None] * len(proposals)
        with self._writing(durable=durable) as connection:
            batch = Batch(self.now(), self._writer, self._luck)
            for proposal in proposals:
                if isinstance(proposal.transition, RunWoken):
                    self._cache.drop(proposal.run_id)  # others may have moved its `wake_at`, which is no change
            loaded = self._load(connection, by_run)
            for id_, indices in by_run.items():
                played = self._played(batch, loaded, id_, [proposals[index] for index in indices])
                for index, answer in zip(indices, played, strict=True):
                    answers[index] = answer
            batch.write(connection)
            self._cache.wrote(_position(connection))
        return [answer for answer in answers if answer is not None]

    def _played(self, batch: Batch, loaded: Loaded, id_: str, proposals: list[Proposal]) -> list[Recorded]:
        stored = loaded.runs.get(id_)
        if stored is not None:
            run, answers = batch.settle(stored.number, stored.run, proposals)
            self._cache.keep(stored.number, run)
            return answers
        unreadable = loaded.unreadable.get(id_)
        refusal = (
            Rejected("UNKNOWN_RUN", f"there is no run {id_!r}") if unreadable is None else batch.give_up(unreadable)
        )
        return [Recorded(id_, refusal, None)] * len(proposals)

    def _load(self, connection: sqlite3.Connection, ids: Iterable[str]) -> Loaded:
        return self._cache.load(connection, filter(_plausible, dict.fromkeys(ids)))

    def load(self, ids: Iterable[str]) -> dict[str, WorkflowRun]:
        """The current state of these runs; the unknown, and the unreadable (which are logged), are missing."""
        with self._database.fresh() as connection:
            self._cache.refresh(connection)
            return {id_: stored.run for id_, stored in self._load(connection, ids).runs.items()}

    def journal(self, id: str) -> list[JournalEntry]:  # noqa: A002 - as in the protocol
        """Everything that happened to a run, in order; no payloads."""
        if not _plausible(id):
            return []
        with self._database.reading() as connection:
            rows = connection.execute(
                "SELECT changes.revision, at, entry FROM changes JOIN runs ON run = number WHERE id = ? ORDER BY changes.revision",
                (id,),
            ).fetchall()
        return [read_entry(*row) for row in rows]

    def find(self, query: RunQuery) -> Page:
        """Runs, newest first.

        Raises:
            ValueError: the cursor is not one that this store gave.
        """
        with self._database.reading() as connection:
            return find(connection, query)

    def counts(self, *, tenant: str | None = None) -> dict[RunStatus, int]:
        """How many runs there are in each status."""
        with self._database.reading() as connection:
            rows = connection.execute(
                "SELECT status, count(*) FROM runs WHERE tenant = coalesce(?, tenant) GROUP BY status", (tenant,)
            ).fetchall()
        return {RunStatus(status): count for status, count in rows}

    # Waking.

    def wake(self, limit: int) -> list[WorkflowRun]:
        """Wake up to `limit` due runs in one write, the longest due first."""
        earliest = self.next_wake()
        if earliest is None or earliest > self.now():
            return []
        with self._writing() as connection:
            at = self.now()
            due = connection.execute(
                "SELECT id, number, wake_at, heal FROM runs WHERE wake_at <= ? ORDER BY wake_at LIMIT ?", (at, limit)
            ).fetchall()
            loaded = self._cache.load(connection, [row[0] for row in due])
            living = {owner.id for owner in owners_of.living(connection)}
            batch = Batch(at, self._writer, self._luck)
            woken = []
            for id_, number, wake_at, heal in due:
                if id_ in loaded.unreadable:
                    batch.give_up(loaded.unreadable[id_])
                    continue
                run = loaded.runs[id_].run._replace(wake_at=wake_at, heal=heal)  # those aren't part of any change
                proposals = [Proposal(id_, RunWoken()), *(Proposal(id_, lost) for lost in _lost_claims(run, living))]
                run, _ = batch.settle(number, run, proposals)
                self._cache.keep(number, run)
                woken.append(run)
            batch.write(connection)
            self._cache.wrote(_position(connection))
            return woken

    def next_wake(self) -> float | None:
        """The earliest `wake_at` of all runs."""
        with self._database.reading() as connection:
            (earliest,) = connection.execute("SELECT min(wake_at) FROM runs WHERE wake_at IS NOT NULL").fetchone()
            return earliest

    def wake_active(self) -> int:
        """Make every run that has something ready or running due now; how many."""
        with self._writing() as connection:
            return self._wake_active(connection)

    def _wake_active(self, connection: sqlite3.Connection) -> int:
        self._cache.forget()  # their `wake_at` is another one now
        return owners_of.wake_active(connection, self.now())

    # The change feed.

    def changes(self, after: int, *, limit: int = 1000, excluding: str | None = None) -> Changes:
        """The changes after a position, in order; without those that the owner `excluding` wrote."""
        with self._database.reading() as connection:
            row = connection.execute("SELECT number FROM owners WHERE id = ?", (excluding,)).fetchone()
            excluded = -1 if row is None else row[0]
            rows = connection.execute(SELECT_CHANGES, (after, excluded, limit)).fetchall()
            position = rows[-1][0] if len(rows) == limit else max(after, _position(connection))
        return Changes([read_change(row) for row in rows], position)

    def position(self) -> int:
        """The position of the newest change."""
        with self._database.reading() as connection:
            return _position(connection)

    def changed(self) -> bool:
        """Whether another connection may have written since this was last asked; our own writes don't count."""
        with self._database.fresh() as connection:
            (version,) = connection.execute("PRAGMA data_version").fetchone()
        before, self._asked_version = self._asked_version, version
        return version != before

    # Owners of claims.

    def register(self, owner: str, lease: float) -> int:
        """Enter an owner with a lease in seconds; the position from which it should read the feed."""
        lock = owners_of.OwnerLock(self._database.path, owner)
        try:
            with self._writing() as connection:
                number, position = owners_of.enter(connection, owner, self.now() + lease)
                newest = _position(connection)
                if position > newest:  # the file is an older copy: events are missing
                    woken = self._wake_active(connection)
                    _log.warning("feed_went_back", position=position, newest=newest, woken=woken)
        except BaseException:
            lock.release()
            raise
        self._writer, self._lock = number, lock
        return min(position, newest)

    def beat(self, owner: str, lease: float, position: int) -> bool:
        """Prolong the lease and say how far the feed was read; False if the owner has been declared dead."""
        self._database.keep_reserve()
        with self._writing(durable=False) as connection:
            return owners_of.prolong(connection, owner, self.now() + lease, position)

    def owners(self) -> list[Owner]:
        """The owners that aren't dead."""
        with self._database.reading() as connection:
            return owners_of.living(connection)

    def bury(self, *, by_time: bool) -> list[str]:
        """Declare dead whoever is: its process is gone, or (`by_time`) its lease is over."""
        path, now = self._database.path, self.now()
        ended = {owner.id: None for owner in self.owners() if owners_of.is_gone(path, owner.id)}
        late = {owner.id: now for owner in self.owners() if by_time and owner.alive_until < now}
        if not (ended or late):
            return []
        with self._writing() as connection:
            buried = [
                owner
                for owner, before in {**late, **ended}.items()
                if owners_of.declare_dead(connection, owner, before=before)
            ]
            if buried:
                _log.warning("owners_buried", owners=buried, woken=self._wake_active(connection))
        for owner in buried:
            owners_of.remove_lock_file(path, owner)
        return buried

    def leave(self, owner: str, position: int) -> None:
        """End an owner that has nothing in flight: as `bury`, of itself."""
        with self._writing() as connection:
            owners_of.prolong(connection, owner, self.now(), position)
            if owners_of.declare_dead(connection, owner, before=None):
                self._wake_active(connection)
        if self._lock is not None:
            self._lock.release()
            self._lock = self._writer = None

    def close(self) -> None:
        """Close the file; idempotent. An owner that didn't `leave` is dead from now on."""
        if self._lock is not None:
            self._lock.close()
        self._database.close()


def _content(workflow: Workflow) -> Workflow:
    """A workflow without what the store adds."""
    return workflow.model_copy(update={"version": None, "created_by": None, "created_at": None})


def _position(connection: sqlite3.Connection) -> int:
    return int(connection.execute("SELECT coalesce(max(position), 0) FROM changes").fetchone()[0])


def _plausible(id_: str) -> bool:
    """Whether a run may have this id: printable text of a bounded length."""
    return 0 < len(id_) <= _ID_CHARS and id_.isprintable()


def _checked_digest(request: NewRun) -> bytes:
    """What tells a repeated request from another one under the same id.

    Raises:
        Invalid: the request can't be written down.
    """
    if not _plausible(request.id):
        raise Invalid(Fault("id", f"a run's id has 1 to {_ID_CHARS} printable characters"))
    try:
        return digest_of(request)
    except TypeError as error:
        raise Invalid(Fault("", f"the request is not JSON: {error}")) from error


def _again(request: NewRun, digest: bytes, accepted: bytes, run: WorkflowRun | None) -> Creation:
    """The answer to a request whose id is taken."""
    if digest == accepted:
        return Creation(request.id, "exists", run)
    fault = Fault("id", f"{request.id!r} is taken by a run that was started with another request; use a new id")
    return Creation(request.id, "refused", None, (fault,))


def _lost_claims(run: WorkflowRun, living: set[str]) -> list[TaskLost]:
    """The claims of a run whose owners are dead."""
    if not run.running:
        return []
    return [
        TaskLost(name, task.claim.token)
        for name, task in run.tasks.items()
        if task.status is TaskStatus.RUNNING and task.claim is not None and task.claim.owner not in living
    ]
