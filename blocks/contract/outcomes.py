"""Outcomes: whatever a block's function returned or raised, as one of five frozen values that hold only JSON.

A block is somebody else's code. It may return nonsense, an endless list or an object that is still being changed, so
its result is copied into plain JSON here, within the limits.
"""

import inspect
from collections.abc import Mapping
from dataclasses import asdict, dataclass, is_dataclass
from datetime import date, time, timedelta
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from math import isfinite
from pathlib import Path
from typing import Any, TypeAlias
from uuid import UUID

from pydantic import BaseModel
from pydantic_core import to_jsonable_python

from blocks.contract.results import BlockError, Skip, TimedOut, Wait
from engine.limits import INTEGERS, JSON_DEPTH, PAYLOAD_BYTES, LimitError, json_size

MESSAGE_CHARS = 2_000
_SHOWN = 60  # characters of a key in a path
_WORST_ESCAPE = 6  # bytes of JSON that one character can become: \u0000
_CONVERTIBLE = (str, int, float, Enum, date, time, timedelta, UUID, Decimal, Path, set, frozenset)


@dataclass(frozen=True, slots=True)
class Succeeded:
    """The task is done."""

    outputs: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Failed:
    """The attempt failed; `retryable` says whether another may help."""

    code: str
    message: str
    retryable: bool = False
    outputs: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Skipped:
    """The task was asked and said no."""

    reason: str


@dataclass(frozen=True, slots=True)
class Expired:
    """The task's own time is up."""

    reason: str
    outputs: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Waiting:
    """The task waits, as `Wait` says. `until` is Unix time, `after` seconds, `schema` that of a signal's data."""

    until: float | None = None
    after: float | None = None
    schema: Mapping[str, Any] | None = None
    senders: tuple[str, ...] | None = None
    closes: Mapping[str, int] | None = None
    outputs: dict[str, Any] | None = None
    groups: tuple[str, ...] | None = None
    barred: tuple[str, ...] = ()


Outcome: TypeAlias = Succeeded | Failed | Skipped | Expired | Waiting


class _Refused(Exception):  # noqa: N818 - it is a verdict that becomes an outcome, no error of the program
    """Outputs that can't be recorded; `path` grows while the walk unwinds."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason
        self.path = ""

    def below(self, step: str) -> "_Refused":
        self.path = step + self.path
        return self

    def __str__(self) -> str:
        return f"outputs{self.path} {self.reason}"


def outcome(result: object) -> Outcome:  # noqa: PLR0911 - one return a kind of result
    """What became of a call, from what it returned or the exception it raised. Never raises.

    An exception that is no BlockError, SystemExit and the like included, is `BLOCK_CRASHED`, and may be retried.
    Outputs that aren't JSON are `BAD_OUTPUTS`, those over the limit `OUTPUT_TOO_LARGE`; neither is worth a retry.
    """
    try:
        if result is None or isinstance(result, (dict, BaseModel)):
            return Succeeded(_payload(result))
        if isinstance(result, BlockError):
            return _failed(result)
        if isinstance(result, BaseException):
            return Failed("BLOCK_CRASHED", _said(result), retryable=True)
        if isinstance(result, Skip):
            return Skipped(_sentence(result.reason))
        if isinstance(result, TimedOut):
            return Expired(_sentence(result.reason), _optional(result.outputs))
        if isinstance(result, Wait):
            return _waiting(result)
        if inspect.iscoroutine(result):
            result.close()  # nobody will await it, and Python would complain
        return Failed(
            "BAD_OUTPUTS",
            f"the block returned {_kind(result)}; return a model or an object, nothing, Skip, TimedOut or Wait",
        )
    except _Refused as refused:
        return Failed(refused.code, str(refused))
    except BaseException as error:  # noqa: BLE001 - the block's own objects run here: properties, serialisers, __str__
        return Failed("BAD_OUTPUTS", f"the result can't be turned into JSON: {_said(error)}")


def _failed(error: BlockError) -> Failed:
    message, outputs = _sentence(error.message), None
    try:
        outputs = _optional(error.outputs)
    except _Refused as refused:
        message = f"{message} (its outputs were left out: {refused})"  # why it failed matters more than they do
    return Failed(_sentence(error.code), message, bool(error.retryable), outputs)


def _waiting(wait: Wait) -> Waiting:
    schema = wait.for_signal
    return Waiting(
        until=None if wait.until is None else wait.until.timestamp(),
        after=None if wait.after is None else wait.after.total_seconds(),
        schema=schema if schema is None or isinstance(schema, Mapping) else _schema(schema),
        senders=None if wait.senders is None else tuple(wait.senders),
        closes=None if wait.closes is None else dict(wait.closes),
        outputs=_optional(wait.outputs),
        groups=None if wait.groups is None else tuple(wait.groups),
        barred=tuple(wait.barred),
    )


@lru_cache(maxsize=1024)
def _schema(model: type[BaseModel]) -> dict[str, Any]:
    return model.model_json_schema()


def _sentence(text: object) -> str:
    return str(text)[:MESSAGE_CHARS].encode(errors="replace").decode()


def _said(error: BaseException) -> str:
    try:
        return _sentence(f"{type(error).__name__}: {error}")
    except BaseException:  # noqa: BLE001 - an exception whose __str__ raises, be it SystemExit
        return type(error).__name__


def _kind(value: object) -> str:
    name = type(value).__qualname__
    return f"{'an' if name[0] in 'aeiouAEIOU' else 'a'} {name}"


def _optional(outputs: object) -> dict[str, Any] | None:
    return None if outputs is None else _payload(outputs)


def _payload(outputs: object) -> dict[str, Any]:
    """A JSON copy of `outputs`, within the limits."""
    if outputs is None:
        return {}
    if isinstance(outputs, BaseModel):
        outputs = _dumped(outputs)
    if not isinstance(outputs, dict):
        raise _Refused("BAD_OUTPUTS", f"should be an object, not {_kind(outputs)}")
    copier = _Copier()
    copy: dict[str, Any] = copier.copy(outputs, JSON_DEPTH)
    if (PAYLOAD_BYTES - copier.left) * _WORST_ESCAPE > PAYLOAD_BYTES:
        try:
            json_size(copy)
        except LimitError as error:
            raise _Refused("OUTPUT_TOO_LARGE", str(error)) from None
    return copy


def _dumped(model: BaseModel) -> Any:
    _finite(model.model_dump(by_alias=True, warnings=False))  # as JSON, pydantic makes some NaN a null without a word
    return model.model_dump(mode="json", by_alias=True, warnings=False)


def _finite(value: object, path: str = "") -> None:
    if isinstance(value, float) and not isfinite(value):
        raise _Refused("BAD_OUTPUTS", f"is {value}, which JSON has no word for").below(path)
    if isinstance(value, dict):
        for key, inner in value.items():
            _finite(inner, f"{path}.{key}")
    elif isinstance(value, (list, tuple)):
        for index, inner in enumerate(value):
            _finite(inner, f"{path}[{index}]")


class _Copier:
    """Copies a value into plain JSON.

    `left` falls by no more than what each part adds to the text; an endless or ever doubling value is given up early.
    """

    __slots__ = ("left",)

    def __init__(self) -> None:
        self.left = PAYLOAD_BYTES

    def check(self) -> None:
        if self.left < 0:
            raise _Refused("OUTPUT_TOO_LARGE", f"is larger than {PAYLOAD_BYTES:,} bytes as JSON")

    def copy(self, value: Any, depth: int) -> Any:  # noqa: C901, PLR0911 - one branch a kind of JSON, inlined: the hot path
        kind = type(value)
        if kind is str:
            self.left -= len(value) + 2
            self.check()
            if not value.isascii():
                _encodable(value)
            return value
        self.left -= 1
        self.check()
        if value is None or kind is bool:
            return value
        if kind is int:
            if value not in INTEGERS:
                raise _Refused("BAD_OUTPUTS", "is an integer that needs more than 64 bits")
            return value
        if kind is float:
            if not isfinite(value):
                raise _Refused("BAD_OUTPUTS", f"is {value}, which JSON has no word for")
            return value
        if depth == 0:
            raise _Refused("BAD_OUTPUTS", f"is nested deeper than {JSON_DEPTH}, or holds itself")
        if kind is dict:
            return self._object(value, depth - 1)
        if kind is list or kind is tuple:
            return self._array(value, depth - 1)
        return self.copy(_converted(value), depth - 1)

    def _object(self, value: dict[Any, Any], depth: int) -> dict[str, Any]:
        copied = {}
        for key, inner in value.items():
            if type(key) is not str:
                raise _Refused("BAD_OUTPUTS", f"has the key {repr(key)[:_SHOWN]}: keys must be text")
            self.left -= len(key) + 3
            if not key.isascii():
                _encodable(key)
            try:
                copied[key] = self.copy(inner, depth)
            except _Refused as refused:
                raise refused.below(f".{key[:_SHOWN]}") from None
        return copied

    def _array(self, value: list[Any] | tuple[Any, ...], depth: int) -> list[Any]:
        copied: list[Any] = []
        for inner in value:
            try:
                copied.append(self.copy(inner, depth))
            except _Refused as refused:
                raise refused.below(f"[{len(copied)}]") from None
            self.left -= 1
        return copied


def _encodable(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise _Refused("BAD_OUTPUTS", "has half of a surrogate pair, which is no character") from None


def _converted(value: object) -> object:
    """The JSON form of what has an obvious one: moments, identifiers, enums, models, sets, mappings."""
    if isinstance(value, BaseModel):
        return _dumped(value)
    if isinstance(value, _CONVERTIBLE):
        return to_jsonable_python(value, by_alias=True)
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, list):
        return list(value)
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    raise _Refused("BAD_OUTPUTS", f"is {_kind(value)}, which has no JSON form")
