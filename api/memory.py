"""A memory that forgets what was not used for the longest time, so that nobody can make it grow."""

from collections import OrderedDict
from typing import Generic, TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")


class Recent(Generic[Key, Value]):
    """At most `most` values by key. To be used on one event loop."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._values: OrderedDict[Key, Value] = OrderedDict()

    def __contains__(self, key: Key) -> bool:
        return key in self._values

    def __len__(self) -> int:
        return len(self._values)

    def __setitem__(self, key: Key, value: Value) -> None:
        self._values[key] = value
        self._values.move_to_end(key)
        if len(self._values) > self._most:
            self._values.popitem(last=False)

    def get(self, key: Key) -> Value | None:
        """The value of a key, which counts as used by this."""
        value = self._values.get(key)
        if value is not None:
            self._values.move_to_end(key)
        return value

    def forget(self, key: Key) -> None:
        """Have no value of this key any more."""
        self._values.pop(key, None)
