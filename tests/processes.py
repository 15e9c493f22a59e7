"""Processes that tests start: each is killed at the end, and before that if it takes too long.

So nobody waits for ever for what a process says, or for its end; and where it hung is told.
"""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Timer
from typing import AnyStr, Final

AT_MOST: Final = 120.0  # seconds that a process may take: less than a test, so that its test says what was missing
TO_START_OR_END: Final = 60.0  # seconds that a busy machine may take for what is a matter of one or two

_SPY: Final = Path(sys.executable).with_name("py-spy")
_SPY_SECONDS: Final = 30.0


@contextmanager
def bounded(process: "subprocess.Popen[AnyStr]", at_most: float = AT_MOST) -> Iterator["subprocess.Popen[AnyStr]"]:
    """A process that is killed at the end of the `with`, and at the latest after so many seconds.

    Who reads what it writes then comes to the end of that.
    """

    def give_up() -> None:
        sys.stderr.write(f"process {process.pid} was killed after {at_most:g} s; it was here:\n{stacks(process.pid)}\n")
        process.kill()

    timer = Timer(at_most, give_up)
    timer.start()
    with process:
        try:
            yield process
        finally:
            timer.cancel()
            process.kill()


def end_of(process: "subprocess.Popen[AnyStr]", within: float = TO_START_OR_END) -> int:
    """Wait until a process has ended; its exit status. An AssertionError says where it is if that takes too long."""
    try:
        return process.wait(within)
    except subprocess.TimeoutExpired:
        where = stacks(process.pid)
    raise AssertionError(f"process {process.pid} hasn't ended within {within:g} s; it is here:\n{where}")


def stacks(pid: int) -> str:
    """Where each thread of a Python process is, if the system lets us look."""
    try:
        seen = subprocess.run(
            [_SPY, "dump", "--pid", str(pid)], capture_output=True, text=True, timeout=_SPY_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return seen.stdout or seen.stderr
