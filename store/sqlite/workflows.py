"""Workflows in the embedded store: versioned, and never changed once they are saved."""

import sqlite3

from pydantic import ValidationError

from engine.documents import Workflow
from store.protocol import StoreError


def save(
    connection: sqlite3.Connection, workflow: Workflow, *, at: float, by: str | None, writer: int | None
) -> Workflow:
    """Save a new version, unless it is equal to the latest."""
    latest = latest_version(connection, workflow.tenant, workflow.name)
    if latest is not None:
        try:
            saved = read(connection, workflow.tenant, workflow.name, latest)
        except StoreError:  # that one can't be read must not keep a better one out
            saved = None
        if saved is not None and _content(saved) == _content(workflow):
            return saved
    version = (latest or 0) + 1
    saved = workflow.model_copy(update={"version": version, "created_by": by, "created_at": at})
    (number,) = connection.execute(
        "INSERT INTO workflows (tenant, name, version, document) VALUES (?, ?, ?, ?) RETURNING number",
        (saved.tenant, saved.name, version, saved.model_dump_json(exclude_none=True)),
    ).fetchone()
    connection.execute(
        "INSERT INTO changes (workflow, revision, at, writer) VALUES (?, ?, ?, ?)", (number, version, at, writer)
    )
    return saved


def _content(workflow: Workflow) -> Workflow:
    """A workflow without what the store adds to it."""
    return workflow.model_copy(update={"version": None, "created_by": None, "created_at": None})


def latest_version(connection: sqlite3.Connection, tenant: str, name: str) -> int | None:
    """The version of a workflow that was saved last; None if there is no such workflow."""
    select = "SELECT max(version) FROM workflows WHERE tenant = ? AND name = ?"
    version: int | None = connection.execute(select, (tenant, name)).fetchone()[0]
    return version


def read(connection: sqlite3.Connection, tenant: str, name: str, version: int | None) -> Workflow | None:
    """A version of a workflow, or the latest.

    Raises:
        StoreError: the stored document is no workflow.
    """
    row = connection.execute(
        "SELECT name, version, document FROM workflows"
        " WHERE tenant = ? AND name = ? AND version = coalesce(?, version) ORDER BY version DESC LIMIT 1",
        (tenant, name, version),
    ).fetchone()
    return None if row is None else _parsed(*row)


def read_all(connection: sqlite3.Connection, tenant: str) -> list[Workflow]:
    """The latest version of each workflow, by name.

    Raises:
        StoreError: a stored document is no workflow.
    """
    rows = connection.execute(
        "SELECT name, max(version), document FROM workflows WHERE tenant = ? GROUP BY name ORDER BY name", (tenant,)
    )
    return [_parsed(*row) for row in rows]


def names(connection: sqlite3.Connection, tenant: str) -> list[str]:
    """The names of all workflows."""
    return [name for (name,) in connection.execute("SELECT DISTINCT name FROM workflows WHERE tenant = ?", (tenant,))]


def _parsed(name: str, version: int, document: str) -> Workflow:
    try:
        return Workflow.model_validate_json(document)
    except ValidationError as error:
        raise StoreError(f"the stored version {version} of workflow {name!r} can't be read: {error}") from error
