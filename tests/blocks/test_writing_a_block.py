"""The page on writing a block: its code is installed as somebody's package would be, found, and called."""

import re
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from blocks.catalogue import Catalogue
from blocks.contract import Expired, Failed, Outcome, Signal, Succeeded, Waiting

Call = Callable[..., Outcome]
PAGE = Path(__file__).parents[2] / "docs" / "writing-a-block.md"


def code(language: str) -> str:
    return "\n\n".join(re.findall(rf"^```{language}\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE))


@pytest.fixture
def catalogue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Catalogue]:
    """The catalogue of an installation that has the page's package."""
    project = tomllib.loads(code("toml"))["project"]
    points = project["entry-points"]["icefloe.blocks"]
    information = tmp_path / f"acme_blocks-{project['version']}.dist-info"
    information.mkdir()
    (information / "METADATA").write_text(f"Name: {project['name']}\nVersion: {project['version']}\n")
    lines = "\n".join(f"{name} = {value}" for name, value in points.items())
    (information / "entry_points.txt").write_text(f"[icefloe.blocks]\n{lines}\n")
    (tmp_path / "acme_blocks.py").write_text(code("python"))
    monkeypatch.syspath_prepend(str(tmp_path))
    yield Catalogue.load()
    del sys.modules["acme_blocks"]


def module() -> ModuleType:
    return sys.modules["acme_blocks"]


def test_the_package_of_the_page_is_found_beside_the_built_in_blocks(catalogue: Catalogue) -> None:
    assert {"QUALITY_GATE", "FILE_ARRIVAL", "SIGN_OFF", "NOOP"} <= set(catalogue)
    assert catalogue["QUALITY_GATE"].description == "Let only data of good quality through."
    assert [
        str(fault) for fault in catalogue.check_arguments("QUALITY_GATE", {"rows": "{{ inputs.n }}", "badrows": 1})
    ] == [
        "bad_rows: is required",
        "badrows: is not known here (did you mean 'bad_rows'?)",
    ]


def test_its_own_test_passes(catalogue: Catalogue) -> None:
    assert "QUALITY_GATE" in catalogue
    module().test_bad_data_is_stopped_and_the_share_is_kept()


def test_its_gate_lets_good_data_through(call: Call, catalogue: Catalogue) -> None:
    gate = catalogue["QUALITY_GATE"]
    assert call(gate, {"rows": 1000, "bad_rows": 1}) == Succeeded({"bad_share": 0.001})
    result = call(gate, {"rows": 10, "bad_rows": 1})
    assert result == Failed("QUALITY_TOO_LOW", "10.0% of the rows are bad", outputs={"bad_share": 0.1})


def test_its_file_is_waited_for(call: Call, catalogue: Catalogue, tmp_path: Path) -> None:
    arrival: Any = catalogue["FILE_ARRIVAL"]
    arguments = {"name": "orders.csv", "looks": 2}
    assert arrival.settings is not None
    settings = arrival.settings(landing_folder=str(tmp_path))
    waiting = call(arrival, arguments, settings=settings)
    assert waiting == Waiting(after=60.0, outputs={"looked": 1})
    late = call(arrival, arguments, phase="wake", waited={"looked": 1}, settings=settings)
    assert late == Expired("orders.csv did not arrive", {"looked": 2})
    (tmp_path / "orders.csv").write_text("id\n1\n")
    found = call(arrival, arguments, phase="wake", waited={"looked": 1}, settings=settings)
    assert found == Succeeded({"path": str(tmp_path / "orders.csv"), "bytes": 5})


def test_its_steward_signs(call: Call, catalogue: Catalogue) -> None:
    sign_off = catalogue["SIGN_OFF"]
    waiting = call(sign_off, {"steward": "ada"})
    assert isinstance(waiting, Waiting)
    assert (waiting.after, waiting.senders) == (86_400.0, ("ada",))
    signal = Signal("s-1", "ada", 0.0, {"remark": "fine"})
    result = call(sign_off, {"steward": "ada"}, phase="signal", signal=signal)
    assert result == Succeeded({"by": "ada", "at": "1970-01-01T00:00:00Z", "remark": "fine"})
    assert call(sign_off, {"steward": "ada"}, phase="wake") == Expired("the time that it waited for has come")
