"""The fixtures that give tests a real server: one a test process, with a database or topics of its own for each test.

`ICEFLOE_TEST_MONGO_URI` names a replica set to use instead of the packaged server, `ICEFLOE_TEST_KAFKA` the address of
a broker (`host:9092`).
"""

import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from pymongo import MongoClient

from tests.servers.broker import Broker, MockCluster, packaged
from tests.servers.mongod import MongoServer, mongod


@pytest.hookimpl(tryfirst=True)  # before `-m` chooses
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that can run on any broker as `kafka`: they run once more on Apache Kafka."""
    for item in items:
        if {"kafka_address", "watchful_kafka_address"} & set(getattr(item, "fixturenames", ())):
            item.add_marker("kafka")


@pytest.fixture(scope="session")
def mongo_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MongoServer]:
    """The packaged server, for tests that let it fail; what they break they must mend."""
    if mongod() is None:
        pytest.skip("the packaged MongoDB runs on Linux on x86_64 only")
    folder: Path = tmp_path_factory.mktemp("mongod")
    with MongoServer(folder) as server:
        yield server


@pytest.fixture
def mongo_uri(request: pytest.FixtureRequest) -> Iterator[str]:
    """A database that nobody else has, dropped at the end."""
    name = f"icefloe_{uuid.uuid4().hex[:16]}"
    own = os.environ.get("ICEFLOE_TEST_MONGO_URI")
    if own:
        uri = urlsplit(own)._replace(path=f"/{name}").geturl()
    else:
        server: MongoServer = request.getfixturevalue("mongo_server")
        uri = server.uri(name)
    yield uri
    with MongoClient[dict[str, object]](uri, serverSelectionTimeoutMS=5000) as client:
        client.drop_database(name)


@pytest.fixture(scope="session")
def kafka_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """The packaged broker; who lets it fail starts one of their own."""
    if packaged() is None:
        pytest.skip("the packaged broker runs on Linux only")
    with Broker(tmp_path_factory.mktemp("kafka")) as broker:
        yield broker


@pytest.fixture
def kafka_address(request: pytest.FixtureRequest) -> str:
    """The address of a broker that other tests use as well: mind to have topics of your own (`topic_prefix`)."""
    own = os.environ.get("ICEFLOE_TEST_KAFKA")
    if own:
        return own
    broker: Broker = request.getfixturevalue("kafka_broker")
    return broker.address


@pytest.fixture
def watchful_kafka_address(topic_prefix: str) -> Iterator[str]:
    """A broker for groups whose members come and go: librdkafka's pretended ones, since the packaged one forgets some.

    It never notices that a member was killed, and now and then doesn't answer one that joins.
    """
    own = os.environ.get("ICEFLOE_TEST_KAFKA")
    if own:
        yield own
        return
    with MockCluster() as cluster:
        for name, partitions in (("changes", 4), ("triggers", 4), ("triggers.dlq", 1)):
            cluster.topic(f"{topic_prefix}.{name}", partitions)  # nobody can make topics there from outside
        yield cluster.address


@pytest.fixture
def topic_prefix() -> str:
    """What the names of topics and groups begin with that nobody else has."""
    return f"test-{uuid.uuid4().hex[:16]}"
