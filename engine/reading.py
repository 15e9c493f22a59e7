"""Reading JSON that others wrote: strictly, within limits, and saying in which line and column it is wrong.

What JSON leaves open is closed here: a key may be given once, numbers are those that every store keeps (integers of 64
bits, finite floats), text is whole characters in UTF-8 other than NUL, and nothing is nested deeper than `JSON_DEPTH`.
"""

import json
import re
from math import isfinite
from typing import Any, Final, NoReturn

from engine.faults import Fault, Invalid, shown
from engine.limits import INTEGERS, JSON_DEPTH, PAYLOAD_BYTES

_TOKEN: Final = re.compile(
    r'(?P<string>"(?:[^"\\]|\\.)*")(?P<key>[ \t\r\n]*:)?|[\[\]{}]|-?[0-9][0-9.eE+-]*|-?[A-Za-z]+'
)
_DOUBTFUL_ESCAPE: Final = re.compile(r"\\u(?:[dD][89a-fA-F]|0000)")
_MOST_DIGITS: Final = 20  # of an integer of 64 bits, its sign included


class _RefusedError(ValueError):
    """JSON, but not of the kind that is accepted; `_fault_in` finds out where."""


def read_json(data: bytes | str, *, limit: int, what: str) -> Any:
    """The value that `data` holds, which is at most `limit` bytes. `what` is the path of the faults: a file, a field.

    Raises:
        Invalid: it is no such JSON, with the line and the column (both from 1) of the first fault.
    """
    text = _decoded(data, limit, what)
    try:
        value = json.loads(
            text, object_pairs_hook=_object, parse_int=_integer, parse_float=_float, parse_constant=_refuse
        )
    except json.JSONDecodeError as error:
        raise _invalid(what, text, error.pos, f"not JSON: {error.msg}") from None
    except (_RefusedError, RecursionError):
        raise _invalid(what, text, *(_fault_in(text) or (0, "nested too deep"))) from None
    if (_is_too_deep(value) or _DOUBTFUL_ESCAPE.search(text)) and (fault := _fault_in(text)):
        raise _invalid(what, text, *fault)
    return value


def meanings(text: str) -> tuple[Any, ...]:
    """What a text may mean: itself, or a JSON value. `90` is a number or a text, `"90"` and `high` only a text."""
    try:
        value = read_json(text, limit=PAYLOAD_BYTES, what="")
    except Invalid:
        return (text,)
    return (value,) if isinstance(value, str) else (value, text)


def _decoded(data: bytes | str, limit: int, what: str) -> str:
    try:
        raw = data.encode() if isinstance(data, str) else data
    except UnicodeEncodeError as error:
        raise _invalid(what, str(data), error.start, "half of a surrogate pair is no character") from None
    if len(raw) > limit:
        raise Invalid(Fault(what, f"is {len(raw):,} bytes, at most {limit:,} are allowed"))
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        readable = raw[: error.start].decode()
        raise _invalid(what, readable, len(readable), f"byte 0x{raw[error.start]:02x} is not UTF-8") from None
    if text.startswith("\ufeff"):
        raise _invalid(what, text, 0, "begins with a byte order mark; save it as UTF-8 without one")
    return text


def _invalid(what: str, text: str, position: int, message: str) -> Invalid:
    line = text.count("\n", 0, position) + 1
    column = position - text.rfind("\n", 0, position)
    return Invalid(Fault(what, f"line {line}, column {column}: {message}"))


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise _RefusedError
    return value


def _integer(digits: str) -> int:
    if len(digits) > _MOST_DIGITS or (value := int(digits)) not in INTEGERS:
        raise _RefusedError
    return value


def _float(digits: str) -> float:
    value = float(digits)
    if not isfinite(value):
        raise _RefusedError
    return value


def _refuse(_constant: str) -> NoReturn:
    raise _RefusedError


def _is_too_deep(value: object) -> bool:
    level: list[Any] = [value]
    for _ in range(JSON_DEPTH):
        level = [
            inner
            for item in level
            if isinstance(item, dict | list)
            for inner in (item.values() if isinstance(item, dict) else item)
        ]
        if not level:
            return False
    return any(isinstance(item, dict | list) for item in level)


def _fault_in(text: str) -> tuple[int, str] | None:
    """Where the first thing stands that we refuse though JSON has it, and what it is. Slow: only called to refuse."""
    open_keys: list[set[str]] = []
    for token in _TOKEN.finditer(text):
        found = token[0]
        message = None
        if found in {"[", "{"}:
            open_keys.append(set())
            if len(open_keys) > JSON_DEPTH:
                message = f"nested deeper than {JSON_DEPTH}"
        elif found in {"]", "}"}:
            del open_keys[-1:]
        elif token["string"]:
            message = _string_fault(token["string"], open_keys[-1] if token["key"] and open_keys else None)
        elif found not in {"true", "false", "null"}:
            message = _number_fault(found)
        if message:
            return token.start(), message
    return None


def _string_fault(token: str, keys: set[str] | None) -> str | None:
    try:
        string = json.loads(token)
        string.encode()
    except UnicodeEncodeError:
        return "half of a surrogate pair is no character"
    except ValueError:
        return None  # no JSON at all, as the parser will have said
    if "\0" in string:
        return "the character NUL (\\u0000) is refused: much that handles text takes it for its end"
    if keys is None:
        return None
    if string in keys:
        return f"the key {shown(string)} is given twice"
    keys.add(string)
    return None


def _number_fault(token: str) -> str | None:
    try:
        json.loads(token, parse_int=_integer, parse_float=_float, parse_constant=_refuse)
    except json.JSONDecodeError:
        return None
    except _RefusedError:
        kind = "an integer beyond 64 bits" if token.lstrip("-").isdigit() else "a number without end"
        return f"{shown(token)} is {kind if token[-1:].isdigit() else 'no JSON number'}"
    return None
