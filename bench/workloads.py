"""The workloads: what is run, what is measured of it, and the check that all of it really happened.

Each takes a client of a fresh engine and gives its figures. A no-op is claimed, called and recorded like every task.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, product
from math import ceil
from random import Random
from statistics import median
from string import ascii_letters
from time import perf_counter
from typing import Any, TypeAlias

from bench.client import Client
from engine.statuses import RunStatus
from engine.transitions import Signal, SignalReceived

Figures: TypeAlias = dict[str, float | int | str]
Task: TypeAlias = Mapping[str, Any]

_WARM_UPS = 5
_ROUNDS = 3
_DECISIONS = 50


@dataclass(frozen=True, slots=True)
class Load:
    """How much: runs (None: as the workload has it), tasks side by side, and seconds to watch an idle engine."""

    runs: int | None = None
    width: int = 200
    seconds: float = 10.0


def idle(client: Client, load: Load) -> Figures:
    """An engine with nothing to do."""
    return {"idle_cpu_pct": client.idle_cpu_pct(load.seconds), "rss_mb": client.engine.rss_mb()}


def chain(client: Client, load: Load) -> Figures:
    """One run of 10 no-ops in sequence, from its submission to its visible end; one run after the other."""
    return _latency(client, client.save("bench-chain", _sequence(10, "NOOP")), load.runs or 50, tasks=10)


def throughput(client: Client, load: Load) -> Figures:
    """1,000 runs of 5 no-ops in sequence, from the first submission to the last visible end."""
    return _bulk(client, client.save("bench-throughput", _sequence(5, "NOOP")), load.runs or 1000, tasks=5)


def fanout(client: Client, load: Load) -> Figures:
    """One run of a no-op, many side by side, and one that waits for them all; one run after the other."""
    # Two letters a name: the expression that joins a thousand of them stays within its 4 KiB.
    names = list(islice(map("".join, product(ascii_letters, repeat=2)), load.width))
    first, last = {"name": "first", "type": "NOOP"}, {"name": "last", "type": "NOOP", "depends": "&&".join(names)}
    tasks = [first, *({"name": name, "type": "NOOP", "depends": "first"} for name in names), last]
    return _latency(client, client.save(f"bench-fanout-{load.width}", tasks), load.runs or 20, tasks=len(tasks))


def io(client: Client, load: Load) -> Figures:
    """200 runs of 3 tasks in sequence, each waiting 50 ms without using the CPU; all runs at once."""
    return _bulk(client, client.save("bench-io", _sequence(3, "BENCH_PAUSE", seconds=0.05)), load.runs or 200, tasks=3)


def hold(client: Client, load: Load) -> Figures:
    """10,000 runs that wait for an approval: what they cost the engine, and how fast it follows a decision."""
    number = load.runs or 10_000
    workflow = client.save("bench-hold", [{"name": "ask", "type": "APPROVAL", "arguments": {"approvers": ["ada"]}}])
    warm_up = _decided(client, client.start(workflow, _WARM_UPS))
    rss, begin = client.engine.rss_mb(), perf_counter()
    runs = client.start(workflow, number)
    client.wait(runs, RunStatus.WAITING)
    figures: Figures = {
        "n": number,
        "wall_s": perf_counter() - begin,
        "idle_cpu_pct": client.idle_cpu_pct(load.seconds),
    }
    figures["rss_delta_mb"] = client.engine.rss_mb() - rss
    seconds = _decided(client, Random(1).sample(runs, min(number, _DECISIONS)))
    asked, done = number + _WARM_UPS, len(warm_up) + len(seconds)
    client.expect(
        RunCreated=asked, TaskClaimed=asked + done, TaskSuspended=asked, SignalReceived=done, TaskSucceeded=done
    )
    return {**figures, **percentiles("decision_", seconds)}


WORKLOADS: dict[str, Callable[[Client, Load], Figures]]
WORKLOADS = {one.__name__: one for one in (idle, chain, throughput, fanout, hold, io)}


def percentiles(name: str, seconds: Iterable[float]) -> Figures:
    """The nearest ranks, in milliseconds: the smallest value that 50 % (99 %) of them don't exceed."""
    ranked = sorted(seconds)
    return {f"{name}p{share}_ms": 1000 * ranked[ceil(share / 100 * len(ranked)) - 1] for share in (50, 99)}


def _sequence(number: int, type_: str, **arguments: object) -> Iterator[Task]:
    for index in range(number):
        depends = f"t{index - 1}" if index else None
        yield {"name": f"t{index}", "type": type_, "arguments": arguments, "depends": depends}


def _latency(client: Client, workflow: str, number: int, *, tasks: int) -> Figures:
    seconds = [client.measure(workflow) for _ in range(_WARM_UPS + number)]
    done = len(seconds) * tasks
    client.expect(RunCreated=len(seconds), TaskClaimed=done, TaskSucceeded=done)
    return {"n": number, "tasks": tasks, **percentiles("", seconds[_WARM_UPS:])}


def _bulk(client: Client, workflow: str, number: int, *, tasks: int) -> Figures:
    rounds = [client.measure(workflow, number) for _ in range(1 + _ROUNDS)]
    runs = len(rounds) * number
    client.expect(RunCreated=runs, TaskClaimed=runs * tasks, TaskSucceeded=runs * tasks)
    wall = median(rounds[1:])  # the first was to warm up
    return {"n": number, "rounds": _ROUNDS, "wall_s": wall, "runs_s": number / wall, "tasks_s": number * tasks / wall}


def _decided(client: Client, runs: Sequence[str]) -> list[float]:
    """Approve these runs one after the other: the seconds from each decision to the visible end of its run."""
    client.wait(runs, RunStatus.WAITING)
    seconds = []
    for run in runs:
        begin = perf_counter()
        client.propose(run, SignalReceived("ask", Signal(f"decision-{run}", 1, "ada", {"decision": "approve"})), "ada")
        client.wait([run])
        seconds.append(perf_counter() - begin)
    return seconds
