"""Records in MongoDB: small documents by kind, tenant and id, with a revision and an end.

    {_id: {kind, tenant, id}, revision, expires_at, document}

Two who write over the same revision do so by one conditional write each, of which the server lets one through.
"""

from typing import Any, Final

import orjson
from bson import MaxKey, MinKey
from pymongo.errors import DuplicateKeyError

from store.mongo.connection import Connection, Document
from store.protocol import Conflict, Record
from store.texts import dumps


def _key(kind: str, tenant: object, id_: object) -> Document:
    """The `_id` of a record: the order of its fields is that of the index."""
    return {"kind": kind, "tenant": tenant, "id": id_}


_FIRST: Final = MinKey()
_LAST: Final = MaxKey()


def _lives(at: float) -> Document:
    return {"$or": [{"expires_at": None}, {"expires_at": {"$gt": at}}]}


def read(connection: Connection, kind: str, tenant: str, id_: str, at: float) -> Record | None:
    """A record, unless its time is up."""
    found = connection.quick("records").find_one({"_id": _key(kind, tenant, id_), **_lives(at)})
    return None if found is None else _record(found)


def read_some(  # noqa: PLR0913, PLR0917 - what the protocol asks for, and when
    connection: Connection, kind: str, tenant: str | None, after: str, limit: int, at: float
) -> list[Record]:
    """Records of a kind, by tenant and id."""
    if limit <= 0:
        return []
    which: Document = {
        "_id": {"$gt": _key(kind, tenant, after), "$lt": _key(kind, tenant, _LAST)},
        **_lives(at),
    }
    if tenant is None:
        which["_id"] = {"$gt": _key(kind, _FIRST, _FIRST), "$lt": _key(kind, _LAST, _LAST)}
        which["_id.id"] = {"$gt": after}
    return [_record(one) for one in connection.quick("records").find(which).sort("_id").limit(limit)]


def put(connection: Connection, record: Record, at: float) -> Record:
    """Write a record over the revision that it names, and sweep out those whose time is up.

    Raises:
        Conflict: there is another revision.
    """
    connection.quick("records").delete_many({"expires_at": {"$lte": at}})
    key, written = _key(record.kind, record.tenant, record.id), record._replace(revision=record.revision + 1)
    fields = {
        "revision": written.revision,
        "expires_at": written.expires_at,
        "document": dumps(written.document),
    }
    records = connection.durable("records")
    if record.revision == 0:  # over one whose time is up, or over none: one that lives is in the way of the insertion
        try:
            records.update_one({"_id": key, "expires_at": {"$lte": at}}, {"$set": fields}, upsert=True)
        except DuplicateKeyError as error:
            raise _conflict(connection, record, at) from error
        return written
    if not records.update_one({"_id": key, "revision": record.revision, **_lives(at)}, {"$set": fields}).matched_count:
        raise _conflict(connection, record, at)
    return written


def _conflict(connection: Connection, record: Record, at: float) -> Conflict:
    there = read(connection, record.kind, record.tenant, record.id, at)
    revision = 0 if there is None else there.revision
    return Conflict(f"{record.kind} {record.id!r} is at revision {revision}, not {record.revision}: read it again")


def remove(connection: Connection, kind: str, tenant: str, id_: str, at: float) -> bool:
    """Remove a record; False if there was none."""
    which = {"_id": _key(kind, tenant, id_), **_lives(at)}
    return connection.durable("records").delete_one(which).deleted_count > 0


def _record(found: dict[str, Any]) -> Record:
    key = found["_id"]
    return Record(
        key["kind"], key["tenant"], key["id"], orjson.loads(found["document"]), found["revision"], found["expires_at"]
    )
