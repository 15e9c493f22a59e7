"""Mails: what blocks tell people, handed to a mail server or, where none is configured, written to an outbox folder.

    Letter ─► deliver ─┬─ smtp_url ─► mail server ─┬─► Receipt
                       └─ none ─────► outbox/*.eml ┘

Repeating a delivery is harmless: a recipient's mail has the same file name, or Message-ID, each time.
"""

import os
import re
import smtplib
import ssl
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTPUTF8
from email.utils import format_datetime
from hashlib import sha256
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Annotated, Literal, NamedTuple, TypeAlias
from urllib.parse import unquote, urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, StringConstraints, field_validator

from blocks.contract import BlockError

Channel: TypeAlias = Literal["email", "outbox"]

SMTP_SECONDS = 30

_PERMANENT = 500  # SMTP replies from here on are final (RFC 5321 section 4.2.1)
_NOT_SUPPORTED = 553  # the address needs SMTPUTF8, which the server doesn't have
_THIS_MACHINE = {"localhost", "127.0.0.1", "::1"}
_ADDRESS = re.compile(  # one of them: none of the characters that could make it two
    r"""(?:(?P<name>[^<>"@,;:()\\]*)<)?(?P<user>[^\s<>"@,;:()\[\]\\]+)@(?P<domain>[^\s<>"@,;:()\[\]\\]+)(?(name)>)"""
)

# One line: what could begin another header, or another line anywhere it is shown, is refused.
Line = Annotated[
    str,
    StringConstraints(
        strip_whitespace=True, min_length=1, max_length=998, pattern=r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]*$"
    ),
]


class MailSettings(BaseModel):
    """How mails are sent, by whichever block sends them."""

    model_config = ConfigDict(frozen=True)

    outbox: str = Field(default=".icefloe/outbox", description="Folder for mails while no mail server is configured")
    smtp_url: SecretStr | None = Field(
        default=None, description="smtp[s]://[user:password@]host[:port] to send mails by"
    )
    mail_from: Line = Field(default="icefloe@localhost", description="Who mails are from")

    @field_validator("smtp_url")
    @classmethod
    def _usable(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None:
            parts = urlsplit(url.get_secret_value())
            if parts.scheme not in {"smtp", "smtps"} or not parts.hostname:
                raise ValueError("should be smtp://host:port or smtps://user:password@host:port")
            _ = parts.port  # raises ValueError if it is none
        return url


class Receipt(BaseModel):
    """That one recipient's mail was handed over. `id` is the same at each attempt."""

    recipient: str
    channel: Channel
    id: str
    at: datetime


class Letter(NamedTuple):
    """What one person is told. The subject is one line; who it is for is one mail address, or a name for the outbox."""

    recipient: str
    subject: str
    text: str


def deliver(
    letters: Iterable[Letter], settings: MailSettings, *, key: str, purpose: str = "", channel: Channel = "email"
) -> list[Receipt]:
    """Send each letter as a mail of its own; to the outbox, if that is the channel or there is no mail server.

    Whoever delivers the same to the same person again, with the same `key` and for the same `purpose`, writes the same
    file, or sends a mail that a mail program knows for the same.

    Raises:
        BlockError: `BAD_RECIPIENT`, `MAIL_REFUSED` (may be tried again if that is only for now); `OUTBOX_UNWRITABLE`
            and `MAIL_UNREACHABLE` (may be tried again). Its outputs have the `receipts` of what was sent.
    """
    mails = {letter.recipient: _mail(letter, settings, key, purpose) for letter in letters}
    if channel == "email" and settings.smtp_url is not None:
        return _send(mails, settings.smtp_url.get_secret_value())
    return [_write(mail, recipient, Path(settings.outbox)) for recipient, mail in mails.items()]


def has_address(person: str) -> bool:
    """Whether a mail can be sent to somebody of this name."""
    return _ADDRESS.fullmatch(person) is not None


def one_line(text: str, most: int = 200) -> str:
    """A text as one line that may stand in a header: what breaks lines is a space, what can't be seen is left out."""
    line = "".join(char for char in " ".join(text.split()) if char.isprintable())
    return line if len(line) <= most else f"{line[: most - 1]}…"


def _mail(letter: Letter, settings: MailSettings, key: str, purpose: str) -> EmailMessage:
    named = (key, letter.recipient, purpose) if purpose else (key, letter.recipient)
    digest = sha256("\0".join(named).encode()).hexdigest()[:32]
    mail = EmailMessage(policy=SMTPUTF8)
    mail["From"] = _address(settings.mail_from)
    mail["To"] = _address(letter.recipient)
    mail["Subject"] = letter.subject
    mail["Date"] = format_datetime(datetime.now(UTC))
    mail["Message-ID"] = f"<{digest}@icefloe>"
    mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: no holiday notices in return
    mail.set_content(letter.text)
    return mail


def _address(recipient: str) -> Address:
    """One mail address, with a display name or without. For the outbox a plain name will do."""
    match = _ADDRESS.fullmatch(recipient)
    if match is None and "@" in recipient:
        raise BlockError("BAD_RECIPIENT", f"{recipient[:80]!r} is not one mail address; give several as a list")
    if match is None:
        return Address(username=recipient)
    return Address(display_name=(match["name"] or "").strip(), username=match["user"], domain=match["domain"])


def _receipt(recipient: str, channel: Channel, mail: EmailMessage) -> Receipt:
    return Receipt(recipient=recipient, channel=channel, id=mail["Message-ID"], at=datetime.now(UTC))


def _write(mail: EmailMessage, recipient: str, outbox: Path) -> Receipt:
    """Write one mail: whole or not at all, and over what an earlier attempt has written."""
    readable = re.sub(r"[^A-Za-z0-9@._+-]+", "_", recipient).lstrip(".")[:80]
    path = outbox / f"{readable}-{mail['Message-ID'][1:33]}.eml"
    try:
        outbox.mkdir(parents=True, exist_ok=True)
        with NamedTemporaryFile(dir=outbox, prefix=".", suffix=".tmp", delete=False) as file:
            try:
                file.write(mail.as_bytes())
                file.flush()
                os.fsync(file.fileno())
                Path(file.name).replace(path)
            except BaseException:
                Path(file.name).unlink(missing_ok=True)
                raise
    except OSError as error:
        problem = f"the outbox {outbox} can't be written: {error.strerror or error}"
        raise BlockError("OUTBOX_UNWRITABLE", problem, retryable=True) from None
    return _receipt(recipient, "outbox", mail)


def _send(mails: Mapping[str, EmailMessage], url: str) -> list[Receipt]:
    """Send each mail by its own; one that is refused doesn't keep the others from being sent."""
    for recipient, mail in mails.items():
        if not mail["To"].addresses[0].domain:
            raise BlockError("BAD_RECIPIENT", f"{recipient[:80]!r} is no mail address")
    sent: list[Receipt] = []
    refused: dict[str, int] = {}
    try:
        with _server(url) as server:
            for recipient, mail in mails.items():
                reply = _deliver(server, mail)
                if reply is None:
                    sent.append(_receipt(recipient, "email", mail))
                else:
                    refused[recipient] = reply
    except smtplib.SMTPAuthenticationError:
        raise _problem("MAIL_REFUSED", url, "refuses the name and password", sent) from None
    except smtplib.SMTPNotSupportedError as error:
        raise _problem("MAIL_REFUSED", url, str(error), sent) from None
    except (OSError, smtplib.SMTPException) as error:
        raise _problem("MAIL_UNREACHABLE", url, type(error).__name__, sent, retryable=True) from None
    if refused:
        who = ", ".join(f"{recipient[:80]} ({reply})" for recipient, reply in refused.items())
        for_now = all(reply < _PERMANENT for reply in refused.values())
        raise _problem("MAIL_REFUSED", url, f"takes no mail for {who}", sent, retryable=for_now)
    return sent


def _deliver(server: smtplib.SMTP, mail: EmailMessage) -> int | None:
    """Hand over one mail; if the server refuses it, the code of its reply."""
    try:
        server.send_message(mail, to_addrs=[mail["To"].addresses[0].addr_spec])
    except smtplib.SMTPRecipientsRefused as error:
        return max(reply for reply, _ in error.recipients.values())
    except (smtplib.SMTPDataError, smtplib.SMTPSenderRefused) as error:
        return error.smtp_code
    except smtplib.SMTPNotSupportedError:
        return _NOT_SUPPORTED
    return None


def _problem(code: str, url: str, what: str, sent: list[Receipt], *, retryable: bool = False) -> BlockError:
    sentence = f"the mail server {urlsplit(url).hostname} {what}"  # no more of the URL: it has a password
    return BlockError(code, sentence, retryable=retryable, outputs={"receipts": sent})


@contextmanager
def _server(url: str) -> Iterator[smtplib.SMTP]:
    parts = urlsplit(url)
    host = parts.hostname or ""
    encryption = ssl.create_default_context()
    if parts.scheme == "smtps":
        server: smtplib.SMTP = smtplib.SMTP_SSL(host, parts.port or 465, timeout=SMTP_SECONDS, context=encryption)
    else:
        server = smtplib.SMTP(host, parts.port or 25, timeout=SMTP_SECONDS)
    with server:
        server.ehlo()
        if parts.scheme == "smtp" and server.has_extn("starttls"):
            server.starttls(context=encryption)
            server.ehlo()
        elif parts.scheme == "smtp" and parts.password and host not in _THIS_MACHINE:
            raise smtplib.SMTPNotSupportedError("offers no encryption, and the password is not sent without")
        if parts.username:
            server.login(unquote(parts.username), unquote(parts.password or ""))
        yield server
