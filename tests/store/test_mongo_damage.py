"""A document that makes no sense hurts its own run and nothing else."""

from collections.abc import Iterator
from typing import Any

import pytest
from bson import ObjectId
from pymongo import MongoClient

from engine.run import JournalEntry, Parent
from engine.statuses import RunStatus
from engine.transitions import RunCancelled, RunPaused
from store.mongo import MongoStore
from store.protocol import Proposal
from tests.store.driver import Clock, Player, workflow

DAMAGES: list[dict[str, Any]] = [
    {"tasks.a": "nonsense"},
    {"tasks.nobody": "{}"},
    {"status": "DANCING"},
    {"inputs": ""},
    {"version": 7},
    {"seal": ObjectId("0" * 24)},
    {"seal": 7, "revision": "many"},
]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def player(mongo_uri: str, clock: Clock) -> Iterator[Player]:
    """An engine with two runs in the middle of their work, `bad` and `good`, that the store doesn't remember."""
    store = MongoStore(mongo_uri, clock=clock, luck=lambda: 0.5, cached_bytes=0)
    store.save_workflow(workflow())
    player = Player(store)
    player.start("parent")
    for id_ in ("bad", "good"):
        player.start(id_, parent=Parent("parent", "a", 1))
        player.succeed("a", id_)
    yield player
    store.close()


def damage(mongo_uri: str, fields: dict[str, Any]) -> None:
    client: MongoClient[dict[str, Any]] = MongoClient(mongo_uri)
    client.get_default_database()["runs"].update_one({"_id": "bad"}, {"$set": fields})
    client.close()


@pytest.mark.parametrize("fields", DAMAGES, ids=str)
def test_a_run_that_makes_no_sense_is_failed_when_it_is_touched_and_the_others_go_on(
    player: Player, mongo_uri: str, fields: dict[str, Any]
) -> None:
    damage(mongo_uri, fields)
    bad, good = player.store.apply([Proposal(id_, RunPaused()) for id_ in ("bad", "good")])
    assert not isinstance(bad.outcome, JournalEntry)
    assert isinstance(good.outcome, JournalEntry)
    assert player.store.counts()[RunStatus.FAILED] == 1


@pytest.mark.parametrize("fields", DAMAGES, ids=str)
def test_a_run_that_makes_no_sense_is_failed_when_it_is_due_and_blocks_no_other(
    player: Player, mongo_uri: str, clock: Clock, fields: dict[str, Any]
) -> None:
    damage(mongo_uri, fields)
    clock.pass_(40)
    assert {run.id for run in player.store.wake(10)} == {"parent", "good"}
    assert player.store.counts()[RunStatus.FAILED] == 1
    assert player.store.wake(10) == []


def test_a_run_that_ended_and_makes_no_sense_is_not_due_for_ever(player: Player, mongo_uri: str, clock: Clock) -> None:
    for id_ in ("parent", "bad", "good"):
        player.do(RunCancelled(), id_)
    damage(mongo_uri, {"inputs": ""})
    clock.pass_(1000)
    assert {run.id for run in player.store.wake(10)} == {"good"}
    due = player.store.next_wake()
    assert due is not None
    assert due > clock.time
