"""Streams of server-sent events: how they are written, and when they end.

follower ─► batches ─► what is to be told ─► text/event-stream ─► EventSource
              ▲
              └── every few seconds: does he still exist, and may he still?
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from http import HTTPStatus
from time import monotonic
from typing import Final

import orjson
import structlog
from fastapi import Request
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from api.follower import Follower
from api.news import Event
from api.principal import Principal
from api.problems import Problem
from api.services import Services
from store.protocol import StoreError

HEARTBEAT_SECONDS: Final = 15.0
CHECK_SECONDS: Final = 5.0
RETRY_MILLISECONDS: Final = 2000

_HEADERS: Final = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
_log = structlog.get_logger(__name__)


class EventStream(StreamingResponse):
    """An answer that goes on; `ended` is called when it does no more, however that came about."""

    media_type = "text/event-stream"

    def __init__(self, blocks: AsyncIterator[bytes], ended: Callable[[], None]) -> None:
        super().__init__(blocks, headers=_HEADERS)
        self._ended = ended

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, until the stream ends or the client has gone."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._ended()


def block(event: Event, mark: str | None) -> bytes:
    """An event as it is sent; `mark` is what the client begins with when it comes again."""
    line = f"id: {mark}\n" if mark is not None else ""
    return b"event: %b\ndata: %b\n%b\n" % (event.kind.encode(), event.data, line.encode())


def opening(mark: str | None) -> bytes:
    """What a stream begins with: when to come again, and with what."""
    return f"retry: {RETRY_MILLISECONDS}\n".encode() + heartbeat(mark)


def heartbeat(mark: str | None) -> bytes:
    """A comment, which keeps the connection; no event, but the client remembers the mark."""
    return b": \n" + (f"id: {mark}\n\n".encode() if mark is not None else b"\n")


def bye(reason: str) -> bytes:
    """The last event of a stream."""
    return block(Event("bye", orjson.dumps({"reason": reason})), None)


async def batches(follower: Follower, may_still: Callable[[], Awaitable[bool]]) -> AsyncIterator[list[Event]]:
    """What a follower is told, as it comes, and nothing every few seconds: time for a heartbeat."""
    checked = monotonic()
    while True:
        events = await follower.take(HEARTBEAT_SECONDS)
        if monotonic() - checked >= CHECK_SECONDS:
            if not await may_still():
                follower.end("rights")
                return
            checked = monotonic()
        if events or follower.ended is None:
            yield events
        else:
            return


async def is_still(services: Services, request: Request, principal: Principal) -> bool:
    """Whether who asked is still known, and may still do the same: a key may be revoked, a token may end."""
    try:
        now = await services.authenticator.authenticate(request)
    except Problem as problem:
        if problem.status not in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
            return True  # it can't be told at the moment
        _log.info("stream_cut_off", subject=principal.subject, code=problem.code)
        return False
    except StoreError:
        return True  # as above
    return now == principal
