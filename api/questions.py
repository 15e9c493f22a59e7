"""What runs ask of people: what is to be decided, by whom, until when, and what was decided so far.

run ─► questions(run, principal) ─► one for each task that would take a decision of his now
run ─► was_asked(run, principal) ─► whether he ever had a say in this generation, though others were quicker
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple

from api.principal import Principal
from engine.asked import counted, is_closed, is_restricted, people_asked, voice
from engine.machine import Dispatch
from engine.run import TaskState, WorkflowRun

_NAMING: Final[Mapping[str, str]] = {"APPROVAL": "approvers", "WAIT_FOR_SIGNAL": "from"}  # the argument with people


class Question(NamedTuple):
    """What one task asks somebody. `on_behalf_of` is the person in whose place he was asked, if that isn't himself."""

    run: WorkflowRun
    task: str
    on_behalf_of: str | None

    @property
    def state(self) -> TaskState:
        """The task's state."""
        return self.run.tasks[self.task]

    def document(self) -> dict[str, Any]:
        """The JSON form."""
        run, state, wants = self.run, self.state, self.state.wants
        subject, spec = subject_of(run, self.task), run.plan.tasks[self.task].spec
        return {
            "run": run.id,
            "workflow": {"name": run.workflow, "version": run.plan.workflow.version},
            "task": self.task,
            "type": spec.type,
            "generation": state.generation,
            "title": subject.title or spec.description or self.task,
            "details": subject.details,
            "requested_by": run.requested_by,
            "since": state.started_at,
            "until": expires_at(state),
            "schema": {} if wants is None or wants.schema is None else dict(wants.schema),
            "asked": {"people": list(people_asked(state)), "groups": list((wants and wants.groups) or ())},
            "decisions": decisions(state),
            "on_behalf_of": self.on_behalf_of,
        }


class Subject(NamedTuple):
    """What is to be decided, as the task's arguments say it: a line, and whatever people should know."""

    title: str
    details: Any


def questions(run: WorkflowRun, principal: Principal) -> Iterator[Question]:
    """What a run asks somebody now, in the order of its tasks."""
    if run.is_final:
        return
    for name, state in run.tasks.items():
        wants = state.wants
        if wants is None or not is_restricted(wants) or is_closed(state, wants):
            continue
        speaks = voice(state, wants, principal.subject, principal.groups)
        heard = {person for one in counted(state) for person in (one.sender, one.voice)}
        if speaks is not None and heard.isdisjoint((principal.subject, speaks.person)):
            yield Question(run, name, speaks.on_behalf)


def was_asked(run: WorkflowRun, principal: Principal) -> bool:
    """Whether somebody was asked in this generation: by a task that waits, or by one that has ended since."""
    return any(_was_asked(run, name, state, principal) for name, state in run.tasks.items())


def _was_asked(run: WorkflowRun, name: str, state: TaskState, principal: Principal) -> bool:
    if state.started_at is None:
        return False
    subject = principal.subject
    if any(subject in pair for pair in state.delegated):
        return True
    if any(subject in (one.sender, one.on_behalf) for one in state.accepted):
        return True
    if state.wants is not None:
        people, groups = state.wants.senders or (), state.wants.groups or ()
    else:
        people, groups = _named(run, name)
    return subject in people or not set(groups).isdisjoint(principal.groups)


def _named(run: WorkflowRun, name: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Whom a task that has ended had asked: what it wanted is no part of it any more."""
    argument = _NAMING.get(run.plan.tasks[name].spec.type)
    if argument is None:
        return (), ()
    arguments, outputs = _arguments(run, name), run.tasks[name].outputs
    said = outputs if isinstance(outputs, Mapping) else {}  # also those to whom it was escalated
    return (*_texts(arguments.get(argument)), *_texts(said.get("asked"))), _texts(arguments.get("groups"))


def _texts(value: object) -> tuple[str, ...]:
    values = value if isinstance(value, list) else [value]
    return tuple(one.strip() for one in values if isinstance(one, str))


def subject_of(run: WorkflowRun, name: str) -> Subject:
    """What a task asks."""
    arguments = _arguments(run, name)
    title = arguments.get("title")
    return Subject(title if isinstance(title, str) else "", arguments.get("details"))


def _arguments(run: WorkflowRun, name: str) -> Mapping[str, Any]:
    resolved = Dispatch(run, name, "main").arguments()
    return resolved if isinstance(resolved, Mapping) else {}


def expires_at(state: TaskState) -> float | None:
    """Until when it takes decisions, in Unix seconds: the block says so if it wakes up for other things as well."""
    outputs = state.outputs
    return _moment(outputs["expires_at"]) if isinstance(outputs, Mapping) and "expires_at" in outputs else state.until


def decisions(state: TaskState) -> list[dict[str, Any]]:
    """Who has sent what in this generation: those not processed yet as they came, the others as the block kept them."""
    inbox = {signal.id: signal for signal in state.inbox}
    kept = state.outputs.get("decisions") if isinstance(state.outputs, Mapping) else None
    words = {one.get("who"): one for one in kept or () if isinstance(one, Mapping)}
    found = []
    for one in state.accepted:
        signal = inbox.get(one.id)
        data = signal.data if signal is not None else words.get(one.sender)
        said = data if isinstance(data, Mapping) else {}
        found.append(
            {
                "who": one.sender,
                "decision": one.decision,
                "comment": said["comment"] if isinstance(said.get("comment"), str) else "",
                "at": _moment(said.get("at")) if signal is None else signal.at,
                "on_behalf_of": one.on_behalf,
            }
        )
    return found


def _moment(told: object) -> float | None:
    try:
        return datetime.fromisoformat(told).timestamp() if isinstance(told, str) else None
    except ValueError:
        return None
