"""Serving: the app on a real port, in a thread; what it logs of requests, and how it ends."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from threading import Event, Thread
from time import monotonic
from typing import Any, Final

import pytest
import structlog

from api.auth import ApiSettingsError
from api.serving import ApiServer, listening
from api.settings import ApiSettings
from blocks.catalogue import Catalogue
from engine.documents import Workflow
from store.open import open_store
from store.protocol import Store

SECONDS: Final = 30.0
DAG: Final = {"entrypoint": "a", "exitpoints": ["a"], "tasks": [{"name": "a", "type": "NOOP"}]}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with closing(open_store(f"sqlite:///{tmp_path}/icefloe.db")) as store:
        store.save_workflow(Workflow.model_validate({"name": "w", "dag": DAG}))
        yield store


@contextmanager
def serving(store: Store, catalogue: Catalogue, **settings: Any) -> Iterator[tuple[ApiServer, Thread]]:
    """A server on a free port, and the thread in which it runs; both have ended afterwards."""
    server = ApiServer(ApiSettings(api_port=0, api_auth="none", **settings), store, catalogue)
    ready = Event()
    thread = Thread(target=server.run, args=[ready.set], name="api")
    thread.start()
    try:
        assert ready.wait(SECONDS)
        yield server, thread
    finally:
        server.stop()
        thread.join(SECONDS)
        assert not thread.is_alive()


def connected(server: ApiServer) -> HTTPConnection:
    return HTTPConnection(server.url.removeprefix("http://"), timeout=SECONDS)


def start(connection: HTTPConnection, path: str = "/v1/runs") -> None:
    """Send a request that starts a run; its answer is still to be read."""
    connection.request("POST", path, json.dumps({"workflow": "w"}), {"Content-Type": "application/json"})


def test_each_request_is_a_line_in_the_log_without_what_it_asked_for(store: Store, catalogue: Catalogue) -> None:
    with structlog.testing.capture_logs() as lines, serving(store, catalogue) as (server, _):
        with closing(connected(server)) as connection:
            connection.request("GET", "/v1/runs?inputs.iban=DE89-secret", headers={"X-Request-Id": "mine-1"})
            assert connection.getresponse().read()
            connection.request("GET", "/v1/nothing/of-the-kind")
            assert connection.getresponse().read()
        answered = [line for line in lines if line["event"] == "request_answered"]
    assert [(line["method"], line["operation"], line["status"]) for line in answered] == [
        ("GET", "list_runs", 200),
        ("GET", None, 404),
    ]
    assert answered[0]["request_id"] == "mine-1"
    assert all(line["ms"] > 0 for line in answered)
    assert "secret" not in str(lines)
    assert "of-the-kind" not in str(answered)


def test_head_is_answered_as_get_is_but_for_the_body(store: Store, catalogue: Catalogue) -> None:
    def ask(method: str, path: str) -> tuple[int, dict[str, str], bytes]:
        connection.request(method, path)
        answer = connection.getresponse()
        headers = {name: value for name, value in answer.getheaders() if name not in {"date", "x-request-id"}}
        return answer.status, headers, answer.read()

    with serving(store, catalogue) as (server, _), closing(connected(server)) as connection:
        for path in ("/healthz", "/docs", "/v1/workflows/w", "/v1/runs/none"):
            status, headers, body = ask("GET", path)
            assert ask("HEAD", path) == (status, headers, b"")
            assert headers["content-length"] == str(len(body))
        assert ask("HEAD", "/v1/events")[0] == 200  # and not for ever
        assert ask("HEAD", "/v1/runs/none/pause")[0] == 405
        assert ask("GET", "/healthz")[0] == 200


def test_who_waits_for_a_run_is_told_how_it_is_when_the_server_is_to_end(store: Store, catalogue: Catalogue) -> None:
    with serving(store, catalogue, api_drain=10) as (server, thread), closing(connected(server)) as connection:
        start(connection, "/v1/runs?wait=30")
        while not sum(store.counts().values()):
            pass
        begin = monotonic()
        server.stop()
        answer = connection.getresponse()
        assert answer.status == 201
        assert monotonic() - begin < 5
        run = json.loads(answer.read())
        assert run["status"] == "PENDING"
        thread.join(SECONDS)
    assert run["id"] in store.load([run["id"]])


def test_a_request_that_takes_longer_than_it_may_is_cut_off_and_its_run_is_there(
    store: Store, catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never_ended(*_: object) -> None:
        await asyncio.sleep(SECONDS)

    monkeypatch.setattr("api.routes.runs.ended", never_ended)
    with serving(store, catalogue, api_drain=1) as (server, thread), closing(connected(server)) as connection:
        begin = monotonic()
        start(connection, "/v1/runs?wait=25")
        while not sum(store.counts().values()):
            pass
        server.stop()
        thread.join(SECONDS)
        assert monotonic() - begin < 20
        answer = connection.getresponse()
        assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
        assert json.loads(answer.read())["code"] == "server-ending"
    assert sum(store.counts().values()) == 1


def test_who_follows_is_told_that_the_server_ends_and_holds_up_nothing(store: Store, catalogue: Catalogue) -> None:
    with serving(store, catalogue, api_drain=60) as (server, thread), closing(connected(server)) as connection:
        connection.request("GET", "/v1/events")
        stream = connection.getresponse()
        assert stream.status == 200
        begin = monotonic()
        server.stop()
        assert b"event: bye" in stream.read()
        thread.join(SECONDS)
        assert monotonic() - begin < 20


def test_a_connection_that_only_waits_does_not_hold_up_the_end(store: Store, catalogue: Catalogue) -> None:
    with serving(store, catalogue, api_drain=60) as (server, thread), closing(connected(server)) as connection:
        connection.request("GET", "/v1/me")
        connection.getresponse().read()
        server.stop()
        thread.join(20)
        assert not thread.is_alive()


def test_a_port_that_another_has_is_refused_with_its_name(store: Store, catalogue: Catalogue) -> None:
    with closing(listening("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(ApiSettingsError, match=rf"^ICEFLOE_API_PORT: can't listen on 127\.0\.0\.1:{port} \("):
            ApiServer(ApiSettings(api_port=port, api_auth="none"), store, catalogue)


def test_a_server_listens_on_ipv6_as_well(store: Store, catalogue: Catalogue) -> None:
    with serving(store, catalogue, api_host="::1") as (server, _), closing(connected(server)) as connection:
        assert server.url.startswith("http://[::1]:")
        connection.request("GET", "/v1/me")
        assert connection.getresponse().status == 200


@pytest.mark.parametrize(("proxies", "limited"), [([], True), (["127.0.0.1"], False)])
def test_only_proxies_that_are_named_are_believed_who_calls(
    store: Store,
    catalogue: Catalogue,
    proxies: list[str],
    limited: bool,  # noqa: FBT001 - given by the parameters
) -> None:
    """Links are limited for each address: of callers behind a proxy only if that may say whose they are."""
    with serving(store, catalogue, api_proxies=json.dumps(proxies)) as (server, _):
        statuses = set()
        with closing(connected(server)) as connection:
            for number in range(150):
                connection.request("GET", "/links/none", headers={"X-Forwarded-For": f"198.51.100.{number}"})
                answer = connection.getresponse()
                answer.read()
                statuses.add(answer.status)
    assert (429 in statuses) is limited
