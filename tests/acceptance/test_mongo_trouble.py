"""G13: a MongoDB that is away for a while costs time and nothing else."""

import time
from pathlib import Path

import pytest

from engine.statuses import RunStatus
from tests.acceptance.engines import until
from tests.acceptance.probing import told
from tests.acceptance.scene import Scene, chain
from tests.acceptance.surroundings import Surroundings
from tests.servers.mongod import MongoServer, free_port, mongod

pytestmark = pytest.mark.acceptance

NOTICED_SECONDS = 5  # an engine may not have noticed what lasts less
MEMORY_MB = 64


@pytest.mark.skipif(mongod() is None, reason="the packaged MongoDB runs on Linux on x86_64 only")
@pytest.mark.parametrize(
    ("how", "seconds"), [("frozen", 1), ("killed", 1), ("frozen", 10), ("killed", 10), ("frozen", 60)]
)
def test_g13_nothing_is_lost_while_the_store_is_away(tmp_path: Path, how: str, seconds: float) -> None:
    port = free_port()
    ready = (200, "ready\n")
    runs = [f"run-{number}" for number in range(200)]
    with MongoServer(tmp_path / "mongod") as server:
        scene = Scene(tmp_path, Surroundings(server.uri(), "store", {}))
        scene.save(*chain("a", "b", "c", "d", type_="LEDGER_ASYNC", seconds=0.1))
        with scene.engine(health_port=port) as engine:
            until(lambda: told(port, "/readyz") == ready, "it is ready")
            scene.start(*runs[:100])
            scene.await_effects(50)
            memory = rss_mb(engine.pid)
            away(server, how)
            if seconds >= NOTICED_SECONDS:
                until(lambda: "MongoDB at " in told(port, "/readyz")[1], "it says what it waits for")
            time.sleep(seconds)
            back(server, how)
            until(lambda: told(port, "/readyz") == ready, "it is ready again", within=60)
            scene.start(*runs[100:])
            scene.await_end(within=60)
            assert rss_mb(engine.pid) < memory + MEMORY_MB
            assert engine.terminate() == 0
        scene.check(runs)
        assert scene.store.counts() == {RunStatus.SUCCESS: len(runs)}
        scene.store.close()


def away(server: MongoServer, how: str) -> None:
    if how == "frozen":
        server.freeze()
    else:
        server.kill()


def back(server: MongoServer, how: str) -> None:
    if how == "frozen":
        server.thaw()
    else:
        server.start()


def rss_mb(pid: int) -> float:
    """The memory that a process holds, in MiB."""
    return int(Path(f"/proc/{pid}/status").read_text().partition("VmRSS:")[2].split()[0]) / 1024
