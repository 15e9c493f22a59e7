"""`approve`, `reject`, `signal`, and what steers a run as a whole: what is recorded, and what is refused."""

from typing import Any

import pytest

from engine.run import WorkflowRun
from icefloe.cli.following import NO_ENGINE
from tests.icefloe.cli.desk import Desk

SIGNAL: dict[str, Any] = {
    "name": "hand-off",
    "dag": {
        "entrypoint": "wait",
        "exitpoints": ["wait"],
        "tasks": [
            {
                "name": "wait",
                "type": "WAIT_FOR_SIGNAL",
                "arguments": {"schema": {"type": "object", "required": ["url"]}},
            }
        ],
    },
}


@pytest.fixture
def asked(desk: Desk) -> Desk:
    desk.save()
    desk.start()
    return desk


def statuses(run: WorkflowRun) -> dict[str, str]:
    return {name: task.status.value for name, task in run.tasks.items()}


def test_an_approver_approves(asked: Desk) -> None:
    ended = asked("approve", "run-1", "ask", "--as", "olga", "--comment", "fine")
    assert ended == (0, "approved ask of run run-1, as olga\n", f"{NO_ENGINE}\n")
    asked.turn()
    run = asked.load()
    assert statuses(run) == {"check": "SUCCESS", "ask": "SUCCESS", "done": "SUCCESS", "refused": "OMITTED"}
    (decision,) = run.tasks["ask"].outputs["decisions"]
    assert (decision["who"], decision["decision"], decision["comment"]) == ("olga", "approve", "fine")


def test_an_approver_rejects(asked: Desk) -> None:
    assert asked("reject", "run-1", "ask", "--as", "olga").out == "rejected ask of run run-1, as olga\n"
    asked.turn()
    assert statuses(asked.load())["ask"] == "FAILED"


def test_a_program_gets_what_was_recorded(asked: Desk) -> None:
    arguments = ("approve", "run-1", "ask", "--as", "olga", "--idempotency-key", "k", "--json")
    assert asked(*arguments).lines == [{"run": "run-1", "task": "ask", "recorded": True, "by": "olga", "revision": 6}]
    assert asked(*arguments).lines == [{"run": "run-1", "task": "ask", "recorded": False, "by": "olga"}]


def test_a_decision_sent_again_with_the_same_key_counts_once(asked: Desk) -> None:
    asked("approve", "run-1", "ask", "--as", "olga", "--idempotency-key", "k")
    ended = asked("approve", "run-1", "ask", "--as", "olga", "--idempotency-key", "k")
    assert (ended.status, ended.out) == (0, "ask of run run-1 was approved before; nothing has changed\n")
    assert len(asked.load().tasks["ask"].inbox) == 1


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["approve", "run-1", "ask", "--as", "eve"], "'eve' may not send this to 'ask'; it waits for: olga"),
        (
            ["approve", "run-1", "ask"],
            "'lena' may not send this to 'ask'; it waits for: olga (use --as NAME to act as somebody else)",
        ),
        (
            ["approve", "run-1", "asks", "--as", "olga"],
            "'asks' is not a task of workflow 'change-owner' (did you mean 'ask'?)",
        ),
        (["approve", "run-1", "check", "--as", "olga"], "'check' is no APPROVAL but of type NOOP"),
        (["reject", "run-1", "done", "--as", "olga"], "'done' is no APPROVAL but of type NOOP"),
        (["signal", "run-1", "check", "--data", "1"], "'check' has already ended: SUCCESS"),
        (["approve", "run-2", "ask"], "there is no run 'run-2': `icefloe runs` lists what there is"),
        (["retry", "run-1"], "only a failed or cancelled run can be retried; this one is WAITING"),
    ],
)
def test_what_is_refused_leaves_the_run_unchanged(asked: Desk, arguments: list[str], sentence: str) -> None:
    before = asked.load()
    ended = asked(*arguments)
    assert (ended.status, ended.out) == (1, "")
    assert ended.err.startswith(f"error: {sentence}")
    assert len(ended.err.splitlines()) == 1
    assert asked.load() == before


def test_data_that_is_no_json_is_wrong_usage(asked: Desk) -> None:
    ended = asked("signal", "run-1", "ask", "--data", "{")
    assert (ended.status, ended.out) == (2, "")
    assert ended.err.startswith("error: --data: line 1, column 2: not JSON")


def test_a_second_decision_is_refused(asked: Desk) -> None:
    asked("approve", "run-1", "ask", "--as", "olga")
    assert asked("reject", "run-1", "ask", "--as", "olga").err == "error: 'olga' has already decided on 'ask'\n"


def test_a_decision_on_a_run_that_has_ended_is_refused(asked: Desk) -> None:
    asked("approve", "run-1", "ask", "--as", "olga")
    asked.turn()
    before = asked.load()
    ended = asked("reject", "run-1", "ask", "--as", "olga", "--json")
    assert (ended.status, ended.out) == (1, "")
    assert ended.error == {"code": "ALREADY_DECIDED", "message": "'ask' has already ended: SUCCESS, by olga"}
    assert asked.load() == before


def test_a_signal_carries_any_json_that_fits(desk: Desk) -> None:
    desk.save(SIGNAL)
    desk.start(workflow="hand-off", inputs="{}")
    refused = desk("signal", "run-1", "wait", "--data", "{}")
    assert refused.status == 1
    assert "data.url: is required" in refused.err
    assert "is no APPROVAL but of type WAIT_FOR_SIGNAL: `icefloe signal` sends" in desk("approve", "run-1", "wait").err
    sent = desk("signal", "run-1", "wait", "--data", "@" + desk.write("data.json", {"url": "u"}))
    assert sent.out == "told wait of run run-1, as lena\n"
    desk.turn()
    assert desk.load().status == "SUCCESS"


def test_a_run_is_paused_and_resumed(asked: Desk) -> None:
    assert asked("pause", "run-1", "--as", "ada") == (0, "paused run run-1, as ada\n", "")
    assert asked.load().paused
    assert asked("pause", "run-1") == (0, "run run-1 is paused already; nothing has changed\n", "")
    assert asked("pause", "run-1", "--as", "ada", "--json").lines == [{"run": "run-1", "recorded": False, "by": "ada"}]
    assert "  paused     the run was paused by ada; nothing new begins" in asked("show", "run-1").out
    assert asked("resume", "run-1", "--as", "ada").out == "resumed run run-1, as ada\n"
    assert not asked.load().paused
    again = asked("resume", "run-1")
    assert (again.status, again.out) == (0, "run run-1 is not paused; nothing has changed\n")


def test_a_run_is_cancelled_and_retried(asked: Desk) -> None:
    assert asked("cancel", "run-1", "--reason", "a slip", "--as", "ada").out == "cancelled run run-1, as ada\n"
    assert asked("cancel", "run-1") == (0, "run run-1 was cancelled before; nothing has changed\n", "")
    assert "  because    the run was cancelled by ada: a slip\n" in asked("show", "run-1").out
    assert asked("retry", "run-1", "--as", "ada").out == "retried run run-1, as ada\n"
    run = asked.load()
    assert (run.status.value, run.generation) == ("RUNNING", 2)
    asked.turn()
    assert asked("approve", "run-1", "ask", "--as", "olga").status == 0


def test_a_finished_run_is_neither_paused_nor_cancelled(asked: Desk) -> None:
    asked("approve", "run-1", "ask", "--as", "olga")
    asked.turn()
    for command in ("pause", "cancel", "resume"):
        assert asked(command, "run-1").err == "error: the run has already ended: SUCCESS\n"


def test_a_block_of_another_kind_may_take_decisions_too(desk: Desk) -> None:
    schema = {"type": "object", "properties": {"decision": {"enum": ["approve", "reject"]}}}
    task = {**SIGNAL["dag"]["tasks"][0], "arguments": {"schema": schema}}
    desk.save({**SIGNAL, "dag": {**SIGNAL["dag"], "tasks": [task]}})
    desk.start(workflow="hand-off", inputs="{}")
    assert desk("approve", "run-1", "wait").status == 0
