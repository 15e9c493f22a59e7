"""How the command line words what it shows: text that can't do anything to a terminal, times, and lengths of time."""

from datetime import datetime
from itertools import pairwise

_UNITS = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))
_MOST_CHARS = 2000


def printable(text: object) -> str:
    """Text in which control characters, which could command a terminal, are written as escapes."""
    return "".join(one if one.isprintable() else _escaped(one) for one in str(text))


def _escaped(character: str) -> str:
    return repr(character)[1:-1]


def span(seconds: float) -> str:
    """A length of time in two units at most: `850 ms`, `3.2 s`, `5 min 3 s`, `2 d 4 h`."""
    milliseconds = round(max(seconds, 0) * 1000)
    if milliseconds < 1000:  # noqa: PLR2004
        return f"{milliseconds} ms"
    if milliseconds < 9950:  # noqa: PLR2004 - from 10 s on a tenth of a second no longer matters
        return f"{seconds:.1f} s"
    whole = max(int(seconds), 10)
    for (unit, length), (smaller, step) in pairwise(_UNITS):
        if whole >= length:
            rest = whole % length // step
            return f"{whole // length} {unit}" + f" {rest} {smaller}" * (rest > 0)
    return f"{whole} s"


def moment(at: float, now: float | None = None) -> str:
    """A moment by the clock of the one who reads it: `2026-11-22 16:40:11`, or `16:40:11` on the day of `now`."""
    try:
        local = datetime.fromtimestamp(at).astimezone()
        today = now is not None and datetime.fromtimestamp(now).astimezone().date() == local.date()
    except (OverflowError, OSError, ValueError):
        return f"{at:g}"
    return f"{local:%H:%M:%S}" if today else f"{local:%Y-%m-%d %H:%M:%S}"


def ago(at: float, now: float) -> str:
    """How long ago a moment was, or in what time it will be: `3 min ago`, `in 2 d`."""
    return f"{span(now - at)} ago" if at <= now else f"in {span(at - now)}"


def shortened(text: str, most: int = _MOST_CHARS) -> str:
    """Text cut to a length."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def age(at: float, now: float) -> str:
    """How old something is, roughly: `3 min`, `2 d`."""
    return " ".join(span(now - at).split()[:2])


def count(number: int, noun: str) -> str:
    """`1 task`, `2 tasks`."""
    return f"{number:,} {noun}{'s' * (number != 1)}"
