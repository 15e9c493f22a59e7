"""G1, G2 and G16 over HTTP: `icefloe api` is killed and stopped while sixteen callers start runs; `icefloe dev`.

a 2xx means durable · one run for each key, whoever is asked again · SIGTERM cuts nothing off
"""

import json
import random
import shlex
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

import pytest

from engine.statuses import RunStatus
from tests.acceptance.callers import Callers, ask
from tests.acceptance.engines import ROOT, Engine, environment_of, python, running, until
from tests.acceptance.scene import Scene, task
from tests.processes import TO_START_OR_END, bounded, end_of
from tests.servers.mongod import free_port

pytestmark = pytest.mark.acceptance

KILLS = 20
KILLS_ELSEWHERE = 6
STOPS = 4
INPUTS = {"type": "object", "properties": {"key": {"type": "string"}}}

on_each_store = pytest.mark.parametrize("store_kind", ["sqlite", "mongo"], indirect=True)


def api(scene: Scene, port: int, name: str = "api", **settings: object) -> AbstractContextManager[Engine]:
    """An API process on the scene's store, killed at the end of the `with`."""
    given = {"store": scene.url, "api_port": port, "api_auth": "none", "api_rate": 0, **settings}
    return running(("-m", "icefloe", "api"), given, scene.folder / f"{name}.log", started="api_started")


@on_each_store
@pytest.mark.parametrize("seed", [20261123])
def test_what_was_acknowledged_is_there_once_though_the_api_is_killed_at_random_moments(
    scene: Scene, seed: int
) -> None:
    dice = random.Random(seed)
    scene.save(task("only"), inputs=INPUTS)
    port = free_port()
    callers = Callers([port], patient=True)
    with ExitStack() as stack:
        with callers.calling():
            for _ in range(KILLS if scene.surroundings.is_embedded else KILLS_ELSEWHERE):
                with api(scene, port) as process:
                    before = len(callers.acknowledged)
                    until(
                        lambda: len(callers.acknowledged) > before,  # noqa: B023 - called at once
                        "a run was acknowledged",
                        TO_START_OR_END,
                    )
                    time.sleep(dice.uniform(0, 0.2))
                    process.kill()
            last = stack.enter_context(api(scene, port))
        assert last.terminate() == 0
    assert callers.odd == []
    assert callers.broken > 0
    see_to(scene, callers)


def see_to(scene: Scene, callers: Callers) -> None:
    """What was acknowledged is in the store, once, and nothing else is."""
    ids = callers.acknowledged.values()
    scene.check(ids)
    assert len(set(ids)) == len(ids)
    for run in scene.store.load(ids).values():
        assert callers.acknowledged[run.inputs["key"]] == run.id
    assert scene.store.counts() == {RunStatus.PENDING: len(ids)}


@on_each_store
def test_an_api_that_is_asked_to_end_cuts_off_nothing_that_it_has_begun(scene: Scene) -> None:
    scene.save(task("only"), inputs=INPUTS)
    port = free_port()
    callers = Callers([port], patient=False)
    with callers.calling():
        for _ in range(STOPS):
            with api(scene, port) as process:
                before = len(callers.acknowledged)
                until(lambda: len(callers.acknowledged) > before + 50, "runs are started")  # noqa: B023 - called at once
                assert process.terminate() == 0, process.words()
    assert callers.odd == []
    see_to(scene, callers)  # so whatever was written was also answered


@pytest.mark.parametrize("store_kind", ["mongo"], indirect=True)
@pytest.mark.parametrize("seed", [1])
def test_two_processes_on_one_store_are_as_one_while_either_is_killed(scene: Scene, seed: int) -> None:
    dice = random.Random(seed)
    scene.save(task("only"), inputs=INPUTS)
    ports = [free_port(), free_port()]
    callers = Callers(ports, patient=True)
    with ExitStack() as stack:
        stack.enter_context(api(scene, ports[0], "steady"))
        with callers.calling():
            for _ in range(KILLS_ELSEWHERE):
                with api(scene, ports[1]) as process:
                    time.sleep(dice.uniform(0.1, 0.5))
                    process.kill()
    assert callers.odd == []
    assert callers.broken > 0
    see_to(scene, callers)


def test_one_request_that_goes_to_two_processes_is_one_run(scene: Scene) -> None:
    scene.save(task("only"), inputs=INPUTS)
    ports = [free_port(), free_port()]
    with api(scene, ports[0], "one"), api(scene, ports[1], "other"):
        document = {"workflow": "w", "inputs": {"key": "k"}}
        answers = [ask(port, "POST", "/v1/runs", document, Idempotency_Key="k") for port in (*ports, *ports)]
        assert sorted(status for status, _ in answers) == [200, 200, 200, 201]
        assert len({answer["id"] for _, answer in answers}) == 1
        status, problem = ask(ports[1], "POST", "/v1/runs", {"workflow": "w"}, Idempotency_Key="k")
        assert (status, problem["code"]) == (422, "idempotency-key-reused")
    assert scene.store.counts() == {RunStatus.PENDING: 1}


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"api_host": "0.0.0.0", "api_auth": "none"}, "settings: ICEFLOE_API_AUTH=none makes everybody"),  # noqa: S104 - refused
        ({"api_auth": "oidc"}, "settings: ICEFLOE_API_AUTH=oidc needs ICEFLOE_API_OIDC"),
        ({"api_host": "192.0.2.1"}, "settings: ICEFLOE_API_HOST: '192.0.2.1' is no address of this machine"),
        ({"store": "mongodb://127.0.0.1:1/icefloe?replicaSet=rs0&serverSelectionTimeoutMS=500"}, "store: "),
    ],
)
def test_an_api_that_cannot_begin_says_why_in_a_sentence(
    tmp_path: Path, settings: Mapping[str, object], sentence: str
) -> None:
    given = {"store": f"sqlite:///{tmp_path}/icefloe.db", "api_port": 0, **settings}
    ended = subprocess.run(
        python("-m", "icefloe", "api"), env=environment_of(given), cwd=ROOT, capture_output=True, text=True,
        timeout=TO_START_OR_END, check=False,
    )  # fmt: skip
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith(f"error: {sentence}")
    assert ended.stderr.count("\n") == 1


def test_a_port_that_is_taken_is_named(scene: Scene) -> None:
    port = free_port()
    with api(scene, port):
        for command in ("api", "dev"):
            with api_refused(scene, command, port) as said:
                assert said.startswith(f"error: settings: ICEFLOE_API_PORT: can't listen on 127.0.0.1:{port} (Address")


@contextmanager
def api_refused(scene: Scene, command: str, port: int) -> Iterator[str]:
    """What a command says that can't have its port."""
    ended = subprocess.run(
        python("-m", "icefloe", command), env=environment_of({"store": scene.url, "api_port": port}), cwd=ROOT,
        capture_output=True, text=True, timeout=TO_START_OR_END, check=False,
    )  # fmt: skip
    assert (ended.returncode, ended.stdout) == (1, "")
    yield ended.stderr


def test_an_api_whose_store_was_deleted_says_so_and_ends(scene: Scene) -> None:
    port = free_port()
    with api(scene, port) as process:
        assert ask(port, "GET", "/v1/runs")[0] == 200
        scene.file.unlink()
        status, problem = ask(port, "GET", "/v1/runs")
        assert (status, problem["code"]) == (503, "store-gone")
        assert process.wait() == 1
        assert process.events("store_gone")
        [*_, last] = process.words().splitlines()
        assert last.startswith(f"error: store: {scene.file} was deleted or replaced while it was open")


class Dev:
    """A running `icefloe dev`, and what it said when it was ready."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process
        assert process.stdout is not None
        self.ready = json.loads(process.stdout.readline())
        self.port = int(self.ready["url"].rpartition(":")[2])


@contextmanager
def dev(store: str, *options: str, **settings: object) -> Iterator[Dev]:
    """`icefloe dev` on a store, at a port that is free, killed at the end of the `with`."""
    command = python("-m", "icefloe", "dev", "--port", "0", "--json", *options)
    started = subprocess.Popen(
        command, cwd=ROOT, env=environment_of({"store": store, **settings}), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    with bounded(started) as process:
        yield Dev(process)


def test_dev_runs_a_workflow_that_is_started_and_decided_over_http(tmp_path: Path) -> None:
    with dev(f"sqlite:///{tmp_path}/icefloe.db", "--examples", outbox=tmp_path / "outbox") as one:
        inputs = {"asset": "sales.orders", "owner": "olga@example.org", "requester": "ada@example.org"}
        status, run = ask(one.port, "POST", "/v1/runs", {"workflow": "metadata-change-request", "inputs": inputs})
        assert status == 201

        def asked() -> bool:
            _, inbox = ask(one.port, "GET", "/v1/approvals", X_Icefloe_As="olga@example.org")
            return [item["run"] for item in inbox["items"]] == [run["id"]]

        until(asked, "olga is asked")
        path = f"/v1/runs/{run['id']}"
        decision = {"decision": "approve", "comment": "fits"}
        status, _ = ask(
            one.port, "POST", f"{path}/tasks/manual-approval/decision", decision, X_Icefloe_As="olga@example.org"
        )
        assert status == 200
        until(lambda: ask(one.port, "GET", path)[1]["status"] == "SUCCESS", "the run has succeeded")
        assert ask(one.port, "GET", f"{path}/verification")[1]["intact"] is True
        one.process.send_signal(signal.SIGINT)
        assert end_of(one.process) == 0
    assert list((tmp_path / "outbox").glob("*.eml"))


def test_dev_ends_as_a_whole_with_a_sentence_when_its_engine_cannot_go_on(tmp_path: Path) -> None:
    with dev(f"sqlite:///{tmp_path}/icefloe.db", lease=1) as one:
        for file in tmp_path.glob("icefloe.db*"):
            file.unlink()
        assert end_of(one.process) == 1
        assert one.process.stderr is not None
        [*_, last] = one.process.stderr.read().splitlines()
    assert json.loads(last)["error"]["code"] == "STORE"


def test_the_demo_says_how_to_look_at_its_runs_and_that_works(tmp_path: Path) -> None:
    place = tmp_path / "demo"
    ended = subprocess.run(
        python("-m", "icefloe", "demo", "--limit", "20", "--dir", str(place)), cwd=ROOT, env=environment_of({}),
        capture_output=True, text=True, timeout=2 * TO_START_OR_END, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    [said] = [line for line in ended.stdout.splitlines() if " dev --store " in line]
    command, _, _ = said.partition("#")
    started = subprocess.Popen(
        [*shlex.split(command), "--port", "0", "--json"], cwd=tmp_path, env=environment_of({}), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    with bounded(started) as process:
        one = Dev(process)
        status, page = ask(one.port, "GET", "/v1/runs?limit=100")
        assert (status, len(page["items"])) == (200, 20)
        process.terminate()
        assert end_of(process) == 0
