"""The changes source on Kafka: what others wrote comes from the topic of changes, each partition to one engine.

    icefloe.changes ─► those of other writers ─► their runs ─┐
                                                             ├─► load ─► orchestrate …
    echo: what this process wrote itself ────────────────────┘

So a run is in the hands of the engine that writes it as well as of the one that has its partition; the claim decides.
Messages only say where to look: a run is read from the store, and whatever becomes of a message is healed by `wake_at`.
"""

from dataflows import metrics
from dataflows.kafka.connection import Kafka
from dataflows.kafka.consuming import GroupConsumer, Message, Place
from dataflows.kafka.messages import Malformed, run_of, writer_of
from dataflows.kafka.source import Committed, KafkaSource
from dataflows.shell import Shell
from dataflows.sources import PAGE, Changes, Keyed, look_at_all

TROUBLE = "kafka"


class KafkaFeed(Changes):
    """The topic of changes."""

    def __init__(self, shell: Shell, kafka: Kafka) -> None:
        super().__init__(shell)
        self._lost: frozenset[Place] = frozenset()
        self.consumer = GroupConsumer(kafka, kafka.engines_group, [kafka.changes], lost=self._lose)

    def others(self) -> list[str]:
        """The runs of the messages at hand."""
        shell = self._shell
        if self._lost:
            where = ", ".join(f"{topic}[{partition}]" for topic, partition in sorted(self._lost))
            look_at_all(shell, f"messages of {where} were deleted before they were read: its retention is too short")
            self._lost = frozenset()
        messages = self.consumer.poll(PAGE)
        self._more = len(messages) == PAGE
        if self.consumer.trouble is None:
            shell.troubles.pop(TROUBLE, None)
        else:
            shell.troubles[TROUBLE] = self.consumer.trouble
        metrics.CHANGES_READ.inc(len(messages))
        owner = shell.lease.owner
        runs = (_run(message) for message in messages if writer_of(message) != owner)  # else the echo has it
        return list(dict.fromkeys(run_id for run_id in runs if run_id is not None))

    def _lose(self, places: frozenset[Place]) -> None:
        self._lost |= places


def _run(message: Message) -> str | None:
    try:
        return run_of(message)
    except Malformed as why:
        metrics.CHANGES_SKIPPED.labels(str(why)).inc()
        return None


def kafka_changes(shell: Shell, kafka: Kafka) -> KafkaSource[Keyed]:
    """The source of a process."""

    def open_() -> Committed[Keyed]:
        feed = KafkaFeed(shell, kafka)
        return Committed(feed, feed.consumer)

    return KafkaSource(open_)
