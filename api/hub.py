"""The hub: reads the store's change feed once for all who follow it live."""

from store.protocol import Store


class Hub:
    """The feed of one store, for as many followers as there are. To be used on one event loop."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def start(self) -> None:
        """Begin to read."""

    async def close(self) -> None:
        """Stop reading, and let go of all followers."""
