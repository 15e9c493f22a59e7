"""Workflows are versioned, immutable once saved, told to everybody, and deleted all at once."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from engine.documents import Workflow
from store.protocol import BEGINNING, Conflict, NewRun, Store
from tests.store.conftest import Place
from tests.store.driver import Clock, Player, news, workflow


def test_a_saved_workflow_is_read_back_with_its_version_author_and_time(store: Store, clock: Clock) -> None:
    saved = store.save_workflow(workflow(description="Ünïcode ✓ \u0000"), by="olga")
    assert (saved.version, saved.created_by, saved.created_at) == (1, "olga", clock.time)
    assert store.workflow("w") == saved
    assert store.workflow("w", 1) == saved


def test_what_is_not_saved_is_not_there(store: Store) -> None:
    store.save_workflow(workflow())
    assert store.workflow("x") is None
    assert store.workflow("w", 2) is None
    assert store.workflow("w", tenant="other") is None


def test_saving_the_same_document_again_gives_the_version_that_is_there(store: Store, clock: Clock) -> None:
    first = store.save_workflow(workflow(), by="olga")
    clock.pass_(10)
    assert store.save_workflow(workflow(), by="ivan") == first
    assert store.save_workflow(first, by="ivan") == first


def test_a_changed_document_is_the_next_version_and_the_old_one_stays(store: Store) -> None:
    first = store.save_workflow(workflow("a"))
    second = store.save_workflow(workflow("a", "b: a"))
    assert second.version == 2
    assert store.workflow("w") == second
    assert store.workflow("w", 1) == first


def test_going_back_to_an_older_document_is_a_version_of_its_own(store: Store) -> None:
    store.save_workflow(workflow("a"))
    store.save_workflow(workflow("b"))
    assert store.save_workflow(workflow("a")).version == 3


def test_the_list_has_the_latest_version_of_each_workflow_by_name(store: Store) -> None:
    for name in ("zebra", "apple"):
        store.save_workflow(workflow("a", name=name))
        store.save_workflow(workflow("b", name=name))
    store.save_workflow(workflow("a", name="theirs", tenant="other"))
    assert [(saved.name, saved.version) for saved in store.workflows()] == [("apple", 2), ("zebra", 2)]
    assert [saved.name for saved in store.workflows(tenant="other")] == ["theirs"]


def test_the_list_is_read_in_pages(store: Store) -> None:
    for name in ("cherry", "apple", "banana", "gone", "damson"):
        store.save_workflow(workflow("a", name=name))
    store.delete_workflow("gone")
    pages = [
        [saved.name for saved in store.workflows(after=after, limit=2)] for after in ("", "banana", "damson", "bb")
    ]
    assert pages == [["apple", "banana"], ["cherry", "damson"], [], ["cherry", "damson"]]
    assert store.workflows(limit=0) == []
    assert [saved.name for saved in store.workflows(after="banana")] == ["cherry", "damson"]


def test_tenants_may_use_the_same_name(store: Store) -> None:
    store.save_workflow(workflow("a"))
    store.save_workflow(workflow("b", tenant="other"))
    assert store.workflow("w") != store.workflow("w", tenant="other")
    run = Player(store).start(tenant="other")
    assert (run.tenant, list(run.tasks)) == ("other", ["b"])


def test_saving_is_told_in_the_feed_with_the_document(store: Store) -> None:
    saved = store.save_workflow(workflow(), by="olga")
    [change] = store.changes(BEGINNING).changes
    assert (change.entity, change.id, change.revision, change.by) == ("workflow", "w", 1, "olga")
    assert change.document == saved.model_dump(mode="json", exclude_none=True)
    assert (change.entry, change.transition) == (None, None)
    store.save_workflow(workflow())  # nothing new: nothing to tell
    assert store.changes(change.position).changes == []


def test_the_versions_of_a_workflow_are_listed_the_latest_first(store: Store) -> None:
    saved = [store.save_workflow(workflow(task)) for task in "abcde"]
    store.save_workflow(workflow("x", name="v"))
    store.save_workflow(workflow("x", tenant="other"))
    assert store.versions("w") == saved[::-1]
    assert store.versions("w", limit=2) == [saved[4], saved[3]]
    assert store.versions("w", before=4, limit=2) == [saved[2], saved[1]]
    assert store.versions("w", before=1) == []
    assert store.versions("w", limit=0) == []
    assert store.versions("nothing") == []
    assert [one.tenant for one in store.versions("w", tenant="other")] == ["other"]


@pytest.mark.parametrize(("after", "latest"), [(0, 2), (1, 2), (3, 2)])
def test_a_version_that_was_to_follow_another_one_is_refused(store: Store, after: int, latest: int) -> None:
    for task in ("a", "b"):
        store.save_workflow(workflow(task))
    with pytest.raises(Conflict, match=rf"workflow 'w' is at version {latest}, and what was sent is .*: read it again"):
        store.save_workflow(workflow("c"), after=after)
    assert store.save_workflow(workflow("c"), after=2).version == 3


def test_a_workflow_that_was_to_be_the_first_of_its_name_may_be_so_only_if_there_is_none(store: Store) -> None:
    with pytest.raises(Conflict, match="workflow 'w' doesn't exist, and what was sent is to follow version 1"):
        store.save_workflow(workflow("a"), after=1)
    assert store.save_workflow(workflow("a"), after=0).version == 1
    store.delete_workflow("w")
    with pytest.raises(Conflict, match="doesn't exist"):
        store.save_workflow(workflow("b"), after=1)
    assert store.save_workflow(workflow("b"), after=0).version == 2


def test_nobody_sees_a_workflow_that_was_deleted(store: Store) -> None:
    for task in ("a", "b"):
        store.save_workflow(workflow(task))
    store.save_workflow(workflow(name="v"))
    assert store.delete_workflow("w", by="olga")
    assert store.workflow("w") is None
    assert store.workflow("w", 1) is None
    assert store.workflow("w", 2) is None
    assert store.workflow("w", 3) is None
    assert store.versions("w") == []
    assert [saved.name for saved in store.workflows()] == ["v"]


@pytest.mark.parametrize("version", [None, 1, 2, 3])
def test_no_run_of_a_deleted_workflow_is_started(store: Store, version: int | None) -> None:
    for task in ("a", "b"):
        store.save_workflow(workflow(task))
    store.save_workflow(workflow(name="ww"))
    store.delete_workflow("w")
    creation = Player(store).create(version=version)
    assert creation.outcome == "refused"
    assert [fault.message for fault in creation.faults] == ["'w' is not a saved workflow (did you mean 'ww'?)"]


def test_a_workflow_is_deleted_once(store: Store) -> None:
    assert not store.delete_workflow("w")
    store.save_workflow(workflow())
    store.save_workflow(workflow(tenant="other"))
    assert store.delete_workflow("w")
    assert not store.delete_workflow("w")
    assert store.workflow("w", tenant="other") is not None


@pytest.mark.parametrize("after", [0, 1, 3])
def test_a_workflow_of_which_another_version_is_known_is_not_deleted(store: Store, after: int) -> None:
    for task in ("a", "b"):
        store.save_workflow(workflow(task))
    with pytest.raises(Conflict, match="workflow 'w' is at version 2"):
        store.delete_workflow("w", after=after)
    assert [one.version for one in store.versions("w")] == [2, 1]
    assert store.delete_workflow("w", after=2)
    assert not store.delete_workflow("w", after=2)


def test_runs_keep_their_version_when_the_workflow_is_deleted(place: Place) -> None:
    engine = Player(place.open())
    engine.store.save_workflow(workflow("a", "b: a", "c: b"))
    started = engine.start()
    for task in "abc":
        engine.store.delete_workflow("w")
        restarted = Player(place.open(), f"engine-{task}")
        restarted.succeed(task)
        engine.store.save_workflow(workflow("x", f"y{task}: x"))
    run = Player(place.open()).run()
    assert run.is_final
    assert run.plan.workflow == started.plan.workflow
    assert engine.create().outcome == "exists"


def test_saving_a_deleted_workflow_again_makes_the_next_version_and_brings_none_back(store: Store) -> None:
    for task in ("a", "b"):
        store.save_workflow(workflow(task))
    store.delete_workflow("w")
    again = store.save_workflow(workflow("b"))
    assert again.version == 3
    assert store.workflow("w") == again
    assert store.workflow("w", 2) is None
    assert store.versions("w") == [again]
    assert store.versions("w", before=3) == []
    latest = store.save_workflow(workflow("c"))
    assert store.versions("w") == [latest, again]
    assert store.workflow("w", 3) == again
    [refused] = Player(store).create(version=2).faults
    assert refused.message == "'w' has no version 2; its latest is 4"
    assert Player(store).start(version=3).plan.workflow.version == 3
    store.delete_workflow("w")
    assert store.save_workflow(workflow("c")).version == 5
    assert len(store.versions("w")) == 1


def test_a_deletion_is_told_in_the_feed(store: Store, clock: Clock) -> None:
    store.save_workflow(workflow("a"))
    saved = store.save_workflow(workflow("b"))
    before = store.position()
    clock.pass_(5)
    store.delete_workflow("w", by="olga")
    store.delete_workflow("w", by="olga")  # nothing new: nothing to tell
    [change] = news(store, before)
    assert (change.entity, change.id, change.revision, change.by, change.at) == ("workflow", "w", 2, "olga", clock.time)
    assert change.transition == {"type": "WorkflowDeleted", "by": "olga"}
    assert (change.document, change.entry) == (None, None)
    again = store.save_workflow(workflow("b"))
    assert again.version == (saved.version or 0) + 1
    assert [(one.revision, one.document is None) for one in store.changes(before).changes] == [(2, True), (3, False)]


def test_an_owner_can_leave_out_the_deletions_and_versions_that_it_wrote_itself(engine: Player) -> None:
    store = engine.store
    before = store.position()
    store.save_workflow(workflow("a"))
    store.delete_workflow("w")
    store.save_workflow(workflow("a"))
    assert store.changes(before, excluding="engine-1").changes == []
    assert len(store.changes(before).changes) == 3


def test_of_many_who_delete_a_workflow_one_did(place: Place) -> None:
    stores = [place.open() for _ in range(4)]
    stores[0].save_workflow(workflow("a"))
    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(lambda number: stores[number % 4].delete_workflow("w"), range(8))) == 1


def test_of_many_who_save_and_delete_at_once_each_finds_one_order(place: Place) -> None:
    stores = [place.open() for _ in range(4)]

    def write(number: int) -> str | None:
        if number % 3 == 0:
            return "deleted" if stores[number % 4].delete_workflow("w") else None
        stores[number % 4].save_workflow(workflow(f"t{number}"))
        return "saved"

    with ThreadPoolExecutor(8) as pool:
        done = list(pool.map(write, range(40)))
    told = [change for change in stores[0].changes(BEGINNING).changes if change.entity == "workflow"]
    assert [change.document is None for change in told].count(True) == done.count("deleted")
    saved = [change.revision for change in told if change.document is not None]
    assert saved == list(range(1, done.count("saved") + 1))
    live: list[int] = []
    for change in told:
        live = [] if change.document is None else [*live, change.revision]
    for store in stores:
        assert [one.version for one in store.versions("w")] == live[::-1]


def test_a_version_doesn_t_follow_one_that_was_deleted_meanwhile(place: Place) -> None:
    stores = [place.open() for _ in range(2)]
    for _ in range(10):
        latest = stores[0].save_workflow(workflow("a"))

        def follow(latest: Workflow = latest) -> bool:
            try:
                stores[1].save_workflow(workflow("b"), after=latest.version)
            except Conflict:
                return False
            return True

        with ThreadPoolExecutor(2) as pool:
            deleted, followed = pool.submit(stores[0].delete_workflow, "w"), pool.submit(follow)
        assert deleted.result()
        assert followed.done()
        assert stores[0].workflow("w") is None


def test_another_store_object_sees_a_new_version_at_once(place: Place) -> None:
    one, other = place.open(), place.open()
    one.save_workflow(workflow("a"))
    assert Player(other).start("r1").plan.workflow.version == 1
    one.save_workflow(workflow("b"))
    assert Player(other).start("r2").plan.workflow.version == 2


def test_a_run_keeps_the_version_it_was_started_with(place: Place) -> None:
    engine = Player(place.open())
    engine.store.save_workflow(workflow("a", "b: a", "c: b"))
    engine.start()
    for number, task in enumerate("abc"):
        engine.store.save_workflow(workflow("x", f"y{number}: x"))
        restarted = Player(place.open(), f"engine-{number}")
        restarted.succeed(task)
    run = engine.run()
    assert run.is_final
    assert (run.plan.workflow.version, list(run.tasks)) == (1, ["a", "b", "c"])


def test_a_run_can_be_started_with_an_older_version(store: Store) -> None:
    store.save_workflow(workflow("a"))
    store.save_workflow(workflow("b"))
    [old, latest] = store.create([NewRun("r1", "w", {}, version=1), NewRun("r2", "w", {})])
    assert old.run is not None
    assert latest.run is not None
    assert (list(old.run.tasks), list(latest.run.tasks)) == (["a"], ["b"])
