"""Records: small documents with a revision that is compared and an end that is kept."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from store.protocol import BEGINNING, Conflict, Record, Store, StoreError
from tests.store.conftest import Place
from tests.store.driver import START, Clock


def record(id_: str = "k1", *, kind: str = "key", tenant: str = "default", **fields: Any) -> Record:
    return Record(**{"document": {}, "revision": 0, **fields, "kind": kind, "tenant": tenant, "id": id_})


def test_a_record_is_read_back_as_it_was_written(store: Store) -> None:
    document = {"ü ✓ $.": [1, 1.5, None, True, {"$set": {"a.b": "\u0000"}}], "": {}}
    written = store.put_record(record(document=document, expires_at=START + 60))
    assert written == record(document=document, revision=1, expires_at=START + 60)
    assert store.record("key", "k1") == written


def test_what_is_not_there_is_none(store: Store) -> None:
    store.put_record(record())
    assert store.record("key", "k2") is None
    assert store.record("link", "k1") is None
    assert store.record("key", "k1", tenant="other") is None
    assert store.records("link") == []


def test_each_write_is_the_next_revision(store: Store) -> None:
    first = store.put_record(record(document={"n": 1}))
    second = store.put_record(first._replace(document={"n": 2}))
    assert second.revision == 2
    assert store.record("key", "k1") == second


@pytest.mark.parametrize("revision", [0, 1, 3])
def test_a_write_over_another_revision_is_refused_with_a_sentence(store: Store, revision: int) -> None:
    there = store.put_record(store.put_record(record(document={"n": 1})))
    with pytest.raises(Conflict, match=rf"^key 'k1' is at revision 2, not {revision}: read it again$"):
        store.put_record(record(document={"n": 2}, revision=revision))
    assert store.record("key", "k1") == there


def test_a_write_over_what_was_removed_is_refused(store: Store) -> None:
    there = store.put_record(record())
    assert store.remove_record("key", "k1")
    with pytest.raises(Conflict, match="key 'k1' is at revision 0, not 1"):
        store.put_record(there)
    assert store.record("key", "k1") is None
    assert store.put_record(record()).revision == 1


def test_a_record_is_removed_once(store: Store) -> None:
    store.put_record(record())
    store.put_record(record(tenant="other"))
    assert store.remove_record("key", "k1")
    assert not store.remove_record("key", "k1")
    assert not store.remove_record("key", "k2")
    assert store.record("key", "k1") is None
    assert store.record("key", "k1", tenant="other") is not None


def test_records_are_listed_by_id_page_by_page(store: Store) -> None:
    ids = [f"k{number}" for number in range(7)] + ["K", "é", "k"]
    for id_ in ids:
        store.put_record(record(id_))
        store.put_record(record(id_, kind="keys"))
        store.put_record(record(id_, tenant="other"))
    found: list[str] = []
    while page := store.records("key", after=found[-1] if found else "", limit=3):
        assert {(one.kind, one.tenant) for one in page} == {("key", "default")}
        found += [one.id for one in page]
    assert found == sorted(ids)
    assert store.records("key", limit=0) == []


def test_records_of_all_tenants_are_listed_by_tenant_and_id(store: Store) -> None:
    for tenant in ("b", "a"):
        for id_ in ("2", "1"):
            store.put_record(record(id_, tenant=tenant))
    assert [(one.tenant, one.id) for one in store.records("key", tenant=None)] == [
        ("a", "1"),
        ("a", "2"),
        ("b", "1"),
        ("b", "2"),
    ]
    assert [(one.tenant, one.id) for one in store.records("key", tenant=None, after="1")] == [("a", "2"), ("b", "2")]


def test_from_its_end_on_it_is_as_if_there_were_no_record(store: Store, clock: Clock) -> None:
    there = store.put_record(record(expires_at=START + 10))
    clock.pass_(9.9)
    assert store.record("key", "k1") == there
    clock.pass_(0.1)
    assert store.record("key", "k1") is None
    assert store.records("key") == []
    assert not store.remove_record("key", "k1")
    with pytest.raises(Conflict, match="is at revision 0, not 1"):
        store.put_record(there._replace(expires_at=START + 100))
    assert store.put_record(record(document={"n": 2})).revision == 1
    assert store.record("key", "k1") == record(document={"n": 2}, revision=1)


def test_a_record_may_be_written_that_is_over_already(store: Store) -> None:
    store.put_record(record(expires_at=START - 1))
    assert store.record("key", "k1") is None
    assert store.put_record(record()).revision == 1


def test_the_end_of_a_record_can_be_moved(store: Store, clock: Clock) -> None:
    there = store.put_record(record(expires_at=START + 10))
    there = store.put_record(there._replace(expires_at=None))
    clock.pass_(1000)
    assert store.record("key", "k1") == there


def test_of_many_who_write_over_the_same_revision_one_wins(place: Place) -> None:
    stores = [place.open() for _ in range(4)]
    there: Record | None = None
    for _ in range(5):
        over = there or record()

        def put(number: int, over: Record = over) -> Record | None:
            try:
                return stores[number % 4].put_record(over._replace(document={"by": number}))
            except Conflict:
                return None

        with ThreadPoolExecutor(16) as pool:
            written = [one for one in pool.map(put, range(16)) if one is not None]
        [there] = written
        for one in stores:
            assert one.record("key", "k1") == there
    assert there is not None
    assert there.revision == 5


def test_of_many_who_take_the_place_of_one_that_is_over_one_wins(place: Place) -> None:
    stores = [place.open() for _ in range(4)]
    stores[0].put_record(record(expires_at=START + 10))
    place.clock.pass_(10)

    def put(number: int) -> bool:
        try:
            stores[number % 4].put_record(record(document={"by": number}))
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(put, range(16))) == 1


def test_of_many_who_remove_a_record_one_did(place: Place) -> None:
    stores = [place.open() for _ in range(4)]
    stores[0].put_record(record())
    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(lambda number: stores[number % 4].remove_record("key", "k1"), range(16))) == 1


def test_a_record_is_there_for_whoever_opens_the_store_next(place: Place) -> None:
    one = place.open()
    there = one.put_record(record(document={"n": 1}))
    place.end(one)
    assert place.open().record("key", "k1") == there


def test_records_are_not_told_in_the_feed(store: Store) -> None:
    store.remove_record("key", store.put_record(record()).id)
    assert store.changes(BEGINNING).changes == []


@pytest.mark.parametrize("document", [{"n": 2**70}, {"n": object()}, {"n": "\ud800"}])
def test_what_is_no_json_is_refused_and_nothing_is_written(store: Store, document: dict[str, Any]) -> None:
    with pytest.raises(TypeError):
        store.put_record(record(document=document))
    assert store.record("key", "k1") is None


def test_what_is_no_text_is_refused_with_a_sentence(store: Store) -> None:
    with pytest.raises(StoreError):
        store.record("key", "\ud800")
    with pytest.raises(StoreError):
        store.put_record(record("\ud800"))
