"""The outbox: dead letters on their way to the broker, and the sink that puts them in.

    accept ─► letters ─► Outbox ─► (a thread, until the broker says yes) ─► <prefix>.triggers.dlq

Runs don't wait for the broker: only the source of triggers does, which neither reads on nor commits while any letter is
unacknowledged. So none is lost, and at worst some are written twice.
"""

from collections.abc import Callable, Sequence
from itertools import chain, repeat
from queue import SimpleQueue
from threading import Event, Lock, Thread
from time import time
from typing import Final

import structlog
from bytewax.outputs import DynamicSink, StatelessSinkPartition

from dataflows import metrics
from dataflows.kafka.errors import KafkaError, KafkaUnavailable, RecordTooLarge
from dataflows.kafka.publishing import Record
from dataflows.triggers.letters import Letter, is_shortened, letter_of, shortened

DOING: Final = "write dead letters"
CLOSING_SECONDS: Final = 1.0
_RETRY_SECONDS: Final = (0.05, 0.25, 1.0, 5.0)

log = structlog.get_logger("engine")


class Outbox:
    """Letters on their way. `send` is a publisher's; `troubles` is told what keeps them from being sent."""

    def __init__(self, send: Callable[[Sequence[Record]], None], topic: str, troubles: dict[str, str]) -> None:
        self._send, self._topic, self._troubles = send, topic, troubles
        self._queue: SimpleQueue[list[Letter] | None] = SimpleQueue()
        self._pending = 0
        self._lock = Lock()
        self._closing = Event()
        self._thread = Thread(target=self._work, name="dead-letters", daemon=True)
        self._thread.start()

    def put(self, letters: list[Letter]) -> None:
        """Have these sent; returns at once."""
        with self._lock:
            self._pending += len(letters)
        self._queue.put(letters)

    def empty(self) -> bool:
        """Whether the broker has acknowledged every letter so far."""
        with self._lock:
            return not self._pending

    def close(self) -> None:
        """Stop trying: the messages of what hasn't been sent will be read again. Idempotent."""
        self._closing.set()
        self._queue.put(None)
        self._thread.join(CLOSING_SECONDS)

    def _work(self) -> None:
        while (letters := self._queue.get()) is not None and self._sent(letters):
            for letter in letters:
                metrics.DEAD_LETTERS.labels(letter.refusal.code).inc()
            with self._lock:
                self._pending -= len(letters)

    def _sent(self, letters: list[Letter]) -> bool:
        """Send them, however often it takes; False if the outbox is closed before."""
        records = [letter_of(letter, self._topic, time()) for letter in letters]
        pauses = chain(_RETRY_SECONDS, repeat(_RETRY_SECONDS[-1]))
        while not self._closing.is_set():
            try:
                self._send(records)
            except (KafkaUnavailable, KafkaError) as error:
                if isinstance(error, RecordTooLarge) and not is_shortened(records[error.index]):
                    records[error.index] = shortened(records[error.index])
                    continue
                self._troubles[DOING] = f"dead letters can't be written: {error}"
                metrics.KAFKA_UNAVAILABLE.inc()
                log.warning("dead_letters_not_written", letters=len(letters), error=str(error))
                self._closing.wait(next(pauses))
            else:
                self._troubles.pop(DOING, None)
                return True
        return False


class DeadLetterSink(DynamicSink[tuple[str, Letter]]):
    """Puts letters into an outbox."""

    def __init__(self, put: Callable[[list[Letter]], None]) -> None:
        self._put = put

    def build(self, step_id: str, worker_index: int, worker_count: int) -> "_Partition":  # noqa: ARG002
        """Called once by each worker."""
        return _Partition(self._put)


class _Partition(StatelessSinkPartition[tuple[str, Letter]]):
    def __init__(self, put: Callable[[list[Letter]], None]) -> None:
        self._put = put

    def write_batch(self, items: list[tuple[str, Letter]]) -> None:
        self._put([letter for _, letter in items])
