"""What must hold for every run at every revision, whatever happened to it."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from engine.draft import fold
from engine.machine import restore
from engine.run import JournalEntry, TaskState, WorkflowRun, dump_task, load_task
from engine.settle import HEAL_DOUBLINGS, HEAL_SECONDS
from engine.statuses import FINAL_TASK, TaskStatus
from engine.transitions import Error

LONGEST_HEAL = HEAL_SECONDS * 2**HEAL_DOUBLINGS * 1.1
ENGINES_OWN = frozenset({TaskStatus.RUNNING, TaskStatus.WAITING})
STORED = (
    "id", "tenant", "inputs", "labels", "requested_by", "created_at", "status", "paused", "cancelled", "generation",
    "revision", "updated_at", "started_at", "finished_at", "outputs", "heal", "wake_at", "deadline", "told", "size",
)  # fmt: skip


def violations(run: WorkflowRun, journal: Sequence[JournalEntry]) -> list[str]:
    """Everything that is wrong with a run and the journal of all that happened to it."""
    return [*_journal_faults(run, journal), *state_faults(run), *_restored_faults(run)]


def _journal_faults(run: WorkflowRun, journal: Sequence[JournalEntry]) -> Iterator[str]:
    if [entry.revision for entry in journal] != list(range(1, run.revision + 1)):
        yield f"REV_GAP: revision {run.revision} after entries {[entry.revision for entry in journal]}"
    statuses, status = fold(list(journal), run.tasks)
    if statuses != {name: task.status for name, task in run.tasks.items()} or status is not run.status:
        yield f"FOLD: the journal leads to {status} {statuses}"


def state_faults(run: WorkflowRun) -> Iterator[str]:
    """What is wrong with the state of a run, seen by itself."""
    for name, task in run.tasks.items():
        if (task.status is TaskStatus.RUNNING) is (task.claim is None):
            yield f"CLAIM: {name} is {task.status} with claim {task.claim}"
        if task.status in FINAL_TASK and (task.finished_at is None or task.until or task.not_before or task.due):
            yield f"FINAL: {name} ended, but is not at rest: {task}"
        if task.attempt < 0 or task.generation > run.generation:
            yield f"COUNT: {name} is at attempt {task.attempt} of generation {task.generation}"
    ended = all(task.status in FINAL_TASK for task in run.tasks.values())
    if ended is not run.is_final:
        yield f"END: the run is {run.status} with tasks {[str(task.status) for task in run.tasks.values()]}"
    yield from _wake_faults(run)


def _wake_faults(run: WorkflowRun) -> Iterator[str]:
    """Null means: nothing is ready, nothing runs, and there is no timer unless the run is paused."""
    busy = any(task.status is TaskStatus.RUNNING for task in run.tasks.values())
    moments = [time for task in run.tasks.values() for time in moments_of(task)]
    if run.is_final:
        if run.wake_at is None and run.parent is not None and not run.told:
            yield "NO_WAKE: its parent has not been told of its end"
    elif run.wake_at is None:
        if busy or (not run.paused and (run.ready or moments or run.deadline is not None)):
            yield f"NO_WAKE: ready {dict(run.ready)}, running {busy}, moments {moments}, deadline {run.deadline}"
    elif not run.paused and run.wake_at > min([*moments, run.wake_at]):
        yield f"NO_WAKE: it is woken at {run.wake_at}, too late for {min(moments)}"
    elif run.paused and not busy:
        yield "WAKE: a paused run with nothing in flight is woken"


def moments_of(task: TaskState) -> list[float]:
    """When time alone changes a task."""
    if task.status not in {TaskStatus.PENDING, TaskStatus.WAITING}:
        return []
    return [moment for moment in (task.not_before, task.until) if moment is not None]


def _restored_faults(run: WorkflowRun) -> Iterator[str]:
    again = stored_and_restored(run)
    for field, mine, its in zip(run._fields, run, again, strict=True):
        if mine != its:
            yield f"RESTORE: {field} is {mine}, and was restored as {its}"


def _header(run: WorkflowRun) -> dict[str, Any]:
    """The JSON form of a run without its tasks and its workflow."""
    document = {field: getattr(run, field) for field in STORED}
    document["parent"] = None if run.parent is None else run.parent._asdict()
    document["error"] = None if run.error is None else run.error._asdict()
    return document


def stored_and_restored(run: WorkflowRun) -> WorkflowRun:
    """The run after a way through JSON, its derived fields forgotten and computed anew."""
    header = json.loads(json.dumps(_header(run)))
    tasks = {name: load_task(json.loads(json.dumps(dump_task(task)))) for name, task in run.tasks.items()}
    stored = {field: header[field] for field in header if field not in {"parent", "error", "status"}}
    return restore(
        run._replace(
            **stored,
            error=None if header["error"] is None else Error(**header["error"]),
            tasks=tasks,
            ready={},
            running=-1,
            unfinished=-1,
            timers=(),
        )
    )
