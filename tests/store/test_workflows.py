"""Workflows are versioned, immutable once saved, and told to everybody."""

from store.protocol import BEGINNING, NewRun, Store
from tests.store.conftest import Place
from tests.store.driver import Clock, Player, workflow


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
