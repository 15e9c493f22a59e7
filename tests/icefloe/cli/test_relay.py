"""`topics` and `relay`: what they say, and how they end."""

import pytest

from tests.dataflows.kafka.driver import PARTITIONS
from tests.icefloe.cli.desk import Desk


@pytest.fixture(autouse=True)
def settings(kafka_address: str, topic_prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ICEFLOE_EVENTS", f"kafka://{kafka_address}")
    monkeypatch.setenv("ICEFLOE_TOPIC_PREFIX", topic_prefix)
    monkeypatch.setenv("ICEFLOE_PARTITIONS", str(PARTITIONS))


def test_topics_are_made_and_told(desk: Desk, topic_prefix: str) -> None:
    missing = desk("topics", "--check", "--json")
    assert (missing.status, missing.error["code"]) == (1, "TOPICS_MISSING")
    assert "icefloe topics" in missing.error["message"]
    made = desk("topics")
    assert made.status == 0
    assert f"{topic_prefix}.changes: made, {PARTITIONS} partitions" in made.out
    there = desk("topics", "--check", "--json")
    assert there.status == 0
    assert [one["state"] for one in there.lines[-1]["topics"]] == ["there"] * 3


@pytest.mark.parametrize("command", ["relay", "engine"])
def test_what_needs_topics_says_so_and_ends(desk: Desk, command: str, topic_prefix: str) -> None:
    ended = desk(command, "--json")
    assert (ended.status, ended.error["code"]) == (1, "KAFKA")
    assert (
        f"topic {topic_prefix}.changes: it isn't there: make the topics with `icefloe topics`" in ended.error["message"]
    )


def test_another_number_of_partitions_than_is_set_is_refused(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    assert desk("topics").status == 0
    monkeypatch.setenv("ICEFLOE_PARTITIONS", "7")
    for command in ("topics", "relay", "engine"):
        ended = desk(command, "--json")
        assert (ended.status, ended.error["code"]) == (1, "KAFKA")
        assert f"has {PARTITIONS} partitions, and ICEFLOE_PARTITIONS is 7" in ended.error["message"]


@pytest.mark.parametrize("command", ["relay", "topics"])
def test_without_kafka_there_is_nothing_to_do_for_them(
    desk: Desk, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ICEFLOE_EVENTS", "store")
    ended = desk(command, "--json")
    assert (ended.status, ended.error["code"]) == (1, "SETTINGS")
    assert "kafka://host:9092" in ended.error["message"]
