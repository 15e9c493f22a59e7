"""What SQLite's errors mean for a person: what happened, where, and what to do."""

import sqlite3
from typing import Final

from store.protocol import StoreError, StoreUnavailable

READ_ONLY: Final = "{where} is read-only: let this user write to the file and its directory"

# By kind (https://www.sqlite.org/rescode.html): {where} is the path of the file, {error} what SQLite says.
_LATER: Final = {
    sqlite3.SQLITE_BUSY: "{where} is locked: another process has been writing for too long; try again",
    sqlite3.SQLITE_FULL: "the disk of {where} is full, nothing was written: free some space and try again",
    sqlite3.SQLITE_IOERR: "{where} can't be read or written just now ({name}): check the disk",
}
_NEVER: Final = {
    sqlite3.SQLITE_READONLY: READ_ONLY,
    sqlite3.SQLITE_CANTOPEN: "{where} can't be opened: let this user write to the file and its directory",
    sqlite3.SQLITE_NOTADB: "{where} is not a SQLite database: name another file in ICEFLOE_STORE",
    sqlite3.SQLITE_CORRUPT: "{where} is damaged ({error}): stop what uses it, and restore a backup",
}

ALL_AFFECTED: Final = (sqlite3.Error, MemoryError)
"""Errors that say nothing of the run at hand: the whole transaction has failed."""


def explain(error: Exception, where: str) -> StoreError:
    """The sentence for an error."""
    code = primary_code(error)
    sentence = _LATER.get(code) or _NEVER.get(code) or "{where}: {error} ({name})"
    name = getattr(error, "sqlite_errorname", type(error).__name__)
    kind = StoreUnavailable if code in _LATER else StoreError
    return kind(sentence.format(where=where, error=error, name=name))


def primary_code(error: Exception) -> int:
    """The kind of an error, which is the low byte of its code; 0 if SQLite has no part in it."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF
