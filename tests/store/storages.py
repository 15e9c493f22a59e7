"""The storage of a store with one run in it, as somebody has it in his hands who goes around the store."""

import sqlite3
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import bson
from bson.raw_bson import RawBSONDocument
from pymongo import MongoClient


class Raw(NamedTuple):
    """An entry of the journal as it lies there; its texts are bytes, whatever bytes they are."""

    revision: int
    at: float
    text: bytes
    seal: bytes | None


class Storage(Protocol):
    """What such a person can do."""

    def read(self) -> list[Raw]:
        """The entries of the journal."""

    def write(self, entries: list[Raw]) -> None:
        """Put other entries in their place."""

    def set(self, *, status: str | None = None, seal: str | None = None) -> None:
        """Change the run itself."""

    def close(self) -> None:
        """Make good what was done."""


class SqliteStorage:
    """A SQLite file."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None)
        self._connection.execute("PRAGMA synchronous = OFF")
        self._changes = self._connection.execute("SELECT * FROM changes WHERE run = 1").fetchall()
        self._run = self._connection.execute("SELECT status, seal FROM runs").fetchone()

    def read(self) -> list[Raw]:
        rows = self._connection.execute(
            "SELECT revision, at, CAST(entry AS BLOB), CAST(seal AS BLOB) FROM changes WHERE run = 1 ORDER BY revision"
        )
        return [Raw(*row) for row in rows]

    def write(self, entries: list[Raw]) -> None:
        insert = (
            "INSERT INTO changes (run, revision, at, entry, seal) VALUES (1, ?, ?, CAST(? AS TEXT), CAST(? AS TEXT))"
        )
        with self._connection:
            self._connection.execute("BEGIN")
            self._connection.execute("DROP INDEX IF EXISTS changes_of_runs")
            self._connection.execute("DELETE FROM changes WHERE run = 1")
            self._connection.executemany(insert, entries)

    def set(self, *, status: str | None = None, seal: str | None = None) -> None:
        self._connection.execute(
            "UPDATE runs SET status = coalesce(?, status), seal = coalesce(?, seal)", (status, seal)
        )

    def close(self) -> None:
        self._connection.execute("UPDATE runs SET status = ?, seal = ?", self._run)
        self._connection.execute("DELETE FROM changes WHERE run = 1")
        self._connection.executemany("INSERT INTO changes VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", self._changes)
        self._connection.close()


class MongoStorage:
    """A database of MongoDB."""

    def __init__(self, uri: str) -> None:
        self._client = MongoClient[dict[str, Any]](uri)
        self._runs = self._client.get_default_database()["runs"]
        [self._run] = self._runs.find()

    def read(self) -> list[Raw]:
        [run] = self._runs.find()
        return [Raw(revision, at, text.encode(), seal.encode()) for revision, at, text, seal in run["journal"]]

    def write(self, entries: list[Raw]) -> None:
        """A driver writes texts only, so they stand in for the bytes until all is in MongoDB's format."""
        bytes_of: dict[bytes, bytes] = {}

        def standing_in(told: bytes | None) -> str | None:
            if told is None:
                return None
            name = f"<{len(bytes_of):03}>".ljust(len(told), "~")
            bytes_of[name.encode()] = told
            return name

        journal = [[one.revision, one.at, standing_in(one.text), standing_in(one.seal)] for one in entries]
        update = bson.encode({"$set": {"journal": journal}})
        for name, told in bytes_of.items():
            update = update.replace(name, told)
        self._runs.update_one({}, RawBSONDocument(update))

    def set(self, *, status: str | None = None, seal: str | None = None) -> None:
        fields = {"status": status, "seal": seal}
        self._runs.update_one({}, {"$set": {name: value for name, value in fields.items() if value is not None}})

    def close(self) -> None:
        self._runs.update_one({}, {"$set": {name: value for name, value in self._run.items() if name != "last"}})
        self._client.close()
