"""A service desk that misbehaves on request: the local HTTP server which the demo's HTTP_REQUEST tasks talk to.

    POST /tickets?fail=2      201 {"ticket": "DESK-1001", "state": "open"}, once it has failed as the query says
    GET  /tickets/DESK-1001   200 {"ticket": "DESK-1001", "state": "open"}
    POST /announcements       201 {"post": "WALL-1002"}

The query of a POST says how often a call with one idempotency key is refused before it is taken, so the same calls are
answered the same way each time, whatever else the server has to do:

    limit=n    the first n calls get 429, with Retry-After
    fail=n     the next n calls get 503
    lose=n     the next n calls are taken, but answered with 502: whoever asks again must not get a second ticket
    status=n   every call gets this status, and nothing is done
    slow=s     every answer takes s seconds
    vanish=1   the ticket is opened, but can't be read back

Like a real desk it remembers its answer to each idempotency key. The ledger has every effect, so that a caller which
was killed can show that it left no ticket twice.
"""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Lock, Thread
from typing import Any, Final, Self
from urllib.parse import parse_qsl, urlsplit

_KINDS: Final = {"/tickets": "ticket", "/announcements": "post"}
_PREFIXES: Final = {"ticket": "DESK", "post": "WALL"}
_LONGEST_DELAY: Final = 60.0  # seconds
_FIRST_NUMBER: Final = 1001


@dataclass(frozen=True, slots=True)
class Effect:
    """One thing that was really done, for a call with this key; `reference` is the caller's own name for it."""

    number: int
    kind: str
    key: str
    reference: str
    hidden: bool = False

    @property
    def name(self) -> str:
        """How the desk calls it, such as `DESK-1001`."""
        return f"{_PREFIXES[self.kind]}-{self.number}"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a call gets."""

    status: HTTPStatus
    body: Mapping[str, Any]
    headers: tuple[tuple[str, str], ...] = ()


class Ledger:
    """What was asked and what was done: the demo's witness. Thread-safe."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._calls: Counter[str] = Counter()
        self._effects: dict[str, Effect] = {}
        self._by_name: dict[str, Effect] = {}
        self._repeats = 0

    @property
    def calls(self) -> int:
        """Calls with a key, refused ones included."""
        with self._lock:
            return self._calls.total()

    @property
    def repeats(self) -> int:
        """Calls that came after their effect, and got the remembered answer."""
        with self._lock:
            return self._repeats

    @property
    def effects(self) -> tuple[Effect, ...]:
        """Everything that was done, in order."""
        with self._lock:
            return tuple(self._effects.values())

    def doubled(self) -> dict[tuple[str, str], int]:
        """Each (kind, reference) that was done more than once, and how often: empty if callers keep to one key."""
        counts = Counter((effect.kind, effect.reference) for effect in self.effects)
        return {what: count for what, count in counts.items() if count > 1}

    def find(self, name: str) -> Effect | None:
        """The effect of this name."""
        with self._lock:
            return self._by_name.get(name)

    def post(self, kind: str, key: str, reference: str, query: Mapping[str, str]) -> Answer:
        """Take or refuse one call, as its query says.

        Raises:
            ValueError: a number in the query is none.
        """
        limit, fail, lose = (int(query.get(name, 0)) for name in ("limit", "fail", "lose"))
        with self._lock:
            self._calls[key] += 1
            call = self._calls[key]
            if "status" in query:
                return _refusal(HTTPStatus(int(query["status"])))
            if call <= limit:
                return _refusal(HTTPStatus.TOO_MANY_REQUESTS, ("Retry-After", "1"))
            if call <= limit + fail:
                return _refusal(HTTPStatus.SERVICE_UNAVAILABLE)
            effect = self._effects.get(key)
            if effect is None:
                effect = Effect(_FIRST_NUMBER + len(self._effects), kind, key, reference, hidden="vanish" in query)
                self._effects[key] = self._by_name[effect.name] = effect
            else:
                self._repeats += 1
            if call <= limit + fail + lose:
                return _refusal(HTTPStatus.BAD_GATEWAY)
            return Answer(HTTPStatus.CREATED, _told(effect))


class DemoServer:
    """The desk on a free port of 127.0.0.1, in threads of its own, between `start` and `stop` (or inside a `with`)."""

    def __init__(self) -> None:
        self.ledger = Ledger()
        self._closing = Event()
        self._server = _Server(self.ledger, self._closing)
        self._thread = Thread(target=self._server.serve_forever, args=(0.05,), name="demo-server", daemon=True)

    @property
    def url(self) -> str:
        """Where it is: `http://127.0.0.1:PORT`."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def start(self) -> Self:
        """Answer from now on."""
        self._thread.start()
        return self

    def stop(self) -> None:
        """Answer no more, and let go of who still waits for a slow answer. The ledger stays."""
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256  # a restarted engine comes back with all its connections at once

    def __init__(self, ledger: Ledger, closing: Event) -> None:
        self.ledger = ledger
        self.closing = closing
        super().__init__(("127.0.0.1", 0), _Handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: the demo kills its engine in the middle of calls."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def do_GET(self) -> None:
        name = urlsplit(self.path).path.removeprefix("/tickets/")
        effect = self.server.ledger.find(name)
        if effect is None or effect.kind != "ticket" or effect.hidden:
            self._answer(_refusal(HTTPStatus.NOT_FOUND))
        else:
            self._answer(Answer(HTTPStatus.OK, _told(effect)))

    def do_POST(self) -> None:
        url = urlsplit(self.path)
        query = dict(parse_qsl(url.query))
        try:
            reference = str(json.loads(self._body())["reference"])
            kind, key = _KINDS.get(url.path), self.headers["Idempotency-Key"]
            slow = min(float(query.get("slow", 0)), _LONGEST_DELAY)
            if kind is None:
                answer = _refusal(HTTPStatus.NOT_FOUND)
            elif not key:
                answer = _refusal(HTTPStatus.BAD_REQUEST)
            else:
                answer = self.server.ledger.post(kind, key, reference, query)
        except (ValueError, KeyError, TypeError):
            answer, slow = _refusal(HTTPStatus.BAD_REQUEST), 0.0
        if slow > 0:
            self.server.closing.wait(slow)
        self._answer(answer)

    def _body(self) -> bytes:
        return self.rfile.read(max(0, int(self.headers.get("Content-Length", 0))))

    def _answer(self, answer: Answer) -> None:
        body = json.dumps(answer.body).encode()
        self.send_response(answer.status)
        for name, value in (*answer.headers, ("Content-Type", "application/json"), ("Content-Length", str(len(body)))):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as in the class above
        """Keep the terminal for the demo's own table."""


def _refusal(status: HTTPStatus, *headers: tuple[str, str]) -> Answer:
    return Answer(status, {"error": status.phrase.lower()}, headers)


def _told(effect: Effect) -> dict[str, str]:
    return {effect.kind: effect.name, "state": "open"}
