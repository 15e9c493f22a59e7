"""Engine processes that tests start, kill, stop for a while and end; whatever happens, none is left behind."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from threading import Event, Thread
from typing import Any, Final

from tests.processes import TO_START_OR_END, end_of

ROOT: Final = Path(__file__).parents[2]
PATIENCE: Final = 20.0  # seconds, less than the 30 after which a run that was forgotten is looked at again


def until(condition: Callable[[], object], what: str, within: float = PATIENCE) -> None:
    """Wait until something holds; an AssertionError names it if it takes too long."""
    give_up = time.monotonic() + within
    while not condition():
        assert time.monotonic() < give_up, f"not within {within:g} s: {what}"
        time.sleep(0.02)


def python(*arguments: str) -> list[str]:
    """The command line by which this Python runs something."""
    return [sys.executable, *arguments]


def environment_of(settings: Mapping[str, object]) -> dict[str, str]:
    """An environment with these settings of ours, and no others."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("ICEFLOE_")}
    return inherited | {f"ICEFLOE_{name.upper()}": str(value) for name, value in settings.items()}


class Engine:
    """A running engine, or relay. All of it is addressed by its process id."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path, started: str) -> None:
        self._process = process
        self._log = log
        self._started = started

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def owner(self) -> str:
        """The owner that it entered itself as when it started."""
        return str(self.events("engine_started")[0]["owner"])

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    def events(self, name: str | None = None) -> list[dict[str, Any]]:
        """What it has logged, or the events of one name."""
        found = []
        for line in self._log.read_bytes().splitlines():
            with suppress(ValueError):
                found.append(json.loads(line))
        return [event for event in found if name in (None, event["event"])]

    def await_start(self) -> None:
        until(lambda: self.events(self._started) or not self.is_running, "it has started", TO_START_OR_END)
        assert self.events(self._started), self.words()  # a block may have ended it since

    def words(self) -> str:
        """The end of its log."""
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-30:])

    def kill(self) -> None:
        """End it as a power cut would."""
        self._process.kill()
        self._process.wait()

    def freeze(self) -> None:
        """Stop it in the middle of whatever it does, until it is thawed."""
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def ask_to_end(self) -> None:
        self._process.terminate()

    def terminate(self) -> int:
        """Ask it to end; its exit status."""
        self.ask_to_end()
        return self.wait()

    def wait(self) -> int:
        """Wait until it has ended; its exit status."""
        return end_of(self._process)


@contextmanager
def running(
    command: Sequence[str],
    settings: Mapping[str, object],
    log: Path,
    *,
    started: str = "engine_started",
    await_start: bool = True,
) -> Iterator[Engine]:
    """An engine process that Python runs by this command line, killed at the end if it still runs.

    `started` is the event that it logs when it has.
    """
    with (
        log.open("wb") as output,
        subprocess.Popen(
            python(*command), env=environment_of(settings), cwd=ROOT, stdout=output, stderr=output
        ) as process,
    ):
        try:
            engine = Engine(process, log, started)
            if await_start:
                engine.await_start()
            yield engine
        finally:
            process.kill()


@contextmanager
def supervised(start: Callable[[], AbstractContextManager[Engine]]) -> Iterator[list[int]]:
    """An engine that is started again whenever it ends by itself, as service managers do it; its exit statuses."""
    statuses: list[int] = []
    ending = Event()

    def keep() -> None:
        while not ending.is_set():
            with start() as engine:
                while engine.is_running and not ending.wait(0.05):
                    pass
                if not engine.is_running:
                    statuses.append(engine.wait())

    keeper = Thread(target=keep, name="supervisor")
    keeper.start()
    try:
        yield statuses
    finally:
        ending.set()
        keeper.join()
