"""The source of triggers: a consumer of the bound topics, one a process.

    <prefix>.triggers ─► read ─► … accept … ─┬─► the store
                          ▲                  └─► outbox ─► dead letters
                          └── commits when both have all of an epoch

While letters are on their way, or very many runs wait for their turn, it reads one message a second: just enough to
stay in its consumer group.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Final

import structlog
from bytewax.inputs import DynamicSource, Source, StatelessSourcePartition

from dataflows import metrics
from dataflows.kafka.connection import Kafka
from dataflows.kafka.consuming import GroupConsumer, Message, Place
from dataflows.kafka.publishing import Publisher
from dataflows.kafka.source import Committed, KafkaSource
from dataflows.settings import Binding
from dataflows.shell import Shell
from dataflows.triggers.accept import Acceptor
from dataflows.triggers.letters import Letter
from dataflows.triggers.outbox import Outbox

DOING: Final = "read triggers"
AT_ONCE: Final = 250
HELD_SECONDS: Final = 1.0
WAITING_AT_MOST: Final = 10_000  # runs that wait for a slot

_AT_ONCE: Final = datetime(1970, 1, 1, tzinfo=UTC)

log = structlog.get_logger("engine")


class Reader(StatelessSourcePartition[Message]):
    """Polled in each turn of the dataflow."""

    def __init__(self, shell: Shell, consumer: GroupConsumer, outbox: Outbox) -> None:
        self._shell = shell
        self._consumer = consumer
        self._outbox = outbox
        self._next_look = 0.0

    def next_batch(self) -> list[Message]:
        """What there is now.

        Raises:
            StopIteration: the engine stops.
        """
        shell = self._shell
        if shell.stopping:
            raise StopIteration
        now = monotonic()
        if now < self._next_look:
            return []
        held = not self._outbox.empty() or shell.slots.waiting() > WAITING_AT_MOST
        messages = self._consumer.poll(1 if held else AT_ONCE)
        if held:
            self._next_look = now + HELD_SECONDS
        elif not messages:
            self._next_look = now + shell.pace()
        if messages:
            shell.heard()
            shell.moving = True
        if self._consumer.trouble is None:
            shell.troubles.pop(DOING, None)
        else:
            shell.troubles[DOING] = self._consumer.trouble
        return messages

    def next_awake(self) -> datetime | None:
        """In the next turn; how long one takes is for the source of completions to say."""
        return _AT_ONCE


class _Written(Committed[Message]):
    """Commits only when the dead letters are written, too."""

    def __init__(self, shell: Shell, consumer: GroupConsumer, outbox: Outbox) -> None:
        super().__init__(Reader(shell, consumer, outbox), consumer)
        self._shell, self._member, self._outbox = shell, consumer, outbox

    def may_commit(self) -> bool:
        return self._outbox.empty()

    def next_batch(self) -> list[Message]:
        if self._shell.overtime:
            self._outbox.close()  # whoever reads the messages next writes their letters
            self._member.close(commit=self._outbox.empty())
            raise StopIteration
        try:
            return super().next_batch()
        except StopIteration:
            self._outbox.close()
            raise


class _Nothing(StatelessSourcePartition[Message]):
    """Beside sources that are asked in each turn it must be as well: a later moment has Bytewax turn in vain."""

    def __init__(self, shell: Shell, *, beside_others: bool) -> None:
        self._shell = shell
        self._beside_others = beside_others

    def next_batch(self) -> list[Message]:
        if self._shell.stopping:
            raise StopIteration
        return []

    def next_awake(self) -> datetime | None:
        return _AT_ONCE if self._beside_others else datetime.now(UTC) + timedelta(milliseconds=100)


class _NoSource(DynamicSource[Message]):
    """Nothing, until the engine stops. The first worker of a process is the one with the other sources."""

    def __init__(self, shell: Shell) -> None:
        self._shell = shell
        self._built = False

    def build(self, step_id: str, worker_index: int, worker_count: int) -> _Nothing:  # noqa: ARG002 - Bytewax's
        first, self._built = not self._built, True
        return _Nothing(self._shell, beside_others=first)


class Triggers:
    """What a process has to do with triggers; without Kafka, nothing ever comes."""

    def __init__(self, shell: Shell, kafka: Kafka | None) -> None:
        self._bindings: Mapping[str, Binding] = {} if kafka is None else kafka.triggers
        self._shell = shell
        self._kafka = kafka
        self._outbox: Outbox | None = None

    def source(self) -> Source[Message]:
        """The input of the dataflow."""
        return _NoSource(self._shell) if self._kafka is None else KafkaSource(self._open)

    def acceptor(self) -> Acceptor:
        """What the dataflow does with each batch."""
        return Acceptor(self._shell, self._bindings)

    def put(self, letters: list[Letter]) -> None:
        """Have letters written; there are none unless something was read."""
        if self._outbox is not None:
            self._outbox.put(letters)

    def _open(self) -> _Written:
        assert self._kafka is not None  # noqa: S101 - else there is another source
        kafka, shell = self._kafka, self._shell
        self._outbox = outbox = Outbox(Publisher(kafka).send, kafka.dead_letters, shell.troubles)
        return _Written(shell, GroupConsumer(kafka, kafka.triggers_group, kafka.triggers, lost=_lost), outbox)


def _lost(places: frozenset[Place]) -> None:
    metrics.HISTORY_LOST.inc()
    lost = sorted(f"{topic}/{partition}" for topic, partition in places)
    log.error("triggers_lost", partitions=lost, reason="the broker deleted messages before they were read")
