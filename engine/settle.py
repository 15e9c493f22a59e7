"""Settling: whatever follows from a change with no outside help becomes part of the same new document.

A task whose `depends` became false is omitted, one whose `when` is false skipped, one whose arguments can't be resolved
fails; when every task is final the run ends. Then the run's status and `wake_at` are computed anew. All of this depends
on final statuses alone, and those never change, so the order of results can't matter.
"""

from collections.abc import Mapping
from typing import Any

from engine.conditions import ConditionError, judge
from engine.depends import evaluate
from engine.draft import Draft
from engine.plan import Plan, PlannedTask
from engine.references import TASK_FIELDS, BadReference, Scope
from engine.run import TaskState, WorkflowRun
from engine.statuses import FINAL_RUN, RunStatus, TaskStatus
from engine.transitions import Error

HEAL_SECONDS = 30.0
HEAL_DOUBLINGS = 5
_NAMED = 10
_FAILURES = frozenset({TaskStatus.FAILED, TaskStatus.TIMED_OUT, TaskStatus.CANCELLED})


def settle(draft: Draft, at: float, luck: float) -> None:
    """Draw every conclusion, then say when somebody must look at the run again. `luck` is a random number in [0, 1)."""
    while draft.finals:
        ended = draft.finals.pop()
        for name in draft.plan.dependents[ended]:
            consider(draft, name, ended, at)
    if draft.status not in FINAL_RUN:
        if draft.unfinished == 0:
            _conclude(draft, at)
        else:
            draft.status = _status(draft)
    draft.wake_at = _wake_at(draft, at, luck)


def consider(draft: Draft, name: str, ended: str | None, at: float) -> None:
    """Start, skip or omit a pending task, now that `ended` is final (None: look at all that it waits for)."""
    task = draft.tasks[name]
    if task.status is not TaskStatus.PENDING or name in draft.ready or task.not_before is not None:
        return
    planned = draft.plan.tasks[name]
    verdict = _gate(draft, planned, ended)
    if verdict is None:
        return
    if verdict is False:
        draft.put(name, task._replace(status=TaskStatus.OMITTED, updated_at=at, finished_at=at))
        return
    fault = _objection(draft, planned)
    if fault is None:
        draft.ready[name] = "main"
    elif isinstance(fault, Error):
        failed = task._replace(status=TaskStatus.FAILED, error=fault, updated_at=at, started_at=at, finished_at=at)
        draft.put(name, failed)
    else:
        outputs = {"reason": fault}
        draft.put(name, task._replace(status=TaskStatus.SKIPPED, outputs=outputs, updated_at=at, finished_at=at))


def reopen(draft: Draft, name: str) -> None:
    """Find a stored pending task ready again; its `when` and its arguments were judged when its gate opened."""
    task = draft.tasks[name]
    if task.status is TaskStatus.PENDING and task.not_before is None and _gate(draft, draft.plan.tasks[name], None):
        draft.ready[name] = "main"


def _gate(draft: Draft, planned: PlannedTask, ended: str | None) -> bool | None:
    """Whether all clauses of the gate are true.

    They are read from the last to the first: tasks tend to end in their order, so the first look finds one that is
    still unknown, however many there are.
    """
    tasks = draft.tasks

    def status(name: str) -> TaskStatus:
        return tasks[name].status

    for clause in planned.gate if ended is None else planned.mentions[ended]:
        if evaluate(clause, status) is False:
            return False
    for clause in reversed(planned.gate):
        verdict = evaluate(clause, status)
        if verdict is not True:
            return verdict
    return True


def _objection(draft: Draft, planned: PlannedTask) -> Error | str | None:
    """Why a task whose gate is open isn't called: an error, or the reason to skip it."""
    if planned.arguments.constant and not planned.when:
        return None
    scope = scope_of(draft.run, draft.tasks)
    try:
        for number, condition in enumerate(planned.when):
            left, right = condition.left.resolve(scope), condition.right.resolve(scope)
            if not judge(left, condition.operator, right):
                return f"when[{number}] is false"
        planned.arguments.resolve(scope)
    except BadReference as error:
        return Error("BAD_REFERENCE", str(error))
    except ConditionError as error:
        return Error("BAD_CONDITION", str(error))
    return None


def scope_of(run: WorkflowRun, tasks: Mapping[str, TaskState]) -> Scope:
    """What references of this run may read."""

    def task(name: str) -> dict[str, Any] | None:
        state = tasks.get(name)
        if state is None:
            return None
        fields = {field: getattr(state, field) for field in TASK_FIELDS}
        fields["error"] = None if state.error is None else state.error._asdict()
        return fields

    workflow = run.plan.workflow
    fields = {
        "id": run.id,
        "workflow": workflow.name,
        "version": workflow.version,
        "tenant": run.tenant,
        "labels": run.labels,
        "requested_by": run.requested_by,
        "parent": None if run.parent is None else run.parent._asdict(),
        "generation": run.generation,
        "created_at": run.created_at,
    }
    return Scope(run.inputs, task, fields)


def _status(draft: Draft) -> RunStatus:
    if draft.paused:
        return RunStatus.PAUSED
    if draft.running or draft.ready:
        return RunStatus.PENDING if draft.started_at is None else RunStatus.RUNNING
    return RunStatus.WAITING


def _conclude(draft: Draft, at: float) -> None:
    """Every task is final: end the run."""
    if draft.error is None and not draft.cancelled:
        draft.error = _failure(draft)
    if draft.plan.workflow.outputs:
        draft.outputs, fault = _outputs(draft)
        if draft.error is None and not draft.cancelled:
            draft.error = fault
    draft.status = RunStatus.CANCELLED if draft.cancelled else RunStatus.FAILED if draft.error else RunStatus.SUCCESS
    draft.finished_at = at


def _failure(draft: Draft) -> Error | None:
    """Why the run as a whole failed, if it did."""
    exits = dict.fromkeys(draft.plan.workflow.dag.exitpoints)
    failed = _failed(draft.plan, draft.tasks)
    culprits = at_fault(draft.plan, draft.tasks)
    if culprits:
        first = draft.tasks[culprits[0]]
        code = first.error.code if first.error is not None else str(first.status)
        reasons = _some([_reason(name, draft.tasks[name]) for name in culprits])
        return Error(code if len(culprits) == 1 else "TASKS_FAILED", reasons)
    if any(draft.tasks[name].status is TaskStatus.SUCCESS for name in exits):
        return None
    missed = "no exit point succeeded: " + _some([f"{name} {draft.tasks[name].status}" for name in exits], ", ")
    if not failed:
        return Error("NO_EXIT_REACHED", f"nothing failed, but {missed}")
    causes = _some([_reason(name, draft.tasks[name], pardon) for name, pardon in failed.items()])
    return Error("NO_EXIT_REACHED", f"{missed}; {causes}")


def at_fault(plan: Plan, tasks: Mapping[str, TaskState]) -> list[str]:
    """The tasks whose failure is one of the run: nothing handles or allows it, or they are exit points."""
    exits = frozenset(plan.workflow.dag.exitpoints)
    return [name for name, pardon in _failed(plan, tasks).items() if not pardon or name in exits]


def _failed(plan: Plan, tasks: Mapping[str, TaskState]) -> dict[str, str]:
    """The tasks that failed, and why that is no failure of the run; nothing if it is one."""
    return {name: _pardon(plan, tasks, name) for name, task in tasks.items() if task.status in _FAILURES}


def _pardon(plan: Plan, tasks: Mapping[str, TaskState], name: str) -> str:
    handlers = [other for other in plan.handlers[name] if tasks[other].started_at is not None]
    if handlers:
        return f"handled by {_some(handlers, ', ')}"
    return "allowed" if plan.tasks[name].spec.allow_failure else ""


def _reason(name: str, task: TaskState, *remarks: str) -> str:
    error = [f"{task.error.code}: {task.error.message[:200]}"] if task.error else []
    said = "; ".join([*error, *remarks])
    return f"{name} {task.status}" + (f" ({said})" if said else "")


def _some(names: list[str], separator: str = "; ") -> str:
    """As many as a sentence bears."""
    more = [f"and {len(names) - _NAMED} more"] if len(names) > _NAMED else []
    return separator.join(names[:_NAMED] + more)


def _outputs(draft: Draft) -> tuple[Any, Error | None]:
    try:
        return draft.plan.outputs.resolve(scope_of(draft.run, draft.tasks)), None
    except BadReference as error:
        return None, Error("BAD_REFERENCE", f"outputs.{error}")


def _wake_at(draft: Draft, at: float, luck: float) -> float | None:
    """When somebody must look at the run again; a function of the document alone, never of the old value."""
    heal = at + HEAL_SECONDS * 2 ** min(draft.heal, HEAL_DOUBLINGS) * (1.0 + 0.1 * luck)
    if draft.status in FINAL_RUN:
        return None if draft.run.parent is None or draft.told else heal
    if draft.paused:
        return heal if draft.running else None
    moments = [heal] if draft.running or draft.ready else []
    if draft.timers:
        moments.append(draft.timers[0][0])
    if draft.deadline is not None:
        moments.append(draft.deadline)
    return min(moments, default=None)
