"""APPROVAL: groups, self-approval, people who stand in, and what happens while nobody decides."""

import email
import email.policy
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from time import time
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from blocks.approval import approval
from blocks.asking import AskingSettings
from blocks.contract import BlockError, Expired, Failed, Outcome, Signal, Succeeded, Waiting
from blocks.delivery import Letter, MailSettings, Receipt, deliver
from blocks.links import read

Call = Callable[..., Outcome]
KEY = "0123456789abcdef0123456789abcdef"
ADA, BOB, BOSS = "ada@example.org", "bob@example.org", "boss@example.org"
MOMENTS = ("asked_at", "remind_at", "escalate_at", "expires_at")


@pytest.fixture
def settings(tmp_path: Path) -> AskingSettings:
    return AskingSettings(outbox=str(tmp_path / "outbox"), public_url="https://icefloe.example.org")


def waiting(result: Outcome) -> Waiting:
    assert isinstance(result, Waiting), result
    assert result.outputs is not None
    return result


def decide(
    call: Call, arguments: Mapping[str, Any], before: Outcome, who: str, decision: str = "approve", **more: Any
) -> Outcome:
    """The outcome after one more decision; `on_behalf` and what else is known may be given."""
    signal = Signal(f"s-{who}", who, 5.0, {"decision": decision}, more.pop("on_behalf", None))
    return call(approval, arguments, phase="signal", signal=signal, waited=waiting(before).outputs, **more)


def later(result: Outcome, seconds: float) -> dict[str, Any]:
    """What the wait kept, as if so much time had passed: every moment lies that much further back."""
    outputs = dict(waiting(result).outputs or {})
    for name in MOMENTS:
        if outputs[name] is not None:
            outputs[name] = (datetime.fromisoformat(outputs[name]) - timedelta(seconds=seconds)).isoformat()
    return outputs


def wake(call: Call, arguments: Mapping[str, Any], result: Outcome, seconds: float, **known: Any) -> Outcome:
    return call(approval, arguments, phase="wake", waited=later(result, seconds), **known)


def mails(settings: AskingSettings) -> list[EmailMessage]:
    found = []
    for path in sorted(Path(settings.outbox).glob("*.eml")):
        mail = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
        assert isinstance(mail, EmailMessage)
        found.append(mail)
    return found


def subjects(settings: AskingSettings) -> list[tuple[str, str]]:
    return sorted((str(mail["To"]), str(mail["Subject"])) for mail in mails(settings))


# Groups.


def test_members_of_a_group_may_decide_beside_the_approvers_or_alone(call: Call) -> None:
    result = waiting(call(approval, {"approvers": "ada", "groups": ["stewards", "stewards"], "require": 3}))
    assert (result.senders, result.groups, result.barred) == (("ada",), ("stewards",), ())
    assert result.closes == {"approve": 3, "reject": 1}
    alone = waiting(call(approval, {"groups": "stewards"}))
    assert (alone.senders, alone.groups) == ((), ("stewards",))
    assert alone.outputs is not None
    assert (alone.outputs["asked"], alone.outputs["asked_groups"]) == ([], ["stewards"])


def test_a_member_s_approval_counts_like_any(call: Call) -> None:
    arguments = {"approvers": "ada", "groups": "stewards", "require": 2}
    first = decide(call, arguments, call(approval, arguments), "gus")
    assert isinstance(first, Waiting)
    assert isinstance(decide(call, arguments, first, "hal"), Succeeded)


def test_with_groups_the_first_refusal_rejects_since_nobody_knows_how_many_could_approve(call: Call) -> None:
    arguments = {"approvers": ["ada", "grace"], "groups": "stewards", "require": 2}
    first = decide(call, arguments, call(approval, arguments), "grace")
    result = decide(call, arguments, first, "gus", "reject")
    assert isinstance(result, Failed)
    assert (result.code, result.message) == ("REJECTED", "rejected by gus")


# Self-approval.


def test_who_started_the_run_may_decide_unless_that_is_ruled_out(call: Call) -> None:
    arguments = {"approvers": ["ada", "grace"], "require": "all"}
    result = waiting(call(approval, arguments, requested_by="ada"))
    assert (result.barred, result.closes) == ((), {"approve": 2, "reject": 1})
    strict = waiting(call(approval, {**arguments, "self_approval": False}, requested_by="ada"))
    assert (strict.senders, strict.barred) == (("ada", "grace"), ("ada",))
    assert strict.closes == {"approve": 1, "reject": 1}
    assert strict.outputs is not None
    assert strict.outputs["asked"] == ["grace"]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"approvers": "ada"}, "nobody else is asked"),
        ({"approvers": "ada", "require": "all", "expires_in": "1h"}, "nobody else is asked"),
        ({"approvers": ["ada", "grace"], "require": 2}, "only grace could approve, and it takes 2"),
        ({"approvers": "ada", "escalate_after": "1h", "escalate_to": "ada"}, "nobody else is asked"),
    ],
)
def test_a_run_that_only_its_requester_could_approve_fails_at_once(
    call: Call, arguments: dict[str, Any], complaint: str
) -> None:
    result = call(approval, {**arguments, "self_approval": False}, requested_by="ada")
    assert isinstance(result, Failed)
    assert (result.code, result.retryable) == ("NO_APPROVER", False)
    assert result.message.startswith("'ada' started this run and may not decide on it")
    assert complaint in result.message


def test_it_waits_for_those_it_will_be_escalated_to_and_for_groups(call: Call) -> None:
    escalated = {"approvers": "ada", "escalate_after": "1h", "escalate_to": "boss", "self_approval": False}
    result = call(approval, escalated, requested_by="ada")
    assert waiting(result).until is not None
    after = waiting(wake(call, escalated, result, 3600, requested_by="ada"))
    assert (after.senders, after.barred, after.closes) == (("ada", "boss"), ("ada",), {"approve": 1, "reject": 1})
    assert isinstance(call(approval, {"groups": "g", "self_approval": False}, requested_by="ada"), Waiting)


def test_a_requester_s_decision_that_came_all_the_same_is_not_counted(call: Call) -> None:
    arguments = {"approvers": ["ada", "grace"], "self_approval": False}
    result = call(approval, arguments, requested_by="ada")
    for who, whom in (("ada", None), ("bob", "ada"), ("ada", "grace")):
        ignored = waiting(decide(call, arguments, result, who, on_behalf=whom, requested_by="ada"))
        assert ignored.outputs == waiting(result).outputs


# Standing in.


def test_a_decision_on_behalf_counts_as_that_of_who_was_asked_and_both_have_had_their_say(call: Call) -> None:
    arguments = {"approvers": ["ada", "grace"], "require": "all"}
    first = waiting(decide(call, arguments, call(approval, arguments), "bob", on_behalf="ada"))
    assert first.outputs is not None
    assert first.outputs["decided_by"] == ["bob"]
    assert first.outputs["decisions"][0]["on_behalf"] == "ada"
    for who, whom in (("ada", None), ("bob", "grace"), ("carol", "ada")):
        assert waiting(decide(call, arguments, first, who, on_behalf=whom)).outputs == first.outputs
    result = decide(call, arguments, first, "grace")
    assert isinstance(result, Succeeded)
    assert "on_behalf" not in result.outputs["decisions"][1]


def test_an_approval_ends_when_who_is_left_can_not_be_enough_though_nobody_refused(call: Call) -> None:
    arguments = {"approvers": ["ada", "grace"], "require": 2, "escalate_after": "1h", "escalate_to": "bob"}
    escalated = wake(call, arguments, call(approval, arguments), 3600)
    first = decide(call, arguments, escalated, "bob", on_behalf="ada")
    assert isinstance(first, Waiting)
    result = decide(call, arguments, first, "grace", "reject")
    assert isinstance(result, Failed)
    assert result.code == "REJECTED"


# Reminders.

REMINDED = {"approvers": [ADA, BOB], "title": "Change it", "remind_every": "1h", "reminders": 2, "require": "all"}


def test_reminders_go_to_who_has_not_decided_each_at_its_time(call: Call, settings: AskingSettings) -> None:
    asked = call(approval, REMINDED, settings=settings)
    assert waiting(asked).until == pytest.approx(time() + 3600, abs=60)
    assert mails(settings) == []
    decided = decide(call, REMINDED, asked, ADA, settings=settings)
    assert (waiting(decided).until, waiting(decided).after) == (None, None)  # the moment stays
    first = waiting(wake(call, REMINDED, decided, 3600, settings=settings))
    assert subjects(settings) == [(BOB, "Reminder 1 of 2: Change it")]
    assert first.outputs is not None
    assert first.outputs["reminders_sent"] == 1
    assert first.until == pytest.approx(time() + 3600, abs=60)
    assert first.schema is None  # nothing else is wanted, so that nobody is counted anew
    second = waiting(wake(call, REMINDED, first, 3600, settings=settings))
    assert len(subjects(settings)) == 2
    assert second.outputs is not None
    assert (second.outputs["reminders_sent"], second.outputs["remind_at"], second.until) == (2, None, None)


def test_a_reminder_goes_to_who_stands_in(call: Call, settings: AskingSettings) -> None:
    wake(call, REMINDED, call(approval, REMINDED), 3600, settings=settings, asked=("carol@example.org", BOB))
    assert [who for who, _ in subjects(settings)] == [BOB, "carol@example.org"]


def test_a_wake_that_comes_after_several_moments_does_them_all(call: Call, settings: AskingSettings) -> None:
    arguments = {**REMINDED, "reminders": 5, "escalate_after": "90m", "escalate_to": BOSS, "notify": True}
    asked = call(approval, arguments, settings=settings)
    result = waiting(wake(call, arguments, asked, 3 * 3600 + 60, settings=settings))
    assert result.outputs is not None
    assert result.outputs["escalated_at"] is not None
    assert result.outputs["asked"] == [ADA, BOB, BOSS]
    assert result.until == pytest.approx(time() + 3540, abs=60)
    assert sum(who == BOSS for who, _ in subjects(settings)) == 1


@pytest.mark.parametrize(("hours", "number", "is_last"), [(3, 3, False), (4, 4, False), (5, 5, True), (12, 5, True)])
def test_of_the_reminders_that_were_missed_only_the_last_is_sent(
    call: Call, settings: AskingSettings, hours: int, number: int, *, is_last: bool
) -> None:
    arguments = {**REMINDED, "approvers": [ADA], "reminders": 5}
    asked = call(approval, arguments, settings=settings)
    result = waiting(wake(call, arguments, asked, hours * 3600 + 60, settings=settings))
    assert subjects(settings) == [(ADA, f"Reminder {number} of 5: Change it")]
    assert result.outputs is not None
    assert result.outputs["reminders_sent"] == 1
    assert result.until == (None if is_last else pytest.approx(time() + 3540, abs=60))


def test_a_wake_by_a_clock_that_is_behind_does_what_was_planned_for_it_and_nothing_else(
    call: Call, settings: AskingSettings
) -> None:
    arguments = {**REMINDED, "escalate_after": "2h", "escalate_to": BOSS}
    result = waiting(wake(call, arguments, call(approval, arguments), 3000, settings=settings))
    assert result.outputs is not None
    assert (result.outputs["reminders_sent"], result.outputs["escalated_at"]) == (1, None)


def test_the_same_wake_twice_writes_the_same_reminder(call: Call, settings: AskingSettings) -> None:
    asked = call(approval, REMINDED, settings=settings)
    for _ in range(2):
        wake(call, REMINDED, asked, 3600, settings=settings)
    assert len(mails(settings)) == 2


@pytest.mark.parametrize("seconds", [3600, 100_000])
def test_an_expiry_beats_whatever_else_is_due(call: Call, settings: AskingSettings, seconds: float) -> None:
    arguments = {**REMINDED, "expires_in": "1h", "escalate_after": "1h", "escalate_to": BOSS, "notify": True}
    result = wake(call, arguments, call(approval, {**arguments, "notify": False}), seconds, settings=settings)
    assert isinstance(result, Expired)
    assert result.reason == "0 of 2 approvals came within 1h"
    assert result.outputs is not None
    assert (result.outputs["status"], result.outputs["remind_at"], result.outputs["escalate_at"]) == (
        "expired",
        None,
        None,
    )
    assert mails(settings) == []


def test_a_wait_that_an_earlier_version_kept_goes_on_and_expires(call: Call) -> None:
    arguments = {"approvers": ["ada", "grace"], "require": 2, "expires_in": "5m"}
    kept = Waiting(outputs={"status": "waiting", "decided_by": [], "decisions": []})
    first = waiting(decide(call, arguments, kept, "ada"))
    assert isinstance(call(approval, arguments, phase="wake", waited=first.outputs), Expired)
    assert isinstance(decide(call, arguments, first, "grace"), Succeeded)


# Escalation.

ESCALATED = {"approvers": ["ada", "grace", "edsger"], "require": 2, "escalate_after": "1h", "escalate_to": ["boss"]}


def test_an_escalation_asks_for_what_is_missing_from_who_has_not_decided_and_bars_the_others(call: Call) -> None:
    first = decide(call, ESCALATED, call(approval, ESCALATED), "bob", on_behalf="ada")
    second = decide(call, ESCALATED, first, "grace", "reject")
    result = waiting(wake(call, ESCALATED, second, 3600))
    assert result.senders == ("edsger", "boss")
    assert result.barred == ("ada", "bob", "grace")
    assert result.closes == {"approve": 1, "reject": 2}
    assert result.outputs is not None
    assert result.outputs["asked"] == ["ada", "grace", "edsger", "boss"]
    assert (result.outputs["escalate_at"], result.until) == (None, None)
    assert isinstance(decide(call, ESCALATED, result, "boss"), Succeeded)
    third = decide(call, ESCALATED, result, "boss", "reject")
    assert isinstance(third, Waiting)
    assert isinstance(decide(call, ESCALATED, third, "edsger", "reject"), Failed)


def test_before_it_is_escalated_nobody_else_decides_and_refusals_are_final(call: Call) -> None:
    asked = call(approval, ESCALATED)
    assert waiting(decide(call, ESCALATED, asked, "boss")).outputs == waiting(asked).outputs
    first = decide(call, ESCALATED, asked, "ada", "reject")
    assert isinstance(decide(call, ESCALATED, first, "grace", "reject"), Failed)


def test_who_is_asked_already_gets_no_second_say_by_an_escalation(call: Call, settings: AskingSettings) -> None:
    arguments = {"approvers": [ADA, BOB], "escalate_after": "1h", "escalate_to": [ADA, BOSS], "notify": True}
    asked = call(approval, arguments, settings=settings)
    before = len(mails(settings))
    result = waiting(wake(call, arguments, asked, 3600, settings=settings))
    assert result.senders == (ADA, BOB, BOSS)
    assert [str(mail["To"]) for mail in mails(settings)].count(BOSS) == 1
    assert len(mails(settings)) == before + 1


def test_while_nobody_it_is_escalated_to_can_be_told_they_are_asked_a_little_later(
    call: Call, settings: AskingSettings, tmp_path: Path
) -> None:
    away = settings.model_copy(update={"outbox": str(tmp_path / "file" / "outbox")})
    (tmp_path / "file").write_text("")
    arguments = {**REMINDED, "reminders": 1, "escalate_after": "1h", "escalate_to": [ADA, BOSS], "notify": True}
    asked = call(approval, arguments, settings=settings)
    result = waiting(wake(call, arguments, asked, 3600, settings=away))
    assert result.until == pytest.approx(time() + 2, abs=1)
    assert result.outputs is not None
    assert (result.outputs["asked"], result.outputs["escalated_at"]) == ([ADA, BOB], None)
    result = waiting(wake(call, arguments, result, 2, settings=settings))
    assert result.senders == (ADA, BOB, BOSS)
    assert result.outputs is not None
    assert result.outputs["asked"] == [ADA, BOB, BOSS]
    assert [one for one in subjects(settings) if "eminder" in one[1]] == []  # it was noted at its time
    assert [str(mail["To"]) for mail in mails(settings)].count(BOSS) == 1


def test_who_can_not_be_told_of_an_escalation_is_asked_without_in_the_end(
    call: Call, settings: AskingSettings, tmp_path: Path
) -> None:
    away = settings.model_copy(update={"outbox": str(tmp_path / "file" / "outbox")})
    (tmp_path / "file").write_text("")
    arguments = {"approvers": [ADA], "escalate_after": "1h", "escalate_to": [BOSS], "notify": True}
    result = wake(call, arguments, call(approval, arguments, settings=settings), 3600, settings=away)
    pauses = []
    while waiting(result).senders is None:
        pauses.append(round((waiting(result).until or 0) - time()))
        result = wake(call, arguments, result, pauses[-1], settings=away)
    assert pauses == [2, 8, 32, 128]
    assert waiting(result).senders == (ADA, BOSS)
    outputs = waiting(result).outputs or {}
    assert (outputs["escalation_failures"], outputs["escalate_at"]) == (4, None)
    assert outputs["problems"][0].startswith("escalation: the outbox")


# Mails.

ASKING = {"approvers": [ADA], "title": "Change the\nowner", "details": {"asset": "sales"}, "notify": True}


def ask(call: Call, settings: AskingSettings, secret: str | None = KEY, **arguments: Any) -> Waiting:
    secrets = {} if secret is None else {"link_key": secret}
    return waiting(call(approval, {**ASKING, **arguments}, settings=settings, secrets=secrets, generation=3))


def test_each_approver_gets_a_mail_with_links_that_only_decide_this(call: Call, settings: AskingSettings) -> None:
    ask(call, settings, expires_in="1h", approvers=[ADA, "grace"])
    mail, other = mails(settings)
    assert (mail["To"], mail["Subject"], other["To"]) == (ADA, "Change the owner", "grace")
    text = mail.get_content()
    assert '"asset": "sales"' in text
    links = [read(token, [KEY], time()) for token in re.findall(r"https://icefloe\.example\.org/links/(\S+)", text)]
    assert [(one.person, one.decision) for one in links] == [(ADA, "approve"), (ADA, "reject")]
    assert {(one.run, one.task, one.generation) for one in links} == {("run-1", "task-1", 3)}
    assert links[0].expires_at == pytest.approx(time() + 3600, abs=60)


def test_links_of_what_never_expires_can_be_used_for_thirty_days(call: Call, settings: AskingSettings) -> None:
    ask(call, settings)
    (token, _) = re.findall(r"/links/(\S+)", mails(settings)[0].get_content())
    assert read(token, [KEY], time()).expires_at == pytest.approx(time() + 30 * 86400, abs=60)


def test_the_first_key_signs(call: Call, settings: AskingSettings) -> None:
    ask(call, settings, secret=f"{KEY},{'o' * 32}")
    (token, _) = re.findall(r"/links/(\S+)", mails(settings)[0].get_content())
    assert read(token, [KEY], time()).person == ADA


@pytest.mark.parametrize(("secret", "public_url"), [(None, "https://x.example"), (KEY, None), (None, None)])
def test_without_key_or_address_a_mail_says_which_command_decides(
    call: Call, settings: AskingSettings, secret: str | None, public_url: str | None
) -> None:
    ask(call, settings.model_copy(update={"public_url": public_url}), secret)
    text = mails(settings)[0].get_content()
    assert "`icefloe approve run-1 task-1`" in text
    assert "/links/" not in text


def test_a_key_that_is_too_short_is_noted_and_shown_nowhere(call: Call, settings: AskingSettings) -> None:
    result = ask(call, settings, "s3cret")
    assert result.outputs is not None
    (problem,) = result.outputs["problems"]
    assert problem.startswith("no links were sent: ICEFLOE_LINK_KEY: key 1 of 1 has 6 characters")
    assert "s3cret" not in str(result)
    assert "icefloe approve" in mails(settings)[0].get_content()


def test_the_first_mails_are_tried_again_and_then_people_are_asked_without(call: Call, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    settings = AskingSettings(outbox=str(tmp_path / "file" / "outbox"))
    result = call(approval, ASKING, settings=settings)
    assert isinstance(result, Failed)
    assert (result.code, result.retryable) == ("OUTBOX_UNWRITABLE", True)
    asked = waiting(call(approval, ASKING, settings=settings, attempt=5))
    assert asked.senders == (ADA,)
    assert asked.outputs is not None
    assert len(asked.outputs["problems"]) == 1


def test_one_who_can_not_be_reached_for_now_makes_nobody_else_get_the_first_mail_again(
    call: Call, settings: AskingSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse_bob(letters: Iterable[Letter], settings: MailSettings, *, key: str, purpose: str) -> list[Receipt]:
        receipts = deliver([one for one in letters if one.recipient != BOB], settings, key=key, purpose=purpose)
        raise BlockError("MAIL_REFUSED", "takes no mail for bob", retryable=True, outputs={"receipts": receipts})

    monkeypatch.setattr("blocks.asking.deliver", refuse_bob)
    result = waiting(call(approval, {**ASKING, "approvers": [ADA, BOB]}, settings=settings))
    assert result.outputs is not None
    assert result.outputs["problems"] == ["asked: takes no mail for bob"]
    assert [str(mail["To"]) for mail in mails(settings)] == [ADA]
    alone = call(approval, {**ASKING, "approvers": [BOB]}, settings=settings)
    assert isinstance(alone, Failed)
    assert (alone.code, alone.retryable) == ("MAIL_REFUSED", True)


def test_a_reminder_that_can_not_be_sent_is_noted_and_the_wait_goes_on(call: Call, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    settings = AskingSettings(outbox=str(tmp_path / "file" / "outbox"))
    result = waiting(wake(call, REMINDED, call(approval, REMINDED), 3600, settings=settings))
    assert result.outputs is not None
    assert result.outputs["reminders_sent"] == 0
    assert result.outputs["problems"][0].startswith("reminder 1: the outbox")
    assert result.until == pytest.approx(time() + 3600, abs=60)


def test_by_mail_server_only_addresses_are_written_to(call: Call) -> None:
    settings = AskingSettings(smtp_url=SecretStr("smtp://127.0.0.1:1"))
    result = waiting(call(approval, {"approvers": ["ada", "a@b@c"], "notify": True}, settings=settings))
    assert result.outputs is not None
    assert result.outputs["problems"] == [
        "'ada' is no mail address: nothing was sent",
        "'a@b@c' is no mail address: nothing was sent",
    ]


@pytest.mark.parametrize("public_url", ["icefloe.example.org", "ftp://x.example", "https://", "https://x.example?a=b"])
def test_an_address_that_links_can_not_lead_to_is_refused(public_url: str) -> None:
    with pytest.raises(ValidationError):
        AskingSettings(public_url=public_url)


def test_a_form_can_be_drawn_from_the_schema() -> None:
    schema = approval.schema()
    for model in ("arguments", "signal"):
        for name, field in schema[model]["properties"].items():
            assert field.get("title"), name
            assert field.get("description"), name
    assert schema["secrets"] == ["link_key"]
