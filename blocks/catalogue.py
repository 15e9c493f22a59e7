"""The catalogue: every block type that is installed, built-in or not, found by its entry point in `icefloe.blocks`."""

from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Self, TypeAlias

from blocks.contract import Block
from engine.faults import Fault, nearest

GROUP = "icefloe.blocks"

AnyBlock: TypeAlias = Block[..., Any]


class CatalogueError(Exception):
    """Some installed blocks can't be used; `faults` has a sentence for each, naming its package."""

    def __init__(self, faults: Iterable[str]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(self.faults))


class Catalogue(Mapping[str, AnyBlock]):
    """The block types by name, in alphabetical order. It doesn't change once it is made."""

    def __init__(self, blocks: Mapping[str, AnyBlock]) -> None:
        self._blocks = dict(sorted(blocks.items()))

    @classmethod
    def of(cls, *blocks: AnyBlock) -> Self:
        """A catalogue of just these.

        Raises:
            CatalogueError: two are of one type.
        """
        return cls._collected((block, f"{block.function.__module__}") for block in blocks)

    @classmethod
    def load(cls, points: Iterable[EntryPoint] | None = None) -> Self:
        """The catalogue of all installed packages (or of the entry points given).

        Raises:
            CatalogueError: entry points that can't be imported or aren't blocks, and types that are defined twice.
        """
        faults: list[str] = []
        found: list[tuple[AnyBlock, str]] = []
        for point in entry_points(group=GROUP) if points is None else points:
            origin = _origin(point)
            try:
                block = point.load()
            except (Exception, SystemExit) as error:  # noqa: BLE001 - a package's import can raise anything
                faults.append(f"{origin} can't be imported: {type(error).__name__}: {error}")
                continue
            if isinstance(block, Block):
                found.append((block, origin))
            else:
                faults.append(f"{origin} is no block but a {type(block).__name__}: decorate the function with @block")
        return cls._collected(found, faults)

    @classmethod
    def _collected(cls, found: Iterable[tuple[AnyBlock, str]], faults: Iterable[str] = ()) -> Self:
        faults = list(faults)
        origins: dict[str, str] = {}
        blocks: dict[str, AnyBlock] = {}
        for block, origin in found:
            if block.type in blocks:
                faults.append(
                    f"{block.type} is defined twice, by {origins[block.type]} and by {origin}: remove one of them"
                )
            else:
                blocks[block.type], origins[block.type] = block, origin
        if faults:
            raise CatalogueError(faults)
        return cls(blocks)

    def __getitem__(self, block_type: str) -> AnyBlock:
        return self._blocks[block_type]

    def __iter__(self) -> Iterator[str]:
        return iter(self._blocks)

    def __len__(self) -> int:
        return len(self._blocks)

    def nearest(self, block_type: str) -> str:
        """` (did you mean 'NOOP'?)`, or nothing."""
        return nearest(block_type, self)

    def check_arguments(self, block_type: str, arguments: Mapping[str, Any]) -> list[Fault]:
        """What is wrong with a task's arguments, whatever its references turn out to be; paths are below `arguments`.

        Raises:
            KeyError: no such block type.
        """
        return self[block_type].check(arguments)

    def describe(self) -> list[dict[str, Any]]:
        """Every block type with its texts and JSON Schemas, as a front end or `icefloe blocks --json` shows it."""
        return [block.schema() for block in self.values()]


def _origin(point: EntryPoint) -> str:
    package = f"{point.dist.name} {point.dist.version}" if point.dist is not None else "a package"
    return f"{point.value!r} of {package}"
