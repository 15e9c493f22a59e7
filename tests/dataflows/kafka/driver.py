"""What tests of Kafka do again and again: send numbered records, read a topic from its beginning, wait for messages."""

from collections.abc import Callable, Iterable, Sequence
from time import monotonic, sleep
from typing import Any, Final

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, TopicPartition

from dataflows.kafka.connection import Kafka
from dataflows.kafka.consuming import GroupConsumer, Message, message_of
from dataflows.kafka.publishing import Publisher, Record
from dataflows.settings import EngineSettings

PATIENCE: Final = 60.0
PARTITIONS: Final = 4


def kafka_at(address: str, prefix: str, **settings: Any) -> Kafka:
    return Kafka(EngineSettings(events=f"kafka://{address}", topic_prefix=prefix, lease=6, **settings))


def numbered(topic: str, numbers: Iterable[int], keys: int = 5) -> list[Record]:
    """Records with a number each, dealt out to some keys."""
    return [Record(topic, f"key-{number % keys}".encode(), str(number).encode()) for number in numbers]


def numbers(messages: Sequence[Message]) -> list[int]:
    return [int(message.value or b"-1") for message in messages]


def sent(kafka: Kafka, records: Sequence[Record]) -> None:
    publisher = Publisher(kafka)
    publisher.send(records, PATIENCE)
    publisher.close()


def ends(kafka: Kafka, topic: str) -> dict[int, int]:
    """The offset after the last message of each partition."""
    consumer = Consumer(kafka.client(group_id="of-nobody"))
    partitions = consumer.list_topics(topic, timeout=PATIENCE).topics[topic].partitions
    found = {one: _end(consumer, TopicPartition(topic, one)) for one in partitions}
    consumer.close()
    return found


def _end(consumer: Consumer, partition: TopicPartition) -> int:
    """The offset after the last message; a broker may know of a partition a moment before it leads it."""
    give_up = monotonic() + PATIENCE
    while True:
        try:
            return consumer.get_watermark_offsets(partition, timeout=PATIENCE)[1]
        except KafkaException as error:
            if error.args[0].name() != "NOT_LEADER_FOR_PARTITION" or monotonic() >= give_up:
                raise
            sleep(0.1)


def whole(kafka: Kafka, topic: str) -> list[Message]:
    """All messages of a topic; those of one partition in order."""
    expected = ends(kafka, topic)
    consumer = Consumer(kafka.client(group_id="of-nobody", enable_auto_commit=False))
    consumer.assign([TopicPartition(topic, one, OFFSET_BEGINNING) for one in expected])
    found: list[Message] = []
    give_up = monotonic() + PATIENCE
    while len(found) < sum(expected.values()):
        assert monotonic() < give_up, f"{len(found)} of {expected}"
        found += [message_of(one) for one in consumer.consume(1000, 0.1) if one.error() is None]
    consumer.close()
    return found


def polled(consumer: GroupConsumer, enough: Callable[[list[Message]], bool]) -> list[Message]:
    """What a consumer gets until it is enough."""
    found: list[Message] = []
    give_up = monotonic() + PATIENCE
    while not enough(found):
        assert monotonic() < give_up, found
        found += consumer.poll(100)
        sleep(0.002)
    return found


def until(condition: Callable[[], object], *consumers: GroupConsumer) -> None:
    """Let consumers do their part in a group until something holds."""
    give_up = monotonic() + PATIENCE
    while not condition():
        assert monotonic() < give_up
        for consumer in consumers:
            consumer.poll(1)
        sleep(0.002)
