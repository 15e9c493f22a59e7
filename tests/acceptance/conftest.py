"""The scene on which each acceptance test plays: a store, and where engines hear of its changes.

A test marked `everywhere` plays on each store with each source of events; the others on the embedded store alone.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.scene import Scene
from tests.acceptance.surroundings import Surroundings, kafka_beside

PLACES = [
    pytest.param("sqlite", "store", id="sqlite"),
    pytest.param("mongo", "store", id="mongo"),
    pytest.param("sqlite", "kafka", id="sqlite+kafka", marks=pytest.mark.kafka),
    pytest.param("mongo", "kafka", id="mongo+kafka", marks=pytest.mark.kafka),
]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Let a test that is marked `everywhere` play in every place."""
    if metafunc.definition.get_closest_marker("everywhere") is not None:
        metafunc.parametrize(("store_kind", "events_kind"), PLACES, indirect=True)


@pytest.fixture
def store_kind(request: pytest.FixtureRequest) -> str:
    return getattr(request, "param", "sqlite")


@pytest.fixture
def events_kind(request: pytest.FixtureRequest) -> str:
    return getattr(request, "param", "store")


@pytest.fixture
def surroundings(
    request: pytest.FixtureRequest, tmp_path: Path, store_kind: str, events_kind: str
) -> Iterator[Surroundings]:
    """The store's URL, where events come from, and what has to run beside the engines for that."""
    store = request.getfixturevalue("mongo_uri") if store_kind == "mongo" else f"sqlite:///{tmp_path}/icefloe.db"
    if events_kind == "store":
        yield Surroundings(store, "store", {})
        return
    address, prefix = request.getfixturevalue("watchful_kafka_address"), request.getfixturevalue("topic_prefix")
    with kafka_beside(tmp_path, store, address, prefix) as surroundings:
        yield surroundings


@pytest.fixture
def scene(tmp_path: Path, surroundings: Surroundings) -> Iterator[Scene]:
    scene = Scene(tmp_path, surroundings)
    yield scene
    scene.store.close()
