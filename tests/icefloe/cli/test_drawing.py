"""How things look at several widths: no line is wider than the terminal, and none says less than it must."""

from io import StringIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from engine.transitions import TaskLost, Wants
from icefloe.cli.drawing import draw_briefly, draw_run
from icefloe.cli.tables import Column, lines_of
from icefloe.cli.wording import age, ago, count, moment, printable, shortened, span
from tests.engine.driver import Play


def console(width: int) -> Console:
    return Console(file=StringIO(), width=width, force_terminal=False)


def everything() -> Play:
    """A run in which much has happened."""
    name = "a-name-as-long-as-names-may-be-with-its-sixty-three-characters"
    retry = {"max_attempts": 3, "initial_interval": "1h"}
    play = Play(
        *("a", "b", {"name": "c", "type": "NOOP", "retry": retry}, "d: a.FAILED", f"{name}: a && b && c", "e", "f"),
        inputs={"text": "x" * 500},
        labels={"team": "gov"},
    )
    play.succeed("a")
    play.suspend("b", after=7200, wants=Wants(None, ("olga@example.org", "ada@example.org"), {"approve": 2}))
    play.fail("c", "HTTP_STATUS", retryable=True)
    play.do(TaskLost("e", play.claim("e")))
    play.fail("f", "BOOM")
    return play


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_no_line_of_a_run_is_wider_than_the_terminal(width: int) -> None:
    play = everything()
    lines = [line.plain for line in draw_run(console(width), play.run, play.now, {"NOOP"}, play.journal)]
    assert max(map(cell_len, lines)) <= width
    assert all(line == line.rstrip() for line in lines)


def test_a_pipe_gets_each_thing_on_one_line() -> None:
    play = everything()
    lines = [line.plain for line in draw_run(console(100_000), play.run, play.now, {"NOOP"}, play.journal)]
    assert any("x" * 500 in line for line in lines)
    assert "◐ b " in "\n".join(lines)
    (waiting,) = [line for line in lines if "olga" in line]
    assert waiting.startswith("    waits for 2 more of 2 approvals, by olga@example.org or ada@example.org · since ")


def test_tasks_stand_behind_what_they_wait_for() -> None:
    play = Play("z: y", "y: x", "x", exits=["z"])
    lines = [line.plain for line in draw_run(console(80), play.run, play.now)]
    assert [line[2] for line in lines if line.startswith("○")] == ["x", "y", "z"]


def test_tasks_keep_the_order_of_the_document_where_they_may() -> None:
    play = Play("a", "b: a", "c", "d: c", "e: b || d")
    lines = [line.plain for line in draw_run(console(80), play.run, play.now)]
    assert [line[2] for line in lines if line.startswith("○")] == ["a", "b", "c", "d", "e"]


@pytest.mark.parametrize("most", [8, 20, 40])
def test_a_long_run_is_drawn_in_as_many_lines_as_there_are(most: int) -> None:
    names = [f"t{number}" for number in range(300)]
    play = Play(*names, f"end: {' && '.join(names)}")
    play.claim("t7")
    lines = [line.plain for line in draw_briefly(console(80), play.run, play.now, {"NOOP"}, most)]
    assert len(lines) == most
    assert "  tasks      300 PENDING, 1 RUNNING" in lines


def test_a_short_run_is_drawn_whole() -> None:
    play = everything()
    whole = list(draw_run(console(80), play.run, play.now))
    assert list(draw_briefly(console(80), play.run, play.now, None, len(whole))) == whole
    assert len(list(draw_briefly(console(80), play.run, play.now, None, len(whole) - 1))) < len(whole)


# Tables

COLUMNS = (Column("ID"), Column("NAME", elastic=True), Column("N", right=True), Column("NOTE", elastic=True))


def test_a_table_that_fits_is_cut_nowhere() -> None:
    rows = [("1", "ada", "7", ""), ("22", "grace", "10", "x")]
    assert [line.plain for line in lines_of(COLUMNS, rows, 80)] == [
        "ID  NAME    N  NOTE",
        "1   ada     7",
        "22  grace  10  x",
    ]


def test_elastic_columns_make_room_and_the_others_stay_whole() -> None:
    rows = [("0123456789", "a-rather-long-name", "7", "and-a-longer-note-beside-it")]
    assert [line.plain for line in lines_of(COLUMNS, rows, 36)] == [
        "ID          NAME       N  NOTE",
        "0123456789  a-rather…  7  and-a-lon…",
    ]


def test_empty_columns_are_left_out() -> None:
    assert [line.plain for line in lines_of(COLUMNS, [("1", "", "2", "")], 80)] == ["ID  N", "1   2"]


@given(st.text(), st.integers(24, 100))
def test_whatever_text_a_row_holds_it_is_one_printable_line(text: str, width: int) -> None:
    for line in lines_of(COLUMNS, [("1", text, "2", text)], width):
        assert line.plain.isprintable()
        assert cell_len(line.plain) <= width


# Words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-1, "0 ms"),
        (0.0004, "0 ms"),
        (0.85, "850 ms"),
        (0.9999, "1.0 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (59.9, "59 s"),
        (60, "1 min"),
        (303, "5 min 3 s"),
        (3600, "1 h"),
        (3599.9, "59 min 59 s"),
        (7230, "2 h"),
        (187_200, "2 d 4 h"),
    ],
)
def test_a_length_of_time_has_two_units_at_most(seconds: float, words: str) -> None:
    assert span(seconds) == words


def test_moments_are_told_by_the_readers_clock() -> None:
    assert moment(0, 60).count(":") == 2
    assert len(moment(0, 60)) == len("00:00:00")
    assert moment(0, 1e9).startswith("19")
    assert moment(1e18) == "1e+18"


def test_ages_and_counts_are_worded() -> None:
    assert (ago(100, 160), ago(160, 100), age(100, 403)) == ("1 min ago", "in 1 min", "5 min")
    assert (count(1, "task"), count(1200, "task")) == ("1 task", "1,200 tasks")
    assert (shortened("abcdef", 4), shortened("abcd", 4)) == ("abc…", "abcd")


@given(st.text())
def test_printable_text_is_printable_and_what_is_harmless_stays(text: str) -> None:
    assert printable(text).isprintable()
    assert printable("".join(one for one in text if one.isprintable())) == "".join(
        one for one in text if one.isprintable()
    )
