"""Identifiers for runs that nobody named: version 7 of UUIDs (RFC 9562), which sort by the time they were made."""

from secrets import randbits
from time import time
from uuid import UUID


def new_id(at: float | None = None) -> str:
    """A new identifier, made at `at` (Unix seconds; now)."""
    milliseconds = int((time() if at is None else at) * 1000)
    number = milliseconds << 80 | 7 << 76 | randbits(12) << 64 | 0b10 << 62 | randbits(62)
    return str(UUID(int=number))
