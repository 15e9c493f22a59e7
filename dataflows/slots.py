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
        self._capacity = capacity
        self._free = dict(capacity)
        self._waiting: dict[str, OrderedDict[str, dict[str, None]]] = {type_: OrderedDict() for type_ in capacity}
        self._turn: dict[str, set[str]] = {type_: set() for type_ in capacity}
        self._overflowed = False
        self._lock = Lock()

    def take(self, type_: str, run_id: str, tenant: str) -> bool:
        """Take a slot; if there is none, or others wait for it already, the run waits for its turn.

        A type that isn't installed here has no slots, ever.
        """
        with self._lock:
            free = self._free.get(type_)
            if free is None:
                return False
            turn, tenants = self._turn[type_], self._waiting[type_]
            if free > 0 and (run_id in turn or not tenants):
                turn.discard(run_id)
                self._free[type_] = free - 1
                return True
            if sum(map(len, tenants.values())) < BACKLOG:
                tenants.setdefault(tenant, {})[run_id] = None
            else:
                self._overflowed = True
            return False

    def taken(self, type_: str) -> int:
        """How many slots of an installed type are taken."""
        return self._capacity[type_] - self._free[type_]

    def full(self, type_: str) -> bool:
        """Whether it is of no use to ask for another slot of this type now."""
        with self._lock:
            return bool(self._waiting.get(type_)) or not self._free.get(type_)

    def give(self, type_: str) -> None:
        """Give a slot back."""
        with self._lock:
            self._free[type_] += 1

    def released(self) -> list[str]:
        """The runs that may try again, since slots have become free: as many as there are slots, tenants by turns."""
        runs: list[str] = []
        with self._lock:
            for type_, tenants in self._waiting.items():
                self._turn[type_].clear()
                for _ in range(self._free[type_] if tenants else 0):
                    if not tenants:
                        break
                    tenant, waiting = tenants.popitem(last=False)
                    run_id = next(iter(waiting))
                    del waiting[run_id]
                    if waiting:
                        tenants[tenant] = waiting
                    self._turn[type_].add(run_id)
                    runs.append(run_id)
        return runs

    def waiting(self) -> int:
        """How many runs wait for their turn, counted once for each block type."""
        with self._lock:
            return sum(len(runs) for tenants in self._waiting.values() for runs in tenants.values())

    def overflowed(self) -> bool:
        """Whether runs were turned away and there is room again; said once."""
        with self._lock:
            if not self._overflowed or any(self._waiting.values()):
                return False
            self._overflowed = False
            return True
