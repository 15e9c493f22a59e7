"""What is wrong with something that a person wrote: where, what, and which name was probably meant."""

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches

from engine.limits import NAME_CHARS

_SHOWN = 60
_BEGINNING = 3  # characters at least by which a word is recognised


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong: the `path` to it (`dag.tasks[2].depends`; empty: the whole), and what it is."""

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message


class Invalid(ValueError):  # noqa: N818 - a verdict: `raise Invalid(…)` says all
    """Something is refused, for all the faults it has; the text has one of them per line."""

    def __init__(self, *faults: Fault) -> None:
        self.faults = faults
        super().__init__("\n".join(map(str, faults)))

    def __reduce__(self) -> tuple[type["Invalid"], tuple[Fault, ...]]:
        return (Invalid, self.faults)


def nearest(name: str, names: Iterable[str]) -> str:
    """` (did you mean 'x'?)` for the one of `names` that looks most like `name`, whatever its case; else nothing.

    If none does, that is the shortest one a word of which begins much as it does: HTTP_REQUEST for `http`.
    """
    if len(name) > 2 * NAME_CHARS:
        return ""
    folded, by_folded = name.casefold(), {other.casefold(): other for other in names}
    match = get_close_matches(folded, by_folded, n=1)
    if not match and len(folded) >= _BEGINNING:
        beginning = folded[: max(_BEGINNING, len(folded) * 2 // 3)]
        begun = (other for other in by_folded if f"_{beginning}" in f"_{other}".replace("-", "_"))
        match = sorted(begun, key=lambda other: (len(other), other))[:1]
    return f" (did you mean '{by_folded[match[0]]}'?)" if match else ""


def shown(text: str) -> str:
    """`text` in quotes, escaped and cut to a length that fits in a sentence."""
    return repr(text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…")
