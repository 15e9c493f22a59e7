"""Promise S10: whatever somebody does to a journal behind the store's back is noticed, and the entry is named."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from engine.run import WorkflowRun
from engine.statuses import RunStatus
from engine.transitions import RunCancelled, RunPaused, RunResumed, Signal, SignalReceived, TaskDelegated, Wants
from store.protocol import Conflict, Sealed, Store
from store.seals import at_rest, flaws, seal
from tests.store.conftest import Place
from tests.store.driver import Player, workflow
from tests.store.storages import MongoStorage, Raw, SqliteStorage, Storage


@pytest.fixture
def run(store: Store) -> WorkflowRun:
    """A run that has ended, in whose journal there is whatever an entry can hold."""
    player = Player(store)
    store.save_workflow(workflow("a", "b: a"))
    player.start(requested_by="olga")
    player.suspend("a", wants=Wants(None, ("ivan",), {"approve": 1}, ("stewards",)))
    player.do(TaskDelegated("a", 1, "ivan", "eva", "à bientôt ✓"), by="ivan")
    decision = {"decision": "approve", "comment": "\U0001f642 \u0000 \\xff � \u202e"}
    player.do(SignalReceived("a", Signal("s1", 1, "eva", decision)), by="eva")
    player.succeed("a")
    player.claim("b")
    player.do(RunCancelled("enough"), by="olga")
    run = player.run()
    assert run.revision == 9
    return run


@pytest.fixture
def storage(request: pytest.FixtureRequest, run: WorkflowRun) -> Iterator[Storage]:
    storage: Storage
    if request.node.callspec.params["place"] == "sqlite":
        storage = SqliteStorage(request.getfixturevalue("tmp_path") / "icefloe.db")
    else:
        storage = MongoStorage(request.getfixturevalue("mongo_uri"))
    assert len(storage.read()) == run.revision
    yield storage
    storage.close()


def named(store: Store, run: WorkflowRun) -> list[int]:
    """The entries of which something is said."""
    return [flaw.revision for flaw in flaws(run, store.sealed(run.id))]


def test_a_journal_that_nobody_touched_has_no_flaw(store: Store, run: WorkflowRun) -> None:
    assert named(store, run) == []
    assert [entry.seal for entry in store.sealed("r")] == [entry.seal for entry in store.journal("r")]
    assert store.sealed("nobody") == []


def test_a_seal_is_the_hash_of_all_before_it(store: Store, run: WorkflowRun) -> None:
    previous = None
    for entry in store.sealed("r"):
        assert entry.seal == seal(previous, "r", entry.revision, entry.at, entry.text)
        previous = entry.seal
    assert run.seal == previous


@pytest.mark.parametrize("flip", [0x01, 0x20, 0x80])
def test_every_byte_of_every_entry_counts(store: Store, run: WorkflowRun, storage: Storage, flip: int) -> None:
    entries = storage.read()
    for number, entry in enumerate(entries):
        for place in range(len(entry.text)):
            changed = bytearray(entry.text)
            changed[place] ^= flip
            storage.write([*entries[:number], entry._replace(text=bytes(changed)), *entries[number + 1 :]])
            assert named(store, run)[0] == entry.revision, (entry, place)


def test_every_byte_of_every_seal_counts(store: Store, run: WorkflowRun, storage: Storage) -> None:
    entries = storage.read()
    for number, entry in enumerate(entries):
        assert entry.seal is not None
        for place in range(len(entry.seal)):
            changed = bytearray(entry.seal)
            changed[place] ^= 0x01
            storage.write([*entries[:number], entry._replace(seal=bytes(changed)), *entries[number + 1 :]])
            assert named(store, run)[0] == entry.revision, (entry, place)


def test_the_time_of_an_entry_counts(store: Store, run: WorkflowRun, storage: Storage) -> None:
    entries = storage.read()
    for number, entry in enumerate(entries):
        storage.write([*entries[:number], entry._replace(at=entry.at + 2**-20), *entries[number + 1 :]])
        assert named(store, run) == [entry.revision]


def test_the_revision_of_an_entry_counts(store: Store, run: WorkflowRun, storage: Storage) -> None:
    entries = storage.read()
    for number, entry in enumerate(entries):
        storage.write([*entries[:number], entry._replace(revision=100), *entries[number + 1 :]])
        assert 100 in named(store, run)


def removed(entries: list[Raw], number: int) -> list[Raw]:
    return entries[:number] + entries[number + 1 :]


def removed_and_counted_anew(entries: list[Raw], number: int) -> list[Raw]:
    later = [entry._replace(revision=entry.revision - 1) for entry in entries[number + 1 :]]
    return entries[:number] + later


def swapped_with_the_next(entries: list[Raw], number: int) -> list[Raw]:
    one, other = entries[number : number + 2]
    swapped = [one._replace(text=other.text, at=other.at), other._replace(text=one.text, at=one.at)]
    return [*entries[:number], *swapped, *entries[number + 2 :]]


def put_in(entries: list[Raw], number: int) -> list[Raw]:
    later = [entry._replace(revision=entry.revision + 1) for entry in entries[number:]]
    return [*entries[:number], entries[number], *later]


def put_in_with_a_seal_that_fits(entries: list[Raw], number: int) -> list[Raw]:
    before = entries[number - 1].seal if number else None
    own = entries[number]
    text = b'["RunPaused",null,null,"olga",{},null]'
    fits = seal(None if before is None else before.decode(), "r", own.revision, own.at, text.decode())
    return put_in([*entries[:number], own._replace(text=text, seal=fits.encode()), *entries[number:]], number + 1)


def without_its_seal(entries: list[Raw], number: int) -> list[Raw]:
    return [*entries[:number], entries[number]._replace(seal=None), *entries[number + 1 :]]


@pytest.mark.parametrize(
    "tampered",
    [
        removed,
        removed_and_counted_anew,
        swapped_with_the_next,
        put_in,
        put_in_with_a_seal_that_fits,
        without_its_seal,
    ],
)
def test_where_something_was_removed_put_in_or_swapped_is_named(
    store: Store, run: WorkflowRun, storage: Storage, tampered: Callable[[list[Raw], int], list[Raw]]
) -> None:
    entries = storage.read()
    for number in range(len(entries) - 1):
        storage.write(tampered(entries, number))
        assert named(store, run)[0] in {number + 1, number + 2}


def test_an_end_that_was_cut_off_is_missed(store: Store, run: WorkflowRun, storage: Storage) -> None:
    entries = storage.read()
    for left in range(len(entries)):
        storage.write(entries[:left])
        [flaw] = flaws(run, store.sealed("r"))
        assert flaw.sentence == f"the run is at revision 9, but its journal ends at {left}: its end is gone"


def test_an_entry_after_the_last_is_named_though_its_seal_fits(
    store: Store, run: WorkflowRun, storage: Storage
) -> None:
    entries = storage.read()
    last = entries[-1]
    assert last.seal is not None
    text = b'["RunResumed",null,null,"olga",{},null]'
    fits = seal(last.seal.decode(), "r", last.revision + 1, last.at, text.decode()).encode()
    storage.write([*entries, Raw(last.revision + 1, last.at, text, fits)])
    assert named(store, run) == [run.revision + 1]


def test_a_chain_that_was_made_anew_from_an_entry_on_does_not_end_as_the_run_says(
    store: Store, run: WorkflowRun, storage: Storage
) -> None:
    entries = storage.read()
    previous = entries[2].seal
    for number in range(3, len(entries)):
        entry = entries[number]
        text = entry.text.replace(b"enough", b"nobody")
        assert previous is not None
        previous = seal(previous.decode(), "r", entry.revision, entry.at, text.decode()).encode()
        entries[number] = entry._replace(text=text, seal=previous)
    storage.write(entries)
    [flaw] = flaws(run, store.sealed("r"))
    assert flaw.sentence == "the run's own seal isn't that of its last entry: one of them was changed"


def test_a_run_whose_status_was_changed_is_not_as_its_journal_says(
    place: Place, run: WorkflowRun, storage: Storage
) -> None:
    storage.set(status="SUCCESS")
    fresh = place.open()
    changed = fresh.load([run.id])[run.id]
    assert changed.status is RunStatus.SUCCESS
    [flaw] = flaws(changed, fresh.sealed(run.id))
    assert flaw == (0, "the run is SUCCESS, but its journal says CANCELLED: the run was changed")


def test_a_run_whose_task_was_changed_is_not_as_its_journal_says(store: Store, run: WorkflowRun) -> None:
    tasks = {**run.tasks, "a": run.tasks["b"]}
    [flaw] = flaws(run._replace(tasks=tasks), store.sealed(run.id))
    assert flaw == (0, "task 'a' is CANCELLED, but its journal says SUCCESS: the run was changed")


def test_the_seal_of_a_run_counts(place: Place, run: WorkflowRun, storage: Storage) -> None:
    storage.set(seal="0" * 64)
    fresh = place.open()
    assert named(fresh, fresh.load([run.id])[run.id]) == [0]


def test_entries_from_before_there_were_seals_are_taken_as_they_are(
    store: Store, run: WorkflowRun, storage: Storage
) -> None:
    entries = storage.read()
    old, chained, previous = [entry._replace(seal=None) for entry in entries[:4]], [], None
    for entry in entries[4:]:
        previous = seal(previous, "r", entry.revision, entry.at, entry.text.decode())
        chained.append(entry._replace(seal=previous.encode()))
    storage.write(old + chained)
    assert named(store, run._replace(seal=previous)) == []
    storage.write([*old[:2], old[2]._replace(text=b'{"no": "entry at all"}'), old[3], *chained])
    assert named(store, run._replace(seal=previous)) == [3]
    storage.write(old[:3] + old[2:3] + chained)
    assert named(store, run._replace(seal=previous))[0] == 3


def test_of_what_an_older_program_wrote_meanwhile_only_that_is_named(
    store: Store, run: WorkflowRun, storage: Storage
) -> None:
    entries = storage.read()
    before, later = entries[:4], entries[5:]
    assert before[-1].seal is not None
    previous, chained = before[-1].seal.decode(), []  # which the older program has left in the run
    for entry in later:
        previous = seal(previous, "r", entry.revision, entry.at, entry.text.decode())
        chained.append(entry._replace(seal=previous.encode()))
    storage.write([*before, entries[4]._replace(seal=None), *chained])
    assert named(store, run._replace(seal=previous)) == [5]


@pytest.mark.parametrize(("changes", "settles"), [(0, True), (3, True), (1000, False)])
def test_what_happens_to_a_run_while_it_is_read_is_no_flaw(
    store: Store, monkeypatch: pytest.MonkeyPatch, *, changes: int, settles: bool
) -> None:
    player, sealed, left = Player(store), store.sealed, iter(range(changes))
    store.save_workflow(workflow("a"))
    before = player.start()

    def unsteady(run_id: str) -> list[Sealed]:
        entries = sealed(run_id)
        if next(left, None) is not None:
            player.do(RunResumed() if player.run().paused else RunPaused())
        return entries

    monkeypatch.setattr(store, "sealed", unsteady)
    if settles:
        run, entries = at_rest(store, before)
        assert (run, flaws(run, entries)) == (player.run(), [])
        assert run.revision == 1 + changes
    else:
        with pytest.raises(Conflict, match="run r changes all the time"):
            at_rest(store, before)


@pytest.mark.parametrize("forged", [{"sender": "mallory"}, {"decision": "reject"}])
def test_a_decision_that_the_journal_does_not_have_is_noticed(store: Store, run: WorkflowRun, forged: Any) -> None:
    task = run.tasks["a"]
    [accepted] = task.accepted
    changed = run._replace(tasks={**run.tasks, "a": task._replace(accepted=(accepted._replace(**forged),))})
    [flaw] = flaws(changed, store.sealed(run.id))
    assert flaw.revision == 0
    assert flaw.sentence.endswith("and its journal knows nothing of that: the run was changed")
    assert flaws(run, store.sealed(run.id)) == []
