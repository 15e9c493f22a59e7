"""One-click links of mails and chat: a page that asks, and one decision of one person when he presses its button.

GET  ─► reads, and decides nothing: mail scanners and previews follow links too
POST ─► the decision that the link stands for, once, however often it is sent

The token in the address is the permission, and for nothing else than that decision on that try of that task.
"""

from http import HTTPStatus
from typing import Annotated, Any, Final
from urllib.parse import parse_qs, urlsplit

import structlog
from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import HTMLResponse
from starlette.concurrency import run_in_threadpool

from api.guard import GuardedRoute
from api.link_pages import COMMENT_CHARS, Standing, form, notice, standing
from api.problems import documented
from api.rates import address_of
from api.services import Services, ServicesOf
from blocks.links import BadLink, Link, keys_of, read, signal_id
from engine.outcomes import Rejected
from engine.run import WorkflowRun
from engine.transitions import Signal, SignalReceived
from store.protocol import Proposal, StoreUnavailable

LINKS_A_MINUTE: Final = 120  # from one address

router = APIRouter(route_class=GuardedRoute, tags=["Links"])

_log = structlog.get_logger(__name__)
_FORM: Final = "application/x-www-form-urlencoded"
_FIELDS: Final = 4
_TRUSTED_SITES: Final = ("same-origin", "none")
_BAD: Final = {
    "MALFORMED": (HTTPStatus.NOT_FOUND, "Not a link"),
    "FORGED": (HTTPStatus.NOT_FOUND, "Not a link"),
    "EXPIRED": (HTTPStatus.GONE, "Too late"),
}
_NO_LINKS: Final = Standing(HTTPStatus.NOT_FOUND, "Not a link", "No links are made here.")
_NO_RUN: Final = Standing(HTTPStatus.NOT_FOUND, "Not found", "What this link was made for isn't here any more.")
_FOREIGN: Final = Standing(
    HTTPStatus.FORBIDDEN, "Not from here", "This was sent by another site's page: open the link from your message."
)
_NO_FORM: Final = Standing(
    HTTPStatus.BAD_REQUEST,
    "Not understood",
    "Nothing was decided: open the link from your message again.",
)
_AWAY: Final = Standing(
    HTTPStatus.SERVICE_UNAVAILABLE, "One moment", "This can't be looked up at the moment: try again in a minute."
)
_TOO_MANY: Final = Standing(
    HTTPStatus.TOO_MANY_REQUESTS, "Too many", "Too many links were opened from your network: try again in a minute."
)

Token = Annotated[str, Path(description="The token of the link", examples=["eyJydW4iOiJyIn0.c2lnbmF0dXJl"])]


class LinkRefused(Exception):  # noqa: N818 - a verdict
    """A link can't be followed."""

    def __init__(self, standing: Standing, retry_after: int | None = None) -> None:
        super().__init__(standing.sentence)
        self.page = notice(standing, retry_after=retry_after)


def _pages(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What the OpenAPI description says of these answers: each is a page."""
    return {
        status: {"description": HTTPStatus(status).phrase, "content": {"text/html": {"schema": {"type": "string"}}}}
        for status in statuses
    }


@router.head("/links/{token}", include_in_schema=False, response_class=HTMLResponse)
@router.get(
    "/links/{token}",
    response_class=HTMLResponse,
    responses={**documented(), **_pages(404, 409, 410, 429, 503)},
    summary="What a link from a message asks",
)
async def show_link(request: Request, services: ServicesOf, token: Token) -> Response:
    """A page for people that says what is asked, with one button. To read it decides nothing.

    Nobody needs to sign in: whoever has the link can use it.
    """
    try:
        link, run = await _followed(request, services, token)
    except LinkRefused as refused:
        return refused.page
    found = standing(run, link, signal_id(token))
    return form(run, link) if found.is_open else notice(found)


@router.post(
    "/links/{token}",
    response_class=HTMLResponse,
    responses={**documented(), **_pages(400, 403, 404, 409, 410, 422, 429, 503)},
    summary="Decide by a link from a message",
    openapi_extra={
        "requestBody": {
            "content": {
                _FORM: {
                    "schema": {
                        "type": "object",
                        "properties": {"comment": {"type": "string", "maxLength": COMMENT_CHARS}},
                    },
                    "example": {"comment": "As discussed."},
                }
            }
        }
    },
)
async def use_link(request: Request, services: ServicesOf, token: Token) -> Response:
    """Record the decision that the link stands for, as its person. To send it again changes nothing."""
    try:
        _see_that_it_is_ours(request, services)
        link, run = await _followed(request, services, token)
        comment = await _comment(request)
    except LinkRefused as refused:
        return refused.page
    if len(comment) > COMMENT_CHARS:
        return form(run, link, sentence=f"A comment has {COMMENT_CHARS:,} characters at most.", comment=comment)
    data = {"decision": link.decision, **({"comment": comment} if comment else {})}
    signal = Signal(signal_id(token), link.generation, link.person, data)
    try:
        recorded = await services.writer.propose(Proposal(link.run, SignalReceived(link.task, signal), link.person))
    except StoreUnavailable:
        return notice(_AWAY, retry_after=60)
    outcome = type(recorded.outcome).__name__
    _log.info("link_used", run_id=link.run, task=link.task, person=link.person, via="link", outcome=outcome)
    found = standing(recorded.run or run, link, signal.id)
    if not found.is_open:
        return notice(found)
    reason = recorded.outcome.reason if isinstance(recorded.outcome, Rejected) else ""
    _log.warning("link_refused", run_id=link.run, task=link.task, reason=reason)
    return form(run, link, sentence="This task doesn't take that: try it without a comment.", comment=comment)


async def _followed(request: Request, services: Services, token: str) -> tuple[Link, WorkflowRun]:
    """The link of a token, and its run.

    Raises:
        LinkRefused: there is none, or it can't be read now.
    """
    seconds = request.app.state.link_rates.wait(address_of(request))
    if seconds is not None:
        raise LinkRefused(_TOO_MANY, retry_after=int(seconds) + 1)
    if services.settings.link_key is None:
        raise LinkRefused(_NO_LINKS)
    try:
        link = read(token, keys_of(services.settings.link_key.get_secret_value()), services.store.now())
        run = (await run_in_threadpool(services.store.load, [link.run])).get(link.run)
    except BadLink as bad:
        status, heading = _BAD[bad.code]
        sentence = str(bad)
        raise LinkRefused(Standing(status, heading, f"{sentence[:1].upper()}{sentence[1:]}.")) from bad
    except ValueError as error:  # a key is too short
        _log.error("link_key_unusable", reason=str(error))
        raise LinkRefused(_NO_LINKS) from error
    except StoreUnavailable as error:
        raise LinkRefused(_AWAY, retry_after=60) from error
    if run is None:
        raise LinkRefused(_NO_RUN)
    return link, run


def _see_that_it_is_ours(request: Request, services: Services) -> None:
    """See that it is no other site's page that sends the form, as far as the browser says whose it is.

    A page that must not tell where it is (`Referrer-Policy: no-referrer`) says `Origin: null`.

    Raises:
        LinkRefused: it is another's.
    """
    if request.headers.get("Sec-Fetch-Site", "none") not in _TRUSTED_SITES:
        raise LinkRefused(_FOREIGN)
    origin = request.headers.get("Origin", "null")
    ours = {f"{request.url.scheme}://{request.url.netloc}"}
    if services.settings.public_url is not None:
        parts = urlsplit(services.settings.public_url)
        ours.add(f"{parts.scheme}://{parts.netloc}")
    if origin != "null" and origin not in ours:
        raise LinkRefused(_FOREIGN)


async def _comment(request: Request) -> str:
    """What the person wrote.

    Raises:
        LinkRefused: the body is no form of ours.
    """
    body = await request.body()
    media_type = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if body and media_type != _FORM:
        raise LinkRefused(_NO_FORM)
    try:
        fields = parse_qs(body.decode(), errors="strict", max_num_fields=_FIELDS)
    except ValueError as error:
        raise LinkRefused(_NO_FORM) from error
    comment = fields.get("comment", [""])[-1].replace("\r\n", "\n").strip()
    if "\0" in comment:  # as in JSON: nobody types it, and much that handles text takes it for its end
        raise LinkRefused(_NO_FORM)
    return comment
