"""The file of an embedded store: one connection that writes, one that reads, and a little space kept for a full disk.

    writing(durable=True)   BEGIN IMMEDIATE … COMMIT, synced to the disk before it returns
    writing(durable=False)  the same, but a power cut (not a crash of this process) may undo it
    fresh()                 a read on the writing connection: sees what `writing` would see
    reading()               a read on the other connection, beside a write

A durable commit also makes every earlier one durable, since all are in one write-ahead log.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import RLock
from typing import Final
from urllib.parse import quote

import structlog

from store.protocol import StoreError
from store.sqlite_errors import explain
from store.sqlite_schema import prepare

BUSY_SECONDS: Final = 5.0
RESERVE_BYTES: Final = 256 * 1024
_PAGES_BETWEEN_CHECKPOINTS = 4000
_LOG_BYTES_KEPT = 64 * 1024 * 1024

_log = structlog.get_logger(__name__)


class Database:
    """An open file. `lock` guards the writing connection; who holds it sees no writes of other threads."""

    def __init__(self, path: Path, *, create: bool = True, busy_seconds: float = BUSY_SECONDS) -> None:
        self.path = path
        self.lock = RLock()
        self._reader_lock = RLock()
        self._durable: bool | None = None
        self._reserve = path.with_name(path.name + ".reserve")
        where = str(path)
        if create:
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise StoreError(f"the directory of {where} can't be made: {error.strerror}") from error
        elif not path.exists():
            raise StoreError(f"there is no store at {where}: start an engine there first, or set ICEFLOE_STORE")
        self.writer = self._connect(busy_seconds, pages=4000)
        try:
            with self._explained():
                prepare(self.writer, where)
                self.writer.execute(f"PRAGMA wal_autocheckpoint = {_PAGES_BETWEEN_CHECKPOINTS}")
            self.reader = self._connect(busy_seconds, pages=1000)
        except BaseException:
            self.writer.close()
            raise
        self.keep_reserve()

    def _connect(self, busy_seconds: float, *, pages: int) -> sqlite3.Connection:
        with self._explained():
            connection = sqlite3.connect(
                f"file:{quote(str(self.path))}?mode=rwc",
                uri=True,
                timeout=busy_seconds,
                isolation_level=None,
                check_same_thread=False,
            )
        try:
            with self._explained():
                connection.execute("PRAGMA foreign_keys = ON")
                connection.execute(f"PRAGMA cache_size = {pages}")
                connection.execute(f"PRAGMA journal_size_limit = {_LOG_BYTES_KEPT}")
                connection.execute("PRAGMA temp_store = MEMORY")
        except BaseException:
            connection.close()
            raise
        return connection

    @contextmanager
    def writing(self, *, durable: bool = True) -> Iterator[sqlite3.Connection]:
        """A write transaction: all of it is done, or on an exception nothing.

        Raises:
            StoreError: SQLite refused; `StoreUnavailable` if it may do it later.
        """
        with self.lock, self._explained():
            if durable is not self._durable:  # only now: inside of a transaction the pragma has no effect
                self.writer.execute("PRAGMA synchronous = FULL" if durable else "PRAGMA synchronous = NORMAL")
                self._durable = durable
            self.writer.execute("BEGIN IMMEDIATE")
            try:
                yield self.writer
                self.writer.execute("COMMIT")
            except BaseException:
                self._roll_back()
                raise

    @contextmanager
    def fresh(self) -> Iterator[sqlite3.Connection]:
        """A consistent read on the writing connection."""
        with self.lock, self._explained():
            self.writer.execute("BEGIN")
            try:
                yield self.writer
            finally:
                self._roll_back()

    def _roll_back(self) -> None:
        if self.writer.in_transaction:  # SQLite has ended it by itself after some errors
            with suppress(sqlite3.Error):
                self.writer.execute("ROLLBACK")

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A consistent read on the reading connection."""
        with self._reader_lock, self._explained():
            self.reader.execute("BEGIN")
            try:
                yield self.reader
            finally:
                with suppress(sqlite3.Error):
                    self.reader.execute("ROLLBACK")

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_FULL:
                self._release_reserve()
            raise explain(error, str(self.path)) from error

    def keep_reserve(self) -> None:
        """Take the reserve if it isn't there and the disk has room: on a full disk even DELETE needs space."""
        with suppress(OSError):
            if self._reserve.exists():
                return
            disk = os.statvfs(self.path.parent)
            if disk.f_bavail * disk.f_frsize < 4 * RESERVE_BYTES:
                return
            with self._reserve.open("xb") as file:
                os.posix_fallocate(file.fileno(), 0, RESERVE_BYTES)

    def _release_reserve(self) -> None:
        with suppress(OSError):
            self._reserve.unlink()
            _log.warning("reserve_released", path=str(self._reserve), bytes=RESERVE_BYTES)

    def close(self) -> None:
        """Close both connections; idempotent."""
        with self.lock, self._reader_lock:
            self.reader.close()
            self.writer.close()
