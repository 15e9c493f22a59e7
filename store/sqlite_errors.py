"""What SQLite's errors mean for a person: what happened, where, and what to do."""

import sqlite3

from store.protocol import StoreError, StoreUnavailable


def explain(error: sqlite3.Error, where: str) -> StoreError:
    """The sentence for an error. `where` is the path of the file.

    The codes are those of https://www.sqlite.org/rescode.html; an extended code's low byte is its kind.
    """
    code = getattr(error, "sqlite_errorcode", None)
    match None if code is None else code & 0xFF:
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return StoreUnavailable(
                f"{where} is locked: another process has been writing to it for too long; try again"
            )
        case sqlite3.SQLITE_FULL:
            return StoreUnavailable(
                f"the disk with {where} is full: nothing was written; free some space and try again"
            )
        case sqlite3.SQLITE_IOERR:
            name = error.sqlite_errorname.removeprefix("SQLITE_")
            return StoreUnavailable(f"{where} can't be read or written just now ({name}: {error}); check the disk")
        case sqlite3.SQLITE_READONLY:
            return StoreError(f"{where} is read-only: let this user write to the file and its directory")
        case sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_PERM | sqlite3.SQLITE_AUTH:
            return StoreError(
                f"{where} can't be opened: see that its directory exists and that this user may write to it"
            )
        case sqlite3.SQLITE_NOTADB:
            return StoreError(f"{where} is not a SQLite database: name another file in ICEFLOE_STORE")
        case sqlite3.SQLITE_CORRUPT:
            return StoreError(f"{where} is damaged ({error}): restore a backup of it; nothing was changed")
        case None:
            return StoreError(f"{where}: {error}")
        case _:
            return StoreError(f"{where}: {error} ({error.sqlite_errorname})")
