"""The relay: every change is published, in order for each run, whatever is killed, away or too large."""

from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import orjson
import pytest

from dataflows.kafka.connection import Kafka
from dataflows.kafka.consuming import Message
from dataflows.relay_shell import Relay
from store.protocol import BEGINNING, NewRun, Store, StoreUnavailable
from store.sqlite import SqliteStore
from tests.acceptance.engines import running
from tests.dataflows.driver import Rig
from tests.dataflows.kafka.driver import PARTITIONS, ends, kafka_at, until, whole
from tests.engine.driver import plan_of
from tests.servers.broker import MockCluster

BATCH = 40


def published(messages: list[Message]) -> dict[str, list[int]]:
    """The revisions of each run in the order in which they were first to be read."""
    found: dict[str, dict[int, None]] = {}
    for message in messages:
        body = orjson.loads(message.value or b"null")
        if body["entity"] == "run":
            found.setdefault(body["id"], {})[body["revision"]] = None
    return {run_id: list(revisions) for run_id, revisions in found.items()}


def recorded(store: Store) -> dict[str, list[int]]:
    """The revisions of each run as the store has them."""
    found: dict[str, list[int]] = {}
    for change in store.changes(BEGINNING, limit=100_000).changes:
        if change.entity == "run":
            found.setdefault(change.id, []).append(change.revision)
    return found


def pump(relay: Relay) -> None:
    """Relay all there is."""
    while pages := relay.read():
        for page in pages:
            relay.publish(relay.pack(page))


@pytest.fixture
def cluster() -> Iterator[MockCluster]:
    with MockCluster() as cluster:
        cluster.topic("x.changes", PARTITIONS)
        yield cluster


def start(rig: Rig, *names: str) -> None:
    """Runs with more than one change each."""
    for name in names:
        rig.start(name, "a", "b: a")
        rig.record(_ended(rig, name))


def _ended(rig: Rig, name: str) -> Any:
    rig.begin(name, "a")
    return rig.ended()


def _used_by_a_relay(folder: Path, kafka: Kafka) -> tuple[SqliteStore, dict[str, str]]:
    """A store with a workflow, and the settings of a relay process that publishes its changes."""
    store = SqliteStore(folder / "icefloe.db")
    store.save_workflow(plan_of("a", name="w").workflow)
    settings = {
        "store": f"sqlite:///{folder}/icefloe.db",
        "events": kafka.settings.events,
        "topic_prefix": kafka.settings.topic_prefix,
    }
    return store, settings


def test_a_relay_that_is_killed_goes_on_where_it_was_and_leaves_out_nothing(tmp_path: Path, kafka: Kafka) -> None:
    store, settings = _used_by_a_relay(tmp_path, kafka)

    def begin(batch: int) -> None:
        store.create([NewRun(f"r{batch}-{one}", "w", {}) for one in range(BATCH)])

    begun = 0
    for life in range(3):
        with running(("-m", "icefloe", "relay"), settings, tmp_path / f"{life}.log", started="relay_started") as relay:
            for _ in range(10):
                begin(begun)
                begun += 1
            until(lambda: sum(ends(kafka, kafka.changes).values()) > 300 * life)  # noqa: B023
            relay.kill()
    with running(("-m", "icefloe", "relay"), settings, tmp_path / "last.log", started="relay_started") as relay:
        until(lambda: store.bookmarked("relay") == store.position())
        assert relay.terminate() == 0, relay.words()
    assert published(whole(kafka, kafka.changes)) == recorded(store)
    assert len(recorded(store)) == 30 * BATCH
    store.close()


def test_a_relay_that_is_asked_to_end_bookmarks_what_it_has_published(tmp_path: Path, kafka: Kafka) -> None:
    store, settings = _used_by_a_relay(tmp_path, kafka)
    command = ("-m", "bytewax.run", "dataflows.relay")
    with running(command, settings, tmp_path / "log", await_start=False) as relay:
        until(lambda: sum(ends(kafka, kafka.changes).values()) == 1)
        assert relay.terminate() == 0, relay.words()
    assert store.bookmarked("relay") == store.position()
    store.close()


def test_two_relays_double_messages_and_nothing_else(rig: Rig, kafka: Kafka) -> None:
    relays = [Relay(rig.store(), kafka), Relay(rig.store(), kafka)]
    for name in "rst":
        start(rig, name)
        for relay in relays:
            pump(relay)
    for relay in relays:
        relay.end()
    messages = whole(kafka, kafka.changes)
    assert published(messages) == recorded(rig.people)
    assert len(messages) == 2 * len(rig.people.changes(BEGINNING).changes)


def test_a_broker_that_is_away_is_waited_for_and_the_relay_says_so(rig: Rig, cluster: MockCluster) -> None:
    kafka = kafka_at(cluster.address, "x")
    relay = Relay(rig.store(), kafka)
    start(rig, "r")
    pump(relay)
    cluster.down()
    start(rig, "s")
    at_work = Thread(target=pump, args=[relay])
    at_work.start()
    until(lambda: "kafka" in relay.vitals.troubles)
    cluster.up()
    at_work.join()
    assert "kafka" not in relay.vitals.troubles
    relay.end()
    assert published(whole(kafka, kafka.changes)) == recorded(rig.people)


def test_a_relay_ends_although_the_broker_is_away_and_the_next_one_publishes_the_page(
    rig: Rig, cluster: MockCluster
) -> None:
    kafka = kafka_at(cluster.address, "x", drain=0)
    relay = Relay(rig.store(), kafka)
    start(rig, "r")
    [page] = relay.read()
    cluster.down()
    relay.stop()
    relay.publish(relay.pack(page))
    with pytest.raises(StopIteration):
        relay.read()
    relay.end()
    cluster.up()
    assert rig.people.bookmarked("relay") == BEGINNING
    relay = Relay(rig.store(), kafka)
    pump(relay)
    relay.end()
    assert published(whole(kafka, kafka.changes)) == recorded(rig.people)


def test_a_store_that_is_away_is_left_alone_for_a_moment_and_read_when_it_is_back(
    rig: Rig, cluster: MockCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object, **__: object) -> None:
        raise StoreUnavailable("nobody home")

    store = rig.store()
    relay = Relay(store, kafka_at(cluster.address, "x"))
    start(rig, "r")
    with monkeypatch.context() as patched:
        patched.setattr(store, "changes", away)
        assert relay.read() == []
        assert relay.vitals.troubles == {"store": "nobody home"}
    assert relay.read() == [], "not at once"
    until(relay.read)
    assert relay.vitals.troubles == {}
    relay.end()


def test_a_change_too_large_for_its_topic_is_published_without_payloads(rig: Rig, cluster: MockCluster) -> None:
    kafka = kafka_at(cluster.address, "x", kafka_options='{"message.max.bytes": 5000}')
    rig.start("small", "a")
    rig.start("large", "a", description="x" * 10_000)
    relay = Relay(rig.store(), kafka)
    pump(relay)
    relay.end()
    messages = whole(kafka, kafka.changes)
    assert published(messages) == recorded(rig.people)
    bodies = [orjson.loads(message.value or b"null") for message in messages]
    assert {(body["entity"], body["id"]) for body in bodies if body.get("truncated")} >= {("workflow", "large")}
    assert not any(body.get("truncated") for body in bodies if body["id"] == "small")
    assert all(body.get("truncated") or "document" in body for body in bodies if body["revision"] == 1)
