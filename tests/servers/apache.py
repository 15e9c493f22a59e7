"""`python -m tests.servers.apache COMMAND…`: run a command, such as the tests, beside Apache Kafka from Maven Central.

    .venv/bin/python -m tests.servers.apache make test ARGS='-m kafka'

The command finds the broker's address in `ICEFLOE_TEST_KAFKA`. One node, in KRaft mode, on free ports of the loopback
interface, with its files in a temporary folder; when the command ends, however it ends, the broker does too. This needs
`mvn` and `java` (17 or later), which is why the other tests make do with the small broker of `broker.py`.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import uuid
from base64 import urlsafe_b64encode
from pathlib import Path
from time import monotonic, sleep
from typing import Final, Self

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from tests.servers.mongod import free_port

ATTEMPTS: Final = 5  # a download from far away may fail for no lasting reason, and somebody else take a free port first
DOWNLOAD_SECONDS: Final = 300.0
PATIENCE: Final = 120.0
POM: Final = Path(__file__).with_name("apache.pom.xml")
HEAP: Final = "-Xmx512m"


class NotStartedError(Exception):
    """There is no broker; the message says why."""


class ApacheKafka:
    """A broker of Apache Kafka whose programs and data lie in a folder."""

    def __init__(self, folder: Path) -> None:
        self.address = ""
        self._folder = folder
        self._log = folder / "kafka.log"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        """Fetch it, format its storage, start it, and wait until it answers.

        Raises:
            NotStartedError: something of that fails.
        """
        self._fetch()
        for attempt in range(1, ATTEMPTS + 1):
            try:
                self._start(self._folder / f"data-{attempt}")
            except NotStartedError:
                if attempt == ATTEMPTS:
                    raise
            else:
                break
        return self

    def _start(self, data: Path) -> None:
        self.address = f"127.0.0.1:{free_port()}"
        settings = self._folder / "server.properties"
        settings.write_text(self._settings(data))
        cluster = urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        storage = self._java("kafka.tools.StorageTool", "format", "--cluster-id", cluster, "--config", str(settings))
        self._do(storage, "Kafka's storage can't be formatted")
        command = self._java("kafka.Kafka", str(settings))
        if setpriv := shutil.which("setpriv"):  # it ends with the thread that started it, however that ends
            command = [setpriv, "--pdeathsig", "KILL", *command]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            self._wait_for_an_answer(self._process)
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *_: object) -> None:
        """End it; nobody needs its data any more."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def _fetch(self) -> None:
        for program in ("mvn", "java"):
            if shutil.which(program) is None:
                raise NotStartedError(f"there is no {program} on the path (Debian: maven, openjdk-17-jre-headless)")
        libraries = f"-DoutputDirectory={self._folder / 'libraries'}"
        command = ["mvn", "-B", "-q", "-f", str(POM), "dependency:copy-dependencies", libraries]
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return self._do(command, "Maven can't fetch Kafka")
            except NotStartedError:
                if attempt == ATTEMPTS:
                    raise
                sleep(10)
        return None

    def _settings(self, data: Path) -> str:
        controller = f"127.0.0.1:{free_port()}"
        return "\n".join(
            (
                "process.roles=broker,controller",
                "node.id=1",
                f"controller.quorum.voters=1@{controller}",
                f"listeners=PLAINTEXT://{self.address},CONTROLLER://{controller}",
                "controller.listener.names=CONTROLLER",
                "listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
                f"log.dirs={data}",
                "auto.create.topics.enable=false",
                "offsets.topic.num.partitions=4",
                "offsets.topic.replication.factor=1",
                "transaction.state.log.replication.factor=1",
                "transaction.state.log.min.isr=1",
                "group.initial.rebalance.delay.ms=0",
                "",
            )
        )

    def _java(self, *arguments: str) -> list[str]:
        return ["java", HEAP, "-cp", f"{self._folder / 'libraries'}/*", *arguments]

    def _do(self, command: list[str], failure: str) -> None:
        try:
            done = subprocess.run(
                command, check=False, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                text=True, timeout=DOWNLOAD_SECONDS,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise NotStartedError(f"{failure}: it takes more than {DOWNLOAD_SECONDS:g} s") from None
        if done.returncode != 0:
            raise NotStartedError(f"{failure}:\n{done.stdout[-3000:]}")

    def _wait_for_an_answer(self, process: subprocess.Popen[bytes]) -> None:
        client = AdminClient({"bootstrap.servers": self.address, "log_level": 0})
        give_up = monotonic() + PATIENCE
        while True:
            try:
                client.list_topics(timeout=2)
            except KafkaException:
                if process.poll() is not None or monotonic() > give_up:
                    log = self._log.read_text(errors="replace")
                    raise NotStartedError(f"Kafka doesn't answer:\n{log[-3000:]}") from None
                sleep(0.2)  # a refused connection is an answer at once
            else:
                return


def main(command: list[str]) -> int:
    """Run the command; its exit status, or 1 if there is no broker for it."""
    if not command:
        raise SystemExit(__doc__)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with tempfile.TemporaryDirectory(prefix="icefloe-kafka-") as folder, ApacheKafka(Path(folder)) as kafka:
            sys.stdout.write(f"Apache Kafka answers at {kafka.address}\n")
            sys.stdout.flush()
            return subprocess.run(
                command, check=False, env={**os.environ, "ICEFLOE_TEST_KAFKA": kafka.address}
            ).returncode
    except NotStartedError as error:
        sys.stderr.write(f"Apache Kafka is not there: {error}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
