"""Durations and moments in writing."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from engine.durations import Duration, parse_duration, parse_moment


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("500ms", 0.5),
        ("0s", 0.0),
        ("30s", 30.0),
        ("1.5h", 5400.0),
        ("5m", 300.0),
        ("2h", 7200.0),
        ("7d", 604_800.0),
        ("1w", 604_800.0),
        ("1h30m", 5400.0),
        ("PT5M", 300.0),
        ("PT0.5S", 0.5),
        ("P7D", 604_800.0),
        ("P1W", 604_800.0),
        ("P1DT12H", 129_600.0),
        ("36500d", 3_153_600_000.0),
    ],
)
def test_a_duration_is_a_number_of_seconds(written: str, seconds: float) -> None:
    assert parse_duration(written) == seconds


@given(st.integers(0, 99), st.integers(0, 99), st.integers(0, 99), st.integers(0, 99))
def test_both_ways_of_writing_mean_the_same(days: int, hours: int, minutes: int, seconds: int) -> None:
    total = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds).total_seconds()
    assert parse_duration(f"{days}d{hours}h{minutes}m{seconds}s") == total
    assert parse_duration(f"P{days}DT{hours}H{minutes}M{seconds}S") == total


@pytest.mark.parametrize(
    "written",
    ["", "P", "PT", "P1DT", "30", "1 h", "30m1h", "-5s", "1H", "pt5m", "٣s", "1e3s", "5s ", "PT5M\n", "0" * 70 + "s"],
)
def test_anything_else_is_refused_with_examples(written: str) -> None:
    with pytest.raises(ValueError, match="is not a duration: write one as '30s', '1h30m', '7d', 'PT5M' or 'P7D'"):
        parse_duration(written)


@pytest.mark.parametrize("written", ["P1M", "P1Y", "P1Y2M3DT4H", "P0.5Y", "P3M1D"])
def test_months_and_years_are_refused_because_they_differ_in_length(written: str) -> None:
    with pytest.raises(ValueError, match="months or years, which differ in length: write days"):
        parse_duration(written)


@pytest.mark.parametrize("written", ["36501d", "9999999999999999999999s", "P5300W"])
def test_a_duration_beyond_a_hundred_years_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match="longer than a hundred years"):
        parse_duration(written)


def test_a_duration_in_a_document_stays_as_it_was_written() -> None:
    class Document(BaseModel):
        wait: Duration

    document = Document.model_validate({"wait": "PT90S"})
    assert document.model_dump() == {"wait": "PT90S"}
    assert parse_duration(document.wait) == 90.0
    for wrong in ("soon", 90, None):
        with pytest.raises(ValidationError):
            Document.model_validate({"wait": wrong})


@given(
    st.datetimes(
        min_value=datetime(1, 1, 3),  # noqa: DTZ001 - the time zone is drawn beside it
        max_value=datetime(9999, 12, 29),  # noqa: DTZ001
        timezones=st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes))),
    )
)
def test_a_moment_is_unix_time_whatever_its_offset(moment: datetime) -> None:
    assert parse_moment(moment.isoformat()) == moment.timestamp()


@pytest.mark.parametrize("written", ["2026-11-22T15:00:00Z", "2026-11-22t15:00:00z", "2026-11-22 16:00:00.000+01:00"])
def test_a_moment_may_be_written_as_the_rfc_allows(written: str) -> None:
    assert parse_moment(written) == datetime(2026, 11, 22, 15, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("2026-11-22T16:00:00", "has no offset from UTC: end it with 'Z'"),
        ("2026-11-22", "is not a moment: write one as"),
        ("2026-W47-7T16:00:00Z", "is not a moment: write one as"),
        ("tomorrow", "is not a moment: write one as"),
        ("2026-02-30T16:00:00Z", "is no moment of the calendar: day is out of range"),
        ("2026-11-22T24:00:00Z", "is no moment of the calendar: hour must be"),
        ("2026-11-22T16:00:00+25:00", "is no moment of the calendar: offset"),
    ],
)
def test_a_moment_that_is_none_is_refused(written: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_moment(written)
