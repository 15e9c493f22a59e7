"""What people are asked and what they answer, as the OpenAPI document describes it: the inbox, and its requests."""

from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from api.models import RUN_ID, Page, PageQuery, WorkflowRef
from engine.limits import ID_CHARS, NAME_CHARS, REASON_CHARS


class Asked(BaseModel):
    """Who may decide now."""

    people: list[str] = Field(description="By name, without those who have decided")
    groups: list[str] = Field(description="Any member of these groups")


class DecisionSoFar(BaseModel):
    """What somebody has decided on this task."""

    who: str | None
    decision: str | None
    comment: str
    at: float | None = Field(description="Unix seconds; null if the block doesn't keep it")
    on_behalf_of: str | None = Field(description="Who handed the task over to him")


class Approval(BaseModel):
    """What one task asks of the caller."""

    run: str = Field(description="The run's id")
    workflow: WorkflowRef
    task: str
    type: str = Field(description="Its block type")
    generation: int = Field(description="Which try of the task it is; sent with the decision, it can mean no other")
    title: str = Field(description="What is to be decided, in one line")
    details: Any = Field(description="What those who decide should know: any JSON")
    requested_by: str | None = Field(description="Who started the run")
    since: float | None = Field(description="When it began to wait, in Unix seconds")
    until: float | None = Field(description="When it stops waiting, in Unix seconds; null: it doesn't")
    json_schema: dict[str, Any] = Field(alias="schema", description="JSON Schema of what may be sent")
    asked: Asked
    decisions: list[DecisionSoFar]
    on_behalf_of: str | None = Field(description="In whose place the caller is asked; null: in his own")


_APPROVAL: Final[dict[str, JsonValue]] = {
    "run": RUN_ID,
    "workflow": {"name": "metadata-change-request", "version": 3},
    "task": "manual-approval",
    "type": "APPROVAL",
    "generation": 1,
    "title": "Change the owner of sales.orders",
    "details": {"from": "ada@example.org", "to": "grace@example.org"},
    "requested_by": "linus@example.org",
    "since": 1_790_000_000.0,
    "until": 1_790_604_800.0,
    "schema": {"type": "object", "required": ["decision"], "properties": {"decision": {"enum": ["approve", "reject"]}}},
    "asked": {"people": ["ada@example.org"], "groups": ["stewards"]},
    "decisions": [],
    "on_behalf_of": None,
}


class Inbox(Page):
    """What waits for the caller, what was asked last first."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"items": [_APPROVAL], "cursor": None}]})

    items: list[Approval]


class InboxQuery(PageQuery):
    """Which part of the inbox. The tasks of one run are never on two pages: one may have some more than asked for."""

    workflow: str | None = Field(default=None, max_length=NAME_CHARS, description="Of runs of this workflow only")


class DecisionBody(BaseModel):
    """A decision."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"decision": "approve", "comment": "The owner agreed."}]}
    )

    decision: Literal["approve", "reject"] = Field(description="What is decided", examples=["approve"])
    comment: str = Field(
        default="", max_length=4 * REASON_CHARS, description="Why; kept with the decision", examples=["As discussed."]
    )
    data: dict[str, Any] = Field(
        default_factory=dict,
        description="What the task's `schema` asks for besides `decision` and `comment`",
        examples=[{}],
    )
    id: str | None = Field(
        default=None,
        min_length=1,
        max_length=ID_CHARS,
        description="As the header Idempotency-Key, for who can't set one",
        examples=["7c1d0e5a"],
    )
    generation: int | None = Field(
        default=None,
        ge=1,
        description="The `generation` that was seen: if the run was retried since, the decision is refused",
        examples=[1],
    )


class DelegationBody(BaseModel):
    """Who is to decide instead."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"to": "grace@example.org", "reason": "I am on holiday"}]}
    )

    to: str = Field(min_length=1, max_length=ID_CHARS, description="The person", examples=["grace@example.org"])
    reason: str = Field(
        default="", max_length=REASON_CHARS, description="Why; kept in the journal", examples=["I am on holiday"]
    )
    generation: int | None = Field(
        default=None, ge=1, description="The `generation` that was seen, as for a decision", examples=[1]
    )
