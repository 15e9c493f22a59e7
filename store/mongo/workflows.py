"""Workflows in MongoDB: versioned, and never changed once they are saved."""

from typing import Any

from pydantic import ValidationError
from pymongo.errors import DuplicateKeyError

from engine.documents import Workflow
from store.mongo.connection import Connection
from store.protocol import StoreError


def save(connection: Connection, workflow: Workflow, *, at: float, by: str | None, writer: str | None) -> Workflow:
    """Save a new version, unless it is equal to the latest."""
    tenant, name = workflow.tenant, workflow.name
    while True:
        latest = latest_version(connection, tenant, name)
        if latest is not None:
            try:
                saved = read(connection, tenant, name, latest)
            except StoreError:  # that one can't be read must not keep a better one out
                saved = None
            if saved is not None and _content(saved) == _content(workflow):
                connection.settle()
                return saved
        version = (latest or 0) + 1
        saved = workflow.model_copy(update={"version": version, "created_by": by, "created_at": at})
        document = {
            "_id": f"{tenant}/{name}/{version}",
            "tenant": tenant,
            "name": name,
            "version": version,
            "created_at": at,
            "document": saved.model_dump_json(exclude_none=True),
            "last": {"writer": writer},
        }
        try:
            connection.durable("workflows").insert_one(document)
        except DuplicateKeyError:
            continue  # somebody else has just saved this version: is it the same?
        return saved


def _content(workflow: Workflow) -> Workflow:
    """A workflow without what the store adds to it."""
    return workflow.model_copy(update={"version": None, "created_by": None, "created_at": None})


def latest_version(connection: Connection, tenant: str, name: str) -> int | None:
    """The version of a workflow that was saved last; None if there is no such workflow."""
    found = connection.quick("workflows").find_one(
        {"tenant": tenant, "name": name}, {"version": 1}, sort=[("version", -1)]
    )
    return None if found is None else int(found["version"])


def read(connection: Connection, tenant: str, name: str, version: int | None) -> Workflow | None:
    """A version of a workflow, or the latest.

    Raises:
        StoreError: the stored document is no workflow.
    """
    which: dict[str, Any] = {"tenant": tenant, "name": name}
    if version is not None:
        which["version"] = version
    found = connection.quick("workflows").find_one(which, sort=[("version", -1)])
    return None if found is None else _parsed(found)


def read_all(connection: Connection, tenant: str) -> list[Workflow]:
    """The latest version of each workflow, by name.

    Raises:
        StoreError: a stored document is no workflow.
    """
    latest = connection.quick("workflows").aggregate(
        [
            {"$match": {"tenant": tenant}},
            {"$sort": {"tenant": 1, "name": 1, "version": -1}},
            {"$group": {"_id": "$name", "latest": {"$first": "$$ROOT"}}},
            {"$sort": {"_id": 1}},
        ]
    )
    return [_parsed(found["latest"]) for found in latest]


def names(connection: Connection, tenant: str) -> list[str]:
    """The names of all workflows."""
    return list(map(str, connection.quick("workflows").distinct("name", {"tenant": tenant})))


def _parsed(found: dict[str, Any]) -> Workflow:
    try:
        return Workflow.model_validate_json(found["document"])
    except ValidationError as error:
        which = f"version {found['version']} of workflow {found['name']!r}"
        raise StoreError(f"the stored {which} can't be read: {error}") from error
