"""WAIT: holds the workflow for some time, or until a moment, without holding anything in the engine."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from blocks.contract import BlockContext, Wait, block
from engine.durations import Duration, parse_duration


class WaitArguments(BaseModel):
    """How long: either of the two."""

    model_config = ConfigDict(extra="forbid")

    duration: Duration | None = Field(default=None, description="Such as 30s, 1h30m or P7D", examples=["P7D"])
    until: AwareDatetime | None = Field(
        default=None,
        description="A moment with its offset (RFC 3339); one that has passed waits no more",
        examples=["2027-01-31T09:00:00+01:00"],
    )

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if (self.duration is None) == (self.until is None):
            raise ValueError("give `duration` or `until`, one of the two")
        return self


class Waited(BaseModel):
    """When the wait was over."""

    ended_at: datetime


@block(
    "WAIT",
    title="Wait",
    category="Flow",
    icon="clock",
    examples=({"duration": "P1D"}, {"until": "{{ inputs.go_live }}"}),
)
async def wait(arguments: WaitArguments, _context: BlockContext) -> Waited | Wait:
    """Wait for some time, counted from when the task starts, or until a moment."""
    if arguments.duration is None:
        return Wait(until=arguments.until)
    return Wait(after=timedelta(seconds=parse_duration(arguments.duration)))


@wait.on_wake
async def over(_arguments: WaitArguments, _context: BlockContext, _waited: Mapping[str, Any] | None) -> Waited:
    """The time has come."""
    return Waited(ended_at=datetime.now(UTC))
