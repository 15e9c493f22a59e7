"""Many runs at once: cancel, pause, resume or retry all that a filter finds, as an operation that is followed."""

from dataclasses import replace
from http import HTTPStatus
from math import inf, nextafter
from typing import Annotated, Any, Final

import structlog
from fastapi import APIRouter, Body, Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool

from api import bulk
from api.answers import answer
from api.filters import INPUT, RunFilter, query_for
from api.guard import GuardedRoute
from api.models import Moment, Page, PageQuery
from api.operation import KIND, Action, Found, Operation, Refused, Status, concerned, is_id, load, new_id
from api.principal import Principal
from api.problems import Problem, documented, not_found
from api.services import Asking, ServicesOf
from engine.faults import Fault, Invalid
from engine.limits import REASON_CHARS
from store.protocol import RunQuery

router = APIRouter(prefix="/operations", route_class=GuardedRoute, tags=["Operations"])

_log = structlog.get_logger(__name__)
_OPERATION_ID: Final = "fe5c1f0a9b3d-5f0c2a7be1d44096"
_MARK_CHARS: Final = 100  # of each run's reason name the operation
_PRIVATE: Final = {"found", "cursor", "pending", "behind", "lease"}

OperationId = Annotated[str, Path(description="The operation's id", examples=[_OPERATION_ID], max_length=100)]


class OperationBody(BaseModel):
    """What is to be done to which runs."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "action": "cancel",
                    "filter": {"workflow": "metadata-change-request", "inputs.asset": "sales.orders"},
                    "reason": "the table is gone",
                    "dry_run": True,
                }
            ]
        },
    )

    action: Action = Field(description="What is done to each run", examples=["cancel"])
    filter: RunFilter = Field(
        default_factory=RunFilter,
        description="Which runs: as `GET /v1/runs` takes it; without `status`, those to which it can be done",
        examples=[{"workflow": "metadata-change-request"}],
    )
    all: bool = Field(default=False, description="Every run of the tenant: there is no filter", examples=[False])
    reason: str = Field(
        default="",
        max_length=REASON_CHARS - _MARK_CHARS,
        description="Why; kept in the journal of each run, with the operation's id",
        examples=["the table is gone"],
    )
    dry_run: bool = Field(default=False, description="Only find out what would become of each run", examples=[True])


class OperationModel(BaseModel):
    """An operation, and how far it has got."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": _OPERATION_ID,
                    "action": "cancel",
                    "filter": {"workflow": "metadata-change-request"},
                    "all": False,
                    "reason": "the table is gone",
                    "dry_run": False,
                    "status": "RUNNING",
                    "total": 2000,
                    "done": 1199,
                    "refused": {
                        "count": 1,
                        "reasons": [
                            {"run": "r-17", "code": "RUN_FINAL", "reason": "the run has already ended: SUCCESS"}
                        ],
                    },
                    "error": None,
                    "by": "root@example.org",
                    "created_at": 1795366436.44,
                    "updated_at": 1795366437.12,
                    "finished_at": None,
                }
            ]
        }
    )

    id: str
    action: Action
    filter: dict[str, Any]
    all: bool
    reason: str
    dry_run: bool
    status: Status
    total: int | None = Field(description="How many runs were found at first; null if not known yet, or too many")
    done: int = Field(description="Runs to which it was done (or could be, in a dry run), or had been before")
    refused: Refused
    error: str | None = Field(description="Why it failed")
    by: str
    created_at: Moment
    updated_at: Moment
    finished_at: Moment | None


class Operations(Page):
    """A page of operations, the newest first."""

    items: list[OperationModel]


@router.post(
    "",
    status_code=HTTPStatus.ACCEPTED,
    response_model=OperationModel,
    responses=documented(),
    summary="Do something to many runs",
)
async def start_operation(services: ServicesOf, principal: Asking, body: Annotated[OperationBody, Body()]) -> Response:
    """Cancel, pause, resume or retry all runs that a filter finds; `Location` says where to look how far it is.

    It is done in the background, and goes on if the server is restarted. Runs that were started after this was asked
    for are left alone. A run to which it can't be done is counted as refused, and the others go on.
    """
    query = _query(principal, body)
    now = services.store.now()
    # Who was started at this very moment was there when it was asked for.
    before = min(inf if query.created_before is None else query.created_before, nextafter(now, inf))
    operation = Operation(
        id=new_id(now),
        action=body.action,
        filter=_asked(body),
        all=body.all,
        reason=body.reason,
        dry_run=body.dry_run,
        by=principal.subject,
        created_at=now,
        updated_at=now,
        found=Found(
            workflow=query.workflow,
            statuses=tuple(sorted(query.statuses or concerned(body.action))),
            requested_by=query.requested_by,
            inputs_any={name: tuple(values) for name, values in query.inputs_any.items()},
            labels=dict(query.labels),
            waiting_for=tuple(sorted(query.waiting_for)),
            created_after=query.created_after,
            created_before=before,
        ),
    )
    await run_in_threadpool(bulk.begin, services.store, operation, principal.tenant)
    services.bulk.look()
    _log.info("operation_started", operation=operation.id, action=body.action, by=principal.subject, via=principal.via)
    location = f"/v1/operations/{operation.id}"
    return answer(_shown(operation), HTTPStatus.ACCEPTED, headers={"Location": location})


@router.get("", responses=documented(), summary="List operations")
def list_operations(services: ServicesOf, principal: Asking, query: Annotated[PageQuery, Query()]) -> Operations:
    """The operations of the last 30 days, the newest first."""
    if query.cursor is not None and not is_id(query.cursor):
        raise Invalid(Fault("query.cursor", "is none that this list gave: begin without one"))
    found = services.store.records(KIND, tenant=principal.tenant, after=query.cursor or "", limit=query.limit + 1)
    items = [_shown(load(record)) for record in found[: query.limit]]
    cursor = items[-1]["id"] if len(found) > query.limit else None
    return Operations.model_validate({"items": items, "cursor": cursor})


@router.get("/{operation_id}", response_model=OperationModel, responses=documented(404), summary="Read an operation")
def read_operation(services: ServicesOf, principal: Asking, operation_id: OperationId) -> Response:
    """How far an operation has got."""
    record = services.store.record(KIND, operation_id, tenant=principal.tenant)
    if record is None:
        raise not_found(f"operation {operation_id!r}")
    return answer(_shown(load(record)))


@router.post(
    "/{operation_id}/stop",
    response_model=OperationModel,
    responses=documented(404, 409),
    summary="Stop an operation",
)
def stop_operation(services: ServicesOf, principal: Asking, operation_id: OperationId) -> Response:
    """End an operation after the runs that are being worked on: what was done stays done. Again it changes nothing."""
    operation = bulk.stop(services.store, principal.tenant, operation_id)
    if operation is None:
        raise not_found(f"operation {operation_id!r}")
    if operation.status != "STOPPED":
        sentence = f"operation {operation_id!r} has already ended: {operation.status}"
        raise Problem(HTTPStatus.CONFLICT, "operation-ended", sentence)
    _log.info("operation_stopped", operation=operation_id, by=principal.subject, via=principal.via)
    return answer(_shown(operation))


def _query(principal: Principal, body: OperationBody) -> RunQuery:
    """Which runs are meant.

    Raises:
        Invalid: the filter is none, or there is none.
    """
    asked = _asked(body)
    if not asked and not body.all:
        raise Invalid(Fault("filter", 'is empty: if every run of the tenant is meant, say `"all": true`'))
    if asked and body.all:
        raise Invalid(Fault("all", "there is a filter as well: send one of the two"))
    extra = body.filter.model_extra or {}
    values = {name: value for name, value in extra.items() if name.startswith(INPUT) and not isinstance(value, str)}
    texts = RunFilter.model_validate({name: value for name, value in asked.items() if name not in values})
    try:
        query = query_for(principal, texts)
    except Invalid as invalid:
        raise Invalid(*(Fault(_place(fault.path), fault.message) for fault in invalid.faults)) from None
    exact = {name.removeprefix(INPUT): [value] for name, value in values.items()}
    return replace(query, inputs_any={**query.inputs_any, **exact})


def _asked(body: OperationBody) -> dict[str, Any]:
    """The filter without what asks for nothing."""
    asked = body.filter.model_dump(mode="json", exclude_unset=True)
    return {name: value for name, value in asked.items() if name.startswith(INPUT) or value not in (None, [])}


def _place(path: str) -> str:
    """Where in the body that stands which is a parameter of lists."""
    return path.replace("query.", "filter.", 1)


def _shown(operation: Operation) -> dict[str, Any]:
    return operation.model_dump(mode="json", exclude=_PRIVATE)
