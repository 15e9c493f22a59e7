"""The frozen dataflow: its steps are the same whatever is in the store, and it runs every kind of run to its end."""

import socket
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from os import environ
from pathlib import Path
from signal import SIGTERM
from typing import Any, Final

import pytest
from bytewax.visualize import to_json, to_mermaid

from blocks.catalogue import Catalogue
from blocks.noop import noop
from dataflows import workflows as module
from dataflows.process import run
from dataflows.settings import EngineSettings
from dataflows.shell import Shell
from dataflows.workers import LoopWorker
from dataflows.workflows import workflows
from engine.run import Parent
from engine.statuses import FINAL_RUN, RunStatus
from engine.transitions import RunCancelled, RunPaused, RunResumed, RunRetried, Signal, SignalReceived
from store.protocol import BEGINNING, NewRun, Proposal, Store
from store.sqlite import SqliteStore
from tests.dataflows.driver import CATALOGUE, let_go, until
from tests.engine.driver import plan_of, task
from tests.store.driver import check

ROOT: Final = Path(__file__).parents[2]
LEAVES: Final = [f"leaf-{number}" for number in range(40)]
WAYS: Final[dict[str, list[str | dict[str, Any]]]] = {
    "chain": ["a", "b: a", "c: b", "d: c", "e: d"],
    "fan": ["root", *(f"{leaf}: root" for leaf in LEAVES), f"end: {' && '.join(LEAVES)}"],
    "either": [
        task("ask", type="CONDITION", arguments={"left": "{{ inputs.x }}", "operator": "matches", "right": "^y"}),
        "yes: ask",
        "no: ask.SKIPPED",
        task("tell: yes || no", arguments={"said": "{{ tasks.ask.status }}", "all": "{{ [inputs.x, run.id] }}"}),
    ],
    "retry": [
        task("a", type="HOLD", arguments={"how": "fail"}, retry={"max_attempts": 3, "initial_interval": "10ms"}),
        "b: a.FAILED",
    ],
    "wait": [task("a", type="WAIT", arguments={"duration": "50ms"}), "b: a"],
    "omit": ["a", "b: a.FAILED", "c: b", "d: !b"],
}


def started(store: Store, *, each: int) -> list[str]:
    """Start so many runs of each kind of workflow."""
    requests = []
    for name, tasks in WAYS.items():
        store.save_workflow(plan_of(*tasks, name=name, inputs={"properties": {"x": {}}}).workflow)
        requests += [NewRun(f"{name}-{n}", name, {"x": "yn"[n % 2]}) for n in range(each)]
    assert {answer.outcome for answer in store.create(requests)} == {"created"}
    return [request.id for request in requests]


def executed(folder: Path, people: Callable[[Store], object], workers: int = 1) -> None:
    """Run the dataflow on the store in this folder for as long as people do something with it."""
    path = folder / "icefloe.db"
    catalogue = Catalogue({**Catalogue.load(), **CATALOGUE})
    shell = Shell(SqliteStore(path), catalogue, EngineSettings())
    shell.begin()
    let_go()

    def act() -> None:
        store = SqliteStore(path)
        try:
            people(store)
        finally:
            shell.stop()
            store.close()

    with ThreadPoolExecutor(1) as pool:
        acting = pool.submit(act)
        try:
            run(workflows(shell), workers)
        finally:
            shell.end()
            for worker in shell.calls._workers.values():
                if isinstance(worker, LoopWorker):
                    worker.end()
        acting.result()


def await_end(store: Store, number: int) -> None:
    """Wait until so many runs have ended."""
    until(
        lambda: sum(n for status, n in store.counts().items() if status in FINAL_RUN) >= number, "all runs have ended"
    )


def outcomes(store: Store, ids: list[str]) -> dict[str, tuple[RunStatus, dict[str, str]]]:
    """How each run ended, and its tasks."""
    runs = store.load(ids)
    return {id_: (runs[id_].status, {name: str(one.status) for name, one in runs[id_].tasks.items()}) for id_ in ids}


# The picture.


def drawn(folder: Path, catalogue: Catalogue) -> tuple[str, str]:
    """The dataflow as Bytewax renders it."""
    store = SqliteStore(folder / "icefloe.db")
    flow = workflows(Shell(store, catalogue, EngineSettings()))
    store.close()
    return to_json(flow), to_mermaid(flow)


def test_the_dataflow_is_the_same_whatever_workflows_and_runs_there_are(tmp_path: Path) -> None:
    before = drawn(tmp_path, CATALOGUE)
    store = SqliteStore(tmp_path / "icefloe.db")
    for number in range(20):
        shape = [f"t{n}" if n == 0 else f"t{n}: t{n // 2}" for n in range(number + 1)]
        store.save_workflow(plan_of(*shape, name=f"w{number}").workflow)
        store.create([NewRun(f"w{number}-{n}", f"w{number}", {}) for n in range(5)])
    assert sum(store.counts().values()) == 100
    store.close()
    assert drawn(tmp_path, CATALOGUE) == before


def test_the_dataflow_has_a_branch_for_each_installed_block_type(tmp_path: Path) -> None:
    few, all_ = drawn(tmp_path, Catalogue.of(noop))[1], drawn(tmp_path, CATALOGUE)[1]
    for type_ in CATALOGUE:
        assert f"workflows.{type_}[" in all_
        assert (f"workflows.{type_}[" in few) is (type_ == "NOOP")
    names = {type_ for type_ in CATALOGUE if type_ != "NOOP"}
    without = [line for line in all_.splitlines() if not any(f"workflows.{name}" in f"{line} " for name in names)]
    assert without == few.splitlines()


def test_the_module_makes_the_dataflow_when_it_is_asked_for() -> None:
    assert "flow" not in vars(module)
    with pytest.raises(AttributeError, match=r"'dataflows\.workflows' has no attribute 'flows'"):
        _ = module.flows


# What it executes.


@pytest.mark.parametrize("workers", [1, 2])
def test_every_kind_of_run_ends_as_it_should(tmp_path: Path, workers: int) -> None:
    def people(store: Store) -> None:
        await_end(store, len(started(store, each=34)))

    executed(tmp_path, people, workers)
    store = SqliteStore(tmp_path / "icefloe.db")
    ids = [f"{name}-{number}" for name in WAYS for number in range(34)]
    for id_, (status, tasks) in outcomes(store, ids).items():
        expected = dict.fromkeys(tasks, "SUCCESS")
        if id_.startswith("either"):
            odd = int(id_.rpartition("-")[2]) % 2
            expected |= {"ask": "SKIPPED", "yes": "OMITTED"} if odd else {"no": "OMITTED"}
        elif id_.startswith("retry"):
            expected["a"] = "FAILED"
        elif id_.startswith("omit"):
            expected |= {"b": "OMITTED", "c": "OMITTED"}
        assert (status, tasks) == ("SUCCESS", expected), id_
    assert {run_.tasks["a"].attempt for run_ in store.load([f"retry-{n}" for n in range(34)]).values()} == {3}
    check(store)
    store.close()


def test_people_may_do_whatever_they_like_while_it_runs(tmp_path: Path) -> None:
    approval = task("ask", type="APPROVAL", arguments={"approvers": ["olga"]})
    ids = [f"r{number}" for number in range(8)]

    def people(store: Store) -> None:
        store.save_workflow(plan_of(approval, "b: ask.DONE", name="w").workflow)
        store.create([NewRun(id_, "w", {}) for id_ in ids])
        until(lambda: store.counts() == {RunStatus.WAITING: 8}, "all wait")
        store.apply([Proposal("r0", RunCancelled()), Proposal("r1", RunPaused()), Proposal("r2", RunPaused())])
        decision = SignalReceived("ask", Signal("s", 1, "olga", {"decision": "approve"}))
        store.apply([Proposal(id_, decision) for id_ in ids[1:]])
        await_end(store, 6)
        assert {store.load([id_])[id_].status for id_ in ("r1", "r2")} == {RunStatus.PAUSED}
        store.apply([Proposal("r1", RunResumed()), Proposal("r2", RunResumed()), Proposal("r0", RunRetried(1))])
        until(lambda: store.counts().get(RunStatus.WAITING) == 1, "the retried run waits again")
        again = SignalReceived("ask", Signal("t", 2, "olga", {"decision": "reject"}))
        store.apply([Proposal("r0", again)])
        await_end(store, 8)

    executed(tmp_path, people)
    store = SqliteStore(tmp_path / "icefloe.db")
    statuses = {id_: tasks["ask"] for id_, (_, tasks) in outcomes(store, ids).items()}
    assert statuses == {**dict.fromkeys(ids, "SUCCESS"), "r0": "FAILED"}
    check(store)
    store.close()


def test_a_run_tells_the_one_that_started_it_of_its_end(tmp_path: Path) -> None:
    def people(store: Store) -> None:
        store.save_workflow(plan_of(task("wait", type="WAIT_FOR_SIGNAL"), "b: wait", name="parent").workflow)
        store.save_workflow(plan_of("a", name="child").workflow)
        store.create([NewRun("p", "parent", {}), NewRun("c", "child", {}, parent=Parent("p", "wait", 1))])
        await_end(store, 2)
        until(lambda: store.load(["c"])["c"].told, "the child knows that its parent knows")

    executed(tmp_path, people)
    store = SqliteStore(tmp_path / "icefloe.db")
    assert store.load(["p"])["p"].tasks["wait"].outputs["data"]["status"] == "SUCCESS"
    store.close()


# As programs.


def environment(folder: Path) -> dict[str, str]:
    return {**environ, "ICEFLOE_STORE": f"sqlite:///{folder / 'icefloe.db'}"}


def run_by_bytewax(folder: Path, number: int, *options: list[str]) -> None:
    """Let Bytewax run the dataflow, in as many processes as there are options, until so many runs have ended."""
    command = [sys.executable, "-m", "bytewax.run", "dataflows.workflows"]
    log = (folder / "log").open("wb")
    processes = [
        subprocess.Popen([*command, *one], env=environment(folder), cwd=ROOT, stdout=log, stderr=log) for one in options
    ]
    store = SqliteStore(folder / "icefloe.db")
    try:
        await_end(store, number)
        for process in processes:
            process.send_signal(SIGTERM)
        assert [process.wait(20) for process in processes] == [0] * len(processes)
        check(store)
    except BaseException:
        sys.stderr.write((folder / "log").read_text())
        raise
    finally:
        for process in processes:
            process.kill()
            process.wait()
        log.close()
        store.close()


@pytest.fixture
def waiting(tmp_path: Path) -> int:
    """Runs that wait for an engine with the installed blocks; how many."""
    store = SqliteStore(tmp_path / "icefloe.db")
    ids = [id_ for id_ in started(store, each=40) if not id_.startswith("retry")]
    store.apply([Proposal(f"retry-{number}", RunCancelled()) for number in range(40)])
    store.close()
    return len(ids) + 40


@pytest.mark.parametrize("options", [[], ["-w", "2"]], ids=["one worker", "two workers"])
def test_bytewax_runs_it_by_its_name(tmp_path: Path, waiting: int, options: list[str]) -> None:
    run_by_bytewax(tmp_path, waiting, options)


def test_bytewax_runs_it_as_a_cluster_of_processes(tmp_path: Path, waiting: int) -> None:
    addresses = ";".join(f"127.0.0.1:{port}" for port in free_ports(2))
    run_by_bytewax(tmp_path, waiting, *(["-i", str(number), "-a", addresses] for number in range(2)))
    store = SqliteStore(tmp_path / "icefloe.db")
    claims = [change.transition or {} for change in store.changes(BEGINNING, limit=100_000).changes]
    store.close()
    assert len({claim["owner"] for claim in claims if claim.get("type") == "TaskClaimed"}) == 2, "both took part"


def free_ports(number: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports
