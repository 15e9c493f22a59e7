"""The sources: what happened, what is due, what has ended; and a store that is away, and the end of the engine."""

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from dataflows import metrics
from dataflows import sources as module
from dataflows.calls import Finished
from dataflows.shell import News
from dataflows.sources import Completions, Source, StoreFeed, WakeUps
from engine.run import WorkflowRun
from engine.transitions import RunCancelled, RunPaused, TaskReleased, TaskSuspended
from store.protocol import StoreUnavailable
from tests.dataflows.driver import Rig, rigged, task


class Moment:
    """The monotonic clock of the sources."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def moment(monkeypatch: pytest.MonkeyPatch) -> Moment:
    moment = Moment()
    monkeypatch.setattr(module, "monotonic", moment)
    return moment


def source(rig: Rig, kind: Any) -> Any:
    """The source of a process's first worker."""
    return Source(rig.shell, kind).build("step", 0, 1)


def polled(source: Any, moment: Moment) -> list[tuple[str, Any]]:
    """What a source gives at its next look."""
    moment.now += 1
    batch: list[tuple[str, Any]] = source.next_batch()
    return batch


def refuse(*_: object, **__: object) -> None:
    raise StoreUnavailable("nobody home")


def ids(batch: Iterable[tuple[str, Any]]) -> list[str]:
    return [run_id for run_id, _ in batch]


# Changes.


def test_what_others_wrote_is_news_once(rig: Rig, moment: Moment) -> None:
    changes = source(rig, StoreFeed)
    rig.start("r", "a")
    rig.start("s", "a")
    rig.do("r", RunPaused())
    assert polled(changes, moment) == [("r", News(None)), ("s", News(None))]
    assert polled(changes, moment) == []
    rig.do("r", RunCancelled())
    assert ids(polled(changes, moment)) == ["r"]


def test_what_this_engine_wrote_is_news_with_the_run_at_hand_and_not_read_again(rig: Rig, moment: Moment) -> None:
    changes = source(rig, StoreFeed)
    rig.start("r", "a")
    polled(changes, moment)
    rig.claim("r", "a")
    [(run_id, news)] = polled(changes, moment)
    assert run_id == "r"
    assert news.run is not None
    assert news.run.revision == rig.run("r").revision
    assert polled(changes, moment) == []


def test_the_runs_that_another_engine_looks_after_are_passed_over(
    rig: Rig, moment: Moment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rig.shell.lease, "shares", lambda run_id: run_id == "mine")
    rig.start("mine", "a")
    rig.start("its", "a")
    assert ids(polled(source(rig, StoreFeed), moment)) == ["mine"]
    assert rig.shell.position == rig.people.position()


def test_the_feed_is_read_page_by_page_without_a_pause(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PAGE", 4)
    changes = source(rig, StoreFeed)
    for number in range(5):  # two changes each: a workflow and a run
        rig.start(f"r{number}", "a")
    assert [ids(changes.next_batch()) for _ in range(3)] == [["r0", "r1"], ["r2", "r3"], ["r4"]]


def test_the_feed_is_looked_at_no_more_often_than_the_pace_allows(rig: Rig, moment: Moment) -> None:
    changes = source(rig, StoreFeed)
    polled(changes, moment)
    rig.start("r", "a")
    moment.now += rig.shell.pace() / 2
    assert changes.next_batch() == []
    assert ids(polled(changes, moment)) == ["r"]


def test_a_feed_that_has_lost_its_history_makes_every_run_with_something_to_do_be_looked_at(
    rig: Rig, moment: Moment
) -> None:
    changes, wake_ups = source(rig, StoreFeed), source(rig, WakeUps)
    polled(changes, moment)
    rig.start("r", "a")
    before = metrics.HISTORY_LOST._value.get()
    rig.shell.position = "of another store"
    assert polled(changes, moment) == []
    assert metrics.HISTORY_LOST._value.get() == before + 1
    assert ids(polled(wake_ups, moment)) == ["r"]
    rig.start("s", "a")
    assert ids(polled(changes, moment)) == ["s"]


# Wake-ups.


def waiting(rig: Rig, run_id: str, seconds: float) -> None:
    """Start a run that waits for some time."""
    rig.start(run_id, task("a", type="APPROVAL", arguments={"approvers": ["olga"]}))
    call = rig.claim(run_id, "a")
    rig.record(Finished(call, TaskSuspended("a", call.claim.token, after=seconds)))


def test_a_run_is_woken_when_it_is_due_and_not_before(rig: Rig, moment: Moment) -> None:
    wake_ups = source(rig, WakeUps)
    waiting(rig, "r", 60)
    assert polled(wake_ups, moment) == []
    rig.clock.pass_(59.9)
    assert polled(wake_ups, moment) == []
    rig.clock.pass_(0.1)
    [(run_id, news)] = polled(wake_ups, moment)
    assert (run_id, news.woken, news.run.tasks["a"].due) == ("r", True, True)
    assert polled(wake_ups, moment) == []


def test_all_that_are_due_are_woken_page_by_page(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "DUE_AT_ONCE", 2)
    wake_ups = source(rig, WakeUps)
    for number in range(3):
        waiting(rig, f"r{number}", 60 + number)
    rig.clock.pass_(100)
    assert [sorted(ids(wake_ups.next_batch())) for _ in range(3)] == [["r0", "r1"], ["r2"], []]


def test_who_was_woken_is_not_lost_if_the_store_is_away_right_after(
    rig: Rig, moment: Moment, monkeypatch: pytest.MonkeyPatch
) -> None:
    wake_ups = source(rig, WakeUps)
    waiting(rig, "r", 60)
    rig.clock.pass_(100)
    wake = rig.shell.store.wake

    def wake_and_go(limit: int) -> list[WorkflowRun]:
        woken = wake(limit)
        monkeypatch.setattr(rig.shell.store, "next_wake", refuse)
        return woken

    monkeypatch.setattr(rig.shell.store, "wake", wake_and_go)
    assert ids(polled(wake_ups, moment)) == ["r"]


def test_a_moment_that_others_have_set_is_known_after_a_look(rig: Rig, moment: Moment) -> None:
    wake_ups = source(rig, WakeUps)
    polled(wake_ups, moment)
    assert rig.shell.next_wake == float("inf")
    run = rig.start("r", "a")
    polled(wake_ups, moment)
    assert rig.shell.next_wake == run.wake_at


def test_a_run_that_nobody_heard_of_is_looked_at_sooner_or_later(rig: Rig, moment: Moment) -> None:
    wake_ups = source(rig, WakeUps)
    rig.start("r", "a")
    rig.clock.pass_(40)
    [(run_id, news)] = polled(wake_ups, moment)
    assert (run_id, news.woken, news.run.heal) == ("r", True, 1)


def test_who_waits_for_a_slot_is_news_when_one_is_free(rig: Rig, moment: Moment) -> None:
    wake_ups = source(rig, WakeUps)
    rig.start("r", task("a", type="HOLD_THREAD"), task("b", type="HOLD_THREAD"))
    calls = [rig.prepare("r", "a"), rig.prepare("r", "b")]
    rig.start("s", task("a", type="HOLD_THREAD"))
    assert rig.shell.prepare(rig.dispatch("s", "a")) is None
    assert polled(wake_ups, moment) == []
    rig.shell.withdraw(calls)
    assert polled(wake_ups, moment) == [("s", News(None))]


def test_who_found_no_place_to_wait_is_found_in_the_store(
    rig: Rig, moment: Moment, monkeypatch: pytest.MonkeyPatch
) -> None:
    wake_ups = source(rig, WakeUps)
    rig.start("r", "a")
    assert polled(wake_ups, moment) == []
    monkeypatch.setattr(rig.shell.slots, "overflowed", lambda: True)
    assert ids(polled(wake_ups, moment)) == ["r"]


def test_event_loops_that_are_stuck_are_seen_to(rig: Rig, moment: Moment, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[None] = []
    monkeypatch.setattr(rig.shell.calls, "unstick", lambda: looks.append(None))
    wake_ups = source(rig, WakeUps)
    for _ in range(3):
        polled(wake_ups, moment)
    assert len(looks) == 3


# Completions.


def test_what_has_ended_comes_with_its_run(rig: Rig) -> None:
    rig.start("r", "a")
    call = rig.begin("r", "a")
    completions = source(rig, Completions)
    batch: list[Any] = []
    while not batch:
        batch = completions.next_batch()
    [(run_id, finished)] = batch
    assert (run_id, finished.call) == ("r", call)


def test_calls_that_take_too_long_are_ended_in_passing(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[None] = []
    monkeypatch.setattr(rig.shell.calls, "overdue", lambda: looks.append(None))
    source(rig, Completions).next_batch()
    assert len(looks) == 1


# A store that is away.


@pytest.mark.parametrize("kind", [StoreFeed, WakeUps])
def test_a_store_that_is_away_is_left_alone_for_a_moment(
    rig: Rig, moment: Moment, monkeypatch: pytest.MonkeyPatch, kind: Any
) -> None:
    asked: list[None] = []

    def count_and_refuse(*_: object, **__: object) -> None:
        asked.append(None)
        refuse()

    polls = source(rig, kind)
    rig.start("r", "a")
    rig.clock.pass_(40)
    with monkeypatch.context() as trouble:
        for name in ("changes", "changed", "wake", "next_wake"):
            trouble.setattr(rig.shell.store, name, count_and_refuse)
        assert polls.next_batch() == []
        assert polls.next_batch() == []
        assert len(asked) == 1
        assert rig.shell.troubles == {polls.doing: "nobody home"}
    assert polls.next_batch() == []
    assert rig.shell.troubles, "nobody has asked the store again yet"
    assert ids(polled(polls, moment)) == ["r"]
    assert rig.shell.troubles == {}


def test_every_worker_tells_that_it_turns(rig: Rig) -> None:
    completions = Source(rig.shell, Completions)
    workers = [completions.build("completions", number, 2) for number in range(2)]
    workers[0].next_batch()
    assert rig.shell.vitals._turned.keys() == {0}
    workers[1].next_batch()
    assert rig.shell.vitals._turned.keys() == {0, 1}


def test_what_others_wrote_is_news_although_the_first_read_of_it_fails(
    rig: Rig, moment: Moment, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes = source(rig, StoreFeed)
    polled(changes, moment)
    rig.start("r", "a")
    with monkeypatch.context() as trouble:
        trouble.setattr(rig.shell.store, "changes", refuse)
        assert polled(changes, moment) == []
    assert ids(polled(changes, moment)) == ["r"]


# The end.


@pytest.mark.parametrize("kind", [StoreFeed, WakeUps])
def test_an_engine_that_stops_reads_nothing_more(rig: Rig, kind: Any) -> None:
    rig.start("r", "a")
    rig.shell.stop()
    with pytest.raises(StopIteration):
        source(rig, kind).next_batch()


def test_an_engine_that_stops_waits_for_what_is_in_flight(rig: Rig) -> None:
    rig.start("r", task("a", type="HOLD"))
    rig.begin("r", "a")
    rig.shell.stop()
    completions, idle = source(rig, Completions), idle_source(rig)
    assert completions.next_batch() == []
    assert idle.next_batch() == []
    rig.let_go()
    rig.record(rig.ended())
    for each in (completions, idle):
        with pytest.raises(StopIteration):
            each.next_batch()


def test_when_the_grace_period_is_over_what_is_in_flight_is_given_back(tmp_path: Path) -> None:
    with rigged(tmp_path, drain=0) as rig:
        rig.start("r", task("a", type="HOLD"))
        call = rig.begin("r", "a")
        rig.shell.stop()
        rig.shell.calls.finished.get_nowait()  # what woke the source
        [(_, finished)] = source(rig, Completions).next_batch()
        assert finished.result == TaskReleased("a", call.claim.token)


# Workers.


def idle_source(rig: Rig) -> Any:
    """The source of a process's second worker."""
    shared = Source(rig.shell, StoreFeed)
    shared.build("step", 0, 2)
    return shared.build("step", 1, 2)


def test_in_each_process_the_first_worker_s_source_does_the_work(rig: Rig, moment: Moment) -> None:
    shared = Source(rig.shell, StoreFeed)
    first, second = shared.build("step", 0, 2), shared.build("step", 1, 2)
    rig.start("r", "a")
    moment.now += 1
    assert second.next_batch() == []
    assert ids(first.next_batch()) == ["r"]


def test_only_the_worker_that_waits_for_completions_turns_without_a_rest(rig: Rig) -> None:
    busy, idle = source(rig, Completions), source(rig, StoreFeed)
    busy.next_batch()
    soon = idle.next_awake()
    assert soon is not None
    assert soon < datetime.now(UTC), "it is the same worker"
    rig.shell._last_news = 0  # nothing is going on
    later: list[datetime | None] = []
    asked = datetime.now(UTC)
    other = Thread(target=lambda: later.extend((idle.next_awake(), idle_source(rig).next_awake())))
    other.start()
    other.join()
    assert [one is not None and one > asked for one in later] == [True, True]
