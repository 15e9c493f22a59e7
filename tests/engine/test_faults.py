"""Faults: how they read, and which name they think was meant."""

import pickle

import pytest

from engine.faults import Fault, Invalid, nearest, shown


def test_what_is_invalid_lists_its_faults_one_per_line() -> None:
    refused = Invalid(Fault("dag.tasks[2].depends", "no such task"), Fault("", "too long"))
    assert str(refused) == "dag.tasks[2].depends: no such task\ntoo long"
    assert pickle.loads(pickle.dumps(refused)).faults == refused.faults  # noqa: S301 - our own


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("manual-aproval", " (did you mean 'manual-approval'?)"),
        ("MANUAL_APPROVAL", " (did you mean 'manual-approval'?)"),
        ("notfy", " (did you mean 'Notify'?)"),
        ("something-else", ""),
        ("appr", " (did you mean 'auto-approval'?)"),
        ("MAN", " (did you mean 'manual-approval'?)"),
        ("ma", ""),
        ("manual-ok", " (did you mean 'manual-approval'?)"),
        ("roval", ""),
        ("manual-approval" * 100, ""),
    ],
)
def test_the_nearest_name_is_offered_if_there_is_one(name: str, hint: str) -> None:
    assert nearest(name, ["auto-approval", "manual-approval", "Notify"]) == hint


def test_what_is_shown_is_short_and_printable() -> None:
    assert shown("it's\n\x1b[31m") == '"it\'s\\n\\x1b[31m"'
    assert shown("x" * 61) == "'" + "x" * 59 + "…'"
