"""Slots: what is taken and given back, and who may try again first."""

import pytest

from dataflows import slots as module
from dataflows.slots import Slots


def waiting(slots: Slots, tenant: str, *runs: str, type_: str = "T") -> None:
    """Let runs ask for a slot in vain."""
    assert not any(slots.take(type_, run_id, tenant) for run_id in runs)


def full(*types: str) -> Slots:
    """Slots of which none is free."""
    slots = Slots(dict.fromkeys(types or ("T",), 1))
    for type_ in types or ("T",):
        assert slots.take(type_, "first", "default")
    return slots


def test_as_many_slots_are_taken_as_there_are() -> None:
    slots = Slots({"T": 2})
    assert [slots.take("T", f"run-{number}", "default") for number in range(3)] == [True, True, False]


def test_a_type_that_is_full_holds_back_no_other() -> None:
    slots = Slots({"T": 1, "OTHER": 1})
    assert slots.take("T", "a", "default")
    assert not slots.take("T", "b", "default")
    assert slots.take("OTHER", "b", "default")


def test_a_type_that_is_not_installed_has_no_slot_and_nobody_waits_for_one() -> None:
    slots = Slots({"T": 1})
    assert not slots.take("OTHER", "a", "default")
    assert slots.released() == []


def test_nobody_may_try_again_before_a_slot_is_free() -> None:
    slots = full()
    waiting(slots, "default", "a")
    assert slots.released() == []
    slots.give("T")
    assert slots.released() == ["a"]
    assert slots.released() == []


def test_as_many_may_try_again_as_slots_are_free_in_the_order_in_which_they_came() -> None:
    slots = Slots({"T": 2})
    assert slots.take("T", "x", "default")
    assert slots.take("T", "y", "default")
    waiting(slots, "default", "a", "b", "c")
    slots.give("T")
    slots.give("T")
    assert slots.released() == ["a", "b"]


def test_who_comes_later_does_not_overtake_those_who_wait() -> None:
    slots = full()
    waiting(slots, "default", "a", "b")
    slots.give("T")
    waiting(slots, "default", "later")
    assert slots.released() == ["a"]
    waiting(slots, "default", "later")
    assert slots.take("T", "a", "default")
    slots.give("T")
    assert slots.released() == ["b"]


def test_a_turn_is_good_for_one_slot() -> None:
    slots = Slots({"T": 2})
    assert slots.take("T", "x", "default")
    assert slots.take("T", "y", "default")
    waiting(slots, "default", "a", "b")
    slots.give("T")
    assert slots.released() == ["a"]
    slots.give("T")
    assert slots.take("T", "a", "default")
    waiting(slots, "default", "a")


def test_a_turn_that_is_not_used_passes_to_the_next_one() -> None:
    slots = full()
    waiting(slots, "default", "a", "b")
    slots.give("T")
    assert [slots.released() for _ in range(2)] == [["a"], ["b"]]
    assert slots.take("T", "later", "default"), "nobody waits any more"


def test_a_type_is_full_if_it_is_of_no_use_to_ask() -> None:
    slots = full()
    assert slots.full("T")
    assert slots.full("NOT_INSTALLED")
    slots.give("T")
    assert not slots.full("T")


def test_tenants_take_turns() -> None:
    slots = full()
    waiting(slots, "busy", "busy-1", "busy-2", "busy-3")
    waiting(slots, "quiet", "quiet-1")
    slots.give("T")
    order = [run_id for _ in range(4) for run_id in slots.released()]
    assert order == ["busy-1", "quiet-1", "busy-2", "busy-3"]


def test_a_run_waits_once_however_often_it_asks() -> None:
    slots = full()
    waiting(slots, "default", "a", "a", "b", "a")
    slots.give("T")
    assert [slots.released() for _ in range(3)] == [["a"], ["b"], []]


def test_runs_wait_for_each_type_by_itself() -> None:
    slots = full("S", "T")
    waiting(slots, "default", "a", type_="S")
    waiting(slots, "default", "b", type_="T")
    slots.give("T")
    assert slots.released() == ["b"]


def test_what_overflows_the_backlog_is_said_once_and_only_when_there_is_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BACKLOG", 2)
    slots = full()
    waiting(slots, "default", "a", "b")
    assert not slots.overflowed()
    waiting(slots, "default", "c")
    assert not slots.overflowed(), "those that wait come first"
    slots.give("T")
    assert [slots.released() for _ in range(3)] == [["a"], ["b"], []], "who overflowed isn't known any more"
    assert [slots.overflowed(), slots.overflowed()] == [True, False]
