"""A bulk operation: one thing done to all runs that a filter finds. The value, and how it stands in a record.

RUNNING ─► DONE, STOPPED by somebody, or FAILED

A page is written down (`pending`) before it is worked on: who takes the operation over knows what may be done already.
"""

import re
from collections.abc import Mapping, Sequence
from secrets import token_hex
from typing import Any, Final, Literal, NamedTuple, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from engine.outcomes import Rejected
from engine.run import JournalEntry, WorkflowRun
from engine.statuses import FINAL_RUN, RunStatus
from engine.transitions import RunCancelled, RunPaused, RunResumed, RunRetried
from store.protocol import Record, RunQuery

KIND: Final = "operation"
REASONS_KEPT: Final = 20
KEPT_SECONDS: Final = 30 * 24 * 3600.0  # after its end

Action: TypeAlias = Literal["cancel", "pause", "resume", "retry"]
Status: TypeAlias = Literal["RUNNING", "DONE", "STOPPED", "FAILED"]

_LIVE: Final = frozenset(RunStatus) - FINAL_RUN
_CONCERNED: Final[Mapping[Action, frozenset[RunStatus]]] = {
    "cancel": _LIVE,
    "pause": _LIVE - {RunStatus.PAUSED},
    "resume": frozenset({RunStatus.PAUSED}),
    "retry": frozenset({RunStatus.FAILED, RunStatus.CANCELLED}),
}
_NEWEST: Final = 2**48 - 1
_ID: Final = re.compile(r"[0-9a-f]{12}-[0-9a-f]{16}")


class Refusal(BaseModel):
    """Why one run was left as it is."""

    model_config = ConfigDict(frozen=True)

    run: str = Field(description="Its id")
    code: str = Field(description="A stable code", examples=["RUN_FINAL"])
    reason: str = Field(description="A sentence", examples=["the run has already ended: SUCCESS"])


class Refused(BaseModel):
    """Runs that were left as they are."""

    model_config = ConfigDict(frozen=True)

    count: int = 0
    reasons: tuple[Refusal, ...] = Field(default=(), description=f"The first {REASONS_KEPT}")


class Lease(BaseModel):
    """Which process works on it, and until when (Unix seconds) nobody else may."""

    model_config = ConfigDict(frozen=True)

    owner: str
    until: float


class Found(BaseModel):
    """Which runs are concerned: `RunQuery` as JSON."""

    model_config = ConfigDict(frozen=True)

    workflow: str | None = None
    statuses: tuple[RunStatus, ...] = ()
    requested_by: str | None = None
    inputs_any: dict[str, tuple[Any, ...]] = Field(default_factory=dict)
    labels: dict[str, str] = Field(default_factory=dict)
    waiting_for: tuple[str, ...] = ()
    created_after: float | None = None
    created_before: float | None = None

    def query(self, tenant: str, *, limit: int, cursor: str | None) -> RunQuery:
        """What to ask the store."""
        return RunQuery(
            tenant,
            self.workflow,
            frozenset(self.statuses),
            self.requested_by,
            inputs_any=self.inputs_any,
            labels=self.labels,
            waiting_for=frozenset(self.waiting_for),
            created_after=self.created_after,
            created_before=self.created_before,
            limit=limit,
            cursor=cursor,
        )


class Operation(BaseModel):
    """What is done to which runs, why and for whom, and how far it has got. Times are Unix seconds."""

    model_config = ConfigDict(frozen=True)

    id: str
    action: Action
    filter: dict[str, Any] = Field(description="As it was asked for")
    all: bool
    reason: str
    dry_run: bool
    by: str
    created_at: float
    updated_at: float
    found: Found
    status: Status = "RUNNING"
    finished_at: float | None = None
    error: str | None = None
    total: int | None = None
    done: int = 0
    refused: Refused = Refused()
    cursor: str | None = None
    pending: tuple[str, ...] | None = None
    behind: str | None = None
    lease: Lease | None = None

    @property
    def mark(self) -> str:
        """How it is named in the reasons that journals keep."""
        return f"operation {self.id}"

    def transition(self, run: WorkflowRun) -> RunCancelled | RunPaused | RunResumed | RunRetried:
        """What is to happen to a run."""
        reason = f"{self.reason} ({self.mark})" if self.reason else self.mark
        match self.action:
            case "cancel":
                return RunCancelled(reason)
            case "pause":
                return RunPaused(reason)
            case "resume":
                return RunResumed(reason)
            case "retry":
                return RunRetried(run.generation, reason)

    def did(self, journal: Sequence[JournalEntry]) -> bool:
        """Whether it has had this run already."""
        return any(self.mark in str((entry.detail or {}).get("reason", "")) for entry in journal)

    def held_by_another(self, owner: str, at: float) -> bool:
        """Whether another process works on it."""
        return self.lease is not None and self.lease.owner != owner and self.lease.until > at

    def but(self, at: float, **fields: Any) -> "Operation":
        """The same at a later moment."""
        return self.model_copy(update={"updated_at": at, **fields})

    def stopped(self, at: float) -> "Operation":
        """The same when somebody has stopped it: the page at hand is still counted."""
        return _ended(self, at, "STOPPED") if self.status == "RUNNING" else self

    def failed(self, at: float, error: str) -> "Operation":
        """The same when it can't go on; nobody tries its pending page again."""
        return _ended(self, at, "FAILED").but(at, error=error, pending=None)

    def released_by(self, owner: str) -> "Operation":
        """The same when a process doesn't work on it any more."""
        return self if self.lease is None or self.lease.owner != owner else self.model_copy(update={"lease": None})

    def after(self, page: "Worked", at: float) -> "Operation":
        """The same when its pending page is done; at the last one it ends, unless it has been stopped."""
        reasons = (*self.refused.reasons, *page.refused)[:REASONS_KEPT]
        refused = Refused(count=self.refused.count + len(page.refused), reasons=reasons)
        moved = self.but(at, done=self.done + page.done, refused=refused, pending=None, cursor=self.behind, behind=None)
        return _ended(moved, at, "DONE") if self.behind is None and self.status == "RUNNING" else moved


def _ended(operation: Operation, at: float, status: Status) -> Operation:
    return operation.but(at, status=status, finished_at=at)


class Worked(NamedTuple):
    """What became of a page of runs."""

    done: int
    refused: tuple[Refusal, ...]


def refusal(run: str, rejected: Rejected) -> Refusal:
    """Why a run was left as it is."""
    return Refusal(run=run, code=rejected.code, reason=rejected.reason)


def concerned(action: Action) -> frozenset[RunStatus]:
    """The statuses of runs to which it can be done, for who names none."""
    return _CONCERNED[action]


def new_id(at: float) -> str:
    """An id for an operation asked for at `at`. Stores list records by id, so that newer ones have smaller ones."""
    return f"{_NEWEST - int(at * 1000):012x}-{token_hex(8)}"


def is_id(text: str) -> bool:
    """Whether an operation may have this id."""
    return _ID.fullmatch(text) is not None


def asked_at(id_: str) -> float:
    """When the operation of an id was asked for."""
    return (_NEWEST - int(id_.partition("-")[0], 16)) / 1000


def load(record: Record) -> Operation:
    """The operation of a record."""
    return Operation.model_validate(record.document)


def dump(operation: Operation, tenant: str, revision: int) -> Record:
    """The record of an operation, over the revision that the store has of it; it is kept for a while after its end."""
    expires = None if operation.finished_at is None else operation.finished_at + KEPT_SECONDS
    document = operation.model_dump(mode="json", exclude_none=True)
    return Record(KIND, tenant, operation.id, document, revision, expires)
