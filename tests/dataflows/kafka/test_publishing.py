"""The publisher: everything arrives, in order for each key, whatever the brokers do."""

from collections.abc import Callable
from threading import Event, Thread
from zlib import crc32

import pytest

from dataflows.kafka.connection import Kafka
from dataflows.kafka.errors import KafkaError, KafkaUnavailable, RecordTooLarge
from dataflows.kafka.publishing import Publisher, Record
from tests.dataflows.kafka.driver import PARTITIONS, PATIENCE, kafka_at, numbered, numbers, whole
from tests.servers.broker import PRODUCE, MockCluster

NOT_LEADER, TIMED_OUT, NOT_ENOUGH_REPLICAS, OUT_OF_ORDER = 6, 7, 19, 45

# A broker refuses what follows a batch that it refused. The mock cluster takes it, and librdkafka believes it has both.
ONE_AT_A_TIME = '{"max.in.flight.requests.per.connection": 1}'


def down_and_up(cluster: MockCluster, pause: Callable[[], object]) -> None:
    cluster.down()
    pause()
    cluster.up()


def leaders_move(cluster: MockCluster, pause: Callable[[], object]) -> None:
    for broker in cluster.brokers:
        for partition in range(PARTITIONS):
            cluster.lead("x.changes", partition, broker)
        pause()


def slow(cluster: MockCluster, pause: Callable[[], object]) -> None:
    cluster.latency(400)
    pause()
    cluster.latency(0)


def refuse(cluster: MockCluster, pause: Callable[[], object]) -> None:
    for _ in range(3):
        cluster.refuse(PRODUCE, NOT_LEADER, 0, TIMED_OUT, NOT_ENOUGH_REPLICAS, NOT_ENOUGH_REPLICAS, 0, TIMED_OUT)
        pause()
    cluster.forgive(PRODUCE)


@pytest.mark.parametrize("misfortune", [down_and_up, leaders_move, slow, refuse])
def test_whatever_the_brokers_do_all_is_published_and_each_key_in_order(
    misfortune: Callable[[MockCluster, Callable[[], object]], None],
) -> None:
    with MockCluster() as cluster:
        cluster.topic("x.changes", PARTITIONS)
        kafka = kafka_at(cluster.address, "x", kafka_options=ONE_AT_A_TIME if misfortune is refuse else None)
        publisher = Publisher(kafka)
        over, waits = Event(), Event()

        def happen() -> None:
            misfortune(cluster, lambda: waits.wait(0.3))
            over.set()

        publisher.send(numbered(kafka.changes, range(20)), PATIENCE)
        trouble = Thread(target=happen)
        trouble.start()
        published = 20
        while not over.is_set() or published < 200:
            page = numbered(kafka.changes, range(published, published + 20))
            while True:
                try:
                    publisher.send(page, 0.5)
                except KafkaUnavailable:
                    continue
                break
            published += 20
        trouble.join()
        publisher.close()
        by_key: dict[bytes | None, list[int]] = {}
        for message in whole(kafka, kafka.changes):
            by_key.setdefault(message.key, []).extend(numbers([message]))
        for key, found in by_key.items():
            assert list(dict.fromkeys(found)) == sorted(set(found)), key
        assert {number for found in by_key.values() for number in found} == set(range(published))


def test_a_key_is_on_the_partition_that_its_checksum_says(kafka: Kafka) -> None:
    publisher = Publisher(kafka)
    publisher.send(numbered(kafka.changes, range(50), keys=50), PATIENCE)
    publisher.close()
    for message in whole(kafka, kafka.changes):
        assert message.partition == crc32(message.key or b"") % PARTITIONS


def test_what_is_sent_again_while_it_is_on_its_way_is_not_doubled() -> None:
    with MockCluster() as cluster:
        cluster.topic("x.changes", 1)
        kafka = kafka_at(cluster.address, "x")
        publisher = Publisher(kafka)
        page = numbered(kafka.changes, range(3))
        cluster.down()
        for _ in range(3):
            with pytest.raises(KafkaUnavailable, match=r"Kafka at 127\.0\.0\.1"):
                publisher.send(list(page), 0.1)
        cluster.up()
        publisher.send(page, PATIENCE)
        publisher.close()
        assert numbers(whole(kafka, kafka.changes)) == [0, 1, 2]


def test_a_record_that_is_too_large_is_named_and_nothing_sent(kafka: Kafka) -> None:
    publisher = Publisher(kafka)
    fits = Record(kafka.changes, b"k", b"x" * (kafka.record_bytes - 200))
    with pytest.raises(RecordTooLarge, match=kafka.changes) as refused:
        publisher.send([fits, fits._replace(value=b"x" * kafka.record_bytes)])
    assert refused.value.index == 1
    publisher.send([fits], PATIENCE)
    publisher.close()
    assert [len(message.value or b"") for message in whole(kafka, kafka.changes)] == [len(fits.value or b"")]


def test_a_refusal_says_what_to_do_and_the_publisher_goes_on_after_it() -> None:
    with MockCluster() as cluster:
        cluster.topic("x.changes", 1)
        kafka = kafka_at(cluster.address, "x")
        publisher = Publisher(kafka)
        cluster.refuse(PRODUCE, 29)  # no right to the topic
        with pytest.raises(KafkaError, match=r"topic x\.changes: no right to use it: give it"):
            publisher.send(numbered(kafka.changes, range(1)), PATIENCE)
        publisher.send(numbered(kafka.changes, range(2)), PATIENCE)
        publisher.close()
        assert set(numbers(whole(kafka, kafka.changes))) == {0, 1}


def test_after_a_fatal_error_of_its_producer_the_publisher_goes_on_with_another() -> None:
    with MockCluster() as cluster:
        cluster.topic("x.changes", 1)
        kafka = kafka_at(cluster.address, "x")
        publisher = Publisher(kafka)
        publisher.send(numbered(kafka.changes, range(1)), PATIENCE)
        cluster.refuse(PRODUCE, OUT_OF_ORDER)
        page = numbered(kafka.changes, range(1, 3))
        with pytest.raises(KafkaUnavailable, match=r"topic x\.changes: .*sequence"):
            publisher.send(page, PATIENCE)
        publisher.send(page, PATIENCE)
        publisher.close()
        assert set(numbers(whole(kafka, kafka.changes))) == {0, 1, 2}
