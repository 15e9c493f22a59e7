"""What the engine asks of block types: it knows none itself, `blocks.catalogue` has those that are installed."""

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from engine.documents import Retry
from engine.faults import Fault


class BlockType(Protocol):
    """One block type: the `retry` and the `timeout` of tasks that have none of their own."""

    @property
    def retry(self) -> Retry:
        """When a failed attempt is made again."""
        ...

    @property
    def timeout(self) -> str | None:
        """The duration of one attempt at most."""
        ...


class BlockTypes(Protocol):
    """The block types that there are, by name."""

    def __iter__(self) -> Iterator[str]: ...

    def __contains__(self, block_type: object, /) -> bool: ...

    def __getitem__(self, block_type: str, /) -> BlockType: ...

    def check_arguments(self, block_type: str, arguments: Mapping[str, Any], /) -> list[Fault]:
        """What is wrong with a task's arguments whatever its references turn out to be; paths are below `arguments`."""
        ...
