"""One write of the embedded store: what happened to runs, collected as rows for a few statements.

Playing ──keep──► rows of runs, tasks and changes ──write──► one statement a table
"""

import sqlite3
from collections.abc import Callable, Collection, Sequence
from typing import Final

from engine.asked import asks_as_before, waiting_for
from engine.run import TaskState, WorkflowRun, present
from engine.transitions import Error
from store.playing import Playing, Stored, Told, Unreadable
from store.protocol import Follow
from store.sqlite.rows import (
    ADVANCE_RUN,
    INSERT_CHANGE,
    INSERT_REQUEST,
    INSERT_RUN,
    UPDATE_RUN,
    WRITE_TASK,
    Row,
    advanced_row,
    change_row,
    new_run_row,
    only_advanced,
    request_row,
    run_row,
    task_row,
)
from store.texts import dumps

_GIVE_UP: Final = """
UPDATE runs SET status = 'FAILED', claimed = 0, revision = ?, updated_at = ?, finished_at = ?, error = ?, seal = ?
WHERE number = ?"""
_FORGET_WAITING: Final = "DELETE FROM waiting WHERE tenant = ? AND who = ? AND created_at = ? AND run = ?"
_FORGET_ALL_WAITING: Final = "DELETE FROM waiting WHERE run = ?"
_WAIT: Final = "INSERT OR IGNORE INTO waiting (tenant, who, created_at, run) VALUES (?, ?, ?, ?)"
_SILENCE: Final = "UPDATE runs SET wake_at = NULL WHERE number = ?"


class Batch(Playing[int]):
    """The rows of one write. `at` is its time, `writer` the number of the owner who writes."""

    def __init__(self, at: float, writer: int | None, luck: Callable[[], float], follow: Follow | None = None) -> None:
        super().__init__(at, luck, follow)
        self._writer = writer
        self._new_runs: list[Row] = []
        self._requests: list[Row] = []
        self._runs: dict[int, Row] = {}
        self._advances: dict[int, Row] = {}
        self._given_up: list[Row] = []
        self._silenced: list[Row] = []
        self._over: list[Row] = []
        self._tasks: list[Row] = []
        self._changes: list[Row] = []
        self._asking: dict[int, tuple[WorkflowRun, WorkflowRun]] = {}  # as it was, and as it is

    def start(self, stored: Stored[int], told: Told, digest: bytes) -> None:
        """A new run. Tasks that are as at every start get no row."""
        number, run = stored
        fresh = TaskState(updated_at=run.created_at)
        tasks = [task_row(number, name, task) for name, task in run.tasks.items() if task != fresh]
        row, request = new_run_row(number, run), request_row(number, run, digest)
        self._changes.append(change_row(number, told, self._writer, present(run)))
        self._new_runs.append(row)  # from here on nothing can raise
        self._requests.append(request)
        self._tasks += tasks

    def keep_change(
        self, stored: Stored[int], run: WorkflowRun, told: Sequence[Told], touched: Collection[str]
    ) -> None:
        """The rows of a run that was changed."""
        number = stored.place
        changes = [change_row(number, one, self._writer) for one in told]
        tasks = [task_row(number, name, run.tasks[name]) for name in touched]
        self.keep_touch(stored, run)  # from here on nothing can raise
        self._tasks += tasks
        self._changes += changes
        if number in self._asking or not asks_as_before(stored.run, run, touched):
            was = self._asking[number][0] if number in self._asking else stored.run
            self._asking[number] = was, run

    def keep_touch(self, stored: Stored[int], run: WorkflowRun) -> None:
        """The row of a run that was `stored` in another state; the last one of a run counts."""
        number = stored.place
        if only_advanced(stored.run, run):
            self._advances[number] = advanced_row(number, run)
        else:
            self._runs[number] = run_row(number, run)
            self._advances.pop(number, None)

    def keep_failure(self, run: Unreadable[int], told: Told | None, error: Error) -> None:
        """Rows that say of a run only that it is over."""
        self._silenced.append((run.place,))
        if told is not None:
            entry = told.entry
            self._changes.append(change_row(run.place, told, self._writer))
            self._over.append((run.place,))
            self._given_up.append((entry.revision, self.at, self.at, dumps(error), told.seal, run.place))

    def write(self, connection: sqlite3.Connection) -> None:
        """Store all rows, in a write transaction."""
        for statement, rows in (
            (INSERT_RUN, self._new_runs),
            (INSERT_REQUEST, self._requests),
            (UPDATE_RUN, self._runs.values()),
            (ADVANCE_RUN, self._advances.values()),
            (_GIVE_UP, self._given_up),
            (_SILENCE, self._silenced),
            (_FORGET_ALL_WAITING, self._over),
            (WRITE_TASK, self._tasks),
            (INSERT_CHANGE, self._changes),
            (_FORGET_WAITING, self._waiting(gone=True)),
            (_WAIT, self._waiting(gone=False)),
        ):
            if rows:
                connection.executemany(statement, rows)

    def _waiting(self, *, gone: bool) -> list[Row]:
        """The rows of those whom runs wait for no longer, or from now on."""
        rows: list[Row] = []
        for number, (was, run) in self._asking.items():
            before, after = waiting_for(was), waiting_for(run)
            rows += ((run.tenant, who, run.created_at, number) for who in (before - after if gone else after - before))
        return rows
