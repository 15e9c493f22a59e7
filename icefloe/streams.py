"""Streams for words: those that can't fail, and those to terminals that know fewer characters than we use.

What is said aside, in logs and remarks, must never end what it is said about.
"""

import codecs
from contextlib import suppress
from typing import Any, Final, TextIO, cast

PLAINLY: Final = "icefloe.plainly"
"""How to write characters that an encoding hasn't: our own marks as others of one column, the rest as escapes."""

_PLAIN: Final = {
    "✓": "+", "✗": "x", "○": "o", "●": "*", "◐": "=", "↷": ">", "·": "-", "…": "~",
}  # fmt: skip


def _plainly(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeEncodeError)  # noqa: S101 - it is for streams that are written to
    lacking = error.object[error.start : error.end]
    plain = (_PLAIN.get(one) or one.encode("ascii", "backslashreplace").decode() for one in lacking)
    return "".join(plain), error.end


codecs.register_error(PLAINLY, _plainly)


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
