"""The quarantine: one suspect at a time, and none for ever."""

import pytest

from dataflows import quarantine as module
from dataflows.quarantine import ALONE_SECONDS, Quarantine


class Flight:
    """What is being called, and a clock."""

    def __init__(self) -> None:
        self.calls: set[tuple[str, str]] = set()
        self.now = 1000.0

    def holds(self, run_id: str, task: str) -> bool:
        return (run_id, task) in self.calls


@pytest.fixture
def flight(monkeypatch: pytest.MonkeyPatch) -> Flight:
    flight = Flight()
    monkeypatch.setattr(module, "monotonic", lambda: flight.now)
    return flight


@pytest.fixture
def quarantine(flight: Flight) -> Quarantine:
    """A quarantine with one suspect inside."""
    quarantine = Quarantine(flight.holds)
    assert quarantine.admit("first", "a")
    flight.calls.add(("first", "a"))
    return quarantine


def test_a_suspect_waits_while_another_one_is_being_called(quarantine: Quarantine, flight: Flight) -> None:
    assert not quarantine.admit("second", "a")
    assert quarantine.released() == []
    flight.calls.clear()
    assert quarantine.released() == ["second"]
    assert quarantine.admit("second", "a")


def test_suspects_are_let_in_one_after_the_other_in_the_order_in_which_they_came(
    quarantine: Quarantine, flight: Flight
) -> None:
    for run_id in ("second", "third", "second"):
        assert not quarantine.admit(run_id, "a")
    flight.calls.clear()
    assert quarantine.released() == ["second"]
    assert quarantine.admit("second", "a")
    flight.calls.add(("second", "a"))
    assert quarantine.released() == []
    flight.calls.clear()
    assert [quarantine.released(), quarantine.released()] == [["third"], []]


def test_a_task_of_the_same_run_waits_too(quarantine: Quarantine, flight: Flight) -> None:
    assert not quarantine.admit("first", "b")
    flight.calls.clear()
    assert quarantine.released() == ["first"]


def test_a_suspect_that_was_let_in_but_not_called_holds_up_nobody(quarantine: Quarantine, flight: Flight) -> None:
    flight.calls.clear()
    assert quarantine.admit("second", "a")
    assert quarantine.admit("third", "a")


def test_a_call_that_takes_long_without_killing_its_engine_makes_way(quarantine: Quarantine, flight: Flight) -> None:
    assert not quarantine.admit("second", "a")
    flight.now += ALONE_SECONDS
    assert quarantine.released() == ["second"]
    assert quarantine.admit("second", "a")
