"""What the journal keeps of what people said: their reasons, decisions and comments."""

from typing import Any

from engine.draft import Draft
from engine.limits import REASON_CHARS
from engine.transitions import (
    BY_PEOPLE,
    RunCancelled,
    RunPaused,
    RunResumed,
    RunRetried,
    SignalReceived,
    TaskBypassed,
    TaskDelegated,
    Transition,
)


def said(draft: Draft, transition: Transition) -> dict[str, Any] | None:
    """The `detail` of the journal entry of a transition that has just been applied; None if nobody said anything."""
    if type(transition) not in BY_PEOPLE:  # most are not, and to match them one by one takes a while
        return None
    words: dict[str, Any]
    match transition:
        case SignalReceived(task, signal):
            data = signal.data if isinstance(signal.data, dict) else {}
            comment = data.get("comment")
            accepted = draft.tasks[task].accepted[-1]
            words = {
                "decision": accepted.decision,
                "comment": comment[:REASON_CHARS] if isinstance(comment, str) else None,
                "on_behalf": accepted.on_behalf,
            }
        case TaskDelegated(_, _, sender, to, reason):
            words = {"from": sender, "to": to, "reason": reason}
        case RunRetried(_, reason, skip):
            words = {"reason": reason, "skip": list(skip)}
        case RunCancelled(reason) | RunPaused(reason) | RunResumed(reason) | TaskBypassed(_, _, reason):
            words = {"reason": reason}
        case _:
            return None
    return {field: word for field, word in words.items() if word} or None
