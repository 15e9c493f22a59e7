"""How far a consumer group has got with a topic, as the brokers know it."""

from time import monotonic, sleep
from typing import Final, NamedTuple

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from dataflows.kafka.connection import Kafka
from dataflows.kafka.errors import KafkaError

PATIENCE_SECONDS: Final = 10.0
AGAIN_SECONDS: Final = 0.2
_EARLIEST: Final = OffsetSpec.earliest()  # type: ignore[no-untyped-call]  # the client's
_LATEST: Final = OffsetSpec.latest()  # type: ignore[no-untyped-call]  # likewise


class Lag(NamedTuple):
    """What the brokers know: how many messages the group has still to read, and how many members are there to do it."""

    unread: int
    members: int


def lag(kafka: Kafka, group: str, topic: str) -> Lag:
    """How far a group is behind on a topic that `kafka.check` has seen. Changes nothing.

    Raises:
        KafkaUnavailable: no broker has answered in time.
        KafkaError: it refuses to answer.
    """
    admin = kafka.admin()
    places = [TopicPartition(topic, number) for number in range(kafka.counts[topic])]
    give_up = monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return _asked(admin, group, places)
        except KafkaException as error:
            worded = kafka.error(error.args[0], f"group {group}")
            if isinstance(worded, KafkaError) or monotonic() >= give_up:
                raise worded from None
            sleep(AGAIN_SECONDS)  # a broker that has just started may not know yet who looks after the group


def _asked(admin: AdminClient, group: str, places: list[TopicPartition]) -> Lag:
    first, end = (_offsets(admin, places, bound) for bound in (_EARLIEST, _LATEST))
    of_group = [ConsumerGroupTopicPartitions(group, places)]
    committed = admin.list_consumer_group_offsets(of_group, request_timeout=PATIENCE_SECONDS)[group].result()
    members = admin.describe_consumer_groups([group], request_timeout=PATIENCE_SECONDS)[group].result().members
    unread = sum(end[one.partition] - max(first[one.partition], one.offset) for one in committed.topic_partitions)
    return Lag(unread, len(members))


def _offsets(admin: AdminClient, places: list[TopicPartition], bound: OffsetSpec) -> dict[int, int]:
    """The offset of each partition's first message, or the one after its last."""
    asked = admin.list_offsets(dict.fromkeys(places, bound), request_timeout=PATIENCE_SECONDS)
    return {place.partition: answer.result().offset for place, answer in asked.items()}
