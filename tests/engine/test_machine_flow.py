"""How a run goes from its start to its end: what starts, what is left out, and what the run comes to."""

import pytest

from engine.documents import Workflow
from engine.faults import Invalid
from engine.limits import PAYLOAD_BYTES
from engine.machine import apply, start
from engine.plan import compile_workflow
from engine.statuses import RunStatus
from engine.transitions import Error, RunCancelled, RunFailed, TaskClaimed, TaskSucceeded
from tests.engine.driver import START, Play, plan_of, task

DESIGN_EXAMPLE = {
    "name": "metadata-change-request",
    "inputs": {"type": "object", "properties": {"risk": {"enum": ["low", "high"], "default": "high"}}},
    "dag": {
        "entrypoint": "auto-approval",
        "exitpoints": ["notify-approved", "notify-rejected"],
        "tasks": [
            {
                "name": "auto-approval",
                "type": "CONDITION",
                "arguments": [{"left": "{{ inputs.risk }}"}, {"operator": "=="}, {"right": "low"}],
            },
            {"name": "manual-approval", "type": "APPROVAL", "depends": "auto-approval.SKIPPED"},
            {
                "name": "notify-approved",
                "type": "NOTIFICATION",
                "depends": "auto-approval.SUCCESS || manual-approval.SUCCESS",
            },
            {
                "name": "notify-rejected",
                "type": "NOTIFICATION",
                "depends": "manual-approval.FAILED || manual-approval.TIMED_OUT",
            },
        ],
    },
}


def example() -> Play:
    play = Play("a")
    play.journal.clear()
    play._take(start(compile_workflow(Workflow.model_validate(DESIGN_EXAMPLE)), {}, id="r", at=START))
    return play


# Starting and settling.


def test_a_new_run_has_revision_one_and_its_first_tasks_ready() -> None:
    play = Play("a", "b", "c: a")
    assert (play.status, play.tasks, play.ready) == ("PENDING", "a=PENDING b=PENDING c=PENDING", "a b")
    assert (play.run.revision, play.said) == (1, "RunCreated")


def test_defaults_of_inputs_are_filled_in() -> None:
    play = Play(task("a", when={"left": "{{ inputs.n }}", "operator": "==", "right": 3}), inputs={}, exits=["a"])
    assert play.tasks == "a=SKIPPED"
    defaults = {"type": "object", "properties": {"n": {"type": "integer", "default": 3}}}
    filled = start(plan_of("a", inputs=defaults), {}, id="r", at=START).run
    assert filled.inputs == {"n": 3}


def test_inputs_that_do_not_fit_their_schema_start_nothing() -> None:
    plan = plan_of("a", inputs={"type": "object", "properties": {"n": {"type": "integer"}}})
    with pytest.raises(Invalid, match=r"inputs\.n"):
        start(plan, {"n": "three"}, id="r", at=START)


@pytest.mark.parametrize(
    ("size", "fits"), [(PAYLOAD_BYTES - 1, True), (PAYLOAD_BYTES, True), (PAYLOAD_BYTES + 1, False)]
)
def test_g18_inputs_are_limited(size: int, fits: bool) -> None:  # noqa: FBT001 - a row of the table
    inputs = {"x": "a" * (size - len('{"x":""}'))}
    if fits:
        assert start(plan_of("a"), inputs, id="r", at=START).run.inputs == inputs
    else:
        with pytest.raises(Invalid, match="larger than 262,144 bytes"):
            start(plan_of("a"), inputs, id="r", at=START)


def test_a_rejected_approval_skips_the_other_path() -> None:
    play = example()
    play.skip("auto-approval")
    play.suspend("manual-approval")
    assert (play.status, play.wakes_in) == ("WAITING", None)
    play.send("manual-approval", kind="callback")
    play.fail("manual-approval", "REJECTED")
    play.succeed("notify-rejected")
    assert play.tasks.split() == [
        "auto-approval=SKIPPED",
        "manual-approval=FAILED",
        "notify-approved=OMITTED",
        "notify-rejected=SUCCESS",
    ]
    assert play.status == "SUCCESS"


def test_an_automatic_approval_omits_the_manual_one_at_once() -> None:
    play = example()
    play.succeed("auto-approval")
    assert play.ready == "notify-approved"
    play.succeed("notify-approved")
    assert (play["manual-approval"].status, play["notify-rejected"].status) == ("OMITTED", "OMITTED")
    assert (play.status, play.run.error) == ("SUCCESS", None)


def test_one_of_two_is_enough_for_an_or() -> None:
    play = Play("a", "b", "c: a || b")
    play.succeed("b")
    assert play.ready == "a c"


def test_a_not_is_never_true_early() -> None:
    play = Play("a", "b: !a.FAILED")
    assert play.ready == "a"
    play.succeed("a")
    assert play.ready == "b"


def test_an_omitted_task_omits_its_dependents_only_through_their_own_expressions() -> None:
    play = Play("a", "b: a.FAILED", "c: b", "d: b.OMITTED", "e: b.DONE")
    play.succeed("a")
    assert (play["b"].status, play["c"].status, play.ready) == ("OMITTED", "OMITTED", "d e")


def test_a_gate_is_judged_whole_when_several_tasks_end_in_the_same_moment() -> None:
    for expression in ("y.SUCCESS && z.OMITTED", "z.OMITTED && y.SUCCESS", "y.OMITTED && z.SUCCESS"):
        play = Play("x", "y: x", "z: x", f"t: {expression}")
        play.fail("x")
        assert play["t"].status == "OMITTED", expression


def test_whatever_follows_is_in_the_same_revision() -> None:
    play = Play("a", "b: a", "c: b", "d: c")
    play.fail("a")
    assert play.tasks == "a=FAILED b=OMITTED c=OMITTED d=OMITTED"
    assert (play.status, play.run.revision) == ("FAILED", 3)
    assert play.journal[-1].tasks == {"a": "FAILED", "b": "OMITTED", "c": "OMITTED", "d": "OMITTED"}


# `when`, and references.


@pytest.mark.parametrize(("n", "status"), [(1, "PENDING"), (2, "SKIPPED"), ("1", "FAILED")])
def test_when_is_asked_once_depends_is_true(n: object, status: str) -> None:
    play = Play("a", task("b: a", when={"left": "{{ tasks.a.outputs.n }}", "operator": "<", "right": 2}))
    play.succeed("a", {"n": n})
    assert play["b"].status == status


def test_all_conditions_of_when_must_hold_and_the_skip_says_which_did_not() -> None:
    one = {"left": 1, "operator": "==", "right": 1}
    play = Play(task("a", when=[one, {**one, "right": 2}]), exits=["a"])
    assert (play["a"].status, play["a"].outputs) == ("SKIPPED", {"reason": "when[1] is false"})


def test_a_condition_that_can_not_be_judged_fails_the_task() -> None:
    play = Play(task("a", when={"left": "1", "operator": "<", "right": 2}))
    assert (play.code("a"), play.status) == ("BAD_CONDITION", "FAILED")


def test_a_task_waits_until_every_task_it_refers_to_is_final() -> None:
    play = Play("a", "b", task("c: a", arguments={"x": "{{ tasks.b.status }}"}))
    play.succeed("a")
    assert play.ready == "b"
    play.fail("b")
    assert play.dispatch("c").arguments() == {"x": "FAILED"}


def test_an_output_that_a_successful_task_lacks_is_a_bad_reference() -> None:
    play = Play("a", task("b: a", arguments={"x": "{{ tasks.a.outputs.n }}"}))
    play.succeed("a", {"m": 1})
    assert (play["b"].status, play.code("b")) == ("FAILED", "BAD_REFERENCE")


def test_outputs_of_a_task_that_did_not_succeed_are_null_unless_it_left_some() -> None:
    arguments = {"x": "{{ tasks.a.outputs.n }}", "why": "{{ tasks.a.error.code }}"}
    play = Play("a", task("b: a.DONE", arguments=arguments))
    play.fail("a", "WHY", outputs={"m": 1})
    assert play.dispatch("b").arguments() == {"x": None, "why": "WHY"}


# The end of a run.


def test_a_run_ends_only_when_every_task_is_final() -> None:
    play = Play("a", "b", exits=["a"])
    play.succeed("a")
    assert play.status == "RUNNING"
    play.succeed("b")
    assert (play.status, play.run.finished_at, play.run.wake_at) == ("SUCCESS", play.now, None)


def test_a_failed_exit_point_fails_the_run() -> None:
    play = Play("a", "b")
    play.succeed("a")
    play.fail("b", "WHY")
    assert play.run.error == Error("WHY", "b FAILED (WHY: it failed)")


def test_an_exit_point_fails_the_run_even_if_its_failure_is_allowed() -> None:
    play = Play("a", task("b", allow_failure=True))
    play.succeed("a")
    play.fail("b")
    assert play.status == "FAILED"


@pytest.mark.parametrize(
    ("handler", "status"),
    [("h: a.FAILED", "SUCCESS"), ("h: a.DONE", "SUCCESS"), ("h: !a", "SUCCESS"), ("h: a.FAILED && x", "FAILED")],
)
def test_a_failure_is_handled_by_a_task_that_started_and_names_it(handler: str, status: str) -> None:
    play = Play("a", "x", "e: x.SKIPPED", handler, exits=["e"])
    play.fail("a")
    play.skip("x")
    for name in play.ready.split():
        play.succeed(name)
    assert play.status == status


def test_a_handler_that_never_started_handles_nothing() -> None:
    never = {"left": 1, "operator": "==", "right": 2}
    play = Play("a", task("h: a.FAILED", when=never), "e", exits=["e"])
    play.fail("a")
    play.succeed("e")
    assert (play["h"].status, play.status) == ("SKIPPED", "FAILED")


def test_an_allowed_failure_needs_no_handler() -> None:
    play = Play(task("a", allow_failure=True), "b", exits=["b"])
    play.fail("a")
    play.succeed("b")
    assert play.status == "SUCCESS"


@pytest.mark.parametrize(
    ("code", "end"),
    [("REJECTED", "a=FAILED b=OMITTED c=SUCCESS SUCCESS"), ("E", "a=FAILED b=OMITTED c=SKIPPED FAILED")],
)
def test_a_task_that_asks_which_failure_it_was_handles_only_that(code: str, end: str) -> None:
    when = {"left": "{{ tasks.a.error.code }}", "operator": "==", "right": "REJECTED"}
    play = Play("a", "b: a", task("c: a.FAILED", when=when), exits=["b", "c"])
    play.fail("a", code)
    if play.ready:
        play.succeed("c")
    assert f"{play.tasks} {play.status}" == end
    assert play.code() in {"", "E"}


def test_a_time_out_counts_as_a_failure() -> None:
    play = Play("a", "b", exits=["b"])
    play.time_out("a")
    play.succeed("b")
    assert play.run.error == Error("TIMED_OUT", "a TIMED_OUT (TIMED_OUT: too late)")


def test_several_failures_are_all_named() -> None:
    play = Play("a", "b", "c: a && b")
    play.fail("b", "B")
    play.fail("a", "A")
    assert play.run.error == Error("TASKS_FAILED", "a FAILED (A: it failed); b FAILED (B: it failed)")


def test_without_a_failure_and_without_an_exit_nothing_was_reached() -> None:
    play = Play("a", "b: a", "c: a.FAILED", exits=["b", "c"])
    play.skip("a")
    assert play.run.error == Error(
        "NO_EXIT_REACHED", "nothing failed, but no exit point succeeded: b OMITTED, c OMITTED"
    )


def test_a_run_that_reached_no_exit_says_which_failures_were_handled_by_whom() -> None:
    play = Play("a", "b: a", "c: a.TIMED_OUT", "d: a.DONE", exits=["b"])
    play.time_out("a")
    play.succeed("c")
    play.fail("d")
    assert play.run.error == Error("E", "d FAILED (E: it failed)")  # a failure that nothing handles goes first
    play = Play("a", "b: a", "c: a.TIMED_OUT", task("d: a.DONE", allow_failure=True), exits=["b"])
    play.time_out("a")
    play.succeed("c")
    play.fail("d")
    assert play.run.error == Error(
        "NO_EXIT_REACHED",
        "no exit point succeeded: b OMITTED; "
        "a TIMED_OUT (TIMED_OUT: too late; handled by c, d); d FAILED (E: it failed; allowed)",
    )


def test_of_many_failures_that_were_handled_ten_are_told() -> None:
    names = [f"t{number}" for number in range(12)]
    handler = "all: " + " && ".join(f"{name}.DONE" for name in names)
    play = Play(*names, handler, "exit: t0", exits=["exit"])
    for name in names:
        play.fail(name)
    play.succeed("all")
    told = play.run.error.message if play.run.error is not None else ""
    assert told.count("handled by all") == 10
    assert told.endswith("t9 FAILED (E: it failed; handled by all); and 2 more")


def test_outputs_of_a_run_are_filled_in_at_its_end() -> None:
    play = Play("a", outputs={"n": "{{ tasks.a.outputs.n }}"})
    play.succeed("a", {"n": 7})
    assert (play.status, play.run.outputs) == ("SUCCESS", {"n": 7})


def test_outputs_of_a_run_that_can_not_be_filled_in_fail_it() -> None:
    play = Play("a", outputs={"n": "{{ tasks.a.outputs.n }}"})
    play.succeed("a", {})
    assert (play.status, play.code()) == ("FAILED", "BAD_REFERENCE")


def test_a_run_that_the_engine_can_not_go_on_with_fails() -> None:
    play = Play("a", "b: a")
    play.claim("a")
    play.do(RunFailed(Error("ENGINE_ERROR", "why")))
    assert (play.status, play.tasks, play.run.error) == (
        "FAILED",
        "a=CANCELLED b=CANCELLED",
        Error("ENGINE_ERROR", "why"),
    )


@pytest.mark.parametrize(
    "transition",
    [TaskClaimed("x", "t", "o", 1, 0, 1, "main"), TaskSucceeded("x", "t", None), Play("a").signal("x")],
    ids=lambda transition: type(transition).__name__,
)
def test_what_names_no_task_is_refused(transition: TaskSucceeded) -> None:
    assert Play("a").refusal(transition) == "UNKNOWN_TASK"


def test_a_run_is_a_value_and_never_changed() -> None:
    before = Play("a", "b: a").run
    copy = before._replace(tasks=dict(before.tasks), ready=dict(before.ready))
    apply(before, RunCancelled(), at=START + 1)
    assert (before, before.status) == (copy, RunStatus.PENDING)
