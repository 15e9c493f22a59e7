"""The feed tells every change once, in order, to whoever asks, from wherever they were."""

from time import monotonic, sleep

import pytest

from engine.transitions import RunCancelled, RunPaused, TaskSucceeded, load_transition
from store.protocol import BEGINNING, HistoryLost, Proposal, Store
from tests.store.conftest import Place
from tests.store.driver import PATIENCE, Player, news, workflow


@pytest.fixture
def player(engine: Player) -> Player:
    engine.store.save_workflow(workflow())
    return engine


def test_an_empty_store_has_an_empty_feed(store: Store) -> None:
    page = store.changes(BEGINNING)
    assert page.changes == []
    assert store.changes(page.position).changes == []
    assert store.changes(store.position()).changes == []


def test_the_feed_is_the_journal_with_payloads(player: Player) -> None:
    player.start(requested_by="olga")
    token = player.claim("a")
    claim = player.store.changes(BEGINNING).changes[-1]
    player.do(load_transition({"type": "TaskSucceeded", "task": "a", "token": token, "outputs": {"n": 1}}))
    player.do(RunCancelled("enough"), by="ivan")
    told = [change for change in player.store.changes(BEGINNING).changes if change.entity == "run"]
    assert [change.entry for change in told] == player.store.journal("r")
    assert [change.by for change in told] == ["olga", None, None, "ivan"]
    assert claim.transition is not None
    assert (claim.transition["type"], claim.transition["token"]) == ("TaskClaimed", token)
    assert told[2].transition == {"type": "TaskSucceeded", "task": "a", "token": token, "outputs": {"n": 1}}
    assert told[3].transition == {"type": "RunCancelled", "reason": "enough"}


def test_a_transition_of_the_feed_can_be_read_back(player: Player) -> None:
    player.start()
    player.finish()
    for change in player.store.changes(BEGINNING).changes:
        if change.transition is not None:
            assert type(load_transition(change.transition)).__name__ == change.transition["type"]


def test_reading_goes_on_where_it_ended(player: Player) -> None:
    for number in range(5):
        player.finish(player.start(f"r{number}").id)
    whole = player.store.changes(BEGINNING, limit=10_000)
    pieces, position = [], BEGINNING
    while (page := player.store.changes(position, limit=3)).changes:
        assert len(page.changes) <= 3
        pieces += page.changes
        position = page.position
    assert pieces == whole.changes
    assert position == whole.position
    assert player.store.changes(player.store.position()).changes == []


def test_reading_may_begin_at_any_change(player: Player) -> None:
    player.start()
    claim = player.dispatch("a").claim("t", "engine-1")
    player.store.apply([Proposal("r", claim), Proposal("r", TaskSucceeded("a", "t")), Proposal("r", RunPaused())])
    whole = player.store.changes(BEGINNING).changes
    assert len(whole) == 5
    for number, change in enumerate(whole, start=1):
        assert player.store.changes(change.position).changes == whole[number:]


def test_what_is_no_position_of_this_feed_is_lost_history(player: Player) -> None:
    for position in ("nonsense", "82FFFFFFF0000000012B0229296E04"):
        with pytest.raises(HistoryLost):
            player.store.changes(position)
    assert player.store.changes(BEGINNING).changes != []


def test_a_change_that_comes_after_the_end_was_read_is_told_next(player: Player) -> None:
    end = player.store.changes(BEGINNING).position
    player.start()
    assert [change.id for change in news(player.store, end)] == ["r"]


def test_every_change_says_whose_it_is(player: Player) -> None:
    player.store.save_workflow(workflow(tenant="other"))
    player.start("ours")
    player.start("theirs", tenant="other")
    player.do(RunCancelled(), "theirs")
    player.store.delete_workflow("w", tenant="other")
    told = [(change.id, change.tenant) for change in player.store.changes(BEGINNING).changes]
    assert told == [
        ("w", "default"),
        ("w", "other"),
        ("ours", "default"),
        ("theirs", "other"),
        ("theirs", "other"),
        ("w", "other"),
    ]


def test_every_entry_is_told_with_the_seal_that_the_store_keeps(player: Player) -> None:
    player.start()
    claim = player.dispatch("a").claim("t", "engine-1")
    player.store.apply([Proposal("r", claim), Proposal("r", TaskSucceeded("a", "t"))])
    player.do(RunPaused("lunch"), by="olga")
    told = [change.entry for change in player.store.changes(BEGINNING).changes if change.entity == "run"]
    assert [entry and entry.seal for entry in told] == [entry.seal for entry in player.store.sealed("r")]
    assert told[-1] is not None
    assert (told[-1].seal, told[-1].detail) == (player.run().seal, {"reason": "lunch"})


def test_an_owner_can_leave_out_what_it_wrote_itself(place: Place, player: Player) -> None:
    people = Player(place.open())
    before = player.store.position()
    people.start("theirs")
    player.start("own")
    people.do(RunCancelled(), "own")
    page = player.store.changes(before, excluding="engine-1")
    assert [(change.id, change.revision) for change in page.changes] == [("theirs", 1), ("own", 2)]
    assert player.store.changes(page.position, excluding="engine-1").changes == []
    assert len(player.store.changes(before).changes) == 3


def test_the_position_passes_over_what_was_left_out(player: Player) -> None:
    before = player.store.position()
    player.start()
    player.finish()
    page = player.store.changes(before, excluding="engine-1")
    assert page.changes == []
    assert page.position > before
    assert len(player.store.changes(page.position).changes) <= 1  # a feed may tell again what it told last


def test_an_owner_nobody_knows_leaves_nothing_out(player: Player) -> None:
    assert player.store.changes(BEGINNING, excluding="nobody") == player.store.changes(BEGINNING)


def test_a_write_of_somebody_else_is_noticed(place: Place, player: Player) -> None:
    player.start()
    end = player.store.changes(BEGINNING).position
    while player.store.changed():
        end = player.store.changes(end).position
    Player(place.open()).do(RunCancelled())
    deadline = monotonic() + PATIENCE
    while not player.store.changed():
        assert monotonic() < deadline
        sleep(0.01)
    assert [change.revision for change in news(player.store, end)] == [2]


def test_a_wake_up_in_vain_is_not_told(player: Player) -> None:
    player.start()
    before = player.store.position()
    player.store.wake_active()
    assert len(player.store.wake(10)) == 1
    assert player.store.changes(before).changes == []
