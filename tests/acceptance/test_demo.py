"""`icefloe demo`, with real processes: it keeps its promises, says what goes wrong, and leaves nothing behind."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from engine.documents import Workflow
from engine.statuses import RunStatus
from store.open import open_store
from store.protocol import NewRun, RunQuery
from tests.acceptance.engines import ROOT, environment_of, until
from tests.acceptance.surroundings import IMPATIENT
from tests.processes import bounded

pytestmark = pytest.mark.acceptance

TRIGGERS: Final = ROOT / "examples" / "triggers.jsonl"
RUNS: Final = 120
WORKFLOW: Final = {
    "name": "w",
    "dag": {"entrypoint": "a", "exitpoints": ["a"], "tasks": [{"name": "a", "type": "NOOP"}]},
}
PATIENCE: Final = 120.0  # seconds; the demo's own limit ends it before


def command(*flags: str, **options: float | str | Path) -> list[str]:
    given = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    return [sys.executable, "-m", "icefloe", "demo", *flags, *given]


def run(
    *flags: str, environment: Mapping[str, object] | None = None, **options: float | str | Path
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*flags, **options), cwd=ROOT, env=environment_of(environment or {}), capture_output=True, text=True,
        timeout=PATIENCE, check=False,
    )  # fmt: skip


@contextmanager
def running(place: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A demo whose engine is ready, and that engine's process id."""
    started = subprocess.Popen(command(dir=place), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    with bounded(started) as process:
        yield process, engine_of(process)


def engine_of(demo: "subprocess.Popen[str]") -> int:
    """The process id of its engine, once that is ready."""
    assert demo.stdout is not None
    ready = next((line for line in demo.stdout if "is ready" in line), "")
    assert ready, "the demo ended before its engine was ready"
    return int(ready.split("engine ")[1].split()[0])


def is_gone(pid: int) -> bool:
    """Whether a process has ended; one that nobody has waited for yet has, too."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def some(file: Path, wanted: Callable[[dict[str, Any]], bool], **changes: object) -> Path:
    """A script of the first three triggers of a kind, changed."""
    lines = [json.loads(line) for line in TRIGGERS.read_text(encoding="utf-8").splitlines()]
    chosen = [one | changes for one in lines if wanted(one)][:3]
    file.write_text("".join(f"{json.dumps(one)}\n" for one in chosen), encoding="utf-8")
    return file


def is_quick(trigger: dict[str, Any]) -> bool:
    return (trigger["workflow"], trigger["scenario"]) == ("pipeline-handoff", "usual")


@pytest.mark.everywhere
def test_nothing_is_lost_or_done_twice_when_the_engine_is_killed_half_way(
    request: pytest.FixtureRequest, tmp_path: Path, store_kind: str, events_kind: str
) -> None:
    place = tmp_path / "kept"
    url = request.getfixturevalue("mongo_uri") if store_kind == "mongo" else f"sqlite:///{place}/icefloe.db"
    elsewhere = {"on": url} if store_kind == "mongo" else {}
    environment = {}
    if events_kind == "kafka":
        elsewhere["events"] = f"kafka://{request.getfixturevalue('watchful_kafka_address')}"
        environment = {"TOPIC_PREFIX": request.getfixturevalue("topic_prefix"), "KAFKA_OPTIONS": IMPATIENT}
    ended = run("--json", limit=RUNS, dir=place, environment=environment, **elsewhere)
    assert ended.returncode == 0, ended.stderr
    told = json.loads(ended.stdout)
    assert told["problems"] == []
    assert (told["lost"], told["twice"], told["astray"], told["otherwise"]) == (0, 0, 0, 0)
    assert sum(told["runs"].values()) == RUNS
    assert RUNS / 2 <= told["killed_at"] < RUNS
    assert told["refused"] >= 2
    log = [json.loads(line) for line in (place / "engine.log").read_text("utf-8").splitlines() if line.startswith("{")]
    assert [one["event"] for one in log if one["event"] in {"engine_started", "engine_ended"}] == [
        "engine_started",  # and killed, so that it said no more
        "engine_started",
        "engine_ended",
    ]
    with closing(open_store(url, create=False)) as store:
        assert store.counts() == {RunStatus(status): number for status, number in told["runs"].items()}
        assert len(store.find(RunQuery(limit=2 * RUNS)).runs) == RUNS
    assert len(list((place / "outbox").glob("*.eml"))) == told["mails"]


def test_a_store_that_has_runs_is_left_alone(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/icefloe.db"
    with closing(open_store(url)) as store:
        store.save_workflow(Workflow.model_validate(WORKFLOW))
        store.create([NewRun("mine", "w", {})])
    ended = run(on=url, dir=tmp_path / "place")
    assert ended.returncode == 1
    assert ended.stderr == f"error: {url} has runs already, and the demo begins without any\n"


def test_a_run_that_ends_otherwise_than_the_script_has_it_is_told_with_status_1(tmp_path: Path) -> None:
    expected = {"status": "FAILED", "tasks": {"extract": "SUCCESS"}}
    triggers = some(tmp_path / "triggers.jsonl", is_quick, expect=expected)
    ended = run(triggers=triggers, dir=tmp_path / "place")
    assert ended.returncode == 1
    assert "(pipeline-handoff, usual): the run is SUCCESS, and should be FAILED" in ended.stderr
    assert "didn't come out as the script has it; see " in ended.stderr
    assert "Every run ended as it had to" not in ended.stdout


def test_a_demo_that_takes_too_long_says_which_runs_are_stuck_and_why(tmp_path: Path) -> None:
    silent = some(tmp_path / "triggers.jsonl", lambda one: one["scenario"] == "approved", decisions=[])
    ended = run(triggers=silent, dir=tmp_path / "place", seconds=3)
    assert ended.returncode == 1
    assert ended.stderr.count("manual-approval waits for ") == 3
    assert "error: time is up, and 3 runs of 3 haven't ended; see " in ended.stderr


def test_an_engine_that_ends_by_itself_is_told_with_the_end_of_its_log(tmp_path: Path) -> None:
    with running(tmp_path / "place") as (demo, engine):
        os.kill(engine, signal.SIGKILL)
        _, said = demo.communicate(timeout=PATIENCE)
    assert demo.returncode == 1
    assert "engine_started" in said
    assert f"error: the engine ended by itself, by SIGKILL; its log is {tmp_path / 'place' / 'engine.log'}" in said


def test_a_demo_that_is_killed_takes_its_engine_along(tmp_path: Path) -> None:
    with running(tmp_path / "place") as (demo, engine):
        assert not is_gone(engine)
        demo.kill()
        until(lambda: is_gone(engine), "the engine has ended")


def test_a_demo_that_is_interrupted_leaves_neither_an_engine_nor_a_directory(tmp_path: Path) -> None:
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    started = subprocess.Popen(
        command(), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )
    with bounded(started) as demo:
        engine = engine_of(demo)
        demo.send_signal(signal.SIGINT)
        _, said = demo.communicate(timeout=PATIENCE)
    assert (demo.returncode, said) == (130, "")
    assert is_gone(engine)
    assert list(tmp_path.iterdir()) == []


def test_what_a_demo_cannot_begin_with_is_named(tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "something").touch()
    ended = run(dir=tmp_path / "full")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == f"error: {tmp_path / 'full'} isn't empty, and the demo begins with an empty store\n"
    ended = run(examples=tmp_path / "absent")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith(f"error: {tmp_path / 'absent' / 'workflows'} isn't there: the examples come with ")


def test_a_trigger_that_the_store_refuses_ends_the_demo(tmp_path: Path) -> None:
    triggers = some(tmp_path / "triggers.jsonl", is_quick, workflow="pipeline-handof")
    ended = run(triggers=triggers, dir=tmp_path / "place")
    assert ended.returncode == 1
    assert "'pipeline-handof' is not a saved workflow (did you mean 'pipeline-handoff'?)" in ended.stderr
