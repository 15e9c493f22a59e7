"""The demo's engine: the real `icefloe engine` in a process of its own, which can't outlive the one that started it."""

import ctypes
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from signal import Signals
from time import monotonic
from typing import Any, Final, Self

from dataflows.settings import PREFIX

_START_SECONDS: Final = 60.0
_END_SECONDS: Final = 30.0
_KAFKA_OPTIONS: Final = f"{PREFIX}KAFKA_OPTIONS"
# Linux ends a child with its parent if the child asks for that. It does so here, and then becomes the engine.
_BOUND: Final = """
import ctypes, os, sys
ctypes.CDLL(None).prctl(1, 9)  # PR_SET_PDEATHSIG, SIGKILL
if os.getppid() == int(sys.argv[1]):  # else it came too late
    os.execv(sys.executable, [sys.executable, *sys.argv[2:]])
"""


class EngineError(Exception):
    """An `engine` didn't do what it should; the message says what. Its log says why."""

    def __init__(self, engine: "Engine", what: str) -> None:
        super().__init__(f"the {engine.kind} {what}")
        self.engine = engine


class Engine:
    """An engine (or a `relay`) with these settings, and none of the user's own but how to speak with Kafka.

    `started` is what it logged when it had: an engine's `position` is where it began to read changes.
    """

    def __init__(self, log: Path, settings: Mapping[str, str], kind: str = "engine") -> None:
        self.log = log
        self.kind = kind
        self.started: dict[str, Any] | None = None
        self._environment = environment(settings)
        self._process: subprocess.Popen[bytes] | None = None
        self._read_from = 0
        self._give_up_at = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()  # who wants more than that has called `stop`

    @property
    def pid(self) -> int:
        """The number of its process, 0 if there is none."""
        return 0 if self._process is None else self._process.pid

    def start(self) -> None:
        """Start it; it isn't ready yet."""
        bound = ("-c", _BOUND, str(os.getpid())) if hasattr(ctypes.CDLL(None), "prctl") else ()
        with self.log.open("ab") as log:
            self._read_from = log.tell()
            self._process = subprocess.Popen(  # noqa: S603 - this project's own command
                [sys.executable, *bound, "-m", "icefloe", self.kind],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for who started it, who then ends it
            )
        self.started = None
        self._give_up_at = monotonic() + _START_SECONDS

    def ready(self) -> bool:
        """Whether it is ready by now.

        Raises:
            EngineError: it ended by itself, or takes too long.
        """
        status = None if self._process is None else self._process.poll()
        if status is not None:
            raise EngineError(self, f"ended by itself, {_how(status)}")
        if self.started is None:
            event = f'"{self.kind}_started"'.encode()
            with self.log.open("rb") as log:
                log.seek(self._read_from)
                started = [line for line in log if event in line and line.endswith(b"\n")]
            self.started = json.loads(started[0]) if started else None
        if self.started is None and monotonic() > self._give_up_at:
            raise EngineError(self, f"isn't ready after {_START_SECONDS:g} s")
        return self.started is not None

    def kill(self) -> None:
        """End it with SIGKILL, if it hasn't ended."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def stop(self) -> None:
        """End it with SIGTERM.

        Raises:
            EngineError: it didn't end in good order.
        """
        if self._process is not None:
            self._process.terminate()
            try:
                status = self._process.wait(_END_SECONDS)
            except subprocess.TimeoutExpired:
                raise EngineError(self, f"hasn't ended {_END_SECONDS:g} s after SIGTERM") from None
            if status != 0:
                raise EngineError(self, f"ended {_how(status)} on SIGTERM, and not with status 0")

    def last_words(self, lines: int = 12) -> list[str]:
        """The end of its log."""
        return self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:]


def environment(settings: Mapping[str, str]) -> dict[str, str]:
    """The environment of a process that has these settings, and of the user's own only how to speak with Kafka."""
    own = {
        name: value
        for name, value in os.environ.items()
        if name.startswith(_KAFKA_OPTIONS) or not name.startswith(PREFIX)
    }
    return own | {PREFIX + name.upper(): value for name, value in settings.items()}


def _how(status: int) -> str:
    return f"with status {status}" if status >= 0 else f"by {Signals(-status).name}"
