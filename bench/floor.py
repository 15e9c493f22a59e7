"""The floor: what the durable writes of the stores cost by themselves, and which machine this is."""

import os
import platform
import re
import sqlite3
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

from bench import mongo
from bench.figures import Figures, percentiles

_BATCH = 100
_RUNS = 1000
_SYNCS = 200


def floor(runs: int | None, mongo_url: str | None) -> Figures:
    """SQLite on the disk of temporary files, MongoDB if there is one, and the machine."""
    number = runs or 2000
    with TemporaryDirectory(prefix="icefloe-bench-") as directory:
        figures = _sqlite(Path(directory), number)
    return {**figures, **({} if mongo_url is None else mongo.floor(mongo_url, number)), "machine": machine()}


def _sqlite(directory: Path, number: int) -> Figures:
    """A document row and a log row per transition with `synchronous=FULL`: one a commit, and 100; a bare fsync."""
    with closing(sqlite3.connect(directory / "floor.db", isolation_level=None)) as connection:
        connection.executescript("""
            PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
            CREATE TABLE documents (run INTEGER PRIMARY KEY, document TEXT);
            CREATE TABLE log (position INTEGER PRIMARY KEY, run INTEGER, entry TEXT);
        """)
        connection.executemany("INSERT INTO documents VALUES (?, '')", ((run,) for run in range(_RUNS)))
        singly, in_batches = _per_second(connection, number, 1), _per_second(connection, -(-number // 10), _BATCH)
    fsync = percentiles("fsync_", _syncs(directory / "floor.bin"))
    return {"transitions_s": singly, f"transitions_s_by_{_BATCH}": in_batches, **fsync}


def _per_second(connection: sqlite3.Connection, commits: int, size: int) -> float:
    begin = perf_counter()
    for commit in range(commits):
        runs = [((commit * size + index) % _RUNS,) for index in range(size)]
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany("UPDATE documents SET document = hex(randomblob(512)) WHERE run = ?", runs)
        connection.executemany("INSERT INTO log (run, entry) VALUES (?, hex(randomblob(128)))", runs)
        connection.execute("COMMIT")
    return commits * size / (perf_counter() - begin)


def _syncs(path: Path) -> list[float]:
    """The seconds of each fsync after 4 KiB written."""
    seconds = []
    with path.open("wb", buffering=0) as file:
        for _ in range(_SYNCS):
            file.write(bytes(4096))
            begin = perf_counter()
            os.fsync(file.fileno())
            seconds.append(perf_counter() - begin)
    return seconds


def machine() -> str:
    """Cores, CPU, kernel, and the versions of Python and SQLite."""
    info = Path("/proc/cpuinfo")
    model = re.search(r"^model name\s*: (.+)", info.read_text() if info.exists() else "", re.MULTILINE)
    cpu = f"{os.cpu_count()} cores of {model[1] if model else platform.machine()}"
    versions = f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}"
    return f"{cpu}, {platform.system()} {platform.release()}, {versions}"
