"""NOTIFICATION: tells people something, by mail; where no mail server is configured, into an outbox folder."""

from collections.abc import Mapping
from typing import Annotated, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from blocks.contract import BlockContext, BlockError, Retry, block
from blocks.delivery import Channel, Letter, Line, MailSettings, Receipt, deliver

CHANNELS: Final[Mapping[str, Channel]] = {"email": "email", "outbox": "outbox"}


class NotificationSettings(MailSettings):
    """Settings of NOTIFICATION."""


def _listed(value: object) -> object:
    """A list, each recipient once; one may be given alone."""
    if isinstance(value, list) and all(isinstance(recipient, str) for recipient in value):
        return list(dict.fromkeys(value))
    return [value] if isinstance(value, str) else value


_Lines = Annotated[list[Line], Field(min_length=1)]
Recipients = Annotated[_Lines, BeforeValidator(_listed, json_schema_input_type=Line | _Lines)]


class Payload(BaseModel):
    """What they are told."""

    model_config = ConfigDict(extra="forbid")

    title: Line = Field(description="What it is about, in one line: the subject of the mail")
    description: str = Field(default="", description="What there is to say: the text of the mail")
    channel: str | None = Field(
        default=None, description="email or outbox; absent: email, if a mail server is configured"
    )


class NotificationArguments(BaseModel):
    """Who is told what."""

    model_config = ConfigDict(extra="forbid")

    recipient: Recipients = Field(
        description="A mail address, or a list; each gets a mail of their own",
        examples=["ada@example.org"],
    )
    payload: Payload


class NotificationOutputs(BaseModel):
    """A receipt for each recipient."""

    receipts: list[Receipt]


@block(
    "NOTIFICATION",
    title="Notification",
    category="People",
    icon="bell",
    retry=Retry(max_attempts=5),
    settings=NotificationSettings,
    examples=(
        {
            "recipient": "{{ inputs.requester }}",
            "payload": {"title": "Your request was approved!", "description": "Check at {{ inputs.link }}."},
        },
    ),
)
def notification(arguments: NotificationArguments, context: BlockContext) -> NotificationOutputs:
    """Send each recipient a mail. Without a mail server it is written to the outbox folder instead.

    Raises:
        BlockError: `CHANNEL_UNKNOWN`, `BAD_RECIPIENT`, `MAIL_REFUSED` (may be tried again if that is only for now);
            `OUTBOX_UNWRITABLE` and `MAIL_UNREACHABLE` (may be tried again).
    """
    wanted = arguments.payload.channel or "email"
    channel = CHANNELS.get(wanted)
    if channel is None:
        raise BlockError("CHANNEL_UNKNOWN", f"there is no channel {wanted[:60]!r}; there are {', '.join(CHANNELS)}")
    payload = arguments.payload
    letters = [Letter(recipient, payload.title, payload.description) for recipient in arguments.recipient]
    receipts = deliver(letters, context.settings, key=context.idempotency_key, channel=channel)
    return NotificationOutputs(receipts=receipts)
