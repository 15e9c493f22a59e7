"""The runs and plans that an embedded store remembers, and how it hears of what other processes wrote.

A run is kept while something of it is ready or runs: one that waits for people, or has ended, costs no memory.
"""

import sqlite3
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import structlog

from engine.plan import Plan, plan_of
from engine.run import WorkflowRun
from engine.statuses import RunStatus
from store.sqlite_rows import SELECT_RUNS, SELECT_TASKS, dumps, read_run

CACHED_BYTES: Final = 64 * 1024 * 1024
_CACHED_PLANS: Final = 256
_ACTIVE: Final = frozenset({RunStatus.PENDING, RunStatus.RUNNING})

_log = structlog.get_logger(__name__)


class Stored(NamedTuple):
    """A run, and the number of its row."""

    number: int
    run: WorkflowRun


class Unreadable(NamedTuple):
    """A run whose rows make no sense, and why."""

    id: str
    number: int
    revision: int
    status: RunStatus | None
    reason: str


@dataclass(slots=True)
class Loaded:
    """What was found of the runs asked for; those that don't exist are in neither."""

    runs: dict[str, Stored] = field(default_factory=dict)
    unreadable: dict[str, Unreadable] = field(default_factory=dict)


class RunCache:
    """Runs as the last transaction of the writing connection left them. Call only with that connection's lock held."""

    def __init__(self, capacity: int = CACHED_BYTES) -> None:
        self._capacity = capacity
        self._bytes = 0
        self._runs: OrderedDict[str, Stored] = OrderedDict()
        self._ids: dict[int, str] = {}
        self._plans: OrderedDict[tuple[str, str, int], Plan] = OrderedDict()
        self._data_version: int | None = None
        self._seen = 0

    def __len__(self) -> int:
        return len(self._runs)

    def refresh(self, connection: sqlite3.Connection) -> None:
        """Drop the runs that others have changed since the last transaction; cheap if nobody has written."""
        (version,) = connection.execute("PRAGMA data_version").fetchone()  # our own writes don't move it
        if version == self._data_version:
            return
        (position,) = connection.execute("SELECT coalesce(max(position), 0) FROM changes").fetchone()
        if self._data_version is None or position - self._seen > 10 * len(self._runs):
            self.forget()
        else:
            rows = connection.execute(
                "SELECT DISTINCT run FROM changes WHERE position > ? AND run IS NOT NULL", (self._seen,)
            )
            for (number,) in rows:
                if number in self._ids:
                    self.drop(self._ids[number])
        self._data_version, self._seen = version, position

    def wrote(self, position: int) -> None:
        """The changes up to this position are ours or known."""
        self._seen = position

    def keep(self, number: int, run: WorkflowRun) -> None:
        """Remember the newest state of a run, if something of it is ready or runs."""
        self.drop(run.id)
        if not (run.status in _ACTIVE or run.running) or run.size > self._capacity:
            return
        self._runs[run.id] = Stored(number, run)
        self._ids[number] = run.id
        self._bytes += run.size
        while self._bytes > self._capacity:
            self.drop(next(iter(self._runs)))

    def drop(self, id_: str) -> None:
        """Forget a run."""
        stored = self._runs.pop(id_, None)
        if stored is not None:
            del self._ids[stored.number]
            self._bytes -= stored.run.size

    def forget(self) -> None:
        """Forget all runs: it isn't known what became of a write."""
        self._runs.clear()
        self._ids.clear()
        self._bytes = 0
        self._data_version = None

    def load(self, connection: sqlite3.Connection, ids: Iterable[str]) -> Loaded:
        """The runs of these ids; those that aren't remembered are read in two statements."""
        loaded = Loaded()
        missing = []
        for id_ in ids:
            stored = self._runs.get(id_)
            if stored is None:
                missing.append(id_)
            else:
                loaded.runs[id_] = stored
        if missing:
            self._read(connection, missing, loaded)
        return loaded

    def _read(self, connection: sqlite3.Connection, ids: list[str], loaded: Loaded) -> None:
        rows = connection.execute(SELECT_RUNS, (dumps(ids),)).fetchall()
        states: dict[int, dict[str, str]] = {row[15]: {} for row in rows}
        for number, name, state in connection.execute(SELECT_TASKS, (dumps(list(states)),)):
            states[number][name] = state
        for row in rows:
            number, id_, tenant, workflow, version = row[15:20]
            try:
                plan = self.plan(connection, tenant, workflow, version)
                if plan is None:
                    raise LookupError(f"version {version} of workflow {workflow!r} is gone")
                run = read_run(row, plan, states[number])
            except Exception as error:  # whatever is wrong with one run must not hurt another
                _log.exception("run_unreadable", run_id=id_)
                reason = f"its stored document can't be read: {type(error).__name__}: {error}"
                status = RunStatus.__members__.get(row[0])
                loaded.unreadable[id_] = Unreadable(id_, number, row[1], status, reason)
            else:
                loaded.runs[id_] = Stored(number, run)
                self.keep(number, run)

    def plan(self, connection: sqlite3.Connection, tenant: str, name: str, version: int) -> Plan | None:
        """The plan of a workflow's version; a version never changes, so it is compiled once.

        Raises:
            ValueError: the stored document is no workflow.
        """
        key = (tenant, name, version)
        plan = self._plans.get(key)
        if plan is None:
            row = connection.execute(
                "SELECT document FROM workflows WHERE tenant = ? AND name = ? AND version = ?", key
            ).fetchone()
            if row is None:
                return None
            plan = self._plans[key] = plan_of(row[0].encode())
            if len(self._plans) > _CACHED_PLANS:
                self._plans.popitem(last=False)
        return plan
