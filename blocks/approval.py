"""APPROVAL: asks people to decide, collects who decided what and when, and ends as soon as the outcome is certain.

                ┌─ decision ─► enough? ──► SUCCESS, FAILED (REJECTED)
    ask ─► wait ┼─ reminder ─► a mail to whoever hasn't decided
                ├─ escalation ─► more people are asked
                └─ expiry ───► TIMED_OUT

Who may decide is refused or let in by the engine, from the `senders`, `groups` and `barred` of the wait; what the
decisions mean is told here. Whoever stood in for whom, a person is counted once.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, model_validator

from blocks.asking import LINK_KEY, Asked, AskingSettings, Question
from blocks.contract import BlockContext, BlockError, Retry, Signal, TimedOut, Wait, block
from engine.durations import Duration, parse_duration
from engine.limits import ID_CHARS

ATTEMPTS: Final = 5  # to hand over the first mails, or those of an escalation; then people are asked without
ESCALATION_PAUSE: Final = timedelta(seconds=2)  # after the first failure; each one after it is four times as long
PROBLEMS_KEPT: Final = 20


def _plain(name: str) -> str:
    if not name.isprintable():
        raise ValueError("holds a character that can't be printed")
    return name


def _distinct(value: object) -> object:
    """A list of names, each once; one name may be given alone."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, list) and all(isinstance(name, str) for name in value):
        return list(dict.fromkeys(name.strip() for name in value))
    return value


def _some_time(duration: str) -> str:
    if not parse_duration(duration):
        raise ValueError("should be longer than nothing")
    return duration


Name = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=ID_CHARS), AfterValidator(_plain)
]
Names = Annotated[list[Name], BeforeValidator(_distinct, json_schema_input_type=Name | list[Name])]
Pause = Annotated[Duration, AfterValidator(_some_time)]


class ApprovalArguments(BaseModel):
    """Who is asked what, and what happens while nobody decides."""

    model_config = ConfigDict(extra="forbid")

    approvers: Names = Field(
        default=[],
        title="Approvers",
        description="Who may decide: a name or a list; a mail address, if they are to get mails",
        examples=[["ada@example.org", "grace@example.org"]],
    )
    groups: Names = Field(
        default=[],
        title="Groups",
        description="Groups whose members may decide as well: a name or a list",
        examples=[["stewards"]],
    )
    require: Literal["any", "all"] | Annotated[int, Field(strict=True, ge=1)] = Field(
        default="any",
        title="Approvals needed",
        description="How many approvals it takes: any, all (not with groups), or a number",
        examples=["any", "all", 2],
    )
    self_approval: bool = Field(
        default=True, title="Self-approval", description="Whether who started the run may decide", examples=[False]
    )
    title: str = Field(
        default="",
        title="Title",
        description="What is to be decided, in one line",
        examples=["Change the owner of sales.orders"],
    )
    details: Any = Field(
        default=None,
        title="Details",
        description="What the approvers should know: any JSON",
        examples=[{"from": "ada", "to": "grace"}],
    )
    expires_in: Duration | None = Field(
        default=None, title="Expires in", description="How long they have; absent: for ever", examples=["P7D"]
    )
    notify: bool = Field(
        default=False,
        title="Send mails",
        description="Whether each approver who is named gets a mail when asked, with a link for each decision "
        "if ICEFLOE_PUBLIC_URL and ICEFLOE_LINK_KEY are set",
        examples=[True],
    )
    remind_every: Pause | None = Field(
        default=None,
        title="Remind every",
        description="How often those who haven't decided are reminded by mail; absent: never",
        examples=["P1D"],
    )
    reminders: int = Field(
        default=3, ge=1, le=100, title="Reminders", description="How many reminders there are at most", examples=[3]
    )
    escalate_after: Pause | None = Field(
        default=None,
        title="Escalate after",
        description="When others are asked as well, if nothing is decided by then; absent: never",
        examples=["P3D"],
    )
    escalate_to: Names = Field(
        default=[],
        title="Escalate to",
        description="Who may decide as well from then on: a name or a list",
        examples=[["head-of-data@example.org"]],
    )

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if not (self.approvers or self.groups):
            raise ValueError("give `approvers` or `groups`: somebody has to decide")
        if self.groups and self.require == "all":
            raise ValueError("`require` can't be all with `groups`, whose size isn't known: give a number")
        if isinstance(self.require, int) and not self.groups and self.require > len(self.approvers):
            raise ValueError(
                f"`require` asks for {self.require} approvals, but there are {len(self.approvers)} approvers"
            )
        if (self.escalate_after is None) is not (not self.escalate_to):
            raise ValueError("give `escalate_after` and `escalate_to` together: when, and to whom")
        if self.remind_every is not None and not (self.approvers or self.escalate_to):
            raise ValueError("`remind_every` needs `approvers`: the members of a group get no mails")
        return self


class Decision(BaseModel):
    """What an approver sends."""

    model_config = ConfigDict(extra="forbid")

    decision: Literal["approve", "reject"] = Field(title="Decision", description="What you decide")
    comment: str = Field(
        default="",
        max_length=4_000,
        title="Comment",
        description="Why; kept with the decision",
        examples=["Fits the naming rules"],
    )


class Decided(BaseModel):
    """One approver's decision."""

    who: str = Field(description="Who decided")
    decision: Literal["approve", "reject"]
    comment: str
    at: datetime
    on_behalf: str | None = Field(
        default=None, exclude_if=lambda whom: whom is None, description="Who was asked, and handed it over; if anybody"
    )


class ApprovalOutputs(BaseModel):
    """Every decision so far, in the order they came, what they amount to, and who was asked when."""

    status: Literal["waiting", "approved", "rejected", "expired"] = "waiting"
    decided_by: list[str] = Field(default=[], description="Who decided")
    decisions: list[Decided] = []
    asked: list[str] = Field(default=[], description="The people who were asked, also those it was escalated to")
    asked_groups: list[str] = Field(default=[], description="The groups that were asked")
    asked_at: datetime | None = Field(default=None, description="When they were asked")
    reminders_sent: int = Field(default=0, description="How many times those who hadn't decided were reminded")
    escalated_at: datetime | None = Field(default=None, description="When others were asked as well")
    escalation_failures: int = Field(
        default=0,
        exclude_if=lambda times: not times,
        description="How many times they couldn't be told, and were asked later",
    )
    remind_at: datetime | None = Field(default=None, description="When the next reminder is due")
    escalate_at: datetime | None = Field(default=None, description="When it will be escalated")
    expires_at: datetime | None = Field(default=None, description="Until when it can be decided")
    problems: list[str] = Field(default=[], description="Mails that could not be sent, and why")

    @property
    def next_moment(self) -> datetime | None:
        """When something is to be done without a decision."""
        return min(filter(None, (self.remind_at, self.escalate_at, self.expires_at)), default=None)

    @property
    def heard(self) -> set[str]:
        """Who has had his say, himself or through another, and who spoke for another."""
        return {person for one in self.decisions for person in (one.who, one.on_behalf) if person is not None}

    def count(self, decision: str) -> int:
        """How many decided so."""
        return sum(one.decision == decision for one in self.decisions)

    def ended(self, status: Literal["approved", "rejected", "expired"]) -> "ApprovalOutputs":
        """The same, now that nothing is ahead any more."""
        return self.model_copy(update={"status": status, "remind_at": None, "escalate_at": None})

    def note(self, asked: Asked) -> None:
        """Keep what went wrong when people were told, each problem once."""
        self.problems = list(dict.fromkeys((*self.problems, *asked.problems)))[:PROBLEMS_KEPT]


@block(
    "APPROVAL",
    title="Approval",
    category="People",
    icon="user-check",
    retry=Retry(max_attempts=ATTEMPTS),
    settings=AskingSettings,
    secrets=(LINK_KEY,),
    examples=(
        {"approvers": ["{{ inputs.owner }}"], "title": "Change the owner of {{ inputs.asset }}", "expires_in": "P7D"},
        {"approvers": ["ada", "grace", "edsger"], "require": 2},
        {
            "approvers": ["ada@example.org"],
            "groups": ["stewards"],
            "self_approval": False,
            "notify": True,
            "remind_every": "P1D",
            "escalate_after": "P3D",
            "escalate_to": ["head-of-data@example.org"],
        },
    ),
)
async def approval(arguments: ApprovalArguments, context: BlockContext) -> ApprovalOutputs | Wait:
    """Ask people to approve or reject, until enough of them approved, or so many rejected that enough can't.

    Raises:
        BlockError: `NO_APPROVER`: only who started the run could decide, and may not; `MAIL_UNREACHABLE`,
            `MAIL_REFUSED` and `OUTBOX_UNWRITABLE` while none of the first mails can be sent (may be tried again).
            Later, by a decision, `REJECTED`; the outputs have the decisions.
    """
    _refuse_impossible(arguments, context)
    now = datetime.now(UTC)
    so_far = ApprovalOutputs(
        asked=_eligible(arguments, context, escalated=False),
        asked_groups=arguments.groups,
        asked_at=now,
        remind_at=_later(now, arguments.remind_every),
        escalate_at=_later(now, arguments.escalate_after),
        expires_at=_later(now, arguments.expires_in),
    )
    if arguments.notify:
        asked = await _question(arguments, so_far).ask(context, so_far.asked, "asked")
        if asked.retry is not None and context.attempt < ATTEMPTS:
            raise BlockError(asked.retry.code, asked.retry.message, retryable=True)
        so_far.note(asked)
    return _wait(arguments, context, so_far)


@approval.on_signal
async def decide(
    arguments: ApprovalArguments, context: BlockContext, signal: Signal[Decision], waited: Mapping[str, Any] | None
) -> ApprovalOutputs | Wait:
    """Count one decision. One after which it can't be approved any more ends it with `REJECTED`."""
    now = ApprovalOutputs.model_validate(waited or {})
    sender, voice = signal.sender, signal.voice
    named = _eligible(arguments, context, escalated=now.escalated_at is not None)
    silent = {*now.heard, *_barred(arguments, context)}
    if sender is None or not silent.isdisjoint((sender, voice)) or not (arguments.groups or voice in named):
        context.log.warning("decision_ignored", sender=sender, on_behalf=signal.on_behalf)
        return Wait(outputs=now)
    decided = Decided(
        who=sender,
        decision=signal.data.decision,
        comment=signal.data.comment,
        at=datetime.fromtimestamp(signal.at, UTC),
        on_behalf=signal.on_behalf,
    )
    now.decided_by = [*now.decided_by, decided.who]
    now.decisions = [*now.decisions, decided]
    needed = _needed(arguments, context)
    if now.count("approve") >= needed:
        return now.ended("approved")
    too_few = now.count("approve") + sum(person not in now.heard for person in named) < needed
    refused = decided.decision == "reject"
    if refused if arguments.groups else too_few and (refused or now.escalate_at is None):
        raise BlockError("REJECTED", _refused(now, needed), outputs=now.ended("rejected"))
    return Wait(outputs=now)


@approval.on_wake
async def look(
    arguments: ApprovalArguments, context: BlockContext, waited: Mapping[str, Any] | None
) -> TimedOut | Wait:
    """A moment has come: do all that is due by it, or by now, if that is later. An expiry leaves nothing else to do."""
    so_far = ApprovalOutputs.model_validate(waited or {})
    planned = so_far.next_moment
    now = max(datetime.now(UTC), planned) if planned is not None else datetime.now(UTC)
    if planned is None or _is_due(so_far.expires_at, now):
        approvals = f"{so_far.count('approve')} of {_needed(arguments, context)} approvals"
        return TimedOut(f"{approvals} came within {arguments.expires_in}", outputs=so_far.ended("expired"))
    if _is_due(so_far.remind_at, now):
        await _remind(arguments, context, so_far, now)
    if _is_due(so_far.escalate_at, now) and await _escalate(arguments, context, so_far, now):
        return _wait(arguments, context, so_far)
    return Wait(until=so_far.next_moment, outputs=so_far)


def _refused(now: ApprovalOutputs, needed: int) -> str:
    refusers = ", ".join(one.who for one in now.decisions if one.decision == "reject")
    if not refusers:  # who was asked himself spoke for another meanwhile
        return f"{now.count('approve')} of {needed} approvals came, and nobody is left who could decide"
    comment = now.decisions[-1].comment
    return f"rejected by {refusers}" + (f": {comment}" if comment else "")


async def _remind(arguments: ApprovalArguments, context: BlockContext, so_far: ApprovalOutputs, now: datetime) -> None:
    """Send the last reminder that is due, and plan the next one. One that can't be sent is noted, and the wait goes on.

    Those before it, whose moments passed while nothing could be sent, are left out.
    """
    moment, so_far.remind_at = so_far.remind_at, None
    if moment is None or so_far.asked_at is None or arguments.remind_every is None:
        return
    every = timedelta(seconds=parse_duration(arguments.remind_every))
    number = round((moment - so_far.asked_at) / every)
    missed = max(min((now - moment) // every, arguments.reminders - number), 0)
    number, moment = number + missed, moment + missed * every
    people = context.asked
    if people is None:
        people = tuple(person for person in so_far.asked if person not in so_far.heard)
    why = f"Reminder {number} of {arguments.reminders}"
    asked = await _question(arguments, so_far).ask(context, people, f"reminder {number}", why)
    so_far.note(asked)
    so_far.reminders_sent += asked.reached
    if number < arguments.reminders:
        so_far.remind_at = moment + every


async def _escalate(
    arguments: ApprovalArguments, context: BlockContext, so_far: ApprovalOutputs, now: datetime
) -> bool:
    """From now on more people are asked; while none of them can be told, a little later.

    That is no failure of the call: a task whose own `retry` leaves no attempt would end by it.
    """
    people = _eligible(arguments, context, escalated=True)
    newcomers = [person for person in people if person not in so_far.asked and person not in so_far.heard]
    if arguments.notify:
        why = "Nobody has decided yet, so that you are asked as well"
        asked = await _question(arguments, so_far).ask(context, newcomers, "escalation", why)
        if asked.retry is not None and so_far.escalation_failures < ATTEMPTS - 1:
            so_far.escalate_at = now + ESCALATION_PAUSE * 4**so_far.escalation_failures
            so_far.escalation_failures += 1
            return False
        so_far.note(asked)
    so_far.escalate_at, so_far.escalated_at = None, now
    so_far.asked = [*so_far.asked, *newcomers]
    return True


def _wait(arguments: ApprovalArguments, context: BlockContext, so_far: ApprovalOutputs) -> Wait:
    """Wait for those who haven't decided, and the approvals that are missing: the engine counts both anew.

    Who was heard is barred, since a member of a group could else decide once more.
    """
    escalated = so_far.escalated_at is not None
    barred = _barred(arguments, context)
    named = [*arguments.approvers, *(arguments.escalate_to if escalated else ())]
    open_ = [person for person in dict.fromkeys(named) if person not in so_far.heard]
    missing = _needed(arguments, context) - so_far.count("approve")
    refusals = sum(person not in barred for person in open_) - missing + 1
    return Wait(
        until=so_far.next_moment,
        for_signal=Decision,
        senders=tuple(open_),
        groups=tuple(arguments.groups) or None,
        barred=(*barred, *sorted(so_far.heard.difference(barred))),
        closes={"approve": missing, "reject": 1 if arguments.groups else max(refusals, 1)},
        outputs=so_far,
    )


def _barred(arguments: ApprovalArguments, context: BlockContext) -> tuple[str, ...]:
    """Who may not decide on his own request."""
    return () if arguments.self_approval or context.requested_by is None else (context.requested_by,)


def _eligible(arguments: ApprovalArguments, context: BlockContext, *, escalated: bool) -> list[str]:
    """The people who are named and may decide."""
    named = [*arguments.approvers, *(arguments.escalate_to if escalated else ())]
    return [person for person in dict.fromkeys(named) if person not in _barred(arguments, context)]


def _needed(arguments: ApprovalArguments, context: BlockContext) -> int:
    """So many approvals and it is approved."""
    match arguments.require:
        case "any":
            return 1
        case "all":
            return max(len(_eligible(arguments, context, escalated=False)), 1)
        case int():
            return arguments.require


def _refuse_impossible(arguments: ApprovalArguments, context: BlockContext) -> None:
    """Fail at once where nobody could ever decide, or not enough people."""
    people, needed = _eligible(arguments, context, escalated=True), _needed(arguments, context)
    if arguments.groups or len(people) >= needed:
        return
    own = f"{context.requested_by!r} started this run and may not decide on it (`self_approval` is false)"
    left = f"only {', '.join(people)} could approve, and it takes {needed}" if people else "nobody else is asked"
    raise BlockError("NO_APPROVER", f"{own}: {left}; name other approvers, or a group")


def _question(arguments: ApprovalArguments, so_far: ApprovalOutputs) -> Question:
    return Question(arguments.title, arguments.details, so_far.expires_at)


def _later(now: datetime, pause: str | None) -> datetime | None:
    return None if pause is None else now + timedelta(seconds=parse_duration(pause))


def _is_due(moment: datetime | None, now: datetime) -> bool:
    return moment is not None and moment <= now
