"""A store whose feed fails when a test wants it to."""

from typing import Any

from store.protocol import Changes, Position, Store


class Fallible:
    """A store object whose reading of the feed is counted, and fails as long as a test wants it to."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.reads = 0
        self.trouble: Exception | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def changes(self, after: Position, *, limit: int = 1000, excluding: str | None = None) -> Changes:
        self.reads += 1
        if self.trouble is not None:
            raise self.trouble
        return self._store.changes(after, limit=limit, excluding=excluding)

    def position(self) -> Position:
        self.reads += 1
        return self._store.position()
