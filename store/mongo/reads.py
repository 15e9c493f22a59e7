"""What the store on MongoDB reads and gives as it is: journals, lists and counts of runs.

Runs are found newest first. A cursor is the place of the last one shown, so runs that come in meanwhile move nothing.
"""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable
from typing import Any, Final

import orjson
from bson import CodecOptions, ObjectId

from engine.run import JournalEntry
from engine.statuses import RunStatus
from store.mongo.connection import Connection, Document
from store.mongo.documents import SUMMARY, fact, read_sealed, read_summary
from store.protocol import Page, RunQuery, Sealed, StoreError
from store.texts import UNREADABLE, dumps, in_short, read_entry

_ORDER: Final = [("created_at", -1), ("number", -1)]


def next_wake(connection: Connection) -> float | None:
    """The earliest `wake_at` of all runs."""
    earliest = connection.quick("runs").find_one(
        {"wake_at": {"$gte": 0}}, {"wake_at": 1, "_id": 0}, sort=[("wake_at", 1)]
    )
    return None if earliest is None else float(earliest["wake_at"])


def journal(connection: Connection, id_: str) -> list[JournalEntry]:
    """What happened to a run, in order.

    Raises:
        StoreError: an entry can't be read.
    """
    found = connection.quick("runs").find_one({"_id": id_}, {"journal": 1})
    try:
        return [] if found is None else [read_entry(*entry) for entry in found["journal"]]
    except UNREADABLE as error:
        raise StoreError(f"the journal of run {id_!r} can't be read: {in_short(error)}") from error


def sealed(connection: Connection, id_: str) -> list[Sealed]:
    """The journal of a run as it is stored, whatever somebody has made of it."""
    codec = CodecOptions[Document](unicode_decode_error_handler="surrogateescape")
    found = connection.quick("runs").with_options(codec).find_one({"_id": id_}, {"journal": 1})
    entries = [] if found is None else found.get("journal")
    if not isinstance(entries, list):
        entries = [entries]
    return [read_sealed(index, entry) for index, entry in enumerate(entries)]


def counts(connection: Connection, tenant: str | None) -> dict[RunStatus, int]:
    """How many runs are in each status."""
    which: Document = {"tenant": {"$gte": ""} if tenant is None else tenant}
    group: Document = {"_id": "$status", "count": {"$sum": 1}}
    found = connection.quick("runs").aggregate([{"$match": which}, {"$group": group}], hint="by_status")
    return {RunStatus(one["_id"]): one["count"] for one in found}


def find(connection: Connection, query: RunQuery) -> Page:
    """A page of runs, newest first.

    Raises:
        ValueError: the cursor is none of ours.
    """
    which, limit = _conditions(query), max(query.limit, 0)
    fields, runs = {**SUMMARY, "number": 1}, connection.quick("runs")
    if query.tenant is None and (query.statuses or query.workflow or query.requested_by):
        which["tenant"] = {"$in": runs.distinct("tenant")}  # what the indexes of these begin with
    found = list(runs.find(which, fields).sort(_ORDER).limit(limit + 1)) if limit else []
    shown = found[:limit]
    more = len(found) > len(shown) > 0
    return Page([read_summary(one) for one in shown], _cursor(shown[-1]) if more else None)


def _conditions(query: RunQuery) -> Document:
    which: Document = {}
    for name in ("tenant", "workflow", "requested_by"):
        if (value := getattr(query, name)) is not None:
            which[name] = value
    if query.statuses:
        which["status"] = {"$in": sorted(map(str, query.statuses))}
    if query.waiting_for:
        which["waiting"] = {"$in": sorted(query.waiting_for)}
    if facts := list(_facts(query)):
        which["$and"] = facts
    created: dict[str, Any] = {}
    if query.created_after is not None:
        created["$gte"] = query.created_after
    if query.created_before is not None:
        created["$lt"] = query.created_before
    if created:
        which["created_at"] = created
    if query.cursor is not None:
        at, number = _place(query.cursor)
        earlier = {"$or": [{"created_at": {"$lt": at}}, {"created_at": at, "number": {"$lt": number}}]}
        # The first of these is said to be implied, so that the index is read from there on.
        which.setdefault("$and", []).extend([{"created_at": {"$lte": at}}, earlier])
    return which


def _facts(query: RunQuery) -> Iterable[Document]:
    for name, value in query.inputs.items():
        yield {"facts": fact(name, value)}
    for name, values in query.inputs_any.items():
        yield {"facts": {"$in": [fact(name, value) for value in values]}}
    for name, value in query.labels.items():  # they are a JSON object, in whose text no value can look like a member
        yield {"labels": {"$regex": f"[{{,]{re.escape(f'{dumps(name)}:{dumps(value)}')}[,}}]"}}


def _cursor(last: Document) -> str:
    return urlsafe_b64encode(orjson.dumps([last["created_at"], str(last["number"])])).decode().rstrip("=")


def _place(cursor: str) -> tuple[float, ObjectId]:
    try:
        at, number = orjson.loads(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        if type(at) is float and type(number) is str and ObjectId.is_valid(number):
            return at, ObjectId(number)
    except (ValueError, TypeError):
        pass
    raise ValueError(f"{cursor!r} is no cursor of this store: begin without one")
