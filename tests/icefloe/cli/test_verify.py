"""`verify`: it says so if a journal is as it was written, and which entry isn't."""

import sqlite3
from contextlib import closing

import pytest

from tests.icefloe.cli.desk import Desk


@pytest.fixture
def run(desk: Desk) -> str:
    """A run that waits for a decision."""
    desk.save()
    desk.start("change-4711")
    return "change-4711"


def change(desk: Desk, statement: str, *values: object) -> None:
    """Do something to the store's file that no program of ours would do."""
    with closing(sqlite3.connect(desk.folder / "store/icefloe.db")) as connection, connection:
        assert connection.execute(statement, values).rowcount == 1


def test_a_journal_that_nobody_touched_is_as_it_was_written(desk: Desk, run: str) -> None:
    [told] = desk("verify", run, "--json").lines
    assert (told["run"], told["intact"], told["flaws"]) == (run, True, [])
    assert told["entries"] == desk.load(run).revision
    words = desk("verify", run[:8])
    assert (words.status, words.err) == (0, "")
    assert f"the journal of run {run} is as it was written\n" in words.out
    assert told["seal"] in words.out


def test_the_entry_that_was_changed_is_named(desk: Desk, run: str) -> None:
    change(
        desk, "UPDATE changes SET at = at - 60 WHERE run = (SELECT number FROM runs WHERE id = ?) AND revision = 2", run
    )
    ended = desk("verify", run)
    assert ended.status == 1
    assert "entry 2: it was changed" in ended.err
    assert ended.err.endswith(f"error: the journal of run {run} is not as it was written\n")
    told = desk("verify", run, "--json")
    assert [flaw["revision"] for flaw in told.lines[0]["flaws"]] == [2]
    assert told.status == 1


def test_a_seal_that_was_noted_elsewhere_must_be_there(desk: Desk, run: str) -> None:
    [noted] = desk("verify", run, "--json").lines
    desk("approve", run, "ask", "--as", "olga")
    assert desk("verify", run, "--seal", noted["seal"]).status == 0
    ended = desk("verify", run, "--seal", "0" * 64)
    assert ended.status == 1
    assert "the journal: no entry has the seal that was noted" in ended.err


def test_a_seal_may_be_written_in_capitals(desk: Desk, run: str) -> None:
    [noted] = desk("verify", run, "--json").lines
    assert desk("verify", run, "--seal", noted["seal"].upper()).status == 0


@pytest.mark.parametrize("seal", ["abc", "", "g" * 64, "0" * 63, "0" * 65, "٣" * 64])
def test_what_is_no_seal_is_wrong_usage(desk: Desk, run: str, seal: str) -> None:
    ended = desk("verify", run, "--seal", seal)
    assert (ended.status, ended.out) == (2, "")
    assert "--seal: a seal has 64 hexadecimal digits" in ended.err


def test_there_is_no_journal_of_a_run_that_nobody_started(desk: Desk, run: str) -> None:  # noqa: ARG001
    assert desk("verify", "nothing-of-the-kind").status == 1
