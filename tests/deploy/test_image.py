"""What the image is made of, and the probe that its health check runs; no container engine is needed for either."""

import os
import re
import subprocess
import sys
import threading
import tomllib
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from tests.deploy.manifests import ROOT


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel built as the Dockerfile builds it: from what `.dockerignore` lets through, without a download."""
    folder = tmp_path_factory.mktemp("image")
    context = folder / "context"
    for name in _context():
        target = context / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((ROOT / name).read_bytes())
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += ["--no-build-isolation", "--no-index", "--wheel-dir", str(folder), str(context)]
    subprocess.run(command, check=True)
    [wheel] = folder.glob("*.whl")
    return wheel


def test_all_of_every_room_is_in_the_wheel(wheel: Path) -> None:
    packaged = set(zipfile.ZipFile(wheel).namelist())
    rooms = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["root_packages"])
    needed = {name for name in _tracked() if name.split("/")[0] in rooms - {"bench"}}
    assert needed
    assert needed <= packaged


def test_the_wheel_runs_away_from_the_project(wheel: Path, tmp_path: Path) -> None:
    zipfile.ZipFile(wheel).extractall(tmp_path / "installed")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "installed")}
    code = "import icefloe.cli, store; print(icefloe.__file__, store.__file__); icefloe.cli.main(['blocks'])"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, check=False, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    where, *blocks = done.stdout.splitlines()
    assert where.split() == [str(tmp_path / "installed" / room / "__init__.py") for room in ("icefloe", "store")]
    assert any(line.startswith("HTTP_REQUEST") for line in blocks)


def test_the_image_installs_by_hash_runs_as_nobody_and_holds_no_secret() -> None:
    text = (ROOT / "Dockerfile").read_text()
    assert len(set(re.findall(r"^FROM (\S+)", text, re.MULTILINE))) == 1
    assert re.search(r"^FROM python:3\.12\.\d+-slim-\w+", text, re.MULTILINE)
    for line in re.findall(r"pip .*install .*", text):
        assert "--require-hashes" in line or ("--no-deps" in line and "--no-index" in line), line
    assert re.search(r"^USER [1-9]\d*:[1-9]\d*$", text, re.MULTILINE)
    assert re.search(r'^ENTRYPOINT \["icefloe"\]$', text, re.MULTILINE)
    assert not re.search(r"secret|password|token", text, re.IGNORECASE)
    pinned = re.findall(r"^(\S+)==.*\\$", _build_requirements(), re.MULTILINE)
    assert pinned == ["setuptools"]


@pytest.mark.parametrize(("status", "ends"), [(200, 0), (503, 1), (404, 1)])
def test_the_probe_says_what_it_was_told(status: int, ends: int) -> None:
    with answering(status, b"the store is away\n") as port:
        done = _probe(str(port), "/readyz")
    assert (done.returncode, done.stdout) == (ends, "/readyz: the store is away\n")


def test_the_probe_fails_if_nothing_answers_or_it_knows_no_port() -> None:
    with answering(200, b"") as port:
        pass
    assert _probe(str(port)).returncode == 1
    assert _probe("0").returncode == 2
    assert "ICEFLOE_HEALTH_PORT" in _probe("health").stderr


def test_where_no_engine_answers_the_probe_asks_the_api() -> None:
    with answering(200, b"") as port:
        pass
    with answering(200, b"ready") as api:
        done = _probe(str(port), "/readyz", api=str(api))
    assert (done.returncode, done.stdout, done.stderr) == (0, "/readyz: ready\n", "")
    done = _probe(str(port), "/readyz", api=str(api))
    assert done.returncode == 1
    assert done.stderr.count("nothing answers on port") == 2


@contextmanager
def answering(status: int, body: bytes) -> Iterator[int]:
    """The port of a server that has one answer for everything, after the path that it was asked for."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(self.path.encode() + b": " + body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


def _probe(port: str, *arguments: str, api: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "icefloe.probe", *arguments]
    environment = {**os.environ, "ICEFLOE_HEALTH_PORT": port, "ICEFLOE_API_PORT": api}
    return subprocess.run(command, check=False, cwd=ROOT, env=environment, capture_output=True, text=True)


def _build_requirements() -> str:
    """What the Dockerfile's own command takes out of the pins for development."""
    [command] = re.findall(r"sed -n '[^']*' requirements-dev\.txt", (ROOT / "Dockerfile").read_text())
    return subprocess.run(["bash", "-c", command], check=True, cwd=ROOT, capture_output=True, text=True).stdout


def _context() -> Iterator[str]:
    """The project's files that the builder is given."""
    allowed = re.findall(r"^!(.*)$", (ROOT / ".dockerignore").read_text(), re.MULTILINE)
    return (name for name in _tracked() if name.split("/")[0] in allowed)


def _tracked() -> list[str]:
    command = ["git", "-c", "safe.directory=*", "-C", str(ROOT), "ls-files"]
    names = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    return [name for name in names if (ROOT / name).is_file()]
