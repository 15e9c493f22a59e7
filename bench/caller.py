"""A client of the API in a process of its own: `python -m bench.caller < what it is to ask`, one JSON object each way.

It writes its requests by itself, on connections that it keeps: so it takes little from the server on the same cores.
"""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Iterator
from time import perf_counter
from typing import Any, Final, NamedTuple, TypeAlias
from urllib.parse import quote, urlsplit

import uvloop

from bench.figures import percentiles

_PAGES: Final = 10  # of a list, read one after the other
_CREATED: Final = 201
_OK: Final = 200

Ask: TypeAlias = Callable[[str, str, bytes], Awaitable[Any]]


class Asked(NamedTuple):
    """What to ask: `starts` on so many connections at once, then `reads` of runs and of pages, one after the other."""

    url: str
    key: str
    workflow: str
    starts: int
    connections: int
    reads: int
    runs: list[str]


async def main(asked: Asked) -> dict[str, Any]:
    """Ask, and give the figures, with the ids of the runs that were acknowledged."""
    connections = [await _connected(asked) for _ in range(asked.connections)]
    numbers = iter(range(asked.starts))
    started: list[str] = []
    seconds: list[float] = []
    begin = perf_counter()
    await asyncio.gather(*(_start(ask, asked, numbers, started, seconds) for ask in connections))
    took = perf_counter() - begin
    reads = [await _timed(connections[0], f"/v1/runs/{quote(run)}") for run in asked.runs]
    pages = [one async for one in _pages(connections[0], asked.reads)]
    figures: dict[str, Any] = {"starts_s": asked.starts / took, **percentiles("start_", seconds)}
    return {"figures": figures | percentiles("read_", reads) | percentiles("list_", pages), "started": started}


async def _connected(asked: Asked) -> Ask:
    parts = urlsplit(asked.url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    common = f"Host: {parts.netloc}\r\nAuthorization: Bearer {asked.key}\r\n"

    async def ask(method: str, path: str, body: bytes) -> Any:
        length = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n" if body else ""
        writer.write(f"{method} {path} HTTP/1.1\r\n{common}{length}\r\n".encode() + body)
        head = await reader.readuntil(b"\r\n\r\n")
        status = int(head[9:12])
        [size] = [int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        answer = await reader.readexactly(size)
        if status != (_CREATED if method == "POST" else _OK):
            raise SystemExit(f"{method} {path}: {status}: {answer.decode()}")
        return answer

    return ask


async def _start(ask: Ask, asked: Asked, numbers: Iterator[int], started: list[str], seconds: list[float]) -> None:
    for number in numbers:
        body = json.dumps({"workflow": asked.workflow, "inputs": {"nr": number}}).encode()
        begin = perf_counter()
        answer = await ask("POST", "/v1/runs", body)
        seconds.append(perf_counter() - begin)
        started.append(json.loads(answer)["id"])


async def _timed(ask: Ask, path: str) -> float:
    begin = perf_counter()
    await ask("GET", path, b"")
    return perf_counter() - begin


async def _pages(ask: Ask, number: int) -> Any:
    """The seconds that pages take: some that follow one another, and again from the first."""
    path, cursor = "/v1/runs?limit=50", ""
    for index in range(number):
        begin = perf_counter()
        answer = await ask("GET", path + (f"&cursor={quote(cursor, safe='')}" if cursor else ""), b"")
        yield perf_counter() - begin
        cursor = (json.loads(answer)["cursor"] or "") if (index + 1) % _PAGES else ""


if __name__ == "__main__":
    sys.stdout.write(json.dumps(uvloop.run(main(Asked(**json.load(sys.stdin))))))
