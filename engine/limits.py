"""The published limits of workflows and runs, and the one measure that they are given in: bytes of compact JSON.

Every limit has a named error and a test at its edge.
"""

from json.encoder import encode_basestring
from math import isfinite
from typing import Final

WORKFLOW_BYTES: Final = 1024 * 1024
TASKS: Final = 1000
EXPRESSION_BYTES: Final = 4096
EXPRESSION_DEPTH: Final = 64
PAYLOAD_BYTES: Final = 256 * 1024  # the inputs of a run; the arguments or outputs of one task
LABELS_BYTES: Final = 16 * 1024
REASON_CHARS: Final = 2000  # why somebody cancels, pauses, resumes, retries, skips or hands over
DELEGATIONS: Final = 100  # people who stand in for others, of one task
ID_CHARS: Final = 255  # of a signal, and of who sends it
RUN_BYTES: Final = 8 * 1024 * 1024
RUN_RESERVE: Final = 256 * 1024  # the part of RUN_BYTES that is kept for the engine's own transitions
NAME_CHARS: Final = 63
JSON_DEPTH: Final = 64  # arrays and objects inside one another, in documents and in payloads
INTEGERS: Final = range(-(2**63), 2**63)  # what every store keeps exactly


class LimitError(ValueError):
    """A value is too large, too deep, or not JSON; the text is the end of a sentence ("is larger than …")."""


class TooLargeError(LimitError):
    """A value is too large."""


def json_size(value: object, most: int = PAYLOAD_BYTES, depth: int = JSON_DEPTH) -> int:
    """Bytes of `value` as compact JSON in UTF-8.

    A part that is shared counts each time it would be written, but no more than `most` bytes are ever looked at: a
    structure that doubles at each of its levels is refused as quickly as any other.

    Raises:
        TooLargeError: it is larger than `most`.
        LimitError: it is nothing that JSON can say, or nested deeper than `depth`, which is what its place leaves of
            `JSON_DEPTH`.
    """
    if type(value) is str:
        size = _string_size(value)
        level: list[object] = []
    else:
        size = 0
        level = [value]
    while level and size <= most:
        below: list[object] = []
        for item in level:
            if type(item) is str:
                size += _string_size(item)
            elif type(item) is dict:
                size += 2 * len(item) + 1 if item else 2  # braces, colons, commas
                size += sum(map(_key_size, item))
                below += item.values()
            elif type(item) is list:
                size += len(item) + 1 if item else 2  # brackets, commas
                below += item
            else:
                size += _scalar_size(item)
                continue
            if depth == 0 and type(item) is not str:
                raise LimitError(f"is nested deeper than {JSON_DEPTH}")
            if size > most:
                break
        level = below
        depth -= 1
    if size > most:
        raise TooLargeError(f"is larger than {most:,} bytes as JSON")
    return size


def _key_size(key: object) -> int:
    if type(key) is not str:
        raise LimitError(f"holds a key that is a {type(key).__name__}, which is not JSON")
    return _string_size(key)


def _string_size(text: str) -> int:
    written = encode_basestring(text)
    if written.isascii():
        return len(written)
    try:
        return len(written.encode())
    except UnicodeEncodeError:
        raise LimitError("holds half of a surrogate pair, which is no character") from None


def _scalar_size(value: object) -> int:
    if value is None or value is True:
        return 4
    if value is False:
        return 5
    if type(value) is int:
        if value not in INTEGERS:
            raise LimitError("holds an integer that needs more than 64 bits")
        return len(str(value))
    if type(value) is float:
        if not isfinite(value):
            raise LimitError("holds a number that is not finite")
        return len(repr(value))
    raise LimitError(f"holds a {type(value).__name__}, which is not JSON")
