"""The workload `api`: runs started, read and listed over HTTP, on a store that has many.

    bench.caller (16 connections) ──► icefloe api ──► store ◄── seen to here: what was acknowledged is there

No engine is at work beside it: what is measured is what the API takes.
"""

import json
import socket
import subprocess
import sys
from contextlib import ExitStack, closing
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from time import monotonic, sleep
from typing import Any, Final
from uuid import uuid4

from api.auth_keys import create
from api.principal import Principal, Role
from bench import mongo
from bench.caller import Asked
from bench.figures import Figures
from bench.place import environment_of
from bench.processes import BenchError, Process, started
from bench.servers import Servers
from bench.workloads import Load
from engine.documents import Workflow
from store.open import open_store
from store.protocol import NewRun, Store

RUNS: Final = 100_000  # in the store
STARTS: Final = 5_000
CONNECTIONS: Final = 16
READS: Final = 500

_WORKFLOW: Final = "bench-api"
_AT_ONCE: Final = 500
_WARM_UPS: Final = 2_000
_START_SECONDS: Final = 30.0
_CALL_SECONDS: Final = 300.0


def api(servers: Servers, load: Load) -> Figures:
    """Start runs on 16 connections, then read runs and pages of lists one after the other; with API keys.

    Raises:
        BenchError: something isn't as it must be.
    """
    with ExitStack() as stack:
        directory = Path(stack.enter_context(TemporaryDirectory(prefix="icefloe-bench-")))
        prefix = f"icefloe-bench-{uuid4().hex[:12]}"
        if servers.mongo is not None:
            url = stack.enter_context(mongo.database(servers.mongo, prefix))
        else:
            url = f"sqlite:///{directory / 'bench.db'}" if servers.store == "sqlite" else servers.store
        store = stack.enter_context(closing(open_store(url)))
        runs = _filled(store, load.runs or RUNS)
        token = create(store, Principal("bench", "default", frozenset({Role.ADMIN})), by="bench").token
        port = _free_port()
        environment = {
            **environment_of(directory, url, "store", prefix),
            "ICEFLOE_API_PORT": str(port),
            "ICEFLOE_API_RATE": "0",  # one caller is as quick here as a thousand people
        }
        process = stack.enter_context(started("api", environment, directory))
        _await(process, port)
        asked = Asked(f"http://127.0.0.1:{port}", token, _WORKFLOW, _WARM_UPS, CONNECTIONS, _WARM_UPS // 40, runs[:50])
        _called(asked, process)
        before = process.cpu_seconds()
        sample = Random(1).sample(runs, min(READS, len(runs)))
        told = _called(asked._replace(starts=STARTS, reads=READS, runs=sample), process)
        cpu = process.cpu_seconds() - before
        _see_to(store, told["started"])
        figures: Figures = {"n": STARTS, "runs": len(runs), "connections": CONNECTIONS, **told["figures"]}
        return {**figures, "api_cpu_s": cpu, "api_rss_mb": process.rss_mb()}


def _filled(store: Store, number: int) -> list[str]:
    """A store with so many runs; their ids."""
    tasks = [{"name": f"t{index}", "type": "NOOP", "depends": f"t{index - 1}" if index else None} for index in range(5)]
    dag = {"entrypoint": "t0", "exitpoints": ["t4"], "tasks": tasks}
    inputs = {"type": "object", "properties": {"nr": {"type": "integer"}}}
    store.save_workflow(Workflow.model_validate({"name": _WORKFLOW, "inputs": inputs, "dag": dag}))
    ids = [uuid4().hex for _ in range(number)]
    for begin in range(0, number, _AT_ONCE):
        store.create([NewRun(id_, _WORKFLOW, {"nr": 0}, requested_by="bench") for id_ in ids[begin : begin + _AT_ONCE]])
    return ids


def _free_port() -> int:
    with closing(socket.socket()) as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def _await(process: Process, port: int) -> None:
    give_up = monotonic() + _START_SECONDS
    while True:
        process.check()
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError as error:
            if monotonic() > give_up:
                raise BenchError(f"the API doesn't listen after {_START_SECONDS:g} s{process.words()}") from error
            sleep(0.05)
        else:
            return


def _called(asked: Asked, process: Process) -> dict[str, Any]:
    """Let a client ask, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.caller"],
        input=json.dumps(asked._asdict()), capture_output=True, text=True, timeout=_CALL_SECONDS, check=False,
        cwd=Path(__file__).parent.parent,
    )  # fmt: skip
    if done.returncode != 0:
        raise BenchError(f"the client ended: {done.stderr.strip()}{process.words()}")
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def _see_to(store: Store, acknowledged: list[str]) -> None:
    """See that each run that was acknowledged is in the store, and no two were one.

    Raises:
        BenchError: they aren't.
    """
    there = len(store.load(acknowledged))
    if (there, len(acknowledged)) != (STARTS, STARTS):
        raise BenchError(f"{len(acknowledged)} of {STARTS} runs were acknowledged, and {there} of them are there")
