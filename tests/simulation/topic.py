"""A topic of changes with partitions and a consumer group: each run's changes go to one engine, more or less once."""

from typing import TYPE_CHECKING
from zlib import crc32

from engine.run import WorkflowRun

if TYPE_CHECKING:
    from tests.simulation.process import Process
    from tests.simulation.simulation import Simulation

PARTITIONS = 4
REREAD = 3  # changes behind the committed offset: those read but not yet committed


class Topic:
    """Who reads which partition, and what was published there."""

    SESSION = 10.0  # seconds without a sign of life after which a consumer loses its partitions

    def __init__(self, simulation: "Simulation") -> None:
        self._simulation = simulation
        self._world = simulation.world
        self._log: list[list[str]] = [[] for _ in range(PARTITIONS)]
        self._committed = [0] * PARTITIONS
        self._reader: list[Process | None] = [None] * PARTITIONS
        self._world.later(2, self.rebalance)

    def publish(self, run: WorkflowRun) -> None:
        """A run was changed (or touched, which a real topic doesn't hear of: it does no harm)."""
        partition = crc32(run.id.encode()) % PARTITIONS
        self._log[partition].append(run.id)
        self._deliver(partition, len(self._log[partition]) - 1)

    def rebalance(self, *, at_random: bool = False) -> None:
        """Share the partitions among the living; whoever gets one reads on from what was committed."""
        processes = [process for process in self._simulation.processes if not process.dead and not process.stopped]
        for partition in range(PARTITIONS):
            old = self._reader[partition]
            new = processes[partition % len(processes)] if processes else None
            if at_random and processes:
                new = self._world.random.choice(processes)
            self._reader[partition] = new
            if new is not old or at_random:
                for offset in range(max(self._committed[partition] - REREAD, 0), len(self._log[partition])):
                    self._deliver(partition, offset)

    def _deliver(self, partition: int, offset: int) -> None:
        process, world = self._reader[partition], self._world
        if process is None or world.chance(0.02):
            return
        late = world.between(0, 5) if world.chance(0.02) else 60.0 if world.chance(0.01) else 0.0
        for _ in range(2 if world.chance(0.03) else 1):
            process.soon(world.between(0.001, 0.03) + late, lambda: self._read(process, partition, offset))

    def _read(self, process: "Process", partition: int, offset: int) -> None:
        self._committed[partition] = max(self._committed[partition], offset)
        process.heard.append(self._log[partition][offset])
        process.kick()
