"""The workloads: what is run, what is measured of it, and the check that all of it really happened.

Each takes a client of a fresh engine and gives its figures. A no-op is claimed, called and recorded like every task.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, product
from random import Random
from statistics import median
from string import ascii_letters
from time import monotonic, perf_counter, sleep
from typing import Any, TypeAlias

from bench import kafka
from bench.client import Client
from bench.figures import Figures, percentiles
from bench.processes import BenchError
from engine.statuses import RunStatus
from engine.transitions import Signal, SignalReceived

Task: TypeAlias = Mapping[str, Any]

_WARM_UPS = 5
_ROUNDS = 3
_DECISIONS = 50
_PAUSE_SECONDS = 0.05  # at most, between two triggers: they don't come in step with anything


@dataclass(frozen=True, slots=True)
class Load:
    """How much: runs (None: as the workload has it), tasks side by side, and seconds to watch idle processes."""

    runs: int | None = None
    width: int = 200
    seconds: float = 10.0


def idle(client: Client, load: Load) -> Figures:
    """Nothing to do."""
    memory: Figures = {f"{process.name}_rss_mb": process.rss_mb() for process in client.place.processes}
    return {**client.idle_cpu_pct(load.seconds), **memory}


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
    rss, begin = client.place.engine.rss_mb(), perf_counter()
    runs = client.start(workflow, number)
    client.wait(runs, RunStatus.WAITING)
    figures: Figures = {"n": number, "wall_s": perf_counter() - begin, **client.idle_cpu_pct(load.seconds)}
    figures["engine_rss_delta_mb"] = client.place.engine.rss_mb() - rss
    seconds = _decided(client, Random(1).sample(runs, min(number, _DECISIONS)))
    asked, done = number + _WARM_UPS, len(warm_up) + len(seconds)
    client.expect(
        RunCreated=asked, TaskClaimed=asked + done, TaskSuspended=asked, SignalReceived=done, TaskSucceeded=done
    )
    return {**figures, **percentiles("decision_", seconds)}


def trigger(client: Client, load: Load) -> Figures:
    """A message to the call of its run's only task, and to the run's visible end; one message after the other.

    Sender and block read the same clock. Needs Kafka.
    """
    if client.place.topics is None:
        raise BenchError("triggers are messages of Kafka: say where it is with --events kafka://HOST:PORT")
    workflow = client.save("bench-trigger", [{"name": "stamp", "type": "BENCH_STAMP"}])
    client.adopt(workflow)
    sender, random, number = kafka.Sender(*client.place.topics), Random(1), _WARM_UPS + (load.runs or 100)
    to_call, to_end = [], []
    for index in range(number):
        sleep(random.random() * _PAUSE_SECONDS)
        begin = monotonic()
        sender.send(json.dumps({"workflow": workflow, "inputs": {}, "id": str(index)}).encode())
        run = client.arrival()
        client.wait([run])
        to_end.append(monotonic() - begin)
        outputs = client.document(run).tasks["stamp"].outputs
        to_call.append((outputs or {})["called_at"] - begin)
    sender.settle()
    client.expect(RunCreated=number, TaskClaimed=number, TaskSucceeded=number)
    figures = {**percentiles("", to_call[_WARM_UPS:]), **percentiles("end_", to_end[_WARM_UPS:])}
    return {"n": number - _WARM_UPS, **figures}


WORKLOADS: dict[str, Callable[[Client, Load], Figures]]
WORKLOADS = {one.__name__: one for one in (idle, chain, throughput, fanout, hold, io, trigger)}


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
    client.measure(workflow, number)  # to warm up
    before = client.cpu_seconds()
    rounds = [client.measure(workflow, number) for _ in range(_ROUNDS)]
    took = {name: after - before[name] for name, after in client.cpu_seconds().items()}
    runs = (1 + _ROUNDS) * number
    client.expect(RunCreated=runs, TaskClaimed=runs * tasks, TaskSucceeded=runs * tasks)
    wall = median(rounds)
    cpu: Figures = {f"{name}_us_task": 1e6 * seconds / (_ROUNDS * number * tasks) for name, seconds in took.items()}
    rates: Figures = {"wall_s": wall, "runs_s": number / wall, "tasks_s": number * tasks / wall}
    return {"n": number, "rounds": _ROUNDS, **rates, **cpu}


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
