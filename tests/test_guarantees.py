"""The promises in docs/guarantees.md name tests that are there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "guarantees.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`((?:tests|engine)/[\w/.:]+)`", PAGE)))
PREFIXES = sorted(set(re.findall(r"`(test_[gs]\d+_)…`", PAGE)))


@pytest.mark.parametrize("name", NAMED)
def test_every_place_that_a_promise_names_is_there(name: str) -> None:
    path, _, test = name.partition("::")
    place = ROOT / path
    if test:
        assert f"def {test}(" in place.read_text(encoding="utf-8")
    elif place.suffix == ".py":
        assert place.is_file()
    else:
        assert list(place.glob("*.py"))


@pytest.mark.parametrize("prefix", PREFIXES)
def test_there_are_tests_of_every_name_that_a_promise_gives(prefix: str) -> None:
    assert any(f"def {prefix}" in path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))


def test_the_page_has_every_promise_once() -> None:
    promises = re.findall(r"^\| ([GS]\d+) \|", PAGE, re.MULTILINE)
    assert promises
    assert len(promises) == len(set(promises))
