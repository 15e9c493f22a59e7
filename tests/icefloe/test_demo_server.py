"""The demo's service desk misbehaves exactly as asked, and never does one thing twice for one key."""

import json
from collections.abc import Iterator
from http.client import HTTPConnection
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

import pytest

from icefloe.demo_server import DemoServer


@pytest.fixture
def desk() -> Iterator[DemoServer]:
    with DemoServer() as server:
        yield server


def call(
    desk: DemoServer,
    method: str,
    path: str,
    key: str | None = None,
    body: str | bytes | None = '{"reference": "run-1"}',
) -> tuple[int, dict[str, Any], dict[str, str]]:
    connection = HTTPConnection(urlsplit(desk.url).netloc, timeout=10)
    try:
        connection.request(method, path, body, {} if key is None else {"Idempotency-Key": key})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read()), dict(answer.getheaders())
    finally:
        connection.close()


def post(desk: DemoServer, path: str, key: str, times: int) -> list[int]:
    return [call(desk, "POST", path, key)[0] for _ in range(times)]


def test_a_ticket_is_opened_and_can_be_read_back(desk: DemoServer) -> None:
    status, body, _ = call(desk, "POST", "/tickets", "a")
    assert (status, body) == (201, {"ticket": "DESK-1001", "state": "open"})
    assert call(desk, "GET", "/tickets/DESK-1001")[:2] == (200, body)
    assert call(desk, "GET", "/tickets/DESK-1002")[0] == 404


def test_the_first_calls_of_each_key_are_refused_as_the_query_says(desk: DemoServer) -> None:
    assert post(desk, "/tickets?limit=1&fail=2", "a", 4) == [429, 503, 503, 201]
    assert post(desk, "/tickets?fail=1", "b", 2) == [503, 201]
    assert desk.ledger.calls == 6
    assert "Retry-After" in call(desk, "POST", "/tickets?limit=1", "c")[2]


def test_a_lost_answer_leaves_one_ticket_for_one_key(desk: DemoServer) -> None:
    assert post(desk, "/tickets?lose=1", "a", 3) == [502, 201, 201]
    assert [effect.name for effect in desk.ledger.effects] == ["DESK-1001"]
    assert desk.ledger.repeats == 2
    assert desk.ledger.doubled() == {}


def test_the_ledger_shows_a_caller_that_changes_its_key(desk: DemoServer) -> None:
    post(desk, "/tickets?lose=1", "a", 1)
    post(desk, "/tickets", "b", 1)
    assert desk.ledger.doubled() == {("ticket", "run-1"): 2}


def test_a_status_that_was_asked_for_is_given_each_time_and_does_nothing(desk: DemoServer) -> None:
    assert post(desk, "/announcements?status=404", "a", 3) == [404, 404, 404]
    assert desk.ledger.effects == ()


def test_a_vanished_ticket_cannot_be_read_back(desk: DemoServer) -> None:
    ticket = call(desk, "POST", "/tickets?vanish=1", "a")[1]["ticket"]
    assert call(desk, "GET", f"/tickets/{ticket}")[0] == 404


@pytest.mark.parametrize(
    ("key", "body"),
    [(None, '{"reference": "run-1"}'), ("a", "{"), ("a", "[]"), ("a", "{}"), ("a", b"\xff")],
)
def test_a_call_that_makes_no_sense_is_refused(desk: DemoServer, key: str | None, body: str | bytes) -> None:
    assert call(desk, "POST", "/tickets", key, body)[0] == 400
    assert desk.ledger.effects == ()


def test_stopping_lets_go_of_who_waits_for_a_slow_answer() -> None:
    statuses: list[int] = []
    desk = DemoServer().start()
    asking = Thread(target=lambda: statuses.extend(post(desk, "/tickets?slow=50", "a", 1)))
    asking.start()
    while not desk.ledger.calls:
        pass
    desk.stop()
    asking.join(timeout=9)
    assert statuses == [201]
