"""The runs and plans that an embedded store remembers, and how it hears of what others wrote."""

import sqlite3
from collections import OrderedDict
from collections.abc import Iterable
from typing import Final

import structlog

from engine.plan import Plan, plan_of
from engine.statuses import RunStatus
from store.playing import Stored, Unreadable
from store.remembered import Remembered
from store.sqlite.errors import ALL_AFFECTED
from store.sqlite.reads import newest
from store.sqlite.rows import SELECT_RUNS, SELECT_TASKS, Row, read_run
from store.texts import dumps, in_short

CACHED_BYTES: Final = 64 * 1024 * 1024
_CACHED_PLANS: Final = 256

_log = structlog.get_logger(__name__)


# Not DISTINCT: SQLite would then read the index of all changes, run by run, and not the newest ones.
CHANGED_RUNS: Final = "SELECT run FROM changes WHERE position > ? AND run IS NOT NULL"


class RunCache(Remembered[int]):
    """Runs as the last transaction on the writing connection left them; to be called with its lock held."""

    def __init__(self, capacity: int = CACHED_BYTES) -> None:
        super().__init__(capacity)
        self._ids: dict[int, str] = {}
        self._plans: OrderedDict[tuple[str, str, int], Plan] = OrderedDict()
        self._data_version: int | None = None
        self._newest = 0

    def refresh(self, connection: sqlite3.Connection) -> None:
        """Forget the runs that others have changed since the last transaction; cheap if nobody has written."""
        (data_version,) = connection.execute("PRAGMA data_version").fetchone()  # our own writes don't move it
        if data_version == self._data_version:
            return
        end = newest(connection)
        if self._data_version is None or end - self._newest > 1000 + 10 * len(self):
            self.forget()
        else:
            for (number,) in connection.execute(CHANGED_RUNS, (self._newest,)):
                if number in self._ids:
                    self.drop(self._ids[number])
        self._data_version, self._newest = data_version, end

    def wrote(self, connection: sqlite3.Connection) -> None:
        """The newest changes are our own."""
        self._newest = newest(connection)

    def keep(self, stored: Stored[int]) -> None:
        """Remember the newest state of a run, if anything of it is ready or runs."""
        self._ids[stored.place] = stored.run.id
        super().keep(stored)

    def drop(self, id_: str) -> None:
        """Forget a run."""
        stored = self.get(id_)
        if stored is not None:
            del self._ids[stored.place]
            super().drop(id_)

    def forget(self) -> None:
        """Forget all runs, say because it isn't known what became of a write."""
        super().forget()
        self._ids.clear()
        self._data_version = None

    def load(self, connection: sqlite3.Connection, ids: Iterable[str]) -> dict[str, Stored[int] | Unreadable[int]]:
        """The runs of these ids that exist; those not remembered are read with two statements."""
        found: dict[str, Stored[int] | Unreadable[int]] = {}
        missing = []
        for id_ in ids:
            stored = self.get(id_)
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

    def _read(self, connection: sqlite3.Connection, row: Row, states: dict[str, str]) -> Stored[int] | Unreadable[int]:
        number, tenant, workflow, version, id_, status, revision, seal = row[:8]
        try:
            run = read_run(row, self.plan(connection, tenant, workflow, version), states)
        except ALL_AFFECTED:
            raise
        except Exception as error:  # noqa: BLE001 - whatever is wrong with one run must not hurt another
            reason = f"the stored run can't be read: {in_short(error)}"
            _log.error("run_unreadable", run_id=id_, reason=reason)
            return Unreadable(number, id_, revision, RunStatus.__members__.get(status), seal, reason)
        stored = Stored(number, run)
        self.keep(stored)
        return stored

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
