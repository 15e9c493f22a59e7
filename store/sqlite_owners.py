"""The owners of claims in an embedded store: rows with leases, and a lock of the operating system for each living one.

The lock is on a file beside the database, held as long as the process lives. If it is free the owner is dead, so a
restarted engine needn't wait for the lease of the one that was killed.
"""

import fcntl
import os
import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import Final
from weakref import WeakSet

import structlog

from store.protocol import Owner, StoreError

_ROWS_KEPT: Final = 100
_WAKE_ACTIVE: Final = """
UPDATE runs SET wake_at = ? WHERE wake_at > ? AND (status IN ('PENDING', 'RUNNING') OR claimed > 0)"""

_log = structlog.get_logger(__name__)


class OwnerLock:
    """The lock of one owner, held until it is released or the process ends."""

    def __init__(self, database: Path, owner: str) -> None:
        self._path = _lock_path(database, owner)
        try:
            self._file: int | None = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StoreError(f"{self._path} is locked: an owner's id must be new at each start of an engine") from error
        except OSError as error:
            raise StoreError(f"the lock file {self._path} can't be made: {error.strerror}") from error
        _held.add(self)

    def release(self) -> None:
        """Let go of the lock and remove its file; idempotent."""
        if self._file is not None:
            with suppress(OSError):
                self._path.unlink()
            self.close()

    def close(self) -> None:
        """Let go of the lock."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


_held: WeakSet[OwnerLock] = WeakSet()


def _close_all() -> None:
    """A forked child must not keep the locks of its parent, or the parent's death would go unnoticed."""
    for lock in list(_held):
        lock.close()


os.register_at_fork(after_in_child=_close_all)


def _lock_path(database: Path, owner: str) -> Path:
    return database.with_name(f"{database.name}.owner-{owner}")


def is_gone(database: Path, owner: str) -> bool:
    """Whether the process of an owner has ended: nobody holds its lock."""
    try:
        file = os.open(_lock_path(database, owner), os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return True
    except OSError:
        return False  # not known: its lease will tell
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)  # shared: two that look at once don't see each other
    except OSError:
        return False
    finally:
        os.close(file)
    return True


def remove_lock_file(database: Path, owner: str) -> None:
    """Remove what a dead owner left behind."""
    with suppress(OSError):
        _lock_path(database, owner).unlink()


def enter(connection: sqlite3.Connection, owner: str, alive_until: float) -> tuple[int, int]:
    """Add a living owner; its number, and how far the owners before it have read the feed."""
    (position,) = connection.execute("SELECT coalesce(max(position), 0) FROM owners").fetchone()
    try:
        cursor = connection.execute(
            "INSERT INTO owners (id, alive_until, dead, position) VALUES (?, ?, 0, ?)", (owner, alive_until, position)
        )
    except sqlite3.IntegrityError as error:
        raise StoreError(f"owner {owner!r} is known already: its id must be new at each start of an engine") from error
    assert cursor.lastrowid is not None  # noqa: S101 - an INSERT has one
    return cursor.lastrowid, position


def prolong(connection: sqlite3.Connection, owner: str, alive_until: float, position: int) -> bool:
    """Move an owner's lease; False if it is dead."""
    cursor = connection.execute(
        "UPDATE owners SET alive_until = ?, position = ? WHERE id = ? AND dead = 0", (alive_until, position, owner)
    )
    return cursor.rowcount == 1


def declare_dead(connection: sqlite3.Connection, owner: str, *, before: float | None) -> bool:
    """Declare an owner dead, once; `before`: only if its lease ended before that. Whether this call did it."""
    cursor = connection.execute(
        "UPDATE owners SET dead = 1 WHERE id = ? AND dead = 0 AND (? IS NULL OR alive_until < ?)",
        (owner, before, before),
    )
    connection.execute(
        "DELETE FROM owners WHERE dead = 1 AND number <= (SELECT max(number) FROM owners) - ?", (_ROWS_KEPT,)
    )
    return cursor.rowcount == 1


def living(connection: sqlite3.Connection) -> list[Owner]:
    """The owners that aren't dead, the oldest first."""
    rows = connection.execute("SELECT id, alive_until, dead, position FROM owners WHERE dead = 0 ORDER BY number")
    return [Owner(id_, alive_until, bool(dead), position) for id_, alive_until, dead, position in rows]


def wake_active(connection: sqlite3.Connection, at: float) -> int:
    """Make every run due that has something ready or running; how many."""
    return connection.execute(_WAKE_ACTIVE, (at, at)).rowcount
