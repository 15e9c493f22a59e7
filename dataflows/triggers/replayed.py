"""Which dead letters of a partition were replayed, as a consumer group remembers it: an offset, and a short text.

120 · "124-130,133"    all before 120, and these
"""

import re
from collections.abc import Iterable
from typing import Final, NamedTuple

RANGES: Final = 150  # so that the text has less than 4,096 bytes, which is what brokers take beside an offset
_RANGE: Final = re.compile(r"(\d+)(?:-(\d+))?(?:,|$)")


class Replayed(NamedTuple):
    """All letters before `until` were replayed, and those `beyond`: ranges in order, first and last."""

    until: int = 0
    beyond: tuple[tuple[int, int], ...] = ()

    @classmethod
    def read(cls, until: int, text: str) -> "Replayed":
        """What a group remembers; a broker that it never told anything gives a negative offset."""
        return cls(max(until, 0), tuple((int(one[1]), int(one[2] or one[1])) for one in _RANGE.finditer(text)))

    def text(self) -> str:
        """What the group is to remember beside the offset."""
        return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in self.beyond)

    def has(self, offset: int) -> bool:
        """Whether this letter was replayed."""
        return offset < self.until or any(first <= offset <= last for first, last in self.beyond)

    def and_also(self, offsets: Iterable[int], earliest: int = 0) -> "Replayed":
        """The same with these letters; those before `earliest` are gone, and count as replayed.

        If there are too many ranges, the oldest letters that weren't replayed count as if they had been.
        """
        until = max(self.until, earliest)
        ranges: list[tuple[int, int]] = []
        for first, last in sorted([*self.beyond, *((offset, offset) for offset in offsets)]):
            if first <= until:
                until = max(until, last + 1)
            elif ranges and first <= ranges[-1][1] + 1:
                ranges[-1] = ranges[-1][0], max(ranges[-1][1], last)
            else:
                ranges.append((first, last))
        if len(ranges) > RANGES:
            until = ranges[-RANGES - 1][1] + 1
        return Replayed(until, tuple(ranges[-RANGES:]))
