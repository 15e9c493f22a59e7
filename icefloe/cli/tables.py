"""Tables for terminals: each row one line, whatever it holds; the columns that may be cut are, so that it fits."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from icefloe.cli.wording import printable

_GAP: Final = "  "
_NARROWEST: Final = 6
_WIDEST: Final = 300


class Column(NamedTuple):
    """A column; an `elastic` one is cut where it is too narrow, one to the `right` holds numbers."""

    heading: str
    elastic: bool = False
    right: bool = False


def lines_of(columns: Sequence[Column], rows: Iterable[Sequence[Text | str]], room: int) -> Iterator[Text]:
    """The lines of a table that is at most `room` wide if its elastic columns allow that; empty ones are left out."""
    cells = [[Text(printable(one)) if isinstance(one, str) else one for one in row] for row in rows]
    kept = [index for index in range(len(columns)) if any(row[index].plain for row in cells)]
    widths = {index: max(len(columns[index].heading), *(row[index].cell_len for row in cells)) for index in kept}
    widths |= {index: min(width, _WIDEST) for index, width in widths.items() if columns[index].elastic}
    surplus = sum(widths.values()) + len(_GAP) * (len(kept) - 1) - room
    while surplus > 0:
        widest = max((index for index in kept if columns[index].elastic), key=widths.__getitem__, default=None)
        if widest is None or widths[widest] <= _NARROWEST:
            break
        widths[widest] -= 1
        surplus -= 1
    for row in [[Text(column.heading, style="bold") for column in columns], *cells]:
        line = Text(_GAP).join(_fitted(row[index], widths[index], right=columns[index].right) for index in kept)
        line.rstrip()
        yield line


def _fitted(text: Text, width: int, *, right: bool) -> Text:
    text.truncate(width, overflow="ellipsis")
    text.align("right" if right else "left", width)
    return text


def cell(text: str, width: int) -> str:
    """Text of exactly that width on a terminal, cut or filled up."""
    return set_cell_size(text, width) if cell_len(text) <= width else set_cell_size(text, width - 1) + "…"
