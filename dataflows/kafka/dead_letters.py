"""The topic of dead letters, as a person reads it: the newest, all, or one at a place; and which were replayed.

It is read without a group. The group `<prefix>.triggers.dlq` only remembers what was replayed, so its lag is how many
letters nobody has dealt with.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from time import monotonic
from typing import Final

from confluent_kafka import Consumer, KafkaException, TopicPartition

from dataflows.kafka.connection import Kafka
from dataflows.kafka.consuming import NO_BROKER, Message, message_of
from dataflows.kafka.errors import KafkaError
from dataflows.triggers.replayed import Replayed

PATIENCE_SECONDS: Final = 10.0
_AT_ONCE: Final = 100


class DeadLetters:
    """The letters of all partitions, each known by its partition and offset.

    All methods may raise `KafkaUnavailable` (no answer in time) and `KafkaError`.
    """

    def __init__(self, kafka: Kafka) -> None:
        kafka.check([kafka.dead_letters])
        self._kafka = kafka
        self._topic = kafka.dead_letters
        self._places = [TopicPartition(self._topic, number) for number in range(kafka.counts[self._topic])]
        self._consumer = Consumer(
            kafka.client(
                auto_offset_reset="earliest",  # letters may be deleted while they are read
                enable_auto_commit=False,
                enable_partition_eof=True,
                group_id=self._topic,
            )
        )

    def newest(self, limit: int) -> list[Message]:
        """The newest letters, the newest first."""
        bounds = self._bounds()
        found = self._read({partition: max(first, end - limit) for partition, (first, end) in bounds.items()}, bounds)
        return sorted(found, key=lambda one: (one.timestamp_ms or 0, one.offset), reverse=True)[:limit]

    def all(self) -> Iterator[Message]:
        """Every letter that there is now, in order within its partition."""
        bounds = self._bounds()
        return self._read({partition: first for partition, (first, _) in bounds.items()}, bounds)

    def at(self, partition: int, offset: int) -> Message | None:
        """The letter at a place; None if there is none."""
        first, end = self._bounds().get(partition, (0, 0))
        if not first <= offset < end:
            return None
        return next(self._read({partition: offset}, {partition: (offset, offset + 1)}), None)

    def replayed(self) -> dict[int, Replayed]:
        """What was replayed, by partition; of letters that are gone it is no longer known."""
        bounds = self._bounds()
        with _worded(self._kafka):
            known = self._consumer.committed(self._places, timeout=PATIENCE_SECONDS)
        return {
            one.partition: Replayed.read(one.offset, one.metadata or "").and_also((), bounds[one.partition][0])
            for one in known
        }

    def remember(self, replayed: Mapping[int, Replayed]) -> None:
        """Remember what was replayed, by partition."""
        offsets = [
            TopicPartition(self._topic, partition, one.until, metadata=one.text())
            for partition, one in replayed.items()
        ]
        with _worded(self._kafka):
            self._consumer.commit(offsets=offsets, asynchronous=False)

    def close(self) -> None:
        """Disconnect."""
        self._consumer.close()

    def _bounds(self) -> dict[int, tuple[int, int]]:
        """The offset of the first letter of each partition, and the one after its last."""
        bounds: dict[int, tuple[int, int]] = {}
        for place in self._places:
            with _worded(self._kafka):
                bounds[place.partition] = self._consumer.get_watermark_offsets(place, timeout=PATIENCE_SECONDS)
        return bounds

    def _read(self, starts: Mapping[int, int], bounds: Mapping[int, tuple[int, int]]) -> Iterator[Message]:
        """The letters from these offsets on, up to the ends."""
        left = {partition for partition, start in starts.items() if start < bounds[partition][1]}
        self._consumer.assign([TopicPartition(self._topic, partition, starts[partition]) for partition in left])
        give_up = monotonic() + PATIENCE_SECONDS
        while left:
            for found in self._consumer.consume(_AT_ONCE, 0.2):
                error = found.error()
                if error is None:
                    give_up = monotonic() + PATIENCE_SECONDS
                    letter = message_of(found)
                    end = bounds[letter.partition][1]
                    if letter.offset < end:
                        yield letter
                    if letter.offset >= end - 1:
                        left.discard(letter.partition)
                elif error.name() == "_PARTITION_EOF":
                    left.discard(found.partition() or 0)
                elif isinstance(worded := self._kafka.error(error, f"topic {self._topic}"), KafkaError):
                    raise worded
            if left and monotonic() >= give_up:
                raise self._kafka.error(NO_BROKER)
        self._consumer.unassign()


@contextmanager
def _worded(kafka: Kafka) -> Iterator[None]:
    """Errors of the client, in words."""
    try:
        yield
    except KafkaException as error:
        raise kafka.error(error.args[0], f"group {kafka.dead_letters}") from None
