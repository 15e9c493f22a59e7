"""The graph of who waits for whom: an order of the tasks, the cycles in it, and what is upstream of a task."""

from collections.abc import Iterable, Mapping
from typing import TypeAlias

Waits: TypeAlias = Mapping[str, Iterable[str]]  # what each task waits for; every name is a key


def in_order(waits: Waits) -> tuple[list[str], list[tuple[str, ...]]]:
    """The tasks, each behind all that it waits for; and the cycles that keep tasks out of that order.

    A task that is in a cycle, or behind one, is not in the order. In a cycle each task waits for the next and the last
    for the first; no task is in two of those told, so that mending them all may uncover others.
    """
    dependents: dict[str, list[str]] = {task: [] for task in waits}
    missing = dict.fromkeys(waits, 0)
    for task, others in waits.items():
        for other in others:
            dependents[other].append(task)
            missing[task] += 1
    order: list[str] = []
    cycles: list[tuple[str, ...]] = []
    left = dict.fromkeys(waits)
    free = [task for task in waits if not missing[task]]
    while left:
        while free:
            task = free.pop()
            if task not in left:
                continue
            del left[task]
            if not cycles:
                order.append(task)
            for dependent in dependents[task]:
                missing[dependent] -= 1
                if not missing[dependent]:
                    free.append(dependent)
        if left:
            cycles.append(_cycle(waits, left))
            free.extend(cycles[-1])
    return order, cycles


def _cycle(waits: Waits, left: Mapping[str, None]) -> tuple[str, ...]:
    """A cycle among the tasks that are left, each of which waits for another of them; the first of them begins it."""
    walked: dict[str, int] = {}
    task = next(iter(left))
    while task not in walked:
        walked[task] = len(walked)
        task = next(other for other in waits[task] if other in left)
    cycle = list(walked)[walked[task] :]
    members = set(cycle)
    first = cycle.index(next(name for name in left if name in members))
    return (*cycle[first:], *cycle[:first])


class Upstream:
    """Which tasks a task waits for, directly or through others. One bit a pair: 1,000 tasks take 125 kB."""

    __slots__ = ("_bits", "_upstream")

    def __init__(self, waits: Waits, order: Iterable[str]) -> None:
        """`order` has the tasks of which it is known for whom they wait, each behind those that it waits for."""
        self._bits = {task: 1 << index for index, task in enumerate(waits)}
        self._upstream: dict[str, int] = {}
        for task in order:
            above = 0
            for other in waits[task]:
                if other not in self._upstream:
                    break
                above |= self._bits[other] | self._upstream[other]
            else:
                self._upstream[task] = above

    def lacks(self, task: str, other: str) -> bool:
        """Whether `other` is certainly not upstream of `task`: not where a cycle or a gap in the order may hide it."""
        return task in self._upstream and not self._upstream[task] & self._bits[other]
