"""The owners of claims in MongoDB: documents with leases, reckoned by the server's clock."""

from typing import Any, Final

from bson import ObjectId
from pymongo.errors import DuplicateKeyError

from store.mongo.clock import ServerClock
from store.mongo.connection import Connection
from store.protocol import BEGINNING, Owner, Position, StoreError

_DEAD_KEPT: Final = 100


def enter(connection: Connection, clock: ServerClock, owner: str, lease: float, position: Position) -> None:
    """Add a living owner.

    Raises:
        StoreError: there was an owner of this name.
    """
    entered = {"_id": owner, "number": ObjectId(), "dead": False, "position": position}
    try:
        # An upsert, for only an update can reckon with the server's time; of a taken name it would make a second one.
        connection.durable("owners").update_one(
            {"_id": owner, "number": entered["number"]},
            [{"$set": {**_literal(entered), "alive_until": {"$add": [clock.now, lease]}}}],
            upsert=True,
        )
    except DuplicateKeyError as error:
        raise StoreError(f"owner {owner!r} has lived before: each start of an engine needs a new one") from error


def _literal(fields: dict[str, Any]) -> dict[str, Any]:
    """Values for an update that would take a text with a dollar sign for the name of a field."""
    return {name: {"$literal": value} for name, value in fields.items()}


def first_to_read(connection: Connection) -> Position:
    """Where a new owner should begin: how far the slowest of the living has read the feed, or else the last of all."""
    entered = list(connection.quick("owners").find({}, {"dead": 1, "position": 1}))
    living = [one["position"] for one in entered if not one["dead"]]
    return str(min(living) if living else max((one["position"] for one in entered), default=BEGINNING))


def prolong(connection: Connection, clock: ServerClock, owner: str, lease: float, position: Position) -> bool:
    """Move the end of a lease, and how far the feed was read; False if the owner is dead."""
    fields = {"alive_until": {"$add": [clock.now, lease]}, "position": {"$literal": position}}
    done = connection.durable("owners").update_one({"_id": owner, "dead": False}, [{"$set": fields}])
    return done.matched_count == 1


def declare_dead(connection: Connection, owner: str, *, late: ServerClock | None = None) -> bool:
    """Declare an owner dead, if it isn't; given a clock, only if its lease is over by that. Whether that was done."""
    owners = connection.durable("owners")
    which: dict[str, Any] = {"_id": owner, "dead": False}
    if late is not None:
        which["$expr"] = {"$lt": ["$alive_until", late.now]}
    declared = owners.update_one(which, {"$set": {"dead": True}})
    old = next(owners.find({"dead": True}, {"number": 1}).sort("number", -1).skip(_DEAD_KEPT).limit(1), None)
    if old is not None:
        owners.delete_many({"dead": True, "number": {"$lte": old["number"]}})
    return declared.matched_count == 1


def living(connection: Connection) -> list[Owner]:
    """The owners that aren't dead, the oldest first."""
    found = connection.quick("owners").find({"dead": False}).sort("number")
    return [Owner(one["_id"], one["alive_until"], False, one["position"]) for one in found]  # noqa: FBT003


def wake_active(connection: Connection, at: float) -> int:
    """Make every run due that has something ready or running; how many."""
    active = [{"status": {"$in": ["PENDING", "RUNNING"]}}, {"claimed": {"$gt": 0}}]
    done = connection.quick("runs").update_many({"wake_at": {"$gt": at}, "$or": active}, {"$set": {"wake_at": at}})
    return done.modified_count
