"""Streams that can't fail: what is said aside, in logs and remarks, must never end what it is said about."""

from contextlib import suppress
from typing import Any, TextIO, cast


class _Unfailing:
    """Another stream; what can't be written to it is lost."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        with suppress(OSError, ValueError):  # the disk is full, nobody reads any more, the stream is closed
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError, ValueError):
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def unfailing(stream: TextIO) -> TextIO:
    """The stream, but that to write to it never fails."""
    return cast("TextIO", _Unfailing(stream))
