"""What holds for every request and answer, whatever its route.

    request ─► id ─► security headers ─► (loopback only) ─► CORS ─► limits of size and time ─► faults ─► the app

Every refusal on the way is a problem document, and has the headers.
"""

import asyncio
import re
from http import HTTPStatus
from random import getrandbits
from typing import Any, Final

from fastapi import FastAPI, Request
from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bound_contextvars

from api import problems
from api.auth_none import LoopbackOnly
from api.problems import Problem
from api.settings import ApiSettings

BODY_SECONDS: Final = 30.0
QUERY_BYTES: Final = 16 * 1024
PATH_BYTES: Final = 8 * 1024
HEADER_BYTES: Final = 64 * 1024

_HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
}
_STRICT_TRANSPORT: Final = {"Strict-Transport-Security": "max-age=31536000"}
_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._:+/=@-]{1,128}")


class RequestIds:
    """Gives each request an id, its own if it brought a sane one: it is in the answer and in each line of the log."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        brought = Headers(scope=scope).get("X-Request-Id", "")
        request_id = brought if _REQUEST_ID.fullmatch(brought) else f"{getrandbits(128):032x}"

        async def with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), (b"x-request-id", request_id.encode())]
            await send(message)

        with bound_contextvars(request_id=request_id):
            await self._app(scope, receive, with_id)


class SecurityHeaders:
    """Sets headers on every answer that hasn't its own of these names."""

    def __init__(self, app: ASGIApp, headers: dict[str, str]) -> None:
        self._app = app
        self._headers = [(name.lower().encode(), value.encode()) for name, value in headers.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = list(message.get("headers", ()))
                names = {name.lower() for name, _ in own}
                message["headers"] = own + [one for one in self._headers if one[0] not in names]
            await send(message)

        await self._app(scope, receive, with_headers if scope["type"] == "http" else send)


class Limits:
    """Refuses what is too large before it is read, and bodies that are too large or too slow while they are."""

    def __init__(self, app: ASGIApp, body_bytes: int, body_seconds: float = BODY_SECONDS) -> None:
        self._app = app
        self._body_bytes = body_bytes
        self._body_seconds = body_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse to."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if problem := self._refusal(scope):
            await problem.response(scope["path"][:PATH_BYTES])(scope, receive, send)
            return
        await self._app(scope, self._limited(receive), send)

    def _refusal(self, scope: Scope) -> Problem | None:
        """Why a request is refused for what its headers say, if it is."""
        if len(scope["query_string"]) > QUERY_BYTES or len(scope.get("raw_path") or scope["path"]) > PATH_BYTES:
            sentence = f"an address has at most {PATH_BYTES:,} bytes, and {QUERY_BYTES:,} after the question mark"
            return Problem(HTTPStatus.REQUEST_URI_TOO_LONG, "address-too-long", sentence)
        if sum(len(name) + len(value) for name, value in scope["headers"]) > HEADER_BYTES:
            sentence = f"headers have at most {HEADER_BYTES:,} bytes"
            return Problem(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "headers-too-large", sentence)
        announced = Headers(scope=scope).get("Content-Length", "0")
        if not announced.isdecimal() or int(announced[:20]) > self._body_bytes:
            return self._too_large()
        return None

    def _too_large(self) -> Problem:
        sentence = f"a body has at most {self._body_bytes:,} bytes (ICEFLOE_API_BODY_BYTES)"
        return Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too-large", sentence)

    def _limited(self, receive: Receive) -> Receive:
        """What the app receives, until it is too much or takes too long."""
        total, is_whole, deadline = 0, False, None

        async def limited() -> Message:
            nonlocal total, is_whole, deadline
            if is_whole:
                return await receive()
            if deadline is None:
                deadline = asyncio.get_running_loop().time() + self._body_seconds
            try:
                async with asyncio.timeout_at(deadline):
                    message = await receive()
            except TimeoutError:
                sentence = f"the body didn't come within {self._body_seconds:g} s"
                raise Problem(HTTPStatus.REQUEST_TIMEOUT, "too-slow", sentence) from None
            total += len(message.get("body", b""))
            is_whole = not message.get("more_body", False)
            if total > self._body_bytes:
                raise self._too_large()
            return message

        return limited


class Heads:
    """Answers HEAD as it would GET, but for the body (RFC 9110, 9.3.2)."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return
        is_whole = False

        async def without_body(message: Message) -> None:
            nonlocal is_whole
            if message["type"] == "http.response.start":
                scope["method"] = "HEAD"  # so that the server waits for no body
                await send(message)
            elif not is_whole:
                is_whole = True  # whatever more would come, as of a stream of events
                await send({"type": "http.response.body", "body": b"", "more_body": False})

        scope["method"] = "GET"
        try:
            await self._app(scope, receive, without_body)
        finally:
            scope["method"] = "HEAD"


class Faults:
    """Answers with a problem document what nobody foresaw; the log has the rest."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request.

        Raises:
            Exception: nobody foresaw it, and an answer was begun: the server breaks the connection off.
        """
        begun = False

        async def noticed(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, receive, noticed)
        except Exception as error:
            if scope["type"] != "http" or begun:
                raise
            response = await problems.unforeseen(Request(scope), error)
            await response(scope, receive, send)


def install(app: FastAPI, settings: ApiSettings) -> None:
    """Put it around the app, from the inside to the outside."""
    app.add_middleware(Heads)
    app.add_middleware(Faults)
    app.add_middleware(Limits, body_bytes=settings.api_body_bytes)
    if settings.api_cors_origins:
        app.add_middleware(CORSMiddleware, **_cors(settings.api_cors_origins))
    if settings.api_auth == "none":
        app.add_middleware(LoopbackOnly, origins=settings.api_cors_origins)
    is_https = (settings.public_url or "").startswith("https:")
    app.add_middleware(SecurityHeaders, headers={**_HEADERS, **(_STRICT_TRANSPORT if is_https else {})})
    app.add_middleware(RequestIds)


def _cors(origins: tuple[str, ...]) -> dict[str, Any]:
    return {
        "allow_origins": list(origins),
        "allow_methods": ["GET", "POST", "PUT", "DELETE"],
        "allow_headers": [
            "Authorization",
            "Content-Type",
            "Idempotency-Key",
            "If-Match",
            "If-None-Match",
            "Last-Event-ID",
            "X-Request-Id",
        ],
        "expose_headers": ["ETag", "Location", "Retry-After", "X-Request-Id"],
    }
