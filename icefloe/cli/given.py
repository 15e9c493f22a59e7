"""What people give to commands, read and checked: files, JSON, `key=value`, moments, and runs by a part of their id."""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from engine.durations import parse_duration, parse_moment
from engine.faults import Fault, Invalid
from engine.limits import PAYLOAD_BYTES
from engine.reading import read_json
from engine.run import WorkflowRun
from icefloe.cli.failures import CommandError, UsageError
from store.protocol import RunQuery, Store

SHORTEST_PREFIX = 4
_PAGE = 1000
_CANDIDATES_SHOWN = 5


def read_file(path: str, most: int) -> bytes:
    """The content of a file, or of standard input for `-`; of one that is too long, one byte more than `most`.

    Raises:
        Invalid: it can't be read.
    """
    try:
        if path == "-":
            return sys.stdin.buffer.read(most + 1)
        with Path(path).open("rb") as file:
            return file.read(most + 1)
    except IsADirectoryError:
        raise Invalid(Fault("", "is a directory; name the files in it")) from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise Invalid(Fault("", f"can't be read: {reason}")) from None


def read_payload(text: str, option: str) -> Any:
    """The JSON value of an option: as it stands, or from the file that `@FILE` names (`@-`: standard input).

    Raises:
        Invalid: the file can't be read, or it is no JSON; with line and column.
    """
    if not text.startswith("@"):
        return read_json(text, limit=PAYLOAD_BYTES, what=option)
    try:
        return read_json(read_file(text[1:], PAYLOAD_BYTES), limit=PAYLOAD_BYTES, what="")
    except Invalid as invalid:
        raise Invalid(*(Fault(f"{option} {text}", str(fault)) for fault in invalid.faults)) from None


def read_pairs(pairs: Iterable[str], option: str) -> dict[str, str]:
    """`key=value`, any number of times.

    Raises:
        UsageError: one is none, or a key is given twice.
    """
    read: dict[str, str] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not (key and equals):
            raise UsageError(f"{option}: {pair!r} is not KEY=VALUE")
        if key in read:
            raise UsageError(f"{option}: {key!r} is given twice")
        read[key] = value
    return read


def read_value(text: str) -> Any:
    """A JSON value, or else the text itself: `90` is a number, `high` a string."""
    try:
        return read_json(text, limit=PAYLOAD_BYTES, what="")
    except Invalid:
        return text


def read_since(text: str, now: float) -> float:
    """Unix time of a moment, or of as long ago as a duration says.

    Raises:
        UsageError: it is neither.
    """
    try:
        return now - parse_duration(text)
    except ValueError:
        pass
    try:
        return parse_moment(text)
    except ValueError:
        raise UsageError(
            f"--since: {text!r} is neither a length of time, such as '2h' or '7d', nor a moment, such as "
            "'2026-11-22T16:00:00Z'"
        ) from None


def find_run(store: Store, name: str) -> WorkflowRun:
    """The run of an id, or of the beginning of one if no other begins so.

    Raises:
        CommandError: there is none, or there are several.
    """
    found = store.load([name]).get(name)
    if found is not None:
        return found
    ids = _ids_beginning(store, name) if len(name) >= SHORTEST_PREFIX else []
    run = store.load(ids).get(ids[0]) if len(ids) == 1 else None
    if run is not None:
        return run
    if ids:
        shown = ", ".join(ids[:_CANDIDATES_SHOWN]) + (", …" if len(ids) > _CANDIDATES_SHOWN else "")
        raise CommandError("AMBIGUOUS_RUN", f"more than one run's id begins with {name!r}: {shown}; give more of it")
    hint = (
        f"an id may be shortened to {SHORTEST_PREFIX} characters, not to fewer"
        if len(name) < SHORTEST_PREFIX
        else "`icefloe runs` lists what there is"
    )
    raise CommandError("UNKNOWN_RUN", f"there is no run {name!r}: {hint}")


def _ids_beginning(store: Store, prefix: str) -> list[str]:
    found: list[str] = []
    cursor: str | None = None
    while True:
        page = store.find(RunQuery(limit=_PAGE, cursor=cursor))
        found += (run.id for run in page.runs if run.id.startswith(prefix))
        cursor = page.cursor
        if cursor is None or len(found) > _CANDIDATES_SHOWN:
            return found
