"""A source on Kafka: what a consumer reads, with its offsets committed once everything that came of it is in the store.

A process has it once, however many workers it has, and so has each process of a cluster. Bytewax ends an epoch every
second: `snapshot` is called, and the first `next_batch` after it only when every output has finished that epoch.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final, TypeVar
from uuid import uuid4

from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition, StatelessSourcePartition

from dataflows.kafka.consuming import GroupConsumer

T = TypeVar("T")

LEAVING_PAUSE: Final = timedelta(milliseconds=20)  # between two looks whether the consumer is gone


class Committed(StatefulSourcePartition[T, None]):
    """What a `reader` makes of the messages of its consumer. When it stops, the consumer commits all and leaves.

    Meanwhile other sources go on, and other consumers leave at the same time: no broker says how long it takes.
    """

    def __init__(self, reader: StatelessSourcePartition[T], consumer: GroupConsumer) -> None:
        self._reader = reader
        self._consumer = consumer
        self._stopped = False
        self._epoch_over = False
        self._all_over = False
        self._leaving = False

    def next_batch(self) -> list[T]:
        """What the reader has, after everything of the epochs before was written."""
        if self._leaving:
            if self._consumer.gone():
                raise StopIteration
            return []
        if self._epoch_over and self.may_commit():
            self._epoch_over = False
            if self._all_over:
                self.leave()
                return []
            self._consumer.commit()
        if not self._stopped:
            try:
                return list(self._reader.next_batch())
            except StopIteration:
                self._stopped = True
        return []

    def may_commit(self) -> bool:
        """Whether all is written that came of what was handed out; if not, this is asked again in the next turn."""
        return True

    def leave(self, *, commit: bool = True) -> None:
        """Let the consumer commit all, unless it mustn't yet, and leave its group; nothing more is read."""
        self._leaving = True
        self._consumer.leave(commit=commit)

    def next_awake(self) -> datetime | None:
        """When the reader wants to be asked again."""
        return datetime.now(UTC) + LEAVING_PAUSE if self._leaving else self._reader.next_awake()

    def snapshot(self) -> None:
        """The end of an epoch: nothing to keep, but offsets to remember."""
        if self._leaving:
            return
        self._consumer.remember()
        self._epoch_over, self._all_over = True, self._stopped


class KafkaSource(FixedPartitionedSource[T, None]):
    """A source that each process opens once."""

    def __init__(self, open_: Callable[[], Committed[T]]) -> None:
        self._open = open_
        self._process = uuid4().hex

    def list_parts(self) -> list[str]:
        """This process: its workers name the same part, those of others another."""
        return [self._process]

    def build_part(self, step_id: str, for_part: str, resume_state: None) -> Committed[T]:  # noqa: ARG002 - Bytewax's
        """Called in the worker of this process that has the part."""
        return self._open()
