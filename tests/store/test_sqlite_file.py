"""The embedded store's file: what is synced when, and a sentence for everything that can be wrong with it."""

import os
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from engine.statuses import RunStatus
from engine.transitions import RunCancelled, Wants
from store.protocol import BEGINNING, HistoryLost, RunQuery, StoreError, StoreGone, StoreUnavailable
from store.sqlite import SqliteStore, reads
from store.sqlite.cache import CHANGED_RUNS
from store.sqlite.file import PAGES_BETWEEN_CHECKPOINTS, RESERVE_BYTES
from store.sqlite.rows import SELECT_CHANGES, SELECT_RUNS, SELECT_TASKS, position
from store.sqlite.schema import APPLICATION_ID, STEPS
from tests.store.driver import START, Clock, Player, check, workflow


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "icefloe.db"


@pytest.fixture
def store(path: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(path)
    store.save_workflow(workflow())
    yield store
    store.close()


def statements(store: SqliteStore, work: Callable[[], object]) -> list[str]:
    """What the writing connection is told meanwhile."""
    told: list[str] = []
    store._database._writer.set_trace_callback(told.append)
    work()
    store._database._writer.set_trace_callback(None)
    return told


def raw(path: Path, *lines: str) -> None:
    """Do something to the file that no store would."""
    connection = sqlite3.connect(path)
    for line in lines:
        connection.execute(line)
    connection.commit()
    connection.close()


def synchronous(store: SqliteStore) -> int:
    (level,) = store._database._writer.execute("PRAGMA synchronous").fetchone()
    return int(level)


NORMAL, FULL = 1, 2


def test_the_file_says_what_it_is(store: SqliteStore, path: Path) -> None:
    connection = sqlite3.connect(path)
    pragmas = [connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version")]
    assert pragmas == [APPLICATION_ID, len(STEPS)]
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    connection.close()
    assert store.incarnation == SqliteStore(path).incarnation


def test_results_runs_and_decisions_are_synced_and_claims_are_not(store: SqliteStore) -> None:
    player = Player(store)
    player.start()
    assert synchronous(store) == FULL
    claim = player.dispatch("a").claim("t", "e")
    told = statements(store, lambda: player.do(claim, durable=False))
    assert told[:2] == ["PRAGMA synchronous = NORMAL", "BEGIN IMMEDIATE"]
    assert synchronous(store) == NORMAL
    told = statements(store, lambda: player.do(RunCancelled(), by="olga"))
    assert told[:2] == ["PRAGMA synchronous = FULL", "BEGIN IMMEDIATE"]
    assert told[-1] == "COMMIT"
    told = statements(store, lambda: player.start("r2"))
    assert told[0] == "BEGIN IMMEDIATE"
    assert synchronous(store) == FULL


def test_the_cost_of_a_result_grows_neither_with_runs_nor_with_tasks(store: SqliteStore) -> None:
    player = Player(store)
    store.save_workflow(workflow("a", *(f"t{number}: a" for number in range(400)), name="wide"))

    def told(id_: str) -> list[str]:
        claim = statements(store, lambda: player.claim("a", id_))
        assert len(claim) < 20
        return [line.split()[0] for line in claim]

    player.start("small")
    small = told("small")
    for number in range(50):
        player.start(f"other-{number}")
    player.start("large", workflow="wide")
    assert told("large") == small


def test_an_engine_finds_the_log_at_its_full_length_and_nothing_else_is_new(store: SqliteStore, path: Path) -> None:
    log = path.with_name(path.name + "-wal")
    store.register("e1", 30.0)
    assert log.stat().st_size >= PAGES_BETWEEN_CHECKPOINTS * 4096
    with sqlite3.connect(path) as other:
        names = {name for (name,) in other.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    other.close()
    assert names == {
        "meta",
        "workflows",
        "runs",
        "requests",
        "tasks",
        "changes",
        "waiting",
        "owners",
        "bookmarks",
        "records",
    }


@pytest.mark.parametrize("statement", [CHANGED_RUNS, SELECT_CHANGES, SELECT_RUNS, SELECT_TASKS])
def test_no_event_costs_a_scan(store: SqliteStore, statement: str) -> None:
    with store._database.reading() as connection:
        steps = connection.execute(f"EXPLAIN QUERY PLAN {statement}", [1] * statement.count("?")).fetchall()
    told = [step for *_, step in steps if "json_each" not in step and "SUBQUERY" not in step]
    assert told
    for step in told:
        assert step.startswith(("SEARCH", "USING INDEX")), step
        assert "changes_of_runs" not in step, step


@pytest.mark.parametrize(
    "query",
    [
        RunQuery(waiting_for=frozenset({"person:ada", "group:stewards"})),
        RunQuery(waiting_for=frozenset({"person:ada"}), statuses=frozenset({RunStatus.WAITING}), workflow="w"),
        RunQuery(tenant=None, waiting_for=frozenset({"person:ada"})),
    ],
)
def test_a_page_of_what_waits_for_somebody_sorts_nothing(store: SqliteStore, query: RunQuery) -> None:
    player = Player(store)
    player.suspend("a", player.start().id, wants=Wants(None, ("ada",), {"*": 1}, ("stewards",)))
    asked: list[str] = []
    with store._database.reading() as connection:
        connection.set_trace_callback(asked.append)
        assert [run.id for run in reads.find(connection, query).runs] == ["r"]
        connection.set_trace_callback(None)
        plans = [connection.execute(f"EXPLAIN QUERY PLAN {one}").fetchall() for one in asked if "who" in one]
    assert plans
    for *_, step in (step for plan in plans for step in plan):
        assert step.startswith("SEARCH"), step


def test_a_run_that_only_waits_costs_no_memory(store: SqliteStore) -> None:
    player = Player(store)
    for number in range(5):
        player.start(f"r{number}")
        player.suspend("a", f"r{number}", wants=None, until=9e9)
    player.start("ready")
    player.finish(player.start("ended").id)
    assert set(store._cache._runs) == {"ready"}
    assert store._cache._bytes == player.run("ready").size


def test_what_is_remembered_has_a_bound(path: Path) -> None:
    store = SqliteStore(path, cached_bytes=5_000)
    store.save_workflow(workflow())
    player = Player(store)
    for number in range(20):
        player.start(f"r{number}", {"n": "x" * 200})
    assert 0 < len(store._cache._runs) < 20
    assert store._cache._bytes <= 5_000
    for number in range(20):
        player.finish(f"r{number}")
    check(store)
    store.close()


def test_a_directory_that_is_not_there_is_made(tmp_path: Path) -> None:
    SqliteStore(tmp_path / "a" / "b" / "icefloe.db").close()
    assert (tmp_path / "a" / "b" / "icefloe.db").exists()


def test_closing_twice_is_closing_once_and_a_closed_store_says_so(store: SqliteStore) -> None:
    store.close()
    store.close()
    for use in (store.position, lambda: store.create([]), lambda: store.load([])):
        with pytest.raises(StoreError, match="closed"):
            use()


def test_a_file_that_is_no_database_is_refused_and_left_alone(path: Path) -> None:
    path.write_bytes(b"Dear diary, " * 1000)
    with pytest.raises(StoreError, match="is not a SQLite database"):
        SqliteStore(path)
    assert path.read_bytes() == b"Dear diary, " * 1000


def test_a_database_of_another_program_is_refused_and_left_alone(path: Path) -> None:
    raw(path, "CREATE TABLE theirs (x)")
    before = path.read_bytes()
    with pytest.raises(StoreError, match="of another program"):
        SqliteStore(path)
    assert path.read_bytes() == before


def test_a_database_of_a_newer_version_is_refused_and_left_alone(store: SqliteStore, path: Path) -> None:
    store.close()
    raw(path, "PRAGMA user_version = 99")
    before = path.read_bytes()
    with pytest.raises(StoreError, match=rf"newer version of Icefloe .* version 99, .* up to {len(STEPS)}\b.* upgrade"):
        SqliteStore(path)
    assert path.read_bytes() == before


def test_a_damaged_database_is_told_as_such(store: SqliteStore, path: Path) -> None:
    Player(store).start()
    store.close()
    pages = path.read_bytes()
    path.write_bytes(pages[:4096] + b"\xa5" * (len(pages) - 4096))
    with pytest.raises(StoreError, match=r"is damaged .*: stop what uses it, and restore a backup"):
        _use(path)


def test_a_truncated_database_is_told_as_such(store: SqliteStore, path: Path) -> None:
    Player(store).start()
    store.close()
    os.truncate(path, 4096 * 3)
    with pytest.raises(StoreError, match="is damaged"):
        _use(path)


def _use(path: Path) -> None:
    store = SqliteStore(path)
    try:
        store.load(["r"])
        store.workflows()
        Player(store).start("s")
    finally:
        store.close()


def test_a_path_through_a_file_is_out_of_reach(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="is out of reach"):
        SqliteStore(tmp_path / "file" / "icefloe.db")


def test_a_directory_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="is a directory: name a file"):
        SqliteStore(tmp_path)


@contextmanager
def unprivileged() -> Iterator[None]:
    """Root may write everywhere: be nobody for a while."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def public(tmp_path: Path) -> Iterator[Path]:
    """A directory that others may enter too."""
    modes = {folder: folder.stat().st_mode for folder in (tmp_path, *tmp_path.parents)}
    mine = {folder: mode for folder, mode in modes.items() if not mode & 0o001 and folder.stat().st_uid == os.geteuid()}
    for folder, mode in mine.items():
        folder.chmod(mode | 0o011)
    yield tmp_path
    for folder, mode in mine.items():
        folder.chmod(mode)


@pytest.mark.parametrize("directory_too", [False, True])
def test_a_read_only_file_is_told_as_such(public: Path, *, directory_too: bool) -> None:
    path = public / "icefloe.db"
    SqliteStore(path).close()
    before = path.read_bytes()
    path.chmod(0o444)
    public.chmod(0o555 if directory_too else 0o777)
    try:
        with unprivileged(), pytest.raises(StoreError, match="let this user write to the file and its directory"):
            SqliteStore(path)
    finally:
        public.chmod(0o755)
    assert path.read_bytes() == before


def test_a_directory_that_may_not_be_written_to_is_told_as_such(public: Path) -> None:
    public.chmod(0o555)
    try:
        with unprivileged(), pytest.raises(StoreError, match=r"let this user write|out of reach"):
            SqliteStore(public / "icefloe.db")
        with unprivileged(), pytest.raises(StoreError, match="out of reach"):
            SqliteStore(public / "new" / "icefloe.db")
    finally:
        public.chmod(0o755)


def test_a_file_that_is_locked_for_too_long_is_told_as_such_and_can_be_used_later(path: Path) -> None:
    store = SqliteStore(path, busy_seconds=0.05)
    store.save_workflow(workflow())
    other = sqlite3.connect(path)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailable, match="is locked: another process has been writing for too long"):
        Player(store).start()
    assert store.load(["r"]) == {}  # reading goes on meanwhile
    other.execute("ROLLBACK")
    other.close()
    assert Player(store).finish(Player(store).start().id).is_final
    store.close()


def test_a_short_lock_is_waited_for(store: SqliteStore, path: Path) -> None:
    other = sqlite3.connect(path, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    release = threading.Timer(0.1, lambda: other.execute("ROLLBACK"))
    release.start()
    Player(store).start()
    release.join()
    other.close()


def test_a_full_disk_refuses_cleanly_and_gives_up_its_reserve(store: SqliteStore, path: Path) -> None:
    reserve = path.with_name("icefloe.db.reserve")
    assert reserve.stat().st_blocks * 512 >= RESERVE_BYTES
    player = Player(store)
    player.start()
    (pages,) = store._database._writer.execute("PRAGMA page_count").fetchone()
    store._database._writer.execute(f"PRAGMA max_page_count = {pages + 2}")
    with pytest.raises(StoreUnavailable, match="is full, nothing was written: free some space"):
        player.start("large", {"x": "y" * 100_000})
    assert not reserve.exists()
    assert set(store.load(["r", "large"])) == {"r"}
    check(store)
    store._database._writer.execute("PRAGMA max_page_count = 100000")
    store.beat("nobody", 1.0, BEGINNING)
    assert reserve.exists()
    player.start("large", {"x": "y" * 100_000})
    check(store)


def test_on_a_full_disk_the_log_is_brought_home(store: SqliteStore, path: Path) -> None:
    player = Player(store)
    player.start()
    log = path.with_name("icefloe.db-wal")
    assert log.stat().st_size > 0
    store._database._writer.execute("PRAGMA max_page_count = 1")  # SQLite takes that for: as many as there are
    with pytest.raises(StoreUnavailable, match="is full"):
        player.start("large", {"x": "y" * 100_000})
    assert log.stat().st_size == 0
    check(store)


@pytest.mark.parametrize("how", ["deleted", "replaced", "moved with its folder"])
def test_a_file_that_was_deleted_or_replaced_is_noticed_at_the_next_read_or_write(tmp_path: Path, how: str) -> None:
    path = tmp_path / "folder" / "icefloe.db"
    store = SqliteStore(path)
    player = Player(store)
    store.save_workflow(workflow())
    player.start()
    if how == "deleted":
        path.unlink()
    elif how == "replaced":
        shutil.copy(path, tmp_path / "copy")
        (tmp_path / "copy").rename(path)
    else:
        path.parent.rename(tmp_path / "elsewhere")
    for attempt in (store.owners, lambda: store.beat("e", 1.0, BEGINNING), lambda: player.start("s")):
        with pytest.raises(StoreGone, match=r"icefloe\.db was deleted or replaced while it was open"):
            attempt()
    store.close()


def test_a_failed_write_leaves_nothing_in_memory_either(store: SqliteStore) -> None:
    player = Player(store)
    player.start()
    claim = player.dispatch("a").claim("t", "e")
    store._database._writer.execute(
        "CREATE TEMP TRIGGER nope BEFORE INSERT ON changes BEGIN SELECT RAISE(FAIL, 'no'); END"
    )
    with pytest.raises(StoreError, match="no"):
        player.do(claim)
    store._database._writer.execute("DROP TRIGGER nope")
    assert player.run().revision == 1
    player.do(claim)
    check(store)


@pytest.mark.parametrize("value", [2**70, "\udcff"])
def test_a_value_that_no_row_can_hold_gets_a_sentence(store: SqliteStore, value: object) -> None:
    with pytest.raises(StoreError, match=r"icefloe\.db: "):
        store.workflow("w", value)  # type: ignore[arg-type] # as a careless caller would


def test_processes_that_make_the_file_at_once_make_it_once(path: Path) -> None:
    script = "import sys; from store.open import open_store; print(open_store(sys.argv[1]).incarnation)"
    command = [sys.executable, "-c", script, f"sqlite:///{path}"]
    children = [
        subprocess.Popen(command, cwd=Path(__file__).parents[2], stdout=subprocess.PIPE, text=True) for _ in range(4)
    ]
    incarnations = {child.communicate(timeout=60)[0] for child in children}
    assert [child.returncode for child in children] == [0] * 4
    assert len(incarnations) == 1


def test_who_has_read_more_than_there_is_makes_every_run_due(path: Path) -> None:
    one, other, third = (SqliteStore(path, clock=Clock(), luck=lambda: 0.5) for _ in range(3))
    one.save_workflow(workflow())
    one.register("e1", 30.0)
    one.leave("e1", position(99))
    Player(one).start()
    assert one.next_wake() != START
    assert other.register("e2", 30.0) == other.position()
    assert other.next_wake() == START
    assert third.register("e3", 30.0) == other.position()
    for store in (one, other, third):
        store.close()


def test_whoever_is_ahead_of_the_feed_is_set_back_to_its_end(path: Path) -> None:
    store = SqliteStore(path)
    store.save_workflow(workflow())
    assert store.changes(position(10_000)) == ([], store.position())
    store.close()


def test_a_position_of_another_store_is_refused(path: Path) -> None:
    store = SqliteStore(path)
    with pytest.raises(HistoryLost, match="another store's"):
        store.changes("8265A1")
    store.close()


def test_a_bookmark_is_there_after_a_restart(path: Path) -> None:
    store = SqliteStore(path)
    assert store.bookmarked("relay") is None
    store.save_workflow(workflow())
    store.bookmark("relay", store.position())
    store.bookmark("other", BEGINNING)
    store.close()
    again = SqliteStore(path)
    assert again.bookmarked("relay") == again.position() != BEGINNING
    assert again.bookmarked("other") == BEGINNING
    again.close()
