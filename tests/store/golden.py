"""Makes a golden store, once for each version of the tables: runs in every situation that an upgrade may find.

Done by `python -m tests.store.golden > tests/store/golden/version-N.sql` before that version is released.
"""

import sqlite3
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from engine.run import Parent
from engine.transitions import RunCancelled, RunPaused, RunRetried, Signal, SignalReceived, TaskDelegated, Wants
from store.protocol import BEGINNING, Record
from store.sqlite import SqliteStore
from tests.store.driver import START, Clock, Player, workflow


def make(path: Path) -> None:
    """A store whose engine was killed in the middle of its work."""
    clock = Clock()
    store = SqliteStore(path, clock=clock, luck=lambda: 0.5)
    retry = {"max_attempts": 3, "initial_interval": "1m"}
    store.save_workflow(workflow("x"), by="olga")
    store.save_workflow(workflow("a", "b: a", "c: b || a.FAILED", retry=retry, timeout="P1D"), by="olga")
    store.delete_workflow("x", by="olga")
    store.put_record(Record("key", "default", "k1", {"role": "viewer"}, 0))
    store.register("engine-0", 30.0)
    store.leave("engine-0", BEGINNING)
    store.register("engine-1", 30.0)
    player = Player(store)
    for id_ in (
        "ready",
        "claimed",
        "waiting",
        "signalled",
        "timed",
        "retrying",
        "paused",
        "ended",
        "cancelled",
        "again",
    ):
        player.start(id_, {"n": 1, "text": "ü✓"}, requested_by="olga", labels={"team": "data"})
    player.start("child", parent=Parent("waiting", "a", 1))
    clock.pass_(1)
    player.claim("a", "claimed")
    player.suspend(
        "a", "waiting", wants=Wants({"type": "object"}, ("olga", "ivan"), {"approve": 1}), outputs={"k": [1.5, None]}
    )
    player.do(TaskDelegated("a", 1, "ivan", "eva", "away"), "waiting", by="ivan")
    player.suspend("a", "signalled", wants=Wants())
    player.do(SignalReceived("a", Signal("s1", 1, "olga", {"decision": "approve"})), "signalled", by="olga")
    player.suspend("a", "timed", after=3600.0)
    player.fail("a", "retrying", retryable=True)
    player.succeed("a", "paused", {"n": 1})
    player.do(RunPaused("lunch"), "paused", by="ivan")
    player.finish("ended")
    player.finish("child")
    for id_ in ("cancelled", "again"):
        player.fail("a", id_)
        player.do(RunCancelled("enough"), id_, by="ivan")
    player.do(RunRetried(1), "again", by="ivan")
    assert clock.time == START + 1
    store.beat("engine-1", 30.0, store.position())
    store.close()


def main() -> None:
    """Write the store that this version makes as SQL."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "golden.db"
        make(path)
        connection = sqlite3.connect(path)
        for name in ("application_id", "user_version"):
            (number,) = connection.execute(f"PRAGMA {name}").fetchone()
            sys.stdout.write(f"PRAGMA {name} = {number};\n")
        sys.stdout.writelines(f"{line}\n" for line in connection.iterdump())
        connection.close()


if __name__ == "__main__":
    main()
