"""`dlq list` and `dlq replay`, on a real broker."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from confluent_kafka import Consumer, TopicPartition

from dataflows.kafka.connection import Kafka
from dataflows.kafka.publishing import Publisher, Record
from dataflows.kafka.topics import survey
from dataflows.settings import EngineSettings
from dataflows.triggers.letters import Letter, letter_of, shortened
from dataflows.triggers.refusals import Refusal
from tests.dataflows.driver import until
from tests.dataflows.triggers.messages import message
from tests.icefloe.cli.desk import Desk

REFUSAL = Refusal("UNKNOWN_WORKFLOW", "'gret' is not a saved workflow")


@pytest.fixture
def kafka(kafka_address: str, topic_prefix: str, monkeypatch: pytest.MonkeyPatch) -> Kafka:
    monkeypatch.setenv("ICEFLOE_EVENTS", f"kafka://{kafka_address}")
    monkeypatch.setenv("ICEFLOE_TOPIC_PREFIX", topic_prefix)
    monkeypatch.setenv("ICEFLOE_PARTITIONS", "1")
    kafka = Kafka(EngineSettings.load())
    survey(kafka, make=True)

    def there() -> bool:
        kafka.check([kafka.dead_letters, *kafka.triggers])
        return True

    until(there, "the topics are there")
    return kafka


@pytest.fixture
def publisher(kafka: Kafka) -> Iterator[Publisher]:
    publisher = Publisher(kafka)
    yield publisher
    publisher.close()


def refused(kafka: Kafka, offset: int, value: Any = None, *, origin: str | None = None) -> Record:
    """The letter of a message of the topic of triggers."""
    [topic] = kafka.triggers
    one = message(value or {"workflow": "gret"}, topic=origin or topic, offset=offset)
    return letter_of(Letter(one, REFUSAL), kafka.dead_letters, 1_795_375_594.5)


def triggers(kafka: Kafka) -> list[tuple[Any, dict[str, bytes]]]:
    """What is on the topic of triggers."""
    [topic] = kafka.triggers
    consumer = Consumer({"bootstrap.servers": kafka.servers, "group.id": "nobody", "enable.partition.eof": True})
    consumer.assign([TopicPartition(topic, 0, 0)])
    found: list[tuple[Any, dict[str, bytes]]] = []
    while (one := consumer.poll(20)) is not None and one.error() is None:
        found.append((json.loads(one.value() or b"null"), dict(one.headers() or [])))  # type: ignore[arg-type]  # its stubs allow texts
    consumer.close()
    return found


def test_letters_are_listed_the_newest_first_with_their_origin_and_reason(
    desk: Desk, kafka: Kafka, publisher: Publisher
) -> None:
    assert desk("dlq", "list").out == "there are no dead letters\n"
    publisher.send([refused(kafka, offset, b"\x1b[31m") for offset in range(3)])
    listed = desk("dlq", "list", "--limit", "2", "--json").lines
    assert [one["letter"] for one in listed] == ["0:2", "0:1"]
    assert listed[0] == {
        "letter": "0:2",
        "at": "2026-11-22T19:26:34.500Z",
        "origin": f"{next(iter(kafka.triggers))}/0/2",
        "reason": "UNKNOWN_WORKFLOW",
        "error": "'gret' is not a saved workflow",
        "replayed": False,
        "bytes": 5,
        "body": "\x1b[31m",
    }
    table = desk("dlq", "list").out
    assert "0:2" in table
    assert "\\x1b[31m" in table, "a message can't command the terminal"


def test_replayed_messages_keep_their_id_and_are_replayed_once_by_all(
    desk: Desk, kafka: Kafka, publisher: Publisher
) -> None:
    publisher.send([refused(kafka, offset) for offset in range(4)])
    [topic] = kafka.triggers
    assert desk("dlq", "replay", "0:2").out == "1 message sent again\n"
    assert desk("dlq", "replay", "--all", "--json").lines == [{"replayed": 3}]
    assert desk("dlq", "replay", "--all", "--json").lines == [{"replayed": 0}]
    sent = [(value, headers["icefloe-origin"].decode()) for value, headers in triggers(kafka)]
    assert sent == [({"workflow": "gret"}, f"{topic}/0/{offset}") for offset in (2, 0, 1, 3)]
    assert all(one["replayed"] for one in desk("dlq", "list", "--json").lines)
    publisher.send([refused(kafka, 4)])
    assert [one["replayed"] for one in desk("dlq", "list", "--json").lines] == [False, True, True, True, True]
    assert desk("dlq", "replay", "0:0", "--json").lines == [{"replayed": 1}], "who names it wants it again"


def test_what_cant_be_replayed_is_told_and_keeps_nothing_else_from_it(
    desk: Desk, kafka: Kafka, publisher: Publisher
) -> None:
    foreign = refused(kafka, 0, origin="payroll.events")
    publisher.send([foreign, shortened(refused(kafka, 1)), refused(kafka, 2)])
    ended = desk("dlq", "replay", "--all", "--json")
    assert ended.status == 1
    assert ended.lines == [{"replayed": 1}]
    assert ended.error["code"] == "NOT_REPLAYED"
    assert [fault["path"] for fault in ended.error["faults"]] == ["0:0", "0:1"]
    assert "'payroll.events'" in ended.error["faults"][0]["message"]
    assert [one["replayed"] for one in desk("dlq", "list", "--json").lines] == [True, False, False]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["replay"], "which letters? name them as PARTITION:OFFSET, or say --all"),
        (["replay", "0:1", "--all"], "which letters?"),
        (["replay", "first"], "'first' names no dead letter"),
        (["replay", "0:1\n"], "names no dead letter"),
        (["list", "--limit", "0"], "--limit"),
    ],
)
def test_wrong_usage_is_told_before_anything_is_done(desk: Desk, arguments: list[str], sentence: str) -> None:
    ended = desk("dlq", *arguments)
    assert ended.status == 2
    assert sentence in ended.err


def test_a_letter_that_isnt_there_and_settings_without_kafka_are_told(
    desk: Desk, kafka: Kafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert desk("dlq", "replay", "0:0", "--json").error["code"] == "UNKNOWN_LETTER"
    monkeypatch.setenv("ICEFLOE_TOPIC_PREFIX", f"{kafka.settings.topic_prefix}-other")
    assert "icefloe topics" in desk("dlq", "list").err
    monkeypatch.delenv("ICEFLOE_EVENTS")
    assert "set ICEFLOE_EVENTS" in desk("dlq", "list").err
