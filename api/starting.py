"""Starting runs as callers ask for it: of saved workflows or of definitions brought along, once under each key.

Idempotency-Key ─► id of the run = SHA-256(tenant, subject, key)
definition      ─► workflow `inline-<digest>`, saved if there is none
"""

import asyncio
from collections.abc import Mapping
from hashlib import sha256
from http import HTTPStatus
from typing import Any, Final, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, JsonValue, model_validator
from starlette.concurrency import run_in_threadpool

from api.access import may
from api.principal import Principal
from api.problems import Problem
from api.services import Services
from engine.documents import Name, Workflow
from engine.faults import Fault, Invalid
from engine.run import WorkflowRun
from engine.validation import check
from store.identifiers import new_id
from store.protocol import NewRun, StoreError
from store.texts import canonical

INLINE: Final = "inline-"
"""What the names of workflows begin with that were brought along with a run."""

INLINE_LABEL: Final = "icefloe.inline"
_OURS: Final = "icefloe."
_GIVEN_BY_STORE: Final = {"version": None, "created_by": None, "created_at": None}
_FIRST_POLL: Final = 0.005  # seconds
_LAST_POLL: Final = 0.25

_INPUTS: Final[dict[str, JsonValue]] = {
    "asset": "sales.orders",
    "owner": "olga@example.org",
    "requester": "ada@example.org",
}
_DEFINITION: Final[dict[str, JsonValue]] = {
    "name": "say-hello",
    "inputs": {"type": "object", "properties": {"who": {"type": "string"}}},
    "dag": {
        "entrypoint": "hello",
        "exitpoints": ["hello"],
        "tasks": [{"name": "hello", "type": "NOOP", "arguments": {"text": "hello {{ inputs.who }}"}}],
    },
}


class StartRun(BaseModel):
    """A run that is to be started: of a saved `workflow`, or of a `definition`."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"workflow": "metadata-change-request", "inputs": _INPUTS, "labels": {"team": "sales"}},
                {"definition": _DEFINITION, "inputs": {"who": "Ada"}},
            ],
            "oneOf": [{"required": ["workflow"]}, {"required": ["definition"]}],
        },
    )

    workflow: Name = Field(
        default="", validate_default=False, description="A saved workflow", examples=["metadata-change-request"]
    )
    version: int | None = Field(
        default=None, ge=1, le=2**31, description="Of that workflow; absent: the latest", examples=[3]
    )
    definition: dict[str, Any] = Field(
        default_factory=dict,
        description="A whole workflow instead of a saved one; builders may bring one along",
        examples=[_DEFINITION],
    )
    inputs: dict[str, Any] = Field(
        default_factory=dict, description="What the workflow's `inputs` schema asks for", examples=[_INPUTS]
    )
    labels: dict[str, str] = Field(
        default_factory=dict,
        description="For whoever looks for the run; those that begin with `icefloe.` are reserved",
        examples=[{"team": "sales"}],
    )

    @model_validator(mode="after")
    def _of_one_kind(self) -> Self:
        given = self.model_fields_set
        if ("workflow" in given) == ("definition" in given):
            raise ValueError("name a saved `workflow`, or bring a `definition` along: one of the two")
        if self.version is not None and "definition" in given:
            raise ValueError("`version` is that of a saved workflow; a `definition` has none")
        return self


async def start(
    services: Services, principal: Principal, request: StartRun, key: str | None
) -> tuple[Literal["created", "exists"], WorkflowRun]:
    """Start what is asked for, durably, unless it was started before under this key.

    Raises:
        Invalid: the request has faults.
        Problem: the caller may not do that, or has used the key for something else.
    """
    workflow, labels = request.workflow, _labels(request.labels)
    if "definition" in request.model_fields_set:
        workflow, labels = await _inline(services, principal, request.definition, labels)
    id_ = new_id(services.store.now()) if key is None else id_of(principal, key)
    creation = await services.writer.start(
        NewRun(
            id=id_,
            workflow=workflow,
            inputs=request.inputs,
            version=request.version,
            requested_by=principal.subject,
            labels=labels or None,
            tenant=principal.tenant,
        )
    )
    if creation.outcome == "refused":
        if key is not None and any(fault.path == "id" for fault in creation.faults):
            sentence = f"the Idempotency-Key {key!r} was used for another request: repeat that one, or use another key"
            raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "idempotency-key-reused", sentence)
        raise Invalid(*creation.faults)
    if creation.run is None:
        raise StoreError(f"run {id_!r} was started before, and its document can't be read")
    return creation.outcome, creation.run


async def ended(services: Services, run: WorkflowRun, seconds: float) -> WorkflowRun:
    """The run when it has ended, or as it is when that many seconds have passed or the server is to end."""
    loop = asyncio.get_running_loop()
    deadline, pause = loop.time() + seconds, _FIRST_POLL
    while not run.is_final and not services.hub.is_closed and (left := deadline - loop.time()) > 0:
        await asyncio.sleep(min(pause, left))
        pause = min(pause * 1.5, _LAST_POLL)
        run = (await run_in_threadpool(services.store.load, [run.id])).get(run.id, run)
    return run


def id_of(principal: Principal, key: str) -> str:
    """The id of the run that somebody's key stands for, in the form of a UUID (version 8, RFC 9562)."""
    digest = sha256(canonical(["run", principal.tenant, principal.subject, key])).digest()
    number = int.from_bytes(digest[:16]) & ~(0xF << 76) & ~(0b11 << 62) | 8 << 76 | 0b10 << 62
    return str(UUID(int=number))


def _labels(labels: Mapping[str, str]) -> dict[str, str]:
    reserved = [
        Fault(f"labels.{name}", f"labels that begin with {_OURS!r} are reserved")
        for name in labels
        if name.startswith(_OURS)
    ]
    if reserved:
        raise Invalid(*reserved)
    return dict(labels)


async def _inline(
    services: Services, principal: Principal, definition: dict[str, Any], labels: dict[str, str]
) -> tuple[str, dict[str, str]]:
    """Save a definition as a workflow, and give its name, and the labels of its run."""
    if not may(principal, "start_inline_run"):
        sentence = f"{principal.subject!r} may start saved workflows; only builders may bring a definition along"
        raise Problem(HTTPStatus.FORBIDDEN, "role-missing", sentence)
    workflow = await run_in_threadpool(_saved, services, principal, definition)
    return workflow, {**labels, INLINE_LABEL: definition["name"]}


def _saved(services: Services, principal: Principal, definition: dict[str, Any]) -> str:
    report = check({"tenant": principal.tenant, **definition}, services.catalogue)
    if report.workflow is None:
        raise Invalid(*(Fault(f"definition.{fault.path}".rstrip("."), fault.message) for fault in report.faults))
    if report.workflow.tenant != principal.tenant:
        raise Invalid(Fault("definition.tenant", f"is not {principal.tenant!r}, the tenant of the caller"))
    plain = report.workflow.model_copy(update=_GIVEN_BY_STORE)
    workflow = plain.model_copy(update={"name": f"{INLINE}{_digest(plain)}"})
    if services.store.workflow(workflow.name, tenant=workflow.tenant) is None:
        services.store.save_workflow(workflow, by=principal.subject)
    return workflow.name


def _digest(workflow: Workflow) -> str:
    """What equal definitions have in common, whatever their names: 16 hexadecimal digits."""
    content = workflow.model_dump(mode="json", exclude={"name", *_GIVEN_BY_STORE})
    return sha256(canonical(content)).hexdigest()[:16]
