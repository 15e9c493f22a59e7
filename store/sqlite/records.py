"""Records in the embedded store: small documents by kind, tenant and id, with a revision and an end."""

import sqlite3
from typing import Final

import orjson

from store.protocol import Conflict, Record
from store.texts import dumps

_SELECT: Final = "SELECT kind, tenant, id, document, revision, expires_at FROM records"
_LIVES: Final = "(expires_at IS NULL OR expires_at > ?)"


def read(connection: sqlite3.Connection, kind: str, tenant: str, id_: str, at: float) -> Record | None:
    """A record, unless its time is up."""
    row = connection.execute(
        f"{_SELECT} WHERE kind = ? AND tenant = ? AND id = ? AND {_LIVES}", (kind, tenant, id_, at)
    ).fetchone()
    return None if row is None else _record(row)


def read_some(  # noqa: PLR0913, PLR0917 - what the protocol asks for, and when
    connection: sqlite3.Connection, kind: str, tenant: str | None, after: str, limit: int, at: float
) -> list[Record]:
    """Records of a kind, by tenant and id."""
    rows = connection.execute(
        f"{_SELECT} WHERE kind = ? AND tenant = coalesce(?, tenant) AND id > ? AND {_LIVES}"
        " ORDER BY tenant, id LIMIT ?",
        (kind, tenant, after, at, limit),
    )
    return [_record(row) for row in rows]


def put(connection: sqlite3.Connection, record: Record, at: float) -> Record:
    """Write a record over the revision that it names, and sweep out those whose time is up.

    Raises:
        Conflict: there is another revision.
    """
    there = read(connection, record.kind, record.tenant, record.id, at)
    revision = 0 if there is None else there.revision
    if record.revision != revision:
        raise Conflict(f"{record.kind} {record.id!r} is at revision {revision}, not {record.revision}: read it again")
    written = record._replace(revision=revision + 1)
    connection.execute(
        "INSERT OR REPLACE INTO records (kind, tenant, id, document, revision, expires_at) VALUES (?, ?, ?, ?, ?, ?)",
        (written.kind, written.tenant, written.id, dumps(written.document), written.revision, written.expires_at),
    )
    connection.execute("DELETE FROM records WHERE expires_at <= ?", (at,))
    return written


def remove(connection: sqlite3.Connection, kind: str, tenant: str, id_: str, at: float) -> bool:
    """Remove a record; False if there was none."""
    delete = f"DELETE FROM records WHERE kind = ? AND tenant = ? AND id = ? AND {_LIVES}"  # noqa: S608 - fixed parts
    return connection.execute(delete, (kind, tenant, id_, at)).rowcount > 0


def _record(row: tuple[str, str, str, str, int, float | None]) -> Record:
    kind, tenant, id_, document, revision, expires_at = row
    return Record(kind, tenant, id_, orjson.loads(document), revision, expires_at)
