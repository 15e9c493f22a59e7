"""Logs: JSON lines for machines, a console for people, and nothing in either that could command a terminal."""

import json
import logging
from collections.abc import Iterator
from errno import ENOSPC
from io import StringIO
from typing import Any

import pytest
import structlog
from typing_extensions import override

from icefloe import logs


class Screen(StringIO):
    """A stream that a person watches."""

    @override
    def isatty(self) -> bool:
        return True


class Full(StringIO):
    """A stream to a full disk."""

    @override
    def write(self, _text: str, /) -> int:
        raise OSError(ENOSPC, "No space left on device")


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    handlers, level = logging.root.handlers[:], logging.root.level
    yield
    structlog.reset_defaults()
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)


def lines(stream: StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_machines_get_a_json_object_a_line() -> None:
    stream = StringIO()
    logs.configure("info", stream)
    structlog.get_logger("engine").info("run_finished", run_id="r-1", status="SUCCESS")
    (line,) = lines(stream)
    assert line.pop("timestamp").endswith("Z")
    assert line == {"event": "run_finished", "level": "info", "run_id": "r-1", "status": "SUCCESS"}


@pytest.mark.parametrize(("level", "said"), [("debug", 4), ("info", 3), ("warning", 2), ("error", 1)])
def test_only_what_is_important_enough_is_logged(level: str, said: int) -> None:
    stream = StringIO()
    logs.configure(level, stream)
    log = structlog.get_logger()
    for method in (log.debug, log.info, log.warning, log.error):
        method("something_happened")
    assert len(lines(stream)) == said


def test_an_exception_stays_on_its_line() -> None:
    stream = StringIO()
    logs.configure("info", stream)
    try:
        int("no")
    except ValueError:
        structlog.get_logger().exception("block_crashed")
    (line,) = lines(stream)
    assert line["exception"].endswith("ValueError: invalid literal for int() with base 10: 'no'")


def test_warnings_of_libraries_have_the_same_form_and_their_chatter_is_left_out() -> None:
    stream = StringIO()
    logs.configure("info", stream)
    logging.getLogger("httpx").info("GET https://example.org")
    logging.getLogger("httpx").warning("retrying %s", "it")
    (line,) = lines(stream)
    assert (line["event"], line["level"]) == ("retrying it", "warning")


def test_people_get_words_in_which_no_data_can_command_the_terminal() -> None:
    stream = Screen()
    logs.configure("info", stream)
    structlog.get_logger().info("result_refused", reason="\x1b]0;owned\x07", event_code="\u009b31m")
    assert "result_refused" in stream.getvalue()
    assert "\x1b]0" not in stream.getvalue()
    assert "\u009b" not in stream.getvalue()
    assert "\\x1b]0;owned\\x07" in stream.getvalue()


def test_a_log_that_cannot_be_written_is_lost_and_nothing_else() -> None:
    logs.configure("info", Full())
    structlog.get_logger().info("run_finished")
    logging.getLogger("httpx").warning("retrying")


def test_a_closed_log_is_no_error() -> None:
    stream = StringIO()
    logs.configure("info", stream)
    stream.close()
    structlog.get_logger().info("run_finished")


def test_in_silence_nothing_is_logged(capfd: pytest.CaptureFixture[str]) -> None:
    logs.silence()
    structlog.get_logger().error("reserve_released")
    logging.getLogger("httpx").error("retrying")
    assert capfd.readouterr() == ("", "")
