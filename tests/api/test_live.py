"""Runs followed live, by real clients of a real server."""

from collections.abc import Iterator

import httpx2
import pytest
from fastapi import FastAPI

from api.app import create_app
from api.settings import ApiSettings
from blocks.catalogue import Catalogue
from engine.transitions import RunCancelled
from tests.api.conftest import Believing
from tests.api.serving import Told, following, headers_of, serving
from tests.store.conftest import Place
from tests.store.driver import Player, workflow

ADA = headers_of("ada", "requester")
VERA = headers_of("vera", "viewer")


@pytest.fixture
def app(place: Place, catalogue: Catalogue, api_settings: ApiSettings) -> FastAPI:
    return create_app(api_settings, place.open(), catalogue, authenticator=Believing())


@pytest.fixture
def engine(place: Place) -> Player:
    """An engine with a store object of its own, as that of another process."""
    store = place.open()
    store.register("engine-1", 30.0)
    store.save_workflow(workflow(), by="ann")
    return Player(store)


@pytest.fixture
def url(app: FastAPI, engine: Player) -> Iterator[str]:  # noqa: ARG001 - what happened before it is no news
    with serving(app) as url:
        yield f"{url}/v1"


def types(told: list[Told]) -> list[str]:
    return [one.data["type"] for one in told]


def test_a_run_is_followed_from_a_snapshot_to_its_end(engine: Player, url: str) -> None:
    engine.start("r", requested_by="ada")
    with following(f"{url}/runs/r/events", ADA) as stream:
        [snapshot] = stream.take(1)
        assert snapshot.kind == "snapshot"
        assert snapshot.data["status"] == "PENDING"
        assert snapshot.data["tasks"] == {"a": "PENDING", "b": "PENDING", "c": "PENDING"}
        assert stream.response.headers["X-Accel-Buffering"] == "no"
        assert stream.response.headers["Cache-Control"] == "no-store"
        engine.finish("r")
        told = list(stream)
    journal = engine.store.journal("r")
    assert [one.data["revision"] for one in told[:-1]] == [entry.revision for entry in journal[1:]]
    assert types(told[:-1]) == [entry.type for entry in journal[1:]]
    assert told[-2].data["status"] == "SUCCESS"
    assert (told[-1].kind, told[-1].data) == ("bye", {"reason": "ended"})
    after = told[-1].id
    assert after is not None
    again = httpx2.get(f"{url}/runs/r/events", headers={**ADA, "Last-Event-ID": after})
    assert again.status_code == 204


def test_nothing_is_lost_or_doubled_wherever_a_client_comes_back(engine: Player, url: str) -> None:
    engine.start("r", requested_by="ada")
    engine.finish("r")
    with following(f"{url}/runs/r/events", VERA) as stream:
        [snapshot, _] = stream
    name, _, _ = str(snapshot.id).partition(":")
    journal = engine.store.journal("r")
    for revision in range(1, len(journal)):
        with following(f"{url}/runs/r/events", VERA, after=f"{name}:{revision}") as stream:
            told = list(stream)
        assert [one.data["revision"] for one in told[:-1]] == [entry.revision for entry in journal[revision:]]
        assert told[-1].kind == "bye"


@pytest.mark.parametrize("after", ["nonsense", "other:1", "{name}:999", "{name}:-1", "{name}:"])
def test_who_comes_back_with_an_id_of_something_else_begins_again(engine: Player, url: str, after: str) -> None:
    engine.start("r", requested_by="ada")
    after = after.format(name=engine.store.incarnation)
    with following(f"{url}/runs/r/events", VERA, after=after) as stream:
        assert [one.kind for one in stream.take(2)] == ["reset", "snapshot"]
    with following(f"{url}/events", VERA, after=after) as stream:
        if after.endswith(":"):  # the beginning of the feed is a position as well
            assert types(stream.take(2)) == ["WorkflowSaved", "RunCreated"]
        else:
            assert stream.take(1)[0].kind == "reset"
            engine.do(RunCancelled(), "r", by="ann")
            assert types(stream.take(1)) == ["RunCancelled"]


def test_all_runs_are_followed_and_resumed_at_every_position(engine: Player, url: str) -> None:
    with following(f"{url}/events", VERA) as stream:
        for number in range(3):
            engine.start(f"r-{number}", requested_by="ada")
            engine.finish(f"r-{number}")
        told = stream.take(3 * len(engine.store.journal("r-0")))
    expected = [(one.data["run"], one.data["revision"]) for one in told]
    assert expected == [(f"r-{number}", entry.revision) for number in range(3) for entry in engine.store.journal("r-0")]
    for index, one in enumerate(told):
        with following(f"{url}/events", VERA, after=one.id) as stream:
            engine.start(f"more-{index}")
            rest = stream.take(len(told) - index)
        assert [(each.data["run"], each.data["revision"]) for each in rest[:-1]] == expected[index + 1 :]
        told.append(rest[-1])
        expected.append((f"more-{index}", 1))
        if index == len(engine.store.journal("r-0")):
            break
