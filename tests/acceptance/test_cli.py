"""The command line beside a real engine, each command in a process of its own: what a person does in an afternoon."""

import json
import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from tests.acceptance.engines import ROOT, until
from tests.acceptance.scene import Scene, chain
from tests.processes import TO_START_OR_END, bounded, end_of

pytestmark = pytest.mark.acceptance

COMMAND = (sys.executable, "-m", "icefloe")
ENGINE = ("-m", "icefloe", "engine")
WORKFLOW: dict[str, Any] = {
    "name": "change-owner",
    "inputs": {"type": "object", "required": ["owner"], "properties": {"owner": {"type": "string"}}},
    "dag": {
        "entrypoint": "check",
        "exitpoints": ["done"],
        "tasks": [
            {"name": "check", "type": "NOOP"},
            {"name": "ask", "type": "APPROVAL", "arguments": {"approvers": ["{{ inputs.owner }}"]}, "depends": "check"},
            {
                "name": "done",
                "type": "TRANSFORM",
                "arguments": {"values": {"by": "{{ tasks.ask.outputs.decided_by }}"}},
                "depends": "ask",
            },
        ],
    },
}
INPUTS = ("--inputs", '{"owner": "olga"}', "--id", "run-1", "--as", "ada")


class Shell:
    """Where commands are typed: beside the store of a scene."""

    def __init__(self, scene: Scene) -> None:
        self.folder = scene.folder
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("ICEFLOE_", "PYTEST_"))}
        self.environment = {**inherited, "ICEFLOE_STORE": scene.url, "PYTHONPATH": str(ROOT), "TERM": "xterm"}

    def __call__(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [*COMMAND, *arguments], check=False, capture_output=True, text=True, timeout=TO_START_OR_END,
            cwd=self.folder, env=self.environment,
        )  # fmt: skip

    def begin(self, *arguments: str) -> "AbstractContextManager[subprocess.Popen[str]]":
        """A command that goes on; killed at the end if it still does."""
        return bounded(subprocess.Popen(
            [*COMMAND, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            cwd=self.folder, env=self.environment,
        ))  # fmt: skip

    def save(self) -> None:
        (self.folder / "w.json").write_text(json.dumps(WORKFLOW))
        assert self("save", "w.json").returncode == 0

    def stands(self, *statuses: str) -> bool:
        """Whether the tasks of the run stand so."""
        shown = self("show", "run-1", "--json")
        return shown.returncode == 0 and [one["status"] for one in json.loads(shown.stdout)["dag"]["tasks"]] == list(
            statuses
        )


@pytest.fixture
def shell(scene: Scene) -> Shell:
    return Shell(scene)


def test_a_person_saves_runs_approves_and_looks(scene: Scene, shell: Shell) -> None:
    shell.save()
    with scene.engine(*ENGINE) as engine:
        until(lambda: f"engine {engine.owner} is ready on {scene.url}" in engine.words(), "it says that it is ready")
        started = shell("run", "change-owner", *INPUTS)
        assert (started.returncode, started.stderr) == (0, "")
        until(lambda: shell.stands("SUCCESS", "WAITING", "PENDING"), "the run waits for olga")
        assert "waits for olga to decide" in shell("show", "run-1").stdout
        assert shell("approve", "run-1", "ask", "--as", "eve").returncode == 1
        assert shell("approve", "run-1", "ask", "--as", "olga").returncode == 0
        until(lambda: shell.stands("SUCCESS", "SUCCESS", "SUCCESS"), "the run ends")
        assert shell("doctor").returncode == 0
        assert engine.terminate() == 0, engine.words()
    assert json.loads(shell("show", "run-1", "--json").stdout)["dag"]["tasks"][2]["outputs"] == {"by": ["olga"]}


def test_waiting_tells_each_change_and_ends_with_the_run(scene: Scene, shell: Shell) -> None:
    shell.save()
    with scene.engine(*ENGINE), shell.begin("run", "change-owner", *INPUTS, "--wait") as waiting:
        until(lambda: shell.stands("SUCCESS", "WAITING", "PENDING"), "the run waits for olga")
        assert shell("approve", "run-1", "ask", "--as", "olga").returncode == 0
        out, err = waiting.communicate(timeout=TO_START_OR_END)
    assert (waiting.returncode, err) == (0, "")
    said = [re.sub(r"^\d\d:\d\d:\d\d  ", "", line) for line in out.splitlines()]
    assert said[0] == "run run-1 of change-owner version 1 is started"
    assert "ask  WAITING  waits for olga to decide" in said
    assert (
        said.index("ask  WAITING  waits for olga to decide") < said.index("ask  SUCCESS") < said.index("done  SUCCESS")
    )
    assert said[-1].startswith("ended SUCCESS after ")


def test_waiting_for_a_rejected_run_fails(scene: Scene, shell: Shell) -> None:
    shell.save()
    with scene.engine(*ENGINE), shell.begin("run", "change-owner", *INPUTS, "--wait", "--json") as waiting:
        until(lambda: shell.stands("SUCCESS", "WAITING", "PENDING"), "the run waits for olga")
        assert shell("reject", "run-1", "ask", "--as", "olga", "--comment", "no").returncode == 0
        out, err = waiting.communicate(timeout=TO_START_OR_END)
    assert waiting.returncode == 1
    assert json.loads(out)["status"] == "FAILED"
    assert json.loads(err)["error"] == {
        "code": "RUN_FAILED",
        "message": "run run-1 ended FAILED: ask FAILED (REJECTED: rejected by olga: no)",
    }


def test_waiting_without_an_engine_says_so_and_goes_on_when_one_comes(scene: Scene, shell: Shell) -> None:
    shell.save()
    with shell.begin("run", "change-owner", *INPUTS, "--wait") as waiting:
        assert waiting.stderr is not None
        assert waiting.stderr.readline().startswith("no engine is running on this store, so nothing happens")
        with scene.engine(*ENGINE):
            until(lambda: shell.stands("SUCCESS", "WAITING", "PENDING"), "the run waits for olga")
            assert shell("approve", "run-1", "ask", "--as", "olga").returncode == 0
            assert end_of(waiting) == 0


def test_ctrl_c_ends_the_waiting_and_not_the_run(scene: Scene, shell: Shell) -> None:
    shell.save()
    with scene.engine(*ENGINE), shell.begin("run", "change-owner", *INPUTS, "--wait") as waiting:
        assert waiting.stdout is not None
        assert any("ask  WAITING" in line for line in waiting.stdout)
        waiting.send_signal(signal.SIGINT)
        _, err = waiting.communicate(timeout=TO_START_OR_END)
        assert (waiting.returncode, err) == (130, "no longer waiting; the run goes on: icefloe show run-1 --watch\n")
        assert shell.stands("SUCCESS", "WAITING", "PENDING")


@contextmanager
def on_a_terminal(shell: Shell, *arguments: str) -> Iterator[tuple["subprocess.Popen[bytes]", list[bytes]]]:
    """A command that a person watches; what it writes comes in from another thread."""
    ours, theirs = pty.openpty()
    environment = {**shell.environment, "COLUMNS": "80", "LINES": "24"}
    started = subprocess.Popen(
        [*COMMAND, *arguments], stdout=theirs, stderr=theirs, stdin=theirs, cwd=shell.folder, env=environment
    )
    os.close(theirs)
    written: list[bytes] = []

    def read() -> None:
        try:
            while chunk := os.read(ours, 65536):
                written.append(chunk)
        except OSError:  # Linux says so when the other side is closed
            pass
        finally:
            os.close(ours)

    reader = Thread(target=read, name="terminal", daemon=True)
    reader.start()
    with bounded(started) as process:
        yield process, written
    reader.join(TO_START_OR_END)


def test_a_person_at_a_terminal_sees_the_run_redrawn_and_its_end_remain(scene: Scene, shell: Shell) -> None:
    shell.save()
    with (
        scene.engine(*ENGINE),
        on_a_terminal(shell, "run", "change-owner", *INPUTS, "--wait") as (process, written),
    ):
        until(lambda: "waits for olga to decide" in b"".join(written).decode(errors="replace"), "it says who decides")
        assert shell("approve", "run-1", "ask", "--as", "olga").returncode == 0
        assert end_of(process) == 0
    seen = b"".join(written).decode()
    assert "\x1b[" in seen  # colours, and the cursor that goes back
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", seen)
    last = plain[plain.rindex("change-owner version 1") :].replace("\r", "")
    assert last.startswith("change-owner version 1  SUCCESS\n")
    assert re.search(r"✓ ask    APPROVAL   SUCCESS    .*\n    approved by olga, ", last)
    assert last.rstrip().splitlines()[-1].startswith("ended SUCCESS after ")


def test_an_engine_that_cannot_begin_says_why_in_one_sentence(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("these are notes, and no database")
    ended = shell("engine", "--store", "sqlite:///notes.txt")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith("error: store: notes.txt is not a SQLite database")
    assert len(ended.stderr.splitlines()) == 1
    assert (tmp_path / "notes.txt").read_text() == "these are notes, and no database"


def test_a_program_is_told_when_the_engine_is_ready_and_who_is_beside_it(scene: Scene, shell: Shell) -> None:
    with shell.begin("engine", "--json") as first, shell.begin("engine", "--json") as second:
        ready = [json.loads(one.stdout.readline()) for one in (first, second) if one.stdout is not None]
        assert [one["ready"] for one in ready] == [True, True]
        assert {one["store"] for one in ready} == {scene.url}
        assert ready[0]["owner"] != ready[1]["owner"]
        assert sorted(one["others"] for one in ready) in ([0, 1], [1, 1])
        for engine in (first, second):
            engine.send_signal(signal.SIGTERM)
        assert [end_of(engine) for engine in (first, second)] == [0, 0]


@pytest.mark.parametrize("idle", [True, False])
def test_an_engine_whose_file_was_deleted_says_so_and_ends(scene: Scene, shell: Shell, *, idle: bool) -> None:
    scene.save(*chain("a", "b", "c", type_="WAIT", duration="300ms"))
    with shell.begin("engine") as engine:
        assert engine.stdout is not None
        assert "is ready" in engine.stdout.readline()
        if not idle:
            scene.start(*(f"run-{number}" for number in range(20)))
        scene.file.unlink()
        _, err = engine.communicate(timeout=TO_START_OR_END)
    assert engine.returncode == 1
    assert '"event": "store_gone"' in err
    assert "panicked" not in err
    assert err.splitlines()[-1].startswith(f"error: store: {scene.file} was deleted or replaced while it was open")


def test_an_engine_whose_log_cannot_be_written_goes_on(shell: Shell) -> None:
    shell.save()
    with Path("/dev/full").open("w") as full:
        started = subprocess.Popen(
            [*COMMAND, "engine"], stdout=subprocess.PIPE, stderr=full, cwd=shell.folder, env=shell.environment
        )
    with bounded(started) as engine:
        assert shell("run", "change-owner", *INPUTS).returncode == 0
        until(lambda: shell.stands("SUCCESS", "WAITING", "PENDING"), "the run waits for olga")
        engine.terminate()
        assert end_of(engine) == 0


def test_ctrl_c_ends_an_engine_too(shell: Shell) -> None:
    with shell.begin("engine") as engine:
        assert engine.stdout is not None
        assert "is ready" in engine.stdout.readline()
        engine.send_signal(signal.SIGINT)
        assert end_of(engine) == 0
