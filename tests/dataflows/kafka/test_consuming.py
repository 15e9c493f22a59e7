"""The consumer: who reads what in a group, how far it has got, and what it says of a broker that is away."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import TopicPartition

from dataflows.kafka import consuming as module
from dataflows.kafka.connection import Kafka
from dataflows.kafka.consuming import GroupConsumer, Message, Place, message_of
from dataflows.settings import EngineSettings
from tests.dataflows.kafka.driver import PARTITIONS, ends, kafka_at, numbered, numbers, polled, sent, until
from tests.servers.broker import MockCluster

ROOT = Path(__file__).parents[3]
ALL = frozenset(range(PARTITIONS))


@pytest.fixture
def members() -> Iterator[list[GroupConsumer]]:
    """The consumers that a test opens, closed at its end."""
    opened: list[GroupConsumer] = []
    yield opened
    for one in opened:
        one.close()


def member(kafka: Kafka, members: list[GroupConsumer]) -> GroupConsumer:
    members.append(GroupConsumer(kafka, kafka.engines_group, [kafka.changes]))
    return members[-1]


def test_a_new_group_begins_at_the_earliest_message(kafka: Kafka, members: list[GroupConsumer]) -> None:
    sent(kafka, numbered(kafka.changes, range(20)))
    consumer = member(kafka, members)
    assert sorted(numbers(polled(consumer, lambda found: len(found) >= 20))) == list(range(20))
    assert consumer.partitions(kafka.changes) == ALL


def test_only_what_was_remembered_is_committed(kafka: Kafka, members: list[GroupConsumer]) -> None:
    sent(kafka, numbered(kafka.changes, range(20)))
    consumer = member(kafka, members)
    polled(consumer, lambda found: len(found) >= 20)
    consumer.remember()
    sent(kafka, numbered(kafka.changes, range(20, 30)))
    polled(consumer, lambda found: len(found) >= 10)
    consumer.close()
    again = polled(member(kafka, members), lambda found: len(found) >= 10)
    assert sorted(numbers(again)) == list(range(20, 30))


def test_members_share_the_partitions_and_who_leaves_leaves_them_to_the_others() -> None:
    with MockCluster() as cluster:
        cluster.topic("x.changes", PARTITIONS)
        kafka = kafka_at(cluster.address, "x")
        left: list[frozenset[Place]] = []
        first = GroupConsumer(kafka, kafka.engines_group, [kafka.changes], left=left.append)
        until(lambda: first.partitions(kafka.changes) == ALL, first)
        second = GroupConsumer(kafka, kafka.engines_group, [kafka.changes])
        until(lambda: second.partitions(kafka.changes), first, second)
        mine, its = first.partitions(kafka.changes), second.partitions(kafka.changes)
        assert (mine | its, mine & its) == (ALL, frozenset())
        assert frozenset().union(*left) == {(kafka.changes, one) for one in its}
        second.close()
        until(lambda: first.partitions(kafka.changes) == ALL, first)
        first.close()


def test_a_member_that_leaves_never_waits_and_is_gone_in_time_though_the_broker_takes_longer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with MockCluster() as cluster:
        cluster.topic("x.changes", PARTITIONS)
        kafka = kafka_at(cluster.address, "x")
        consumers = [GroupConsumer(kafka, group, [kafka.changes]) for group in ("one", "two")]
        for consumer in consumers:
            until(lambda: consumer.partitions(kafka.changes) == ALL, consumer)  # noqa: B023 - called at once
        cluster.latency(1000)
        monkeypatch.setattr(module, "LEAVING_SECONDS", 0.1)
        for consumer in consumers:
            consumer.leave()
        assert [consumer.gone() for consumer in consumers] == [False, False]
        for consumer in consumers:
            consumer.close()
            assert consumer.gone()
            assert consumer._leaving is not None
            assert consumer._leaving.is_alive()
        cluster.latency(0)
        for consumer in consumers:
            until(lambda: not consumer._leaving.is_alive())  # type: ignore[union-attr]  # noqa: B023 - as above


def test_messages_that_were_deleted_before_they_were_read_are_told_and_what_is_left_is_read(
    kafka: Kafka, members: list[GroupConsumer]
) -> None:
    sent(kafka, numbered(kafka.changes, range(20)))
    before = member(kafka, members)
    polled(before, lambda found: len(found) >= 20)
    before.remember()
    before.close()
    sent(kafka, numbered(kafka.changes, range(20, 40)))
    admin = kafka.admin()
    gone = [TopicPartition(kafka.changes, one, end) for one, end in ends(kafka, kafka.changes).items()]
    for answer in admin.delete_records(gone).values():
        answer.result()
    sent(kafka, numbered(kafka.changes, range(40, 60)))
    lost: list[frozenset[Place]] = []
    consumer = GroupConsumer(kafka, kafka.engines_group, [kafka.changes], lost=lost.append)
    members.append(consumer)
    assert sorted(numbers(polled(consumer, lambda found: len(found) >= 20))) == list(range(40, 60))
    assert frozenset().union(*lost) <= {(kafka.changes, one) for one in ALL}
    assert lost


READER = """
import sys
from dataflows.kafka.consuming import GroupConsumer
from tests.dataflows.kafka.driver import kafka_at, polled

kafka = kafka_at(sys.argv[1], "x")
consumer = GroupConsumer(kafka, kafka.engines_group, [kafka.changes])
polled(consumer, lambda found: len(found) >= 20)
consumer.remember()
consumer.commit()
while consumer._uncommitted():
    consumer.poll(1)
print("> committed", flush=True)
polled(consumer, lambda found: len(found) >= 10)
consumer.remember()
print("> read", flush=True)
input()
"""


def test_of_what_a_killed_process_had_read_the_next_one_reads_again_what_was_not_committed() -> None:
    with MockCluster() as cluster:  # it notices that a member is gone
        cluster.topic("x.changes", PARTITIONS)
        kafka = kafka_at(cluster.address, "x")
        sent(kafka, numbered(kafka.changes, range(20)))
        command = [sys.executable, "-c", READER, cluster.address]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as reader:
            try:
                assert reader.stdout is not None
                said = filter(lambda line: line.startswith(">"), reader.stdout)  # logs are among them
                assert next(said) == "> committed\n"
                sent(kafka, numbered(kafka.changes, range(20, 30)))
                assert next(said) == "> read\n"
            finally:
                reader.kill()
        consumer = GroupConsumer(kafka, kafka.engines_group, [kafka.changes])
        again = polled(consumer, lambda found: len(found) >= 10)
        assert sorted(numbers(again)) == list(range(20, 30))
        consumer.close()


class Spoiled:
    """A message whose headers the client can't give: the name of one is not UTF-8."""

    topic = staticmethod(lambda: "t")
    partition = offset = staticmethod(lambda: 0)
    timestamp = staticmethod(lambda: (0, 0))
    key = value = staticmethod(lambda: b"x")

    def headers(self) -> list[tuple[str, bytes]]:
        raise SystemError("<method 'headers' …> returned a result with an exception set")


def test_a_message_whose_headers_cant_be_read_is_a_message_and_known_as_such() -> None:
    spoiled: Any = Spoiled()
    assert message_of(spoiled) == Message("t", 0, 0, None, b"x", b"x", [], intact=False)


def test_a_member_that_is_held_hands_out_nothing_and_leaves_out_nothing_when_it_goes_on(
    kafka: Kafka, members: list[GroupConsumer]
) -> None:
    consumer = member(kafka, members)
    until(lambda: consumer.partitions(kafka.changes) == ALL, consumer)
    sent(kafka, numbered(kafka.changes, range(100)))
    found: list[int] = []
    while len(found) < 100:
        found += numbers(polled(consumer, bool))
        assert consumer.poll(100, held=True) == []
    assert sorted(found) == list(range(100))


def test_where_a_member_had_got_to_counts_no_longer_when_a_partition_comes_back_to_it(
    kafka: Kafka, members: list[GroupConsumer]
) -> None:
    consumer = member(kafka, members)
    consumer._read = dict.fromkeys(((kafka.changes, one) for one in ALL), 1000)
    consumer.remember()
    until(lambda: consumer.partitions(kafka.changes) == ALL, consumer)
    consumer.remember()
    assert not consumer._uncommitted()


@pytest.mark.parametrize("lease", [1, 600])
def test_a_lease_may_be_shorter_or_longer_than_what_a_broker_takes(lease: float) -> None:
    with MockCluster() as cluster:
        kafka = Kafka(EngineSettings(events=f"kafka://{cluster.address}", lease=lease))
        GroupConsumer(kafka, kafka.engines_group, [kafka.changes]).close()


def test_a_broker_that_is_away_is_told_of_and_never_waited_for_and_all_goes_on_when_it_is_back() -> None:
    with MockCluster() as cluster:
        cluster.topic("x.changes", PARTITIONS)
        kafka = kafka_at(cluster.address, "x")
        consumer = GroupConsumer(kafka, kafka.engines_group, [kafka.changes])
        until(lambda: consumer.partitions(kafka.changes) == ALL, consumer)
        cluster.down()
        until(lambda: consumer.trouble, consumer)
        assert "Kafka at 127.0.0.1" in str(consumer.trouble)
        cluster.up()
        until(lambda: consumer.trouble is None, consumer)
        sent(kafka, numbered(kafka.changes, range(20)))
        assert sorted(numbers(polled(consumer, lambda found: len(found) >= 20))) == list(range(20))
        consumer.close()


def test_a_consumer_can_leave_while_the_broker_is_away() -> None:
    with MockCluster() as cluster:
        cluster.topic("x.changes", PARTITIONS)
        kafka = kafka_at(cluster.address, "x")
        sent(kafka, numbered(kafka.changes, range(20)))
        consumer = GroupConsumer(kafka, kafka.engines_group, [kafka.changes])
        polled(consumer, lambda found: len(found) >= 20)
        consumer.remember()
        cluster.down()
        consumer.close()
        consumer.close()
