"""The changes source on Kafka: which runs it tells of, and what it makes of messages that no relay wrote."""

from collections.abc import Iterator

import pytest

from dataflows import metrics
from dataflows.kafka.changes import TROUBLE, KafkaFeed
from dataflows.kafka.connection import Kafka
from dataflows.kafka.consuming import Message
from dataflows.kafka.messages import record_of, run_of, truncated
from dataflows.kafka.publishing import Record
from dataflows.shell import News
from store.protocol import BEGINNING
from tests.dataflows.driver import Rig
from tests.dataflows.kafka.driver import sent, until


@pytest.fixture
def feed(rig: Rig, kafka: Kafka) -> Iterator[KafkaFeed]:
    feed = KafkaFeed(rig.shell, kafka)
    yield feed
    feed.consumer.close()


def relayed(rig: Rig, kafka: Kafka) -> list[Record]:
    """Everything that happened, as a relay writes it."""
    return [record_of(change, kafka.changes) for change in rig.people.changes(BEGINNING).changes]


def heard(feed: KafkaFeed, number: int) -> list[tuple[str, News]]:
    """What the source gives until it has given so much."""
    news: list[tuple[str, News]] = []

    def enough() -> bool:
        news.extend(feed.next_batch())
        return len(news) >= number

    until(enough)
    return news


def test_runs_that_others_changed_are_news_and_workflows_are_not(rig: Rig, kafka: Kafka, feed: KafkaFeed) -> None:
    rig.start("r", "a")
    rig.start("s", "a")
    sent(kafka, relayed(rig, kafka))
    assert sorted(run_id for run_id, _ in heard(feed, 2)) == ["r", "s"]


def test_what_this_engine_wrote_is_heard_at_once_and_not_from_the_topic_again(
    rig: Rig, kafka: Kafka, feed: KafkaFeed
) -> None:
    rig.start("r", "a")
    rig.claim("r", "a")
    [(run_id, news)] = heard(feed, 1)
    assert (run_id, news.run) == ("r", rig.run("r"))
    claimed = [one for one in relayed(rig, kafka) if b"TaskClaimed" in (one.value or b"")]
    assert [name for one in claimed for name, _ in one.headers] == ["writer"]
    rig.start("s", "a")
    sent(kafka, claimed)
    sent(kafka, [one for one in relayed(rig, kafka) if one.key == b"s" and b'"run"' in (one.value or b"")])
    assert heard(feed, 1) == [("s", News(None))]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "tombstone"),
        (b"\x00\xff\xfe", "not_json"),
        (b"[]", "not_a_change"),
        (b'{"entity": "run", "id": 7, "revision": 1}', "not_a_change"),
        (b'{"entity": "moon", "id": "r"}', "unknown_entity"),
        (b"x" * 900_000, "not_json"),
    ],
)
def test_a_message_that_no_relay_wrote_is_counted_and_passed_over(
    rig: Rig, kafka: Kafka, feed: KafkaFeed, value: bytes | None, reason: str
) -> None:
    counter = metrics.CHANGES_SKIPPED.labels(reason)
    before = counter._value.get()
    rig.start("r", "a")
    good = [one for one in relayed(rig, kafka) if b'"run"' in (one.value or b"")]
    sent(kafka, [Record(kafka.changes, b"r", value, [("writer", b"\xff")]), *good])
    assert heard(feed, 1) == [("r", News(None))]
    assert counter._value.get() == before + 1


def test_messages_that_were_deleted_make_every_run_with_something_to_do_be_looked_at(rig: Rig, feed: KafkaFeed) -> None:
    rig.start("r", "a")
    before = metrics.HISTORY_LOST._value.get()
    assert rig.people.wake(10) == []
    feed._lose(frozenset({("x.changes", 3)}))
    feed.next_batch()
    assert metrics.HISTORY_LOST._value.get() == before + 1
    assert [run.id for run in rig.people.wake(10)] == ["r"]


def test_trouble_with_the_broker_makes_the_engine_unready_until_it_is_over(
    rig: Rig, feed: KafkaFeed, monkeypatch: pytest.MonkeyPatch
) -> None:
    def poll(_limit: int) -> list[Message]:
        return []

    monkeypatch.setattr(feed.consumer, "poll", poll)
    for trouble, seen in (("nobody answers", "nobody answers"), (None, None)):
        feed.consumer.trouble = trouble
        feed._next_look = 0.0
        feed.next_batch()
        assert rig.shell.troubles.get(TROUBLE) == seen


def test_a_truncated_message_still_says_which_run_it_is_about(rig: Rig, kafka: Kafka) -> None:
    rig.start("r", "a")
    [record] = [one for one in relayed(rig, kafka) if b'"run"' in (one.value or b"")]
    short = truncated(record)
    assert len(short.value or b"") < 300 < len(record.value or b"")
    assert run_of(Message("t", 0, 0, None, short.key, short.value, [])) == "r"
