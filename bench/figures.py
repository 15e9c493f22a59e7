"""What a measurement gives: figures by name."""

from collections.abc import Iterable
from math import ceil
from typing import TypeAlias

Figures: TypeAlias = dict[str, float | int | str]


def percentiles(name: str, seconds: Iterable[float]) -> Figures:
    """The nearest ranks, in milliseconds: the smallest value that 50 % (99 %) of them don't exceed."""
    ranked = sorted(seconds)
    return {f"{name}p{share}_ms": 1000 * ranked[ceil(share / 100 * len(ranked)) - 1] for share in (50, 99)}
