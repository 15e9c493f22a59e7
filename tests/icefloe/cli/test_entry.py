"""The guard: whatever goes wrong leaves as one sentence and an exit status, and help is where it is looked for."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from blocks.catalogue import CatalogueError
from dataflows.shell import Stopped
from engine.faults import Fault, Invalid
from icefloe.cli import entry
from icefloe.cli.failures import explained
from store.protocol import StoreError, StoreUnavailable
from tests.icefloe.cli.desk import Desk

ROOT = Path(__file__).parents[3]
COMMANDS = (
    *("validate", "save", "workflows", "blocks", "run", "runs", "show", "cancel", "pause", "resume", "retry"),
    *("approve", "reject", "signal", "engine", "demo", "doctor"),
)


def test_every_command_is_listed_and_explains_itself(desk: Desk) -> None:
    listed = desk("--help")
    assert listed.status == 0
    lines = [line.strip("│ ").split() for line in listed.out.splitlines() if line.startswith("│ ")]
    names = [words[0] for words in lines if words and words[0] in COMMANDS]
    assert sorted(names) == sorted(COMMANDS)
    for command in COMMANDS:
        ended = desk(command, "-h")
        assert (ended.status, ended.err) == (0, "")
        assert "--json" in ended.out
        assert "--store" in ended.out


def test_no_arguments_show_the_help(desk: Desk) -> None:
    ended = desk()
    assert ended.status == 2
    assert "Usage: icefloe" in ended.out + ended.err
    assert "error" not in ended.err


def test_the_version_is_shown(desk: Desk) -> None:
    assert desk("--version").out.startswith("icefloe 0.")
    for arguments in (("--version", "--json"), ("--json", "--version")):
        ((number,),) = (line.values() for line in desk(*arguments).lines)
        assert desk("--version").out == f"icefloe {number}\n"
    assert desk("--json").error["message"] == "which command? (see icefloe --help)"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["sho"], "no such command 'sho'. Did you mean 'show'? (see icefloe --help)"),
        (["show"], "missing argument 'RUN' (see icefloe show --help)"),
        (["show", "--nope"], "no such option: --nope (Possible options: --store) (see icefloe show --help)"),
        (["signal", "r", "t"], "missing option '--data' (see icefloe signal --help)"),
        (["runs", "--limit", "x"], "invalid value for '--limit': it should be a valid integer"),
        (["engine", "-w", "0"], "invalid value for '--workers' / '-w': it should be greater than or equal to 1"),
        (["show", "\udcff"], "argument 2 is not UTF-8 text: '\\udcff'"),
    ],
)
def test_wrong_usage_is_a_sentence_and_status_2(desk: Desk, arguments: list[str], sentence: str) -> None:
    ended = desk(*arguments)
    assert (ended.status, ended.out) == (2, "")
    assert ended.err.startswith(f"error: {sentence}")
    assert len(ended.err.splitlines()) == 1


def test_wrong_usage_is_json_for_programs(desk: Desk) -> None:
    ended = desk("show", "--json")
    assert (ended.status, ended.out) == (2, "")
    assert ended.error == {"code": "USAGE", "message": "missing argument 'RUN' (see icefloe show --help)"}


def test_store_and_json_may_stand_before_the_command(desk: Desk) -> None:
    ended = desk("--json", "--store", "sqlite:///elsewhere.db", "runs")
    assert ended.error["message"].startswith("store: there is no store at elsewhere.db: ")
    ended = desk("--store", "sqlite:///elsewhere.db", "runs", "--store", "sqlite:///nearer.db")
    assert ended.err.startswith("error: store: there is no store at nearer.db: ")


def test_a_setting_that_cannot_be_used_is_named(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ICEFLOE_LEASE", "soon")
    ended = desk("runs")
    assert ended == (
        1,
        "",
        "error: settings: ICEFLOE_LEASE: should be a valid number, unable to parse string as a number\n",
    )


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (StoreError("the store is gone"), "STORE", "store: the store is gone"),
        (StoreUnavailable("it is locked"), "STORE_UNAVAILABLE", "store: it is locked"),
        (
            Stopped("the disk is full"),
            "STORE_UNAVAILABLE",
            "the engine ended before the store was back, and its calls will be made again: the disk is full",
        ),
        (CatalogueError(["x is broken", "y too"]), "BLOCKS", "installed blocks: x is broken; y too"),
        (Invalid(Fault("a.b", "is wrong")), "INVALID", "a.b: is wrong"),
        (Invalid(Fault("a", "is wrong"), Fault("b", "too")), "INVALID", "2 things are wrong"),
        (PermissionError(13, "Permission denied", "x.json"), "IO", "x.json: Permission denied"),
    ],
)
def test_what_can_be_foreseen_is_put_in_words(error: Exception, code: str, message: str) -> None:
    found = explained(error)
    assert found is not None
    assert (found.code, found.message, found.status) == (code, message, 1)
    wrapped = RuntimeError("a dataflow wraps what is raised in it")
    wrapped.__cause__ = error
    again = explained(wrapped)
    assert again is not None
    assert again.message == message


def failing(error: BaseException) -> Callable[[list[str]], int]:
    def run(_given: list[str]) -> int:
        raise error

    return run


def test_what_nobody_foresaw_is_a_sentence_too(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entry, "_run", failing(ZeroDivisionError("by \x1b zero")))
    ended = desk("runs")
    advice = "this is a bug in Icefloe: set ICEFLOE_DEBUG=1 to see where it happened"
    assert ended == (1, "", f"error: unexpected ZeroDivisionError: by \\x1b zero; {advice}\n")


def test_debugging_shows_where_it_happened(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entry, "_run", failing(ZeroDivisionError("by zero")))
    monkeypatch.setenv("ICEFLOE_DEBUG", "1")
    assert "Traceback (most recent call last):" in desk("runs").err


def test_ctrl_c_ends_quietly_with_130(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entry, "_run", failing(KeyboardInterrupt()))
    assert desk("runs") == (130, "", "")


# What only a process of its own shows.


def shell(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "ICEFLOE_STORE": "sqlite:///s.db"}
    icefloe = f"{sys.executable} -m icefloe"
    return subprocess.run(
        ["bash", "-c", command.replace("icefloe", icefloe)],
        check=False, capture_output=True, text=True, cwd=folder, env=environment, timeout=60,
    )  # fmt: skip


@pytest.mark.parametrize("command", ["blocks", "blocks --json", "blocks HTTP_REQUEST", "--help"])
def test_a_reader_that_has_seen_enough_ends_a_command_quietly_as_it_ends_other_tools(
    tmp_path: Path, command: str
) -> None:
    ended = shell(f"icefloe {command} | true; echo ${{PIPESTATUS[0]}}", tmp_path)
    assert (ended.stdout, ended.stderr) == ("141\n", "")


INTERRUPTED_IMPORT = """
import os, signal, sys

class Finder:
    def find_spec(self, name, *_):
        if name == "icefloe.cli.entry":
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Finder())
from icefloe.cli import main
sys.exit(main(["blocks"]))
"""


def test_ctrl_c_while_a_command_is_imported_is_silent(tmp_path: Path) -> None:
    (tmp_path / "begin.py").write_text(INTERRUPTED_IMPORT)
    ended = shell(f"{sys.executable} begin.py; echo $?", tmp_path)
    assert (ended.stdout, ended.stderr) == ("130\n", "")


def test_output_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    ended = shell("icefloe blocks > /dev/full", tmp_path)
    assert (ended.returncode, ended.stderr) == (1, "error: output: No space left on device\n")


def test_remarks_that_cannot_be_written_keep_nothing_from_being_done(tmp_path: Path) -> None:
    assert shell("icefloe validate none.json 2> /dev/full", tmp_path).returncode == 1
    assert shell("icefloe doctor --nope 2> /dev/full", tmp_path).returncode == 2
    started = "icefloe save w.json && icefloe run w --id r 2> /dev/full"
    (tmp_path / "w.json").write_text(
        '{"name": "w", "dag": {"entrypoint": "a", "exitpoints": ["a"], "tasks": [{"name": "a", "type": "NOOP"}]}}'
    )
    assert shell(started, tmp_path).returncode == 0


@pytest.mark.parametrize("closed", ["<&-", ">&-"])
def test_closed_streams_are_no_error(tmp_path: Path, closed: str) -> None:
    ended = shell(f"icefloe blocks {closed}", tmp_path)
    assert (ended.returncode, ended.stderr) == (0, "")


@pytest.mark.parametrize("setting", ["PYTHONIOENCODING=ascii", "LC_ALL=C", "LC_ALL=POSIX"])
def test_a_terminal_that_knows_ascii_only_gets_marks_and_escapes_in_it(tmp_path: Path, setting: str) -> None:
    ended = shell(f"{setting} icefloe doctor --store sqlite:///\u00fc.db", tmp_path)
    assert ended.stdout.startswith("+ blocks ")
    assert "\nx store    there is no store at \\xfc.db" in ended.stdout
    assert ended.stderr == "error: 1 thing is wrong\n"


def test_json_is_ascii_whatever_the_terminal(tmp_path: Path) -> None:
    (tmp_path / "ü.json").write_text("{")
    ended = shell("icefloe validate ü.json --json", tmp_path)
    assert ended.stdout.isascii()
    assert json.loads(ended.stdout)["file"] == "ü.json"
