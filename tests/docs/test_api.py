"""Tests of docs/api.md: its tour is played in a real shell, on a real `icefloe dev`, and its tables are the code's."""

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from time import monotonic
from typing import Final, NamedTuple

import pytest

from api.places import STREAMS, STREAMS_EACH
from api.problems import rejected
from api.settings import ApiSettings
from api.streams import HEARTBEAT_SECONDS
from api.webhooks import TOLERANCE
from engine.outcomes import Rejected
from tests.acceptance.engines import PATIENCE, environment_of
from tests.docs.console import Shell, commands, shell
from tests.processes import bounded, end_of
from tests.servers.mongod import free_port

ROOT: Final = Path(__file__).parents[2]
TEXT: Final = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
OF_ENGINES: Final = {"LATE_RESULT", "NOT_DUE", "NOT_READY", "STALE_CLAIM"}  # what only engines propose
ELSEWHERE: Final = {"bad-request": 400, "method-not-allowed": 405, "engine-error": 409}  # the framework, the store


class Tour(NamedTuple):
    """A shell in which the tour is played, and the ports that its own stand for."""

    shell: Shell
    ports: dict[str, str]

    def here(self, text: str) -> str:
        """A part of the page as it must read here."""
        for shown, real in self.ports.items():
            text = text.replace(shown, real)
        return text


@contextmanager
def developing(folder: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """`icefloe dev` in a folder: the port that it listens on, and the environment of its commands."""
    environment = environment_of({"store": f"sqlite:///{folder}/icefloe.db", "outbox": folder / "outbox"})
    command = [sys.executable, "-m", "icefloe", "dev", "--port", "0", "--json"]
    with (folder / "dev.log").open("wb") as log:
        started = subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=log)
    with bounded(started) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, (folder / "dev.log").read_text()
        yield json.loads(line)["url"].rpartition(":")[2], environment
        process.terminate()
        assert end_of(process) == 0


@pytest.fixture
def tour(tmp_path: Path) -> Iterator[Tour]:
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "icefloe").write_text(f'#!/bin/sh\nexec {sys.executable} -m icefloe "$@"\n')
    (programs / "icefloe").chmod(0o755)
    with developing(tmp_path) as (port, environment):
        path = f"{programs}:{environment['PATH']}"
        with shell(tmp_path, {**environment, "PATH": path}) as opened:
            yield Tour(opened, {"8080": port, "8081": str(free_port())})


@pytest.mark.acceptance
def test_every_line_of_the_tour_says_what_the_page_shows(tour: Tour) -> None:
    for command in commands(TEXT):
        expected = command._replace(shown=tour.here(command.shown))
        said = tour.shell.run(tour.here(command.text))
        give_up = monotonic() + PATIENCE
        while command.text.startswith("sleep ") and not expected.fits(said) and monotonic() < give_up:
            said = tour.shell.run(tour.here(command.text))  # it waits for something, and this machine may be slow
        place = f"docs/api.md:{command.line}: {command.text}"
        assert expected.fits(said), f"{place}\nshown:\n{expected.shown}\nsaid:\n{said}"


def documented() -> dict[str, int]:
    """The codes of problems in the page's table, with the status of each."""
    rows = re.findall(r"^\| ((?:`[a-z-]+`(?:, )?)+) \| (\d{3}) \|", TEXT, re.MULTILINE)
    return {code: int(status) for codes, status in rows for code in re.findall(r"`([a-z-]+)`", codes)}


def given_by_the_api() -> dict[str, int]:
    """The codes that the API's own code names, with the status of each."""
    found: dict[str, int] = {}
    for path in (ROOT / "api").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Call(
                    func=ast.Name("Problem"), args=[ast.Attribute(attr=status), ast.Constant(value=str(code)), *_]
                ):
                    found[code] = HTTPStatus[status].value
    return found


def given_by_the_engine() -> dict[str, int]:
    """The codes with which the state machine refuses what people want, with the status that the API makes of each."""
    code = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "engine").glob("*.py"))
    words = set(re.findall(r'"([A-Z]+(?:_[A-Z]+)+)"', code))
    refused = {word for word in words if re.search(rf'(?:Rejected\(\s*|code = .*)"{word}"', code)} - OF_ENGINES
    problems = [rejected(Rejected(word, "")) for word in refused]
    return {problem.code: problem.status.value for problem in problems}


def test_every_problem_that_the_api_tells_is_in_the_table_and_no_other() -> None:
    given = given_by_the_engine() | given_by_the_api()
    assert len(given) > 30
    assert documented() == given | ELSEWHERE


def test_the_events_in_the_table_are_those_of_the_code() -> None:
    files = (*(ROOT / "api").glob("*.py"), ROOT / "api" / "routes" / "live.py")
    code = "\n".join(path.read_text(encoding="utf-8") for path in files)
    [section] = re.findall(r"^## Events\n(.*?)^## ", TEXT, re.MULTILINE | re.DOTALL)
    told = {word for row in re.findall(r"^\| (`.*?) \|", section, re.MULTILINE) for word in re.findall(r"`(\w+)`", row)}
    assert told == set(re.findall(r'\bEvent\("(\w+)"', code)) | {"task"}


def test_limits_that_the_page_names_are_those_of_the_code() -> None:
    assert f"at most {STREAMS_EACH} streams, a process serves {STREAMS:,}" in TEXT
    assert f"A comment every\n{HEARTBEAT_SECONDS:.0f} seconds" in TEXT
    assert f"may be {TOLERANCE / 60:.0f} minutes old" in TEXT
    assert f"`ICEFLOE_API_BODY_BYTES` ({ApiSettings().api_body_bytes / 2**20:g} MiB)" in TEXT
