"""Reading JSON strictly: what is accepted means what it means to everybody, and what is refused says where."""

import json
import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.faults import Invalid
from engine.limits import JSON_DEPTH
from engine.reading import read_json

INTEGERS = st.integers(-(2**63), 2**63 - 1)
TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"))
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | INTEGERS | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=20,
)


def refusal(data: bytes | str, limit: int = 1_000_000) -> str:
    with pytest.raises(Invalid) as caught:
        read_json(data, limit=limit, what="w.json")
    (fault,) = caught.value.faults
    assert fault.path == "w.json"
    return fault.message


@given(JSON_VALUES, st.booleans(), st.sampled_from([None, 2]))
def test_what_json_writes_is_read_as_it_was(value: object, ascii_only: bool, indent: int | None) -> None:  # noqa: FBT001
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent)
    assert read_json(text, limit=1_000_000, what="w.json") == value
    assert read_json(text.encode(), limit=1_000_000, what="w.json") == value


@given(st.text() | st.binary())
def test_anything_else_is_refused_with_its_place(data: str | bytes) -> None:
    try:
        value = read_json(data, limit=1_000_000, what="w.json")
    except Invalid as refused:
        assert re.match(r"w\.json: line \d+, column \d+: .", str(refused))  # noqa: PT017 - either outcome is fine
    else:
        assert value == json.loads(data)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("", "line 1, column 1: not JSON: Expecting value"),
        ('{"a": 1,\n "b" 2}', "line 2, column 6: not JSON: Expecting ':' delimiter"),
        ("[1] [2]", "line 1, column 5: not JSON: Extra data"),
        ('{"a": 1,\n  "b": {"a": 2},\n  "a": 3}', "line 3, column 3: the key 'a' is given twice"),
        ('{"a": 1, "\\u0061": 2}', "line 1, column 10: the key 'a' is given twice"),
        ("[1, NaN]", "line 1, column 5: 'NaN' is no JSON number"),
        ("[\n-Infinity]", "line 2, column 1: '-Infinity' is no JSON number"),
        ("[1e400]", "line 1, column 2: '1e400' is a number without end"),
        (f"[{2**63}]", f"line 1, column 2: '{2**63}' is an integer beyond 64 bits"),
        (f"[{-(2**63) - 1}]", f"line 1, column 2: '{-(2**63) - 1}' is an integer beyond 64 bits"),
        (b'{"a":\n "\xff"}', "line 2, column 3: byte 0xff is not UTF-8"),
        ("\ufeff{}", "line 1, column 1: begins with a byte order mark; save it as UTF-8 without one"),
        ('["\\ud800"]', "line 1, column 2: half of a surrogate pair is no character"),
        ('{"\\uDFFF": 1}', "line 1, column 2: half of a surrogate pair is no character"),
        ('["\ud800"]', "line 1, column 3: half of a surrogate pair is no character"),
        (
            '{"a":\n "x\\u0000y"}',
            "line 2, column 2: the character NUL (\\u0000) is refused: much that handles text takes it for its end",
        ),
        (
            '{"\\u0000": 1}',
            "line 1, column 2: the character NUL (\\u0000) is refused: much that handles text takes it for its end",
        ),
    ],
)
def test_a_refusal_says_what_and_where(data: bytes | str, message: str) -> None:
    assert refusal(data) == message


@pytest.mark.parametrize(
    "text", ['"\\ud83d\\ude00"', '"\\\\ud800"', '"\\\\u0000"', '{"a": [{"a": 1}, {"a": 2}], "b": "\\"a\\": 1"}']
)
def test_what_only_looks_wrong_is_read(text: str) -> None:
    assert read_json(text, limit=100, what="w.json") == json.loads(text)


@pytest.mark.parametrize("size", [99, 100, 101])
def test_g18_the_limit_in_bytes_is_exact(size: int) -> None:
    text = f'"é{"x" * (size - 4)}"'
    if size <= 100:
        assert read_json(text, limit=100, what="w.json") == text[1:-1]
    else:
        assert refusal(text, limit=100) == "is 101 bytes, at most 100 are allowed"


@pytest.mark.parametrize("depth", [JSON_DEPTH - 1, JSON_DEPTH, JSON_DEPTH + 1])
@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_g18_the_limit_of_nesting_is_exact(depth: int, opening: str, closing: str) -> None:
    text = opening * (depth - 1) + ("[]" if opening == "[" else "{}") + closing * (depth - 1)
    if depth <= JSON_DEPTH:
        assert read_json(text, limit=1000, what="w.json") == json.loads(text)
    else:
        column = JSON_DEPTH * len(opening) + 1
        assert refusal(text) == f"line 1, column {column}: nested deeper than 64"


def test_s8_a_hundred_thousand_brackets_are_refused_cleanly() -> None:
    assert refusal("[" * 100_000) == "line 1, column 65: nested deeper than 64"
    assert refusal("[" * 100_000 + "]" * 100_000) == "line 1, column 65: nested deeper than 64"
    assert refusal('{"a":' * 100_000) == "line 1, column 321: nested deeper than 64"


def test_s8_an_integer_of_a_million_digits_is_refused_before_it_is_computed() -> None:
    assert refusal("9" * 1_000_000).endswith("is an integer beyond 64 bits")


def test_s8_numbers_at_the_edge_are_kept_exactly() -> None:
    assert read_json(f"[{2**63 - 1}, {-(2**63)}]", limit=100, what="w.json") == [2**63 - 1, -(2**63)]
    (value,) = read_json("[1.7976931348623157e308]", limit=100, what="w.json")
    assert math.isfinite(value)
