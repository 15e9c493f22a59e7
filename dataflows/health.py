"""Probes and metrics of a process over HTTP, answered by threads of their own, also while its store or broker is away.

    GET /healthz   200 alive   503 and a reason: start it again
    GET /readyz    200 ready   503 and the reasons, a line each: what it waits for
    GET /metrics   what `dataflows.metrics` has counted, for Prometheus

Nothing is asked of the store or the broker: what is told is what the process has met by itself.
"""

import socket
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, HTTPServer
from socketserver import TCPServer, ThreadingMixIn
from threading import Lock, Thread
from typing import Any, Final

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from dataflows import metrics
from dataflows.settings import EngineSettings, SettingsError
from dataflows.vitals import Vitals

CONNECTIONS: Final = 16  # at once; one more, and the oldest is closed
IDLE_SECONDS: Final = 5.0
CLOSING_SECONDS: Final = 0.1  # until it notices that it is to close

_TEXT: Final = "text/plain; charset=utf-8"


class HealthServer(ThreadingMixIn, HTTPServer):
    """Listens on a port as soon as it is made, and answers until it is closed. Port 0 is a free one: see `port`."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 4 * CONNECTIONS

    def __init__(self, host: str, port: int, vitals: Vitals) -> None:
        self.vitals = vitals
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._open: deque[socket.socket] = deque()
        self._lock = Lock()
        super().__init__((host, port), _Answer)
        self._thread = Thread(target=self.serve_forever, args=[CLOSING_SECONDS], name="health", daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self.server_address[1])

    def close(self) -> None:
        """Stop listening; idempotent."""
        self.shutdown()
        self.server_close()
        self._thread.join()

    def server_bind(self) -> None:
        """Bind, without asking a name server for this host's name as HTTPServer does: that may take its time."""
        TCPServer.server_bind(self)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer in a thread. Who keeps connections open can't keep others out."""
        with self._lock:
            self._open.append(request)
            oldest = self._open.popleft() if len(self._open) > CONNECTIONS else None
        if oldest is not None:
            _hang_up(oldest)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Close a connection."""
        with self._lock:
            if request in self._open:
                self._open.remove(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Somebody hung up: that is nobody's concern."""


class _Answer(BaseHTTPRequestHandler):
    """Answers one request."""

    server: HealthServer
    timeout = IDLE_SECONDS
    server_version = "icefloe"
    sys_version = ""

    def do_GET(self) -> None:
        """Answer."""
        vitals = self.server.vitals
        match self.path.partition("?")[0]:
            case "/healthz":
                hung = vitals.hung()
                self._tell(hung or "alive", well=hung is None)
            case "/readyz":
                reasons = vitals.reasons()
                self._tell(_lines(reasons) or "ready", well=not reasons)
            case "/metrics":
                self._send(HTTPStatus.OK, generate_latest(metrics.REGISTRY), CONTENT_TYPE_LATEST)
            case _:
                self._send(HTTPStatus.NOT_FOUND, b"see /healthz, /readyz and /metrics\n", _TEXT)

    def do_HEAD(self) -> None:
        """Answer without the body."""
        self.do_GET()

    def _tell(self, words: str, *, well: bool) -> None:
        status = HTTPStatus.OK if well else HTTPStatus.SERVICE_UNAVAILABLE
        self._send(status, f"{words}\n".encode(errors="replace"), _TEXT)

    def _send(self, status: HTTPStatus, body: bytes, type_: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", type_)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the standard library's name
        """Probes come every few seconds: they aren't worth a line."""


def serve(settings: EngineSettings, vitals: Vitals) -> HealthServer | None:
    """Begin to answer, if a port is set.

    Raises:
        SettingsError: the port can't be had.
    """
    if not settings.health_port:
        return None
    host, port = settings.health_host, settings.health_port
    try:
        server = HealthServer(host, port, vitals)
    except OSError as error:
        raise SettingsError(
            f"ICEFLOE_HEALTH_PORT: can't listen on {host}:{port} ({error.strerror or error}); "
            "name a free port, another one for each process of a host"
        ) from error
    metrics.READY.set_function(lambda: not vitals.reasons())
    return server


def _lines(reasons: Mapping[str, str]) -> str:
    """A line for each reason: what it keeps from being done, and the sentence."""
    by_reason: dict[str, list[str]] = {}
    for what, why in reasons.items():
        by_reason.setdefault(why, []).append(what)
    return "\n".join(f"{', '.join(what)}: {why}" for why, what in by_reason.items())


def _hang_up(connection: socket.socket) -> None:
    with suppress(OSError):  # the other side was quicker
        connection.shutdown(socket.SHUT_RDWR)
