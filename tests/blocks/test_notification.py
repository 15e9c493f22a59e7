"""NOTIFICATION: the outbox as a development mail backend, mail by SMTP, and what can't be slipped into either."""

import email
import email.policy
from collections.abc import Callable, Iterator
from email.message import EmailMessage
from pathlib import Path
from socket import socket
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from pydantic import SecretStr, ValidationError

from blocks.contract import Failed, Outcome, Succeeded
from blocks.notification import NotificationSettings, notification

Call = Callable[..., Outcome]
PAYLOAD = {"title": "Approved", "description": "Check it.\nThen enjoy it.\n"}


def mails(outbox: Path) -> list[EmailMessage]:
    found = []
    for path in sorted(outbox.iterdir()):
        message = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
        assert isinstance(message, EmailMessage)
        found.append(message)
    return found


@pytest.fixture
def settings(tmp_path: Path) -> NotificationSettings:
    return NotificationSettings(outbox=str(tmp_path / "deep" / "outbox"))


def outbox_of(settings: NotificationSettings) -> Path:
    return Path(settings.outbox)


def test_without_a_mail_server_each_recipient_gets_a_mail_in_the_outbox(
    call: Call, settings: NotificationSettings
) -> None:
    people = ["ada@example.org", "Grace Hopper <grace@example.org>", "ada@example.org"]
    result = call(notification, {"recipient": people, "payload": PAYLOAD}, settings=settings)
    assert isinstance(result, Succeeded)
    receipts = result.outputs["receipts"]
    assert [(one["recipient"], one["channel"]) for one in receipts] == [(who, "outbox") for who in people[:2]]
    ada, grace = sorted(mails(outbox_of(settings)), key=lambda mail: mail["To"])[::-1]
    assert (ada["To"], grace["To"]) == ("ada@example.org", "Grace Hopper <grace@example.org>")
    assert ada["Subject"] == "Approved"
    assert ada["From"] == "icefloe@localhost"
    assert ada["Message-ID"] == receipts[0]["id"]
    assert ada["Message-ID"] != grace["Message-ID"]
    assert ada["Date"].datetime is not None
    assert ada.get_content().replace("\r\n", "\n") == PAYLOAD["description"]


def test_a_repeated_call_writes_the_same_mail_again(call: Call, settings: NotificationSettings) -> None:
    arguments = {"recipient": "ada@example.org", "payload": PAYLOAD}
    results = [call(notification, arguments, settings=settings) for _ in range(3)]
    assert len(mails(outbox_of(settings))) == 1
    assert len({str(result.outputs["receipts"][0]["id"]) for result in results if isinstance(result, Succeeded)}) == 1
    call(notification, arguments, settings=settings, key="run-2/task-1/1")
    assert len(mails(outbox_of(settings))) == 2


@pytest.mark.parametrize(
    "text",
    [
        "caf\u00e9 \u2603 \U0001f600",
        "x" * 5_000,
        "",
        ".\r\n.\r\nQUIT\r\n",
        "\tFrom: me\n",
        "<script>alert(1)</script>",
        "nul\x00",
    ],
)
def test_any_text_arrives_as_it_was_written(call: Call, settings: NotificationSettings, text: str) -> None:
    arguments = {"recipient": "ada@example.org", "payload": {"title": "\u00dcn\u00efcode \u2603", "description": text}}
    assert isinstance(call(notification, arguments, settings=settings), Succeeded)
    (mail,) = mails(outbox_of(settings))
    assert mail["Subject"] == "\u00dcn\u00efcode \u2603"
    assert mail.get_content().replace("\r\n", "\n").removesuffix("\n") == text.replace("\r\n", "\n").removesuffix("\n")
    assert mail.keys() == [
        *("From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted"),
        *("Content-Type", "Content-Transfer-Encoding", "MIME-Version"),
    ]


@pytest.mark.parametrize(
    "recipient", ["ada", "Data Office", "../../etc/passwd", "j\u00f6rg@example.org", ".hidden", "/"]
)
def test_any_name_will_do_in_the_outbox_and_stays_in_its_folder(
    call: Call, settings: NotificationSettings, recipient: str
) -> None:
    assert isinstance(call(notification, {"recipient": recipient, "payload": PAYLOAD}, settings=settings), Succeeded)
    (path,) = outbox_of(settings).iterdir()
    assert path.suffix == ".eml"
    assert not path.name.startswith(".")


@pytest.mark.parametrize(
    "arguments",
    [
        {"recipient": "ada@example.org\r\nBcc: mallory@example.org", "payload": PAYLOAD},
        {"recipient": "ada@example.org", "payload": {"title": "Hi\nBcc: mallory@example.org"}},
        {"recipient": "ada@example.org", "payload": {"title": "Hi\u2028Bcc: mallory@example.org"}},
        {"recipient": "ada@example.org", "payload": {"title": "Hi\x85Bcc: mallory@example.org"}},
        {"recipient": "ada@example.org", "payload": {"title": ""}},
        {"recipient": [], "payload": PAYLOAD},
        {"recipient": ["ada@example.org", 5], "payload": PAYLOAD},
        {"recipient": "ada@example.org", "payload": {**PAYLOAD, "bcc": "mallory@example.org"}},
        {"recipient": "ada@example.org"},
    ],
)
def test_nothing_can_be_slipped_into_the_headers(
    call: Call, settings: NotificationSettings, arguments: dict[str, Any]
) -> None:
    result = call(notification, arguments, settings=settings)
    assert isinstance(result, Failed)
    assert result.code == "BAD_ARGUMENTS"
    assert not outbox_of(settings).exists()


@pytest.mark.parametrize(
    "recipient",
    [
        "ada@example.org, mallory@example.org",
        "ada@example.org; mallory@example.org",
        "ada@example.org mallory@example.org",
        "<ada@example.org",
        "team: ada@example.org, mallory@example.org;",
        '"ada, mallory"@example.org',
        "@example.org",
        "ada@",
        "(" * 900 + "@",
    ],
)
def test_one_recipient_is_one_address(call: Call, settings: NotificationSettings, recipient: str) -> None:
    arguments = {"recipient": ["grace@example.org", recipient], "payload": PAYLOAD}
    result = call(notification, arguments, settings=settings)
    assert isinstance(result, Failed)
    assert (result.code, result.retryable) == ("BAD_RECIPIENT", False)
    assert not outbox_of(settings).exists()


def test_an_unknown_channel_is_refused_with_those_there_are(call: Call, settings: NotificationSettings) -> None:
    arguments = {"recipient": "ada@example.org", "payload": {**PAYLOAD, "channel": "pigeon"}}
    assert call(notification, arguments, settings=settings) == Failed(
        "CHANNEL_UNKNOWN", "there is no channel 'pigeon'; there are email, outbox"
    )


def test_an_outbox_that_cannot_be_written_may_be_tried_again(call: Call, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    settings = NotificationSettings(outbox=str(tmp_path / "file" / "outbox"))
    result = call(notification, {"recipient": "ada@example.org", "payload": PAYLOAD}, settings=settings)
    assert isinstance(result, Failed)
    assert (result.code, result.retryable) == ("OUTBOX_UNWRITABLE", True)


class Mailbox:
    """A mail server's decisions: it keeps mails, and refuses recipients and senders as its `replies` say."""

    def __init__(self) -> None:
        self.kept: list[tuple[list[str], EmailMessage]] = []
        self.replies: dict[str, str] = {}

    async def handle_RCPT(  # noqa: N802 - the interface's
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if address in self.replies:
            return self.replies[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        assert isinstance(envelope.content, bytes)
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        assert isinstance(message, EmailMessage)
        self.kept.append((envelope.rcpt_tos, message))
        return "250 OK"


def known(_server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, data: LoginPassword) -> AuthResult:
    return AuthResult(success=data == LoginPassword(b"icefloe", b"can@ry"), handled=False)


@pytest.fixture
def mailbox() -> Iterator[tuple[Mailbox, str]]:
    box = Mailbox()
    with socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    controller = Controller(
        box, hostname="127.0.0.1", port=port, authenticator=known, auth_require_tls=False, auth_required=False
    )
    controller.start()
    yield box, f"127.0.0.1:{controller.port}"
    controller.stop()


def by_smtp(url: str) -> NotificationSettings:
    return NotificationSettings(smtp_url=SecretStr(url), mail_from="Icefloe <icefloe@example.org>")


def test_with_a_mail_server_each_recipient_gets_a_mail_of_their_own(call: Call, mailbox: tuple[Mailbox, str]) -> None:
    box, address = mailbox
    arguments = {"recipient": ["Ada <ada@example.org>", "grace@example.org"], "payload": PAYLOAD}
    result = call(notification, arguments, settings=by_smtp(f"smtp://icefloe:can%40ry@{address}"))
    assert isinstance(result, Succeeded)
    assert [to for to, _ in box.kept] == [["ada@example.org"], ["grace@example.org"]]
    assert [mail["Message-ID"] for _, mail in box.kept] == [one["id"] for one in result.outputs["receipts"]]
    assert box.kept[0][1]["From"] == "Icefloe <icefloe@example.org>"
    assert box.kept[0][1].get_content().splitlines() == ["Check it.", "Then enjoy it."]


@pytest.mark.parametrize(("reply", "retryable"), [("550 no such user", False), ("451 later", True)])
def test_one_refused_recipient_keeps_nobody_else_from_their_mail(
    call: Call, mailbox: tuple[Mailbox, str], reply: str, *, retryable: bool
) -> None:
    box, address = mailbox
    box.replies["ada@example.org"] = reply
    arguments = {"recipient": ["ada@example.org", "grace@example.org"], "payload": PAYLOAD}
    result = call(notification, arguments, settings=by_smtp(f"smtp://{address}"))
    assert isinstance(result, Failed)
    assert (result.code, result.retryable) == ("MAIL_REFUSED", retryable)
    assert result.message == f"the mail server 127.0.0.1 takes no mail for ada@example.org ({reply[:3]})"
    assert result.outputs is not None
    assert [one["recipient"] for one in result.outputs["receipts"]] == ["grace@example.org"]
    assert len(box.kept) == 1


def test_a_wrong_password_is_final_and_not_shown(call: Call, mailbox: tuple[Mailbox, str]) -> None:
    _, address = mailbox
    settings = by_smtp(f"smtp://icefloe:canary@{address}")
    result = call(notification, {"recipient": "ada@example.org", "payload": PAYLOAD}, settings=settings)
    assert isinstance(result, Failed)
    assert (result.code, result.retryable) == ("MAIL_REFUSED", False)
    assert "canary" not in str(result)
    assert "canary" not in repr(settings)


def test_a_mail_server_that_is_not_there_may_be_tried_again(call: Call) -> None:
    settings = by_smtp("smtp://icefloe:canary@127.0.0.1:1")
    result = call(notification, {"recipient": "ada@example.org", "payload": PAYLOAD}, settings=settings)
    assert isinstance(result, Failed)
    assert (result.code, result.retryable) == ("MAIL_UNREACHABLE", True)
    assert "canary" not in str(result)


def test_a_name_that_is_no_address_cannot_be_mailed(call: Call, mailbox: tuple[Mailbox, str]) -> None:
    box, address = mailbox
    arguments = {"recipient": ["grace@example.org", "ada"], "payload": PAYLOAD}
    result = call(notification, arguments, settings=by_smtp(f"smtp://{address}"))
    assert result == Failed("BAD_RECIPIENT", "'ada' is no mail address")
    assert not box.kept


def test_the_outbox_can_be_asked_for_beside_a_mail_server(
    call: Call, mailbox: tuple[Mailbox, str], tmp_path: Path
) -> None:
    box, address = mailbox
    settings = by_smtp(f"smtp://{address}").model_copy(update={"outbox": str(tmp_path)})
    arguments = {"recipient": "ada@example.org", "payload": {**PAYLOAD, "channel": "outbox"}}
    assert isinstance(call(notification, arguments, settings=settings), Succeeded)
    assert not box.kept
    assert len(mails(tmp_path)) == 1


@pytest.mark.parametrize("url", ["http://mail.example.org", "smtp://", "mail.example.org", "smtp://host:port"])
def test_a_mail_server_that_cannot_be_one_is_refused_at_start(url: str) -> None:
    with pytest.raises(ValidationError):
        NotificationSettings(smtp_url=SecretStr(url))
