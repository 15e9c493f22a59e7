"""Refusals that several kinds of transitions share."""

from engine.draft import Draft
from engine.faults import nearest
from engine.limits import REASON_CHARS
from engine.outcomes import Rejected


def too_wordy(reason: str) -> Rejected:
    """The answer to a reason that is too long."""
    return Rejected("REASON_TOO_LONG", f"a reason of {len(reason):,} characters; at most {REASON_CHARS:,} are kept")


def unknown_task(draft: Draft, name: str) -> Rejected:
    """The answer to what is meant for a task that there isn't."""
    hint = nearest(name, draft.tasks)
    return Rejected("UNKNOWN_TASK", f"{name!r} is not a task of workflow {draft.plan.workflow.name!r}{hint}")
