"""The benchmarks on MongoDB and Kafka: tiny, on real servers, which are left as they were found."""

import json
from collections.abc import Iterator

import pytest
from confluent_kafka.admin import AdminClient
from pymongo import MongoClient

from bench.__main__ import main
from bench.client import Client
from bench.figures import Figures
from bench.processes import BenchError
from bench.servers import Servers
from bench.workloads import WORKLOADS, Load

TINY = ["--runs", "2", "--seconds", "0.1"]


@pytest.fixture
def given(mongo_uri: str, kafka_address: str) -> Iterator[list[str]]:
    yield ["--store", mongo_uri, "--events", f"kafka://{kafka_address}", "--json", *TINY]
    topics = AdminClient({"bootstrap.servers": kafka_address}).list_topics(timeout=30).topics
    assert [name for name in topics if name.startswith("icefloe-bench-")] == []
    assert [name for name in databases(mongo_uri) if name.startswith("icefloe-bench-")] == []


def databases(uri: str) -> list[str]:
    with MongoClient[dict[str, object]](uri) as client:
        return client.list_database_names()


@pytest.mark.acceptance
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("idle", {"engine_cpu_pct", "engine_rss_mb", "relay_cpu_pct", "relay_rss_mb"}),
        ("trigger", {"n", "p50_ms", "p99_ms", "end_p50_ms", "end_p99_ms"}),
    ],
)
def test_a_workload_has_topics_and_a_database_of_its_own(
    name: str, expected: set[str], given: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([name, *given]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert (figures["store"], figures["events"]) == ("mongodb", "kafka")
    assert set(figures) == {"workload", "store", "events"} | expected
    assert all(value > 0 for key, value in figures.items() if key.endswith("_ms"))


@pytest.mark.acceptance
def test_a_workload_that_fails_leaves_nothing_behind_either(
    given: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_client: Client, _load: Load) -> Figures:
        raise BenchError("on purpose")

    monkeypatch.setitem(WORKLOADS, "idle", fail)
    assert main(["idle", *given]) == 1
    assert capsys.readouterr().err == "idle: on purpose\n"


def test_the_floor_of_mongodb_is_measured_beside_that_of_sqlite(
    mongo_uri: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["floor", "--json", "--store", mongo_uri, *TINY]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert {"transitions_s", "mongo_updates_s_by_500", "mongo_update_p50_ms", "mongo_feed_p50_ms"} < set(figures)
    assert [name for name in databases(mongo_uri) if name.startswith("icefloe-bench-")] == []


@pytest.mark.acceptance
def test_a_trigger_needs_kafka(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trigger", *TINY]) == 1
    assert "say where it is with --events kafka://HOST:PORT" in capsys.readouterr().err


@pytest.mark.acceptance
def test_a_relay_that_does_not_start_gives_no_figure(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["chain", "--events", "kafka://127.0.0.1:1", *TINY]) == 1
    assert "icefloe topics ended with status 1" in capsys.readouterr().err


def test_servers_are_told_by_their_urls() -> None:
    servers = Servers("mongodb://host/db?replicaSet=rs0", "kafka://one:9092,two:9092")
    assert (servers.kinds, servers.broker) == (("mongodb", "kafka"), "one:9092,two:9092")
    assert servers.mongo == servers.store
    own = Servers("sqlite:///a.db")
    assert (own.kinds, own.broker, own.mongo) == (("sqlite", "store"), None, None)
