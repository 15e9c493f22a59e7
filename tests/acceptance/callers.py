"""Callers of the API: threads that start runs over HTTP, each with a key of its own, on connections that they keep."""

import json
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from http.client import HTTPConnection, HTTPException
from threading import Event, Lock, Thread
from time import sleep
from typing import Any, Final

CALLERS: Final = 16
_PATIENCE: Final = 20.0  # seconds for one answer
_PAUSE: Final = 0.02
_ON_ONE: Final = 20  # requests on one connection, before the next port has its turn


def ask(port: int, method: str, path: str, document: Any = None, **headers: str) -> tuple[int, Any]:
    """The status and the document of one answer."""
    with closing(HTTPConnection("127.0.0.1", port, timeout=_PATIENCE)) as connection:
        return _ask(connection, method, path, document, headers)


def _ask(connection: HTTPConnection, method: str, path: str, document: Any, headers: dict[str, str]) -> tuple[int, Any]:
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    if document is not None:
        given["Content-Type"] = "application/json"
    connection.request(method, path, None if document is None else json.dumps(document), given)
    answer = connection.getresponse()
    content = answer.read()
    is_json = (answer.headers.get("Content-Type") or "").endswith("json")
    return answer.status, json.loads(content) if is_json else content.decode()


class Callers:
    """Threads that start runs of workflow `w`, at these ports in turn, until they are stopped.

    Each asks for the next run when it knows what became of the last one: `patient` ones ask again, with the same key,
    until they are told; others leave it at that. `acknowledged` has the run's id by key; `odd` what mustn't be.
    """

    def __init__(self, ports: Sequence[int], *, patient: bool) -> None:
        self.acknowledged: dict[str, str] = {}
        self.repeated = 0
        self.broken = 0
        self.odd: list[str] = []
        self._ports = ports
        self._patient = patient
        self._stop = Event()
        self._lock = Lock()

    @contextmanager
    def calling(self) -> Iterator[None]:
        """Call while the `with` lasts; its end waits until each caller knows what became of its last run."""
        threads = [Thread(target=self._call, args=[number], name=f"caller-{number}") for number in range(CALLERS)]
        for thread in threads:
            thread.start()
        try:
            yield
        except BaseException:
            self._patient = False  # there may be nobody any more who could tell
            raise
        finally:
            self._stop.set()
            for thread in threads:
                thread.join()

    def _call(self, caller: int) -> None:
        connection: HTTPConnection | None = None
        asked = caller  # so that they don't all begin with the same port
        for number in range(1_000_000):
            key = f"{caller}-{number}"
            told = False
            while not told and not (self._stop.is_set() and not self._patient):
                if connection is None:
                    connection = HTTPConnection("127.0.0.1", self._ports[asked % len(self._ports)], timeout=_PATIENCE)
                try:
                    told = self._start(connection, key)
                except (OSError, HTTPException):  # it was killed, or has ended
                    connection.close()
                    connection, asked = None, asked + 1
                    with self._lock:
                        self.broken += 1
                    sleep(_PAUSE)
                    if not self._patient:
                        break
            if self._stop.is_set():
                break
            if connection is not None and number % _ON_ONE == _ON_ONE - 1:
                connection.close()
                connection, asked = None, asked + 1
        if connection is not None:
            connection.close()

    def _start(self, connection: HTTPConnection, key: str) -> bool:
        """Whether a run was acknowledged."""
        headers = {"Idempotency-Key": key}
        status, document = _ask(connection, "POST", "/v1/runs", {"workflow": "w", "inputs": {"key": key}}, headers)
        with self._lock:
            if status in {200, 201}:
                self.acknowledged[key] = document["id"]
                self.repeated += status == 200  # it was started before
                return True
            if status != 503:  # the store was away, or busy
                self.odd.append(f"{status}: {document}")
        sleep(_PAUSE)
        return False
