"""What people give to commands, read and checked: files, JSON, `key=value`, moments, and runs by a part of their id."""

import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import date, datetime, time
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
    """The content of a file of at most `most` bytes, or of standard input for `-`.

    Raises:
        Invalid: it can't be read, is empty, or too long.
    """
    try:
        if path == "-":
            content = sys.stdin.buffer.read(most + 1)
        else:
            with Path(path).open("rb") as file:
                content = file.read(most + 1)
    except IsADirectoryError:
        raise Invalid(Fault("", "is a directory; name the files in it")) from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise Invalid(Fault("", f"can't be read: {reason}")) from None
    if not content:
        raise Invalid(Fault("", "is empty"))
    if len(content) > most:
        raise Invalid(Fault("", f"is larger than {most:,} bytes, which is the most that is allowed"))
    return content


def read_payload(text: str, option: str) -> Any:
    """The JSON value of an option: as it stands, or from the file that `@FILE` names (`@-`: standard input).

    Raises:
        UsageError: the file can't be read, or it is no JSON; with line and column.
    """
    try:
        if not text.startswith("@"):
            return read_json(text, limit=PAYLOAD_BYTES, what="")
        option = f"{option} {text}"
        return read_json(read_file(text[1:], PAYLOAD_BYTES), limit=PAYLOAD_BYTES, what="")
    except Invalid as invalid:
        raise UsageError(f"{option}: {'; '.join(map(str, invalid.faults))}") from None


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


def read_since(text: str, now: float) -> float:
    """Unix time of a moment, of the beginning of a day here, or of as long ago as a duration says.

    Raises:
        UsageError: it is none of these.
    """
    readers: tuple[Callable[[str], float], ...] = (lambda length: now - parse_duration(length), parse_moment, _midnight)
    for read in readers:
        with suppress(ValueError, OverflowError):
            return read(text)
    raise UsageError(
        f"--since: {text!r} is neither a length of time, such as '2h' or '7d', nor a day or a moment, such as "
        "'2026-11-22' or '2026-11-22T16:00:00Z'"
    )


def _midnight(day: str) -> float:
    return datetime.combine(date.fromisoformat(day), time()).astimezone().timestamp()


def find_run(store: Store, name: str) -> WorkflowRun:
    """The run of an id, whoever's it is, or of the beginning of one if no other begins so.

    Raises:
        CommandError: there is none, or there are several.
    """
    found = store.load([name]).get(name)
    if found is not None:
        return found
    ids = _ids_beginning(store, name) if len(name) >= SHORTEST_PREFIX else []
    if len(ids) == 1:
        run = store.load(ids).get(ids[0])
        if run is None:
            raise CommandError("UNREADABLE_RUN", f"the document of run {ids[0]} can't be read: see `icefloe doctor`")
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
        page = store.find(RunQuery(tenant=None, limit=_PAGE, cursor=cursor))
        found += (run.id for run in page.runs if run.id.startswith(prefix))
        cursor = page.cursor
        if cursor is None or len(found) > _CANDIDATES_SHOWN:
            return found
