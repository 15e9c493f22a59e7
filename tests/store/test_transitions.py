"""Transitions are applied in batches, each run by itself; what is refused is refused with a reason."""

import threading

import pytest

from engine import machine
from engine.draft import Draft
from engine.machine import ready
from engine.outcomes import Duplicate, Rejected
from engine.run import JournalEntry
from engine.statuses import RunStatus, TaskStatus
from engine.transitions import (
    Error,
    RunCancelled,
    RunFailed,
    RunPaused,
    RunResumed,
    RunRetried,
    Signal,
    SignalReceived,
    TaskClaimed,
    TaskSucceeded,
    Wants,
)
from store import playing
from store.protocol import BEGINNING, Proposal
from tests.store.conftest import Place
from tests.store.driver import WOKEN, Clock, Player, values, workflow


@pytest.fixture
def player(engine: Player) -> Player:
    engine.store.save_workflow(workflow())
    return engine


def test_a_run_goes_from_its_start_to_its_end(player: Player, clock: Clock) -> None:
    player.start()
    for task in "abc":
        clock.pass_(1)
        player.succeed(task, outputs={"of": task})
    run = player.run()
    assert (run.status, run.finished_at, run.wake_at, run.revision) == (RunStatus.SUCCESS, clock.time, None, 7)
    assert {name: task.outputs for name, task in run.tasks.items()} == {name: {"of": name} for name in "abc"}


def test_each_answer_stands_where_its_proposal_stood(player: Player) -> None:
    for id_ in ("r1", "r2"):
        player.start(id_)
    claims = {id_: player.dispatch("a", id_).claim(f"t-{id_}", "engine-1") for id_ in ("r1", "r2")}
    proposals = [
        Proposal("r1", claims["r1"]),
        Proposal("nobody", RunCancelled()),
        Proposal("r2", claims["r2"]),
        Proposal("r1", claims["r1"]),
        Proposal("r2", TaskSucceeded("a", "t-r2", 1)),
        Proposal("r1", TaskSucceeded("a", "another", 1)),
    ]
    answers = player.store.apply(proposals)
    assert [answer.run_id for answer in answers] == [proposal.run_id for proposal in proposals]
    kinds = [type(answer.outcome) for answer in answers]
    assert kinds == [JournalEntry, Rejected, JournalEntry, Duplicate, JournalEntry, Rejected]


def test_every_answer_has_the_run_as_it_is_after_the_whole_batch(player: Player) -> None:
    player.start()
    claim = player.dispatch("a").claim("t", "engine-1")
    first, second = player.store.apply([Proposal("r", claim), Proposal("r", TaskSucceeded("a", "t", None))])
    assert first.run is second.run
    assert first.run is not None
    assert (first.run.revision, first.run.tasks["a"].status) == (3, TaskStatus.SUCCESS)


def test_a_run_that_is_not_there_is_refused(player: Player) -> None:
    for id_ in ("nobody", "", "a\u0000", "\ud800"):
        answer = player.propose(RunCancelled(), id_)
        assert answer.run is None
        assert isinstance(answer.outcome, Rejected)
        assert answer.outcome.code == "UNKNOWN_RUN"


def test_what_is_refused_changes_nothing(player: Player) -> None:
    before = player.start()
    position = player.store.position()
    answer = player.propose(TaskSucceeded("a", "never claimed", None))
    assert isinstance(answer.outcome, Rejected)
    assert answer.outcome.code == "LATE_RESULT"
    assert values(player.run()) == values(before)
    assert player.store.position() == position


def test_a_result_that_is_recorded_already_is_a_duplicate(player: Player) -> None:
    player.start()
    token = player.claim("a")
    player.do(TaskSucceeded("a", token, {"n": 1}))
    again = player.propose(TaskSucceeded("a", token, {"n": 2}))
    assert isinstance(again.outcome, Duplicate)
    assert player.run().tasks["a"].outputs == {"n": 1}


def test_a_claim_that_may_be_lost_is_there_as_long_as_the_process_is(place: Place, player: Player) -> None:
    player.start()
    player.claim("a")  # not durable
    assert Player(place.open()).run().tasks["a"].status is TaskStatus.RUNNING


def test_who_did_it_stands_in_the_journal(player: Player) -> None:
    player.start(requested_by="olga")
    player.do(RunPaused("lunch"), by="ivan")
    player.do(RunResumed(), by="ivan")
    assert [(entry.type, entry.by) for entry in player.store.journal("r")] == [
        ("RunCreated", "olga"),
        ("RunPaused", "ivan"),
        ("RunResumed", "ivan"),
    ]


def test_transitions_that_change_many_tasks_are_stored_whole(place: Place, player: Player) -> None:
    player.store.save_workflow(workflow("a", "b: a", "c: b", "d: a", "e: d || c"))
    player.start()
    player.succeed("a")
    player.fail("b")
    player.do(RunCancelled("enough"), by="olga")
    assert values(Player(place.open()).run()) == values(player.run())
    player.do(RunRetried(1), by="olga")
    assert values(Player(place.open()).run()) == values(player.run())
    player.finish()
    assert player.run().status is RunStatus.SUCCESS


def test_everything_a_task_may_hold_is_read_back(place: Place, player: Player) -> None:
    wants = Wants({"type": "object"}, ("olga", "ivan"), {"approve": 2})
    player.start()
    player.suspend("a", after=60.0, wants=wants, outputs={"asked": ["olga", None, 1.5, "ü\u0000"]})
    player.signal("a", "s1", data={"decision": "approve", "comment": "✓"})
    player.claim("a")
    assert values(Player(place.open()).run()) == values(player.run())
    player.do(RunFailed(Error("ENGINE_ERROR", "stop: ✓\u0000")))
    assert values(Player(place.open()).run()) == values(player.run())


def test_a_run_is_the_same_whether_remembered_or_read(place: Place, player: Player) -> None:
    player.start()
    while calls := ready(player.run()):
        token = player.claim(calls[0].task)
        assert values(Player(place.open()).run()) == values(player.run())
        player.do(TaskSucceeded(calls[0].task, token, {"v": 1}))
        assert values(Player(place.open()).run()) == values(player.run())


def test_a_large_output_is_kept_whole(place: Place, player: Player) -> None:
    large = {"text": "é" * 120_000}
    player.start()
    player.succeed("a", outputs=large)
    assert Player(place.open()).run().tasks["a"].outputs == large


def test_a_transition_that_crashes_fails_its_own_run_alone(player: Player, monkeypatch: pytest.MonkeyPatch) -> None:
    for id_ in ("good", "bad"):
        player.start(id_)
    claims = [Proposal(id_, player.dispatch("a", id_).claim("t", "engine-1")) for id_ in ("good", "bad")]
    _crash_on(monkeypatch, "bad", TaskClaimed)
    good, bad = player.store.apply(claims)
    assert isinstance(good.outcome, JournalEntry)
    assert isinstance(bad.outcome, Rejected)
    assert bad.outcome.code == "ENGINE_ERROR"
    assert bad.run is not None
    assert (bad.run.status, bad.run.error) == (RunStatus.FAILED, Error(*bad.outcome))
    assert player.run("bad").status is RunStatus.FAILED


def test_in_a_batch_only_the_transition_that_crashes_is_refused(
    player: Player, monkeypatch: pytest.MonkeyPatch
) -> None:
    player.start()
    _crash_on(monkeypatch, "r", SignalReceived)
    claim = Proposal("r", player.dispatch("a").claim("t", "engine-1"))
    signal = Proposal("r", SignalReceived("a", Signal("s", 1, "olga", None)))
    outcomes = [answer.outcome for answer in player.store.apply([claim, signal, claim])]
    assert [type(outcome) for outcome in outcomes] == [JournalEntry, Rejected, Duplicate]


def test_what_people_propose_can_not_fail_a_run(player: Player, monkeypatch: pytest.MonkeyPatch) -> None:
    player.start()
    _crash_on(monkeypatch, "r", SignalReceived)
    answer = player.signal("a", "s")
    assert isinstance(answer.outcome, Rejected)
    assert answer.outcome.code == "ENGINE_ERROR"
    assert player.finish().status is RunStatus.SUCCESS


def test_a_run_that_can_not_even_be_failed_properly_is_failed_all_the_same(
    player: Player, monkeypatch: pytest.MonkeyPatch
) -> None:
    player.start()
    claim = player.dispatch("a").claim("t", "engine-1")
    with monkeypatch.context() as patch:
        _crash_on(patch, "r", TaskClaimed, RunFailed)
        answer = player.propose(claim)
    assert answer.run is not None
    assert answer.run.status is RunStatus.FAILED
    run = player.run()
    assert (run.status, run.wake_at, run.revision) == (RunStatus.FAILED, None, 2)
    assert run.error is not None
    assert run.error.code == "ENGINE_ERROR"


@pytest.mark.parametrize("outputs", [{"n": 2**70}, {1: 2}, "\udcff", {"x": object()}, "x" * 10_000_000])
def test_outputs_that_no_run_takes_fail_their_task_and_are_not_kept(player: Player, outputs: object) -> None:
    player.start()
    answer = player.propose(TaskSucceeded("a", player.claim("a"), outputs))
    assert isinstance(answer.outcome, JournalEntry)
    assert answer.outcome.type == "TaskFailed"
    run = player.run()
    assert run.tasks["a"].error is not None
    assert (run.status, run.tasks["a"].error.code) == (RunStatus.FAILED, "OUTPUT_TOO_LARGE")
    told = player.store.changes(BEGINNING).changes[-1].transition
    assert told is not None
    assert "outputs" not in told


def test_a_signal_that_json_can_not_say_is_refused_and_the_run_goes_on(player: Player) -> None:
    player.start()
    player.suspend("a", wants=Wants())
    for number, data in enumerate((2**70, "\udcff", {"x": object()}, {1: 2})):
        assert isinstance(player.signal("a", f"s{number}", data=data).outcome, Rejected)
    assert isinstance(player.signal("a", "s", data="yes").outcome, JournalEntry)


def test_many_threads_may_use_one_store(player: Player) -> None:
    for number in range(8):
        player.start(f"r{number}")
    failures: list[BaseException] = []

    def work(number: int) -> None:
        try:
            Player(player.store, f"thread-{number}").finish(f"r{number}")
        except BaseException as error:  # noqa: BLE001 - told below
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert player.store.counts() == {RunStatus.SUCCESS: 8}


def test_one_of_many_claims_of_a_task_wins(place: Place, player: Player) -> None:
    player.start()
    claims = [player.dispatch("a").claim(f"t{number}", f"engine-{number}") for number in range(6)]
    stores = [place.open() for _ in claims]
    outcomes: list[object] = []
    threads = [
        threading.Thread(target=lambda store=store, claim=claim: outcomes.append(Player(store).propose(claim).outcome))
        for store, claim in zip(stores, claims, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["JournalEntry"] + ["Rejected"] * 5


def test_a_wake_up_before_its_time_is_refused(player: Player) -> None:
    player.start()
    answer = player.propose(WOKEN)
    assert isinstance(answer.outcome, Rejected)
    assert answer.outcome.code == "NOT_DUE"


def _crash_on(patch: pytest.MonkeyPatch, run_id: str, *kinds: type) -> None:
    """Plant a bug: some transitions of one run raise in the middle of being applied."""
    real = machine.advance

    def advance(draft: Draft, transition: object, **fields: object) -> object:
        outcome = real(draft, transition, **fields)  # type: ignore[arg-type] # passed through
        if draft.run.id == run_id and isinstance(transition, kinds):
            raise RuntimeError("planted \udcff")
        return outcome

    patch.setattr(playing, "advance", advance)
