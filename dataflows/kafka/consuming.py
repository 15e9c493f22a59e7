"""The consumer: what a process reads of topics as a member of a group, and how far it has got.

    broker ─► poll() ─► … the dataflow … ─► the store
                 │
                 └─ remember() at the end of the epoch ─► commit() when every output has finished it

Offsets are committed only when the effects of the messages are in the store: a process that is killed has its last
second read again. Partitions move to other members one by one, and those that stay are not interrupted.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from threading import Thread
from time import monotonic, sleep
from typing import Final, NamedTuple, TypeAlias, cast

import structlog
from confluent_kafka import OFFSET_BEGINNING, TIMESTAMP_NOT_AVAILABLE, Consumer, KafkaException, TopicPartition
from confluent_kafka import KafkaError as ClientError
from confluent_kafka import Message as ClientMessage

from dataflows.kafka.connection import Kafka
from dataflows.metrics import KAFKA_UNAVAILABLE

SHORTEST_SESSION_SECONDS: Final = 6.0  # what brokers allow by default
LONGEST_SESSION_MS: Final = 300_000  # its client's default `max.poll.interval.ms`, which is a bound
WATCH_SECONDS: Final = 2.0
LAST_COMMIT_SECONDS: Final = 3.0
LEAVING_SECONDS: Final = 8.0  # with that commit; the client gives its request to leave 5 s
PREFETCHED_KBYTES: Final = 4 * 1024
NO_BROKER: Final = ClientError(ClientError._ALL_BROKERS_DOWN, "no broker answers")  # noqa: SLF001 - so the client names it

log = structlog.get_logger("kafka")

Place: TypeAlias = tuple[str, int]
"""A partition of a topic."""


class Message(NamedTuple):
    """A message of a topic; one without a value is a tombstone. It is `intact` unless its headers can't be read."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int | None
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]]
    intact: bool = True


def message_of(found: ClientMessage) -> Message:
    """A message as the client has it, which must be none of its errors."""
    topic, partition, offset = found.topic(), found.partition(), found.offset()
    assert topic is not None and partition is not None and offset is not None  # noqa: S101, PT018 - as its types don't say
    kind, timestamp = found.timestamp()
    headers = _headers(found)
    return Message(
        topic,
        partition,
        offset,
        None if kind == TIMESTAMP_NOT_AVAILABLE else timestamp,
        found.key(),
        found.value(),
        headers or [],
        headers is not None,
    )


def _headers(found: ClientMessage) -> list[tuple[str, bytes | None]] | None:
    """The headers of a message; None if the name of one is not UTF-8, which the client can't handle."""
    try:
        return list(cast("list[tuple[str, bytes | None]]", found.headers() or []))
    except (SystemError, UnicodeDecodeError):
        return None


def _nobody(_places: frozenset[Place]) -> None:
    pass


class GroupConsumer:
    """A member of a consumer group, to be used by one thread.

    `left` is told of partitions that other members read from now on, `lost` of those whose messages were deleted before
    anybody in the group had read them. A group that is new to a partition begins at its earliest message.
    """

    def __init__(
        self,
        kafka: Kafka,
        group: str,
        topics: Iterable[str],
        *,
        left: Callable[[frozenset[Place]], None] = _nobody,
        lost: Callable[[frozenset[Place]], None] = _nobody,
    ) -> None:
        self.trouble: str | None = None
        """What is wrong at the moment, in a sentence."""
        self._kafka = kafka
        self._group = group
        self._left = left
        self._lost = lost
        self._assigned: set[Place] = set()
        self._held: set[Place] = set()
        self._read: dict[Place, int] = {}
        self._remembered: dict[Place, int] = {}
        self._committed: dict[Place, int] = {}
        self._refusal: str | None = None
        self._leaving: Thread | None = None
        self._gone_by = 0.0
        longest = kafka.option("max.poll.interval.ms", LONGEST_SESSION_MS) / 1000
        session = min(max(SHORTEST_SESSION_SECONDS, kafka.settings.lease), longest)
        self._consumer = Consumer(
            kafka.client(
                auto_offset_reset="error",  # else it would jump over deleted messages without a word
                enable_auto_commit=False,
                enable_auto_offset_store=False,
                group_id=group,
                on_commit=self._answered,
                partition_assignment_strategy="cooperative-sticky",
                queued_max_messages_kbytes=PREFETCHED_KBYTES,
                session_timeout_ms=int(session * 1000),
                statistics_interval_ms=int(WATCH_SECONDS * 1000),
                stats_cb=self._watch,
            )
        )
        self._consumer.subscribe(list(topics), on_assign=self._came, on_revoke=self._went, on_lost=self._went)

    def poll(self, limit: int, *, held: bool = False) -> list[Message]:
        """Up to `limit` messages that are at hand. Never waits.

        Without messages it is of use as well: it is how a member stays in its group. While it is `held` there are none,
        but for a few of partitions that come meanwhile.
        """
        messages: list[Message] = []
        gone: list[ClientMessage] = []
        try:
            self._hold(held=held)
            for one in self._consumer.consume(limit, 0):
                error = one.error()
                if error is None:
                    messages.append(self._handed_out(one))
                elif error.name() == "_AUTO_OFFSET_RESET":
                    gone.append(one)
                else:
                    self._refused(error)
            if gone:
                self._begin_again(gone)
        except KafkaException as error:
            self._refused(error.args[0])
        return messages

    def remember(self) -> None:
        """Note how far messages have been handed out: called at the end of an epoch."""
        self._remembered.update(self._read)

    def commit(self) -> None:
        """Commit what was remembered: called when every output has finished that epoch. Doesn't wait."""
        offsets = [
            TopicPartition(*place, offset)
            for place, offset in self._remembered.items()
            if place in self._assigned and self._committed.get(place) != offset
        ]
        if offsets:
            try:
                self._consumer.commit(offsets=offsets, asynchronous=True)
            except KafkaException as error:
                self._refused(error.args[0])

    def partitions(self, topic: str) -> frozenset[int]:
        """The partitions of a topic that this member reads at the moment."""
        return frozenset(partition for name, partition in self._assigned if name == topic)

    def leave(self, *, commit: bool = True) -> None:
        """Begin to commit what was remembered, unless it mustn't be yet, and to leave the group. Idempotent.

        It takes a while, above all when other members come or go, and is done elsewhere: nothing else may be asked of
        this member from now on but whether it is `gone`.
        """
        if self._leaving is not None:
            return
        if not commit:
            self._remembered.clear()
        self._gone_by = monotonic() + LEAVING_SECONDS
        self._leaving = Thread(target=self._leave, name=f"leave {self._group}", daemon=True)
        self._leaving.start()

    def gone(self) -> bool:
        """Whether it has left the group, or nobody may wait for that any longer: then its session has to end there."""
        if self._leaving is None:
            return False
        if not self._leaving.is_alive():
            return True
        if monotonic() < self._gone_by:
            return False
        log.warning("group_not_left", group=self._group, seconds=LEAVING_SECONDS)
        return True

    def close(self, *, commit: bool = True) -> None:
        """Leave the group, and wait until it is gone."""
        self.leave(commit=commit)
        while not self.gone():
            sleep(0.01)

    def _leave(self) -> None:
        self.commit()
        give_up = monotonic() + LAST_COMMIT_SECONDS
        while self._uncommitted() and self.trouble is None and monotonic() < give_up:
            self._consumer.poll(0.05)  # hears the answer
        try:
            self._consumer.close()
        except KafkaException as error:
            log.warning("group_not_left", group=self._group, error=error.args[0].str())

    def _uncommitted(self) -> bool:
        return any(self._committed.get(place) != self._remembered.get(place) for place in self._remembered)

    def _hold(self, *, held: bool) -> None:
        if held and self._assigned != self._held:
            self._consumer.pause([TopicPartition(*place) for place in self._assigned - self._held])
            self._held = set(self._assigned)
        elif self._held and not held:
            self._consumer.resume([TopicPartition(*place) for place in self._assigned])
            self._held = set()

    def _handed_out(self, one: ClientMessage) -> Message:
        message = message_of(one)
        self._read[message.topic, message.partition] = message.offset + 1
        self._refusal = None
        return message

    def _begin_again(self, gone: list[ClientMessage]) -> None:
        """Go on from the earliest message where there is none at the place that the group has got to, or it is new."""
        offsets = {(one.topic() or "", one.partition() or 0): one.offset() for one in gone}
        here = offsets.keys() & self._assigned  # others have left meanwhile
        places = [TopicPartition(*place, OFFSET_BEGINNING) for place in here]
        self._held -= here
        self._forget(here)
        self._consumer.incremental_unassign(places)
        self._consumer.incremental_assign(places)
        lost = frozenset(place for place in here if offsets[place] is not None)
        if lost:
            self._lost(lost)

    def _came(self, _consumer: Consumer, partitions: list[TopicPartition]) -> None:
        came = {(one.topic, one.partition) for one in partitions}
        self._assigned |= came
        self._forget(came)  # others may have read on from where this member had got to
        self._refusal = None
        log.info("partitions_came", group=self._group, came=len(partitions), now=len(self._assigned))

    def _went(self, _consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """Their offsets were committed when this poll began, as far as they may be."""
        went = frozenset((one.topic, one.partition) for one in partitions)
        self._assigned -= went
        self._held -= went
        self._forget(went)
        log.info("partitions_went", group=self._group, went=len(went), now=len(self._assigned))
        self._left(went)

    def _forget(self, places: Iterable[Place]) -> None:
        """What was read of these partitions counts no longer."""
        for place in places:
            for offsets in (self._read, self._remembered, self._committed):
                offsets.pop(place, None)

    def _answered(self, error: ClientError | None, offsets: list[TopicPartition]) -> None:
        """What became of a commit; one that failed is made again with the next."""
        for one in offsets:
            if error is None and one.error is None and (one.topic, one.partition) in self._assigned:
                self._committed[one.topic, one.partition] = one.offset
        if error is not None:
            log.info("offsets_not_committed", group=self._group, error=error.str())

    def _watch(self, statistics: str) -> None:
        """See every few seconds whether a broker is connected: the client itself only says when one goes."""
        if any(broker["state"] == "UP" for broker in json.loads(statistics)["brokers"].values()):
            self._suffer(self._refusal)
        else:
            self._suffer(str(self._kafka.error(NO_BROKER)))

    def _refused(self, error: ClientError) -> None:
        self._refusal = str(self._kafka.error(error, f"group {self._group}"))
        self._suffer(self._refusal)

    def _suffer(self, trouble: str | None) -> None:
        if trouble is not None and self.trouble is None:
            KAFKA_UNAVAILABLE.inc()
            log.warning("kafka_unavailable", group=self._group, error=trouble)
        elif trouble is None and self.trouble is not None:
            log.info("kafka_available", group=self._group)
        self.trouble = trouble
