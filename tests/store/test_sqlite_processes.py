"""Several processes on one file: one sees what another commits; a killed one is dead at once, and loses nothing."""

import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from engine.statuses import TaskStatus
from engine.transitions import RunCancelled
from store.sqlite import SqliteStore
from store.sqlite.owners import is_gone
from store.sqlite.rows import position
from tests.processes import bounded, end_of
from tests.store.driver import Player, check, workflow

ROOT = Path(__file__).parents[2]
PRELUDE = """
import os, sys, time
from pathlib import Path
from store.protocol import NewRun
from store.sqlite import SqliteStore
from tests.store.driver import Player
store = SqliteStore(Path(sys.argv[1]))
player = Player(store, f"child-{os.getpid()}")
store.register(player.owner, 30.0)
def say(*words): print(*words, flush=True)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "icefloe.db"


@pytest.fixture
def store(path: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(path)
    store.save_workflow(workflow())
    yield store
    store.close()


@contextmanager
def child(path: Path, script: str) -> Iterator[subprocess.Popen[str]]:
    """Another process with a store object on the same file, and a registered owner."""
    command = [sys.executable, "-c", PRELUDE + script, str(path)]
    with bounded(subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)) as process:
        yield process


def heard(process: subprocess.Popen[str]) -> str:
    """The next line that a process says."""
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_what_another_process_commits_is_seen_at_once(store: SqliteStore, path: Path) -> None:
    player = Player(store)
    player.start()
    token = player.claim("a")  # remembered here
    script = f"""
from engine.transitions import TaskSucceeded
player.do(TaskSucceeded("a", {token!r}, "theirs"))
say("done")
"""
    with child(path, script) as process:
        assert heard(process) == "done"
        assert player.run().tasks["a"].outputs == "theirs"
        assert store.changed()
        [change] = store.changes(position(3)).changes
        assert change.transition is not None
        assert change.transition["outputs"] == "theirs"


def test_an_own_write_is_no_news(store: SqliteStore, path: Path) -> None:
    other = SqliteStore(path)
    store.changed()
    assert not store.changed()
    Player(store).start()
    assert not store.changed()
    Player(other).do(RunCancelled())
    assert store.changed()
    assert not store.changed()
    other.close()


def test_an_owner_whose_store_object_is_gone_is_dead_at_once(store: SqliteStore, path: Path) -> None:
    other = SqliteStore(path)
    other.register("e1", 30.0)
    store.register("e2", 30.0)
    assert store.bury(by_time=False) == []
    other.close()
    assert store.bury(by_time=False) == ["e1"]
    assert [owner.id for owner in store.owners()] == ["e2"]


def test_the_claims_of_a_killed_process_go_on_without_waiting_for_its_lease(store: SqliteStore, path: Path) -> None:
    player = Player(store)
    player.start()
    with child(path, "player.claim('a'); say('claimed'); time.sleep(60)") as process:
        assert heard(process) == "claimed"
        assert store.bury(by_time=False) == []
        process.kill()
        process.wait()
        [dead] = store.bury(by_time=False)
        assert dead == f"child-{process.pid}"
    [woken] = store.wake(10)
    assert woken.tasks["a"].status is TaskStatus.PENDING
    assert not list(path.parent.glob("*.owner-*"))


def test_a_stopped_process_is_alive_until_its_lease_is_over(store: SqliteStore, path: Path) -> None:
    with child(path, "say('up'); time.sleep(60)") as process:
        assert heard(process) == "up"
        process.send_signal(signal.SIGSTOP)
        assert store.bury(by_time=False) == []
        assert store.bury(by_time=True) == []


@pytest.mark.usefixtures("store")
def test_a_forked_child_does_not_keep_its_parent_alive(path: Path) -> None:
    script = """
if os.fork() == 0:
    say("forked", os.getpid())
    time.sleep(60)
    os._exit(0)
time.sleep(60)
"""
    with child(path, script) as process:
        word, grandchild = heard(process).split()
        assert word == "forked"
        try:
            assert not is_gone(path, f"child-{process.pid}")
            process.kill()
            process.wait()
            assert is_gone(path, f"child-{process.pid}")
        finally:
            os.kill(int(grandchild), signal.SIGKILL)


@pytest.mark.usefixtures("store")
def test_a_child_program_does_not_keep_its_parent_alive(path: Path) -> None:
    script = """
import subprocess
sleeper = subprocess.Popen(["sleep", "60"], close_fds=False)
say("spawned", sleeper.pid)
time.sleep(60)
"""
    with child(path, script) as process:
        word, sleeper = heard(process).split()
        assert word == "spawned"
        try:
            process.kill()
            process.wait()
            assert is_gone(path, f"child-{process.pid}")
        finally:
            os.kill(int(sleeper), signal.SIGKILL)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.usefixtures("store")
def test_what_was_acknowledged_survives_a_kill_at_any_moment(path: Path, seed: int) -> None:
    script = """
number = 0
while True:
    store.create([NewRun(f"{player.owner}-{number}", "w", {"n": number})])
    say("created", f"{player.owner}-{number}")
    player.finish(f"{player.owner}-{number}")
    say("finished", f"{player.owner}-{number}")
    number += 1
"""
    with child(path, script) as process:
        lines = [heard(process)]
        time.sleep(0.02 + 0.013 * seed)
        process.kill()
        assert process.stdout is not None
        lines += process.stdout.read().splitlines()
    said = [line.split() for line in lines if line.count(" ") == 1]
    created = {id_ for word, id_ in said if word == "created"}
    finished = {id_ for word, id_ in said if word == "finished"}
    survivor = SqliteStore(path)
    runs = survivor.load(created)
    assert set(runs) == created
    assert all(runs[id_].is_final for id_ in finished)
    check(survivor)
    survivor.close()
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    connection.close()


def test_processes_that_write_at_once_lose_nothing(store: SqliteStore, path: Path) -> None:
    script = """
for number in range(15):
    player.start(f"{player.owner}-{number}")
    player.finish(f"{player.owner}-{number}")
store.leave(player.owner, store.position())
"""
    with child(path, script) as one, child(path, script) as other:
        Player(store).start("mine")
        Player(store).finish("mine")
        assert [end_of(one), end_of(other)] == [0, 0]
    assert sum(store.counts().values()) == 31
    check(store)


def test_a_file_that_may_not_grow_refuses_cleanly_and_goes_on_later(store: SqliteStore, path: Path) -> None:
    script = """
import resource
from store.protocol import StoreUnavailable
resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, resource.RLIM_INFINITY))
number = 0
try:
    while True:
        player.start(f"r{number}", {"text": "x" * 10_000})
        number += 1
except StoreUnavailable as error:
    say(number, error)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
player.finish(f"r{number - 1}")
say("finished")
"""
    with child(path, script) as process:
        number, sentence = heard(process).split(" ", 1)
        assert re.search(r"icefloe\.db can't be read or written just now \(SQLITE_IOERR\w*\): check the disk", sentence)
        assert heard(process) == "finished"
    assert sum(store.counts().values()) == int(number)
    check(store)
