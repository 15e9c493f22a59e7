"""Runs are found newest first, page by page, and counted."""

from dataclasses import replace
from typing import Final

import pytest

from engine.statuses import RunStatus
from engine.transitions import RunCancelled, RunPaused
from store.protocol import RunQuery, Store, StoreError
from tests.store.driver import START, Clock, Player, everything, workflow


@pytest.fixture
def player(store: Store) -> Player:
    store.save_workflow(workflow())
    store.save_workflow(workflow(name="v"))
    store.save_workflow(workflow(tenant="other"))
    return Player(store)


def found(store: Store, **query: object) -> list[str]:
    return [run.id for run in store.find(RunQuery(**query)).runs]  # type: ignore[arg-type] # as the test says


def test_the_newest_run_comes_first(player: Player, clock: Clock) -> None:
    for number in range(3):
        player.start(f"r{number}")
        clock.pass_(1)
    assert found(player.store) == ["r2", "r1", "r0"]


def test_a_summary_says_how_a_run_stands(player: Player, clock: Clock) -> None:
    player.start(requested_by="olga")
    clock.pass_(5)
    player.fail("a")
    [summary] = player.store.find(RunQuery()).runs
    assert (summary.id, summary.workflow, summary.version, summary.status) == ("r", "w", 1, RunStatus.FAILED)
    assert (summary.requested_by, summary.created_at, summary.finished_at) == ("olga", START, START + 5)
    assert summary.error == player.run().error


def test_each_condition_chooses_its_runs(player: Player, clock: Clock) -> None:
    player.start("old", requested_by="olga")
    clock.pass_(10)
    player.start("new", requested_by="ivan")
    player.start("v", workflow="v")
    player.start("theirs", tenant="other")
    player.do(RunCancelled(), "old")
    store = player.store
    assert found(store) == ["v", "new", "old"]
    assert found(store, tenant="other") == ["theirs"]
    assert found(store, tenant="nobody") == []
    assert found(store, workflow="w") == ["new", "old"]
    assert found(store, statuses=frozenset({RunStatus.CANCELLED})) == ["old"]
    assert found(store, statuses=frozenset({RunStatus.PENDING})) == ["v", "new"]
    assert found(store, requested_by="olga") == ["old"]
    assert found(store, created_after=START + 10) == ["v", "new"]
    assert found(store, created_before=START + 10) == ["old"]
    assert found(store, created_after=START, created_before=START + 10, requested_by="ivan") == []


def test_runs_of_several_statuses_stay_in_order(player: Player) -> None:
    for number in range(6):
        player.start(f"r{number}")
    for number in (1, 4):
        player.do(RunCancelled(), f"r{number}")
    player.do(RunPaused(), "r2")
    statuses = frozenset({RunStatus.PENDING, RunStatus.CANCELLED})
    assert found(player.store, statuses=statuses) == ["r5", "r4", "r3", "r1", "r0"]
    page = player.store.find(RunQuery(statuses=statuses, limit=2))
    rest = player.store.find(RunQuery(statuses=statuses, limit=9, cursor=page.cursor))
    assert [run.id for run in (*page.runs, *rest.runs)] == ["r5", "r4", "r3", "r1", "r0"]


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        ({"n": 1}, ["one"]),
        ({"n": "1"}, ["text"]),
        ({"n": True}, ["true"]),
        ({"n": None}, ["null"]),
        ({"n": {"b": 2, "a": [1]}}, ["object"]),
        ({"n": 1, "m.x y'\"$": "é"}, ["one"]),
        ({"n": 2}, []),
        ({"absent": None}, []),
        ({}, ["object", "null", "true", "text", "one"]),
    ],
)
def test_inputs_are_compared_as_json_values(player: Player, inputs: dict[str, object], expected: list[str]) -> None:
    player.start("one", {"n": 1, "m.x y'\"$": "é"})
    player.start("text", {"n": "1"})
    player.start("true", {"n": True})
    player.start("null", {"n": None})
    player.start("object", {"n": {"a": [1], "b": 2}})
    assert found(player.store, inputs=inputs) == expected


def test_inputs_may_be_equal_to_one_of_several_values(player: Player) -> None:
    player.start("number", {"n": 1, "m": 2})
    player.start("text", {"n": "1", "m": 2})
    player.start("other", {"n": 3, "m": 2})
    assert found(player.store, inputs_any={"n": (1, "1")}) == ["text", "number"]
    assert found(player.store, inputs_any={"n": (1, "1"), "m": (2,)}, inputs={"n": 1}) == ["number"]
    assert found(player.store, inputs_any={"n": ()}) == []


LABELLED: Final[dict[str, dict[str, str]]] = {
    "plain": {"team": "sales", "tier": "1"},
    "quoting": {"text": '","team":"sales","', "tier": "1"},
    "longer": {"team": "sales-eu", "steam": "sales"},
    "odd": {'a.b*"\\': "é\n{", "": "nothing"},
    "none": {},
}


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ({"team": "sales"}, ["plain"]),
        ({"tier": "1"}, ["quoting", "plain"]),
        ({"tier": "1", "team": "sales"}, ["plain"]),
        ({"team": "sale."}, []),
        ({"tier": "2"}, []),
        ({'a.b*"\\': "é\n{"}, ["odd"]),
        ({"": "nothing"}, ["odd"]),
    ],
)
def test_runs_are_found_by_their_labels(player: Player, labels: dict[str, str], expected: list[str]) -> None:
    for id_, given in LABELLED.items():
        player.start(id_, labels=given)
    assert found(player.store, labels=labels) == expected


def test_pages_have_every_run_once_even_if_all_began_at_the_same_time(player: Player) -> None:
    for number in range(23):
        player.start(f"r{number}")
    ids, cursor, pages = [], None, 0
    while pages == 0 or cursor is not None:
        page = player.store.find(RunQuery(limit=5, cursor=cursor))
        ids += [run.id for run in page.runs]
        cursor = page.cursor
        pages += 1
    assert ids == [f"r{number}" for number in reversed(range(23))]
    assert pages == 5


def test_runs_that_come_in_meanwhile_move_no_page(player: Player, clock: Clock) -> None:
    for number in range(6):
        player.start(f"r{number}")
    first = player.store.find(RunQuery(limit=3))
    clock.pass_(1)
    player.start("late")
    second = player.store.find(RunQuery(limit=3, cursor=first.cursor))
    assert [run.id for run in (*first.runs, *second.runs)] == ["r5", "r4", "r3", "r2", "r1", "r0"]
    assert second.cursor is None


def test_a_last_page_that_is_full_has_no_cursor(player: Player) -> None:
    for number in range(4):
        player.start(f"r{number}")
    assert player.store.find(RunQuery(limit=4)).cursor is None


@pytest.mark.parametrize("limit", [0, -1])
def test_a_page_may_be_empty(player: Player, limit: int) -> None:
    player.start()
    assert player.store.find(RunQuery(limit=limit)) == ([], None)


def test_a_clock_that_went_back_loses_no_run(player: Player, clock: Clock) -> None:
    for number in range(8):
        player.start(f"r{number}")
        clock.pass_(-3 if number % 2 else 1)
    assert {run.id for run in everything(player.store)} == {f"r{number}" for number in range(8)}


@pytest.mark.parametrize(
    "cursor", ["", "x", "é", "bnVsbA", "WzEsMl0", "WyIxIiwyXQ", "W1tbW1tbW1tb", "W" * 10_000, "\ud800"]
)
def test_a_cursor_that_is_none_is_refused(player: Player, cursor: str) -> None:
    with pytest.raises(ValueError, match="is no cursor of this store"):
        player.store.find(RunQuery(cursor=cursor))


def test_the_runs_of_all_tenants_are_in_one_order(player: Player, clock: Clock) -> None:
    for number in range(6):
        player.start(f"r{number}", tenant="other" if number % 2 else "default")
        clock.pass_(1)
    for id_ in ("r2", "r5"):
        player.do(RunPaused(), id_)
    player.do(RunCancelled(), "r3")
    assert found(player.store, tenant=None) == ["r5", "r4", "r3", "r2", "r1", "r0"]
    either = RunQuery(tenant=None, statuses=frozenset({RunStatus.PENDING, RunStatus.PAUSED}), limit=2)
    pages = [player.store.find(either)]
    while pages[-1].cursor is not None:
        pages.append(player.store.find(replace(either, cursor=pages[-1].cursor)))
    assert [[run.id for run in page.runs] for page in pages] == [["r5", "r4"], ["r2", "r1"], ["r0"]]
    assert found(player.store, tenant=None, workflow="nothing") == []


def test_what_no_store_can_hold_is_refused_with_a_sentence(player: Player) -> None:
    for ask in (
        lambda: found(player.store, workflow="\ud800"),
        lambda: player.store.counts(tenant="\ud800"),
        lambda: player.store.workflow("w", 2**70),
    ):
        with pytest.raises(StoreError):
            ask()


def test_runs_are_counted_by_status_and_tenant(player: Player) -> None:
    for number in range(3):
        player.start(f"r{number}")
    player.start("theirs", tenant="other")
    player.do(RunCancelled(), "r0")
    assert player.store.counts() == {RunStatus.PENDING: 3, RunStatus.CANCELLED: 1}
    assert player.store.counts(tenant="other") == {RunStatus.PENDING: 1}
    assert player.store.counts(tenant="nobody") == {}
