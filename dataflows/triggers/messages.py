"""What a message asks for: to start a run, to signal a task or to cancel a run; or why it is refused.

    message ─► envelope ─► event ─► type, data ─► may it? (binding) ─► Start | Send | Cancel
                                                                   └─► Refusal(code, sentence)

Nothing here asks the store or the clock: the same message always means the same.
"""

import json
import re
from typing import Any, Final, NamedTuple, TypeAlias, assert_never
from uuid import NAMESPACE_DNS, uuid5

import structlog

from dataflows.kafka.consuming import Message
from dataflows.settings import Binding
from dataflows.triggers.bindings import check_bound, groups_of, who
from dataflows.triggers.envelope import opened, validated
from dataflows.triggers.models import CancelRun, PlainStart, SignalTask, StartRun
from dataflows.triggers.refusals import Refusal, Refused
from engine.faults import nearest, shown
from engine.limits import LimitError, TooLargeError, json_size
from engine.transitions import RunCancelled
from store.protocol import NewRun, Proposal

NAMESPACE: Final = uuid5(NAMESPACE_DNS, "icefloe")
"""Of the ids of runs: `uuid5(NAMESPACE, '["default","/crm","change-4711"]')`; the JSON is compact, and all ASCII."""

ORIGIN: Final = "icefloe-origin"
"""The header that says where a message stood first; a dead letter has it, and so has its replay."""

LABELS: Final = ("trigger.source", "trigger.id")
"""The labels of a run that say which event started it."""

log = structlog.get_logger("engine")


class Start(NamedTuple):
    """A run is to be started."""

    request: NewRun


class Send(NamedTuple):
    """A task is to be sent a signal. Without `generation` it is meant for the task as it is now."""

    run: str
    task: str
    id: str
    sender: str
    data: Any
    generation: int | None
    groups: tuple[str, ...] = ()


class Cancel(NamedTuple):
    """A run is to be cancelled."""

    proposal: Proposal


Request: TypeAlias = Start | Send | Cancel

_TYPES: Final[dict[str, type[StartRun | SignalTask | CancelRun]]] = {
    model.type: model for model in (StartRun, SignalTask, CancelRun)
}
_ORIGIN: Final = re.compile(r"([A-Za-z0-9._-]+)/(0|[1-9]\d{0,9})/(0|[1-9]\d{0,18})")


def read(message: Message, binding: Binding) -> Request | Refusal:
    """What a message asks for, if it may; `binding` is that of its topic."""
    try:
        return _request(message, binding)
    except Refused as refused:
        return refused.refusal
    except Exception as error:
        log.exception("trigger_not_understood", topic=message.topic, partition=message.partition, offset=message.offset)
        return Refusal("BAD_MESSAGE", f"the message can't be handled: {type(error).__name__}: {error}")


def origin(message: Message) -> tuple[str, int, int]:
    """Topic, partition and offset at which a message stood first: where it is, unless it is sent again.

    Who can write to a topic could make up the header, and so take the run id of another message *of that topic* that
    has no id: no more than they could do with any id. A header that names another topic is not believed.
    """
    for name, value in message.headers:
        found = place_of(value) if name == ORIGIN else None
        if found is not None and found[0] == message.topic:
            return found
    return message.topic, message.partition, message.offset


def place_of(header: bytes | None) -> tuple[str, int, int] | None:
    """Topic, partition and offset of an origin as a header has it; None if it is none."""
    found = _ORIGIN.fullmatch((header or b"").decode(errors="replace"))
    return None if found is None else (found[1], int(found[2]), int(found[3]))


def run_id(tenant: str, *key: str | int) -> str:
    """The id of a run that an event starts (or of the signal that it is): the same for the same event.

    The key is the event's source and id; for a plain message the topic and its id, or topic, partition and offset.
    """
    return str(uuid5(NAMESPACE, json.dumps([tenant, *key], separators=(",", ":"))))


def _request(message: Message, binding: Binding) -> Request:
    event = opened(message)
    if event.type is not None and event.type not in _TYPES:
        hint = nearest(event.type, _TYPES) or f"; there are {', '.join(_TYPES)}"
        raise Refused("UNKNOWN_TYPE", f"{shown(event.type)} is not a type of event{hint}")
    model = PlainStart if event.type is None else _TYPES[event.type]
    data = validated(model, event.data, "" if event.type is None else "data.")
    match data:
        case StartRun():
            id_ = data.id if isinstance(data, PlainStart) else event.id
            return _start(data, _key(message, event.source, id_), message.topic, binding)
        case SignalTask():
            key = _key(message, event.source, event.id)
            sender = who(data.sender, "sender", message.topic, binding)
            id_ = run_id(binding.tenant, *key)
            groups = groups_of(data.groups, message.topic, binding)
            return Send(data.run, data.task, id_, sender, data.data, data.generation, groups)
        case CancelRun():
            by = who(data.requested_by, "requested_by", message.topic, binding)
            return Cancel(Proposal(data.run, RunCancelled(data.reason), by))
    assert_never(data)


def _start(asked: StartRun, key: tuple[str, str] | tuple[str, int, int], topic: str, binding: Binding) -> Start:
    by = who(asked.requested_by, "requested_by", topic, binding)
    check_bound(binding, asked.workflow, topic)
    try:
        json_size(asked.inputs)
    except LimitError as error:
        raise Refused(
            "TOO_LARGE" if isinstance(error, TooLargeError) else "BAD_INPUTS", f"inputs: this {error}"
        ) from None
    source, *rest = key
    labels = {**asked.labels, LABELS[0]: str(source), LABELS[1]: "/".join(map(str, rest))}
    id_ = run_id(binding.tenant, *key)
    return Start(NewRun(id_, asked.workflow, asked.inputs, asked.version, by, labels, tenant=binding.tenant))


def _key(message: Message, source: str | None, id_: str | None) -> tuple[str, str] | tuple[str, int, int]:
    return origin(message) if id_ is None else (source or message.topic, id_)
