"""The source of triggers: a consumer of the bound topics, one a process.

    <prefix>.triggers ─► read ─► … accept … ─┬─► the store
                          ▲                  └─► outbox ─► dead letters
                          └── commits when both have all of an epoch

While letters are on their way, or very many runs wait for their turn, it reads nothing, and only stays in its consumer
group. So what a process holds is bounded, however long letters can't be written.
"""

from collections.abc import Mapping
from datetime import datetime
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
from dataflows.sources import IDLE_SECONDS
from dataflows.triggers.accept import Acceptor
from dataflows.triggers.letters import Letter
from dataflows.triggers.outbox import Outbox

DOING: Final = "read triggers"
AT_ONCE: Final = 250
HELD_SECONDS: Final = 1.0  # between polls that are of no use but to stay in the group
WAITING_AT_MOST: Final = 10_000  # runs that wait for a slot

log = structlog.get_logger("engine")


class Reader(StatelessSourcePartition[Message]):
    """Polled in each turn of the dataflow."""

    def __init__(self, shell: Shell, consumer: GroupConsumer, outbox: Outbox) -> None:
        self._shell = shell
        self._consumer = consumer
        self._outbox = outbox
        self._next_look = 0.0
        self._polled = 0.0

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
        if held and now < self._polled + HELD_SECONDS:
            return []  # mostly it is over in a moment
        self._polled = now
        messages = self._consumer.poll(AT_ONCE, held=held)
        if not messages:
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
        """When to look again."""
        return self._shell.next_turn()


class _Written(Committed[Message]):
    """Commits only when the dead letters are written, too."""

    def __init__(self, shell: Shell, consumer: GroupConsumer, outbox: Outbox) -> None:
        super().__init__(Reader(shell, consumer, outbox), consumer)
        self._shell, self._outbox = shell, outbox

    def may_commit(self) -> bool:
        return self._outbox.empty()

    def next_batch(self) -> list[Message]:
        if self._shell.overtime and not self._leaving:
            self._outbox.close()  # whoever reads the messages next writes their letters
            self.leave(commit=self._outbox.empty())
        try:
            return super().next_batch()
        except StopIteration:
            self._outbox.close()
            raise


class _Nothing(StatelessSourcePartition[Message]):
    def __init__(self, shell: Shell) -> None:
        self._shell = shell

    def next_batch(self) -> list[Message]:
        if self._shell.stopping:
            raise StopIteration
        return []

    def next_awake(self) -> datetime | None:
        return self._shell.next_turn(IDLE_SECONDS)


class _NoSource(DynamicSource[Message]):
    """Nothing, until the engine stops."""

    def __init__(self, shell: Shell) -> None:
        self._shell = shell

    def build(self, step_id: str, worker_index: int, worker_count: int) -> _Nothing:  # noqa: ARG002 - Bytewax's
        return _Nothing(self._shell)


class Triggers:
    """What a process has to do with triggers; without Kafka, or without a topic of them, nothing ever comes."""

    def __init__(self, shell: Shell, kafka: Kafka | None) -> None:
        self._bindings: Mapping[str, Binding] = {} if kafka is None else kafka.triggers
        self._shell = shell
        self._kafka = kafka
        self._outbox: Outbox | None = None

    def source(self) -> Source[Message]:
        """The input of the dataflow."""
        return KafkaSource(self._open) if self._bindings else _NoSource(self._shell)

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
