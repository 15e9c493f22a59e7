"""The runs and plans that an embedded store remembers, and how it hears of what others wrote.

A run is remembered while something of it is ready or runs: one that waits, or has ended, costs no memory.
"""

import sqlite3
from collections import OrderedDict
from collections.abc import Iterable
from typing import Final, NamedTuple

import structlog

from engine.plan import Plan, plan_of
from engine.run import WorkflowRun
from engine.statuses import RunStatus
from store.sqlite.errors import ALL_AFFECTED, in_short
from store.sqlite.reads import position
from store.sqlite.rows import SELECT_RUNS, SELECT_TASKS, Row, dumps, read_run

CACHED_BYTES: Final = 64 * 1024 * 1024
_CACHED_PLANS: Final = 256
_ACTIVE: Final = frozenset({RunStatus.PENDING, RunStatus.RUNNING})

_log = structlog.get_logger(__name__)


class Stored(NamedTuple):
    """A run, and the number of its row."""

    number: int
    run: WorkflowRun


class Unreadable(NamedTuple):
    """A run whose rows make no sense, and why. `status` is None if even that is none of ours."""

    number: int
    revision: int
    status: RunStatus | None
    reason: str


# Not DISTINCT: SQLite would then read the index of all changes, run by run, and not the newest ones.
CHANGED_RUNS: Final = "SELECT run FROM changes WHERE position > ? AND run IS NOT NULL"


class RunCache:
    """Runs as the last transaction on the writing connection left them; to be called with its lock held."""

    def __init__(self, capacity: int = CACHED_BYTES) -> None:
        self._capacity = capacity
        self._bytes = 0
        self._runs: OrderedDict[str, Stored] = OrderedDict()
        self._ids: dict[int, str] = {}
        self._plans: OrderedDict[tuple[str, str, int], Plan] = OrderedDict()
        self._data_version: int | None = None
        self._position = 0

    def refresh(self, connection: sqlite3.Connection) -> None:
        """Forget the runs that others have changed since the last transaction; cheap if nobody has written."""
        (data_version,) = connection.execute("PRAGMA data_version").fetchone()  # our own writes don't move it
        if data_version == self._data_version:
            return
        newest = position(connection)
        if self._data_version is None or newest - self._position > 1000 + 10 * len(self._runs):
            self.forget()
        else:
            for (number,) in connection.execute(CHANGED_RUNS, (self._position,)):
                if number in self._ids:
                    self.drop(self._ids[number])
        self._data_version, self._position = data_version, newest

    def wrote(self, connection: sqlite3.Connection) -> None:
        """The newest changes are our own."""
        self._position = position(connection)

    def keep(self, number: int, run: WorkflowRun) -> None:
        """Remember the newest state of a run, if anything of it is ready or runs."""
        known = self._runs.get(run.id)
        if run.status not in _ACTIVE and not run.running:
            if known is not None:
                self.drop(run.id)
            return
        self._runs[run.id] = Stored(number, run)
        if known is None:
            self._ids[number] = run.id
            self._bytes += run.size
        else:
            self._runs.move_to_end(run.id)
            self._bytes += run.size - known.run.size
        while self._bytes > self._capacity:
            self.drop(next(iter(self._runs)))

    def drop(self, id_: str) -> None:
        """Forget a run."""
        stored = self._runs.pop(id_, None)
        if stored is not None:
            del self._ids[stored.number]
            self._bytes -= stored.run.size

    def forget(self) -> None:
        """Forget all runs, say because it isn't known what became of a write."""
        self._runs.clear()
        self._ids.clear()
        self._bytes = 0
        self._data_version = None

    def load(self, connection: sqlite3.Connection, ids: Iterable[str]) -> dict[str, Stored | Unreadable]:
        """The runs of these ids that exist; those not remembered are read with two statements."""
        found: dict[str, Stored | Unreadable] = {}
        missing = []
        for id_ in ids:
            stored = self._runs.get(id_)
            if stored is not None:
                found[id_] = stored
            else:
                missing.append(id_)
        if missing:
            rows = connection.execute(SELECT_RUNS, (dumps(missing),)).fetchall()
            states: dict[int, dict[str, str]] = {row[0]: {} for row in rows}
            for number, name, state in connection.execute(SELECT_TASKS, (dumps(list(states)),)):
                states[number][name] = state
            for row in rows:
                found[row[4]] = self._read(connection, row, states[row[0]])
        return found

    def _read(self, connection: sqlite3.Connection, row: Row, states: dict[str, str]) -> Stored | Unreadable:
        number, tenant, workflow, version, id_, status, revision = row[:7]
        try:
            run = read_run(row, self.plan(connection, tenant, workflow, version), states)
        except ALL_AFFECTED:
            raise
        except Exception as error:  # noqa: BLE001 - whatever is wrong with one run must not hurt another
            reason = f"the stored run can't be read: {in_short(error)}"
            _log.error("run_unreadable", run_id=id_, reason=reason)
            return Unreadable(number, revision, RunStatus.__members__.get(status), reason)
        self.keep(number, run)
        return Stored(number, run)

    def plan(self, connection: sqlite3.Connection, tenant: str, name: str, version: int) -> Plan:
        """The plan of a workflow's version, compiled once: a version never changes.

        Raises:
            LookupError: there is no such version.
            ValueError: the stored document is no workflow.
        """
        key = (tenant, name, version)
        plan = self._plans.get(key)
        if plan is None:
            select = "SELECT document FROM workflows WHERE tenant = ? AND name = ? AND version = ?"
            row = connection.execute(select, key).fetchone()
            if row is None:
                raise LookupError(f"there is no version {version} of workflow {name!r}")
            plan = self._plans[key] = plan_of(row[0].encode())
            if len(self._plans) > _CACHED_PLANS:
                self._plans.popitem(last=False)
        return plan
