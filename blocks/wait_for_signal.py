"""WAIT_FOR_SIGNAL: waits until somebody, or another system, sends data to this task."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from blocks.contract import BlockContext, Signal, TimedOut, Wait, block
from engine.durations import Duration, parse_duration
from engine.schemas import compile_schema


def _listed(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _compilable(schema: dict[str, Any]) -> dict[str, Any]:
    compile_schema(schema)
    return schema


_Name = Annotated[str, Field(min_length=1)]
_Names = Annotated[list[_Name], Field(min_length=1)]
Senders = Annotated[_Names, BeforeValidator(_listed, json_schema_input_type=_Name | _Names)]


class WaitForSignalArguments(BaseModel):
    """Who may send what, and how long it is waited for."""

    model_config = ConfigDict(extra="forbid")

    senders: Senders | None = Field(
        default=None,
        alias="from",
        description="Who may send: a name or a list; absent: whoever may see the run",
    )
    data_schema: Annotated[dict[str, Any], AfterValidator(_compilable)] = Field(
        default_factory=dict, alias="schema", description="JSON Schema of the data; other data is refused"
    )
    expires_in: Duration | None = Field(default=None, description="How long to wait; absent: for ever")


class Received(BaseModel):
    """What was sent, by whom and when."""

    data: Any
    sender: str | None
    at: datetime


@block(
    "WAIT_FOR_SIGNAL",
    title="Wait for a signal",
    category="People",
    icon="inbox",
    examples=(
        {"from": "report-service", "schema": {"type": "object", "required": ["report_url"]}, "expires_in": "2h"},
        {"from": ["{{ inputs.owner }}", "data-office"]},
    ),
)
async def wait_for_signal(arguments: WaitForSignalArguments, _context: BlockContext) -> Received | Wait:
    """Wait for data that a person or another system sends to this task; the data is its outputs."""
    return Wait(
        after=None if arguments.expires_in is None else timedelta(seconds=parse_duration(arguments.expires_in)),
        for_signal=arguments.data_schema,
        senders=None if arguments.senders is None else tuple(dict.fromkeys(arguments.senders)),
        closes={"*": 1},
    )


@wait_for_signal.on_signal
async def received(
    _arguments: WaitForSignalArguments,
    _context: BlockContext,
    signal: Signal[Any],
    _waited: Mapping[str, Any] | None,
) -> Received:
    """The first signal ends the wait."""
    return Received(data=signal.data, sender=signal.sender, at=datetime.fromtimestamp(signal.at, UTC))


@wait_for_signal.on_wake
async def expired(
    arguments: WaitForSignalArguments, _context: BlockContext, _waited: Mapping[str, Any] | None
) -> TimedOut:
    """Nobody sent anything in time."""
    return TimedOut(f"no signal came within {arguments.expires_in}")
