"""What `docker compose up` does, without Docker: its commands, in its order, with its environment and health checks.

mongod, broker ─► topics (ends) ─► relay, engine-1, engine-2, api (healthy) ─► a message, commands, HTTP ─► SIGTERM

Kafka and MongoDB are the packaged ones; what differs from the Compose file is where they are, and what containers would
have for themselves: the ports of the probes, and the names of the topics. And since the packaged broker now and then
forgets to answer who joins a group while another member joins again, members ask anew after half a minute, not after
five: Apache Kafka, on which this test runs too, needs no such help.
"""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from confluent_kafka import Producer

from tests.acceptance.callers import ask
from tests.acceptance.engines import until
from tests.deploy.manifests import ROOT, Process, compose_processes, compose_services
from tests.processes import bounded, end_of
from tests.servers.mongod import free_port

PATIENCE = 120.0
TOGETHER = 280.0  # seconds from the start of a service to its end, whatever it and the others wait for
IMPATIENT = {"max.poll.interval.ms": 30_000, "heartbeat.interval.ms": 500}
WORKFLOW = "metadata-change-request"

pytestmark = pytest.mark.acceptance


class Container(NamedTuple):
    """A service that runs as a process, in a folder of its own."""

    name: str
    process: subprocess.Popen[bytes]
    environment: dict[str, str]
    folder: Path

    def run(self, command: list[str], *, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        """What `docker compose exec` does."""
        return subprocess.run(
            _runnable(command), check=False, cwd=self.folder, env=self.environment, input=given, capture_output=True,
            timeout=PATIENCE,
        )  # fmt: skip

    @property
    def log(self) -> str:
        return f"{self.name}:\n{(self.folder / 'log').read_text(errors='replace')[-4000:]}"


class Services:
    """The services of the Compose file, each started when what it depends on is as it wants it."""

    def __init__(self, folder: Path, store: str, broker: str, prefix: str) -> None:
        self._folder = folder
        self._elsewhere = {
            "ICEFLOE_STORE": store,
            "ICEFLOE_EVENTS": f"kafka://{broker}",
            "ICEFLOE_TOPIC_PREFIX": prefix,
            "ICEFLOE_KAFKA_OPTIONS": json.dumps(IMPATIENT),
        }
        self._files = compose_services()
        self.containers: dict[str, Container] = {}

    @contextmanager
    def up(self) -> Iterator[None]:
        with ExitStack() as stack:
            try:
                for process in compose_processes():
                    for name, how in self._files[process.name]["depends_on"].items():
                        self._await(name, how["condition"])
                    stack.enter_context(self._started(process))
                for name in self._files:
                    if "healthcheck" in self._files[name]:
                        self._await(name, "service_healthy")
                yield
            except BaseException as error:
                for container in self.containers.values():
                    error.add_note(container.log)
                raise

    def _await(self, name: str, condition: str) -> None:
        if name not in self.containers:
            return  # Kafka or MongoDB: the fixtures have seen to it
        container = self.containers[name]
        if condition == "service_completed_successfully":
            assert end_of(container.process) == 0, name
            return
        kind, *check = self._files[name]["healthcheck"]["test"]
        assert kind == "CMD"

        def well() -> bool:
            assert container.process.poll() is None, f"{name} has ended"
            return container.run(check).returncode == 0

        until(well, f"{name} is healthy", PATIENCE)

    @contextmanager
    def _started(self, process: Process) -> Iterator[None]:
        folder = self._folder / process.name
        folder.mkdir()
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("ICEFLOE_")}
        own = {"ICEFLOE_HEALTH_HOST": "127.0.0.1", "ICEFLOE_HEALTH_PORT": str(free_port())}
        own |= {"ICEFLOE_API_HOST": "127.0.0.1", "ICEFLOE_API_PORT": str(free_port())}
        environment = inherited | process.environment | self._elsewhere | own
        with (folder / "log").open("wb") as log:
            command = _runnable(["icefloe", *process.arguments])
            running = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
        self.containers[process.name] = Container(process.name, running, environment, folder)
        with bounded(running, at_most=TOGETHER):
            yield


def _runnable(command: list[str]) -> list[str]:
    """A container's command, by this Python."""
    programs = {"python": [], "icefloe": ["-m", "icefloe"]}
    return [sys.executable, *programs[command[0]], *command[1:]]


def _inputs() -> dict[str, Any]:
    """The inputs that the Compose file's own explanation gives."""
    [text] = re.findall(r"^# +inputs='(.*)'$", (ROOT / "docker-compose.yml").read_text(), re.MULTILINE)
    inputs: dict[str, Any] = json.loads(text)
    return inputs


def _ask_the_api(api: Container) -> None:
    """Make a key as the Compose file's own explanation says, and start a run with it."""
    made = api.run(["icefloe", "keys", "create", "--subject", "me", "--role", "admin", "--role", "requester", "--json"])
    assert made.returncode == 0, made.stderr
    key = json.loads(made.stdout)["token"]
    port = int(api.environment["ICEFLOE_API_PORT"])
    started = {"workflow": WORKFLOW, "inputs": _inputs()}
    assert ask(port, "POST", "/v1/runs", started)[0] == 401
    status, run = ask(port, "POST", "/v1/runs?wait=30", started, Authorization=f"Bearer {key}")
    assert (status, run["status"]) == (201, "SUCCESS")


def test_what_compose_starts_runs_workflows_and_ends_when_it_is_asked_to(
    tmp_path: Path, mongo_uri: str, kafka_address: str, topic_prefix: str
) -> None:
    services = Services(tmp_path, mongo_uri, kafka_address, topic_prefix)
    with services.up():
        engine = services.containers["engine-1"]
        document = (ROOT / "examples" / "workflows" / f"{WORKFLOW}.json").read_bytes()
        saved = engine.run(["icefloe", "save", "--as", "me", "-"], given=document)
        assert saved.returncode == 0, saved.stderr

        inputs = json.dumps(_inputs())
        ran = engine.run(["icefloe", "run", WORKFLOW, "--as", "me", "--inputs", inputs, "--wait", "--timeout", "60s"])
        assert ran.returncode == 0, ran.stderr.decode()

        producer = Producer({"bootstrap.servers": kafka_address, "log_level": 0})
        producer.produce(f"{topic_prefix}.triggers", json.dumps({"workflow": WORKFLOW, "inputs": _inputs()}))
        assert producer.flush(30) == 0

        def both_succeeded() -> bool:
            found = engine.run(["icefloe", "runs", "--status", "success", "--json"])
            return len(found.stdout.splitlines()) == 2

        until(both_succeeded, "the run of the command and that of the message have succeeded", PATIENCE)
        _ask_the_api(services.containers["api"])
        well = engine.run(["icefloe", "doctor"])
        assert well.returncode == 0, well.stdout.decode()

        running = [it for it in services.containers.values() if it.name != "topics"]
        for container in running:
            container.process.send_signal(signal.SIGTERM)
        for container in running:
            assert end_of(container.process) == 0, container.name
