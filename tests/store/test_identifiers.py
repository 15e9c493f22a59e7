"""Identifiers of runs that nobody named: UUIDs of version 7, in the order in which they were made."""

from uuid import RFC_4122, UUID

from store.identifiers import new_id


def test_an_identifier_is_a_uuid_of_version_7_that_holds_its_time() -> None:
    made = UUID(new_id(1_795_366_436.440))
    assert (made.version, made.variant) == (7, RFC_4122)
    assert made.int >> 80 == 1_795_366_436_440


def test_identifiers_sort_by_time_and_differ() -> None:
    ids = [new_id(1_000 + number / 100) for number in range(500)]
    assert sorted(ids) == ids
    assert len({new_id(1_000) for _ in range(1_000)}) == 1_000
