"""The workflow document as an admin writes it: pydantic models of every field of the specification language.

The models say what a single field may hold. Whether the fields fit together (names, cycles, references) is for
`engine.validation`.
"""

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from engine.conditions import Condition
from engine.durations import Duration
from engine.limits import NAME_CHARS

NAME_PATTERN = r"^[A-Za-z_][A-Za-z0-9_-]*$"
TYPE_PATTERN = r"^[A-Z][A-Z0-9_]*$"

Name = Annotated[str, Field(pattern=NAME_PATTERN, max_length=NAME_CHARS)]


def _merged(arguments: object) -> object:
    """One object from an array of objects; a key given twice is an error, and nothing at all is `{}`."""
    if arguments is None:
        return {}
    if not isinstance(arguments, list):
        return arguments
    merged: dict[str, Any] = {}
    for index, part in enumerate(arguments):
        if not isinstance(part, dict):
            message = f"item {index} is not an object: an array of arguments holds objects, which are merged"
            raise ValueError(message)  # noqa: TRY004 - pydantic makes faults of these, and lets a TypeError through
        for key, value in part.items():
            if key in merged:
                message = f"{key!r} is given twice (again in item {index}); keep one of them"
                raise ValueError(message)
            merged[key] = value
    return merged


def _listed(value: object) -> object:
    """A list, also of what may be given alone."""
    return value if isinstance(value, list) else [value]


def _blank_is_absent(value: object) -> object:
    return None if isinstance(value, str) and not value.strip() else value


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Retry(_Document):
    """When a failed attempt is made again: exponential back-off with jitter."""

    max_attempts: int = Field(default=1, ge=1, le=100, description="Attempts in all, the first one included")
    initial_interval: Duration = Field(default="1s", description="Wait before the second attempt")
    backoff: float = Field(default=2.0, ge=1, le=100, description="Each further wait is this many times longer")
    max_interval: Duration = Field(default="5m", description="No wait is longer than this, before jitter")
    jitter: float = Field(default=0.1, ge=0, le=1, description="Each wait grows at random, by up to this share")


class TaskSpec(_Document):
    """One task: which block to call with what, and when."""

    name: Name = Field(description="What `depends` and references call it", examples=["manual-approval"])
    type: str = Field(
        pattern=TYPE_PATTERN, max_length=NAME_CHARS, description="A block type", examples=["APPROVAL", "HTTP_REQUEST"]
    )
    arguments: Annotated[dict[str, Any], BeforeValidator(_merged)] = Field(
        default_factory=dict,
        description="What the block is called with; `{{ inputs.asset }}` and the like refer to what is known by then",
    )
    depends: Annotated[str | None, BeforeValidator(_blank_is_absent)] = Field(
        default=None, description="Which final statuses of other tasks start this one: `a.SUCCESS || b.DONE`"
    )
    when: Annotated[list[Condition], BeforeValidator(_listed)] | None = Field(
        default=None, description="Asked once `depends` is true; if any of them is false the task is SKIPPED"
    )
    description: str = Field(default="", description="For people")
    retry: Retry | None = Field(default=None, description="Absent: as the block type has it")
    timeout: Duration | None = Field(default=None, description="Longest time of one attempt; waiting doesn't count")
    allow_failure: bool = Field(default=False, description="A failure of this task needs nobody to handle it")


class Dag(_Document):
    """The tasks, where they begin, and which of them decide how the run ends."""

    entrypoint: Annotated[list[Name], BeforeValidator(_listed)] = Field(description="The tasks without `depends`")
    exitpoints: list[Name] = Field(min_length=1, description="A run succeeds if one of them does and none fails")
    tasks: list[TaskSpec] = Field(min_length=1, description="In any order")


class Workflow(_Document):
    """A workflow: what runs are copies of."""

    name: Name = Field(description="What runs are started by", examples=["metadata-change-request"])
    description: str = Field(default="", description="For people")
    tenant: Name = Field(default="default", description="Whose it is")
    labels: dict[str, str] = Field(
        default_factory=dict, description="For whoever looks for it, and for its runs", examples=[{"team": "sales"}]
    )
    inputs: dict[str, Any] = Field(default_factory=dict, description="JSON Schema of a run's inputs (an object)")
    timeout: Duration | None = Field(default=None, description="Longest time of a run")
    outputs: dict[str, Any] = Field(default_factory=dict, description="References, filled in when a run ends")
    dag: Dag = Field(description="What is done, and in which order")
    version: int | None = Field(default=None, ge=1, description="Given by the store")
    created_by: str | None = Field(default=None, description="Given by the store")
    created_at: float | None = Field(default=None, description="Unix time, given by the store")
