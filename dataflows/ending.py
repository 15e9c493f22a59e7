"""How a process ends: when it is asked to, at its own pace; at once, when it can't go on."""

import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import Protocol, TypeAlias

import structlog

Tell: TypeAlias = Callable[[Exception], object]

log = structlog.get_logger("process")


class Ending(Protocol):
    """An engine or a relay."""

    @property
    def stopping(self) -> bool:
        """Whether somebody asked it to stop."""

    def stop(self) -> None:
        """Finish what is under way, and end."""

    def end(self) -> None:
        """Close what is open; idempotent."""


def stop_on_signals(process: Ending) -> None:
    """Stop on SIGTERM and SIGINT; who is asked twice ends at once."""

    def stop(number: int, _frame: FrameType | None) -> None:
        if process.stopping:
            sys.exit(128 + number)
        process.stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)


def ender(process: Ending, tell: Tell | None) -> Callable[[Exception], None]:
    """What to do with an error after which it can't go on: tell, and end the process with status 1.

    Raised by an operator, it would come out of Bytewax as a page about a panic.
    """

    def end(error: Exception) -> None:
        process.end()
        with suppress(OSError):
            (tell or _note)(error)
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(1)

    return end


def _note(error: Exception) -> None:
    log.error("process_failed", error=str(error))
