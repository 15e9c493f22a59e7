"""The shell: loading, claiming, beginning and recording in batches, and patience with a store that is away."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from dataflows import shell as module
from dataflows.shell import News, Stopped
from engine.run import WorkflowRun
from engine.transitions import RunCancelled, RunPaused, TaskSucceeded
from store.protocol import Proposal, StoreGone, StoreUnavailable
from store.sqlite.batch import Batch
from tests.dataflows.driver import Rig, rigged, task


class Away:
    """An operation of a store that fails for a while."""

    def __init__(self, failures: int) -> None:
        self.failures = failures

    def __call__(self) -> str:
        self.failures -= 1
        if self.failures >= 0:
            raise StoreUnavailable("nobody home")
        return "done"


# Loading.


def test_only_the_runs_that_are_not_at_hand_are_read(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    known, _ = rig.start("known", "a"), rig.start("unknown", "a")
    loaded: list[set[str]] = []
    load = rig.shell.store.load

    def noting(ids: Iterable[str]) -> dict[str, WorkflowRun]:
        loaded.append(set(ids))
        return load(ids)

    monkeypatch.setattr(rig.shell.store, "load", noting)
    news = list(rig.shell.load([("known", News(known)), ("unknown", News(None, woken=True)), ("gone", News(None))]))
    assert loaded == [{"unknown", "gone"}]
    assert [(run_id, one.run and one.run.id, one.woken) for run_id, one in news] == [
        ("known", "known", False),
        ("unknown", "unknown", True),
    ]


# Claiming.


def test_calls_that_are_refused_their_claim_are_forgotten_and_the_others_go_on(rig: Rig) -> None:
    calls = []
    for run_id in ("paused", "good", "cancelled"):
        rig.start(run_id, "a")
        calls.append((run_id, rig.prepare(run_id, "a")))
    rig.do("paused", RunPaused())
    rig.do("cancelled", RunCancelled())
    assert rig.shell.claim(calls) == [calls[1]]
    assert [rig.shell.calls.holds(run_id, "a") for run_id, _ in calls] == [False, True, False]
    assert rig.free("NOOP") == rig.shell.settings.calls - 1


def test_a_claim_that_was_granted_is_heard_of(rig: Rig) -> None:
    rig.start("r", "a")
    rig.claim("r", "a")
    assert [run.tasks["a"].status for run in rig.shell.echoes()] == ["RUNNING"]
    assert rig.shell.echoes() == []


def test_of_a_run_that_changed_twice_the_newest_state_is_heard(rig: Rig) -> None:
    rig.start("r", "a")
    rig.begin("r", "a")
    rig.record(rig.ended())
    assert [run.status for run in rig.shell.echoes()] == ["SUCCESS"]


def test_nothing_is_claimed_without_a_lease(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    rig.start("r", "a")
    call = rig.prepare("r", "a")
    monkeypatch.setattr(rig.shell.lease, "holds", lambda: False)
    assert rig.shell.claim([("r", call)]) == []
    assert not rig.shell.calls.holds("r", "a")
    assert rig.journal("r") == "RunCreated"


def test_nothing_is_claimed_by_an_engine_that_stops(rig: Rig) -> None:
    rig.start("r", "a")
    call = rig.prepare("r", "a")
    rig.shell.stop()
    assert rig.shell.claim([("r", call)]) == []
    assert rig.journal("r") == "RunCreated"


def test_a_pure_block_is_claimed_only_in_a_run_that_makes_no_progress(rig: Rig) -> None:
    rig.start("r", task("a", type="PURE"))
    assert rig.prepare("r", "a").unclaimed
    rig.shell.calls.forget(rig.shell.calls._table["r", "a"])
    rig.clock.pass_(100)
    [run] = rig.people.wake(1)
    assert run.heal == 1
    assert not rig.prepare("r", "a").unclaimed


# Beginning.


def test_a_call_does_not_begin_without_a_lease_that_covers_its_claim(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    rig.start("r", task("a", type="HOLD"))
    call = rig.claim("r", "a")
    monkeypatch.setattr(rig.shell.lease, "covers", lambda _claim: False)
    rig.shell.start(call.type, [call])
    run = rig.record(rig.ended())
    assert rig.begun() == []
    assert rig.journal("r") == "RunCreated TaskClaimed TaskReleased"
    assert run.tasks["a"].attempt == 0


def test_a_call_does_not_begin_in_an_engine_that_stops(rig: Rig) -> None:
    rig.start("r", task("a", type="HOLD"))
    call = rig.claim("r", "a")
    rig.shell.stop()
    rig.shell.start(call.type, [call])
    rig.record(rig.ended())
    assert rig.begun() == []
    assert rig.journal("r") == "RunCreated TaskClaimed TaskReleased"


# Recording.


def test_a_result_that_is_refused_is_forgotten_and_the_run_is_heard_of(rig: Rig) -> None:
    rig.start("r", task("a", type="HOLD"))
    rig.begin("r", "a")
    rig.do("r", RunCancelled())
    rig.shell.echoes()
    rig.let_go()
    rig.record(rig.ended())
    assert len(rig.shell.calls) == 0
    assert [run.status for run in rig.shell.echoes()] == ["CANCELLED"]


def test_a_call_is_forgotten_before_its_run_is_heard_of(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    rig.start("r", "a")
    rig.begin("r", "a")
    heard: list[bool] = []
    monkeypatch.setattr(rig.shell, "hear", lambda _answers: heard.append(rig.shell.calls.holds("r", "a")))
    rig.record(rig.ended())
    assert heard == [False]


def test_what_follows_a_result_is_claimed_in_the_same_write(rig: Rig) -> None:
    rig.start("r", "a", "b: a", "c: a", "d: b")
    rig.begin("r", "a")
    finished = rig.ended()
    writes = rig.people.position()
    run = rig.record(finished)
    assert [run.tasks[name].status for name in "abcd"] == ["SUCCESS", "RUNNING", "RUNNING", "PENDING"]
    assert {call.task for call in rig.shell.granted()} == {"b", "c"}
    assert rig.shell.granted() == []
    page = rig.people.changes(writes)
    assert [change.entry.type for change in page.changes if change.entry] == ["TaskSucceeded"] + 2 * ["TaskClaimed"]
    assert len({change.at for change in page.changes}) == 1


def test_a_result_that_comes_again_claims_nothing_twice(rig: Rig) -> None:
    rig.start("r", "a", "b: a")
    call = rig.begin("r", "a")
    finished = rig.ended()
    rig.record(finished)
    [following] = rig.shell.granted()
    rig.record(finished)
    assert rig.shell.granted() == []
    assert rig.shell.calls.holds("r", "b", following.claim.token)
    assert rig.journal("r").count("TaskClaimed") == 2
    assert not rig.shell.calls.holds("r", call.task)


def test_nothing_follows_in_an_engine_that_stops_or_has_no_lease(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    ended = []
    for run_id in ("r", "s"):
        rig.start(run_id, "a", "b: a")
        rig.begin(run_id, "a")
        ended.append(rig.ended())
    one, other = ended
    with monkeypatch.context() as patch:
        patch.setattr(rig.shell.lease, "holds", lambda: False)
        rig.record(one)
    rig.shell.stop()
    rig.record(other)
    assert rig.shell.granted() == []
    assert not len(rig.shell.calls)


def test_what_should_have_followed_is_withdrawn_if_the_write_is_lost(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    rig.start("r", "a", "b: a")
    free = rig.free("NOOP")
    rig.begin("r", "a")
    apply, answers = rig.shell.store.apply, iter([StoreUnavailable("away"), None])

    def unsteady(proposals: Any, **how: Any) -> Any:
        error = next(answers)
        if error is not None:
            how["follow"](apply(proposals, durable=True)[0].run)  # it was written, but not what should have followed
            raise error
        return apply(proposals, **how)

    monkeypatch.setattr(rig.shell.store, "apply", unsteady)
    run = rig.record(rig.ended())
    assert (run.tasks["b"].status, rig.shell.granted()) == ("PENDING", [])
    assert not rig.shell.calls.holds("r", "b")
    assert rig.free("NOOP") == free


def test_what_followed_is_called_though_only_part_of_the_write_got_there(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig.start("r", "a", "b: a", "c")
    ended = []
    for name in ("a", "c"):
        rig.begin("r", name)
        ended.append(rig.ended())
    apply, cuts = rig.shell.store.apply, iter([1, None])

    def unsteady(proposals: Any, **how: Any) -> Any:
        cut = next(cuts)
        answers = apply(proposals[:cut], **how)
        if cut is not None:
            raise StoreUnavailable("the connection broke in the middle of a batch")
        return answers

    monkeypatch.setattr(rig.shell.store, "apply", unsteady)
    rig.record(*ended)
    claim = rig.run("r").tasks["b"].claim
    assert claim is not None
    assert [call.claim.token for call in rig.shell.granted()] == [claim.token]
    assert rig.shell.calls.holds("r", "b", claim.token)


def test_a_call_without_a_claim_is_not_made_if_what_it_follows_from_was_never_recorded(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig.start("r", "a", task("b", depends="a", type="PURE"))
    rig.begin("r", "a")
    ended, free = rig.ended(), rig.free("PURE")
    apply, write, losses = rig.shell.store.apply, Batch.write, iter([StoreUnavailable("away")])

    def unsteady(batch: Batch, connection: Any) -> None:
        for error in losses:
            raise error
        write(batch, connection)

    def slow(proposals: Any, **how: Any) -> Any:
        try:
            return apply(proposals, **how)
        except StoreUnavailable:
            rig.do("r", RunCancelled())
            raise

    monkeypatch.setattr(Batch, "write", unsteady)
    monkeypatch.setattr(rig.shell.store, "apply", slow)
    assert rig.record(ended).status == "CANCELLED"
    assert rig.shell.granted() == []
    assert not rig.shell.calls.holds("r", "b")
    assert rig.free("PURE") == free


def test_of_two_workers_that_find_the_same_call_one_makes_it(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    rig.start("r", "a")
    dispatch, free = rig.dispatch("r", "a"), rig.free("NOOP")
    take, others = rig.shell.slots.take, []

    def slowly(*arguments: Any) -> bool:
        monkeypatch.setattr(rig.shell.slots, "take", take)
        others.append(rig.shell.prepare(dispatch))
        return take(*arguments)

    monkeypatch.setattr(rig.shell.slots, "take", slowly)
    assert rig.shell.prepare(dispatch) is None
    [call] = others
    assert call is not None
    assert rig.shell.calls.holds("r", "a", call.claim.token)
    assert rig.free("NOOP") == free - 1


def test_a_call_that_was_disowned_before_it_began_gives_its_slot_back(rig: Rig) -> None:
    free = rig.free("PURE")
    rig.start("r", task("a", type="PURE"))
    call = rig.prepare("r", "a")
    rig.shell.disown(rig.do("r", RunCancelled()))
    rig.shell.withdraw([call])
    assert rig.free("PURE") == free
    assert not len(rig.shell.calls)


def test_something_said_of_no_run_hurts_nobody(rig: Rig) -> None:
    rig.shell.record([(Proposal("nobody", TaskSucceeded("a", "token")), None)])
    assert rig.shell.echoes() == []


def test_the_next_wake_up_is_known_from_what_was_recorded(rig: Rig) -> None:
    rig.shell.next_wake = float("inf")
    rig.start("r", "a")
    rig.claim("r", "a")
    assert rig.shell.next_wake == rig.run("r").wake_at


# Patience.


def test_what_the_store_could_not_do_is_asked_again(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(rig.shell._ending, "wait", pauses.append)
    assert rig.shell.patiently("read", Away(10)) == "done"
    assert pauses == [*module._RETRY_SECONDS, 5.0, 5.0, 5.0]
    assert rig.shell.troubles == {}


def test_what_troubles_the_engine_is_known_while_it_does(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[dict[str, str]] = []
    monkeypatch.setattr(rig.shell._ending, "wait", lambda _pause: seen.append(dict(rig.shell.troubles)))
    rig.shell.patiently("read", Away(1))
    assert seen == [{"read": "nobody home"}]


def test_an_engine_that_must_end_waits_no_longer_for_its_store(tmp_path: Path) -> None:
    with rigged(tmp_path, drain=0) as rig:
        rig.shell.stop()
        assert rig.shell.patiently("write", Away(0)) == "done", "but it tries"
        with pytest.raises(Stopped, match="nobody home"):
            rig.shell.patiently("write", Away(1))


def test_an_engine_that_is_about_to_end_tries_at_a_measured_pace(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(module, "sleep", pauses.append)
    rig.shell.stop()
    assert rig.shell.patiently("write", Away(3)) == "done"
    assert pauses == [module._ENDING_SECONDS] * 3


def test_a_store_that_is_gone_is_not_waited_for(rig: Rig) -> None:
    def gone() -> None:
        raise StoreGone("replaced")

    with pytest.raises(StoreGone, match="replaced"):
        rig.shell.patiently("read", gone)


# The pace.


def test_the_longer_nothing_happens_the_longer_are_the_pauses(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr(module, "monotonic", lambda: now[0])
    rig.shell.heard()
    paces = []
    for _ in range(4):
        paces.append(rig.shell.pace())
        now[0] += 1
    assert paces == sorted(paces)
    assert paces[0] < paces[-1] <= 0.05
    rig.shell.heard()
    assert rig.shell.pace() == paces[0]


def test_there_is_no_pause_while_something_is_on_its_way(rig: Rig) -> None:
    assert rig.shell.pause() > 0
    rig.shell.moving = True
    assert rig.shell.pause() == 0
    assert rig.shell.pause() > 0
    rig.start("r", "a")
    rig.claim("r", "a")
    assert rig.shell.pause() == 0
    assert rig.shell.pause() == 0, "until it has been heard"


def test_an_engine_ends_once(rig: Rig) -> None:
    rig.shell.end()
    rig.shell.end()
    assert rig.people.owners() == []
