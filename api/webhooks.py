"""Webhooks: endpoints at which others start runs, by messages signed as Standard Webhooks 1.0 has it.

    webhook-id, webhook-timestamp, body ──HMAC-SHA256──► the same as a signature that was sent? ─► inputs of a run
                                            ▲
                                            └── the endpoint's secrets: one, or two while one replaces the other

The secrets stand in the store as they are: who checks signatures of this kind needs what they are made with.
"""

import re
from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from hmac import compare_digest, digest
from secrets import token_bytes, token_urlsafe
from typing import Any, Final, NamedTuple, Self
from uuid import UUID

from engine.documents import NAME_PATTERN
from engine.faults import Fault, Invalid
from engine.references import BadReference, ReferenceSyntaxError, Scope, compile_template
from store.protocol import NewRun, Record, Store
from store.texts import canonical

KIND: Final = "webhook"
TOLERANCE: Final = 300.0  # seconds that a message's time may differ from ours
OVERLAP: Final = 86_400.0
MOST_OVERLAP: Final = 30 * 86_400.0

_PAGE: Final = 500
_PREFIX: Final = "whsec_"
_SECRET_BYTES: Final = 32  # 24 to 64 are allowed
_SIGNATURES: Final = 8  # of one message; senders that rotate send two
_MESSAGE: Final = re.compile(r"[!-~]{1,255}")
_SECONDS: Final = re.compile(r"[0-9]{1,12}")
_ID: Final = re.compile(rf"(?P<tenant>{NAME_PATTERN[1:-1]})\.(?P<random>[A-Za-z0-9_-]{{22}})")
_RANDOM_BYTES: Final = 16
_LABEL: Final = "icefloe.webhook"


class Secret(NamedTuple):
    """What messages are signed with: until a time (Unix seconds), or for good."""

    text: str
    until: float | None = None

    @classmethod
    def new(cls) -> Self:
        """One that nobody has."""
        return cls(_PREFIX + b64encode(token_bytes(_SECRET_BYTES)).decode())

    def __repr__(self) -> str:
        """What may stand in a log."""
        return f"Secret(until={self.until})"

    @property
    def key(self) -> bytes:
        """The key of its HMAC."""
        return b64decode(self.text.removeprefix(_PREFIX))


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where others start runs of a workflow. `inputs` is a template over what they send; None: that itself."""

    id: str
    workflow: str
    version: int | None
    inputs: Mapping[str, Any] | None
    secrets: tuple[Secret, ...]
    created_by: str
    created_at: float
    revision: int = 0

    @property
    def tenant(self) -> str:
        """Whose it is."""
        return tenant_of(self.id) or ""

    def record(self) -> Record:
        """What the store keeps of it."""
        document = {
            "workflow": self.workflow,
            "version": self.version,
            "inputs": self.inputs,
            "secrets": [list(one) for one in self.secrets],
            "created_by": self.created_by,
            "created_at": self.created_at,
        }
        return Record(KIND, self.tenant, self.id, document, self.revision)

    @classmethod
    def of(cls, record: Record) -> Self:
        """The endpoint of a record."""
        fields = dict(record.document)
        secrets = tuple(Secret(*one) for one in fields.pop("secrets"))
        return cls(record.id, secrets=secrets, revision=record.revision, **fields)

    def living(self, at: float) -> tuple[Secret, ...]:
        """The secrets that count at a time."""
        return tuple(one for one in self.secrets if one.until is None or at < one.until)


class Message(NamedTuple):
    """What somebody sent to an endpoint; what it lacked is empty."""

    id: str
    timestamp: str
    signatures: str
    body: bytes


def new_id(tenant: str) -> str:
    """The id of an endpoint, by which it is found without asking whose it is."""
    return f"{tenant}.{token_urlsafe(_RANDOM_BYTES)}"


def tenant_of(endpoint: str) -> str | None:
    """Whose endpoint has this id; None if none can have."""
    match = _ID.fullmatch(endpoint)
    return match["tenant"] if match else None


def rotated(endpoint: Endpoint, overlap: float, at: float) -> tuple[Secret, ...]:
    """A new secret, and the one before it for so many seconds; none that is older."""
    newest = endpoint.secrets[0]._replace(until=at + overlap)
    return (Secret.new(), *([newest] if overlap > 0 else []))


_DECOYS: Final = (Secret.new(), Secret.new())  # so that what is compared never tells how many there are


def is_signed(message: Message, endpoint: Endpoint | None, at: float) -> bool:
    """Whether a message was signed with a secret of the endpoint, not long before or after `at`.

    All is computed whatever is wrong, and even if there is no such endpoint: so time tells nobody what it was. An id
    may have dots: of what was signed, the time is only digits and the body an object, so nothing can move between them.
    """
    living = () if endpoint is None else endpoint.living(at)
    sent = [one.encode("latin-1", "replace") for one in message.signatures.split(" ")[:_SIGNATURES]]
    content = b".".join(
        (message.id.encode("latin-1", "replace"), message.timestamp.encode("latin-1", "replace"), message.body)
    )
    signed = 0
    for index, secret in enumerate((*living, *_DECOYS)[: len(_DECOYS)]):
        expected = b"v1," + b64encode(digest(secret.key, content, "sha256"))
        same = sum(compare_digest(expected, one) for one in sent)
        signed += same * (index < len(living))
    is_one = bool(_MESSAGE.fullmatch(message.id) and _SECONDS.fullmatch(message.timestamp))
    return signed > 0 and is_one and abs(at - int(message.timestamp)) <= TOLERANCE


def run_of(endpoint: Endpoint, message: Message, payload: Any) -> NewRun:
    """The run that a message starts: always the same one, since its id is that of endpoint and message.

    Raises:
        Invalid: the payload is no object, or hasn't what the endpoint's inputs refer to.
    """
    if not isinstance(payload, dict):
        raise Invalid(Fault("", "what is sent must be a JSON object"))
    return NewRun(
        id=run_id(endpoint.id, message.id),
        workflow=endpoint.workflow,
        version=endpoint.version,
        inputs=payload if endpoint.inputs is None else _filled(endpoint.inputs, payload),
        requested_by=f"webhook:{endpoint.id}",
        labels={
            _LABEL: endpoint.id,
            f"{_LABEL}.message": message.id,
            f"{_LABEL}.body": sha256(message.body).hexdigest(),  # another body under the same id is another request
        },
        tenant=endpoint.tenant,
    )


def run_id(endpoint: str, message: str) -> str:
    """The id of the run of a message, in the form of a UUID (version 8, RFC 9562)."""
    number = int.from_bytes(sha256(canonical([KIND, endpoint, message])).digest()[:16])
    return str(UUID(int=number & ~(0xF << 76) & ~(0b11 << 62) | 8 << 76 | 0b10 << 62))


def check_inputs(inputs: Mapping[str, Any]) -> None:
    """See that a template can be filled in from what is sent alone.

    Raises:
        Invalid: with each of its faults.
    """
    try:
        template = compile_template(dict(inputs))
    except ReferenceSyntaxError as error:
        raise Invalid(*(Fault(_path(one.path), f"column {one.column}: {one.message}") for one in error.every)) from None
    strange = [
        *((f"task {task!r}", where) for task, _, where in template.task_references),
        *((f"`run.{field}`", where) for field, where in template.run_fields),
    ]
    if strange:
        raise Invalid(
            *(
                Fault(_path(where), f"there is no {what} yet: only `inputs`, which is what is sent")
                for what, where in strange
            )
        )


def _filled(inputs: Mapping[str, Any], payload: dict[str, Any]) -> dict[str, Any]:
    try:
        filled: dict[str, Any] = compile_template(dict(inputs)).resolve(Scope(payload, lambda _: None, {}))
    except BadReference as error:
        raise Invalid(Fault("", f"the endpoint's inputs can't be filled in: {error}")) from None
    return filled


def _path(where: str) -> str:
    return f"inputs.{where}" if where else "inputs"


def endpoints_of(store: Store, tenant: str, workflow: str, after: str = "") -> Iterator[Endpoint]:
    """The endpoints of a workflow, by id."""
    while records := store.records(KIND, tenant=tenant, after=after, limit=_PAGE):
        yield from (Endpoint.of(record) for record in records if record.document["workflow"] == workflow)
        after = records[-1].id


def remove_all(store: Store, tenant: str, workflow: str) -> None:
    """Delete the endpoints of a workflow: nothing that is sent there is taken any more."""
    for endpoint in endpoints_of(store, tenant, workflow):
        store.remove_record(KIND, endpoint.id, tenant=tenant)
