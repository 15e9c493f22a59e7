"""The connection to a MongoDB: how it is opened and checked, and what of it the store uses.

Whatever is asked gets an answer, or an error, within seconds. The driver never repeats a write: each says in what state
it expects its run, so the store repeats it itself and knows what became of it.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, TypeAlias
from urllib.parse import parse_qsl, urlsplit

from bson.errors import BSONError
from pymongo import MongoClient, ReadPreference, WriteConcern
from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.errors import PyMongoError, ServerSelectionTimeoutError
from pymongo.read_concern import ReadConcern

from store.mongo.errors import explain
from store.protocol import StoreError, StoreGone, StoreUnavailable

Document: TypeAlias = dict[str, Any]

FORM: Final = "mongodb://user:password@host:27017/database?replicaSet=rs0"
TIMEOUT_SECONDS: Final = 8.0
_PATIENCE_SECONDS: Final = 1.0

_OPTIONS: Final[Mapping[str, Any]] = {
    "appName": "icefloe",
    "connectTimeoutMS": 3000,
    "maxIdleTimeMS": 300_000,
    "serverSelectionTimeoutMS": 5000,
    "socketTimeoutMS": int(TIMEOUT_SECONDS * 1000),
    "waitQueueTimeoutMS": 5000,
}
_DURABLE: Final = WriteConcern("majority", wtimeout=int(TIMEOUT_SECONDS * 1000) - 1000)
_QUICK: Final = WriteConcern(1)
_WIRE_OF_6: Final = 17  # the protocol of MongoDB 6.0
_WHY_A_SET: Final = "since change streams and majority writes rest on it"


class Connection:
    """The collections of one database. `where` names it in sentences, without the password.

    Raises:
        StoreError: the URL is wrong, or the server is none that the store can work on; it says which.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        hosts = parts.netloc.rpartition("@")[2]
        self.where = f"MongoDB at {hosts}"
        self._gone: str | None = None
        given = {name.lower() for name, _ in parse_qsl(parts.query, keep_blank_values=True)}
        options = {name: value for name, value in _OPTIONS.items() if name.lower() not in given}
        try:
            self._client: MongoClient[Document] = MongoClient(url, connect=False, retryWrites=False, **options)
            self._database = self._client.get_default_database(
                "icefloe", read_preference=ReadPreference.PRIMARY, read_concern=ReadConcern()
            )
        except (PyMongoError, ValueError, TypeError) as error:
            # What it says of a URL with a password in it may have a part of that.
            why = "" if "@" in parts.netloc else f" ({error})"
            raise StoreError(
                f"this is not the URL of a MongoDB{why}; use {FORM}, with %XX for special characters in it"
            ) from None
        self.where += f"/{self._database.name}"
        try:
            with self.speaking():
                self._check()
        except BaseException:
            self._client.close()
            raise

    @property
    def patience_ms(self) -> int:
        """How long the server may let a question wait that it has no answer to yet."""
        limit = self._client.options.pool_options.socket_timeout or TIMEOUT_SECONDS
        return int(min(_PATIENCE_SECONDS, limit / 2) * 1000)

    @contextmanager
    def speaking(self) -> Iterator[None]:
        """Turn the driver's errors into sentences. Once the store is gone that is all there is to say."""
        if self._gone is not None:
            raise StoreGone(self._gone)
        try:
            yield
        except StoreGone as error:
            self._gone = str(error)
            raise
        except PyMongoError as error:
            raise explain(error, self.where) from error
        except (BSONError, OverflowError, UnicodeError) as error:  # no document can say what was asked for
            raise StoreError(f"{self.where}: {error}") from error

    def _check(self) -> None:
        try:
            hello = self._database.command("hello")
        except ServerSelectionTimeoutError as error:
            raise self._unreachable(error) from error
        if hello.get("maxWireVersion", 0) < _WIRE_OF_6:
            raise StoreError(f"{self.where} is older than MongoDB 6.0: upgrade it")
        if hello.get("isreplicaset"):
            raise self._not_initiated()
        if "setName" not in hello and hello.get("msg") != "isdbgrid":
            raise StoreError(
                f"{self.where} needs a replica set, {_WHY_A_SET}: start mongod with --replSet, and run rs.initiate()"
            )

    def _not_initiated(self) -> StoreError:
        return StoreError(f"the replica set of {self.where} has never been initiated: run rs.initiate() there")

    def _unreachable(self, error: ServerSelectionTimeoutError) -> StoreError:
        found = self._client.topology_description
        if found.topology_type_name == "ReplicaSetNoPrimary":
            servers = found.server_descriptions().values()
            if not servers:  # those that answered were none of its members
                return StoreError(
                    f"{self.where} is not in the replica set that ICEFLOE_STORE names, {_WHY_A_SET}: correct the "
                    "name, or start mongod with --replSet and run rs.initiate()"
                )
            if any(server.server_type_name == "RSGhost" for server in servers):
                return self._not_initiated()
        if found.has_readable_server():
            return StoreUnavailable(f"the replica set of {self.where} has no primary just now: it is tried again")
        return explain(error, self.where)

    @property
    def database(self) -> Database[Document]:
        """The whole database."""
        return self._database

    def durable(self, name: str) -> Collection[Document]:
        """A collection whose writes are answered when a majority of the members have them on their disks."""
        return self._database.get_collection(name, write_concern=_DURABLE)

    def quick(self, name: str) -> Collection[Document]:
        """A collection whose writes are answered when the primary has them: lost if it crashes, and no loss."""
        return self._database.get_collection(name, write_concern=_QUICK)

    def settle(self) -> None:
        """Wait until a majority has all that the primary has now, so that what was read there stays."""
        self.durable("meta").update_one({"_id": "nothing"}, {"$set": {"settled": True}})

    def close(self) -> None:
        """Close it; idempotent."""
        self._client.close()
