"""Consoles in documentation: what a page shows of a shell, run command by command in one real shell, and compared.

$ curl -s http://127.0.0.1:8080/healthz       a command; a line that begins with `> ` continues it
{"status": "…"}                               what it says; `…` stands for any text, alone on a line for any lines
"""

import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, Queue
from threading import Thread
from typing import Final, NamedTuple

from tests.processes import bounded

SECONDS: Final = 60.0  # that one command may take
_DONE: Final = "--done--"


class Command(NamedTuple):
    """A command of a page, and what the page shows of its answer."""

    line: int
    text: str
    shown: str

    def fits(self, said: str) -> bool:
        """Whether what it said is what the page shows."""
        lines = self.shown.rstrip().splitlines()
        pattern = "".join(r"(?:.*\n)*?" if line == "…" else f"{_pattern(line)}\n" for line in lines)
        return re.fullmatch(pattern, said.rstrip() + "\n" * bool(said.rstrip())) is not None


def _pattern(line: str) -> str:
    return ".*?".join(map(re.escape, line.split("…")))


def commands(page: str) -> Iterator[Command]:
    """The commands of all ```console blocks of a page, in order."""
    for block in re.finditer(r"^```console\n(.*?)^```$", page, re.MULTILINE | re.DOTALL):
        begin = page.count("\n", 0, block.start(1)) + 1
        lines = block[1].splitlines()
        starts = [number for number, line in enumerate(lines) if line.startswith("$ ")]
        for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
            text, shown = [lines[start]], lines[start + 1 : end]
            while shown and shown[0].startswith("> "):
                text.append(shown.pop(0))
            yield Command(begin + start, "\n".join(line[2:] for line in text), "\n".join(shown))


class Shell:
    """A shell that keeps its variables from one command to the next."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self._lines: Queue[str] = Queue()
        Thread(target=self._read, daemon=True).start()

    def run(self, command: str) -> str:
        """What a command says, on both streams."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{command}\necho; echo {_DONE}\n")
        self._process.stdin.flush()
        said: list[str] = []
        while True:
            try:
                line = self._lines.get(timeout=SECONDS)
            except Empty:
                raise AssertionError(f"not done within {SECONDS:g} s: {command}\n{''.join(said)}") from None
            if line == f"{_DONE}\n":
                return "".join(said).removesuffix("\n")
            said.append(line)

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line)


@contextmanager
def shell(folder: Path, environment: Mapping[str, str]) -> Iterator[Shell]:
    """A bash in a folder, killed afterwards."""
    started = subprocess.Popen(
        ["bash", "--norc"], cwd=folder, env={**os.environ, **environment}, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    with bounded(started) as process:
        yield Shell(process)
        assert process.stdin is not None
        process.stdin.close()
