"""Brokers that tests start, kill, stop for a while and start again.

`Broker` is a small real one (noida-db) in a process of its own. `MockCluster` is librdkafka's own, inside this process:
it loses everything when it is closed, and does as it is told: it is away, slow, refuses requests, moves its leaders.
"""

import ctypes
import importlib.util
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path
from time import monotonic, sleep
from typing import Any, Final, Self

from tests.servers.mongod import free_port
from tests.servers.patient import HIDDEN, PUBLIC

ROOT: Final = Path(__file__).parents[2]
PATIENCE: Final = 60.0
PRODUCE: Final = 0  # a request's number in Kafka's protocol

_ERROR_BYTES: Final = 512


def packaged() -> Path | None:
    """The broker's binary; None if its package is not installed."""
    spec = importlib.util.find_spec("noida_db")
    if spec is None or spec.origin is None:
        return None
    binary = Path(spec.origin).parent / "noida-db"
    binary.chmod(0o755)  # as its own launcher does
    return binary


class Broker:
    """A Kafka broker whose data lies in a folder, behind a proxy (`patient`) that lives as long as it does."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self._proxy: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"{PUBLIC}:{self.port}"

    @property
    def pid(self) -> int:
        """The number of its process."""
        return self._running.pid

    @property
    def _running(self) -> subprocess.Popen[bytes]:
        assert self._process is not None, "the broker does not run"
        return self._process

    def start(self) -> Self:
        """Start it, and wait until it answers."""
        binary = packaged()
        assert binary is not None, "there is no noida-db on this machine"
        self._folder.mkdir(parents=True, exist_ok=True)
        log = self._folder / "broker.log"
        start = [str(binary), "start", "--only", "kafka", "--host", HIDDEN, "--kafka-port", str(self.port)]
        proxy = [sys.executable, "-m", "tests.servers.patient", str(self.port)]
        setpriv = shutil.which("setpriv")  # they end with the thread that started them, however that ends
        bound = [setpriv, "--pdeathsig", "KILL"] if setpriv else []
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [*bound, *start, "--data-dir", "data"], cwd=self._folder, stdout=output, stderr=output
            )
            self._proxy = subprocess.Popen([*bound, *proxy], cwd=ROOT, stdout=output, stderr=output)
        give_up = monotonic() + PATIENCE
        while not self._answers():
            assert self._process.poll() is None, f"the broker didn't start:\n{log.read_text(errors='replace')}"
            assert monotonic() < give_up, "the broker doesn't answer"
            sleep(0.01)
        return self

    def freeze(self) -> None:
        """Let it do nothing, with its connections open."""
        self._running.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self._running.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        """End it, with its data stored."""
        process, self._process = self._running, None
        process.terminate()
        process.wait(PATIENCE)
        self._end_proxy()

    def kill(self) -> None:
        """End it as a crash would: what it was sent in the last second may be gone."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
        self._end_proxy()

    def _end_proxy(self) -> None:
        proxy, self._proxy = self._proxy, None
        if proxy is not None:
            proxy.kill()
            proxy.wait()

    def restart(self) -> None:
        """End it and start it again, on the same port with the same data."""
        self.stop()
        self.start()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.kill()

    def _answers(self) -> bool:
        with socket.socket() as client:
            client.settimeout(1)
            there = client.connect_ex((HIDDEN, self.port)) == 0
        with socket.socket() as client:
            client.settimeout(1)
            return there and client.connect_ex((PUBLIC, self.port)) == 0


class MockCluster:
    """Three brokers that are only pretended."""

    def __init__(self, brokers: int = 3) -> None:
        self._library = library = _librdkafka()
        self.brokers = range(1, brokers + 1)
        errors = ctypes.create_string_buffer(_ERROR_BYTES)
        silent = library.rd_kafka_conf_new()
        library.rd_kafka_conf_set(silent, b"log_level", b"0", errors, _ERROR_BYTES)
        self._host = library.rd_kafka_new(
            0, silent, errors, _ERROR_BYTES
        )  # any client: the cluster lives in its threads
        assert self._host, errors.value.decode()
        self._cluster = library.rd_kafka_mock_cluster_new(self._host, brokers)

    @property
    def address(self) -> str:
        address: bytes = self._library.rd_kafka_mock_cluster_bootstraps(self._cluster)
        return address.decode()

    def topic(self, name: str, partitions: int) -> None:
        self._check(
            self._library.rd_kafka_mock_topic_create(self._cluster, name.encode(), partitions, len(self.brokers))
        )

    def down(self, *brokers: int) -> None:
        """These brokers, or all, are away."""
        for broker in brokers or self.brokers:
            self._check(self._library.rd_kafka_mock_broker_set_down(self._cluster, broker))

    def up(self, *brokers: int) -> None:
        """These brokers, or all, are back."""
        for broker in brokers or self.brokers:
            self._check(self._library.rd_kafka_mock_broker_set_up(self._cluster, broker))

    def latency(self, milliseconds: int) -> None:
        """Each answer takes so long."""
        for broker in self.brokers:
            self._check(self._library.rd_kafka_mock_broker_set_rtt(self._cluster, broker, milliseconds))

    def refuse(self, request: int, *errors: int) -> None:
        """The next requests of this number get these error codes, one each; 0 is a success in between."""
        codes = (ctypes.c_int * len(errors))(*errors)
        self._library.rd_kafka_mock_push_request_errors_array(self._cluster, request, len(errors), codes)

    def forgive(self, request: int) -> None:
        """Errors that nobody got yet are taken back."""
        self._library.rd_kafka_mock_clear_request_errors(self._cluster, request)

    def lead(self, topic: str, partition: int, broker: int) -> None:
        """Another broker is the leader of a partition."""
        self._check(self._library.rd_kafka_mock_partition_set_leader(self._cluster, topic.encode(), partition, broker))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._library.rd_kafka_mock_cluster_destroy(self._cluster)
        self._library.rd_kafka_destroy(self._host)

    def _check(self, error: int) -> None:
        name: bytes = self._library.rd_kafka_err2name(error)
        assert error == 0, name.decode()


def _librdkafka() -> Any:
    """The library inside the wheel of confluent-kafka, with the types of what is called here."""
    from confluent_kafka import cimpl  # noqa: PLC0415 - who needs no cluster needs no library

    [path] = (Path(cimpl.__file__).parent.parent / "confluent_kafka.libs").glob("librdkafka*.so*")
    library = ctypes.CDLL(str(path))
    pointer, text, number = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int
    for name, result, arguments in (
        ("conf_new", pointer, []),
        ("conf_set", number, [pointer, text, text, pointer, ctypes.c_size_t]),
        ("new", pointer, [number, pointer, text, ctypes.c_size_t]),
        ("destroy", None, [pointer]),
        ("err2name", text, [number]),
        ("mock_cluster_new", pointer, [pointer, number]),
        ("mock_cluster_destroy", None, [pointer]),
        ("mock_cluster_bootstraps", text, [pointer]),
        ("mock_topic_create", number, [pointer, text, number, number]),
        ("mock_broker_set_down", number, [pointer, ctypes.c_int32]),
        ("mock_broker_set_up", number, [pointer, ctypes.c_int32]),
        ("mock_broker_set_rtt", number, [pointer, ctypes.c_int32, number]),
        ("mock_push_request_errors_array", None, [pointer, ctypes.c_int16, ctypes.c_size_t, pointer]),
        ("mock_clear_request_errors", None, [pointer, ctypes.c_int16]),
        ("mock_partition_set_leader", number, [pointer, text, ctypes.c_int32, ctypes.c_int32]),
    ):
        function = getattr(library, f"rd_kafka_{name}")
        function.restype, function.argtypes = result, arguments
    return library
