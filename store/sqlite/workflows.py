"""Workflows in the embedded store: versioned, and never changed once they are saved."""

import sqlite3
from typing import Final

from pydantic import ValidationError

from engine.documents import Workflow
from store.protocol import Conflict, StoreError
from store.requests import version_conflict
from store.texts import dumps, workflow_deleted

# Two questions: either is answered by one end of an index, where both in one would read all versions.
_LIVE_VERSIONS: Final = """
SELECT
  (SELECT min(version) FROM workflows WHERE tenant = :tenant AND name = :name AND deleted_at IS NULL),
  (SELECT max(version) FROM workflows WHERE tenant = :tenant AND name = :name AND deleted_at IS NULL)"""


def save(
    connection: sqlite3.Connection, workflow: Workflow, *, at: float, by: str | None, writer: int | None
) -> Workflow:
    """Save a new version, unless it is equal to the latest."""
    if live_versions(connection, workflow.tenant, workflow.name):
        try:
            saved = read(connection, workflow.tenant, workflow.name, None)
        except StoreError:  # that one can't be read must not keep a better one out
            saved = None
        if saved is not None and _content(saved) == _content(workflow):
            return saved
    version = _last_version(connection, workflow.tenant, workflow.name) + 1
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


def _last_version(connection: sqlite3.Connection, tenant: str, name: str) -> int:
    """The version of a workflow that was saved last, be it deleted; 0 if there never was one."""
    select = "SELECT coalesce(max(version), 0) FROM workflows WHERE tenant = ? AND name = ?"
    return int(connection.execute(select, (tenant, name)).fetchone()[0])


def live_versions(connection: sqlite3.Connection, tenant: str, name: str) -> range:
    """The versions of a workflow that aren't deleted; nothing if there is no such workflow."""
    first, last = connection.execute(_LIVE_VERSIONS, {"tenant": tenant, "name": name}).fetchone()
    return range(0) if first is None else range(first, last + 1)


def expect_latest(connection: sqlite3.Connection, tenant: str, name: str, after: int | None) -> None:
    """See that the latest version of a workflow is the one that somebody knows (0: there is none; None: any).

    Raises:
        Conflict: it is another.
    """
    live = live_versions(connection, tenant, name)
    latest = live[-1] if live else 0
    if after not in (None, latest):
        raise Conflict(version_conflict(name, latest, after))


def delete(  # noqa: PLR0913 - which, and who does it when
    connection: sqlite3.Connection,
    tenant: str,
    name: str,
    *,
    at: float,
    by: str | None,
    after: int | None,
    writer: int | None,
) -> bool:
    """Delete all versions of a workflow; False if there is none.

    Raises:
        Conflict: the latest version is another than `after`.
    """
    live = live_versions(connection, tenant, name)
    if not live:
        return False
    expect_latest(connection, tenant, name, after)
    (number,) = connection.execute(
        "SELECT number FROM workflows WHERE tenant = ? AND name = ? AND version = ?", (tenant, name, live[-1])
    ).fetchone()
    connection.execute(
        "UPDATE workflows SET deleted_at = ? WHERE tenant = ? AND name = ? AND deleted_at IS NULL", (at, tenant, name)
    )
    connection.execute(
        "INSERT INTO changes (workflow, revision, at, writer, transition) VALUES (?, ?, ?, ?, ?)",
        (number, live[-1], at, writer, dumps(workflow_deleted(by))),
    )
    return True


def versions(connection: sqlite3.Connection, tenant: str, name: str, before: int | None, limit: int) -> list[Workflow]:
    """The versions of a workflow, the latest first.

    Raises:
        StoreError: a stored document is no workflow.
    """
    rows = connection.execute(
        "SELECT name, version, document FROM workflows WHERE tenant = ? AND name = ? AND deleted_at IS NULL"
        " AND version < coalesce(?, version + 1) ORDER BY version DESC LIMIT ?",
        (tenant, name, before, limit),
    )
    return [_parsed(*row) for row in rows]


def read(connection: sqlite3.Connection, tenant: str, name: str, version: int | None) -> Workflow | None:
    """A version of a workflow, or the latest.

    Raises:
        StoreError: the stored document is no workflow.
    """
    row = connection.execute(
        "SELECT name, version, document FROM workflows"
        " WHERE tenant = ? AND name = ? AND version = coalesce(?, version) AND deleted_at IS NULL"
        " ORDER BY version DESC LIMIT 1",
        (tenant, name, version),
    ).fetchone()
    return None if row is None else _parsed(*row)


def read_all(connection: sqlite3.Connection, tenant: str, after: str, limit: int | None) -> list[Workflow]:
    """The latest version of each workflow, by name: those that come after a name, at most so many.

    Raises:
        StoreError: a stored document is no workflow.
    """
    rows = connection.execute(
        "SELECT name, max(version), document FROM workflows WHERE tenant = ? AND name > ? AND deleted_at IS NULL"
        " GROUP BY name ORDER BY name LIMIT coalesce(?, -1)",
        (tenant, after, limit),
    )
    return [_parsed(*row) for row in rows]


def names(connection: sqlite3.Connection, tenant: str) -> list[str]:
    """The names of all workflows."""
    select = "SELECT DISTINCT name FROM workflows WHERE tenant = ? AND deleted_at IS NULL"
    return [name for (name,) in connection.execute(select, (tenant,))]


def _parsed(name: str, version: int, document: str) -> Workflow:
    try:
        return Workflow.model_validate_json(document)
    except ValidationError as error:
        raise StoreError(f"the stored version {version} of workflow {name!r} can't be read: {error}") from error
