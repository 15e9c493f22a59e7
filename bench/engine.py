"""The engine under measurement: a process of its own, started as everybody starts it, with its shipped settings.

The block that only benchmarks need comes in by the door of every other package: an entry point.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_COMMAND = (sys.executable, "-m", "icefloe", "engine")
_ROOT = Path(__file__).parent.parent
_END_SECONDS = 30.0
_PACKAGE = {
    "METADATA": "Metadata-Version: 2.1\nName: icefloe-bench\nVersion: 0\n",
    "entry_points.txt": "[icefloe.blocks]\nbench_pause = bench.pause:pause\n",
}


class BenchError(Exception):
    """Something that the figures rest on isn't as it must be; the message says what."""


class Engine:
    """A running engine process, and what the operating system knows of it."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self._process = process
        self._log = log

    def check(self, expected: int | None = None) -> None:
        """Raise BenchError unless it runs, or has ended with the status expected."""
        status = self._process.poll()
        if status != expected:
            raise BenchError(f"the engine ended with status {status}{self.words()}")

    def words(self) -> str:
        """The last lines of its log."""
        return "; its last words:\n" + "\n".join(self._log.read_text(errors="replace").splitlines()[-15:])

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
def started(store: str, events: str, directory: Path) -> Iterator[Engine]:
    """An engine on this store; `directory` is for its log and for the package with the extra block.

    Raises:
        BenchError: it didn't end with status 0 when it was asked to, or had ended before.
    """
    package = directory / "packages" / "icefloe_bench-0.dist-info"
    package.mkdir(parents=True)
    for name, text in _PACKAGE.items():
        (package / name).write_text(text)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ICEFLOE_")}
    path = os.pathsep.join([str(package.parent), str(_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment |= {"ICEFLOE_STORE": store, "ICEFLOE_EVENTS": events, "PYTHONPATH": path}
    log = directory / "engine.log"
    with (
        log.open("wb") as output,
        subprocess.Popen(_COMMAND, env=environment, stdout=output, stderr=subprocess.STDOUT) as process,
    ):
        engine = Engine(process, log)
        try:
            yield engine
            process.terminate()
            process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired as error:
            raise BenchError(f"the engine was asked to stop, and didn't{engine.words()}") from error
        finally:
            process.kill()
    engine.check(expected=0)
