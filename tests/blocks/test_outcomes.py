"""What becomes of whatever a block returns or raises (G11, as far as it goes without a process of its own)."""

import math
import sys
from collections import OrderedDict, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import Enum, StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Any, NoReturn
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field, HttpUrl

from blocks.contract import (
    BlockError,
    Expired,
    Failed,
    Skip,
    Skipped,
    Succeeded,
    TimedOut,
    Wait,
    Waiting,
    outcome,
)
from blocks.contract.outcomes import MESSAGE_CHARS
from engine.limits import JSON_DEPTH, PAYLOAD_BYTES


class Colour(StrEnum):
    RED = "red"


class Size(Enum):
    BIG = 1


class Issue(BaseModel):
    key: str
    url: HttpUrl
    kind: str = Field(default="bug", alias="type")


@dataclass
class Point:
    x: int
    y: float


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abc", max_size=3), inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(st.text("abc"), JSON_VALUES, max_size=4))
def test_plain_json_comes_through_as_it_is(outputs: dict[str, Any]) -> None:
    assert outcome(outputs) == Succeeded(outputs)


def test_nothing_is_no_outputs() -> None:
    assert outcome(None) == Succeeded({})


def test_a_model_is_its_json_form() -> None:
    issue = Issue.model_validate({"key": "D-1", "url": "https://example.org", "type": "task"})
    assert outcome(issue) == Succeeded({"key": "D-1", "url": "https://example.org/", "type": "task"})


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (datetime(2027, 1, 1, tzinfo=UTC), "2027-01-01T00:00:00Z"),
        (timedelta(minutes=5), "PT5M"),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (Decimal("1.50"), "1.50"),
        (Path("a/b"), "a/b"),
        (Colour.RED, "red"),
        (Size.BIG, 1),
        ((1, 2), [1, 2]),
        ({"only"}, ["only"]),
        (OrderedDict(a=1), {"a": 1}),
        (defaultdict(list, a=[1]), {"a": [1]}),
        (MappingProxyType({"a": 1}), {"a": 1}),
        (Point(1, 2.5), {"x": 1, "y": 2.5}),
        (
            Issue.model_validate({"key": "D-1", "url": "https://a.b"}),
            {"key": "D-1", "url": "https://a.b/", "type": "bug"},
        ),
        (True, True),
    ],
)
def test_what_has_an_obvious_json_form_gets_it(value: object, expected: object) -> None:
    assert outcome({"x": [value]}) == Succeeded({"x": [expected]})


def test_outputs_are_a_copy_that_the_block_cannot_change_any_more() -> None:
    inner: dict[str, list[int]] = {"list": [1]}
    result = outcome({"inner": inner})
    inner["list"].append(2)
    assert result == Succeeded({"inner": {"list": [1]}})


def test_results_that_say_more_become_their_outcomes() -> None:
    moment = datetime(2027, 1, 1, tzinfo=UTC)
    assert outcome(Skip("not today")) == Skipped("not today")
    assert outcome(TimedOut("too late", outputs={"a": 1})) == Expired("too late", {"a": 1})
    assert outcome(Wait(until=moment)) == Waiting(until=moment.timestamp())
    assert outcome(Wait(after=timedelta(hours=1), senders=("ada",), closes={"approve": 1})) == Waiting(
        after=3600.0, senders=("ada",), closes={"approve": 1}
    )
    assert outcome(Wait(for_signal=Issue, outputs={"so": "far"})) == Waiting(
        schema=Issue.model_json_schema(), outputs={"so": "far"}
    )
    assert outcome(BlockError("NO_SUCH_ASSET", "there is no asset x", outputs={"x": 1})) == Failed(
        "NO_SUCH_ASSET", "there is no asset x", outputs={"x": 1}
    )
    assert outcome(BlockError("BUSY", "later", retryable=True)) == Failed("BUSY", "later", retryable=True)


@pytest.mark.parametrize(
    "build",
    [
        lambda: Wait(until=datetime(2027, 1, 1)),  # noqa: DTZ001 - the point
        lambda: Wait(until=datetime(2027, 1, 1, tzinfo=UTC), after=timedelta(1)),
        lambda: Wait(after=timedelta(seconds=-1)),
        lambda: Wait(closes={"approve": 0}),
    ],
)
def test_a_wait_that_makes_no_sense_is_refused_where_it_is_made(build: Callable[[], Wait]) -> None:
    with pytest.raises(ValueError, match="Wait"):
        build()


@pytest.mark.parametrize(
    "error", [ValueError("boom"), SystemExit(3), KeyboardInterrupt(), MemoryError(), RecursionError(), GeneratorExit()]
)
def test_g11_any_exception_is_a_crash_that_may_be_retried(error: BaseException) -> None:
    result = outcome(error)
    assert isinstance(result, Failed)
    assert (result.code, result.retryable) == ("BLOCK_CRASHED", True)
    assert type(error).__name__ in result.message


class Unspeakable(Exception):  # noqa: N818
    def __str__(self) -> NoReturn:
        raise RuntimeError("not even that")


def test_g11_an_exception_that_cannot_be_printed_is_told_by_its_type() -> None:
    assert outcome(Unspeakable()) == Failed("BLOCK_CRASHED", "Unspeakable", retryable=True)


def test_g11_messages_are_bounded_and_can_be_stored() -> None:
    result = outcome(ValueError("x" * 1_000_000))
    assert isinstance(result, Failed)
    assert len(result.message) == MESSAGE_CHARS
    assert outcome(Skip("half \ud83d")) == Skipped("half ?")


async def forgotten() -> None:
    """Never awaited by its block."""


@pytest.mark.parametrize(
    ("nonsense", "named"),
    [
        ([1], "a list"),
        ("text", "a str"),
        (7, "an int"),
        (object(), "an object"),
        (Issue, "a ModelMetaclass"),
        ((n for n in range(3)), "a generator"),
        (lambda: None, "a function"),
    ],
)
def test_g11_nonsense_fails_and_is_named(nonsense: object, named: str) -> None:
    result = outcome(nonsense)
    assert isinstance(result, Failed)
    assert (result.code, result.retryable) == ("BAD_OUTPUTS", False)
    assert f"returned {named};" in result.message


def test_g11_a_coroutine_that_nobody_awaits_fails_without_a_warning() -> None:
    result = outcome(forgotten())
    assert isinstance(result, Failed)
    assert result.code == "BAD_OUTPUTS"


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (math.nan, "outputs.rows[1] is nan, which JSON has no word for"),
        (math.inf, "outputs.rows[1] is inf, which JSON has no word for"),
        (2**63, "outputs.rows[1] is an integer that needs more than 64 bits"),
        (-(10**300), "outputs.rows[1] is an integer that needs more than 64 bits"),
        ("half \udc00", "outputs.rows[1] has half of a surrogate pair, which is no character"),
        (object(), "outputs.rows[1] is an object, which has no JSON form"),
        (b"bytes", "outputs.rows[1] is a bytes, which has no JSON form"),
        (sys, "outputs.rows[1] is a module, which has no JSON form"),
        (1j, "outputs.rows[1] is a complex, which has no JSON form"),
        ({1: 2}, "outputs.rows[1] has the key 1: keys must be text"),
        ({"a": Decimal("NaN")}, None),
    ],
)
def test_g11_what_json_cannot_say_fails_with_its_place(value: object, told: str | None) -> None:
    result = outcome({"rows": [0, value]})
    if told is None:
        assert result == Succeeded({"rows": [0, {"a": "NaN"}]})
    else:
        assert result == Failed("BAD_OUTPUTS", told)


def test_g11_a_model_that_cannot_be_serialised_fails() -> None:
    class Opaque(BaseModel):
        value: Any

    result = outcome(Opaque(value=object()))
    assert isinstance(result, Failed)
    assert result.code == "BAD_OUTPUTS"
    assert outcome(Opaque(value=math.nan)) == Failed("BAD_OUTPUTS", "outputs.value is nan, which JSON has no word for")


@pytest.mark.parametrize(
    "huge",
    [
        lambda: "x" * 100_000_000,
        lambda: ["x" * 1_000] * 100_000,
        lambda: [None] * 10_000_000,
        lambda: {"x" * 100_000_000: 1},
    ],
    ids=["text", "list of texts", "list of nulls", "key"],
)
def test_g11_a_hundred_megabytes_fail_the_task(huge: Callable[[], object]) -> None:
    result = outcome({"huge": huge()})
    assert isinstance(result, Failed)
    assert (result.code, result.retryable) == ("OUTPUT_TOO_LARGE", False)
    assert f"{PAYLOAD_BYTES:,}" in result.message
    assert len(result.message) < MESSAGE_CHARS


def test_g11_a_value_that_doubles_at_each_level_fails() -> None:
    value: list[Any] = [0]
    for _ in range(60):
        value = [value, value]
    result = outcome({"bomb": value})
    assert isinstance(result, Failed)
    assert result.code == "OUTPUT_TOO_LARGE"


def test_g11_a_value_that_holds_itself_fails() -> None:
    value: dict[str, Any] = {}
    value["itself"] = value
    result = outcome(value)
    assert isinstance(result, Failed)
    assert result.code == "BAD_OUTPUTS"
    assert "or holds itself" in result.message


@pytest.mark.parametrize(("levels", "fits"), [(JSON_DEPTH - 1, True), (JSON_DEPTH, True), (JSON_DEPTH + 1, False)])
def test_g18_outputs_are_nested_no_deeper_than_the_limit(levels: int, *, fits: bool) -> None:
    outputs: dict[str, Any] = {}
    for _ in range(levels - 1):
        outputs = {"in": outputs}
    assert isinstance(outcome(outputs), Succeeded if fits else Failed)


@pytest.mark.parametrize("character", ["x", "\u00e9", "\U0001f600", "\x00", '"', "\n"])
@pytest.mark.parametrize("over", [-1, 0, 1])
def test_g18_outputs_are_no_larger_than_the_limit(character: str, over: int) -> None:
    each = {"x": 1, "\u00e9": 2, "\U0001f600": 4, "\x00": 6, '"': 2, "\n": 2}[character]
    room = PAYLOAD_BYTES + over - len('{"k":""}')
    value = character * (room // each) + "x" * (room % each)
    result = outcome({"k": value})
    if over <= 0:
        assert result == Succeeded({"k": value})
    else:
        assert isinstance(result, Failed)
        assert result.code == "OUTPUT_TOO_LARGE"


def test_a_foreseen_error_with_bad_outputs_keeps_its_code() -> None:
    result = outcome(BlockError("HTTP_STATUS", "answered 503", retryable=True, outputs={"body": math.nan}))
    assert isinstance(result, Failed)
    assert (result.code, result.retryable, result.outputs) == ("HTTP_STATUS", True, None)
    assert result.message.startswith("answered 503 (its outputs were left out: outputs.body is nan")


@pytest.mark.parametrize("result", [Wait(outputs={"x": math.nan}), TimedOut("late", outputs=[1])])
def test_partial_outputs_are_checked_as_well(result: object) -> None:
    failed = outcome(result)
    assert isinstance(failed, Failed)
    assert failed.code == "BAD_OUTPUTS"


def test_g11_an_object_that_raises_when_looked_at_fails() -> None:
    class Hostile(dict[str, Any]):
        def items(self) -> NoReturn:
            raise RuntimeError("no")

        def keys(self) -> NoReturn:
            raise RuntimeError("no")

        def __iter__(self) -> NoReturn:
            raise RuntimeError("no")

    result = outcome({"x": Hostile(a=1)})
    assert isinstance(result, (Failed, Succeeded))
