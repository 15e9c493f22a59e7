"""The servers under the engine: those that the command line names, or new ones from the packages that the tests use."""

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from bench.processes import BenchError

_COMMAND = (sys.executable, "-m", "tests.servers")
_ROOT = Path(__file__).parent.parent
_END_SECONDS = 30.0
_SETTINGS = ("ICEFLOE_STORE", "ICEFLOE_EVENTS")


@dataclass(frozen=True, slots=True)
class Servers:
    """The URL of a store (`sqlite` alone is a new file), and where changes come from."""

    store: str = "sqlite"
    events: str = "store"

    @property
    def kinds(self) -> tuple[str, str]:
        """What kind of store and events these are, without an address."""
        return urlsplit(self.store).scheme or self.store, urlsplit(self.events).scheme or self.events

    @property
    def broker(self) -> str | None:
        """The addresses of Kafka, if it takes part."""
        return urlsplit(self.events).netloc if self.kinds[1] == "kafka" else None

    @property
    def mongo(self) -> str | None:
        """The URL of MongoDB, if that is the store."""
        return self.store if self.kinds[0].startswith("mongodb") else None


@contextmanager
def packaged() -> Iterator[Servers]:
    """A MongoDB and a Kafka broker on this machine, gone afterwards with all that they hold.

    The packaged broker never lets a consumer wait, which costs all of them much CPU: ICEFLOE_TEST_KAFKA names a better.

    Raises:
        BenchError: they don't start.
    """
    with subprocess.Popen(_COMMAND, cwd=_ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            store, events = _printed(process)
            own = os.environ.get("ICEFLOE_TEST_KAFKA")
            yield Servers(store, f"kafka://{own}" if own else events)
        finally:
            process.terminate()
            try:
                process.wait(_END_SECONDS)
            finally:
                process.kill()


def _printed(process: "subprocess.Popen[str]") -> Iterator[str]:
    """The settings that the command prints as it would for a shell: `export NAME='value'`."""
    for name in _SETTINGS:
        line = process.stdout.readline() if process.stdout else ""
        _, found, value = "".join(shlex.split(line)).partition(f"export{name}=")
        if not found:
            raise BenchError(f"python -m tests.servers should print {name}, and printed {line!r}")
        yield value
