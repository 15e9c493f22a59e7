"""How a process is doing, as its own parts say it; `dataflows.health` passes it on to whoever probes.

operators, sources, lease ─► troubles ─┐
checks (lease over, stopping)  ────────┼─► reasons() ─► ready or not
each turn of the dataflow ─► turned() ─┴─► hung()    ─► alive or not
"""

from collections.abc import Callable, Mapping
from time import monotonic
from typing import Final, TypeAlias

HUNG_SECONDS: Final = 60.0

Check: TypeAlias = Callable[[], str | None]
"""Says what is wrong, None if nothing is. It must neither wait nor ask anybody outside."""


class Vitals:
    """What is known of a process. Used by all of its threads.

    `troubles` has a sentence for each thing that keeps it from its work, by who met it: who does enters it, and takes
    it out with the next success.
    """

    def __init__(self, checks: Mapping[str, Check] | None = None, *, clock: Callable[[], float] = monotonic) -> None:
        self.troubles: dict[str, str] = {}
        self.checks: dict[str, Check] = dict(checks or {})
        self._clock = clock
        self._turned: dict[int, float] = {}
        self._excused = clock()

    def turned(self, worker: int = 0) -> None:
        """The dataflow of a worker has made a turn."""
        self._turned[worker] = self._clock()

    def reasons(self) -> dict[str, str]:
        """Why the process is not ready, by what is in the way; empty if it is."""
        found = dict(self.troubles)
        if not self._turned:
            found["start"] = "the dataflow has not begun yet"
        for what, check in list(self.checks.items()):
            wrong = check()
            if wrong is not None:
                found[what] = wrong
        return found

    def hung(self) -> str | None:
        """Why the process should be started again: its dataflow stands still, and nothing that it waits for is away."""
        now = self._clock()
        if self.troubles or not self._turned:
            self._excused = now
            return None
        still = now - max(self._excused, min(self._turned.values()))
        return f"the dataflow has not turned for {still:.0f} s" if still > HUNG_SECONDS else None
