"""Workflows in MongoDB: versioned, and never changed once they are saved.

    1 ─ 2 ─ 3 ─ deleted      next:      1 ─ 2 ─ 3 ─ 4     (4 says `first: 4`: those before it are deleted)

Whoever saves a version or deletes them all takes the next number, which only one can have: so there is one order of all
that happens to a workflow. A deletion leaves its number to the version that is saved next.
"""

from collections.abc import Iterable
from typing import Any, Final

from pydantic import ValidationError
from pymongo.errors import DuplicateKeyError

from engine.documents import Workflow
from store.mongo.connection import Connection, Document
from store.protocol import Conflict, StoreError
from store.requests import version_conflict
from store.texts import dumps, workflow_deleted

_NEWEST_FIRST: Final = [("version", -1)]


def save(  # noqa: PLR0913 - what, and who does it when
    connection: Connection, workflow: Workflow, *, at: float, by: str | None, after: int | None, writer: str | None
) -> Workflow:
    """Save a new version, unless it is equal to the latest.

    Raises:
        Conflict: the latest version is another than `after`.
    """
    tenant, name = workflow.tenant, workflow.name
    while True:
        latest = _latest(connection, tenant, name)
        live = _live_versions(latest)
        if after not in (None, live[-1] if live else 0):
            raise Conflict(version_conflict(name, live[-1] if live else 0, after))
        if latest is not None and live:
            try:
                saved = _parsed(latest)
            except StoreError:  # that one can't be read must not keep a better one out
                saved = None
            if saved is not None and _content(saved) == _content(workflow):
                connection.settle()
                return saved
        version = live.stop if latest is not None else 1
        saved = workflow.model_copy(update={"version": version, "created_by": by, "created_at": at})
        document = {
            **_numbered(tenant, name, version),
            "first": live.start if live else version,
            "created_at": at,
            "document": saved.model_dump_json(exclude_none=True),
            "last": {"writer": writer},
        }
        if _take(connection, document, deleted=latest is not None and not live):
            return saved


def _numbered(tenant: str, name: str, version: int) -> Document:
    return {"_id": f"{tenant}/{name}/{version}", "tenant": tenant, "name": name, "version": version}


def _take(connection: Connection, document: Document, *, deleted: bool = False) -> bool:
    """Put a document at its number, where there must be none, or the deletion of those before; whether that was so."""
    workflows = connection.durable("workflows")
    if deleted:
        return workflows.replace_one({"_id": document["_id"], **_DELETION}, document).matched_count == 1
    try:
        workflows.insert_one(document)
    except DuplicateKeyError:
        return False
    return True


_DELETION: Final = {"deleted_at": {"$exists": True}}


def _content(workflow: Workflow) -> Workflow:
    """A workflow without what the store adds to it."""
    return workflow.model_copy(update={"version": None, "created_by": None, "created_at": None})


def _latest(connection: Connection, tenant: str, name: str) -> Document | None:
    """What happened to a workflow last."""
    return connection.quick("workflows").find_one({"tenant": tenant, "name": name}, sort=_NEWEST_FIRST)


def _live_versions(latest: Document | None) -> range:
    """The versions that aren't deleted. If all are, the empty range is at the number of the next one."""
    if latest is None:
        return range(0)
    version = int(latest["version"])
    if "deleted_at" in latest:
        return range(version, version)
    return range(latest.get("first", 1), version + 1)


def live_versions(connection: Connection, tenant: str, name: str) -> range:
    """The versions of a workflow that aren't deleted; nothing if there is no such workflow."""
    fields = {"version": 1, "first": 1, "deleted_at": 1}
    which = {"tenant": tenant, "name": name}
    return _live_versions(connection.quick("workflows").find_one(which, fields, sort=_NEWEST_FIRST))


def delete(  # noqa: PLR0913 - which, and who does it when
    connection: Connection,
    tenant: str,
    name: str,
    *,
    at: float,
    by: str | None,
    after: int | None,
    writer: str | None,
) -> bool:
    """Delete all versions of a workflow; False if there is none.

    Raises:
        Conflict: the latest version is another than `after`.
    """
    while True:
        live = live_versions(connection, tenant, name)
        if not live:
            connection.settle()  # that somebody else has deleted it must be as durable as to delete it
            return False
        if after not in (None, live[-1]):
            raise Conflict(version_conflict(name, live[-1], after))
        told = [[live[-1], at, None, None, dumps(workflow_deleted(by))]]
        deletion = {
            **_numbered(tenant, name, live.stop),
            "deleted_at": at,
            "last": {"writer": writer, "told": told},
        }
        if _take(connection, deletion):
            return True


def versions(connection: Connection, tenant: str, name: str, before: int | None, limit: int) -> list[Workflow]:
    """The versions of a workflow, the latest first.

    Raises:
        StoreError: a stored document is no workflow.
    """
    live = live_versions(connection, tenant, name)
    end = live.stop if before is None else min(live.stop, before)
    if limit <= 0 or end <= live.start:
        return []
    which = {"tenant": tenant, "name": name, "version": {"$gte": live.start, "$lt": end}}
    return [_parsed(one) for one in connection.quick("workflows").find(which).sort(_NEWEST_FIRST).limit(limit)]


def read(connection: Connection, tenant: str, name: str, version: int | None) -> Workflow | None:
    """A version of a workflow, or the latest.

    Raises:
        StoreError: the stored document is no workflow.
    """
    found = _latest(connection, tenant, name)
    live = _live_versions(found)
    if version is not None and found is not None and version != found["version"]:
        which = {"tenant": tenant, "name": name, "version": version}
        found = connection.quick("workflows").find_one(which)
    return _parsed(found) if found is not None and found["version"] in live else None


def read_all(connection: Connection, tenant: str, after: str, limit: int | None) -> list[Workflow]:
    """The latest version of each workflow, by name: those that come after a name, at most so many.

    Raises:
        StoreError: a stored document is no workflow.
    """
    if limit is not None and limit <= 0:
        return []
    return [_parsed(found["latest"]) for found in _live(connection, tenant, "$$ROOT", after, limit)]


def names(connection: Connection, tenant: str) -> list[str]:
    """The names of all workflows."""
    return [str(found["_id"]) for found in _live(connection, tenant, {"deleted_at": "$deleted_at"})]


def _live(
    connection: Connection, tenant: str, what: object, after: str = "", limit: int | None = None
) -> Iterable[Document]:
    """Of the latest version of each workflow, by name: `what`."""
    return connection.quick("workflows").aggregate(
        [
            {"$match": {"tenant": tenant, "name": {"$gt": after}}},
            {"$sort": {"tenant": 1, "name": 1, "version": -1}},
            {"$group": {"_id": "$name", "latest": {"$first": what}}},
            {"$match": {"latest.deleted_at": None}},
            {"$sort": {"_id": 1}},
            *([] if limit is None else [{"$limit": limit}]),
        ]
    )


def _parsed(found: dict[str, Any]) -> Workflow:
    try:
        return Workflow.model_validate_json(found["document"])
    except ValidationError as error:
        which = f"version {found['version']} of workflow {found['name']!r}"
        raise StoreError(f"the stored {which} can't be read: {error}") from error
