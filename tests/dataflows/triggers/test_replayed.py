"""What is remembered of replays: sets of offsets, as short texts."""

from hypothesis import given
from hypothesis import strategies as st

from dataflows.triggers.replayed import Replayed

OFFSETS = st.sets(st.integers(0, 40))


@given(st.lists(OFFSETS, max_size=4), st.integers(0, 10))
def test_what_was_replayed_is_remembered_and_nothing_else(replays: list[set[int]], earliest: int) -> None:
    known = Replayed()
    for offsets in replays:
        known = known.and_also(offsets, earliest)
        known = Replayed.read(known.until, known.text())
    expected = set(range(earliest if replays else 0)).union(*replays)
    assert {offset for offset in range(42) if known.has(offset)} == expected


def test_a_group_that_was_never_told_anything_remembers_nothing() -> None:
    assert Replayed.read(-1001, "") == Replayed()
    assert Replayed.read(3, "somebody else's") == Replayed(3)


def test_ranges_are_written_shortly_and_swallowed_by_what_comes_before() -> None:
    known = Replayed().and_also([7, 5, 6, 9])
    assert (known.until, known.text()) == (0, "5-7,9")
    assert known.and_also(range(5)) == Replayed(8, ((9, 9),))
    assert known.and_also((), 8) == Replayed(8, ((9, 9),))


def test_more_than_a_broker_keeps_is_not_written() -> None:
    known = Replayed().and_also(range(10**12, 10**12 + 1000, 2))
    assert len(known.text()) < 4096
    assert known.has(10**12 + 998)
    assert not known.has(10**12 + 997)
