"""Signals: decisions of people, callbacks and the ends of child runs, accepted into a task's inbox.

They are processed one at a time by the block. Whether one is accepted is decided here, from what the waiting task said
that it wants; an accepted one is never lost, not even to an expiry.
"""

from collections.abc import Sequence
from typing import Any

from engine.asked import Voice, counted, is_answered, is_restricted, people_asked, voice
from engine.draft import Draft
from engine.limits import ID_CHARS, RUN_BYTES, RUN_RESERVE, LimitError, json_size
from engine.outcomes import DUPLICATE, Refusal, Rejected
from engine.refusals import unknown_task
from engine.run import Accepted, TaskState
from engine.schemas import compile_schema
from engine.statuses import FINAL_RUN, FINAL_TASK, TaskStatus
from engine.transitions import Signal, SignalKind, SignalReceived, Wants


def received(draft: Draft, transition: SignalReceived, at: float, luck: float) -> str | Refusal:  # noqa: ARG001
    """Somebody sent a signal to a task."""
    name, signal = transition
    task = draft.tasks.get(name)
    if task is None:
        return unknown_task(draft, name)
    known = next((one for one in task.accepted if one.id == signal.id), None)
    if known is not None and known.sender == signal.sender:
        return DUPLICATE
    speaks: Voice | Rejected | None = untimely(draft, name, task, signal.generation, signal.kind)
    if max(len(signal.id), len(signal.sender or "")) > ID_CHARS:
        speaks = Rejected("BAD_SIGNAL", f"a signal's id and its sender's name have at most {ID_CHARS} characters")
    if speaks is None and task.wants is not None and signal.kind == "person":
        speaks = _unwanted(draft, name, task, signal)
    if isinstance(speaks, Rejected):
        return speaks
    if known is not None:  # it must not be taken for what the other one sent
        return Rejected("SIGNAL_ID_TAKEN", f"somebody else sent {name!r} a signal of the same id: choose another id")
    on_behalf = None if speaks is None else speaks.on_behalf
    refusal = _oversized(draft, signal)
    if refusal is not None:
        return refusal
    draft.put(
        name,
        task._replace(
            inbox=(*task.inbox, signal._replace(at=at, groups=(), on_behalf=on_behalf)),
            accepted=(*task.accepted, Accepted(signal.id, signal.sender, _decision(signal.data), on_behalf)),
        ),
    )
    return "SignalReceived"


def _oversized(draft: Draft, signal: Signal) -> Rejected | None:
    try:
        size = json_size(signal.data)
    except LimitError as error:
        return Rejected("BAD_SIGNAL", f"data: this {error}")
    if draft.size + size > RUN_BYTES - (0 if signal.kind == "child" else RUN_RESERVE):
        return Rejected("RUN_FULL", f"the run's document has reached its limit of {RUN_BYTES:,} bytes")
    return None


def untimely(draft: Draft, name: str, task: TaskState, generation: int, kind: SignalKind = "person") -> Rejected | None:
    """Why nothing can be sent to a task, whoever sends it."""
    if generation != task.generation:
        return Rejected("STALE_SIGNAL", f"this is for an earlier try of {name!r}; the run has been retried since")
    if task.status in FINAL_TASK:
        code = "ALREADY_DECIDED" if task.accepted else "TASK_FINAL"
        return Rejected(code, f"{name!r} has already ended: {task.status}{_by(task)}")
    if draft.status in FINAL_RUN:
        return Rejected("RUN_FINAL", f"the run has already ended: {draft.status}")
    if task.wants is None and kind == "person":  # a child or a callback may come before its task waits for it
        doing = "has not begun" if task.status is TaskStatus.PENDING else f"is {task.status}"
        return Rejected("NOT_WAITING", f"{name!r} {doing}; it waits for no signal now")
    return None


def _unwanted(draft: Draft, name: str, task: TaskState, signal: Signal) -> Voice | Rejected | None:
    """As whom the sender speaks (None: as anybody), or why nothing is taken."""
    wants = task.wants or Wants()
    speaks = None
    if is_restricted(wants) or signal.sender in wants.barred:
        speaks = spoken(draft, name, signal.sender, signal.groups)
        if isinstance(speaks, Rejected):
            return speaks
    if is_answered(task, wants):
        return answered(name, task)
    if wants.schema is not None:
        faults = compile_schema(wants.schema).faults(signal.data, at="data")
        if faults:
            return Rejected("BAD_SIGNAL", "; ".join(f"{fault.path}: {fault.message}" for fault in faults))
    return speaks


def answered(name: str, task: TaskState) -> Rejected:
    """The task has been given its answer."""
    is_panel = task.wants is not None and task.wants.closes is not None
    return Rejected(
        "ALREADY_DECIDED", f"{name!r} {'is already decided' if is_panel else 'has already got its signal'}{_by(task)}"
    )


def spoken(draft: Draft, name: str, sender: str | None, groups: Sequence[str]) -> Voice | Rejected:
    """As whom somebody speaks, who hasn't decided yet; or why he may not."""
    task = draft.tasks[name]
    wants = task.wants or Wants()
    if sender in wants.barred:
        return barred(draft, name, sender)
    speaks = None if sender is None else voice(task, wants, sender, groups)
    if speaks is None:
        return Rejected("NOT_ALLOWED", _not_allowed(name, task, wants, sender))
    if any(speaks.person in (one.sender, one.voice) or one.sender == sender for one in counted(task)):
        return Rejected("ALREADY_DECIDED", f"{speaks.person!r} has already decided on {name!r}")
    return speaks


def barred(draft: Draft, name: str, person: str | None) -> Rejected:
    """Why somebody never may: it is his own request, or he has had his say already."""
    if any(person in (one.sender, one.voice) for one in draft.tasks[name].accepted):
        return Rejected("ALREADY_DECIDED", f"{person!r} has already decided on {name!r}")
    own = ": it is his own request" if person == draft.run.requested_by else ""
    return Rejected("NOT_ALLOWED", f"{person!r} may not decide on {name!r}{own}")


def _not_allowed(name: str, task: TaskState, wants: Wants, sender: str | None) -> str:
    instead = next((to for to, whom in task.delegated if whom == sender), None)
    if instead is not None:
        return f"{sender!r} has handed {name!r} over to {instead!r}"
    who = "an unnamed person" if sender is None else repr(sender)
    allowed = [*people_asked(task)[:10], *(f"group {group}" for group in wants.groups or ())]
    return f"{who} may not send this to {name!r}; it waits for: {', '.join(allowed)}"


def _decision(data: Any) -> str | None:
    decision = data.get("decision") if isinstance(data, dict) else None
    return decision if isinstance(decision, str) and len(decision) <= ID_CHARS else None


def _by(task: TaskState) -> str:
    senders = [one.sender for one in task.accepted if one.sender is not None]
    return f", by {', '.join(senders)}" if senders else ""
