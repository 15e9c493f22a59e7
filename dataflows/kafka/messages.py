"""Changes as messages: what the relay writes to the topic of changes, and what is read there.

    key       the run's id, or the workflow's name
    headers   writer   the owner whose process wrote the change, if it is known
    value     {"entity", "id", "tenant", "revision", "at", "by", "writer", "transitions": […],
               "status"?, "tasks"?, "detail"?, "seal"?, "document"?}

`status` is the run's and `tasks` has those of its tasks, as far as this has changed them. `detail` has what people
said, and `seal` is the hash that chains the run's journal: who keeps it can tell later whether that was changed. A
message that would be too large has no payloads, but `"truncated": true`: who needs them reads the store.
"""

from typing import Any, Final

import orjson

from dataflows.kafka.consuming import Message
from dataflows.kafka.publishing import Record
from store.protocol import Change

WRITER: Final = "writer"


class Malformed(ValueError):  # noqa: N818 - it is the message that is
    """A message that no relay wrote. Its text is a word to count it by."""


def record_of(change: Change, topic: str) -> Record:
    """A change as a record."""
    body: dict[str, Any] = {
        "entity": change.entity,
        "id": change.id,
        "tenant": change.tenant,
        "revision": change.revision,
        "at": change.at,
        "by": change.by,
        "writer": change.writer,
        "transitions": [] if change.transition is None else [change.transition],
    }
    if change.entry is not None:
        body["tasks"] = change.entry.tasks
        told = {"status": change.entry.status, "detail": change.entry.detail, "seal": change.entry.seal}
        body.update((name, value) for name, value in told.items() if value is not None)
    if change.document is not None:
        body["document"] = change.document
    headers = [] if change.writer is None else [(WRITER, change.writer.encode())]
    return Record(topic, change.id.encode(), orjson.dumps(body), headers)


def truncated(record: Record) -> Record:
    """The record of a change, without payloads."""
    body = orjson.loads(record.value or b"{}")
    body.pop("document", None)
    return record._replace(value=orjson.dumps({**body, "transitions": [], "truncated": True}))


def writer_of(message: Message) -> str | None:
    """The owner whose process wrote the change, if it is known."""
    return next(
        (value.decode(errors="replace") for name, value in message.headers if name == WRITER and value is not None),
        None,
    )


def run_of(message: Message) -> str | None:
    """The run that a message is about; None if it is about something else.

    Raises:
        Malformed: it is none of a relay's.
    """
    if message.value is None:
        raise Malformed("tombstone")
    try:
        body = orjson.loads(message.value)
    except orjson.JSONDecodeError as error:
        raise Malformed("not_json") from error
    match body:
        case {"entity": "run", "id": str(id_), "revision": int()}:
            return id_
        case {"entity": "workflow"}:
            return None
        case {"entity": str(entity)} if entity != "run":
            raise Malformed("unknown_entity")
    raise Malformed("not_a_change")
