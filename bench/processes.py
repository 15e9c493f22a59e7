"""The processes under measurement, each started as everybody starts it, and what the operating system knows of them."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

_COMMAND = (sys.executable, "-m", "icefloe")
_END_SECONDS = 30.0
_COMMAND_SECONDS = 60.0
_LAST_WORDS = 15  # lines


class BenchError(Exception):
    """Something that the figures rest on isn't as it must be; the message says what."""


class Process:
    """A running `icefloe` command."""

    def __init__(self, name: str, process: subprocess.Popen[bytes], log: Path) -> None:
        self.name = name
        self._process = process
        self._log = log

    def check(self, expected: int | None = None) -> None:
        """Raise BenchError unless it runs, or has ended with the status expected."""
        status = self._process.poll()
        if status != expected:
            raise BenchError(f"the {self.name} ended with status {status}{self.words()}")

    def words(self) -> str:
        """The last lines of its log."""
        lines = self._log.read_text(errors="replace").splitlines()[-_LAST_WORDS:]
        return f"; the last words of the {self.name}:\n" + "\n".join(lines)

    def cpu_seconds(self) -> float:
        """The CPU time that it has used, in all its threads."""
        fields = self._proc("stat").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def rss_mb(self) -> float:
        """The memory that it holds, in MiB."""
        return int(self._proc("status").partition("VmRSS:")[2].split()[0]) / 1024

    def _proc(self, name: str) -> str:
        try:
            return Path(f"/proc/{self._process.pid}/{name}").read_text()
        except OSError as error:
            raise BenchError(f"CPU time and memory are read from Linux' /proc: {error}") from error


@contextmanager
def started(name: str, environment: Mapping[str, str], directory: Path) -> Iterator[Process]:
    """A command that runs until it is told to end; its log is in `directory`.

    Raises:
        BenchError: it didn't end with status 0 when it was asked to, or had ended before.
    """
    log = directory / f"{name}.log"
    with (
        log.open("wb") as output,
        subprocess.Popen([*_COMMAND, name], env=environment, stdout=output, stderr=subprocess.STDOUT) as process,
    ):
        one = Process(name, process, log)
        try:
            yield one
            process.terminate()
            process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired as error:
            raise BenchError(f"the {name} was asked to stop, and didn't{one.words()}") from error
        finally:
            process.kill()
    one.check(expected=0)


def done(name: str, environment: Mapping[str, str]) -> None:
    """Run a command to its end.

    Raises:
        BenchError: it failed, or took too long.
    """
    try:
        subprocess.run(
            [*_COMMAND, name], env=environment, capture_output=True, text=True, timeout=_COMMAND_SECONDS, check=True
        )
    except subprocess.TimeoutExpired as error:
        raise BenchError(f"icefloe {name} has not ended after {_COMMAND_SECONDS:g} s") from error
    except subprocess.CalledProcessError as error:
        raise BenchError(f"icefloe {name} ended with status {error.returncode}: {error.stderr.strip()}") from error
