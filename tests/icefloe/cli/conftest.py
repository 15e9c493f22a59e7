"""A desk in a folder of its own, for each test."""

from pathlib import Path

import pytest

from tests.icefloe.cli.desk import URL, Desk


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Desk:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ICEFLOE_STORE", URL)
    monkeypatch.setenv("LOGNAME", "lena")
    for name in ("LC_ALL", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)

    def read() -> tuple[str, str]:
        captured = capfd.readouterr()
        return captured.out, captured.err

    return Desk(tmp_path, read)
