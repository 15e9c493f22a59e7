"""The runs that a store remembers: those of which something is ready or runs. One that waits costs no memory."""

from collections import OrderedDict
from typing import Final, Generic

from engine.statuses import RunStatus
from store.playing import P, Stored

_ACTIVE: Final = frozenset({RunStatus.PENDING, RunStatus.RUNNING})


class Remembered(Generic[P]):
    """The newest known states of active runs, up to so many bytes of what is stored of them."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._bytes = 0
        self._runs: OrderedDict[str, Stored[P]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._runs)

    def get(self, id_: str) -> Stored[P] | None:
        """The run as it was when it was last seen."""
        return self._runs.get(id_)

    def keep(self, stored: Stored[P]) -> None:
        """Remember the newest state of a run, if anything of it is ready or runs."""
        run = stored.run
        known = self._runs.get(run.id)
        if run.status not in _ACTIVE and not run.running:
            self.drop(run.id)
            return
        self._runs[run.id] = stored
        self._bytes += run.size
        if known is not None:
            self._runs.move_to_end(run.id)
            self._bytes -= known.run.size
        while self._bytes > self._capacity:
            self.drop(next(iter(self._runs)))

    def drop(self, id_: str) -> None:
        """Forget a run."""
        stored = self._runs.pop(id_, None)
        if stored is not None:
            self._bytes -= stored.run.size

    def forget(self) -> None:
        """Forget all runs."""
        self._runs.clear()
        self._bytes = 0
