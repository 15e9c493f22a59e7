"""The quarantine: tasks whose engines died while calling them are called one at a time.

One of them may be what kills engines, and must not take the innocent along. The others wait for their turn.
"""

from collections.abc import Callable
from threading import Lock
from time import monotonic

DEATHS = 2  # so many engines in a row have died while they called the task
ALONE_SECONDS = 30.0  # a call that hasn't killed its engine for so long makes way for the next one


class Quarantine:
    """Lets suspects in one by one. `in_flight` says whether a task of a run is being called. Used by every worker."""

    def __init__(self, in_flight: Callable[[str, str], bool]) -> None:
        self._in_flight = in_flight
        self._inside: tuple[str, str] | None = None
        self._since = 0.0
        self._waiting: dict[str, None] = {}
        self._lock = Lock()

    def admit(self, run_id: str, task: str) -> bool:
        """Whether this suspect may be called now; if not, its run waits for its turn."""
        with self._lock:
            if self._occupied():
                self._waiting[run_id] = None
                return False
            self._inside = run_id, task
            self._since = monotonic()
            self._waiting.pop(run_id, None)
            return True

    def released(self) -> list[str]:
        """The run that may try again, if there is one."""
        if not self._waiting:
            return []
        with self._lock:
            if self._occupied():
                return []
            run_id = next(iter(self._waiting))
            del self._waiting[run_id]
            return [run_id]

    def _occupied(self) -> bool:
        if self._inside is None or not self._in_flight(*self._inside):
            return False
        return monotonic() - self._since < ALONE_SECONDS
