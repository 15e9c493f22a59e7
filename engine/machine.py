"""The state machine of runs: `start`, `apply` and `ready`. It is the only definition of what is legal.

        propose                      settle
    transition ──► legal? ──yes──► change ──► conclusions, wake_at ──► run at revision + 1, and a journal entry
                     └──no──► Rejected(code, sentence)

Nothing here reads a clock or rolls a die: `at` is the store's Unix time, `luck` a random number in [0, 1).
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeAlias

from engine import controls, delegation, results, signals
from engine.draft import Draft
from engine.faults import Fault, Invalid
from engine.limits import LABELS_BYTES, LimitError, json_size
from engine.outcomes import Applied, Refusal, Touched
from engine.plan import Plan
from engine.references import Scope
from engine.run import JournalEntry, Parent, TaskState, WorkflowRun
from engine.said import said
from engine.settle import consider, reopen, scope_of, settle
from engine.statuses import FINAL_RUN, RunStatus
from engine.transitions import (
    ParentNotified,
    Phase,
    RunCancelled,
    RunFailed,
    RunPaused,
    RunResumed,
    RunRetried,
    RunWoken,
    Signal,
    SignalReceived,
    TaskBypassed,
    TaskClaimed,
    TaskDelegated,
    TaskFailed,
    TaskLost,
    TaskReleased,
    TaskSkipped,
    TaskSucceeded,
    TaskSuspended,
    TaskTimedOut,
    Transition,
)

_NOTHING = Scope({}, lambda _: None, {})
_Rule: TypeAlias = Callable[[Draft, Any, float, float], str | Refusal]

_RULES: dict[type, _Rule] = {
    TaskClaimed: results.claimed,
    TaskSucceeded: results.result,
    TaskFailed: results.result,
    TaskSkipped: results.result,
    TaskTimedOut: results.result,
    TaskSuspended: results.result,
    TaskReleased: results.result,
    TaskLost: results.lost,
    SignalReceived: signals.received,
    TaskDelegated: delegation.delegated,
    TaskBypassed: controls.bypassed,
    RunWoken: controls.woken,
    RunCancelled: controls.cancelled,
    RunPaused: controls.paused,
    RunResumed: controls.resumed,
    RunRetried: controls.retried,
    RunFailed: controls.failed,
    ParentNotified: controls.parent_notified,
}


class Dispatch(NamedTuple):
    """A call that should be made now."""

    run: WorkflowRun
    task: str
    phase: Phase

    @property
    def state(self) -> TaskState:
        """The task's state."""
        return self.run.tasks[self.task]

    @property
    def type(self) -> str:
        """The block type to call."""
        return self.run.plan.tasks[self.task].spec.type

    @property
    def signal(self) -> Signal | None:
        """The signal to process, if that is what the call is for."""
        return self.state.inbox[0] if self.phase == "signal" else None

    def arguments(self) -> Any:
        """The task's arguments, references resolved.

        Raises:
            BadReference: never for a run that `apply` has settled.
        """
        template = self.run.plan.tasks[self.task].arguments
        return template.resolve(_NOTHING if template.constant else scope_of(self.run, self.run.tasks))

    def claim(self, token: str, owner: str) -> TaskClaimed:
        """The claim that must be accepted before the call."""
        state, signal = self.state, self.signal
        return TaskClaimed(
            self.task,
            token,
            owner,
            state.generation,
            state.step,
            state.attempt + 1,
            self.phase,
            None if signal is None else signal.id,
        )


def ready(run: WorkflowRun) -> list[Dispatch]:
    """The calls that should be made now; it needs no clock, since due times are part of the run's state."""
    if run.paused or run.is_final:
        return []
    return [Dispatch(run, task, phase) for task, phase in run.ready.items()]


def start(  # noqa: PLR0913 - what a run is made of
    plan: Plan,
    inputs: Mapping[str, Any],
    *,
    id: str,  # noqa: A002 - the field's name in the document
    at: float,
    luck: float = 0.5,
    requested_by: str | None = None,
    labels: Mapping[str, str] | None = None,
    parent: Parent | None = None,
) -> Applied:
    """A new run, at revision 1, settled; defaults of the inputs are filled in.

    Raises:
        Invalid: the inputs don't fit the workflow's schema, or are too large.
    """
    filled = plan.inputs.with_defaults(dict(inputs))
    faults = plan.inputs.faults(filled, at="inputs")
    size = 0
    try:
        size = json_size(filled)
    except LimitError as error:
        faults.append(Fault("inputs", f"this {error}"))
    labelled = {**plan.workflow.labels, **(labels or {})}
    try:
        json_size(labelled, LABELS_BYTES)
    except LimitError as error:
        faults.append(Fault("labels", f"this {error}"))
    if faults:
        raise Invalid(*faults)
    run = WorkflowRun(
        id=id,
        tenant=plan.workflow.tenant,
        plan=plan,
        inputs=filled,
        labels=labelled,
        requested_by=requested_by,
        parent=parent,
        created_at=at,
        status=RunStatus.PENDING,
        paused=False,
        cancelled=False,
        generation=1,
        revision=0,
        updated_at=at,
        started_at=None,
        finished_at=None,
        outputs=None,
        error=None,
        heal=0,
        wake_at=None,
        deadline=None if plan.timeout is None else at + plan.timeout,
        told=False,
        size=len(plan.source) + size,
        tasks=dict.fromkeys(plan.tasks, TaskState(updated_at=at)),
        ready={},
        running=0,
        unfinished=len(plan.tasks),
        timers=(),
    )
    draft = Draft(run)
    for name in plan.tasks:
        consider(draft, name, None, at)
    settle(draft, at, luck)
    entry = draft.close("RunCreated", None, None, at=at, by=requested_by, status=None)
    return Applied(draft.freeze(), entry)


def restore(run: WorkflowRun) -> WorkflowRun:
    """A run as it was stored, with the fields that follow from the others computed anew."""
    blank = run._replace(
        tasks=dict.fromkeys(run.tasks, TaskState()), ready={}, running=0, unfinished=len(run.tasks), timers=()
    )
    draft = Draft(blank)
    for name, task in run.tasks.items():
        draft.put(name, task)
    if run.status not in FINAL_RUN:
        for name in run.tasks:
            reopen(draft, name)
    draft.size = run.size
    return draft.freeze()


def apply(
    run: WorkflowRun, transition: Transition, *, at: float, luck: float = 0.5, by: str | None = None
) -> Applied | Refusal:
    """The run after a transition, or why it is refused. `by` is who did it, for the journal.

    A `RunWoken` that finds nothing due gives `Touched`, whose run differs in `wake_at` and `heal` alone.
    """
    draft = Draft(run)
    verdict = advance(draft, transition, at=at, luck=luck, by=by)
    if isinstance(verdict, JournalEntry):
        return Applied(draft.freeze(), verdict)
    return Touched(draft.freeze()) if isinstance(verdict, Touched) else verdict


def advance(
    draft: Draft, transition: Transition, *, at: float, luck: float = 0.5, by: str | None = None
) -> JournalEntry | Refusal:
    """As `apply`, on a draft: cheaper for many transitions of one run.

    A rejection or a duplicate leaves no trace in the draft, `Touched` moves its `wake_at`; after an exception the draft
    must be thrown away.
    """
    status, name = draft.status, getattr(transition, "task", None)
    before = draft.tasks.get(name) if name is not None else None
    kind = _RULES[type(transition)](draft, transition, at, luck)
    if not isinstance(kind, str):
        return kind
    draft.heal = 0
    settle(draft, at, luck)
    return draft.close(kind, name, before, at=at, by=by, status=status, detail=said(draft, transition))
