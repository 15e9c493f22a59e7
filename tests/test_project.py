"""The project as a whole: what is committed, what is pinned, and what the make targets say of themselves."""

import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())

INDEX_ADDRESS = re.compile(
    r"pythonhosted[.]org|pypi[.]org/(?!project)|index[-_]url|find[-_]links|trusted[-_]host|/simpl[e]\b", re.IGNORECASE
)
MACHINE_PATH = re.compile(r"(?<![\w.:/>}-])/(?:root|home|Users|work|tmp)/[\w.-]+")
RELATIVE_LINK = re.compile(r"\]\((?![a-z]+:|#)([^)#\s]+)")


def tracked() -> list[Path]:
    """Every file that git would hand to a clone and that is still there."""
    command = ["git", "-c", "safe.directory=*", "-C", str(ROOT), "ls-files", "-z"]
    names = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split("\0")
    return [path for name in names if name and (path := ROOT / name).is_file()]


def lines_matching(pattern: re.Pattern[str]) -> Iterator[str]:
    for path in tracked():
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
            if pattern.search(line):
                yield f"{path.relative_to(ROOT)}:{number}: {line.strip()[:120]}"


def pins(name: str) -> dict[str, str]:
    """A requirements file as {"package==version ; marker": its hashes}, one entry a package."""
    text = re.sub(r"^\s*#.*\n", "", (ROOT / name).read_text(), flags=re.MULTILINE)
    logical_lines = text.replace("\\\n", " ").splitlines()
    return {pin.strip(): hashes for pin, _, hashes in (line.partition(" --hash=") for line in logical_lines)}


def packages(requirements: list[str]) -> set[str]:
    return {re.split(r"[\s=<>;\[]", requirement, maxsplit=1)[0] for requirement in requirements}


def test_no_tracked_file_names_a_package_index() -> None:
    assert list(lines_matching(INDEX_ADDRESS)) == []


def test_no_tracked_file_names_a_path_of_one_machine() -> None:
    assert list(lines_matching(MACHINE_PATH)) == []


@pytest.mark.parametrize(
    ("pattern", "line"),
    [
        (INDEX_ADDRESS, "--index" + "-url https://example.org"),
        (INDEX_ADDRESS, "https://example.org/" + "simple/attrs"),
        (MACHINE_PATH, "open('/ho" + "me/olga/x.json')"),
    ],
)
def test_an_address_or_a_machine_path_would_be_found(pattern: re.Pattern[str], line: str) -> None:
    assert pattern.search(line)


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt"])
def test_every_pin_is_exact_and_has_hashes(name: str) -> None:
    for pin, hashes in pins(name).items():
        assert re.match(r"[a-z0-9-]+==[\w.]+( ;|$)", pin), pin
        assert re.match(r"sha256:[0-9a-f]{64}\b", hashes), f"{pin} has no hash"


def test_every_dependency_is_pinned_and_the_development_pins_only_add_to_them() -> None:
    run_time, development = pins("requirements.txt"), pins("requirements-dev.txt")
    assert packages(PROJECT["project"]["dependencies"]) <= packages(list(run_time))
    assert packages(PROJECT["dependency-groups"]["dev"]) <= packages(list(development))
    assert run_time.items() <= development.items()


def test_make_help_lists_every_target() -> None:
    listed = subprocess.run(["make", "-C", str(ROOT), "help"], check=True, capture_output=True, text=True).stdout
    phony = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert phony
    assert phony[1].split() == re.findall(r"^  make (\w+) ", listed, re.MULTILINE)


def test_every_room_is_packaged_typed_and_held_to_the_import_rules() -> None:
    rooms = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests"}
    tools = PROJECT["tool"]
    assert rooms <= {pattern.rstrip("*") for pattern in tools["setuptools"]["packages"]["find"]["include"]}
    assert rooms <= set(tools["mypy"]["files"])
    assert rooms <= set(tools["importlinter"]["root_packages"])


def test_every_relative_link_of_the_documentation_leads_somewhere() -> None:
    pages = [path for path in tracked() if path.suffix == ".md"]
    broken = [
        f"{page.relative_to(ROOT)}: {link}"
        for page in pages
        for link in RELATIVE_LINK.findall(page.read_text())
        if not (page.parent / link).exists()
    ]
    assert broken == []
