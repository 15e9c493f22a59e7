"""The part of the check-up that is about Kafka: brokers, topics, who reads them, and the relay that fills them."""

from collections.abc import Iterator

from dataflows.kafka.connection import Kafka
from dataflows.kafka.errors import KafkaError, KafkaUnavailable
from dataflows.kafka.lag import lag
from dataflows.settings import EngineSettings, SettingsError
from icefloe.cli.wording import count
from icefloe.findings import Finding, unread
from store.protocol import Store


def check_kafka(settings: EngineSettings) -> Iterator[Finding]:
    """Whether the brokers answer and have the topics, and how far engines have read them."""
    try:
        kafka = Kafka(settings)
        readers = {kafka.changes: kafka.engines_group, **dict.fromkeys(kafka.triggers, kafka.triggers_group)}
        kafka.check([*readers, kafka.dead_letters])
        for topic, group in readers.items():
            yield _reader(topic, kafka.counts[topic], group, *lag(kafka, group, topic))
        letters = lag(kafka, kafka.dead_letters, kafka.dead_letters).unread
        if letters:
            sentence = f"{count(letters, 'dead letter')} that nobody has dealt with on topic {kafka.dead_letters}"
            yield Finding("kafka", "doubtful", sentence, "see why with `icefloe dlq list`, and send them again or not")
    except (KafkaError, KafkaUnavailable, SettingsError) as error:
        yield Finding("kafka", "wrong", str(error))


def _reader(topic: str, partitions: int, group: str, behind: int, members: int) -> Finding:
    sentence = (
        f"topic {topic} has {count(partitions, 'partition')}; group {group} has {count(members, 'member')}, and "
        f"{count(behind, 'message')} to read"
    )
    if behind and not members:
        return Finding("kafka", "wrong", sentence, "start an engine that reads from Kafka: icefloe engine")
    if members > partitions:
        return Finding("kafka", "doubtful", sentence, "more engines than partitions: some have nothing to read")
    return Finding("kafka", "fine", sentence)


def check_relay(store: Store) -> Iterator[Finding]:
    """How far the relay has got with what it publishes."""
    bookmark = store.bookmarked("relay")
    if bookmark is None:
        yield Finding("relay", "wrong", "no relay has published anything of this store yet", "start one: icefloe relay")
        return
    behind = unread(store, bookmark)
    if behind:
        advice = "if it is as many the next time, see whether a relay runs: icefloe relay"
        yield Finding("relay", "doubtful", f"the relay had {behind} to publish a moment ago", advice)
    else:
        yield Finding("relay", "fine", "the relay has published all there is")
