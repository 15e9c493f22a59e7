"""The file of an embedded store: one connection that writes, one that reads, and some space kept for a full disk.

    writing(durable=True)   BEGIN IMMEDIATE … COMMIT, on the disk before it returns
    writing(durable=False)  the same, but a power cut (no crash of a process) may undo it
    fresh()                 a read on the writing connection: sees what `writing` would see
    reading()               a read on the other connection, beside a write

A durable commit makes every earlier one durable too, since all are in one write-ahead log.
"""

import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import RLock
from typing import Final
from urllib.parse import quote

import structlog

from store.protocol import StoreError, StoreGone
from store.sqlite.errors import READ_ONLY, explain, primary_code
from store.sqlite.schema import prepare

BUSY_SECONDS: Final = 5.0
_TURN_SECONDS: Final = 0.001
RESERVE_BYTES: Final = 256 * 1024
_WRITER_PAGES: Final = 2000  # of 4 KiB: what each connection may keep in memory
_READER_PAGES: Final = 500
PAGES_BETWEEN_CHECKPOINTS: Final = 6000  # of 4 KiB
_LOG_BYTES: Final = (PAGES_BETWEEN_CHECKPOINTS + 200) * 4096
_LOG_BYTES_KEPT: Final = 64 * 1024 * 1024

_log = structlog.get_logger(__name__)


def reserve_of(path: Path) -> Path:
    """The file beside a store's that keeps some space; while it is missing, the disk is full."""
    return path.with_name(path.name + ".reserve")


class Database:
    """An open file. `lock` guards the writing connection: who holds it sees no writes of other threads.

    Raises:
        StoreError: the file can't be opened, made or used.
    """

    def __init__(self, path: Path, *, create: bool = True, busy_seconds: float = BUSY_SECONDS) -> None:
        self.path = path
        self.lock = RLock()
        self._reader_lock = RLock()
        self._durable: bool | None = None
        self._busy_seconds = busy_seconds
        self._reserve = reserve_of(path)
        _see_to_place(path, create=create)
        with self._explained():
            self._writer = self._connect("rwc" if create else "rw", _WRITER_PAGES)
            try:
                self._prepare()
                self._reader = self._connect("rw", _READER_PAGES)
            except BaseException:
                self._writer.close()
                raise
        self._there = path.absolute()
        self._identity = _identity(self._there)
        self.keep_reserve()

    def _connect(self, mode: str, pages: int) -> sqlite3.Connection:
        connection = sqlite3.connect(
            f"file:{quote(str(self.path))}?mode={mode}",
            uri=True,
            timeout=self._busy_seconds,
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute(f"PRAGMA cache_size = {pages}")
            connection.execute(f"PRAGMA wal_autocheckpoint = {PAGES_BETWEEN_CHECKPOINTS}")
            connection.execute(f"PRAGMA journal_size_limit = {_LOG_BYTES_KEPT}")
        except BaseException:
            connection.close()
            raise
        return connection

    def _prepare(self) -> None:
        # While one process turns the write-ahead log on, SQLite doesn't let others wait for it.
        self._in_turn(lambda: prepare(self._writer, str(self.path)))
        self._writer.execute(f"PRAGMA busy_timeout = {1000 * _TURN_SECONDS:.0f}")

    def _in_turn(self, operation: Callable[[], object]) -> None:
        """Do what needs the file's write lock, and ask for that at short intervals.

        SQLite's own waiting asks ever more rarely, and so loses to somebody who writes all the time.
        """
        give_up = time.monotonic() + self._busy_seconds
        while True:
            try:
                operation()
            except sqlite3.OperationalError as error:
                if primary_code(error) != sqlite3.SQLITE_BUSY or time.monotonic() > give_up:
                    raise
                time.sleep(_TURN_SECONDS)
            else:
                return

    def lengthen_log(self) -> None:
        """Give the write-ahead log the length that it will come to, for somebody who is going to write a lot.

        A commit that makes the file longer waits for the file system's own books too, and takes two to four times as
        long. What is rolled back here leaves nothing behind but that length. A disk without room for it is no error.
        """
        with self.lock, suppress(sqlite3.Error):
            self._writer.execute("PRAGMA cache_size = 100")  # what doesn't fit into memory goes to the log at once
            try:
                self._in_turn(lambda: self._writer.execute("BEGIN IMMEDIATE"))
                self._writer.execute("CREATE TABLE room (bytes BLOB)")
                self._writer.execute("INSERT INTO room VALUES (zeroblob(?))", (_LOG_BYTES,))
            finally:
                _end(self._writer)
                self._writer.execute(f"PRAGMA cache_size = {_WRITER_PAGES}")

    @contextmanager
    def writing(self, *, durable: bool = True) -> Iterator[sqlite3.Connection]:
        """A write transaction: all of it is done, or on an exception nothing.

        Raises:
            StoreError: SQLite refused; `StoreUnavailable` if it may do it later.
        """
        with self.lock, self._explained():
            self._see_that_it_is_there()
            if durable is not self._durable:  # inside of a transaction the pragma would have no effect
                self._writer.execute("PRAGMA synchronous = FULL" if durable else "PRAGMA synchronous = NORMAL")
                self._durable = durable
            self._in_turn(lambda: self._writer.execute("BEGIN IMMEDIATE"))
            try:
                yield self._writer
                self._writer.execute("COMMIT")
            except BaseException as error:
                _end(self._writer)
                if isinstance(error, sqlite3.Error) and primary_code(error) == sqlite3.SQLITE_FULL:
                    self._make_room()
                raise

    @contextmanager
    def fresh(self) -> Iterator[sqlite3.Connection]:
        """A consistent read on the writing connection."""
        with self.lock, self._explained():
            self._writer.execute("BEGIN")
            try:
                yield self._writer
            finally:
                _end(self._writer)

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A consistent read on the reading connection."""
        with self._reader_lock, self._explained():
            self._see_that_it_is_there()
            self._reader.execute("BEGIN")
            try:
                yield self._reader
            finally:
                _end(self._reader)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OverflowError, UnicodeEncodeError) as error:  # the last two: what no row can hold
            raise explain(error, str(self.path)) from error

    def keep_reserve(self) -> None:
        """Take the reserve if it isn't there and the disk has room: when it is full, even DELETE needs space."""
        with suppress(OSError):
            disk = os.statvfs(self.path.parent)
            if not self._reserve.exists() and disk.f_bavail * disk.f_frsize > 4 * RESERVE_BYTES:
                with self._reserve.open("xb") as file:
                    os.posix_fallocate(file.fileno(), 0, RESERVE_BYTES)

    def _make_room(self) -> None:
        """On a full disk: release the reserve, and with its help bring home what the write-ahead log holds.

        That has a page as often as it was written, and else stays until it is long, which on this disk it can't become.
        """
        with suppress(OSError):
            self._reserve.unlink()
            _log.warning("reserve_released", path=str(self._reserve), bytes=RESERVE_BYTES)
        with suppress(sqlite3.Error):
            self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def _see_that_it_is_there(self) -> None:
        """What is written to a file that was deleted is lost, and nobody will read it from one that was replaced."""
        try:
            gone = _identity(self._there) != self._identity
        except FileNotFoundError:
            gone = True
        except OSError:
            gone = False  # not known: SQLite will tell
        if gone:
            raise StoreGone(
                f"{self.path} was deleted or replaced while it was open: stop all that use it before restoring a "
                "backup, and start them again"
            )

    def close(self) -> None:
        """Close both connections; idempotent."""
        with self.lock, self._reader_lock:
            self._reader.close()
            self._writer.close()


def _identity(path: Path) -> tuple[int, int]:
    """Which file a path leads to."""
    found = path.stat()
    return found.st_dev, found.st_ino


def _see_to_place(path: Path, *, create: bool) -> None:
    """See that the file is there, or that there is a directory to make it in."""
    try:
        if create:
            path.parent.mkdir(parents=True, exist_ok=True)
        there, is_directory = path.exists(), path.is_dir()
    except OSError as error:
        raise StoreError(f"{path} is out of reach ({error.strerror}): check the path and who may enter it") from error
    if is_directory:
        raise StoreError(f"{path} is a directory: name a file in ICEFLOE_STORE, such as sqlite:///{path}/icefloe.db")
    if not there and not create:
        raise StoreError(f"there is no store at {path}: start an engine first, or name another file in ICEFLOE_STORE")
    if there and not os.access(path, os.W_OK, effective_ids=True):  # SQLite would open it, and only read
        raise StoreError(READ_ONLY.format(where=path))


def _end(connection: sqlite3.Connection) -> None:
    """End a transaction without a trace, unless SQLite has done so after an error."""
    if connection.in_transaction:
        with suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
