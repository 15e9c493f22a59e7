"""Durations and moments in writing: `30s`, `1h30m`, `P7D`, `PT5M`, and `2026-11-22T16:00:00+01:00`.

A duration is a number of seconds, so months and years, which are not, are refused; a day is 24 hours.
"""

import re
from datetime import datetime
from functools import lru_cache
from typing import Annotated, Final

from pydantic import AfterValidator, Field

from engine.faults import shown

LONGEST: Final = 100 * 365 * 86400.0
"""Seconds of the longest duration, a hundred years: what is longer is a slip of the pen."""

_NUMBER: Final = r"(?:[0-9]+(?:\.[0-9]+)?)"
_SHORT: Final = re.compile(
    r"(?:(?P<w>N)w)?(?:(?P<d>N)d)?(?:(?P<h>N)h)?(?:(?P<m>N)m)?(?:(?P<s>N)s)?(?:(?P<ms>N)ms)?".replace("N", _NUMBER)
)
_ISO: Final = re.compile(
    r"P(?:(?P<w>N)W)?(?:(?P<d>N)D)?(?:T(?=N)(?:(?P<h>N)H)?(?:(?P<m>N)M)?(?:(?P<s>N)S)?)?".replace("N", _NUMBER)
)
_ISO_CALENDAR: Final = re.compile(r"P[^T]*[0-9][YM]")
_SECONDS: Final = {"w": 604800.0, "d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_MOST_CHARS: Final = 64
_MOMENT: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?(?P<offset>[Zz]|[+-][0-9]{2}:[0-9]{2})?"
)


@lru_cache(maxsize=1024)
def parse_duration(text: str) -> float:
    """Seconds of a duration: `500ms`, `30s`, `1h30m`, `7d`, `2w`, or ISO 8601 (`PT5M`, `P1DT12H`, `P1W`).

    Raises:
        ValueError: it is none, counts months or years, or is longer than a hundred years.
    """
    if _ISO_CALENDAR.match(text):
        raise ValueError(f"{shown(text)} has months or years, which differ in length: write days, such as 'P30D'")
    match = (_SHORT.fullmatch(text) or _ISO.fullmatch(text)) if len(text) <= _MOST_CHARS else None
    parts = {unit: float(count) for unit, count in match.groupdict().items() if count} if match else {}
    if not parts:
        raise ValueError(f"{shown(text)} is not a duration: write one as '30s', '1h30m', '7d', 'PT5M' or 'P7D'")
    seconds = sum(count * _SECONDS[unit] for unit, count in parts.items())
    if seconds > LONGEST:
        raise ValueError(f"{shown(text)} is longer than a hundred years")
    return seconds


def _duration(text: str) -> str:
    parse_duration(text)
    return text


Duration = Annotated[
    str,
    AfterValidator(_duration),
    Field(description="A duration: `30s`, `1h30m`, `7d`, or ISO 8601 (`PT5M`, `P7D`)", examples=["30s", "PT5M", "P7D"]),
]
"""The text of a duration, kept as it was given: `parse_duration` has its seconds."""


def parse_moment(text: str) -> float:
    """Unix time of a moment in RFC 3339, which has an offset from UTC.

    Raises:
        ValueError: it is none, or leaves the offset open.
    """
    match = _MOMENT.fullmatch(text)
    if match is None:
        raise ValueError(f"{shown(text)} is not a moment: write one as '2026-11-22T16:00:00+01:00'")
    if match["offset"] is None:
        raise ValueError(f"{shown(text)} has no offset from UTC: end it with 'Z' or one such as '+01:00'")
    try:
        return datetime.fromisoformat(text.upper()).timestamp()
    except ValueError as error:
        raise ValueError(f"{shown(text)} is no moment of the calendar: {error}") from None
