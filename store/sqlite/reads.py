"""What the embedded store reads and gives as it is: the feed, the journal, lists and counts of runs.

Runs are found newest first. A cursor is the place of the last one shown, so runs that come in meanwhile move nothing.
"""

import sqlite3
from base64 import urlsafe_b64decode, urlsafe_b64encode
from heapq import merge
from itertools import groupby, islice
from typing import Any, Final

import orjson

from engine.limits import INTEGERS
from engine.run import JournalEntry
from engine.statuses import RunStatus
from store.protocol import BEGINNING, Changes, HistoryLost, Page, Position, RunQuery, Sealed, StoreError
from store.sqlite.rows import SELECT_CHANGES, SUMMARY, position, read_change, read_summary
from store.texts import UNREADABLE, canonical, dumps, in_short, read_entry

_DIGITS: Final = 18  # of a position: no row has a longer number
_TENANTS: Final = """
WITH RECURSIVE tenants (tenant) AS (
  SELECT min(tenant) FROM runs
  UNION ALL
  SELECT (SELECT min(tenant) FROM runs WHERE tenant > tenants.tenant) FROM tenants WHERE tenant IS NOT NULL
)
SELECT tenant FROM tenants WHERE tenant IS NOT NULL"""
_CONDITIONS: Final = {
    "tenant": "tenant = :tenant",
    "workflow": "workflow = :workflow",
    "requested_by": "requested_by = :requested_by",
    "created_after": "created_at >= :created_after",
    "created_before": "created_at < :created_before",
    "inputs": "holds((SELECT inputs FROM requests WHERE run = number), :inputs)",
    "labels": "holds((SELECT labels FROM requests WHERE run = number), :labels)",
    "cursor_number": "(created_at, number) < (:cursor_at, :cursor_number)",
    "status": "status = :status",
    "who": "who = :who AND number = run",
}


def prepare_reads(connection: sqlite3.Connection) -> None:
    """Let SQL ask `holds(object, wanted)`: of members and values, whether it has each with one of its values."""
    connection.create_function("holds", 2, _holds, deterministic=True)


def _holds(text: str, wanted: str) -> bool:
    """As JSON has it: 1, true and "1" are three values."""
    have = orjson.loads(text)
    return all(
        name in have and canonical(have[name]) in map(canonical, values) for name, values in orjson.loads(wanted)
    )


def newest(connection: sqlite3.Connection) -> int:
    """The number of the newest change; 0 if there is none."""
    return int(connection.execute("SELECT coalesce(max(position), 0) FROM changes").fetchone()[0])


def next_wake(connection: sqlite3.Connection) -> float | None:
    """The earliest `wake_at` of all runs."""
    earliest: float | None = connection.execute("SELECT min(wake_at) FROM runs WHERE wake_at IS NOT NULL").fetchone()[0]
    return earliest


def number_of(place: Position) -> int:
    """The number of the change at a position.

    Raises:
        HistoryLost: it is none of this store's.
    """
    if place == BEGINNING:
        return 0
    if not place.isdecimal() or len(place) > _DIGITS:
        raise HistoryLost(f"{place!r} is no position in the feed of this store: it was another store's")
    return int(place)


def changes(connection: sqlite3.Connection, after: Position, limit: int, excluding: str | None) -> Changes:
    """A page of the feed, without what the owner `excluding` wrote. If the feed went back, its end is where it ends.

    Raises:
        HistoryLost: the position is none of this store's.
    """
    owner = connection.execute("SELECT number FROM owners WHERE id = ?", (excluding,)).fetchone()
    parameters = (number_of(after), -1 if owner is None else owner[0], limit)
    rows = connection.execute(SELECT_CHANGES, parameters).fetchall()
    end = rows[-1][0] if len(rows) == limit else newest(connection)
    return Changes([read_change(row) for row in rows], position(end))


def bookmarked(connection: sqlite3.Connection, reader: str) -> Position | None:
    """How far a reader of the feed had got."""
    row = connection.execute("SELECT position FROM bookmarks WHERE reader = ?", (reader,)).fetchone()
    return None if row is None else position(row[0])


def journal(connection: sqlite3.Connection, id_: str) -> list[JournalEntry]:
    """What happened to a run, in order.

    Raises:
        StoreError: an entry can't be read.
    """
    rows = connection.execute(
        "SELECT revision, at, entry, seal FROM changes"
        " WHERE run = (SELECT number FROM runs WHERE id = ?) ORDER BY revision",
        (id_,),
    )
    try:
        return [read_entry(*row) for row in rows]
    except UNREADABLE as error:
        raise StoreError(f"the journal of run {id_!r} can't be read: {in_short(error)}") from error


def sealed(connection: sqlite3.Connection, id_: str) -> list[Sealed]:
    """The journal of a run as it is stored, whatever somebody has made of it."""
    rows = connection.execute(
        "SELECT revision, at, CAST(entry AS BLOB), CAST(seal AS BLOB) FROM changes"
        " WHERE run = (SELECT number FROM runs WHERE id = ?) ORDER BY revision",
        (id_,),
    )
    return [
        Sealed(revision, at, _as_it_is(entry or b""), None if seal is None else _as_it_is(seal))
        for revision, at, entry, seal in rows
    ]


def _as_it_is(stored: bytes) -> str:
    return stored.decode(errors="surrogateescape")


def counts(connection: sqlite3.Connection, tenant: str | None) -> dict[RunStatus, int]:
    """How many runs are in each status."""
    rows = connection.execute(
        "SELECT status, count(*) FROM runs WHERE tenant = coalesce(?, tenant) GROUP BY status", (tenant,)
    )
    return {RunStatus(status): count for status, count in rows}


def find(connection: sqlite3.Connection, query: RunQuery) -> Page:
    """A page of runs, newest first.

    Raises:
        ValueError: the cursor is none of ours.
    """
    parameters, limit = _parameters(query), max(query.limit, 0)
    # An index has the runs of one tenant and status in order; they are merged, so that no page must sort all of them.
    streams = [
        _select(connection, {**parameters, "tenant": tenant, "status": status, "who": who}, limit + 1)
        for tenant in ([query.tenant] if query.tenant is not None else _tenants(connection))
        for status in query.statuses or (None,)
        for who in query.waiting_for or (None,)
    ]
    merged = merge(*streams, key=lambda row: row[:2], reverse=True)
    rows = list(islice((row for row, _ in groupby(merged)), limit + 1))  # one may wait for a person and for his group
    shown = rows[:limit]
    more = len(rows) > len(shown) > 0
    return Page([read_summary(row[2:]) for row in shown], _cursor(*shown[-1][:2]) if more else None)


def _tenants(connection: sqlite3.Connection) -> list[str]:
    """All tenants that have runs: a look at an index for each."""
    return [tenant for (tenant,) in connection.execute(_TENANTS)]


def _select(connection: sqlite3.Connection, parameters: dict[str, Any], limit: int) -> list[tuple[Any, ...]]:
    conditions = " AND ".join(text for name, text in _CONDITIONS.items() if parameters[name] is not None) or "true"
    source, order = "runs", "created_at DESC, number DESC"
    if parameters["who"] is not None:  # in the order of that table: who is waited for by many runs is shown some
        source, order = "waiting CROSS JOIN runs USING (tenant, created_at)", "created_at DESC, run DESC"
    select = f"SELECT created_at, number, {SUMMARY} FROM {source} WHERE {conditions}"  # noqa: S608 - of fixed parts
    return connection.execute(f"{select} ORDER BY {order} LIMIT :limit", {**parameters, "limit": limit}).fetchall()


def _parameters(query: RunQuery) -> dict[str, Any]:
    at, number = (None, None) if query.cursor is None else _place(query.cursor)
    inputs = [*((name, [value]) for name, value in query.inputs.items()), *query.inputs_any.items()]
    return {
        "tenant": query.tenant,
        "workflow": query.workflow,
        "requested_by": query.requested_by,
        "created_after": query.created_after,
        "created_before": query.created_before,
        "inputs": dumps(inputs) if inputs else None,
        "labels": dumps([(name, [value]) for name, value in query.labels.items()]) if query.labels else None,
        "cursor_at": at,
        "cursor_number": number,
    }


def _cursor(created_at: float, number: int) -> str:
    return urlsafe_b64encode(orjson.dumps([created_at, number])).decode().rstrip("=")


def _place(cursor: str) -> tuple[float, int]:
    try:
        at, number = orjson.loads(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        if type(at) is float and type(number) is int and number in INTEGERS:
            return at, number
    except (ValueError, TypeError):
        pass
    raise ValueError(f"{cursor!r} is no cursor of this store: begin without one")
