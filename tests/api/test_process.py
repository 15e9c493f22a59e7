"""What the process says of itself."""

import asyncio
import re
from base64 import b64encode
from hashlib import sha256
from html.parser import HTMLParser
from threading import Event, Timer, active_count
from typing import Any

import pytest

from api.health import NO_ENGINE, Health, Readiness
from store.protocol import Owner, StoreUnavailable
from tests.api.conftest import Desk


def test_who_asks_is_told_who_he_is(desk: Desk) -> None:
    assert desk.ask("ada", "viewer", "approver", groups=("stewards",)).get("/v1/me") == {
        "subject": "ada",
        "tenant": "default",
        "roles": ["approver", "viewer"],
        "groups": ["stewards"],
    }


def test_who_has_no_role_is_refused_with_a_problem_document(desk: Desk) -> None:
    answer = desk.ask("eve").ask("GET", "/v1/me")
    assert (answer.status_code, answer.headers["Content-Type"]) == (403, "application/problem+json")
    assert answer.json()["code"] == "role-missing"
    assert answer.json()["instance"] == "/v1/me"


def test_it_lives_and_can_do_its_work(desk: Desk) -> None:
    alive = desk.client.get("/healthz")
    assert (alive.status_code, alive.text) == (200, "alive\n")
    ready = desk.client.get("/readyz")
    assert (ready.status_code, ready.text) == (200, "ready\n")


def test_that_no_engine_is_alive_is_worth_a_line_and_no_reason_to_be_unready(desk: Desk) -> None:
    desk.store.leave("engine-1", desk.store.position())
    ready = desk.client.get("/readyz")
    assert (ready.status_code, ready.text.splitlines()) == (200, ["ready", NO_ENGINE])


class Away:
    """A store that can't be reached, or doesn't answer."""

    def __init__(self, hangs: Event | None = None) -> None:
        self._hangs = hangs

    def now(self) -> float:
        return 0.0

    def owners(self) -> list[Owner]:
        if self._hangs is not None:
            self._hangs.wait()
        raise StoreUnavailable("no primary is available")


def readiness_of(store: Away) -> tuple[Readiness, Readiness]:
    async def ask() -> tuple[Readiness, Readiness]:
        health = Health(store)  # type: ignore[arg-type] # as much of a store as it asks
        try:
            return await health.readiness(), await health.readiness()
        finally:
            health.close()

    return asyncio.run(ask())


def test_a_store_that_is_away_is_a_reason_to_be_unready() -> None:
    assert readiness_of(Away())[0].reasons == ("the store can't be reached: no primary is available",)


def test_a_store_that_hangs_is_one_too_and_holds_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.health.SECONDS", 0.05)
    hangs = Event()
    threads = active_count()
    Timer(1.0, hangs.set).start()
    first, second = readiness_of(Away(hangs))
    assert "hasn't answered" in first.reasons[0]
    assert second == first
    assert active_count() <= threads + 2


def test_why_it_isnt_ready_is_told(desk: Desk) -> None:
    app: Any = desk.client.app
    app.state.health = Health(Away())  # type: ignore[arg-type] # as above
    ready = desk.client.get("/readyz")
    assert (ready.status_code, ready.text) == (503, "the store can't be reached: no primary is available\n")


def test_requests_are_counted_by_operation_and_status_and_by_nothing_else(desk: Desk) -> None:
    vera = desk.ask("vera", "viewer")
    vera.get("/v1/runs")
    vera.ask("GET", "/v1/runs/0191-secret")
    vera.ask("GET", "/nothing")
    answer = vera.ask("GET", "/metrics")
    assert answer.headers["Content-Type"].startswith("text/plain; version=")
    assert 'icefloe_api_requests_total{operation="list_runs",status="200"} 1.0' in answer.text
    assert 'icefloe_api_requests_total{operation="read_run",status="404"} 1.0' in answer.text
    assert 'icefloe_api_requests_total{operation="none",status="404"} 1.0' in answer.text
    assert 'icefloe_api_request_seconds_count{operation="list_runs"} 1.0' in answer.text
    assert not re.search("secret|vera|default", answer.text)


def test_metrics_are_for_those_who_may_see_everything(desk: Desk) -> None:
    assert desk.ask("ada", "requester").ask("GET", "/metrics").status_code == 403


def test_the_reference_is_a_page_without_script_or_anything_from_elsewhere(desk: Desk) -> None:
    answer = desk.client.get("/docs")
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'")
    style = answer.text.partition("<style>")[2].partition("</style>")[0]
    assert f"'sha256-{b64encode(sha256(style.encode()).digest()).decode()}'" in policy
    parsed = _Page()
    parsed.feed(answer.text)
    assert not parsed.tags & {"script", "img", "iframe", "link", "object", "form"}
    assert all(address.startswith("#") or address == "openapi.json" for address in parsed.addresses)
    document = desk.client.get("/openapi.json").json()
    ids = {one["operationId"] for path in document["paths"].values() for one in path.values()}
    assert {address[1:] for address in parsed.addresses if address.startswith("#")} == ids
    assert 'name="viewport"' in answer.text


class _Page(HTMLParser):
    """What a page is made of."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.addresses: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.addresses |= {value or "" for name, value in attrs if name in {"href", "src"}}
        assert not any(name.startswith("on") or name == "style" for name, _ in attrs)
