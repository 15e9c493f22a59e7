"""Whom a waiting task asks: people, members of groups, and those who stand in for others.

wants.senders ─┐   minus who handed it over, minus who has decided
wants.groups  ─┼─► who may decide now
delegated     ─┘   plus who stands in
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from engine.run import Accepted, TaskState, WorkflowRun
from engine.statuses import TaskStatus
from engine.transitions import Wants


class Voice(NamedTuple):
    """Whose decision a signal counts as; `on_behalf` is the same person if the sender stands in for him."""

    person: str
    on_behalf: str | None = None


def voice(task: TaskState, wants: Wants, sender: str, groups: Sequence[str]) -> Voice | None:
    """As whom somebody may speak; None for who isn't asked, has handed it over, or is barred."""
    if sender in wants.barred:
        return None
    for to, whom in task.delegated:
        if to == sender:
            return None if whom in wants.barred else Voice(whom, whom)
    if any(whom == sender for _, whom in task.delegated):
        return None
    if sender in (wants.senders or ()) or not set(wants.groups or ()).isdisjoint(groups):
        return Voice(sender)
    return None


def is_restricted(wants: Wants) -> bool:
    """Whether only some people may send a signal."""
    return wants.senders is not None or wants.groups is not None


def counted(task: TaskState) -> tuple[Accepted, ...]:
    """The accepted signals that decide what the task still wants."""
    return task.accepted[task.counted :]


def is_closed(task: TaskState, wants: Wants) -> bool:
    """Whether the signals it got are all that it takes."""
    closes = (wants.closes or {}).items()
    heard = counted(task)
    return any(sum(decision in ("*", one.decision) for one in heard) >= enough for decision, enough in closes)


def is_answered(task: TaskState, wants: Wants) -> bool:
    """Whether it takes no signal more: it is closed, or has one that it is yet to be called for."""
    return bool(task.inbox) if wants.closes is None else is_closed(task, wants)


def people_asked(task: TaskState) -> tuple[str, ...]:
    """The people who may decide now, in the order they are named; who stands in is named in the other's place."""
    wants = task.wants
    if wants is None:
        return ()
    instead = {whom: to for to, whom in task.delegated}
    heard = {person for one in counted(task) for person in (one.sender, one.voice)}.union(wants.barred)
    named = [*(wants.senders or ()), *(whom for whom in instead if whom not in (wants.senders or ()))]
    people = (instead.get(person, person) for person in named if person not in heard)
    return tuple(dict.fromkeys(person for person in people if person not in heard))


def still_delegated(task: TaskState, wants: Wants) -> tuple[tuple[str, str], ...]:
    """Who stands in for whom once the task wants something else: nobody does any more who is now asked himself."""
    return tuple(pair for pair in task.delegated if pair[0] not in (wants.senders or ()))


def asks(task: TaskState) -> bool:
    """Whether the task waits, and a signal from somebody would still be taken."""
    return task.status is TaskStatus.WAITING and _is_open(task)


def _is_open(task: TaskState) -> bool:
    if task.wants is None or is_closed(task, task.wants):
        return False
    return not is_restricted(task.wants) or bool(task.wants.groups) or bool(people_asked(task))


def asks_as_before(before: WorkflowRun, after: WorkflowRun, touched: Iterable[str]) -> bool:
    """Whether a run, of which these tasks have changed, surely waits for the same people: most changes touch none."""
    for name in touched:
        was, is_ = before.tasks[name], after.tasks[name]
        if was.wants is not is_.wants or was.accepted is not is_.accepted or was.delegated is not is_.delegated:
            return False
    return before.is_final == after.is_final


def person_key(person: str) -> str:
    """How a person stands in `waiting_for`."""
    return f"person:{person}"


def group_key(group: str) -> str:
    """How a group stands in `waiting_for`."""
    return f"group:{group}"


def waiting_for(run: WorkflowRun) -> frozenset[str]:
    """Everybody whom a run waits for, as keys that a store can look up: `person:ada`, `group:stewards`.

    A task that is being called for a signal asks on meanwhile.
    """
    return frozenset[str]().union(*map(asked_by, run.tasks.values())) if not run.is_final else frozenset()


def asked_by(task: TaskState) -> frozenset[str]:
    """The keys of everybody whom a task of a live run asks."""
    if task.wants is None or is_closed(task, task.wants):
        return frozenset()
    return frozenset((*map(person_key, people_asked(task)), *map(group_key, task.wants.groups or ())))
