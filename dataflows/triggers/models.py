"""What a message may say: the models of the three types of events, and of the envelope that they come in.

They are the edge: whatever is written by others is read through them, and `docs/asyncapi.json` is made from them.
"""

from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from engine.documents import Name
from engine.limits import ID_CHARS, REASON_CHARS

ORIGIN_CHARS: Final = 1024  # of an event's source, and of its id
GROUPS: Final = 1000  # of one sender


def _plain(text: str) -> str:
    if not text.isprintable():
        raise ValueError("holds a character that can't be printed")
    return text


Origin = Annotated[str, Field(min_length=1, max_length=ORIGIN_CHARS), AfterValidator(_plain)]
Person = Annotated[str, Field(min_length=1, max_length=ID_CHARS), AfterValidator(_plain)]
RunId = Annotated[str, Field(min_length=1, max_length=ID_CHARS)]


class _Data(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class StartRun(_Data):
    """Start a run of a workflow."""

    type: ClassVar = "icefloe.run.start"
    workflow: Name = Field(description="The name of a saved workflow", examples=["change-owner"])
    version: int | None = Field(default=None, ge=1, description="Of the workflow; by default the latest")
    inputs: dict[str, Any] = Field(default={}, description="What the workflow takes", examples=[{"asset": "sales"}])
    requested_by: Person | None = Field(default=None, description="Who asks for it; only on a trusted topic")
    labels: dict[str, str] = Field(default={}, description="Kept with the run", examples=[{"team": "governance"}])


class PlainStart(StartRun):
    """Start a run of a workflow, without an envelope."""

    id: Origin | None = Field(default=None, description="The same message under one id starts one run")


class SignalTask(_Data):
    """Send a waiting task what it waits for: a decision, or other data."""

    type: ClassVar = "icefloe.task.signal"
    run: RunId = Field(description="The run's id")
    task: Name = Field(description="The name of the task", examples=["manual-approval"])
    data: Any = Field(default=None, description="What is sent", examples=[{"decision": "approve"}])
    sender: Person | None = Field(default=None, description="Who sends it; only on a trusted topic")
    groups: list[Person] = Field(
        default=[],
        max_length=GROUPS,
        description="The groups that the sender is a member of; only on a trusted topic",
        examples=[["stewards"]],
    )
    generation: int | None = Field(
        default=None, ge=1, description="The task's, as the sender saw it: if the run was retried since, it is refused"
    )


class CancelRun(_Data):
    """Cancel a run."""

    type: ClassVar = "icefloe.run.cancel"
    run: RunId = Field(description="The run's id")
    reason: str = Field(default="", max_length=REASON_CHARS, description="Why")
    requested_by: Person | None = Field(default=None, description="Who asks for it; only on a trusted topic")


class CloudEvent(BaseModel):
    """An event as CloudEvents 1.0 has it: in the message itself, or its attributes in headers and the data as value.

    Extensions and the attributes that aren't named here are allowed, and say nothing to Icefloe.
    """

    model_config = ConfigDict(extra="allow", frozen=True, strict=True)

    specversion: Literal["1.0"] = Field(description="The version of CloudEvents")
    id: Origin = Field(description="The event is told from others of its source by this", examples=["change-4711"])
    source: Origin = Field(description="Where it comes from, a URI reference", examples=["/crm"])
    type: str = Field(min_length=1, description="What happened", examples=[StartRun.type])
    datacontenttype: str | None = Field(default=None, description="JSON, of whatever name")
    data: Any = Field(default=None, description="What this type of event carries")
    data_base64: str | None = Field(default=None, description="The same, as text of base64")
