"""Virtual time: a queue of what is to happen, and one seeded source of chance for all of it."""

from collections.abc import Callable
from heapq import heappop, heappush
from random import Random

EPOCH = 1_000_000.0


class World:
    """Time stands still while something happens, and jumps to whatever is next. `calm_at` is the end of all faults."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.now = EPOCH
        self.calm_at = EPOCH
        self._queue: list[tuple[float, int, Callable[[], object]]] = []
        self._scheduled = 0

    def at(self, when: float, action: Callable[[], object]) -> None:
        """Let something happen at a moment, or now if that has passed."""
        self._scheduled += 1
        heappush(self._queue, (max(when, self.now), self._scheduled, action))

    def later(self, delay: float, action: Callable[[], object]) -> None:
        """Let something happen in so many seconds."""
        self.at(self.now + delay, action)

    def step(self, until: float = float("inf")) -> bool:
        """Let the next thing happen, if it is to happen by then; whether it did."""
        if not self._queue or self._queue[0][0] > until:
            return False
        self.now, _, action = heappop(self._queue)
        action()
        return True

    def run_until(self, when: float) -> None:
        """Let everything happen up to a moment. May be called by something that is happening, and takes its time."""
        while self.step(when):
            pass
        self.now = max(self.now, when)

    def monotonic(self) -> float:
        """What processes take for their monotonic clock."""
        return self.now

    def chance(self, probability: float) -> bool:
        """Whether something unlikely happens; never once it is calm."""
        return self.now < self.calm_at and self.random.random() < probability

    def between(self, least: float, most: float) -> float:
        """A random number."""
        return self.random.uniform(least, most)
