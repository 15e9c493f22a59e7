"""A source on Kafka: offsets are committed when all of an epoch is written, and each process has one consumer."""

from datetime import UTC, datetime, timedelta
from time import sleep
from typing import cast

import bytewax.operators as op
import pytest
from bytewax.dataflow import Dataflow
from bytewax.inputs import StatelessSourcePartition
from bytewax.outputs import DynamicSink, StatelessSinkPartition
from bytewax.testing import cluster_main

from dataflows.kafka.consuming import GroupConsumer
from dataflows.kafka.source import Committed, KafkaSource


class Consumer:
    """Notes what it is asked to do."""

    away = True

    def __init__(self, heard: list[object]) -> None:
        self.heard = heard

    def remember(self) -> None:
        self.heard.append("remember")

    def commit(self) -> None:
        self.heard.append("commit")

    def leave(self, *, commit: bool) -> None:
        self.heard.append("leave" if commit else "leave without a commit")

    def gone(self) -> bool:
        return self.away


class Reader(StatelessSourcePartition[int]):
    """Gives a number in each turn, until it stops."""

    def __init__(self, last: int = 1_000_000) -> None:
        self.number = 0
        self.last = last

    def next_batch(self) -> list[int]:
        if self.number == self.last:
            raise StopIteration
        self.number += 1
        return [self.number]


def committed(reader: Reader, heard: list[object]) -> Committed[int]:
    return Committed(reader, cast("GroupConsumer", Consumer(heard)))


def test_what_an_epoch_had_is_committed_in_the_first_turn_after_it_and_only_then() -> None:
    heard: list[object] = []
    source = committed(Reader(), heard)
    assert [source.next_batch(), source.next_batch()] == [[1], [2]]
    assert heard == []
    source.snapshot()
    assert heard == ["remember"]
    assert [source.next_batch(), source.next_batch()] == [[3], [4]]
    assert heard == ["remember", "commit"]


def test_a_reader_that_stops_leaves_the_group_when_all_it_read_has_been_committed() -> None:
    heard: list[object] = []
    reader = Reader(last=1)
    source = committed(reader, heard)
    assert source.next_batch() == [1]
    source.snapshot()
    assert source.next_batch() == []
    assert heard == ["remember", "commit"]
    source.snapshot()
    assert source.next_batch() == []
    assert heard == ["remember", "commit", "remember", "leave"]
    with pytest.raises(StopIteration):
        source.next_batch()


def test_a_consumer_that_takes_its_time_to_leave_holds_up_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[object] = []
    source = committed(Reader(last=0), heard)
    assert source.next_batch() == []
    source.snapshot()
    monkeypatch.setattr(Consumer, "away", False)
    assert [source.next_batch() for _ in range(3)] == [[], [], []]
    moment = source.next_awake()
    assert moment is not None
    assert moment > datetime.now(UTC)
    source.snapshot()
    assert heard == ["remember", "leave"]
    monkeypatch.setattr(Consumer, "away", True)
    with pytest.raises(StopIteration):
        source.next_batch()


class Writer(StatelessSinkPartition[int]):
    def __init__(self, written: list[int]) -> None:
        self._written = written

    def write_batch(self, items: list[int]) -> None:
        sleep(0.0002 * len(items))
        self._written += items


class Written(DynamicSink[int]):
    """Notes what was written, a little later than it could be."""

    def __init__(self) -> None:
        self.numbers: list[int] = []

    def build(self, step_id: str, worker_index: int, worker_count: int) -> Writer:  # noqa: ARG002 - Bytewax's
        return Writer(self.numbers)


def test_a_process_of_two_workers_opens_it_once_and_commits_only_what_every_output_has_written() -> None:
    reader, written, commits = Reader(last=300), Written(), list[set[int]]()

    class Watching(Consumer):
        read = 0

        def remember(self) -> None:
            self.read = reader.number

        def commit(self) -> None:
            commits.append(set(range(1, self.read + 1)) - set(written.numbers))

        def leave(self, *, commit: bool) -> None:
            assert commit
            self.commit()

    opened: list[Committed[int]] = []

    def open_() -> Committed[int]:
        opened.append(Committed(reader, cast("GroupConsumer", Watching([]))))
        return opened[-1]

    flow = Dataflow("test")
    numbers = op.redistribute("either-worker", op.input("numbers", flow, KafkaSource(open_)))
    op.output("written", numbers, written)
    cluster_main(  # type: ignore[no-untyped-call]  # bytewax's
        flow, [], 0, epoch_interval=timedelta(milliseconds=10), worker_count_per_proc=2
    )
    assert len(opened) == 1
    assert sorted(written.numbers) == list(range(1, 301))
    assert commits
    assert not any(commits), "committed before it was written"
