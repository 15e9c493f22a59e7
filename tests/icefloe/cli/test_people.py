"""Deciding as a member of a group or in another's place, handing over, doing without a task; and how it is shown."""

from typing import Any

import pytest

from icefloe.cli.following import NO_ENGINE
from tests.icefloe.cli.desk import Desk

GROUPS: dict[str, Any] = {
    "name": "publish",
    "dag": {
        "entrypoint": ["ask", "check"],
        "exitpoints": ["done"],
        "tasks": [
            {"name": "ask", "type": "APPROVAL", "arguments": {"approvers": ["ada", "grace"], "groups": ["stewards"]}},
            {"name": "check", "type": "CONDITION", "arguments": {"left": "a", "operator": "<", "right": 1}},
            {"name": "done", "type": "NOOP", "depends": "(ask || ask.SKIPPED) && (check || check.SKIPPED)"},
        ],
    },
}


@pytest.fixture
def asked(desk: Desk) -> Desk:
    desk.save(GROUPS)
    desk.start(workflow="publish", inputs="{}")
    return desk


def shown(desk: Desk) -> str:
    return desk("show", "run-1").out


def test_a_member_of_a_group_decides(asked: Desk) -> None:
    assert "waits for ada, grace or a member of group stewards to decide" in shown(asked)
    refused = asked("approve", "run-1", "ask", "--as", "gus", "--group", "others")
    assert "it waits for: ada, grace, group stewards" in refused.err
    assert asked("approve", "run-1", "ask", "--as", "gus", "--group", "others", "--group", "stewards").status == 0
    asked.turn()
    assert "approved by gus, " in shown(asked)


def test_who_takes_over_decides_in_the_other_s_place(asked: Desk) -> None:
    handed = asked("delegate", "run-1", "ask", "--to", "bob", "--as", "ada", "--reason", "on holiday")
    assert handed == (0, "handed over ask of run run-1, as ada\n", "")
    assert "waits for bob (for ada), grace or a member of group stewards" in shown(asked)
    again = asked("delegate", "run-1", "ask", "--to", "bob", "--as", "ada")
    assert again.out == "ask of run run-1 was handed over before; nothing has changed\n"
    assert "'ada' has handed 'ask' over to 'bob'" in asked("approve", "run-1", "ask", "--as", "ada").err
    assert asked("reject", "run-1", "ask", "--as", "bob", "--comment", "too soon").status == 0
    asked.turn()
    text = shown(asked)
    assert "handed over by ada to bob, " in text
    assert ": on holiday\n" in text
    assert "rejected by bob for ada, " in text


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["ask", "--to", "bob", "--as", "eve"], "'eve' may not send this to 'ask'"),
        (["ask", "--to", "grace", "--as", "ada"], "'grace' has a say in 'ask' already: hand it over to somebody else"),
        (["ask", "--to", "ada", "--as", "ada"], "'ada' can't stand in for himself: hand it over to somebody else"),
        (["asc", "--to", "bob", "--as", "ada"], "'asc' is not a task of workflow 'publish' (did you mean 'ask'?)"),
        (["check", "--to", "bob", "--as", "ada"], "'check' has already ended: FAILED"),
    ],
)
def test_what_can_not_be_handed_over_stays(asked: Desk, arguments: list[str], sentence: str) -> None:
    before = asked.load()
    ended = asked("delegate", "run-1", *arguments)
    assert ended.status == 1
    assert ended.err.startswith(f"error: {sentence}")
    assert asked.load() == before


def test_a_run_goes_on_without_a_task_that_waits(asked: Desk) -> None:
    skipped = asked("skip", "run-1", "ask", "--reason", "decided by phone", "--as", "olga")
    assert skipped == (0, "skipped ask of run run-1, as olga\n", f"{NO_ENGINE}\n")
    assert "skipped by hand by olga: decided by phone\n" in shown(asked)
    assert "'ask' didn't fail, it is SKIPPED" in asked("skip", "run-1", "ask").err


def test_a_run_that_ended_is_retried_without_a_task_that_failed(asked: Desk) -> None:
    asked("approve", "run-1", "ask", "--as", "ada")
    asked.turn()
    assert asked.load().status == "FAILED"
    assert "'ask' didn't fail, it is SUCCESS: nothing to skip" in asked("skip", "run-1", "ask").err
    skipped = asked("skip", "run-1", "check", "--reason", "not needed", "--as", "olga", "--json")
    assert skipped.lines == [{"run": "run-1", "task": "check", "recorded": True, "by": "olga", "revision": 9}]
    asked.turn()
    assert asked.load().status == "SUCCESS"
    text = shown(asked)
    assert "nothing failed unhandled; it was retried without check by olga: not needed" in text
    assert "skipped by hand by olga: not needed" in text


def test_what_was_said_of_a_run_is_shown(asked: Desk) -> None:
    asked("pause", "run-1", "--as", "olga", "--reason", "maintenance")
    assert "the run was paused by olga: maintenance; nothing new begins" in shown(asked)
    asked("resume", "run-1", "--as", "olga", "--reason", "all done")
    text = shown(asked)
    assert "paused by olga: maintenance\n" in text
    assert "resumed by olga: all done\n" in text
