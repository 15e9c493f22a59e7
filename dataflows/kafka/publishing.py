"""The publisher: sends records, and returns when the broker has all of them.

records ─► librdkafka (idempotent: tries again for ever, in order, each record once) ─► acknowledged by all replicas
"""

from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from time import monotonic
from typing import Final, NamedTuple, NoReturn

from confluent_kafka import KafkaError as ClientError
from confluent_kafka import KafkaException, Producer
from confluent_kafka import Message as ClientMessage

from dataflows.kafka.connection import Kafka
from dataflows.kafka.errors import RecordTooLarge

PATIENCE_SECONDS: Final = 5.0
_FRAME_BYTES: Final = 128  # what surrounds a record
_FATAL: Final = (KafkaException, SystemError)  # the latter if the client calls back with the former at hand


class Record(NamedTuple):
    """What is to be sent. Records of one topic and key stay in order."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]] = ()


class Publisher:
    """A producer. Keys are put on partitions by librdkafka's `consistent`: CRC-32 modulo the number of partitions.

    Records never time out in the producer, so none can be overtaken by one that was sent after it.
    """

    def __init__(self, kafka: Kafka) -> None:
        self._kafka = kafka
        self._producer = self._connect()
        self._records: tuple[Record, ...] | None = None  # given to the producer, and not all acknowledged
        self._open = 0
        self._failed: tuple[int, ClientError] | None = None

    def send(self, records: Sequence[Record], patience: float = PATIENCE_SECONDS) -> None:
        """Send records, and wait for the broker to acknowledge each.

        Raises:
            RecordTooLarge: one is too large; unless only the broker knows the limit, nothing was sent.
            KafkaUnavailable: that took more than `patience` seconds. Nothing is given up: to send the same records
                again is to wait for them again.
            KafkaError: the broker refuses a record; of the others some may have been sent.
        """
        records = tuple(records)
        give_up = monotonic() + patience
        try:
            if records != self._records:
                self._begin(records)
            while self._open:
                self._producer.poll(0.05)
                if self._failed is not None:
                    self._fail(records, *self._failed)
                if self._open and monotonic() >= give_up:
                    raise self._kafka.error(ClientError(ClientError._TIMED_OUT, "no acknowledgement yet"))  # noqa: SLF001 - so the client names its own errors
        except _FATAL as error:  # this producer can't go on, but another one can
            known = error if isinstance(error, KafkaException) else error.__cause__
            fatal = known.args[0] if isinstance(known, KafkaException) else ClientError(ClientError._FATAL, str(error))  # noqa: SLF001 - as above
            self._fail(records, 0, fatal)
        self._records = None

    def close(self) -> None:
        """Disconnect; what was not acknowledged is given up. Idempotent."""
        with suppress(*_FATAL):
            self._producer.purge()
            self._producer.flush(1)

    def _connect(self) -> Producer:
        return Producer(
            self._kafka.client(
                acks="all",
                enable_idempotence=True,
                linger_ms=0,
                message_max_bytes=self._kafka.record_bytes,
                message_timeout_ms=0,
                partitioner="consistent",
            )
        )

    def _begin(self, records: tuple[Record, ...]) -> None:
        for index, record in enumerate(records):
            if _size(record) > self._kafka.record_bytes:
                raise RecordTooLarge(index, record.topic, self._kafka.record_bytes)
        self._records, self._open, self._failed = records, len(records), None
        answered = [partial(self._answered, self._records, index) for index in range(len(records))]
        for record, heard in zip(records, answered, strict=True):
            while not self._produced(record, heard):
                self._producer.poll(0.05)  # its queue is full

    def _produced(self, record: Record, heard: partial[None]) -> bool:
        try:
            self._producer.produce(
                record.topic, record.value, record.key, headers=list(record.headers), on_delivery=heard
            )
        except BufferError:
            return False
        except KafkaException as error:
            heard(error.args[0], None)
        return True

    def _answered(
        self, records: Sequence[Record], index: int, error: ClientError | None, _message: ClientMessage | None
    ) -> None:
        if records is not self._records:
            return  # of those before
        self._open -= 1
        if error is not None and self._failed is None:
            self._failed = index, error

    def _fail(self, records: Sequence[Record], index: int, error: ClientError) -> NoReturn:
        """Give up all that is under way, so that nothing overtakes the record that was refused."""
        self._records = None
        self.close()
        self._producer = self._connect()
        if error.name() == "MSG_SIZE_TOO_LARGE":
            raise RecordTooLarge(index, records[index].topic, self._kafka.record_bytes)
        raise self._kafka.error(error, f"topic {records[index].topic}")


def _size(record: Record) -> int:
    headers = sum(len(name) + len(value) for name, value in record.headers)
    return len(record.key or b"") + len(record.value or b"") + headers + _FRAME_BYTES
