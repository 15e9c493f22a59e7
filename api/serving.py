"""Serving the app on a port: one process, one event loop, a line in the log for each request, an end in good order.

    stop() ─► no new connections ─► followers are let go ─► requests end, in `api_drain` seconds ─► run() returns

It ends by itself if its store is gone for good: whoever started it starts it again, on the store that there is then.
The port is taken when the server is made, so that who starts it knows at once that it has it, and where it is.
"""

import asyncio
import errno
import gc
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from math import ceil
from time import perf_counter
from typing import Any, Final

import structlog
import uvicorn
from fastapi import FastAPI
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from typing_extensions import override

from api.app import create_app
from api.auth import ApiSettingsError
from api.problems import RETRY_SECONDS, Problem
from api.settings import ApiSettings
from blocks.catalogue import Catalogue
from store.protocol import Store, StoreGone

WATCH_SECONDS: Final = 5.0  # between two looks at whether the store is still there
KEEP_ALIVE_SECONDS: Final = 75  # longer than proxies keep a connection: none is closed while they send on it

_BACKLOG: Final = 1024
_PROBES: Final = frozenset({"/healthz", "/readyz", "/metrics"})

log = structlog.get_logger("api")


class ApiServer:
    """The API of a store, on a port of this machine. Who makes it closes the store afterwards.

    `open_store` opens another object of the same store, for who has missed what followers were told (`api.hub`).

    Raises:
        ApiSettingsError: the port can't be had, or the settings contradict one another.
    """

    def __init__(
        self,
        settings: ApiSettings,
        store: Store,
        catalogue: Catalogue,
        listener: socket.socket | None = None,
        *,
        open_store: Callable[[], Store] | None = None,
    ) -> None:
        app = create_app(settings, store, catalogue, open_store=open_store)
        self._socket = listener or listening(settings.api_host, settings.api_port)
        self._url = url_of(self._socket)
        self._auth = settings.api_auth
        self._app = _Recorder(app)
        self._server = _Server(
            uvicorn.Config(
                self._app,
                http="httptools",
                ws="none",
                lifespan="on",
                log_config=None,  # the process has configured its logs
                access_log=False,  # ours says which operation it was, and no values of a query
                server_header=False,
                proxy_headers=bool(settings.api_proxies),
                forwarded_allow_ips=list(settings.api_proxies),
                backlog=_BACKLOG,
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=ceil(settings.api_drain),
            ),
            app,
        )

    @property
    def url(self) -> str:
        """Where it listens."""
        return self._url

    def run(self, ready: Callable[[], None] = lambda: None) -> None:
        """Answer until it is asked to stop; `ready` is called when it begins to.

        Raises:
            StoreGone: its store won't come back.
            Exception: what kept it from starting, as it was raised.
        """

        def begun() -> None:
            gc.collect()
            gc.freeze()  # what is loaded by now stays: looking through it again and again is lost time
            gc.set_threshold(20_000, 50, 100)
            log.info("api_started", url=self.url, auth=self._auth)
            ready()

        self._server.ready = begun
        try:
            self._server.run(sockets=[self._socket])
        except SystemExit:
            if self._app.failure is None:
                raise
            raise self._app.failure from None
        finally:
            self.end()
        log.info("api_ended")
        if self._server.gone is not None:
            raise self._server.gone

    @property
    def stopping(self) -> bool:
        """Whether somebody asked it to stop."""
        return self._server.should_exit

    def stop(self) -> None:
        """Take no new requests, let those under way end, and return from `run`. From any thread or signal handler."""
        self._server.should_exit = True

    def end(self) -> None:
        """Let go of the port; idempotent."""
        self._socket.close()


class _Server(uvicorn.Server):
    """A server that leaves signals to who made it, and lets followers go before it waits for requests to end."""

    def __init__(self, config: uvicorn.Config, app: FastAPI) -> None:
        super().__init__(config)
        self.ready: Callable[[], None] = lambda: None
        self.gone: StoreGone | None = None
        self._hub = app.state.services.hub
        self._health = app.state.health
        self._watch: asyncio.Task[None] | None = None

    @override
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    @override
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._watch = asyncio.create_task(self._watch_store())
            self.ready()

    @override
    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        self._hub.let_go()
        await super().shutdown(sockets)
        if self._watch is not None:
            self._watch.cancel()

    async def _watch_store(self) -> None:
        while self.gone is None:
            await asyncio.sleep(WATCH_SECONDS)
            await self._health.readiness()
            self.gone = self._health.gone
        log.error("store_gone", reason=str(self.gone))
        self.should_exit = True


class _Recorder:
    """Writes a line for each request that was answered, and keeps what kept the app from starting."""

    def __init__(self, app: ASGIApp) -> None:
        self.failure: Exception | None = None
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] == "http":
            await self._answer(scope, receive, send)
            return
        try:
            await self._app(scope, receive, send)
        except Exception as error:
            self.failure = error
            raise

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        began, answer = perf_counter(), _Answer()

        async def noting(message: Message) -> None:
            if message["type"] == "http.response.start":
                answer.status = message["status"]
                answer.request_id = _header(message, b"x-request-id")
            await send(message)

        try:
            await self._app(scope, receive, noting)
        except asyncio.CancelledError:  # it took longer than `api_drain`
            if answer.status is not None:
                raise
            await _cut_off().response(scope["path"])(scope, receive, noting)
        finally:
            write = log.debug if scope["path"] in _PROBES else log.info
            write(
                "request_answered",
                method=scope["method"],
                operation=getattr(scope.get("route"), "name", None),
                status=answer.status,
                ms=round(1000 * (perf_counter() - began), 2),
                request_id=answer.request_id,
            )


class _Answer:
    """What is known of an answer; no status if nobody waited for one."""

    status: int | None = None
    request_id: str | None = None


def _cut_off() -> Problem:
    sentence = "the server ends, and what was asked for may have been done: ask again, with the same Idempotency-Key"
    headers = {"Retry-After": str(RETRY_SECONDS)}
    return Problem(HTTPStatus.SERVICE_UNAVAILABLE, "server-ending", sentence, headers=headers)


def _header(message: Message, name: bytes) -> str | None:
    headers: list[tuple[bytes, Any]] = message.get("headers", [])
    return next((value.decode("latin-1") for key, value in headers if key.lower() == name), None)


def url_of(listener: socket.socket) -> str:
    """Where a socket listens."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def listening(host: str, port: int) -> socket.socket:
    """A socket that has the port; 0 is a free one.

    Raises:
        ApiSettingsError: it can't be had.
    """
    found: socket.socket | None = None
    try:
        [(family, kind, protocol, _, address), *_] = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        found = socket.socket(family, kind, protocol)
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind(address)
        found.listen(_BACKLOG)
    except OSError as error:
        if found is not None:
            found.close()
        if found is None or error.errno == errno.EADDRNOTAVAIL:
            sentence = f"ICEFLOE_API_HOST: {host!r} is no address of this machine"
        else:
            sentence = f"ICEFLOE_API_PORT: can't listen on {host}:{port}"
        raise ApiSettingsError(f"{sentence} ({error.strerror}): name another") from error
    return found
