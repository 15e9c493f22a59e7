"""From the bytes of a message to an event: CloudEvents 1.0 in both content modes, or a plain JSON object.

    binary       headers `ce_id`, `ce_source`, `ce_type`, `ce_specversion`; the value is the data
    structured   header `content-type: application/cloudevents+json`; the value is the event with its data
    plain        neither: the value says what to start

See the CloudEvents specification 1.0.2 and its Kafka protocol binding. A structured event is also known by its
`specversion`, since some tools write no headers.
"""

import re
from base64 import b64decode
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple, TypeVar

from pydantic import BaseModel, ValidationError

from blocks.contract.arguments import faults_of
from dataflows.kafka.consuming import Message
from dataflows.triggers.models import CloudEvent
from dataflows.triggers.refusals import Refused
from engine.faults import Fault, Invalid, shown
from engine.reading import read_json

MESSAGE_BYTES: Final = 1024 * 1024
_FAULTS_SHOWN: Final = 5
_JSON: Final = re.compile(r"[\w.-]+/(?:[\w.-]+\+)?json")
_PREFIX: Final = "ce_"

Model = TypeVar("Model", bound=BaseModel)


class Event(NamedTuple):
    """What a message carries. A plain one has nothing but `data`."""

    data: Mapping[str, Any]
    type: str | None = None
    source: str | None = None
    id: str | None = None


def opened(message: Message) -> Event:
    """The event that a message carries.

    Raises:
        Refused: it carries none.
    """
    if not message.value:
        raise Refused("EMPTY", "the message is empty" if message.value == b"" else "the message has no value")
    if len(message.value) > MESSAGE_BYTES:
        size = f"{len(message.value):,} bytes, at most {MESSAGE_BYTES:,} are allowed"
        raise Refused("TOO_LARGE", f"the message is {size}")
    if not message.intact:
        raise Refused("BAD_MESSAGE", "the name of a header is not UTF-8 text")
    headers = _headers(message)
    content_type = headers.pop("content-type", None)
    media = (content_type or "").partition(";")[0].strip().lower()
    if media.startswith("application/cloudevents"):
        if media != "application/cloudevents+json":
            raise Refused("BAD_MESSAGE", f"content-type: {shown(media)} isn't read: send application/cloudevents+json")
        return _structured(_json(message.value))
    _check_media(content_type, "content-type")
    if headers:
        event = validated(CloudEvent, {name.removeprefix(_PREFIX): value for name, value in headers.items()}, _PREFIX)
        return Event(_object(_json(message.value), "the value"), event.type, event.source, event.id)
    document = _object(_json(message.value), "the message")
    return _structured(document) if "specversion" in document else Event(document)


def validated(model: type[Model], value: Mapping[str, Any], at: str = "") -> Model:
    """A value as a model; `at` is what paths in the message begin with.

    Raises:
        Refused: it doesn't fit; all the faults it has.
    """
    try:
        return model.model_validate(value)
    except ValidationError as error:
        faults = faults_of(error, model, value)
        raise _bad([Fault(fault.path and at + fault.path, fault.message) for fault in faults]) from None


def _headers(message: Message) -> dict[str, str]:
    """The headers that say something about the event, by their names in small letters."""
    headers: dict[str, str] = {}
    for given, value in message.headers:
        name = given.lower()
        if not name.startswith(_PREFIX) and name != "content-type":
            continue
        if name in headers:
            raise Refused("BAD_MESSAGE", f"the header {shown(name)} is given twice")
        try:
            headers[name] = (value or b"").decode()
        except UnicodeDecodeError:
            raise Refused("BAD_MESSAGE", f"the header {shown(name)} is not UTF-8 text") from None
    return headers


def _structured(document: Any) -> Event:
    event = validated(CloudEvent, _object(document, "the message"))
    _check_media(event.datacontenttype, "datacontenttype")
    data = event.data
    if event.data_base64 is not None:
        if "data" in event.model_fields_set:
            raise Refused("BAD_MESSAGE", "data and data_base64 are both given: keep one of them")
        try:
            data = _json(b64decode(event.data_base64, validate=True))
        except ValueError:  # binascii's
            raise Refused("BAD_MESSAGE", "data_base64: is not base64") from None
    return Event(_object(data, "data"), event.type, event.source, event.id)


def _object(value: Any, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Refused("BAD_MESSAGE", f"{what} must be a JSON object")
    return value


def _check_media(content_type: str | None, where: str) -> None:
    media = (content_type or "application/json").partition(";")[0].strip().lower()
    if not _JSON.fullmatch(media):
        raise Refused("BAD_MESSAGE", f"{where}: {shown(media)} isn't read: send application/json")


def _json(value: bytes) -> Any:
    try:
        return read_json(value, limit=MESSAGE_BYTES, what="")
    except Invalid as invalid:
        raise _bad(invalid.faults) from None


def _bad(faults: Sequence[Fault]) -> Refused:
    untold = len(faults) - _FAULTS_SHOWN
    more = (f"and {untold} more",) if untold > 0 else ()
    return Refused("BAD_MESSAGE", "; ".join((*map(str, faults[:_FAULTS_SHOWN]), *more)))
