"""The server's clock, without asking for it each time: what it said last, and what has passed here since.

    server  ────────┬─ it is t ──────────────► time
    here    ask ────┘         └─► heard at m            now = t + (monotonic - m)

The answer was on its way for a while, so this is never ahead of the server, and of several answers the quickest is the
best. What has to be exact, a lease, is reckoned by the server itself.
"""

from collections.abc import Callable
from datetime import UTC
from time import monotonic
from typing import Any, Final

from pymongo.database import Database

MEASURED_AGAIN_SECONDS: Final = 30.0
_LATE_SECONDS: Final = 0.5  # how late an answer may be
_DRIFT: Final = 1e-4  # how much slower the server's clock may be than ours
_SERVERS_NOW: Final = {"$divide": [{"$toLong": "$$NOW"}, 1000]}


class ServerClock:
    """Unix seconds by the server; tests give a clock of their own."""

    def __init__(self, database: Database[dict[str, Any]], clock: Callable[[], float] | None) -> None:
        self._database = database
        self._clock = clock
        self._last = (0.0, float("-inf"))  # what it told and when that was heard: one value, for several threads

    def __call__(self) -> float:
        """The time; asks nobody."""
        if self._clock is not None:
            return self._clock()
        told, heard = self._last
        return told + monotonic() - heard

    def measure(self, *, again: bool = False) -> float:
        """The time, asked of the server if that was long ago, or `again`.

        Raises:
            PyMongoError: it doesn't answer.
        """
        before, then = self._last
        if self._clock is None and (again or monotonic() - then > MEASURED_AGAIN_SECONDS):
            told = self._database.command("hello")["localTime"].replace(tzinfo=UTC).timestamp()
            heard = monotonic()
            expected = before + (heard - then) * (1 - _DRIFT)
            late = told < expected < told + _LATE_SECONDS  # later still, and the clock was set back
            self._last = (expected if late else told, heard)
        return self()

    @property
    def now(self) -> Any:
        """The time for the server to reckon with, in an update or a condition."""
        return _SERVERS_NOW if self._clock is None else self._clock()
