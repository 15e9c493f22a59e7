"""Signals: decisions of people, callbacks and the ends of child runs, accepted into a task's inbox.

They are processed one at a time by the block. Whether one is accepted is decided here, from what the waiting task said
that it wants; an accepted one is never lost, not even to an expiry.
"""

from typing import Any

from engine.draft import Draft
from engine.faults import nearest
from engine.limits import ID_CHARS, RUN_BYTES, RUN_RESERVE, LimitError, json_size
from engine.outcomes import DUPLICATE, Refusal, Rejected
from engine.run import Accepted, TaskState
from engine.schemas import compile_schema
from engine.statuses import FINAL_RUN, FINAL_TASK, TaskStatus
from engine.transitions import Signal, SignalReceived, Wants


def received(draft: Draft, transition: SignalReceived, at: float, luck: float) -> str | Refusal:  # noqa: ARG001
    """Somebody sent a signal to a task."""
    name, signal = transition
    task = draft.tasks.get(name)
    if task is None:
        hint = nearest(name, draft.tasks)
        return Rejected("UNKNOWN_TASK", f"{name!r} is not a task of workflow {draft.plan.workflow.name!r}{hint}")
    if any(one.id == signal.id for one in task.accepted):
        return DUPLICATE
    refusal = _untimely(draft, name, task, signal)
    if refusal is None and task.wants is not None and signal.kind == "person":
        refusal = _unwanted(name, task, task.wants, signal)
    if refusal is not None:
        return refusal
    try:
        size = json_size(signal.data)
    except LimitError as error:
        return Rejected("BAD_SIGNAL", f"data: this {error}")
    if draft.size + size > RUN_BYTES - (0 if signal.kind == "child" else RUN_RESERVE):
        return Rejected("RUN_FULL", f"the run's document has reached its limit of {RUN_BYTES:,} bytes")
    draft.put(
        name,
        task._replace(
            inbox=(*task.inbox, signal._replace(at=at)),
            accepted=(*task.accepted, Accepted(signal.id, signal.sender, _decision(signal.data))),
        ),
    )
    return "SignalReceived"


def _untimely(draft: Draft, name: str, task: TaskState, signal: Signal) -> Rejected | None:
    if max(len(signal.id), len(signal.sender or "")) > ID_CHARS:
        return Rejected("BAD_SIGNAL", f"a signal's id and the name of its sender have at most {ID_CHARS} characters")
    if signal.generation != task.generation:
        return Rejected("STALE_SIGNAL", f"this is for an earlier try of {name!r}; the run has been retried since")
    if task.status in FINAL_TASK:
        code = "ALREADY_DECIDED" if task.accepted else "TASK_FINAL"
        return Rejected(code, f"{name!r} has already ended: {task.status}{_by(task)}")
    if draft.status in FINAL_RUN:
        return Rejected("RUN_FINAL", f"the run has already ended: {draft.status}")
    if task.wants is None and signal.kind == "person":  # a child or a callback may come before its task waits for it
        doing = "has not begun" if task.status is TaskStatus.PENDING else f"is {task.status}"
        return Rejected("NOT_WAITING", f"{name!r} {doing}; it waits for no signal now")
    return None


def _unwanted(name: str, task: TaskState, wants: Wants, signal: Signal) -> Rejected | None:
    counted = task.accepted[task.counted :]
    if wants.senders is not None:
        if signal.sender not in wants.senders:
            who = "an unnamed person" if signal.sender is None else repr(signal.sender)
            allowed = ", ".join(wants.senders[:10])
            return Rejected("NOT_ALLOWED", f"{who} may not send this to {name!r}; it waits for: {allowed}")
        if any(one.sender == signal.sender for one in counted):
            return Rejected("ALREADY_DECIDED", f"{signal.sender!r} has already decided on {name!r}")
    if wants.closes is None:
        if task.inbox:
            return Rejected("ALREADY_DECIDED", f"{name!r} has already got its signal{_by(task)}")
    else:
        for decision, enough in wants.closes.items():
            if sum(decision in ("*", one.decision) for one in counted) >= enough:
                return Rejected("ALREADY_DECIDED", f"{name!r} is already decided{_by(task)}")
    if wants.schema is not None:
        faults = compile_schema(wants.schema).faults(signal.data, at="data")
        if faults:
            return Rejected("BAD_SIGNAL", "; ".join(f"{fault.path}: {fault.message}" for fault in faults))
    return None


def _decision(data: Any) -> str | None:
    decision = data.get("decision") if isinstance(data, dict) else None
    return decision if isinstance(decision, str) else None


def _by(task: TaskState) -> str:
    senders = [one.sender for one in task.accepted if one.sender is not None]
    return f", by {', '.join(senders)}" if senders else ""
