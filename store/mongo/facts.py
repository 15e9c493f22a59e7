"""What can be told of a MongoDB besides the store in it, for `icefloe doctor`."""

from contextlib import suppress
from typing import NamedTuple

from pymongo.errors import OperationFailure

from store.mongo.connection import Connection


class Facts(NamedTuple):
    """A server and its replica set (None: it is sharded). `oplog_hours` is None if this user may not ask."""

    version: str
    replica_set: str | None
    members: int
    oplog_hours: float | None


def look(url: str) -> Facts:
    """Look at the server behind a URL, and see that a majority of its members takes writes. Changes nothing.

    Raises:
        StoreError: it is none that the store can work on, or no majority answers; the sentence says why.
    """
    connection = Connection(url)
    try:
        with connection.speaking():
            connection.settle()
            hello = connection.database.command("hello")
            version = str(connection.database.command("buildInfo")["version"])
            return Facts(version, hello.get("setName"), len(hello.get("hosts", ())), _oplog_hours(connection))
    finally:
        connection.close()


def _oplog_hours(connection: Connection) -> float | None:
    """How long the server remembers changes: a reader of the feed that was away for longer has lost some."""
    oplog = connection.database.client["local"]["oplog.rs"]
    with suppress(OperationFailure):
        ends = [oplog.find_one(sort=[("$natural", direction)], projection={"ts": 1}) for direction in (1, -1)]
        if all(ends):
            first, last = (one["ts"].time for one in ends if one is not None)
            return float(last - first) / 3600
    return None
