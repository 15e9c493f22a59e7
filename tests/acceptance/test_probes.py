"""G13, G14 and G21: a real engine says how it is and why, and its metrics are what the journals say."""

import sqlite3
from collections import Counter
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from tests.acceptance.engines import running, until
from tests.acceptance.probing import samples, told
from tests.acceptance.scene import Scene, chain, task
from tests.acceptance.surroundings import kafka_beside
from tests.servers.broker import Broker, packaged
from tests.servers.mongod import free_port

pytestmark = pytest.mark.acceptance


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


def test_an_engine_and_a_relay_whose_broker_is_away_say_so_and_go_on_by_themselves(
    scene: Scene, tmp_path: Path, topic_prefix: str
) -> None:
    if packaged() is None:
        pytest.skip("the packaged broker runs on Linux only")
    ports = free_port(), free_port()
    ready = [(200, "ready\n")] * 2

    def both(path: str) -> list[tuple[int, str]]:
        return [told(port, path) for port in ports]

    scene.save(*chain("a", "b"))
    with ExitStack() as stack:
        broker = stack.enter_context(Broker(tmp_path / "kafka"))
        around = stack.enter_context(kafka_beside(tmp_path, scene.url, broker.address, topic_prefix))
        scene.surroundings = around
        engine = stack.enter_context(scene.engine(health_port=ports[0]))
        relay = {"store": scene.url, "events": around.events, "health_port": ports[1], **around.settings}
        stack.enter_context(running(("-m", "icefloe", "relay"), relay, tmp_path / "r.log", started="relay_started"))
        until(lambda: both("/readyz") == ready, "both are ready", within=60)
        broker.stop()
        scene.start("run")  # so that there is something to publish
        until(lambda: all("Kafka at" in words for _, words in both("/readyz")), "both say what is away", within=60)
        assert [status for status, _ in both("/readyz")] == [503, 503]
        assert both("/healthz") == [(200, "alive\n")] * 2
        broker.start()
        until(lambda: both("/readyz") == ready, "both are ready again", within=60)
        scene.await_end(within=60)
        assert samples(ports[1])["icefloe_relayed_total", ""] > 0
        assert samples(ports[0])["icefloe_kafka_unavailable_total", ""] > 0
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


@pytest.mark.everywhere
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
