"""Delegation: somebody who was asked hands a task over to another person, who then decides in his place."""

from engine.asked import counted, is_restricted
from engine.draft import Draft
from engine.limits import DELEGATIONS, ID_CHARS, REASON_CHARS
from engine.outcomes import DUPLICATE, Refusal, Rejected
from engine.refusals import too_wordy, unknown_task
from engine.run import TaskState
from engine.signals import barred, spoken, untimely
from engine.transitions import TaskDelegated, Wants


def delegated(draft: Draft, transition: TaskDelegated, at: float, luck: float) -> str | Refusal:  # noqa: ARG001
    """Somebody who was asked hands the task over to another person."""
    name, generation, sender, to, _, groups = transition
    task = draft.tasks.get(name)
    if task is None:
        return unknown_task(draft, name)
    if (to, sender) in task.delegated:
        return DUPLICATE
    refusal = untimely(draft, name, task, generation) or _undelegable(task, transition)
    if refusal is not None:
        return refusal
    speaks = spoken(draft, name, sender, groups)
    if isinstance(speaks, Rejected):
        return speaks
    refusal = _unfit(draft, task, transition)
    if refusal is not None:
        return refusal
    others = tuple(pair for pair in task.delegated if pair[1] != speaks.person)
    draft.put(name, task._replace(delegated=(*others, (to, speaks.person))))
    return "TaskDelegated"


def _undelegable(task: TaskState, transition: TaskDelegated) -> Rejected | None:
    """Why the task can't be handed over at all."""
    if len(transition.reason) > REASON_CHARS:
        return too_wordy(transition.reason)
    if not is_restricted(task.wants or Wants()):
        sentence = f"{transition.task!r} takes a signal from anybody: there is nothing to hand over"
        return Rejected("NOT_DELEGABLE", sentence)
    return None


def _unfit(draft: Draft, task: TaskState, transition: TaskDelegated) -> Rejected | None:
    """Why the task can't be handed over to this person."""
    wants, name, to = task.wants or Wants(), transition.task, transition.to
    has_a_say = to in (wants.senders or ()) or any(to in pair for pair in task.delegated)
    faults = (
        (not 0 < len(to) <= ID_CHARS, f"the name of a person has 1 to {ID_CHARS} characters"),
        (to in wants.barred, barred(draft, name, to).reason),
        (any(to in (one.sender, one.voice) for one in counted(task)), f"{to!r} has already decided on {name!r}"),
        (to == transition.sender, f"{to!r} can't stand in for himself"),
        (has_a_say, f"{to!r} has a say in {name!r} already"),
        (len(task.delegated) >= DELEGATIONS, f"{name!r} has been handed over {DELEGATIONS} times"),
    )
    fault = next((sentence for holds, sentence in faults if holds), None)
    return None if fault is None else Rejected("BAD_DELEGATE", f"{fault}: hand it over to somebody else")
