"""The documents that several kinds of routes answer with, as the OpenAPI document describes them.

Runs are answered as `engine.run.present` writes them; nothing is validated or written twice.
"""

from typing import Annotated, Any, Final

from fastapi import Path
from pydantic import BaseModel, ConfigDict, Field, JsonValue

from api.schema import EXAMPLE
from engine.documents import Retry
from engine.statuses import RunStatus, TaskStatus

RUN_ID: Final = "0191f3c8-6c2f-7e61-8a53-0d6f6f4c2b1e"

_TASK: Final[dict[str, JsonValue]] = {
    "name": "manual-approval",
    "type": "APPROVAL",
    "arguments": {"approvers": ["{{ inputs.owner }}"], "expires_in": "P7D"},
    "depends": "auto-approval.SKIPPED",
    "description": "",
    "allow_failure": False,
    "status": "WAITING",
    "updated_at": 1795366437.12,
    "attempt": 0,
    "outputs": None,
    "error": None,
    "started_at": 1795366437.02,
    "finished_at": None,
    "until": 1795971237.12,
    "wants": {"senders": ["olga@example.org"], "closes": {"approve": 1, "reject": 1}},
}
_RUN: Final[dict[str, JsonValue]] = {
    "id": RUN_ID,
    "tenant": "default",
    "workflow": {"name": "metadata-change-request", "version": 3},
    "status": "WAITING",
    "requested_by": "ada@example.org",
    "labels": {"team": "sales"},
    "inputs": {"asset": "sales.orders", "owner": "olga@example.org", "requester": "ada@example.org", "risk": "high"},
    "outputs": None,
    "error": None,
    "parent": None,
    "generation": 1,
    "revision": 4,
    "created_at": 1795366436.44,
    "updated_at": 1795366437.12,
    "started_at": 1795366436.51,
    "finished_at": None,
    "wake_at": 1795971237.12,
    "deadline": None,
    "dag": {"entrypoint": ["manual-approval"], "exitpoints": ["manual-approval"], "tasks": [_TASK]},
}

RunId = Annotated[str, Path(description="The run's id", examples=[RUN_ID])]
TaskName = Annotated[str, Path(description="The name of one of its tasks", examples=["manual-approval"])]
Limit = Annotated[int, Field(ge=1, le=500, description="How many at most")]
Cursor = Annotated[
    str | None, Field(max_length=1024, description="`cursor` of the page before; absent: begin at the beginning")
]
Moment = Annotated[float, Field(description="Unix time in seconds", examples=[1795366436.44])]
_WORKFLOW: Final[dict[str, JsonValue]] = {
    **EXAMPLE,
    "tenant": "default",
    "labels": {},
    "outputs": {},
    "version": 3,
    "created_by": "ann@example.org",
    "created_at": 1795366400.0,
}


class PageQuery(BaseModel):
    """Which page of a list."""

    model_config = ConfigDict(extra="forbid")

    limit: Limit = 50
    cursor: Cursor = None


class Page(BaseModel):
    """A page of a list."""

    cursor: str | None = Field(description="Give it as `cursor` to get the next page; null: this is the last one")


class WorkflowRef(BaseModel):
    """The workflow version that a run is of."""

    name: str = Field(examples=["metadata-change-request"])
    version: int = Field(examples=[3])


class ErrorModel(BaseModel):
    """Why a task or a run failed."""

    code: str = Field(description="A stable code", examples=["REJECTED"])
    message: str = Field(description="A sentence", examples=["rejected by olga: not now"])


class RunSummaryModel(BaseModel):
    """A run as lists show it."""

    id: str = Field(examples=[RUN_ID])
    workflow: WorkflowRef
    status: RunStatus
    requested_by: str | None = Field(examples=["ada@example.org"])
    created_at: Moment
    updated_at: Moment
    finished_at: Moment | None
    error: ErrorModel | None


class ParentModel(BaseModel):
    """The task of another run that started this one."""

    run: str
    task: str
    generation: int


class WantsModel(BaseModel):
    """What a waiting task takes as a signal: of what form, and from whom."""

    json_schema: dict[str, Any] | None = Field(
        default=None, alias="schema", description="JSON Schema of the data; absent: anything"
    )
    senders: list[str] | None = Field(default=None, description="The people who may send; absent: see `groups`")
    groups: list[str] | None = Field(
        default=None, description="Groups whose members may send; if `senders` is absent too, anybody may"
    )
    barred: list[str] | None = Field(default=None, description="Who never may")
    closes: dict[str, int] | None = Field(default=None, description="How many of which decision are enough")


class DelegatedModel(BaseModel):
    """Who may decide in whose place."""

    to: str
    on_behalf: str


class TaskModel(BaseModel):
    """A task of a run: what the workflow says of it, and how it stands."""

    model_config = ConfigDict(json_schema_extra={"examples": [_TASK]})

    name: str = Field(examples=["manual-approval"])
    type: str = Field(examples=["APPROVAL"])
    arguments: dict[str, Any] = Field(description="As the workflow has them: references are not filled in")
    depends: str | None = Field(default=None, examples=["auto-approval.SKIPPED"])
    when: list[dict[str, Any]] | None = None
    description: str = ""
    retry: Retry | None = None
    timeout: str | None = None
    allow_failure: bool = False
    status: TaskStatus
    updated_at: Moment
    attempt: int = Field(description="Calls of the block since it last returned something", examples=[1])
    outputs: Any
    error: ErrorModel | None
    started_at: Moment | None
    finished_at: Moment | None
    not_before: Moment | None = Field(default=None, description="When the next attempt is due")
    until: Moment | None = Field(default=None, description="When the task stops to wait")
    wants: WantsModel | None = Field(default=None, description="What the task waits for somebody to send")
    delegated: list[DelegatedModel] | None = None


class RunDagModel(BaseModel):
    """The tasks of a run with how they stand."""

    entrypoint: list[str]
    exitpoints: list[str]
    tasks: list[TaskModel]


class RunModel(BaseModel):
    """A run: what was asked for, and the workflow's dag with how each task stands."""

    model_config = ConfigDict(json_schema_extra={"examples": [_RUN]})

    id: str = Field(examples=[RUN_ID])
    tenant: str = Field(examples=["default"])
    workflow: WorkflowRef
    status: RunStatus
    requested_by: str | None = Field(examples=["ada@example.org"])
    labels: dict[str, str]
    inputs: dict[str, Any] = Field(description="Defaults of the workflow's schema are filled in")
    outputs: Any = Field(description="What the workflow's `outputs` came to; null until the run has ended")
    error: ErrorModel | None
    parent: ParentModel | None
    generation: int = Field(description="1, and one more each time the run was retried", examples=[1])
    revision: int = Field(description="One more at each change; the ETag", examples=[4])
    created_at: Moment
    updated_at: Moment
    started_at: Moment | None
    finished_at: Moment | None
    wake_at: Moment | None = Field(description="When the engine looks at the run again at the latest")
    deadline: Moment | None = Field(description="When the run's time is up")
    dag: RunDagModel


class WorkflowModel(BaseModel):
    """A saved version of a workflow, in its normal form: defaults of the block types are filled in."""

    model_config = ConfigDict(extra="allow", json_schema_extra={"examples": [_WORKFLOW]})

    name: str = Field(examples=["metadata-change-request"])
    description: str
    tenant: str
    labels: dict[str, str]
    inputs: dict[str, Any] = Field(description="JSON Schema of a run's inputs")
    timeout: str | None = None
    outputs: dict[str, Any]
    dag: dict[str, Any]
    version: int = Field(examples=[3])
    created_by: str | None = None
    created_at: Moment
