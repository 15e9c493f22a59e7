"""Every workload once, tiny, on a real engine: no time is asserted, only that its runs really ended."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.__main__ import main
from bench.client import Client
from bench.figures import percentiles
from bench.place import place
from bench.processes import BenchError
from bench.servers import Servers

TINY = ["--runs", "2", "--width", "3", "--seconds", "0.1"]
LATENCY = {"n", "tasks", "p50_ms", "p99_ms"}
BULK = {"n", "rounds", "wall_s", "runs_s", "tasks_s", "engine_us_task", "client_us_task"}
FIGURES = {
    "idle": {"engine_cpu_pct", "engine_rss_mb"},
    "chain": LATENCY,
    "throughput": BULK,
    "fanout": LATENCY,
    "hold": {"n", "wall_s", "engine_cpu_pct", "engine_rss_delta_mb", "decision_p50_ms", "decision_p99_ms"},
    "io": BULK,
}


@pytest.fixture
def client() -> Iterator[Client]:
    with place(Servers()) as found:
        yield Client(found)


@pytest.mark.acceptance
@pytest.mark.parametrize("name", FIGURES)
def test_a_workload_prints_its_figures_as_one_json_object_and_leaves_nothing_behind(
    name: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert main([name, "--json", *TINY]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    figures = json.loads(line)
    assert (figures["workload"], figures["store"], figures["events"]) == (name, "sqlite", "store")
    assert set(figures) == {"workload", "store", "events"} | FIGURES[name]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.acceptance
def test_the_api_is_asked_by_a_client_of_its_own_and_what_it_acknowledged_is_looked_for(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("bench.api.STARTS", 40)
    assert main(["api", "--json", "--runs", "120"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    figures = json.loads(line)
    assert (figures["workload"], figures["store"], figures["n"], figures["runs"]) == ("api", "sqlite", 40, 120)
    kinds = {f"{what}_p{share}_ms" for what in ("start", "read", "list") for share in (50, 99)}
    assert (
        set(figures) == {"workload", "store", "n", "runs", "connections", "starts_s", "api_cpu_s", "api_rss_mb"} | kinds
    )
    assert list(tmp_path.iterdir()) == []


def test_the_floor_is_a_line_that_people_can_read(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["floor", *TINY]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("floor      transitions_s ")
    assert "Python 3." in line


@pytest.mark.acceptance
def test_a_run_that_fails_gives_no_figure(client: Client) -> None:
    question = {"name": "ask", "type": "CONDITION", "arguments": {"left": "1", "operator": "<", "right": 2}}
    with pytest.raises(BenchError, match="ended FAILED, not SUCCESS"):
        client.measure(client.save("unanswerable", [question]))


@pytest.mark.acceptance
def test_a_transition_too_many_is_noticed(client: Client) -> None:
    client.measure(client.save("no-op", [{"name": "begin", "type": "NOOP"}]))
    with pytest.raises(BenchError, match=r"found .*'TaskClaimed': 1"):
        client.expect(RunCreated=1, TaskSucceeded=1)


def measure_after_a_kill() -> None:
    with place(Servers()) as found:
        found.engine._process.kill()
        client = Client(found)
        client.measure(client.save("no-op", [{"name": "begin", "type": "NOOP"}]))


@pytest.mark.acceptance
def test_an_engine_that_dies_is_noticed_while_waiting_for_it() -> None:
    with pytest.raises(BenchError, match="ended with status -9"):
        measure_after_a_kill()


@pytest.mark.parametrize("arguments", [["nap"], ["fanout", "--width", "999"], ["chain", "--runs", "0"]])
def test_what_can_not_be_measured_is_wrong_usage(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2


def test_a_percentile_is_a_value_that_was_measured() -> None:
    assert percentiles("", [0.004, 0.001, 0.003, 0.002]) == {"p50_ms": 2.0, "p99_ms": 4.0}
    assert percentiles("x_", [0.001] * 99 + [1.0]) == {"x_p50_ms": 1.0, "x_p99_ms": 1.0}
