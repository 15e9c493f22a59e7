"""The source of triggers on a real broker, turn by turn: what is read, and when its offsets are committed."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from dataflows.kafka.connection import Kafka
from dataflows.kafka.consuming import Message
from dataflows.kafka.dead_letters import DeadLetters
from dataflows.kafka.errors import KafkaUnavailable
from dataflows.kafka.publishing import Publisher, Record
from dataflows.kafka.topics import survey
from dataflows.settings import EngineSettings
from dataflows.triggers import source as module
from dataflows.triggers.letters import Letter, told
from dataflows.triggers.outbox import DOING
from dataflows.triggers.source import HELD_SECONDS, WAITING_AT_MOST, Reader, Triggers
from store.protocol import RunQuery
from tests.dataflows.driver import Rig, rigged, until
from tests.engine.driver import plan_of


class Member:
    """A member of the group of triggers, whose turns a test takes."""

    def __init__(self, rig: Rig, kafka: Kafka) -> None:
        self.triggers = Triggers(rig.shell, kafka)
        self.part = self.triggers._open()
        self.accept = self.triggers.acceptor()
        self.handled: list[Message] = []

    def turn(self) -> list[Message]:
        """Read, and do what the dataflow does with it."""
        messages = self.part.next_batch()
        accepted = self.accept(messages)
        self.triggers.put([one for _, one in accepted if isinstance(one, Letter)])
        self.handled += messages
        return messages

    def handle(self, count: int) -> None:
        """Take turns until so many messages are handled."""
        until(lambda: self.turn() is not None and len(self.handled) >= count, f"{count} messages are handled")
        assert len(self.handled) == count

    def epoch(self) -> list[Message]:
        """The end of an epoch, and the first turn after it."""
        self.part.snapshot()
        return self.turn()

    def die(self) -> None:
        """Be gone; only the group is left properly, so that a test needn't wait until a broker notices."""
        self.part._consumer.close(commit=False)
        assert self.triggers._outbox is not None
        self.triggers._outbox.close()


class Topic:
    """The topic of triggers and its group, as others see them."""

    def __init__(self, kafka: Kafka) -> None:
        self.kafka = kafka
        [self.name] = kafka.triggers
        self._producer = Producer({"bootstrap.servers": kafka.servers})
        self._consumer = Consumer({"bootstrap.servers": kafka.servers, "group.id": kafka.triggers_group})

    def send(self, *values: Any) -> None:
        for value in values:
            self._producer.produce(self.name, value if isinstance(value, bytes) else json.dumps(value).encode())
        assert self._producer.flush(20) == 0

    def committed(self) -> int:
        """How many messages the group needn't read again."""
        places = [TopicPartition(self.name, number) for number in range(self.kafka.counts[self.name])]
        return sum(max(one.offset, 0) for one in self._consumer.committed(places, timeout=20))

    def close(self) -> None:
        self._consumer.close()


@pytest.fixture
def kafka(kafka_address: str, topic_prefix: str) -> Kafka:
    kafka = Kafka(EngineSettings(events=f"kafka://{kafka_address}", topic_prefix=topic_prefix, partitions=3, lease=6))
    survey(kafka, make=True)
    until(lambda: _there(kafka), "the topics are there")
    return kafka


def _there(kafka: Kafka) -> bool:
    kafka.check([kafka.dead_letters, *kafka.triggers])
    return True


@pytest.fixture
def topic(kafka: Kafka) -> Iterator[Topic]:
    topic = Topic(kafka)
    yield topic
    topic.close()


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    with rigged(tmp_path) as rig:
        rig.people.save_workflow(plan_of("a", name="greet").workflow)
        yield rig


def runs(rig: Rig) -> int:
    return len(rig.people.find(RunQuery(limit=1000)).runs)


def test_offsets_are_committed_after_the_epoch_whose_runs_are_in_the_store(
    rig: Rig, kafka: Kafka, topic: Topic
) -> None:
    member = Member(rig, kafka)
    topic.send(*({"workflow": "greet"} for _ in range(5)))
    member.handle(5)
    assert runs(rig) == 5
    assert topic.committed() == 0
    member.epoch()
    until(lambda: topic.committed() == 5, "it is committed")
    rig.shell.stop()
    member.part.snapshot()
    with pytest.raises(StopIteration):
        until(member.epoch, "it stops")


def test_g2_what_a_member_had_read_before_it_died_is_read_again_by_another_and_starts_nothing_twice(
    rig: Rig, kafka: Kafka, topic: Topic
) -> None:
    topic.send(*({"workflow": "greet"} for _ in range(4)), *({"workflow": "greet", "id": f"m{n}"} for n in range(4)))
    for _ in range(3):
        member = Member(rig, kafka)
        member.handle(8)
        member.die()
    assert topic.committed() == 0
    assert runs(rig) == 8


def test_g12_nothing_is_committed_and_nothing_lost_while_dead_letters_cant_be_written(
    rig: Rig, kafka: Kafka, topic: Topic, monkeypatch: pytest.MonkeyPatch
) -> None:
    send = Publisher.send

    def refuse(_self: Publisher, _records: Sequence[Record], **_: Any) -> None:
        raise KafkaUnavailable("nobody answers")

    monkeypatch.setattr(Publisher, "send", refuse)
    member = Member(rig, kafka)
    topic.send({"workflow": "greet"})
    member.handle(1)
    topic.send(b"\xff")
    member.handle(2)
    until(lambda: DOING in rig.shell.troubles, "it is known that letters can't be written")
    topic.send({"workflow": "gret"})
    assert [member.epoch() for _ in range(3)] == [[], [], []], "letters would be more and more"
    assert topic.committed() == 0
    member.die()

    monkeypatch.setattr(Publisher, "send", send)
    member = Member(rig, kafka)
    member.handle(3)
    until(lambda: member.epoch() == [] and topic.committed() == 3, "it is committed")
    member.die()
    assert runs(rig) == 1
    dead = DeadLetters(kafka)
    letters = dead.newest(10)
    dead.close()
    assert sorted(told(one).reason for one in letters) == ["BAD_MESSAGE", "UNKNOWN_WORKFLOW"]


class Offered:
    """A consumer that always has messages, unless it is held."""

    def __init__(self) -> None:
        self.trouble: str | None = None
        self.polls: list[bool] = []

    def poll(self, limit: int, *, held: bool) -> list[Message]:
        self.polls.append(held)
        return [] if held else [Message("t", 0, 0, 0, None, b"", ())] * limit


class Letters:
    def __init__(self) -> None:
        self.on_their_way = 0

    def empty(self) -> bool:
        return not self.on_their_way


def test_it_reads_nothing_while_letters_are_on_their_way_or_too_many_runs_wait_but_stays_in_its_group(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    waiting = 0
    monkeypatch.setattr(module, "monotonic", lambda: now)
    monkeypatch.setattr(rig.shell.slots, "waiting", lambda: waiting)
    consumer, letters = Offered(), Letters()
    reader = Reader(rig.shell, cast("Any", consumer), cast("Any", letters))
    assert len(reader.next_batch()) == len(reader.next_batch()) == module.AT_ONCE
    letters.on_their_way = 1
    assert reader.next_batch() == []
    letters.on_their_way = 0
    assert len(reader.next_batch()) == module.AT_ONCE, "it doesn't wait longer than it must"
    letters.on_their_way, waiting = 1, WAITING_AT_MOST + 1
    for _ in range(3):
        now += HELD_SECONDS
        assert [reader.next_batch(), reader.next_batch()] == [[], []]
        letters.on_their_way = 0
    assert consumer.polls == [False, False, False, True, True, True]


def test_what_is_wrong_with_the_broker_is_told_as_long_as_it_is(rig: Rig) -> None:
    consumer: Any = Offered()
    letters: Any = Letters()
    reader = Reader(rig.shell, consumer, letters)
    consumer.trouble = "nobody answers"
    reader.next_batch()
    assert rig.shell.troubles == {module.DOING: "nobody answers"}
    consumer.trouble = None
    reader.next_batch()
    assert not rig.shell.troubles


def test_without_any_topic_of_triggers_nothing_is_read(rig: Rig) -> None:
    kafka = Kafka(EngineSettings.load(events="kafka://one:9092", triggers="{}"))
    source: Any = Triggers(rig.shell, kafka).source()
    assert source.build("step", 0, 1).next_batch() == []
