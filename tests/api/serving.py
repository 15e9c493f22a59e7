"""The API as a server on the loopback, and streams of events as a client reads them.

`python -m tests.api.serving FILE` serves a store in a process of its own, and prints its port.
"""

import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep
from typing import Any, NamedTuple

import httpx2
import orjson
import uvicorn
from fastapi import FastAPI

from api.app import create_app
from api.settings import ApiSettings
from blocks.catalogue import Catalogue
from store.sqlite import SqliteStore
from tests.api.conftest import Believing
from tests.processes import bounded

ROOT = Path(__file__).parents[2]
PATIENCE = 30.0


class Told(NamedTuple):
    """An event that a client received; `id` is the last one it was told, with this event or before."""

    kind: str
    data: dict[str, Any]
    id: str | None


class _Server(uvicorn.Server):
    """As `icefloe api` does, it lets its streams end when it is to."""

    async def shutdown(self, sockets: Any = None) -> None:
        self.config.loaded_app.state.services.hub.let_go()
        await super().shutdown(sockets)


@contextmanager
def serving(app: FastAPI) -> Iterator[str]:
    """The URL of a server, which ends with the block."""
    server = _Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_config=None, ws="none"))
    server.config.load()
    server.config.loaded_app = app
    thread = threading.Thread(target=server.run, name="server")
    thread.start()
    try:
        until(lambda: server.started)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(PATIENCE)
        assert not thread.is_alive(), "the server doesn't end"


@contextmanager
def serving_process(file: Path) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """The URL of a server in a process of its own, which is killed at the end if it still lives."""
    command = [sys.executable, "-m", "tests.api.serving", str(file)]
    with bounded(subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)) as process:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}", process


def until(condition: Callable[[], object]) -> None:
    """Wait until it holds."""
    deadline = monotonic() + PATIENCE
    while not condition():
        assert monotonic() < deadline, "it never came to be"
        sleep(0.01)


def headers_of(subject: str, *roles: str, groups: tuple[str, ...] = (), tenant: str = "default") -> dict[str, str]:
    """Of somebody whom tests' authenticator believes."""
    said = {"subject": subject, "roles": roles, "groups": groups, "tenant": tenant}
    return {"X-Test-Principal": orjson.dumps(said).decode()}


class Stream:
    """An open stream, read event by event; comments only change the last id."""

    def __init__(self, response: httpx2.Response) -> None:
        self.response = response
        self.id: str | None = None
        self.comments = 0
        self._lines = response.iter_lines()

    def __iter__(self) -> Iterator[Told]:
        return self

    def __next__(self) -> Told:
        kind, data = "message", ""
        for line in self._lines:
            field, _, value = line.partition(": ")
            if line.startswith(":"):
                self.comments += 1
            elif field == "id":
                self.id = value
            elif field == "event":
                kind = value
            elif field == "data":
                data += value
            elif not line and data:
                return Told(kind, orjson.loads(data), self.id)
            elif not line:
                kind = "message"
        raise StopIteration

    def comment(self) -> None:
        """Read on to the next comment and what comes with it; there must be no event before."""
        for line in self._lines:
            field, _, value = line.partition(": ")
            assert field not in {"event", "data"}, line
            if field == "id":
                self.id = value
            elif line.startswith(":"):
                self.comments += 1
            elif not line:
                return

    def take(self, count: int) -> list[Told]:
        """The next events."""
        return [next(self) for _ in range(count)]


@contextmanager
def following(url: str, headers: dict[str, str], *, after: str | None = None, **parameters: Any) -> Iterator[Stream]:
    """A stream that must be there."""
    if after is not None:
        headers = {**headers, "Last-Event-ID": after}
    with (
        httpx2.Client(timeout=PATIENCE) as client,
        client.stream("GET", url, headers=headers, params=parameters) as response,
    ):
        assert response.status_code == 200, response.read()
        assert response.headers["Content-Type"].startswith("text/event-stream")
        yield Stream(response)


def main() -> None:
    """Serve the store in a file, until somebody ends the process."""
    listener = socket.create_server(("127.0.0.1", 0))
    sys.stdout.write(f"{listener.getsockname()[1]}\n")
    sys.stdout.flush()
    store = SqliteStore(Path(sys.argv[1]))
    app = create_app(ApiSettings(api_rate=0), store, Catalogue.load(), authenticator=Believing())
    config = uvicorn.Config(app, log_config=None, ws="none")
    config.load()
    config.loaded_app = app
    _Server(config).run([listener])
    store.close()


if __name__ == "__main__":
    main()
