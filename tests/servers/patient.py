"""A proxy that makes a broker patient which answers at once that it has nothing.

    client ──► 127.0.0.1:PORT ──► 127.0.0.2:PORT     a request is passed on at once,
           ◄────────────────── ◄──────────────       and a small answer to a Fetch no sooner than it may

Kafka holds back an empty answer to a Fetch for half a second; a client asks again as soon as it has one. With a broker
that doesn't, each idle consumer takes half a core. Where the broker says that it is, the proxy says its own address.

    python -m tests.servers.patient PORT
"""

import asyncio
import struct
import sys
from asyncio import StreamReader, StreamWriter
from contextlib import suppress
from typing import Final

PUBLIC: Final = "127.0.0.1"
HIDDEN: Final = "127.0.0.2"  # as long as the other, so that one can stand for the other in an answer
PAUSE_SECONDS: Final = 0.02
SMALL_BYTES: Final = 1024

_FETCH: Final = 1
_TELL_ADDRESSES: Final = frozenset({3, 10, 60})  # Metadata, FindCoordinator, DescribeCluster


class _Connection:
    """One connection of a client. Answers come in the order of the requests."""

    def __init__(self) -> None:
        self._asked: dict[int, int] = {}
        self._next_fetch = 0.0

    async def requests(self, client: StreamReader, broker: StreamWriter) -> None:
        while True:
            frame = await _frame(client)
            kind, _version, number = struct.unpack(">hhi", frame[:8])
            self._asked[number] = kind
            await _pass_on(broker, frame)

    async def answers(self, broker: StreamReader, client: StreamWriter) -> None:
        while True:
            frame = await _frame(broker)
            kind = self._asked.pop(struct.unpack(">i", frame[:4])[0])
            if kind in _TELL_ADDRESSES:
                frame = frame.replace(HIDDEN.encode(), PUBLIC.encode())
            if kind == _FETCH and len(frame) < SMALL_BYTES:
                now = asyncio.get_running_loop().time()
                await asyncio.sleep(max(0.0, self._next_fetch - now))
                self._next_fetch = max(now, self._next_fetch) + PAUSE_SECONDS
            await _pass_on(client, frame)


async def _frame(reader: StreamReader) -> bytes:
    (length,) = struct.unpack(">i", await reader.readexactly(4))
    return await reader.readexactly(length)


async def _pass_on(writer: StreamWriter, frame: bytes) -> None:
    writer.write(struct.pack(">i", len(frame)) + frame)
    await writer.drain()


async def serve(port: int) -> None:
    """Pass on whatever comes, until the process ends."""

    async def connected(reader: StreamReader, writer: StreamWriter) -> None:
        writers = [writer]
        try:
            broker_reader, broker_writer = await asyncio.open_connection(HIDDEN, port)
            writers.append(broker_writer)
            connection = _Connection()
            both = {
                asyncio.create_task(connection.requests(reader, broker_writer)),
                asyncio.create_task(connection.answers(broker_reader, writer)),
            }
            _, pending = await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            for task in pending:
                task.cancel()
            await asyncio.gather(*both, return_exceptions=True)
        except OSError:
            pass  # the broker is away: so is this
        finally:
            for one in writers:
                with suppress(OSError):
                    one.close()

    async with await asyncio.start_server(connected, PUBLIC, port) as server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
