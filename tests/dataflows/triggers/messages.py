"""Messages as tests write them."""

import json
from typing import Any, Final

from dataflows.kafka.consuming import Message
from dataflows.settings import Binding

TOPIC: Final = "icefloe.triggers"
OPEN: Final = Binding(workflows=("*",))
TRUSTED: Final = Binding(workflows=("*",), trusted=True)
START: Final = {"workflow": "greet", "inputs": {"name": "Ada"}}


def message(
    value: Any = START,
    *,
    topic: str = TOPIC,
    partition: int = 0,
    offset: int = 0,
    key: bytes | None = None,
    headers: dict[str, str | bytes] | list[tuple[str, bytes | None]] | None = None,
) -> Message:
    """A message; what is neither bytes nor None is written as JSON."""
    if not isinstance(value, bytes | None):
        value = json.dumps(value).encode()
    if isinstance(headers, dict):
        headers = [(name, text.encode() if isinstance(text, str) else text) for name, text in headers.items()]
    return Message(topic, partition, offset, 1_795_000_000_000, key, value, headers or [])


def binary(type_: str, data: Any, *, id_: str = "e1", source: str = "/crm", **place: Any) -> Message:
    """A CloudEvent in binary mode."""
    headers = {"ce_id": id_, "ce_source": source, "ce_type": type_, "ce_specversion": "1.0"}
    return message(data, headers={**headers, "content-type": "application/json"}, **place)


def structured(type_: str, data: Any, *, id_: str = "e1", source: str = "/crm", **place: Any) -> Message:
    """A CloudEvent in structured mode."""
    event = {"specversion": "1.0", "id": id_, "source": source, "type": type_, "data": data}
    return message(event, headers={"content-type": "application/cloudevents+json; charset=UTF-8"}, **place)
