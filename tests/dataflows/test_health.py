"""Probes and metrics over HTTP: what is answered, to whom, and that nobody can keep others from being answered."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from http.client import HTTPConnection, HTTPResponse

import pytest

from dataflows import health, metrics
from dataflows.health import CONNECTIONS, HealthServer
from dataflows.settings import EngineSettings, SettingsError
from dataflows.vitals import HUNG_SECONDS, Vitals
from tests.dataflows.driver import PATIENCE, Rig
from tests.dataflows.test_vitals import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def vitals(clock: Clock) -> Vitals:
    vitals = Vitals(clock=clock)
    vitals.turned()
    return vitals


@pytest.fixture
def server(vitals: Vitals) -> Iterator[HealthServer]:
    server = HealthServer("127.0.0.1", 0, vitals)
    yield server
    server.close()


def ask(server: HealthServer, path: str, method: str = "GET") -> tuple[HTTPResponse, str]:
    """The answer, and its body."""
    connection = HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
    try:
        connection.request(method, path)
        answer = connection.getresponse()
        return answer, answer.read().decode()
    finally:
        connection.close()


def told(server: HealthServer, path: str) -> tuple[int, str]:
    answer, body = ask(server, path)
    return answer.status, body


def test_a_process_that_does_well_says_so(server: HealthServer) -> None:
    assert told(server, "/healthz") == (200, "alive\n")
    assert told(server, "/readyz?verbose") == (200, "ready\n")


def test_a_process_in_trouble_is_not_ready_says_why_and_is_left_alive(server: HealthServer, vitals: Vitals) -> None:
    vitals.troubles |= {"record": "the store is locked", "kafka": "no broker answers", "claim": "the store is locked"}
    assert told(server, "/readyz") == (503, "record, claim: the store is locked\nkafka: no broker answers\n")
    assert told(server, "/healthz") == (200, "alive\n")
    vitals.troubles.clear()
    assert told(server, "/readyz") == (200, "ready\n")


def test_a_process_that_hangs_is_to_be_started_again(server: HealthServer, clock: Clock) -> None:
    clock.pass_(HUNG_SECONDS + 1)
    assert told(server, "/healthz") == (503, "the dataflow has not turned for 61 s\n")


def test_metrics_are_what_was_counted(server: HealthServer) -> None:
    metrics.CHANGES_SKIPPED.labels('a "reason"').inc(3)
    answer, body = ask(server, "/metrics")
    assert (answer.getheader("Content-Type") or "").startswith("text/plain; version=")
    assert 'icefloe_changes_skipped_total{reason="a \\"reason\\""} 3.0\n' in body
    assert "_created" not in body


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/", 404), ("POST", "/readyz", 501)])
def test_nothing_else_is_there(server: HealthServer, method: str, path: str, status: int) -> None:
    assert ask(server, path, method)[0].status == status


def test_a_head_is_answered_without_a_body(server: HealthServer) -> None:
    answer, body = ask(server, "/readyz", "HEAD")
    assert (answer.status, answer.getheader("Content-Length"), body) == (200, "6", "")


def test_who_keeps_connections_open_keeps_nobody_out(server: HealthServer) -> None:
    with ExitStack() as held:
        for _ in range(4 * CONNECTIONS):
            silent = held.enter_context(socket.create_connection(("127.0.0.1", server.port), PATIENCE))
            silent.sendall(b"GET /healthz HTTP/1.1\r\nX: ")
        assert told(server, "/healthz") == (200, "alive\n")


def test_an_address_of_version_6_will_do(vitals: Vitals) -> None:
    try:
        server = HealthServer("::1", 0, vitals)
    except OSError:
        pytest.skip("this host has no IPv6")
    server.close()


def test_a_port_in_use_is_named(server: HealthServer, vitals: Vitals) -> None:
    with pytest.raises(SettingsError, match=rf"ICEFLOE_HEALTH_PORT: can't listen on 127.0.0.1:{server.port} \(.+\); "):
        health.serve(EngineSettings(health_port=server.port), vitals)


def test_without_a_port_nobody_listens(vitals: Vitals) -> None:
    assert health.serve(EngineSettings(), vitals) is None


def test_an_engine_is_not_ready_without_a_lease_and_while_it_stops(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    rig.shell.vitals.turned()
    assert rig.shell.vitals.reasons() == {}
    rig.shell.stop()
    assert list(rig.shell.vitals.reasons()) == ["stop"]
    monkeypatch.setattr(rig.shell.lease, "holds", lambda: False)
    assert list(rig.shell.vitals.reasons()) == ["lease", "stop"]
