"""Kafka, as the benchmarks use it: topics that are gone afterwards, and a producer as anybody might write it."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from confluent_kafka import KafkaException, Producer
from confluent_kafka.admin import AdminClient

from bench.processes import BenchError

_SECONDS = 30.0


@contextmanager
def topics(address: str, prefix: str) -> Iterator[None]:
    """The topics of this prefix are deleted at the end.

    Raises:
        BenchError: they can't be deleted.
    """
    try:
        yield
    except BaseException:
        with suppress(KafkaException):  # what went wrong before is what matters
            _delete(address, prefix)
        raise
    try:
        _delete(address, prefix)
    except KafkaException as error:
        raise BenchError(f"the topics {prefix}.* can't be deleted: {error}") from error


def _delete(address: str, prefix: str) -> None:
    client = AdminClient({"bootstrap.servers": address})
    names = [name for name in client.list_topics(timeout=_SECONDS).topics if name.startswith(f"{prefix}.")]
    for deletion in client.delete_topics(names, operation_timeout=_SECONDS).values() if names else ():
        deletion.result()


class Sender:
    """Sends messages to the topic that starts runs, each at once and by itself."""

    def __init__(self, address: str, prefix: str) -> None:
        self._topic = f"{prefix}.triggers"
        self._producer = Producer({"bootstrap.servers": address, "linger.ms": 0, "acks": "all"})
        self._lost: list[str] = []

    def send(self, value: bytes) -> None:
        """Give a message to the client library; it isn't waited for."""
        self._producer.produce(self._topic, value, on_delivery=self._delivered)
        self._producer.poll(0)

    def settle(self) -> None:
        """Wait until the broker has all messages.

        Raises:
            BenchError: it hasn't.
        """
        left = self._producer.flush(_SECONDS)
        if left or self._lost:
            raise BenchError(f"{left or len(self._lost)} messages to {self._topic} were not taken {self._lost[:1]}")

    def _delivered(self, error: object, _message: object) -> None:
        if error is not None:
            self._lost.append(str(error))
