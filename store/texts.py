"""How the parts of runs stand in every store: as JSON text.

A store's own types end where users' values begin: what they wrote comes back as they wrote it, whichever store it was
in, and a person can read it there.
"""

from typing import Any, Final

import orjson

from engine.asked import asked_by
from engine.limits import PAYLOAD_BYTES
from engine.run import JournalEntry, load_task
from engine.statuses import RunStatus, TaskStatus
from engine.transitions import Error, Transition, dump_transition

_EVENT_CHARS: Final = 2 * PAYLOAD_BYTES
_ERROR_CHARS: Final = 500


UNREADABLE: Final = (ValueError, TypeError, KeyError, AttributeError)
"""What reading a text may raise that no version of this program wrote."""


def dumps(value: object) -> str:
    """Compact JSON; the named tuples of the engine are arrays in it.

    Raises:
        TypeError: it holds something that JSON can't say.
    """
    return orjson.dumps(value, default=_array).decode()


def canonical(value: object) -> bytes:
    """JSON in which equal values have equal texts: 1, true and "1" are three of them.

    Raises:
        TypeError: it holds something that JSON can't say.
    """
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS, default=_array)


def _array(value: object) -> list[Any]:
    if isinstance(value, tuple):
        return list(value)
    raise TypeError(f"a {type(value).__name__} is not JSON")


def text(value: object) -> str | None:
    """Compact JSON, or None of None."""
    return None if value is None else dumps(value)


def read_error(told: str | None) -> Error | None:
    """The error that stands in this text."""
    return None if told is None else Error(*orjson.loads(told))


def asked_in(task: str) -> list[str]:
    """Whom a task of a live run asks, as `engine.asked` has it; nobody if what stands of the task makes no sense."""
    try:
        return sorted(asked_by(load_task(orjson.loads(task))))
    except UNREADABLE:
        return []


def entry_text(entry: JournalEntry) -> str:
    """A journal entry without its revision, time and seal."""
    told = (entry.type, entry.task, entry.attempt, entry.by, entry.tasks, entry.status)
    return dumps(told if entry.detail is None else (*told, entry.detail))


def read_entry(revision: int, at: float, told: str, seal: str | None = None) -> JournalEntry:
    """The journal entry that stands in this text.

    Raises:
        ValueError, TypeError, KeyError, AttributeError: it isn't one.
    """
    kind, task, attempt, by, tasks, status, *said = orjson.loads(told)
    effects = {name: TaskStatus(effect) for name, effect in tasks.items()}
    status = None if status is None else RunStatus(status)
    return JournalEntry(revision, at, kind, task, attempt, by, effects, status, said[0] if said else None, seal)


def event_text(transition: Transition) -> str:
    """A transition as the feed tells it; outputs that no run would take (its task failed for them) are left out."""
    try:
        event = dumps(dump_transition(transition))
    except TypeError:
        if getattr(transition, "outputs", None) is None:
            raise
    else:
        if len(event) <= _EVENT_CHARS:
            return event
    return dumps(dump_transition(transition._replace(outputs=None)))  # type: ignore[call-arg] # only results are large


def workflow_deleted(by: str | None) -> dict[str, Any]:
    """What the feed tells of a workflow that was deleted."""
    return {"type": "WorkflowDeleted", "by": by}


def in_short(error: Exception) -> str:
    """An unforeseen error in a few words, fit to be stored."""
    words = f"{type(error).__name__}: {error}"
    return words[:_ERROR_CHARS].encode(errors="replace").decode()
