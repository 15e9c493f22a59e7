"""What a run is said to wait for: in words, as data, and for every task that neither runs nor has ended."""

from collections.abc import Callable
from typing import Any

import pytest

from engine.explain import Explanation, explain, why_omitted, why_skipped
from engine.statuses import FINAL_TASK, TaskStatus
from engine.transitions import (
    Error,
    RunCancelled,
    RunFailed,
    RunPaused,
    RunRetried,
    TaskBypassed,
    TaskDelegated,
    TaskLost,
    Wants,
)
from tests.engine.driver import START, Play, task

DECISION = {"type": "object", "properties": {"decision": {"enum": ["approve", "reject"]}}}


def of(play: Play, task: str | None, **given: Any) -> Explanation:
    (found,) = (one for one in explain(play.run, play.now, journal=play.journal, **given) if one.task == task)
    return found


def asking(*people: str, approvals: int = 1) -> Wants:
    return Wants(DECISION, people, {"approve": approvals, "reject": len(people) - approvals + 1})


def test_a_task_waits_for_the_unmet_clause_of_its_depends() -> None:
    play = Play("a", "b", "c", "d: a && (b || c.FAILED)")
    play.succeed("a")
    found = of(play, "d")
    assert (found.kind, found.sentence) == ("tasks", "waits for b.SUCCESS || c.FAILED")
    assert found.tasks == ("b", "c")
    assert found.since == START


def test_a_task_that_can_no_longer_decide_is_not_waited_for() -> None:
    play = Play("a", "b", "c", "d: a && (b || c)")
    play.fail("b")
    assert of(play, "d").tasks == ("a", "c")


def test_unmet_alternatives_among_several_clauses_are_put_in_parentheses() -> None:
    play = Play("a", "b", "c", "d: a && (b || c)")
    assert of(play, "d").sentence == "waits for a.SUCCESS && (b.SUCCESS || c.SUCCESS)"


def test_a_task_waits_for_those_that_its_arguments_refer_to() -> None:
    play = Play("a", "b", {"name": "c", "type": "NOOP", "depends": "a", "arguments": {"x": "{{ tasks.b.outputs.n }}"}})
    assert of(play, "c").sentence == "waits for a.SUCCESS, and for b to end, since it refers to it"
    play.succeed("a")
    assert of(play, "c").sentence == "waits for b to end, since it refers to it"
    assert of(play, "c").tasks == ("b",)


def test_a_long_list_of_tasks_is_cut_in_the_sentence_but_whole_in_the_data() -> None:
    names = [f"t{number}" for number in range(100)]
    play = Play(*names, f"end: {' && '.join(names)}")
    found = of(play, "end")
    assert len(found.sentence) < 200
    assert found.sentence.endswith("…")
    assert found.tasks == tuple(names)


def test_a_ready_task_waits_for_an_engine_since_what_it_waited_for_ended() -> None:
    play = Play("a", "b: a")
    play.succeed("a")
    found = of(play, "b")
    assert (found.kind, found.sentence) == ("engine", "is ready; waits for an engine with a free place for NOOP")
    assert found.since == play.now


def test_a_block_type_that_is_not_installed_is_told() -> None:
    play = Play({"name": "a", "type": "JIRA_ISSUE"})
    found = of(play, "a", types={"NOOP"})
    assert (found.kind, found.sentence) == ("unknown_type", "is ready, but block type JIRA_ISSUE is not installed here")
    assert of(play, "a", types={"JIRA_ISSUE"}).kind == "engine"
    assert of(play, "a").kind == "engine"


def test_a_task_whose_engine_died_says_how_often() -> None:
    play = Play("a")
    for words in ("once", "2 times in a row"):
        play.do(TaskLost("a", play.claim("a")))
        found = of(play, "a")
        assert (found.kind, found.sentence) == (
            "lost",
            f"the engine died {words} during the call; waits to be called again",
        )


def test_a_task_in_its_back_off_says_why_and_until_when() -> None:
    play = Play({"name": "a", "type": "NOOP", "retry": {"max_attempts": 3, "initial_interval": "10s", "jitter": 0}})
    play.fail("a", "HTTP_STATUS", retryable=True)
    found = of(play, "a")
    assert found.kind == "retry"
    assert found.sentence == "attempt 1 of 3 failed, the next one follows after a pause: HTTP_STATUS: it failed"
    assert (found.since, found.until) == (play.now, play.now + 10)
    play.pass_(60)
    play.now += 1
    assert of(play, "a").sentence == "attempt 1 of 3 failed, the next one is due: HTTP_STATUS: it failed"


def test_an_approval_waits_for_the_people_who_have_not_decided() -> None:
    play = Play("a")
    play.suspend("a", after=60, wants=asking("olga", "ada", "grace", approvals=2))
    asked = play.now - 1
    assert of(play, "a").sentence == "waits for 2 more of 2 approvals, by olga, ada or grace"
    play.send("a", sender="ada", data={"decision": "approve"})
    play.suspend("a", wants=asking("olga", "ada", "grace", approvals=2))
    found = of(play, "a")
    assert found.sentence == "waits for 1 more of 2 approvals, by olga or grace"
    assert (found.kind, found.people) == ("people", ("olga", "grace"))
    assert found.since == asked
    assert found.until == asked + 1 + 60


def test_a_single_decision_is_waited_for_by_name() -> None:
    play = Play("a")
    play.suspend("a", wants=asking("olga"))
    assert of(play, "a").sentence == "waits for olga to decide"


@pytest.mark.parametrize(
    ("wants", "sentence"),
    [
        (Wants(None, ("olga",), None), "waits for a signal from olga"),
        (Wants({}, None, None), "waits for a signal, from anybody"),
        (None, "waits until its time has come"),
    ],
)
def test_what_a_waiting_task_wants_is_said(wants: Wants | None, sentence: str) -> None:
    play = Play("a")
    play.suspend("a", after=60, wants=wants)
    assert of(play, "a").sentence == sentence


def test_groups_are_waited_for_by_their_members() -> None:
    play = Play("a")
    play.suspend("a", wants=Wants({}, ("ada",), {"approve": 1}, ("stewards", "owners")))
    found = of(play, "a")
    assert found.sentence == "waits for ada, a member of group stewards or a member of group owners to decide"
    assert (found.kind, found.people, found.groups) == ("people", ("ada",), ("stewards", "owners"))
    play = Play("a")
    play.suspend("a", wants=Wants({}, None, {"approve": 3}, ("stewards",)))
    assert of(play, "a").sentence == "waits for 3 more of 3 approvals, by a member of group stewards"


def test_who_stands_in_is_named_with_whom_it_is_for() -> None:
    play = Play("a")
    play.suspend("a", wants=asking("ada", "grace"))
    play.do(TaskDelegated("a", 1, "ada", "bob"), by="ada")
    found = of(play, "a")
    assert found.sentence == "waits for bob (for ada) or grace to decide"
    assert (found.people, found.document()["on_behalf"]) == (("bob", "grace"), {"bob": "ada"})


def test_who_is_asked_and_may_not_decide_is_told() -> None:
    play = Play("a")
    play.suspend("a", after=60, wants=Wants({}, ("ada", "grace"), {"approve": 1}, None, ("ada", "bob")))
    assert (of(play, "a").sentence, of(play, "a").barred) == ("waits for grace to decide; ada may not", ("ada",))
    play.run = play.run._replace(requested_by="ada")
    assert of(play, "a").sentence == "waits for grace to decide; ada may not, having asked for it"
    assert play.wake()
    play.run = play.run._replace(requested_by=None)
    play.suspend("a", after=60, wants=Wants({}, ("ada",), {"approve": 1}, None, ("ada",)))
    play.run = play.run._replace(requested_by="ada")
    assert of(play, "a").sentence == "waits, though nobody may decide now; ada may not, having asked for it"


def test_a_decision_that_came_is_to_be_processed() -> None:
    play = Play("a")
    play.suspend("a", wants=asking("olga"))
    play.send("a", sender="olga", data={"decision": "approve"})
    assert of(play, "a").sentence == "has a signal to process; waits for an engine with a free place for NOOP"


def test_a_moment_that_has_come_needs_an_engine_to_notice() -> None:
    play = Play("a")
    play.suspend("a", after=60)
    play.now += 61
    assert of(play, "a").sentence == "its time has come; waits for an engine to notice"


def test_a_paused_run_says_by_whom_and_since_when() -> None:
    play = Play("a", "b: a")
    play.do(RunPaused("lunch"), by="olga")
    found = of(play, None)
    assert (found.kind, found.since) == ("paused", play.now)
    assert found.sentence == "the run was paused by olga: lunch; nothing new begins until it is resumed"
    assert of(play, "a").sentence == "is ready, but the run is paused"
    assert of(play, "b").kind == "tasks"


def test_a_successful_run_names_the_exit_points_that_it_reached() -> None:
    play = Play("a", "b", exits=["a", "b"])
    play.succeed("a")
    play.skip("b")
    assert [one.sentence for one in explain(play.run, play.now)] == [
        "exit point a succeeded, and nothing failed unhandled"
    ]


def test_a_failed_run_names_its_error_and_the_tasks_at_fault() -> None:
    play = Play("a", "b", "c: b.FAILED", exits=["a", "c"])
    play.fail("b")
    play.succeed("c")
    play.fail("a", "BOOM")
    assert (of(play, None).sentence, of(play, None).tasks) == ("a FAILED (BOOM: it failed)", ("a",))


def test_a_run_that_the_engine_failed_names_the_code() -> None:
    play = Play("a")
    play.do(RunFailed(Error("ENGINE_ERROR", "it can't be handled")))
    assert (of(play, None).sentence, of(play, None).tasks) == ("ENGINE_ERROR: it can't be handled", ())


def test_a_cancelled_run_names_who_did_it() -> None:
    play = Play("a")
    play.do(RunCancelled(), by="olga")
    assert of(play, None).sentence == "the run was cancelled by olga"
    assert explain(play.run, play.now)[0].sentence == "the run was cancelled"


def test_reasons_are_told_with_who_gave_them() -> None:
    play = Play("a")
    play.do(RunPaused("maintenance"), by="olga")
    assert of(play, None).sentence == (
        "the run was paused by olga: maintenance; nothing new begins until it is resumed"
    )
    play.do(RunCancelled("wrong dataset"), by="ada")
    assert of(play, None).sentence == "the run was cancelled by ada: wrong dataset"


def test_a_task_skipped_by_hand_says_by_whom_and_why() -> None:
    play = Play("a", task("b", when={"left": 1, "operator": "==", "right": 2}), "c")
    play.suspend("a", wants=asking("olga"))
    play.do(TaskBypassed("a", 1, "decided by phone"), by="ada")
    assert why_skipped(play.run, "a", play.journal) == "skipped by hand by ada: decided by phone"
    assert why_skipped(play.run, "a", []) == why_skipped(play.run, "b", play.journal) == ""
    assert why_skipped(play.run, "c", play.journal) == ""


def test_a_run_that_was_retried_without_some_tasks_says_so_when_it_has_ended() -> None:
    play = Play("a", "b", exits=["b"])
    play.fail("a")
    play.fail("b")
    play.do(RunRetried(1, "not needed", ("a",)), by="ada")
    assert why_skipped(play.run, "a", play.journal) == "skipped by hand by ada: not needed"
    play.succeed("b")
    assert of(play, None).sentence == (
        "exit point b succeeded, and nothing failed unhandled; it was retried without a by ada: not needed"
    )


def test_a_retried_run_waits_again_since_it_was_retried() -> None:
    play = Play("a", "b: a", exits=["b"])
    play.fail("a")
    play.do(RunRetried(1))
    assert of(play, "b").since == play.now
    assert of(play, "a").since == play.now


def test_an_omitted_task_names_what_became_false() -> None:
    play = Play("a", "b", "c: b && a.FAILED")
    play.succeed("a")
    assert why_omitted(play.run, "c") == "a.FAILED is false"
    assert why_omitted(play.run, "a") == ""


def test_every_task_that_neither_runs_nor_has_ended_is_explained_once() -> None:
    play = Play("a", "b: a", "c: b.DONE", "d: a", "e: c || d")
    steps: list[Callable[[], object]] = [
        lambda: play.claim("a"),
        lambda: play.succeed("a"),
        lambda: play.suspend("b", after=5),
        lambda: play.fail("d", retryable=True),
        lambda: play.do(RunPaused()),
    ]
    for step in steps:
        step()
        unexplained = {*FINAL_TASK, TaskStatus.RUNNING}
        expected = [name for name, task in play.run.tasks.items() if task.status not in unexplained]
        assert [one.task for one in explain(play.run, play.now, {"NOOP"}) if one.task is not None] == expected


def test_the_json_form_leaves_out_what_is_empty() -> None:
    assert Explanation("a", "timer", "waits", until=3.0).document() == {
        "task": "a",
        "kind": "timer",
        "sentence": "waits",
        "until": 3.0,
    }
