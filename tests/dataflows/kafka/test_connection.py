"""Which Kafka it is, and what is said at the start of one that can't be used."""

import json

import pytest

from dataflows.kafka.connection import Kafka
from dataflows.kafka.errors import KafkaError, KafkaUnavailable, worded
from dataflows.kafka.topics import survey
from dataflows.settings import SettingsError
from tests.dataflows.kafka.driver import PARTITIONS, kafka_at
from tests.servers.mongod import free_port


def test_topics_and_groups_are_named_by_their_prefix() -> None:
    kafka = kafka_at("one:9092,two:9092", "acme")
    assert kafka.servers == "one:9092,two:9092"
    assert (kafka.changes, kafka.dead_letters, list(kafka.triggers)) == (
        "acme.changes",
        "acme.triggers.dlq",
        ["acme.triggers"],
    )
    assert (kafka.engines_group, kafka.triggers_group) == ("acme.engines", "acme.triggers")
    assert kafka.triggers["acme.triggers"].trusted is False


@pytest.mark.parametrize("address", ["", "one:9092/x", "ada:secret@one:9092"])
def test_an_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(SettingsError, match="'kafka://host:9092'") as refused:
        kafka_at(address, "x")
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("topic", ["x.changes", "x.triggers.dlq"])
def test_what_engines_write_cant_be_their_triggers(topic: str) -> None:
    with pytest.raises(SettingsError, match=f"ICEFLOE_TRIGGERS: {topic}: "):
        kafka_at("one:9092", "x", triggers=json.dumps({topic: {"workflows": ["*"]}}))


def test_options_reach_the_client_but_those_that_the_engine_depends_on(topic_prefix: str) -> None:
    kafka = kafka_at("one:9092", topic_prefix, kafka_options='{"security.protocol": "SASL_SSL", "linger.ms": 7}')
    assert kafka.client()["security.protocol"] == "SASL_SSL"
    with pytest.raises(SettingsError, match=r"ICEFLOE_KAFKA_OPTIONS: enable\.auto\.commit, group\.id can't be set"):
        kafka_at("one:9092", topic_prefix, kafka_options='{"group.id": "mine", "enable.auto.commit": true}')
    with pytest.raises(SettingsError, match=r"ICEFLOE_KAFKA_OPTIONS: message\.max\.bytes should be a whole number"):
        kafka_at("one:9092", topic_prefix, kafka_options='{"message.max.bytes": "much"}')
    with pytest.raises(SettingsError, match=r'ICEFLOE_KAFKA_OPTIONS: No such configuration property: "nonsense"'):
        kafka_at("one:9092", topic_prefix, kafka_options='{"nonsense": 1}').check([])


def test_a_broker_that_is_not_there_is_named_with_the_reason(topic_prefix: str) -> None:
    address = f"127.0.0.1:{free_port()}"
    with pytest.raises(KafkaUnavailable, match=f"Kafka at {address}: .*Connection refused"):
        kafka_at(address, topic_prefix).check([], patience=0.1)


def test_topics_are_made_once_and_those_missing_are_named(kafka_address: str, topic_prefix: str) -> None:
    kafka = kafka_at(kafka_address, topic_prefix, partitions=PARTITIONS)
    names = [kafka.changes, *kafka.triggers, kafka.dead_letters]
    with pytest.raises(
        KafkaError, match=f"topic {kafka.changes}: it isn't there: make the topics with `icefloe topics`"
    ):
        kafka.check(names)
    for make, state in ((False, "missing"), (True, "made"), (True, "there")):
        assert [(one.name, one.state) for one in survey(kafka, make=make)] == [(name, state) for name in names]
    kafka.check(names)
    assert kafka.counts == {kafka.changes: PARTITIONS, f"{topic_prefix}.triggers": PARTITIONS, kafka.dead_letters: 1}


def test_a_topic_with_another_number_of_partitions_is_refused(kafka: Kafka, kafka_address: str) -> None:
    other = kafka_at(kafka_address, kafka.settings.topic_prefix, partitions=PARTITIONS + 1)
    sentence = f"has {PARTITIONS} partitions, and ICEFLOE_PARTITIONS is {PARTITIONS + 1}: set it to {PARTITIONS}"
    with pytest.raises(KafkaError, match=sentence):
        other.check([other.changes])
    with pytest.raises(KafkaError, match=sentence):
        survey(other, make=True)


@pytest.mark.parametrize(
    ("code", "kind", "words"),
    [
        ("TOPIC_AUTHORIZATION_FAILED", KafkaError, "no right to use it"),
        ("GROUP_AUTHORIZATION_FAILED", KafkaError, "no right to read as this consumer group"),
        ("CLUSTER_AUTHORIZATION_FAILED", KafkaError, "no right to write idempotently, or create topics"),
        ("_AUTHENTICATION", KafkaError, "don't agree on who may connect"),
        ("UNKNOWN_TOPIC_OR_PART", KafkaError, "make the topics with `icefloe topics`"),
        ("INVALID_REPLICATION_FACTOR", KafkaError, "what the broker said"),
        ("_TRANSPORT", KafkaUnavailable, "what the broker said"),
        ("NOT_ENOUGH_REPLICAS", KafkaUnavailable, "what the broker said"),
    ],
)
def test_each_error_says_what_to_do_or_that_it_may_pass(code: str, kind: type[Exception], words: str) -> None:
    error = worded(code, "what the broker said", "one:9092", "topic x.changes")
    assert type(error) is kind
    assert str(error).startswith("Kafka at one:9092, topic x.changes: ")
    assert words in str(error)


def test_no_option_that_may_be_a_secret_is_shown(topic_prefix: str) -> None:
    options = json.dumps({"sasl.password": "hunter2"})
    assert "hunter2" not in repr(kafka_at("one:9092", topic_prefix, kafka_options=options).settings)
