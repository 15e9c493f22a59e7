"""The embedded store's tables, and the steps that bring an older file up to date.

      workflows ◄── runs ◄─┬─ requests     what was asked for: written once
                           ├─ tasks        one row for each task that isn't as it was at the start
                           └─ changes      what happened: the journal of a run, and the feed of all
      owners                               the starts of engines, and how far each has read the changes
      waiting                              whom runs wait for
      bookmarks                            how far other readers have
      records                              what is neither a workflow nor a run

A row that changes at every transition is kept small: inputs, which may be large, stand in a table that is written once.
"""

import sqlite3
from typing import Final
from uuid import uuid4

from store.protocol import StoreError
from store.texts import asked_in, dumps

APPLICATION_ID: Final = 0x1CEF10E  # in the file's header: by it programs tell this database from others

_TABLES = """
CREATE TABLE meta (
  name  TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE workflows (
  number   INTEGER PRIMARY KEY,
  tenant   TEXT NOT NULL,
  name     TEXT NOT NULL,
  version  INTEGER NOT NULL,
  document TEXT NOT NULL,
  UNIQUE (tenant, name, version)
) STRICT;

CREATE TABLE runs (
  number       INTEGER PRIMARY KEY,
  id           TEXT NOT NULL UNIQUE,
  tenant       TEXT NOT NULL,
  workflow     TEXT NOT NULL,
  version      INTEGER NOT NULL,
  requested_by TEXT,
  created_at   REAL NOT NULL,
  status       TEXT NOT NULL,
  revision     INTEGER NOT NULL,
  generation   INTEGER NOT NULL,
  paused       INTEGER NOT NULL,
  cancelled    INTEGER NOT NULL,
  told         INTEGER NOT NULL,
  claimed      INTEGER NOT NULL,  -- how many of its tasks are RUNNING
  size         INTEGER NOT NULL,
  updated_at   REAL NOT NULL,
  started_at   REAL,
  finished_at  REAL,
  deadline     REAL,
  wake_at      REAL,
  heal         INTEGER NOT NULL,
  error        TEXT,
  outputs      TEXT,
  FOREIGN KEY (tenant, workflow, version) REFERENCES workflows (tenant, name, version)
) STRICT;
CREATE INDEX runs_due ON runs (wake_at) WHERE wake_at IS NOT NULL;
CREATE INDEX runs_by_time ON runs (tenant, created_at);
CREATE INDEX runs_by_workflow ON runs (tenant, workflow, created_at);
CREATE INDEX runs_by_status ON runs (tenant, status, created_at);
CREATE INDEX runs_by_person ON runs (tenant, requested_by, created_at) WHERE requested_by IS NOT NULL;

CREATE TABLE requests (
  run    INTEGER PRIMARY KEY REFERENCES runs,
  digest BLOB NOT NULL,
  labels TEXT NOT NULL,
  parent TEXT,
  inputs TEXT NOT NULL
) STRICT;

CREATE TABLE tasks (
  run   INTEGER NOT NULL REFERENCES runs,
  name  TEXT NOT NULL,
  state TEXT NOT NULL,
  PRIMARY KEY (run, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE changes (
  position   INTEGER PRIMARY KEY,
  run        INTEGER REFERENCES runs,       -- either this
  workflow   INTEGER REFERENCES workflows,  -- or this
  revision   INTEGER NOT NULL,
  at         REAL NOT NULL,
  writer     INTEGER,                       -- the number of an owner
  entry      TEXT,
  transition TEXT,
  document   TEXT
) STRICT;
CREATE UNIQUE INDEX changes_of_runs ON changes (run, revision) WHERE run IS NOT NULL;

CREATE TABLE owners (
  number      INTEGER PRIMARY KEY,
  id          TEXT NOT NULL UNIQUE,
  alive_until REAL NOT NULL,
  dead        INTEGER NOT NULL,
  position    INTEGER NOT NULL
) STRICT;

CREATE TABLE bookmarks (
  reader   TEXT PRIMARY KEY,
  position INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
"""

_PEOPLE = """
ALTER TABLE runs ADD COLUMN seal TEXT;
ALTER TABLE changes ADD COLUMN seal TEXT;
ALTER TABLE workflows ADD COLUMN deleted_at REAL;

CREATE TABLE waiting (
  tenant     TEXT NOT NULL,
  who        TEXT NOT NULL,
  created_at REAL NOT NULL,
  run        INTEGER NOT NULL REFERENCES runs,
  PRIMARY KEY (tenant, who, created_at, run)
) STRICT, WITHOUT ROWID;
INSERT OR IGNORE INTO waiting
SELECT tenant, value, created_at, number
FROM runs
JOIN tasks ON run = number
JOIN json_each(asked(state))
WHERE status NOT IN ('SUCCESS', 'FAILED', 'CANCELLED');

CREATE TABLE records (
  kind       TEXT NOT NULL,
  tenant     TEXT NOT NULL,
  id         TEXT NOT NULL,
  revision   INTEGER NOT NULL,
  expires_at REAL,
  document   TEXT NOT NULL,
  PRIMARY KEY (kind, tenant, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX records_ending ON records (expires_at) WHERE expires_at IS NOT NULL;
"""

STEPS: Final = (_TABLES, _PEOPLE)
"""Step n leads from `user_version` n to n + 1. A step that was released is never edited; another one is added."""


def prepare(connection: sqlite3.Connection, where: str) -> None:
    """Make the tables, or bring those of an older version up to date.

    Raises:
        StoreError: the file is another program's or a newer version's, or its file system doesn't do.
        sqlite3.Error: as SQLite says.
    """
    version = _version(connection, where)
    (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
    if mode != "wal":
        raise StoreError(
            f"the file system of {where} can't share memory between processes, as SQLite's log must (is it a network "
            "share?): put the store on a local disk"
        )
    if version == len(STEPS):
        return
    connection.execute("BEGIN EXCLUSIVE")
    try:
        _migrate(connection, _version(connection, where))  # asked again: another process may have been faster
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _migrate(connection: sqlite3.Connection, version: int) -> None:
    connection.create_function("asked", 1, lambda task: dumps(asked_in(task)), deterministic=True)
    for step in STEPS[version:]:
        for statement in step.split(";"):
            connection.execute(statement)
    if version == 0:
        connection.execute("INSERT INTO meta VALUES ('incarnation', ?)", (uuid4().hex,))
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {len(STEPS)}")


def _version(connection: sqlite3.Connection, where: str) -> int:
    """The version of the tables in the file; 0 if there are none."""
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if application != APPLICATION_ID and (application or version or tables):
        raise StoreError(f"{where} is a SQLite database of another program: name another file in ICEFLOE_STORE")
    if version > len(STEPS):
        raise StoreError(
            f"{where} was written by a newer version of Icefloe (its tables have version {version}, this program knows "
            f"them up to {len(STEPS)}): upgrade this program, or name another file in ICEFLOE_STORE"
        )
    return int(version)
