"""Dead letters: messages that were refused, each with the reason, as records of `<prefix>.triggers.dlq`.

message ─► letter: the same key, body and headers, and in `icefloe-…` headers why it is here
              └─► replay: the message again, with its origin, and so with its id
"""

from collections.abc import Container
from datetime import UTC, datetime
from typing import Final, NamedTuple

from dataflows.kafka.consuming import Message
from dataflows.kafka.publishing import Record
from dataflows.triggers.messages import ORIGIN, origin, place_of
from dataflows.triggers.refusals import Refusal

REASON: Final = "icefloe-reason"
ERROR: Final = "icefloe-error"
AT: Final = "icefloe-at"
SHORTENED: Final = "icefloe-shortened"
"""The headers of a letter, besides its origin: the code, the sentence, the moment, and what was left out of it."""

ERROR_CHARS: Final = 1000
_OURS: Final = frozenset((REASON, ERROR, ORIGIN, AT, SHORTENED))


class Letter(NamedTuple):
    """A message that is refused, and why."""

    message: Message
    refusal: Refusal


def letter_of(letter: Letter, topic: str, at: float) -> Record:
    """A letter as a record: the message as it was, and in its headers why it is here. `at` is Unix time."""
    message, (code, sentence) = letter
    moment = datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    about = {ORIGIN: "/".join(map(str, origin(message))), REASON: code, ERROR: sentence[:ERROR_CHARS], AT: moment}
    kept = [(name, value or b"") for name, value in message.headers if name not in _OURS]
    return Record(topic, message.key, message.value, [*kept, *((name, text.encode()) for name, text in about.items())])


def shortened(record: Record) -> Record:
    """A letter without what may be too large for its topic: its body, and what else it had of the message."""
    size = f"{len(record.value or b''):,} bytes of body left out"
    kept = [header for header in record.headers if header[0] in _OURS]
    return Record(record.topic, None, None, [*kept, (SHORTENED, size.encode())])


def is_shortened(record: Record) -> bool:
    """Whether a letter lacks the message that it is about."""
    return any(name == SHORTENED for name, _ in record.headers)


class Told(NamedTuple):
    """What a letter says in its headers; `origin` is topic, partition and offset, None if it isn't there."""

    origin: tuple[str, int, int] | None
    reason: str
    error: str
    at: str
    shortened: bool


def told(message: Message) -> Told:
    """What a letter says. Anybody may have written it who can write to its topic."""
    headers = {name: value or b"" for name, value in message.headers}
    reason, error, at = (headers.get(name, b"").decode(errors="replace") for name in (REASON, ERROR, AT))
    return Told(place_of(headers.get(ORIGIN)), reason, error, at, SHORTENED in headers)


def replay_of(message: Message, topics: Container[str]) -> Record:
    """The message that a letter is about, to be sent to its topic again. Its origin goes with it, and so its id.

    Raises:
        ValueError: it can't be; why.
    """
    letter = told(message)
    if letter.origin is None:
        raise ValueError("it doesn't say where the message came from")
    if letter.shortened:
        raise ValueError("the message was too large to be kept with it")
    topic = letter.origin[0]
    if topic not in topics:
        raise ValueError(f"it came from topic {topic!r}, which isn't one of ICEFLOE_TRIGGERS")
    kept = [(name, value or b"") for name, value in message.headers if name == ORIGIN or name not in _OURS]
    return Record(topic, message.key, message.value, kept)
