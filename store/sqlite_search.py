"""Finding runs in an embedded store: newest first, page by page.

A cursor is the place of the last run shown, so runs that come in meanwhile move nothing.
"""

import json
import sqlite3
from base64 import urlsafe_b64decode, urlsafe_b64encode
from heapq import merge
from itertools import islice
from typing import Any

import orjson

from store.protocol import Page, RunQuery
from store.sqlite_rows import SUMMARY, dumps, read_summary


def prepare_search(connection: sqlite3.Connection) -> None:
    """Let SQL ask `holds(inputs, wanted)`: whether an object has all members of another one, with equal values."""
    connection.create_function("holds", 2, _holds, deterministic=True)


def _holds(inputs: str, wanted: str) -> bool:
    """As JSON has it: 1, true and "1" are three values."""
    have = orjson.loads(inputs)
    return all(
        name in have and _canonical(have[name]) == _canonical(value) for name, value in orjson.loads(wanted).items()
    )


def _canonical(value: object) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def find(connection: sqlite3.Connection, query: RunQuery) -> Page:
    """A page of runs.

    Raises:
        ValueError: the cursor is none of ours.
    """
    conditions, parameters = _conditions(query)
    # An index gives the runs of one status in order; those of several are merged, so that no page sorts all of them.
    pages = [
        connection.execute(
            f"SELECT created_at, number, {SUMMARY} FROM runs WHERE {' AND '.join([*conditions, *more])}"  # noqa: S608 - fixed parts
            " ORDER BY created_at DESC, number DESC LIMIT :limit",
            {**parameters, "status": status, "limit": query.limit + 1},
        ).fetchall()
        for status, more in ([(status, ["status = :status"]) for status in sorted(query.statuses)] or [(None, [])])
    ]
    rows = list(islice(merge(*pages, key=lambda row: row[:2], reverse=True), query.limit + 1))
    shown = rows[: query.limit]
    cursor = _cursor(*shown[-1][:2]) if len(rows) > len(shown) and shown else None
    return Page([read_summary(row[2:]) for row in shown], cursor)


def _conditions(query: RunQuery) -> tuple[list[str], dict[str, Any]]:
    """The conditions of a query in SQL, and their parameters."""
    parameters: dict[str, Any] = {
        "tenant": query.tenant,
        "workflow": query.workflow,
        "requested_by": query.requested_by,
        "after": query.created_after,
        "before": query.created_before,
        "inputs": dumps(dict(query.inputs)) if query.inputs else None,
    }
    conditions = {
        "tenant": "tenant = :tenant",
        "workflow": "workflow = :workflow",
        "requested_by": "requested_by = :requested_by",
        "after": "created_at >= :after",
        "before": "created_at < :before",
        "inputs": "holds((SELECT inputs FROM requests WHERE run = number), :inputs)",
    }
    chosen = [condition for name, condition in conditions.items() if parameters[name] is not None]
    if query.cursor is not None:
        parameters["at"], parameters["number"] = _place(query.cursor)
        chosen.append("(created_at, number) < (:at, :number)")
    return chosen, parameters


def _cursor(created_at: float, number: int) -> str:
    return urlsafe_b64encode(json.dumps([created_at, number]).encode()).decode().rstrip("=")


def _place(cursor: str) -> tuple[float, int]:
    try:
        at, number = json.loads(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        if isinstance(at, float) and isinstance(number, int):
            return at, number
    except (ValueError, TypeError):
        pass
    raise ValueError(f"{cursor!r} is no cursor of this store; begin without one")
