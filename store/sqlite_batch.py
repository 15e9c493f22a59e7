"""One write of an embedded store: transitions are played on drafts, and their rows collected for a few statements.

    runs + proposals ──advance──► outcomes, and rows of runs, tasks and changes ──write──► four `executemany`

Whatever goes wrong with one run stays with that run.
"""

import sqlite3
from collections.abc import Callable, Sequence
from typing import Any, Final

import structlog

from engine.draft import Draft
from engine.machine import advance
from engine.outcomes import Rejected
from engine.run import JournalEntry, TaskState, WorkflowRun, present
from engine.settle import HEAL_DOUBLINGS, HEAL_SECONDS
from engine.statuses import FINAL_RUN, RunStatus
from engine.transitions import Error, RunCancelled, RunFailed, RunPaused, RunResumed, RunRetried, SignalReceived
from store.protocol import NewRun, Proposal, Recorded
from store.sqlite_cache import Unreadable
from store.sqlite_rows import (
    INSERT_CHANGE,
    INSERT_REQUEST,
    INSERT_RUN,
    UPDATE_RUN,
    UPSERT_TASK,
    change_row,
    dumps,
    new_run_row,
    request_row,
    run_row,
    task_row,
)

_TOUCH: Final = "UPDATE runs SET wake_at = ?, heal = ? WHERE number = ?"
_GIVE_UP: Final = """
UPDATE runs SET status = 'FAILED', claimed = 0, wake_at = NULL, revision = ?, updated_at = ?, finished_at = ?, error = ?
WHERE number = ?"""
_OF_PEOPLE: Final = (SignalReceived, RunCancelled, RunPaused, RunResumed, RunRetried)

_PUT_OFF: Final = HEAL_SECONDS * 2**HEAL_DOUBLINGS

_log = structlog.get_logger(__name__)


class Batch:
    """The rows of one write. `at` is its time, `writer` the number of the owner who writes."""

    def __init__(self, at: float, writer: int | None, luck: Callable[[], float]) -> None:
        self.at = at
        self.writer = writer
        self._luck = luck
        self._new_runs: list[tuple[Any, ...]] = []
        self._requests: list[tuple[Any, ...]] = []
        self._runs: list[tuple[Any, ...]] = []
        self._touches: list[tuple[Any, ...]] = []
        self._failures: list[tuple[Any, ...]] = []
        self._tasks: list[tuple[Any, ...]] = []
        self._changes: list[tuple[Any, ...]] = []

    def create(self, request: NewRun, digest: bytes, run: WorkflowRun, entry: JournalEntry, number: int) -> None:
        """A new run; tasks that are as at every start get no row."""
        fresh = TaskState(updated_at=run.created_at)
        rows = (
            new_run_row(run, number),
            request_row(request, run, number, digest),
            [task_row(number, name, task) for name, task in run.tasks.items() if task != fresh],
            change_row(number, entry, self.writer, None, present(run)),
        )
        self._new_runs.append(rows[0])
        self._requests.append(rows[1])
        self._tasks += rows[2]
        self._changes.append(rows[3])

    def settle(
        self, number: int, run: WorkflowRun, proposals: Sequence[Proposal]
    ) -> tuple[WorkflowRun, list[Recorded]]:
        """Play the proposals for one run, whatever happens.

        One that raises is refused. If it came from the engine the run is failed, since the same would happen again; what
        people propose can be proposed by them otherwise.
        """
        try:
            return self._play(number, run, proposals)
        except Exception as error:
            if len(proposals) > 1:  # find the one: each on a draft of its own
                answers: list[Recorded] = []
                for proposal in proposals:
                    run, one = self.settle(number, run, [proposal])
                    answers += one
                return run, [answer._replace(run=run) for answer in answers]
            transition, by = proposals[0].transition, proposals[0].by
            name = type(transition).__name__
            _log.exception("transition_crashed", run_id=run.id, task=getattr(transition, "task", None), transition=name)
            reason = f"{name} could not be handled: {type(error).__name__}: {error}"
            if not isinstance(transition, _OF_PEOPLE):
                run = self._fail(number, run, reason)
            return run, [Recorded(run.id, Rejected("ENGINE_ERROR", reason), run)]

    def _play(self, number: int, run: WorkflowRun, proposals: Sequence[Proposal]) -> tuple[WorkflowRun, list[Recorded]]:
        draft = Draft(run)
        outcomes = []
        changes = []
        for _, transition, by in proposals:
            outcome = advance(draft, transition, at=self.at, luck=self._luck(), by=by)
            if isinstance(outcome, JournalEntry):
                changes.append(change_row(number, outcome, self.writer, transition))
            outcomes.append(outcome)
        if changes:
            after = draft.freeze()
            row = run_row(after, number)
            tasks = [task_row(number, name, after.tasks[name]) for name in draft.touched]
            self._runs.append(row)  # from here on nothing can raise
            self._tasks += tasks
            self._changes += changes
        elif draft.wake_at != run.wake_at or draft.heal != run.heal:
            after = run._replace(wake_at=draft.wake_at, heal=draft.heal)
            self._touches.append((after.wake_at, after.heal, number))
        else:
            after = run
        return after, [Recorded(run.id, outcome, after) for outcome in outcomes]

    def _fail(self, number: int, run: WorkflowRun, reason: str) -> WorkflowRun:
        """End a run that the engine can't go on with."""
        if run.is_final:
            after = run._replace(wake_at=None if run.wake_at is None else self.at + _PUT_OFF)
            self._touches.append((after.wake_at, after.heal, number))
            return after
        try:
            failure = Proposal(run.id, RunFailed(Error("ENGINE_ERROR", reason)))
            return self._play(number, run, [failure])[0]
        except Exception:
            _log.exception("run_given_up", run_id=run.id)
            self.give_up(Unreadable(run.id, number, run.revision, run.status, reason))
            error = Error("ENGINE_ERROR", reason)
            return run._replace(
                status=RunStatus.FAILED, revision=run.revision + 1, updated_at=self.at, finished_at=self.at, wake_at=None,
                error=error, ready={}, running=0, timers=(),
            )  # fmt: skip

    def give_up(self, run: Unreadable) -> Rejected:
        """Fail a run whose document can't be handled at all; its tasks stay as they are, for whoever looks into it."""
        error = Error("ENGINE_ERROR", run.reason)
        if run.status not in FINAL_RUN:
            entry = JournalEntry(run.revision + 1, self.at, "RunFailed", None, None, None, {}, RunStatus.FAILED)
            self._changes.append(change_row(run.number, entry, self.writer, RunFailed(error)))
            self._failures.append((entry.revision, self.at, self.at, dumps(error), run.number))
        return Rejected(*error)

    def write(self, connection: sqlite3.Connection) -> None:
        """Store all rows, in an open write transaction."""
        for statement, rows in (
            (INSERT_RUN, self._new_runs),
            (INSERT_REQUEST, self._requests),
            (UPDATE_RUN, self._runs),
            (_TOUCH, self._touches),
            (_GIVE_UP, self._failures),
            (UPSERT_TASK, self._tasks),
            (INSERT_CHANGE, self._changes),
        ):
            if rows:
                connection.executemany(statement, rows)
