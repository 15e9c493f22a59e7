"""Nobody is authenticated: whoever reaches the API is an admin of it. For trying things out, on loopback alone.

A developer may act as somebody else by headers: `X-Icefloe-As: ada`, `X-Icefloe-Roles: approver,viewer`,
`X-Icefloe-Groups: stewards`, `X-Icefloe-Tenant: other`.

Other people's web pages run on this machine too, in its browser. They can send requests to loopback addresses, so:

    Host isn't a name of this machine ─► refused: a name of theirs points here (DNS rebinding)
    a page of theirs wants to change something ─► refused, by its Origin
"""

from http import HTTPStatus
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from fastapi import Request
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from api.auth_names import BadNameError, checked
from api.principal import Principal, Role
from api.problems import Problem

DEVELOPER: Final = "developer"

_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})


class NoAuthentication:
    """Believes what headers say, and takes everybody else for the developer."""

    async def authenticate(self, request: Request) -> Principal:
        """The developer, or whom he acts as.

        Raises:
            Problem: a header has a name that can't be used (400).
        """
        try:
            roles = _listed(request, "X-Icefloe-Roles")
            return checked(
                _header(request, "X-Icefloe-As") or DEVELOPER,
                _header(request, "X-Icefloe-Tenant") or "default",
                Role if roles is None else roles,
                _listed(request, "X-Icefloe-Groups") or (),
                via="none",
            )
        except BadNameError as bad:
            raise Problem(HTTPStatus.BAD_REQUEST, "bad-name", f"an X-Icefloe-… header can't be used: {bad}") from None


class LoopbackOnly:
    """Middleware that answers only those who know this machine by a name of its own, and no foreign pages."""

    def __init__(self, app: ASGIApp, origins: tuple[str, ...] = ()) -> None:
        self._app = app
        self._origins = frozenset(origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse to."""
        if scope["type"] == "http" and (sentence := self._reason(scope)):
            problem = Problem(HTTPStatus.FORBIDDEN, "foreign-page", sentence)
            await problem.response(scope["path"])(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _reason(self, scope: Scope) -> str | None:
        """Why a request is refused, if it is."""
        headers = Headers(scope=scope)
        hosts = headers.getlist("Host")
        if len(hosts) != 1 or not is_loopback(_hostname(hosts[0])):
            return "without authentication the API answers only as localhost, 127.0.0.1 or [::1]: use one of these"
        origin = headers.get("Origin")
        if scope["method"] in _SAFE or origin is None or origin in self._origins:
            return None
        if origin.lower() in {f"{scheme}://{hosts[0].lower()}" for scheme in ("http", "https")}:
            return None
        if origin == "null" and headers.get("Sec-Fetch-Site") == "same-origin":
            return None  # our own pages forbid the browser to say more: `Referrer-Policy: no-referrer`
        return "a page of another origin may not change anything here: list it in ICEFLOE_API_CORS_ORIGINS if it may"


def is_loopback(host: str | None) -> bool:
    """Whether a host's name or address can only be this machine."""
    if host is None:
        return False
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _hostname(host: str) -> str | None:
    """The name in a `Host` header, without the port."""
    try:
        parts = urlsplit(f"//{host}")
        _ = parts.port  # raises if it is none
    except ValueError:
        return None
    return parts.hostname if parts.netloc == host and parts.username is None else None


def _header(request: Request, name: str) -> str | None:
    given = request.headers.get(name)
    if given is None:
        return None
    try:
        return given.encode("latin-1").decode()  # HTTP has bytes, and the framework takes them for Latin-1
    except UnicodeDecodeError:
        raise BadNameError(f"{name} is not UTF-8") from None


def _listed(request: Request, name: str) -> list[str] | None:
    given = _header(request, name)
    return None if given is None else [one.strip() for one in given.split(",") if one.strip()]
