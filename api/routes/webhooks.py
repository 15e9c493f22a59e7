"""Webhooks: endpoints of a workflow, each with a secret of its own, and what others send to them.

POST /hooks/… ─► signed? ─► inputs ─► a run, once for each `webhook-id`: 202, and 200 whenever it is sent again
                    401        422      409: the id came before with another body
"""

from dataclasses import replace
from http import HTTPStatus
from typing import Annotated, Any, Final

import structlog
from fastapi import APIRouter, Header, Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field, JsonValue
from starlette.concurrency import run_in_threadpool

from api import webhooks
from api.answers import answer
from api.guard import GuardedRoute
from api.models import RUN_ID, Moment, Page, PageQuery
from api.problems import Problem, documented, not_found
from api.rates import too_many
from api.services import Asking, Services, ServicesOf
from api.webhooks import KIND, MOST_OVERLAP, OVERLAP, Endpoint, Message, Secret
from engine.faults import Fault, Invalid
from engine.limits import NAME_CHARS
from store.protocol import Store

router = APIRouter(route_class=GuardedRoute, prefix="/workflows/{name}/webhooks", tags=["Webhooks"])
receiver = APIRouter(route_class=GuardedRoute, tags=["Webhooks"])

ENDPOINTS: Final = 20  # of one workflow

_ID: Final = "default.Zm9vYmFyYmF6cXV4MTIzNA"
_SECRET: Final = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo="  # noqa: S105 - an example, of no endpoint
_MAPPING: Final[dict[str, JsonValue]] = {"asset": "{{ inputs.data.asset }}", "owner": "olga@example.org"}
_log = structlog.get_logger(__name__)

WorkflowName = Annotated[str, Path(max_length=4 * NAME_CHARS, examples=["metadata-change-request"])]
EndpointId = Annotated[str, Path(max_length=4 * NAME_CHARS, description="The endpoint's id", examples=[_ID])]


class NewEndpoint(BaseModel):
    """Which runs an endpoint starts."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"inputs": _MAPPING}, {"version": 3}]})

    version: int | None = Field(
        default=None, ge=1, le=2**31, description="Of the workflow; absent: the latest at each time", examples=[3]
    )
    inputs: dict[str, Any] | None = Field(
        default=None,
        description="A run's inputs, with references to what is sent as `inputs`; absent: what is sent is the inputs",
        examples=[_MAPPING],
    )


class Rotation(BaseModel):
    """How long the old secret counts on."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"overlap": 3600}]})

    overlap: float = Field(
        default=OVERLAP,
        ge=0,
        le=MOST_OVERLAP,
        allow_inf_nan=False,
        description="Seconds in which messages may be signed with either; 0: the old one is known to others",
        examples=[3600],
    )


class EndpointModel(BaseModel):
    """An endpoint, without its secrets."""

    id: str = Field(examples=[_ID])
    url: str = Field(description="Where messages are sent", examples=[f"https://icefloe.example.org/hooks/{_ID}"])
    workflow: str = Field(examples=["metadata-change-request"])
    version: int | None = Field(description="Null: the latest at each time")
    inputs: dict[str, Any] | None = Field(description="Null: what is sent is the inputs", examples=[_MAPPING])
    requested_by: str = Field(description="Whose runs they are", examples=[f"webhook:{_ID}"])
    created_by: str = Field(examples=["bob@example.org"])
    created_at: Moment
    old_secret_until: Moment | None = Field(description="Until then the secret before counts as well; null: it doesn't")


class EndpointWithSecret(EndpointModel):
    """An endpoint and its new secret, which is never shown again."""

    secret: str = Field(description="What messages are to be signed with (Standard Webhooks)", examples=[_SECRET])


class EndpointPage(Page):
    """Some endpoints."""

    items: list[EndpointModel]


class Received(BaseModel):
    """What became of a message."""

    run: str = Field(description="The run that it started", examples=[RUN_ID])


@router.post(
    "",
    status_code=HTTPStatus.CREATED,
    response_model=EndpointWithSecret,
    responses=documented(404, 409),
    summary="Create an endpoint",
)
def create_webhook(name: WorkflowName, request: NewEndpoint, services: ServicesOf, principal: Asking) -> Response:
    """Create an endpoint at which others start runs of the workflow, by signed messages (Standard Webhooks).

    The secret is shown in this answer and never again. It stands in the store as it is, since who checks signatures
    must know it: who can read the store can sign. Deleting the workflow deletes the endpoint; revoking the key of who
    made it doesn't.
    """
    workflow = services.store.workflow(name, tenant=principal.tenant)
    if workflow is None:
        raise not_found(f"workflow {name!r}")
    if request.version is not None and services.store.workflow(name, request.version, tenant=principal.tenant) is None:
        raise Invalid(Fault("version", f"{name!r} has no version {request.version}; its latest is {workflow.version}"))
    if request.inputs is not None:
        webhooks.check_inputs(request.inputs)
    if sum(1 for _ in webhooks.endpoints_of(services.store, principal.tenant, name)) >= ENDPOINTS:
        sentence = f"workflow {name!r} has {ENDPOINTS} endpoints, which is the most: delete one that isn't used"
        raise Problem(HTTPStatus.CONFLICT, "too-many-webhooks", sentence)
    endpoint = Endpoint(
        id=webhooks.new_id(principal.tenant),
        workflow=name,
        version=request.version,
        inputs=request.inputs,
        secrets=(Secret.new(),),
        created_by=principal.subject,
        created_at=services.store.now(),
    )
    services.store.put_record(endpoint.record())
    _log.info("webhook_created", webhook=endpoint.id, workflow=name, by=principal.subject)
    shown = _shown(services, endpoint)
    return answer(
        {**shown, "secret": endpoint.secrets[0].text}, HTTPStatus.CREATED, headers={"Location": str(shown["url"])}
    )


@router.get("", response_model=EndpointPage, responses=documented(404), summary="List endpoints")
def list_webhooks(
    name: WorkflowName, page: Annotated[PageQuery, Query()], services: ServicesOf, principal: Asking
) -> Response:
    """The endpoints of a workflow, by id; their secrets are not shown."""
    found = list(webhooks.endpoints_of(services.store, principal.tenant, name, after=page.cursor or ""))
    if not found and services.store.workflow(name, tenant=principal.tenant) is None:
        raise not_found(f"workflow {name!r}")
    shown = found[: page.limit]
    return answer(
        {
            "items": [_shown(services, endpoint) for endpoint in shown],
            "cursor": shown[-1].id if len(found) > len(shown) else None,
        }
    )


@router.post(
    "/{endpoint_id}/rotate",
    response_model=EndpointWithSecret,
    responses=documented(404, 409),
    summary="Give an endpoint a new secret",
)
def rotate_webhook(
    name: WorkflowName,
    endpoint_id: EndpointId,
    request: Rotation,
    services: ServicesOf,
    principal: Asking,
) -> Response:
    """Give an endpoint a new secret, which is shown in this answer and never again.

    The one before counts on for `overlap` seconds, so that its senders can be told; the one before that doesn't.
    """
    endpoint, now = _endpoint(services, principal.tenant, name, endpoint_id), services.store.now()
    endpoint = replace(endpoint, secrets=webhooks.rotated(endpoint, request.overlap, now))
    services.store.put_record(endpoint.record())
    _log.info("webhook_rotated", webhook=endpoint.id, overlap=request.overlap, by=principal.subject)
    return answer({**_shown(services, endpoint), "secret": endpoint.secrets[0].text})


@router.delete(
    "/{endpoint_id}", status_code=HTTPStatus.NO_CONTENT, responses=documented(404), summary="Delete an endpoint"
)
def delete_webhook(
    name: WorkflowName,
    endpoint_id: EndpointId,
    services: ServicesOf,
    principal: Asking,
) -> None:
    """Delete an endpoint: nothing that is sent there is taken any more. Its runs go on."""
    endpoint = _endpoint(services, principal.tenant, name, endpoint_id)
    services.store.remove_record(KIND, endpoint.id, tenant=principal.tenant)
    _log.info("webhook_deleted", webhook=endpoint.id, by=principal.subject)


@receiver.post(
    "/hooks/{endpoint_id}",
    status_code=HTTPStatus.ACCEPTED,
    response_model=Received,
    responses={200: {"model": Received, "description": "It was sent before, and started this run"}, **documented(409)},
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {"type": "object"}, "example": {"data": {"asset": "orders"}}}},
        }
    },
    summary="Send a message to an endpoint",
)
async def receive_webhook(  # noqa: PLR0913, PLR0917 - what FastAPI fills in
    request: Request,
    endpoint_id: EndpointId,
    services: ServicesOf,
    webhook_id: Annotated[str, Header(description="The message's name: sent again with it, it starts nothing")] = "",
    webhook_timestamp: Annotated[str, Header(description="Unix time in seconds, of this attempt to send it")] = "",
    webhook_signature: Annotated[str, Header(description="`v1,` and the signature; several with spaces between")] = "",
) -> Response:
    """Start a run by a signed message (Standard Webhooks 1.0).

    The run is in the store when this answers 202. The same message may be sent again, with a new time and signature: it
    starts nothing, and is answered with the same run. What isn't signed with a secret of this endpoint, or was so more
    than five minutes ago, is refused, and so is everything sent to an endpoint that isn't there.
    """
    message = Message(webhook_id, webhook_timestamp, webhook_signature, await request.body())
    endpoint = await run_in_threadpool(_find, services.store, endpoint_id)
    if not webhooks.is_signed(message, endpoint, services.store.now()) or endpoint is None:
        _log.info("webhook_refused", webhook=endpoint_id[:NAME_CHARS], known=endpoint is not None)
        sentence = "the message isn't signed as this endpoint asks for it: see Standard Webhooks, and check the clocks"
        raise Problem(HTTPStatus.UNAUTHORIZED, "bad-signature", sentence, headers={"WWW-Authenticate": "Webhook"})
    seconds = request.app.state.rates.wait(f"webhook\0{endpoint.id}")
    if seconds is not None:
        raise too_many("messages came to this endpoint in a minute", seconds)
    run = await run_in_threadpool(webhooks.run_of, endpoint, message, await request.json())
    creation = await services.writer.start(run)
    if creation.outcome == "refused":
        if any(fault.path == "id" for fault in creation.faults):
            sentence = f"webhook-id {message.id!r} came before with another body: another message needs another id"
            raise Problem(HTTPStatus.CONFLICT, "webhook-id-reused", sentence)
        raise Invalid(*creation.faults)
    _log.info("webhook_received", webhook=endpoint.id, run_id=creation.id, outcome=creation.outcome)
    status = HTTPStatus.ACCEPTED if creation.outcome == "created" else HTTPStatus.OK
    return answer({"run": creation.id}, status)


def _find(store: Store, id_: str) -> Endpoint | None:
    """The endpoint of an id. What can't be one is looked for as well: that takes as long."""
    tenant = webhooks.tenant_of(id_)
    record = store.record(KIND, "none" if tenant is None else id_, tenant=tenant or "none")
    return None if record is None or tenant is None else Endpoint.of(record)


def _endpoint(services: Services, tenant: str, workflow: str, id_: str) -> Endpoint:
    """An endpoint of a workflow.

    Raises:
        Problem: there is none (404).
    """
    endpoint = _find(services.store, id_) if webhooks.tenant_of(id_) == tenant else None
    if endpoint is None or endpoint.workflow != workflow:
        raise not_found(f"webhook {id_!r} of workflow {workflow!r}")
    return endpoint


def _shown(services: Services, endpoint: Endpoint) -> dict[str, Any]:
    """What is told of it: all but its secrets."""
    old = [secret.until for secret in endpoint.living(services.store.now()) if secret.until is not None]
    return {
        "id": endpoint.id,
        "url": f"{(services.settings.public_url or '').rstrip('/')}/hooks/{endpoint.id}",
        "workflow": endpoint.workflow,
        "version": endpoint.version,
        "inputs": endpoint.inputs,
        "requested_by": f"webhook:{endpoint.id}",
        "created_by": endpoint.created_by,
        "created_at": endpoint.created_at,
        "old_secret_until": old[0] if old else None,
    }
