"""The stores that the behavioural suite runs on: one more is one more line in `STORES`.

What a store must do stands in `test_*.py` without a store's name in it, and asks for the fixture `place` or `store`.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, TypeAlias

import pytest

from store.mongo import MongoStore
from store.protocol import BEGINNING, Store
from store.sqlite import SqliteStore
from tests.store.driver import Clock, Player, check, states

Opener: TypeAlias = Callable[[Clock], Store]


def _on_sqlite(request: pytest.FixtureRequest) -> Opener:
    folder: Path = request.getfixturevalue("tmp_path")
    return lambda clock: SqliteStore(folder / "icefloe.db", clock=clock, luck=lambda: 0.5)


def _on_mongo(request: pytest.FixtureRequest) -> Opener:
    uri: str = request.getfixturevalue("mongo_uri")
    return lambda clock: MongoStore(uri, clock=clock, luck=lambda: 0.5)


STORES: Final[dict[str, Callable[[pytest.FixtureRequest], Opener]]] = {"sqlite": _on_sqlite, "mongo": _on_mongo}


class Place:
    """Where one store's data lies: it can be opened several times, as several processes would do."""

    def __init__(self, opener: Opener) -> None:
        self.clock = Clock()
        self._opener = opener
        self._opened: list[Store] = []

    def open(self) -> Store:
        """A store object of its own."""
        store = self._opener(self.clock)
        self._opened.append(store)
        return store

    def end(self, store: Store) -> None:
        """End the process that has this store object."""
        self._opened.remove(store)
        store.close()

    def close(self) -> None:
        """Check what must hold, as a store object that remembers nothing sees it, and close all."""
        try:
            fresh = self.open()
            check(fresh)
            ids = {change.id for change in fresh.changes(BEGINNING, limit=100_000).changes if change.entity == "run"}
            for store in self._opened[:-1]:
                assert states(store, ids) == states(fresh, ids)
        finally:
            for store in self._opened:
                store.close()


@pytest.fixture(params=STORES)
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    place = Place(STORES[request.param](request))
    yield place
    place.close()


@pytest.fixture
def clock(place: Place) -> Clock:
    return place.clock


@pytest.fixture
def store(place: Place) -> Store:
    return place.open()


@pytest.fixture
def engine(store: Store) -> Player:
    """A registered engine."""
    store.register("engine-1", 30.0)
    return Player(store)
