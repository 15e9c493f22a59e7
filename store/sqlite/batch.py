"""One write of the embedded store: transitions are played on drafts, and their rows collected for a few statements.

    run + proposals ──advance──► outcomes, and rows of runs, tasks and changes ──write──► one statement a table

Whatever goes wrong with one run stays with that run.
"""

import sqlite3
from collections.abc import Callable, Sequence
from typing import Final

import structlog

from engine.draft import Draft
from engine.machine import advance
from engine.outcomes import Rejected
from engine.run import JournalEntry, TaskState, WorkflowRun, present
from engine.settle import HEAL_DOUBLINGS, HEAL_SECONDS
from engine.statuses import FINAL_RUN, RunStatus
from engine.transitions import Error, RunCancelled, RunFailed, RunPaused, RunResumed, RunRetried, SignalReceived
from store.protocol import Proposal, Recorded
from store.sqlite.cache import Stored, Unreadable
from store.sqlite.errors import ALL_AFFECTED, in_short
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
    dumps,
    new_run_row,
    only_advanced,
    request_row,
    run_row,
    task_row,
)

_GIVE_UP: Final = """
UPDATE runs SET status = 'FAILED', claimed = 0, revision = ?, updated_at = ?, finished_at = ?, error = ?
WHERE number = ?"""
_SILENCE: Final = "UPDATE runs SET wake_at = NULL WHERE number = ?"
_PUT_OFF: Final = HEAL_SECONDS * 2**HEAL_DOUBLINGS
_BY_PEOPLE: Final = (SignalReceived, RunCancelled, RunPaused, RunResumed, RunRetried)

_log = structlog.get_logger(__name__)


class Batch:
    """The rows of one write. `at` is its time, `writer` the number of the owner who writes."""

    def __init__(self, at: float, writer: int | None, luck: Callable[[], float]) -> None:
        self.at = at
        self.luck = luck
        self._writer = writer
        self._new_runs: list[Row] = []
        self._requests: list[Row] = []
        self._runs: dict[int, Row] = {}
        self._advances: dict[int, Row] = {}
        self._given_up: list[Row] = []
        self._silenced: list[Row] = []
        self._tasks: list[Row] = []
        self._changes: list[Row] = []

    def start(self, stored: Stored, entry: JournalEntry, digest: bytes) -> None:
        """A new run. Tasks that are as at every start get no row."""
        number, run = stored
        fresh = TaskState(updated_at=run.created_at)
        tasks = [task_row(number, name, task) for name, task in run.tasks.items() if task != fresh]
        row, request = new_run_row(number, run), request_row(number, run, digest)
        self._changes.append(change_row(number, entry, self._writer, None, present(run)))
        self._new_runs.append(row)  # from here on nothing can raise
        self._requests.append(request)
        self._tasks += tasks

    def play(self, stored: Stored, proposals: Sequence[Proposal]) -> tuple[WorkflowRun, list[Recorded]]:
        """The run after the proposals, and what became of each of them, whatever happens.

        One that raises is refused. If the engine made it, the run is failed too, for the engine would make it again.
        """
        number, run = stored
        try:
            return self._advance(stored, proposals)
        except ALL_AFFECTED:
            raise
        except Exception as error:  # noqa: BLE001 - it must not cost the others their transitions
            if len(proposals) > 1:  # which one is it? each on a draft of its own
                answers: list[Recorded] = []
                for proposal in proposals:
                    run, one = self.play(Stored(number, run), [proposal])
                    answers += one
                return run, [answer._replace(run=run) for answer in answers]
            transition = proposals[0].transition
            kind = type(transition).__name__
            reason = f"{kind} could not be handled: {in_short(error)}"
            _log.exception("transition_crashed", run_id=run.id, transition=kind, task=getattr(transition, "task", None))
            if not isinstance(transition, _BY_PEOPLE):
                run = self._fail(stored, reason)
            return run, [Recorded(run.id, Rejected("ENGINE_ERROR", reason), run)]

    def _advance(self, stored: Stored, proposals: Sequence[Proposal]) -> tuple[WorkflowRun, list[Recorded]]:
        number, run = stored
        draft = Draft(run)
        outcomes = []
        changes = []
        for _, transition, by in proposals:
            outcome = advance(draft, transition, at=self.at, luck=self.luck(), by=by)
            if isinstance(outcome, JournalEntry):
                changes.append(change_row(number, outcome, self._writer, transition))
            outcomes.append(outcome)
        if changes:
            run = draft.freeze()
            tasks = [task_row(number, name, run.tasks[name]) for name in draft.touched]
            self._update(stored, run)  # from here on nothing can raise
            self._tasks += tasks
            self._changes += changes
        elif draft.wake_at != run.wake_at or draft.heal != run.heal:
            run = self._touch(stored, draft.wake_at, draft.heal)
        return run, [Recorded(run.id, outcome, run) for outcome in outcomes]

    def _update(self, stored: Stored, run: WorkflowRun) -> None:
        """The row of a run that was `stored` in another state; the last one of a run counts."""
        number = stored.number
        if only_advanced(stored.run, run):
            self._advances[number] = advanced_row(number, run)
        else:
            self._runs[number] = run_row(number, run)
            self._advances.pop(number, None)

    def _touch(self, stored: Stored, wake_at: float | None, heal: int) -> WorkflowRun:
        run = stored.run._replace(wake_at=wake_at, heal=heal)
        self._update(stored, run)
        return run

    def _fail(self, stored: Stored, reason: str) -> WorkflowRun:
        """End a run that the engine can't go on with. If that fails as well, only its status is changed."""
        number, run = stored
        if run.is_final:  # nothing more can be done to it, but it must not be the first to be woken for ever
            return run if run.wake_at is None else self._touch(stored, self.at + _PUT_OFF, run.heal)
        error = Error("ENGINE_ERROR", reason)
        try:
            return self._advance(stored, [Proposal(run.id, RunFailed(error))])[0]
        except Exception:  # noqa: BLE001 - as above
            _log.exception("run_given_up", run_id=run.id)
            self.give_up(Unreadable(number, run.revision, run.status, reason))
            return run._replace(
                status=RunStatus.FAILED,
                error=error,
                revision=run.revision + 1,
                updated_at=self.at,
                finished_at=self.at,
                wake_at=None,
                ready={},
                running=0,
                timers=(),
            )

    def give_up(self, run: Unreadable) -> Rejected:
        """Fail a run that can't be handled at all, unless it has ended, and never wake it again.

        Its tasks stay as they are, for whoever looks into it.
        """
        error = Error("ENGINE_ERROR", run.reason)
        self._silenced.append((run.number,))
        if run.status not in FINAL_RUN:
            entry = JournalEntry(run.revision + 1, self.at, "RunFailed", None, None, None, {}, RunStatus.FAILED)
            self._changes.append(change_row(run.number, entry, self._writer, RunFailed(error)))
            self._given_up.append((entry.revision, self.at, self.at, dumps(error), run.number))
        return Rejected(*error)

    def write(self, connection: sqlite3.Connection) -> None:
        """Store all rows, in a write transaction."""
        for statement, rows in (
            (INSERT_RUN, self._new_runs),
            (INSERT_REQUEST, self._requests),
            (UPDATE_RUN, self._runs.values()),
            (ADVANCE_RUN, self._advances.values()),
            (_GIVE_UP, self._given_up),
            (_SILENCE, self._silenced),
            (WRITE_TASK, self._tasks),
            (INSERT_CHANGE, self._changes),
        ):
            if rows:
                connection.executemany(statement, rows)
