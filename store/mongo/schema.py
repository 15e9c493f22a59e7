"""The collections of a store on MongoDB, their indexes, and the mark by which a store is told from other databases.

    workflows   one document for each version of a workflow, never changed, and one where all were deleted
    runs        one document for each run, changed by compare-and-set on its `stamp`
    owners      the starts of engines
    bookmarks   how far readers of the feed have got
    records     what is neither a workflow nor a run
    meta        which store this is, and of which version

A run's document has as fields what lists and searches ask for. What users wrote stands in it as JSON text.

    _id tenant workflow version requested_by created_at number     who it is; `number` orders those of the same time
    status revision generation … wake_at heal claimed size         how it stands; `claimed` counts its RUNNING tasks
    waiting    ['person:ada', …]                                   whom it waits for
    inputs labels parent outputs error digest tasks.<name>         JSON texts; of tasks that aren't as at the start
    facts      ['["risk","high"]', …]                              the inputs, one by one, for searches
    journal    [[revision, at, entry, seal], …]                    everything that happened
    seal       that of the last entry                              chains the next one to it
    stamp      another one after each change                       what a write compares
    last       {writer, tenant, told: [[…, transition], …]}        what the last write did: the feed's event
"""

from contextlib import suppress
from typing import Final, NamedTuple
from uuid import uuid4

from pymongo import ASCENDING as UP
from pymongo import DESCENDING as DOWN
from pymongo import IndexModel, UpdateOne
from pymongo.errors import DuplicateKeyError

from engine.statuses import FINAL_RUN
from store.mongo.connection import Connection, Document
from store.protocol import Position, StoreError, StoreGone
from store.texts import asked_in

VERSION: Final = 2
"""In 1 there were no seals, no `waiting`, no deletions and no records. What it wrote of runs is read as it stands."""

_OLDER: Final = {"_id": "store", "schema": {"$lt": VERSION}}
_AT_ONCE: Final = 500

_INDEXES: Final = {
    "runs": [
        IndexModel([("wake_at", UP)], name="due", partialFilterExpression={"wake_at": {"$gte": 0}}),
        IndexModel([("created_at", DOWN), ("number", DOWN)], name="by_time"),
        IndexModel([("tenant", UP), ("created_at", DOWN), ("number", DOWN)], name="by_tenant"),
        IndexModel([("tenant", UP), ("workflow", UP), ("created_at", DOWN), ("number", DOWN)], name="by_workflow"),
        IndexModel([("tenant", UP), ("status", UP), ("created_at", DOWN), ("number", DOWN)], name="by_status"),
        IndexModel(
            [("tenant", UP), ("requested_by", UP), ("created_at", DOWN), ("number", DOWN)],
            name="by_person",
            partialFilterExpression={"requested_by": {"$gte": ""}},
        ),
        IndexModel(
            [("tenant", UP), ("waiting", UP), ("created_at", DOWN), ("number", DOWN)],
            name="by_waiting",
            partialFilterExpression={"waiting": {"$gte": ""}},
        ),
        IndexModel([("facts", UP), ("tenant", UP), ("created_at", DOWN), ("number", DOWN)], name="by_input"),
    ],
    "workflows": [IndexModel([("tenant", UP), ("name", UP), ("version", DOWN)], name="by_name", unique=True)],
    "records": [IndexModel([("expires_at", UP)], name="ending", partialFilterExpression={"expires_at": {"$gte": 0}})],
    "owners": [IndexModel([("dead", UP), ("number", UP)], name="living")],
}


class Mark(NamedTuple):
    """Which store a database holds: its history's name, and where its feed begins."""

    incarnation: str
    began: Position


def read_mark(connection: Connection) -> Mark | None:
    """The mark of the store that is there; None if there is none.

    Raises:
        StoreError: a newer version of this program made it.
    """
    mark = connection.durable("meta").find_one({"_id": "store"})
    if mark is None:
        return None
    if mark["schema"] > VERSION:
        raise StoreError(
            f"{connection.where} was written by a newer version of Icefloe (its collections have version "
            f"{mark['schema']}, this program knows them up to {VERSION}): upgrade this program, or name another "
            "database in ICEFLOE_STORE"
        )
    return Mark(mark["incarnation"], mark["began"])


def there(connection: Connection) -> Mark:
    """The mark of the store that must be there.

    Raises:
        StoreError: it isn't, or a newer version of this program made it.
    """
    mark = read_mark(connection)
    if mark is None:
        raise StoreError(f"there is no store at {connection.where}: start an engine first")
    return mark if _is_new(connection) else prepare(connection, mark.began)


def verify(connection: Connection, mark: Mark) -> None:
    """See that the database still holds the store that was opened, be it in the hands of a newer version by now.

    Raises:
        StoreGone: it holds another one, or none.
    """
    found = connection.durable("meta").find_one({"_id": "store"})
    if found is None or found["incarnation"] != mark.incarnation:
        raise StoreGone(f"the store at {connection.where} was deleted or replaced while it was open: start again")


def prepare(connection: Connection, began: Position) -> Mark:
    """Make what a store needs, as far as it isn't there; a new one's feed begins at `began`.

    Raises:
        StoreError: a newer version of this program made it.
    """
    mark = read_mark(connection)
    for name, indexes in _INDEXES.items():
        connection.durable(name).create_indexes(indexes)
    while mark is None:
        new = {"schema": VERSION, "incarnation": uuid4().hex, "began": began}
        with suppress(DuplicateKeyError):  # somebody else was faster
            connection.durable("meta").update_one({"_id": "store"}, {"$setOnInsert": new}, upsert=True)
        mark = read_mark(connection)
    _update(connection)
    return mark


def _is_new(connection: Connection) -> bool:
    """Whether the store is one of this version."""
    return connection.durable("meta").find_one(_OLDER) is None


def _update(connection: Connection) -> None:
    """Bring what an older version wrote up to date; several processes may do so at once, and some die half-way."""
    if _is_new(connection):
        return
    runs = connection.durable("runs")
    which = {"status": {"$nin": sorted(FINAL_RUN)}, "waiting": {"$exists": False}}
    fields = {"stamp": 1, "tasks": 1}
    while found := list(runs.find(which, fields).limit(_AT_ONCE)):
        runs.bulk_write([_with_waiting(document) for document in found], ordered=False)
    connection.durable("meta").update_one(_OLDER, {"$set": {"schema": VERSION}})


def _with_waiting(document: Document) -> UpdateOne:
    """Only if the run is still as it was read, since an older program may be at work on it."""
    unchanged = {"_id": document["_id"], "stamp": document.get("stamp"), "waiting": {"$exists": False}}
    tasks = document.get("tasks")
    asked = {who for task in (tasks.values() if isinstance(tasks, dict) else ()) for who in asked_in(task)}
    return UpdateOne(unchanged, {"$set": {"waiting": sorted(asked)}})
