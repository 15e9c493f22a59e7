"""The command line of the benchmarks: `python -m bench [WORKLOAD|all] [--json]`; see bench/README.md."""

import json
import signal
import sys
from argparse import ArgumentParser, Namespace
from contextlib import nullcontext

from bench.api import api
from bench.client import Client
from bench.figures import Figures
from bench.floor import floor
from bench.place import place
from bench.processes import BenchError
from bench.servers import Servers, packaged
from bench.workloads import WORKLOADS, Load
from engine.limits import TASKS
from store.protocol import StoreError


def main(arguments: list[str] | None = None) -> int:
    """Run the workloads that were asked for; the exit status."""
    parser = ArgumentParser(prog="python -m bench", description="Measure Icefloe: an engine in a process of its own.")
    parser.add_argument("workload", nargs="?", default="all", choices=["all", "floor", "api", *WORKLOADS])
    parser.add_argument("--store", help="sqlite (a new file, the default) or a URL: mongodb://…")
    parser.add_argument("--events", help="where changes come from: store (the default) or kafka://…")
    parser.add_argument("--servers", action="store_true", help="start a MongoDB and a Kafka broker, and use them")
    parser.add_argument("--runs", type=int, help="how many runs, instead of the workload's own number")
    parser.add_argument("--width", type=int, default=200, help="fanout: tasks side by side (default: 200)")
    parser.add_argument("--seconds", type=float, default=10.0, help="idle, hold: how long to watch (default: 10)")
    parser.add_argument("--json", action="store_true", help="one JSON object per workload, each on a line")
    asked = parser.parse_args(arguments)
    if not 1 <= asked.width <= TASKS - 2:
        parser.error(f"--width is 1 to {TASKS - 2}: a workflow has at most {TASKS} tasks, with the first and the last")
    if asked.seconds <= 0 or (asked.runs is not None and asked.runs < 1):
        parser.error("--runs is at least 1, and --seconds more than 0")
    name = asked.workload
    try:
        with packaged() if asked.servers else nullcontext(Servers()) as given:
            servers = Servers(asked.store or given.store, asked.events or given.events)
            for name in _names(asked.workload, servers):
                figures = _measured(name, servers, asked)
                print(json.dumps({"workload": name, **figures}) if asked.json else _line(name, figures), flush=True)
    except (BenchError, StoreError) as error:
        print(f"{name}: {error}", file=sys.stderr)
        return 1
    return 0


def _names(workload: str, servers: Servers) -> list[str]:
    """What to measure; of `all`, triggers only where there is Kafka."""
    if workload != "all":
        return [workload]
    return ["floor", *(name for name in WORKLOADS if name != "trigger" or servers.broker), "api"]


def _measured(name: str, servers: Servers, asked: Namespace) -> Figures:
    """The figures of one workload, measured in a place of its own."""
    load = Load(asked.runs, asked.width, asked.seconds)
    if name == "floor":
        figures = floor(asked.runs, servers.mongo)
    elif name == "api":
        figures = api(servers, load) | {"store": servers.kinds[0]}
    else:
        with place(servers) as found:
            client = Client(found)
            client.warm_up()
            figures = WORKLOADS[name](client, load)
        figures |= dict(zip(("store", "events"), servers.kinds, strict=True))
    return {key: round(value, 3) if isinstance(value, float) else value for key, value in figures.items()}


def _line(name: str, figures: Figures) -> str:
    told = [f"{key} {value if isinstance(value, str) else format(value, ',')}" for key, value in figures.items()]
    return f"{name:<11}{'  '.join(told)}"


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))  # so that no engine stays behind
    sys.exit(main())
