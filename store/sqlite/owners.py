"""The owners of claims: rows with leases, and a lock of the operating system for each that lives.

The lock is on a file beside the database and is held as long as the process lives. If it is free the owner is dead, so
that a restarted engine needn't wait for the lease of the one that was killed.
"""

import fcntl
import os
import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import Final
from weakref import WeakSet

from store.protocol import Owner, StoreError
from store.sqlite.rows import position

_DEAD_KEPT: Final = 100


class OwnerLock:
    """The lock of one owner, held until it is released or the process ends.

    Raises:
        StoreError: the owner is alive already, or the lock file can't be made.
    """

    def __init__(self, database: Path, owner: str) -> None:
        self.owner = owner
        self._path = _lock_path(database, owner)
        self._file: int | None = None
        try:
            file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StoreError(f"the lock file {self._path} can't be made: {error.strerror}") from error
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(file)
            raise StoreError(f"owner {owner!r} is alive already: each start of an engine needs a new one") from error
        self._file = file
        _held.add(self)

    def release(self) -> None:
        """Let go of the lock and remove its file; idempotent."""
        if self._file is not None:
            with suppress(OSError):
                self._path.unlink()
            self.close()

    def close(self) -> None:
        """Let go of the lock, as the end of the process would; idempotent."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


_held: WeakSet[OwnerLock] = WeakSet()


def _close_all() -> None:
    for lock in list(_held):
        lock.close()


# A forked child shares its parent's locks: as long as it lived, nobody would notice that the parent is dead.
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
        return False  # not known: the lease will tell
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)  # shared, so that two who look at once don't see each other
    except OSError:
        return False
    finally:
        os.close(file)
    return True


def clear_away(database: Path, owner: str) -> None:
    """Remove the lock file of a dead owner."""
    with suppress(OSError):
        _lock_path(database, owner).unlink()


def enter(connection: sqlite3.Connection, owner: str, alive_until: float, newest: int) -> tuple[int, int]:
    """Add a living owner. Gives its number, and how far those before it have read the feed, whose end is `newest`.

    That is where the slowest of those that live is, since what it has in mind may be this owner's share now.

    Raises:
        StoreError: there was an owner of this name.
    """
    (read,) = connection.execute(
        "SELECT coalesce(min(position) FILTER (WHERE dead = 0), max(position), 0) FROM owners"
    ).fetchone()
    entered = connection.execute(
        "INSERT INTO owners (id, alive_until, dead, position) VALUES (?, ?, 0, ?)"
        " ON CONFLICT DO NOTHING RETURNING number",
        (owner, alive_until, min(read, newest)),
    ).fetchone()
    if entered is None:
        raise StoreError(f"owner {owner!r} has lived before: each start of an engine needs a new one")
    return int(entered[0]), int(read)


def prolong(connection: sqlite3.Connection, owner: str, alive_until: float, read: int) -> bool:
    """Move the end of a lease, and how far the feed was read; False if the owner is dead."""
    prolonged = connection.execute(
        "UPDATE owners SET alive_until = ?, position = ? WHERE id = ? AND dead = 0", (alive_until, read, owner)
    )
    return prolonged.rowcount == 1


def declare_dead(connection: sqlite3.Connection, owner: str, *, late_at: float | None = None) -> bool:
    """Declare an owner dead, if it isn't; given `late_at`, only if its lease is over by then. Whether that was done."""
    declared = connection.execute(
        "UPDATE owners SET dead = 1 WHERE id = ? AND dead = 0 AND alive_until < coalesce(?, 9e999)", (owner, late_at)
    )
    connection.execute(
        "DELETE FROM owners WHERE dead = 1 AND number <= (SELECT max(number) FROM owners) - ?", (_DEAD_KEPT,)
    )
    return declared.rowcount == 1


def living(connection: sqlite3.Connection) -> list[Owner]:
    """The owners that aren't dead, the oldest first."""
    rows = connection.execute("SELECT id, alive_until, position FROM owners WHERE dead = 0 ORDER BY number")
    return [Owner(id_, alive_until, False, position(number)) for id_, alive_until, number in rows]  # noqa: FBT003


def wake_active(connection: sqlite3.Connection, at: float) -> int:
    """Make every run due that has something ready or running; how many."""
    woken = connection.execute(
        "UPDATE runs SET wake_at = ? WHERE wake_at > ? AND (status IN ('PENDING', 'RUNNING') OR claimed > 0)", (at, at)
    )
    return woken.rowcount
