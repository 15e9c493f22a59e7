"""Explaining a run to people: what each unfinished task waits for and since when, and why a run ended as it did.

    explain(run, at, types, journal) ──► one Explanation for the run if it is paused or has ended,
                                         and one for each task that neither runs nor has ended

A sentence names no times: `since` and `until` have them, for whoever shows it to say in their own way.
"""

from collections.abc import Callable, Container, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeAlias

from engine.asked import counted, is_restricted, people_asked
from engine.depends import And, Expression, Or, blocking, evaluate, text
from engine.run import JournalEntry, TaskState, WorkflowRun
from engine.settle import at_fault
from engine.statuses import RunStatus, TaskStatus
from engine.transitions import Wants

Kind: TypeAlias = Literal[
    "ended", "paused", "tasks", "people", "signal", "timer", "retry", "lost", "unknown_type", "engine"
]

_NAMES_SHOWN = 6
_CLAUSES_SHOWN = 160  # characters


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a task (None: the run as a whole) waits for, in a sentence and as data. Times are Unix seconds.

    `kind` says what has to happen: other `tasks` have to end, `people` to decide, a `signal` (from anybody), a moment
    (`timer`, `retry`: the end of a back-off) or an `engine` to come; `lost` is an engine that died during the call,
    `unknown_type` one that doesn't know the block type. `tasks`, `people` and `groups` are those it waits for, of which
    any member may decide; `on_behalf` has pairs: who stands in, for whom; `barred` are asked, but may not decide. Of a
    run that has ended, `tasks` are those that failed it, or its exit points that succeeded.
    """

    task: str | None
    kind: Kind
    sentence: str
    since: float | None = None
    until: float | None = None
    tasks: tuple[str, ...] = ()
    people: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    on_behalf: tuple[tuple[str, str], ...] = ()
    barred: tuple[str, ...] = ()

    def document(self) -> dict[str, Any]:
        """The JSON form, without what is empty; `on_behalf` is an object: who stands in, for whom."""
        document = {field: value for field, value in asdict(self).items() if value not in (None, ())}
        if self.on_behalf:
            document["on_behalf"] = dict(self.on_behalf)
        return document


def explain(
    run: WorkflowRun, at: float, types: Container[str] | None = None, journal: Sequence[JournalEntry] = ()
) -> list[Explanation]:
    """What a run waits for at the moment `at`.

    `types` are the block types that there are (None: not known), `journal` tells who paused, cancelled or retried the
    run, and why.
    """
    if run.is_final:
        return [_ended(run, journal)]
    found = [_paused(journal)] if run.paused else []
    found += (
        _task(run, name, task, at, types)
        for name, task in run.tasks.items()
        if task.status is TaskStatus.PENDING or task.status is TaskStatus.WAITING
    )
    return found


def why_omitted(run: WorkflowRun, name: str) -> str:
    """Which part of its `depends` became false; nothing for a task that isn't OMITTED."""
    task, depends = run.tasks[name], run.plan.tasks[name].depends
    if task.status is not TaskStatus.OMITTED or depends is None:
        return ""
    status = _statuses(run)
    false = next((clause for clause in _clauses(depends) if evaluate(clause, status) is False), depends)
    return f"{_shortened(text(false))} is false"


def why_skipped(run: WorkflowRun, name: str, journal: Sequence[JournalEntry]) -> str:
    """Who skipped a task by hand, and why; nothing for a task that wasn't."""
    if run.tasks[name].status is not TaskStatus.SKIPPED:
        return ""
    entry = next((entry for entry in reversed(journal) if name in entry.tasks), None)
    if entry is None or (entry.type != "TaskBypassed" and name not in _skipped(entry)):
        return ""
    return f"skipped by hand{_said(entry)}"


def _ended(run: WorkflowRun, journal: Sequence[JournalEntry]) -> Explanation:
    retried = next((entry for entry in reversed(journal) if entry.type == "RunRetried"), None)
    without = ""
    if retried is not None and _skipped(retried):
        without = f"; it was retried without {_listed(_skipped(retried))}{_said(retried)}"
    if run.status is RunStatus.CANCELLED:
        who = _who(journal, "RunCancelled")
        return Explanation(None, "ended", f"the run was cancelled{who}{without}", since=run.finished_at)
    if run.error is not None:
        code, message = run.error
        told = message if code in message else f"{code}: {message}"
        culprits = tuple(name for name in at_fault(run.plan, run.tasks) if run.tasks[name].error is not None)
        return Explanation(None, "ended", f"{told}{without}", since=run.finished_at, tasks=culprits)
    exits = tuple(name for name in run.plan.workflow.dag.exitpoints if run.tasks[name].status is TaskStatus.SUCCESS)
    reached = f"exit point{'s' * (len(exits) != 1)} {_listed(exits)} succeeded, and nothing failed unhandled{without}"
    return Explanation(None, "ended", reached, since=run.finished_at, tasks=exits)


def _paused(journal: Sequence[JournalEntry]) -> Explanation:
    since = next((entry.at for entry in reversed(journal) if entry.type == "RunPaused"), None)
    sentence = f"the run was paused{_who(journal, 'RunPaused')}; nothing new begins until it is resumed"
    return Explanation(None, "paused", sentence, since=since)


def _who(journal: Sequence[JournalEntry], kind: str) -> str:
    """` by` the last one who did this, and why."""
    last = next((entry for entry in reversed(journal) if entry.type == kind), None)
    return "" if last is None else _said(last)


def _said(entry: JournalEntry) -> str:
    """` by ada: wrong dataset`, as far as it is known."""
    reason = (entry.detail or {}).get("reason")
    return (f" by {entry.by}" if entry.by is not None else "") + (f": {reason}" if reason else "")


def _skipped(entry: JournalEntry) -> Sequence[str]:
    """The tasks that a retry left out."""
    return (entry.detail or {}).get("skip") or ()


def _task(run: WorkflowRun, name: str, task: TaskState, at: float, types: Container[str] | None) -> Explanation:
    if name in run.ready:
        return _ready(run, name, task, types)
    if task.not_before is not None:
        return _backing_off(run, name, task, at)
    if task.status is TaskStatus.PENDING:
        return _blocked(run, name)
    asked = task.started_at
    if task.wants is None:
        sentence = "waits until its time has come"
        if task.until is not None and task.until <= at:
            sentence = "its time has come; waits for an engine to notice"
        return Explanation(name, "timer", sentence, since=asked, until=task.until)
    if not is_restricted(task.wants):
        return Explanation(name, "signal", "waits for a signal, from anybody", since=asked, until=task.until)
    return _asking(run, name, task, task.wants)


def _asking(run: WorkflowRun, name: str, task: TaskState, wants: Wants) -> Explanation:
    """A task that waits for people, members of groups, and those who stand in for others."""
    people = people_asked(task)
    barred = tuple(person for person in wants.senders or () if person in wants.barred)
    own = barred == (run.requested_by,)
    ruled_out = f"; {_listed(barred)} may not{', having asked for it' if own else ''}" if barred else ""
    return Explanation(
        name,
        "people",
        _wanted(task, wants, people) + ruled_out,
        since=task.started_at,
        until=task.until,
        people=people,
        groups=wants.groups or (),
        on_behalf=tuple(pair for pair in task.delegated if pair[0] in people),
        barred=barred,
    )


def _wanted(task: TaskState, wants: Wants, people: Sequence[str]) -> str:
    """What is wanted of the people who haven't sent a signal yet."""
    whom = dict(task.delegated)
    named = [f"{person} (for {whom[person]})" if person in whom else person for person in people]
    one_of = _listed([*named, *(f"a member of group {group}" for group in wants.groups or ())], "or")
    if not one_of:
        return "waits, though nobody may decide now"
    closes = wants.closes
    if closes is None or "approve" not in closes:
        return f"waits for a signal from {one_of}"
    approvals = sum(one.decision == "approve" for one in counted(task))
    missing = max(closes["approve"] - approvals, 0)
    if closes["approve"] == 1:
        return f"waits for {one_of} to decide"
    return f"waits for {missing} more of {closes['approve']} approvals, by {one_of}"


def _ready(run: WorkflowRun, name: str, task: TaskState, types: Container[str] | None) -> Explanation:
    """A task that would be called now, if anybody could."""
    ends = [run.tasks[other].finished_at or 0.0 for other in run.plan.tasks[name].upstream]
    since = max(task.updated_at, *ends, 0.0)
    kind = run.plan.tasks[name].spec.type
    if run.paused:
        return Explanation(name, "paused", "is ready, but the run is paused", since=since)
    if types is not None and kind not in types:
        sentence = f"is ready, but block type {kind} is not installed here"
        return Explanation(name, "unknown_type", sentence, since=since)
    if task.lost:
        times = "once" if task.lost == 1 else f"{task.lost} times in a row"
        return Explanation(
            name, "lost", f"the engine died {times} during the call; waits to be called again", since=since
        )
    what = {"main": "is ready", "signal": "has a signal to process", "wake": "its time has come"}[run.ready[name]]
    sentence = f"{what}; waits for an engine with a free place for {kind}"
    return Explanation(name, "engine", sentence, since=since)


def _backing_off(run: WorkflowRun, name: str, task: TaskState, at: float) -> Explanation:
    attempts = run.plan.tasks[name].backoff.max_attempts
    error = f": {task.error.code}: {task.error.message}" if task.error is not None else ""
    sentence = f"attempt {task.attempt} of {attempts} failed, the next one follows after a pause{error}"
    if task.not_before is not None and task.not_before <= at:
        sentence = f"attempt {task.attempt} of {attempts} failed, the next one is due{error}"
    return Explanation(name, "retry", sentence, since=task.updated_at, until=task.not_before)


def _blocked(run: WorkflowRun, name: str) -> Explanation:
    """A task whose gate is neither open nor shut: other tasks have to end first."""
    planned, status = run.plan.tasks[name], _statuses(run)
    clauses = _clauses(planned.depends)
    unknown = [clause for clause in clauses if evaluate(clause, status) is None]
    tasks = tuple(dict.fromkeys(atom.task for clause in unknown for atom in blocking(clause, status)))
    referred = [atom.task for clause in planned.gate[len(clauses) :] for atom in blocking(clause, status)]
    used = tuple(other for other in referred if other not in tasks)
    sentences = []
    if unknown:
        unmet = " && ".join(
            f"({text(one)})" if len(unknown) > 1 and isinstance(one, Or) else text(one) for one in unknown
        )
        sentences.append(f"for {_shortened(unmet)}")
    if used:
        sentences.append(f"for {_listed(used)} to end, since it refers to {'it' if len(used) == 1 else 'them'}")
    sentence = f"waits {', and '.join(sentences)}"
    return Explanation(name, "tasks", sentence, since=run.tasks[name].updated_at, tasks=(*tasks, *used))


def _clauses(depends: Expression | None) -> tuple[Expression, ...]:
    """What must all be true of a `depends`."""
    return () if depends is None else depends.operands if isinstance(depends, And) else (depends,)


def _statuses(run: WorkflowRun) -> Callable[[str], TaskStatus]:
    return lambda name: run.tasks[name].status


def _listed(names: Sequence[str], word: str = "and") -> str:
    """`a, b and c`, and no more of them than a sentence bears."""
    shown = list(names[:_NAMES_SHOWN])
    if len(names) > _NAMES_SHOWN:
        shown.append(f"{len(names) - _NAMES_SHOWN} more")
    return f" {word} ".join(filter(None, (", ".join(shown[:-1]), *shown[-1:])))


def _shortened(expression: str) -> str:
    return expression if len(expression) <= _CLAUSES_SHOWN else f"{expression[: _CLAUSES_SHOWN - 1]}…"
