"""How runs, tasks and changes stand in the embedded store's rows, and how they are read back.

What is JSON stands as text, so that a person with the `sqlite3` program can read it.
"""

from collections.abc import Mapping
from operator import attrgetter
from typing import Any, Final, Literal, TypeAlias

import orjson
import structlog

from engine.machine import restore
from engine.plan import Plan
from engine.run import Parent, TaskState, WorkflowRun, dump_task, load_task
from engine.statuses import RunStatus
from store.playing import Told
from store.protocol import BEGINNING, Change, Position, RunSummary
from store.texts import dumps, event_text, in_short, read_entry, read_error, text

Row: TypeAlias = tuple[Any, ...]

_log = structlog.get_logger(__name__)

INSERT_RUN: Final = """
INSERT INTO runs (
  status, revision, generation, paused, cancelled, told, claimed, size, updated_at, started_at, finished_at, deadline,
  wake_at, heal, error, outputs, seal, number, id, tenant, workflow, version, requested_by, created_at
) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""

UPDATE_RUN: Final = """
UPDATE runs SET
  status = ?, revision = ?, generation = ?, paused = ?, cancelled = ?, told = ?, claimed = ?, size = ?, updated_at = ?,
  started_at = ?, finished_at = ?, deadline = ?, wake_at = ?, heal = ?, error = ?, outputs = ?, seal = ?
WHERE number = ?"""

ADVANCE_RUN: Final = """
UPDATE runs SET revision = ?, claimed = ?, size = ?, updated_at = ?, wake_at = ?, heal = ?, seal = ? WHERE number = ?"""

SELECT_RUNS: Final = """
SELECT
  number, tenant, workflow, version, id, status, revision, seal, generation, paused, cancelled, told, size, created_at,
  updated_at, started_at, finished_at, deadline, wake_at, heal, error, outputs, requested_by, labels, parent, inputs
FROM runs LEFT JOIN requests ON run = number WHERE id IN (SELECT value FROM json_each(?))"""

SELECT_TASKS: Final = "SELECT run, name, state FROM tasks WHERE run IN (SELECT value FROM json_each(?))"
WRITE_TASK: Final = "INSERT OR REPLACE INTO tasks (run, name, state) VALUES (?, ?, ?)"
INSERT_REQUEST: Final = "INSERT INTO requests (run, digest, labels, parent, inputs) VALUES (?, ?, ?, ?, ?)"
INSERT_CHANGE: Final = """
INSERT INTO changes (run, revision, at, writer, entry, transition, document, seal) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"""

SELECT_CHANGES: Final = """
SELECT
  changes.position, runs.id, workflows.name, changes.revision, at, owners.id, entry, transition,
  coalesce(changes.document, workflows.document), changes.seal, coalesce(runs.tenant, workflows.tenant)
FROM changes
LEFT JOIN runs ON runs.number = changes.run
LEFT JOIN workflows ON workflows.number = changes.workflow
LEFT JOIN owners ON owners.number = changes.writer
WHERE changes.position > ? AND writer IS NOT ? ORDER BY changes.position LIMIT ?"""

SUMMARY: Final = "id, workflow, version, status, requested_by, created_at, updated_at, finished_at, error"


_LASTING: Final = attrgetter(
    "status", "paused", "cancelled", "told", "generation", "started_at", "finished_at", "deadline", "error", "outputs"
)


def position(number: int) -> Position:
    """The position of the change with this number, as text that sorts as numbers do; 0 is before the first."""
    return f"{number:016}" if number else BEGINNING


def run_row(number: int, run: WorkflowRun) -> Row:
    """The parameters of `UPDATE_RUN`."""
    return (  # of plain types: any other costs a look-up of its adapter
        str(run.status), run.revision, run.generation, int(run.paused), int(run.cancelled), int(run.told), run.running,
        run.size, run.updated_at, run.started_at, run.finished_at, run.deadline, run.wake_at, run.heal,
        text(run.error), text(run.outputs), run.seal, number,
    )  # fmt: skip


def advanced_row(number: int, run: WorkflowRun) -> Row:
    """The parameters of `ADVANCE_RUN`."""
    return (run.revision, run.running, run.size, run.updated_at, run.wake_at, run.heal, run.seal, number)


def only_advanced(before: WorkflowRun, after: WorkflowRun) -> bool:
    """Whether `ADVANCE_RUN` will do, which takes half the time: most transitions change nothing else."""
    return _LASTING(before) == _LASTING(after)


def new_run_row(number: int, run: WorkflowRun) -> Row:
    """The parameters of `INSERT_RUN`."""
    version = run.plan.workflow.version
    return (*run_row(number, run), run.id, run.tenant, run.workflow, version, run.requested_by, run.created_at)


def request_row(number: int, run: WorkflowRun, digest: bytes) -> Row:
    """The parameters of `INSERT_REQUEST`."""
    return (number, digest, dumps(run.labels), text(run.parent), dumps(run.inputs))


def task_row(number: int, name: str, task: TaskState) -> Row:
    """The parameters of `WRITE_TASK`."""
    return (number, name, dumps(dump_task(task)))


def change_row(number: int, told: Told, writer: int | None, document: object = None) -> Row:
    """The parameters of `INSERT_CHANGE`."""
    entry, entry_text, seal, transition = told
    event = None if transition is None else event_text(transition)
    return (number, entry.revision, entry.at, writer, entry_text, event, text(document), seal)


def read_run(row: Row, plan: Plan, states: Mapping[str, str]) -> WorkflowRun:
    """The run of a row of `SELECT_RUNS`, given the states of its tasks that have a row.

    Raises:
        ValueError, TypeError, KeyError: the rows hold something that no version of this program wrote.
    """
    (
        _, tenant, _, _, id_, status, revision, seal, generation, paused, cancelled, told, size, created_at, updated_at,
        started_at, finished_at, deadline, wake_at, heal, error, outputs, requested_by, labels, parent, inputs,
    ) = row  # fmt: skip
    tasks = dict.fromkeys(plan.tasks, TaskState(updated_at=created_at))
    for name, state in states.items():
        if name not in tasks:
            raise ValueError(f"{name!r} is not a task of workflow {plan.workflow.name!r}")
        tasks[name] = load_task(orjson.loads(state))
    run = WorkflowRun(
        id=id_,
        tenant=tenant,
        plan=plan,
        inputs=orjson.loads(inputs),
        labels=orjson.loads(labels),
        requested_by=requested_by,
        parent=None if parent is None else Parent(*orjson.loads(parent)),
        created_at=created_at,
        status=RunStatus(status),
        paused=bool(paused),
        cancelled=bool(cancelled),
        generation=generation,
        revision=revision,
        updated_at=updated_at,
        started_at=started_at,
        finished_at=finished_at,
        outputs=None if outputs is None else orjson.loads(outputs),
        error=read_error(error),
        heal=heal,
        wake_at=wake_at,
        deadline=deadline,
        told=bool(told),
        size=size,
        tasks=tasks,
        ready={},
        running=0,
        unfinished=0,
        timers=(),
        seal=seal,
    )
    return restore(run)


def read_change(row: Row) -> Change:
    """The change of a row of `SELECT_CHANGES`; one that can't be read tells at least whom it is about."""
    number, run, workflow, revision, at, writer, told, event, document_text, seal, tenant = row
    entity: Literal["run", "workflow"] = "workflow" if run is None else "run"
    bare = Change(position(number), entity, run or workflow, revision, at, None, None, None, None, writer, tenant)
    try:
        transition: Any = None if event is None else orjson.loads(event)
        if run is None and transition is not None:
            return bare._replace(by=transition.get("by"), transition=transition)
        document: Any = None if document_text is None else orjson.loads(document_text)
        if run is None:
            return bare._replace(by=document.get("created_by"), document=document)
        entry = read_entry(revision, at, told, seal)
    except Exception as error:  # noqa: BLE001 - the feed must go on
        _log.error("change_unreadable", position=bare.position, reason=in_short(error))
        return bare
    return bare._replace(by=entry.by, transition=transition, entry=entry, document=document)


def read_summary(row: Row) -> RunSummary:
    """The summary of a row of `SUMMARY` columns."""
    id_, workflow, version, status, requested_by, created_at, updated_at, finished_at, error = row
    return RunSummary(
        id_, workflow, version, RunStatus(status), requested_by, created_at, updated_at, finished_at, read_error(error)
    )
