"""G13 and G21: a real engine says how it is and why, and its metrics are what the journals say."""

import sqlite3
from collections import Counter
from contextlib import suppress
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.acceptance.engines import PATIENCE, until
from tests.acceptance.scene import Scene, chain, task
from tests.servers.mongod import free_port

pytestmark = pytest.mark.acceptance


def told(port: int, path: str) -> tuple[int, str]:
    """What the engine on this port answers; status 0 if nobody does."""
    try:
        with urlopen(f"http://127.0.0.1:{port}{path}", timeout=PATIENCE) as answer:
            return answer.status, answer.read().decode()
    except HTTPError as refusal:
        with refusal:
            return refusal.code, refusal.read().decode()
    except (URLError, ConnectionError):
        return 0, ""


def samples(port: int) -> dict[tuple[str, str], float]:
    """The metrics, by name and the values of the labels."""
    return {
        (sample.name, " ".join(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(told(port, "/metrics")[1])
        for sample in family.samples
    }


def test_an_engine_whose_store_is_locked_is_not_ready_says_why_and_is_ready_again(scene: Scene) -> None:
    port = free_port()
    with scene.engine(health_port=port) as engine:
        until(lambda: told(port, "/readyz") == (200, "ready\n"), "it is ready")
        other = sqlite3.connect(scene.file, isolation_level=None)
        other.execute("PRAGMA busy_timeout = 5000")
        other.execute("BEGIN EXCLUSIVE")
        try:
            until(lambda: f"heartbeat: {scene.file} is locked" in told(port, "/readyz")[1], "it says what it waits for")
            until(lambda: "lease: the lease is over" in told(port, "/readyz")[1], "its lease is over")
            assert told(port, "/readyz")[0] == 503
            assert told(port, "/healthz") == (200, "alive\n")
            assert samples(port)["icefloe_ready", ""] == 0
            assert samples(port)["icefloe_store_unavailable_total", ""] > 0
        finally:
            other.execute("ROLLBACK")
            other.close()
        until(lambda: told(port, "/readyz") == (200, "ready\n"), "it is ready again")
        scene.save(*chain("a", "b"))
        scene.start("run")
        scene.await_end()
        assert engine.terminate() == 0
    scene.check(["run"])


def test_an_engine_that_drains_is_alive_but_not_ready(scene: Scene) -> None:
    port = free_port()
    scene.save(task("call", "GATE", gate="g"))
    with scene.engine(health_port=port, drain=60) as engine:
        scene.start("run")
        scene.await_effects(1)
        engine.ask_to_end()
        until(lambda: told(port, "/readyz")[0] == 503, "it is not ready")
        assert told(port, "/readyz")[1].startswith("stop: it was asked to stop")
        assert told(port, "/healthz")[0] == 200
        assert samples(port)["icefloe_calls_in_flight", "GATE"] == 1
        scene.open_gate("g")
        assert engine.wait() == 0
    scene.check(["run"])


def test_the_metrics_are_what_the_journals_say(scene: Scene) -> None:
    port = free_port()
    scene.save(task("a", "LEDGER"), task("b", "LEDGER_ASYNC", "a"), task("c", "NOOP", "b"))
    scene.save(task("no", "CONDITION", left=1, operator="==", right=2), task("n", "NOOP", "no.SKIPPED"), name="skips")
    scene.save(task("f", "CONDITION", left="1", operator="<", right=2, allow_failure=True), name="fails")
    with scene.engine(health_port=port) as engine:
        scene.start(*(f"run-{number}" for number in range(20)))
        scene.start("skipping", workflow="skips")
        scene.start("failing", workflow="fails")
        scene.await_end()
        expected = Counter(
            f"{entry.type.removeprefix('Task').lower()} {scene.run(change.id).plan.tasks[entry.task].spec.type}"
            for change in scene.changes()
            if (entry := change.entry) and entry.task and entry.type in {"TaskSucceeded", "TaskSkipped", "TaskFailed"}
        )
        assert len(expected) == 5

        def counted() -> dict[str, float]:
            return {labels: value for (name, labels), value in samples(port).items() if name == "icefloe_tasks_total"}

        with suppress(AssertionError):  # the last answer of the store may not have come to the engine's ears yet
            until(lambda: counted() == expected, "the metrics are what the journals say")
        assert counted() == expected
        assert engine.terminate() == 0


def test_an_engine_whose_port_is_taken_does_not_start(scene: Scene) -> None:
    port = free_port()
    with scene.engine(health_port=port):
        command = ("-m", "icefloe", "engine")
        with scene.engine(*command, health_port=port, await_start=False) as second:
            assert second.wait() == 1
            sentence = (
                f"error: settings: ICEFLOE_HEALTH_PORT: can't listen on 127.0.0.1:{port} (Address already in use);"
            )
            assert sentence in second.words()
            assert "Traceback" not in second.words()
