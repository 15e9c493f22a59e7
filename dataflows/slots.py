"""Slots: how many calls of each block type may be in flight, and the runs that wait for one.

A full type holds back nothing but its own tasks. Only run ids wait, and tenants take turns.
"""

from collections import OrderedDict
from collections.abc import Mapping
from threading import Lock

BACKLOG = 100_000  # run ids that may wait for one block type; what overflows is found again in the store


class Slots:
    """Free slots by block type. Used by every worker of a process."""

    def __init__(self, capacity: Mapping[str, int]) -> None:
        self._free = dict(capacity)
        self._waiting: dict[str, OrderedDict[str, dict[str, None]]] = {type_: OrderedDict() for type_ in capacity}
        self._overflowed = False
        self._lock = Lock()

    def take(self, type_: str, run_id: str, tenant: str) -> bool:
        """Take a slot. If there is none the run waits for one; a type that isn't installed here has none, ever."""
        with self._lock:
            free = self._free.get(type_)
            if free is None:
                return False
            if free > 0:
                self._free[type_] = free - 1
                return True
            waiting = self._waiting[type_].setdefault(tenant, {})
            if len(waiting) < BACKLOG:
                waiting[run_id] = None
            else:
                self._overflowed = True
            return False

    def give(self, type_: str) -> None:
        """Give a slot back."""
        with self._lock:
            self._free[type_] += 1

    def released(self) -> list[str]:
        """The runs that may try again, since slots have become free: as many as there are slots, tenants by turns."""
        runs: list[str] = []
        with self._lock:
            for type_, tenants in self._waiting.items():
                for _ in range(self._free[type_] if tenants else 0):
                    if not tenants:
                        break
                    tenant, waiting = tenants.popitem(last=False)
                    run_id = next(iter(waiting))
                    del waiting[run_id]
                    if waiting:
                        tenants[tenant] = waiting
                    runs.append(run_id)
        return runs

    def overflowed(self) -> bool:
        """Whether runs were turned away and there is room again; said once."""
        with self._lock:
            if not self._overflowed or any(self._waiting.values()):
                return False
            self._overflowed = False
            return True
