"""APPROVAL: asks people to decide, collects who decided what and when, and ends as soon as the outcome is certain.

Who may decide is refused or let in by the engine, from the `senders` of the wait; what the decisions mean is told here.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, model_validator

from blocks.contract import BlockContext, BlockError, Signal, TimedOut, Wait, block
from engine.durations import Duration, parse_duration

Approver = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


def _distinct(value: object) -> object:
    """A list of names, each once; one name may be given alone."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, list) and all(isinstance(name, str) for name in value):
        return list(dict.fromkeys(name.strip() for name in value))
    return value


class ApprovalArguments(BaseModel):
    """Who is asked what."""

    model_config = ConfigDict(extra="forbid")

    approvers: Annotated[list[Approver], BeforeValidator(_distinct)] = Field(
        min_length=1, description="Who may decide: a name or a list"
    )
    require: Literal["any", "all"] | Annotated[int, Field(strict=True, ge=1)] = Field(
        default="any", description="How many approvals it takes: any, all, or a number"
    )
    title: str = Field(default="", description="What is to be decided, in one line")
    details: Any = Field(default=None, description="What the approvers should know: any JSON")
    expires_in: Duration | None = Field(
        default=None, description="How long they have; absent: for ever", examples=["P7D"]
    )

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if isinstance(self.require, int) and self.require > len(self.approvers):
            raise ValueError(
                f"`require` asks for {self.require} approvals, but there are {len(self.approvers)} approvers"
            )
        return self

    @property
    def approvals_needed(self) -> int:
        """So many approvals and it is approved."""
        return {"any": 1, "all": len(self.approvers)}[self.require] if isinstance(self.require, str) else self.require

    @property
    def refusals_needed(self) -> int:
        """So many refusals and it can't be approved any more."""
        return len(self.approvers) - self.approvals_needed + 1


class Decision(BaseModel):
    """What an approver sends."""

    model_config = ConfigDict(extra="forbid")

    decision: Literal["approve", "reject"]
    comment: str = Field(default="", max_length=4_000)


class Decided(BaseModel):
    """One approver's decision."""

    who: str
    decision: Literal["approve", "reject"]
    comment: str
    at: datetime


class ApprovalOutputs(BaseModel):
    """Every decision so far, in the order they came, and what they amount to."""

    status: Literal["waiting", "approved", "rejected", "expired"] = "waiting"
    decided_by: list[str] = Field(default_factory=list)
    decisions: list[Decided] = Field(default_factory=list)

    def count(self, decision: str) -> int:
        """How many decided so."""
        return sum(one.decision == decision for one in self.decisions)

    def but(self, status: str) -> "ApprovalOutputs":
        """The same decisions, with what they amount to."""
        return self.model_copy(update={"status": status})


@block(
    "APPROVAL",
    title="Approval",
    category="People",
    icon="user-check",
    examples=(
        {"approvers": ["{{ inputs.owner }}"], "title": "Change the owner of {{ inputs.asset }}", "expires_in": "P7D"},
        {"approvers": ["ada", "grace", "edsger"], "require": 2},
    ),
)
async def approval(arguments: ApprovalArguments, _context: BlockContext) -> ApprovalOutputs | Wait:
    """Ask people to approve or reject, until enough of them approved, or so many rejected that enough can't."""
    expires = None if arguments.expires_in is None else timedelta(seconds=parse_duration(arguments.expires_in))
    return _wait(arguments, ApprovalOutputs(), expires)


@approval.on_signal
async def decide(
    arguments: ApprovalArguments, context: BlockContext, signal: Signal[Decision], waited: Mapping[str, Any] | None
) -> ApprovalOutputs | Wait:
    """Count one decision.

    Raises:
        BlockError: `REJECTED`; the outputs have the decisions.
    """
    so_far = ApprovalOutputs.model_validate(waited or {})
    if signal.sender not in arguments.approvers or signal.sender in so_far.decided_by:
        context.log.warning("decision_ignored", sender=signal.sender)
        return _wait(arguments, so_far)
    decided = Decided(
        who=signal.sender,
        decision=signal.data.decision,
        comment=signal.data.comment,
        at=datetime.fromtimestamp(signal.at, UTC),
    )
    now = ApprovalOutputs(decided_by=[*so_far.decided_by, decided.who], decisions=[*so_far.decisions, decided])
    if now.count("approve") >= arguments.approvals_needed:
        return now.but("approved")
    if now.count("reject") >= arguments.refusals_needed:
        refusers = ", ".join(one.who for one in now.decisions if one.decision == "reject")
        reason = f": {decided.comment}" if decided.comment else ""
        raise BlockError("REJECTED", f"rejected by {refusers}{reason}", outputs=now.but("rejected"))
    return _wait(arguments, now)


@approval.on_wake
async def expire(arguments: ApprovalArguments, _context: BlockContext, waited: Mapping[str, Any] | None) -> TimedOut:
    """Time is up; the decisions that did come stay in the outputs."""
    so_far = ApprovalOutputs.model_validate(waited or {})
    reason = f"{so_far.count('approve')} of {arguments.approvals_needed} approvals came within {arguments.expires_in}"
    return TimedOut(reason, outputs=so_far.but("expired"))


def _wait(arguments: ApprovalArguments, so_far: ApprovalOutputs, expires: timedelta | None = None) -> Wait:
    return Wait(
        after=expires,
        for_signal=Decision,
        senders=tuple(arguments.approvers),
        closes={"approve": arguments.approvals_needed, "reject": arguments.refusals_needed},
        outputs=so_far,
    )
