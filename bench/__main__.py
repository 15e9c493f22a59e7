"""The command line of the benchmarks: `python -m bench [WORKLOAD|all] [--json]`; see bench/README.md."""

import json
import signal
import sys
from argparse import ArgumentParser, Namespace
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

from bench.client import Client
from bench.engine import BenchError, started
from bench.floor import floor
from bench.workloads import WORKLOADS, Figures, Load
from engine.limits import TASKS
from store.open import open_store
from store.protocol import StoreError


def main(arguments: list[str] | None = None) -> int:
    """Run the workloads that were asked for; the exit status."""
    parser = ArgumentParser(prog="python -m bench", description="Measure Icefloe: an engine in a process of its own.")
    parser.add_argument("workload", nargs="?", default="all", choices=["all", "floor", *WORKLOADS])
    parser.add_argument("--store", help="URL of a store without live runs (default: a new SQLite file)")
    parser.add_argument("--events", default="store", help="where changes come from (default: the store's own feed)")
    parser.add_argument("--runs", type=int, help="how many runs, instead of the workload's own number")
    parser.add_argument("--width", type=int, default=200, help="fanout: tasks side by side (default: 200)")
    parser.add_argument("--seconds", type=float, default=10.0, help="idle, hold: how long to watch (default: 10)")
    parser.add_argument("--json", action="store_true", help="one JSON object per workload, each on a line")
    asked = parser.parse_args(arguments)
    if not 1 <= asked.width <= TASKS - 2:
        parser.error(f"--width is 1 to {TASKS - 2}: a workflow has at most {TASKS} tasks, with the first and the last")
    if asked.seconds <= 0 or (asked.runs is not None and asked.runs < 1):
        parser.error("--runs is at least 1, and --seconds more than 0")
    for name in ["floor", *WORKLOADS] if asked.workload == "all" else [asked.workload]:
        try:
            figures = _measured(name, asked)
        except (BenchError, StoreError) as error:
            print(f"{name}: {error}", file=sys.stderr)
            return 1
        rounded = {key: round(value, 3) if isinstance(value, float) else value for key, value in figures.items()}
        print(json.dumps({"workload": name, **rounded}) if asked.json else _line(name, rounded), flush=True)
    return 0


def _measured(name: str, asked: Namespace) -> Figures:
    """The figures of one workload, measured in a directory that is gone afterwards."""
    load = Load(asked.runs, asked.width, asked.seconds)
    with TemporaryDirectory(prefix="icefloe-bench-") as temporary:
        directory = Path(temporary)
        if name == "floor":
            return floor(directory, load)
        url = asked.store or f"sqlite:///{directory / 'bench.db'}"
        with closing(open_store(url)) as store, started(url, asked.events, directory) as engine:
            client = Client(store, engine)
            client.measure(client.save("bench-begin", [{"name": "begin", "type": "NOOP"}]))
            client.expect(RunCreated=1, TaskClaimed=1, TaskSucceeded=1)
            figures = WORKLOADS[name](client, load)
        return {**figures, "store": urlsplit(url).scheme, "events": urlsplit(asked.events).scheme or asked.events}


def _line(name: str, figures: Figures) -> str:
    told = [f"{key} {value if isinstance(value, str) else format(value, ',')}" for key, value in figures.items()]
    return f"{name:<11}{'  '.join(told)}"


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))  # so that no engine stays behind
    sys.exit(main())
