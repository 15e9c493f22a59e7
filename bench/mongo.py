"""MongoDB, as the benchmarks use it: a database that is gone afterwards, and the floor, what MongoDB alone takes."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from time import perf_counter
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import uuid4

from pymongo import MongoClient, UpdateOne, WriteConcern
from pymongo.collection import Collection
from pymongo.errors import PyMongoError

from bench.figures import Figures, percentiles
from bench.processes import BenchError

_BATCH: Final = 500
_RUNS: Final = 1000
_DOCUMENT: Final = 1024  # bytes of text in each
_SINGLY: Final = 300
_WARM_UPS: Final = 20
_PATIENCE_MS: Final = 10_000

Document = dict[str, Any]


@contextmanager
def database(url: str, name: str) -> Iterator[str]:
    """The URL of a database of this name on the same server; it is dropped at the end.

    Raises:
        BenchError: it can't be dropped.
    """
    own = urlsplit(url)._replace(path=f"/{name}").geturl()
    try:
        yield own
    except BaseException:
        with suppress(PyMongoError):  # what went wrong before is what matters
            _drop(own, name)
        raise
    try:
        _drop(own, name)
    except PyMongoError as error:
        raise BenchError(f"the database {name} can't be dropped: {error}") from error


def _drop(url: str, name: str) -> None:
    with _client(url) as client:
        client.drop_database(name)


def floor(url: str, number: int) -> Figures:
    """Majority writes: updates in batches of 500, updates one by one, and from an insert to its event in the feed.

    Raises:
        BenchError: the server can't be used.
    """
    name = f"icefloe-bench-{uuid4().hex[:12]}"
    try:
        with database(url, name) as own, _client(own) as client:
            version = client.server_info()["version"]
            runs = client[name].get_collection("runs", write_concern=WriteConcern("majority"))
            runs.insert_many({"_id": run, "revision": 0, "text": "x" * _DOCUMENT} for run in range(_RUNS))
            return {
                f"mongo_updates_s_by_{_BATCH}": _batches(runs, -(-5 * number // _BATCH)),
                **percentiles("mongo_update_", _updates(runs, min(number, _SINGLY))),
                **percentiles("mongo_feed_", _events(runs, min(number, _SINGLY))),
                "mongo": f"MongoDB {version}",
            }
    except PyMongoError as error:
        raise BenchError(f"the floor of MongoDB can't be measured: {error}") from error


def _client(url: str) -> MongoClient[Document]:
    return MongoClient(url, serverSelectionTimeoutMS=_PATIENCE_MS)


def _change(number: int) -> Document:
    return {"$inc": {"revision": 1}, "$set": {"text": f"{number:0{_DOCUMENT}}"}}


def _batches(runs: Collection[Document], batches: int) -> float:
    """Updates a second."""
    begin = perf_counter()
    for batch in range(batches):
        numbers = range(batch * _BATCH, (batch + 1) * _BATCH)
        runs.bulk_write([UpdateOne({"_id": number % _RUNS}, _change(number)) for number in numbers], ordered=False)
    return batches * _BATCH / (perf_counter() - begin)


def _updates(runs: Collection[Document], times: int) -> list[float]:
    """The seconds of each single update."""
    seconds = []
    for number in range(_WARM_UPS + times):
        begin = perf_counter()
        runs.update_one({"_id": number % _RUNS}, _change(number))
        seconds.append(perf_counter() - begin)
    return seconds[_WARM_UPS:]


def _events(runs: Collection[Document], times: int) -> list[float]:
    """The seconds from before each insert until its event has been read."""
    seconds = []
    with runs.watch(max_await_time_ms=_PATIENCE_MS) as feed:
        for number in range(_WARM_UPS + times):
            begin = perf_counter()
            runs.insert_one({"_id": _RUNS + number, "revision": 0, "text": "x" * _DOCUMENT})
            while (event := feed.try_next()) is None or event["documentKey"]["_id"] != _RUNS + number:
                if perf_counter() - begin > _PATIENCE_MS / 1000:
                    raise BenchError("MongoDB's change stream doesn't tell of an insert")
            seconds.append(perf_counter() - begin)
    return seconds[_WARM_UPS:]
