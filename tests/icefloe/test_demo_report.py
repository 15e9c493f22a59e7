"""The demo's report finds what is wrong: a store, an outbox or a desk that was tampered with doesn't pass."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from engine.documents import Workflow
from engine.transitions import Signal, SignalReceived, TaskClaimed, TaskSucceeded, TaskSuspended, Wants
from icefloe.demo_people import People, Trigger
from icefloe.demo_report import Crash, Report, document, examine, percentile
from icefloe.demo_server import Ledger
from store.open import open_store
from store.protocol import NewRun, Proposal, Store

MAIL = "0123456789abcdef0123456789abcdef"
WORKFLOW = {
    "name": "ask-and-tell",
    "dag": {
        "entrypoint": "ask",
        "exitpoints": ["tell", "ticket"],
        "tasks": [
            {"name": "ask", "type": "APPROVAL"},
            {"name": "tell", "type": "NOTIFICATION", "depends": "ask"},
            {"name": "ticket", "type": "HTTP_REQUEST", "depends": "ask"},
            {"name": "rejected", "type": "NOOP", "depends": "ask.FAILED"},
        ],
    },
}
OUTPUTS: dict[str, Any] = {
    "ask": {"status": "approved"},
    "tell": {"receipts": [{"recipient": "ada", "channel": "outbox", "id": f"<{MAIL}@icefloe>"}]},
    "ticket": {"status": 201, "headers": {}, "body": {"ticket": "DESK-1001"}},
}


def trigger(run: str = "run-1", **ends: str) -> Trigger:
    tasks = {"ask": "SUCCESS", "tell": "SUCCESS", "ticket": "SUCCESS", "rejected": "OMITTED"}
    status = ends.pop("status", "SUCCESS")
    return Trigger.model_validate(
        {
            "id": run,
            "workflow": "ask-and-tell",
            "scenario": "agreed",
            "inputs": {},
            "requested_by": "ada",
            "expect": {"status": status, "tasks": tasks | ends},
            "decisions": [{"task": "ask", "as": "olga", "decision": "approve"}],
        }
    )


class World:
    """A store with one finished run, and what it did outside."""

    def __init__(self, place: Path) -> None:
        self.file = place / "icefloe.db"
        self.outbox = place / "outbox"
        self.ledger = Ledger()
        self.outbox.mkdir()
        (self.outbox / f"ada-{MAIL}.eml").touch()
        self.ledger.post("ticket", "run-1/ticket/1", "run-1", {})
        with closing(open_store(f"sqlite:///{self.file}")) as store:
            store.save_workflow(Workflow.model_validate(WORKFLOW))
            store.create([NewRun("run-1", "ask-and-tell", {}, requested_by="ada")])
            self._ask(store)
            for task in ("tell", "ticket"):
                self._call(store, task)

    def _ask(self, store: Store) -> None:
        token, wants = "t-ask", Wants(senders=("olga",), closes={"approve": 1})
        signal = SignalReceived("ask", Signal("s", 1, "olga", {"decision": "approve"}))
        store.apply([Proposal("run-1", TaskClaimed("ask", token, "engine", 1, 0, 1, "main"))])
        store.apply([Proposal("run-1", TaskSuspended("ask", token, wants=wants))])
        store.apply([Proposal("run-1", signal, by="olga")])
        self._call(store, "ask")

    def _call(self, store: Store, task: str) -> None:
        claim = TaskClaimed(task, f"t-{task}", "engine", 1, 0, 1, "main")
        if task == "ask":
            claim = claim._replace(token=f"t-{task}-decided", step=1, phase="signal", signal="s")
        done = TaskSucceeded(task, claim.token, OUTPUTS[task])
        store.apply([Proposal("run-1", claim), Proposal("run-1", done)])

    def tamper(self, sql: str) -> None:
        with closing(sqlite3.connect(self.file)) as database:
            assert database.execute(sql).rowcount == 1
            database.commit()

    def examine(self, *script: Trigger) -> Report:
        with closing(open_store(f"sqlite:///{self.file}", create=False)) as store:
            return examine(store, script or (trigger(),), self.ledger, self.outbox)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_a_run_that_is_as_the_script_has_it_passes(world: World) -> None:
    report = world.examine()
    assert report.problems == []
    assert (report.lost, report.twice, report.astray, report.otherwise) == (0, 0, 0, 0)
    assert (report.runs, report.tasks) == ({"SUCCESS": 1}, {"SUCCESS": 3, "OMITTED": 1})
    assert (report.mails, report.effects) == (1, 1)


def test_a_run_that_is_missing_loses_all_its_results(world: World) -> None:
    report = world.examine(trigger(), trigger("run-2"))
    assert report.problems == ["run-2: the run is not in the store"]
    assert report.lost == 4


def test_a_run_that_nobody_asked_for_is_found(world: World) -> None:
    with closing(open_store(f"sqlite:///{world.file}")) as store:
        store.create([NewRun("stranger", "ask-and-tell", {})])
    assert world.examine().problems == ["runs that nobody asked for: 1"]


def test_a_task_without_a_result_is_lost(world: World) -> None:
    world.tamper("UPDATE tasks SET state = '{}' WHERE name = 'tell'")
    report = world.examine()
    assert (report.lost, report.otherwise) == (1, 1)
    assert "run-1 (ask-and-tell, agreed): tell is PENDING, and should be SUCCESS" in report.problems
    assert "run-1 (ask-and-tell, agreed): its journal leads to other statuses than its document has" in report.problems


AGAIN = """
INSERT INTO changes (run, revision, at, writer, entry, transition)
SELECT run, (SELECT max(revision) + 1 FROM changes WHERE run IS NOT NULL), at, writer, {entry}, transition FROM changes
WHERE transition ->> 'type' = '{type}' AND transition ->> 'task' = '{task}'"""


@pytest.mark.parametrize(
    ("kind", "task", "entry"),
    [
        ("TaskSucceeded", "tell", "entry"),  # the task ended twice
        ("TaskSucceeded", "tell", "json_set(entry, '$[4]', json('{}'))"),  # a call had a second result
        ("TaskSuspended", "ask", "json_set(entry, '$[4]', json('{}'), '$[5]', null)"),
    ],
)
def test_a_result_that_was_recorded_twice_is_found(world: World, kind: str, task: str, entry: str) -> None:
    world.tamper(AGAIN.format(entry=entry, type=kind, task=task))
    world.tamper("UPDATE runs SET revision = revision + 1")
    report = world.examine()
    assert report.twice == 1
    assert report.problems == [f"run-1 (ask-and-tell, agreed): {task} has two results"]


def test_a_gap_in_the_feed_is_found(world: World) -> None:
    world.tamper("DELETE FROM changes WHERE transition ->> 'type' = 'TaskClaimed' AND transition ->> 'task' = 'tell'")
    (problem,) = world.examine().problems
    assert "revisions once and in order" in problem


def test_another_end_than_the_script_has_is_found(world: World) -> None:
    report = world.examine(trigger(status="FAILED", tell="SKIPPED"))
    assert report.otherwise == 1
    assert [problem.partition("): ")[2] for problem in report.problems] == [
        "the run is SUCCESS, and should be FAILED",
        "tell is SUCCESS, and should be SKIPPED",
    ]


def test_a_decision_of_somebody_else_is_found(world: World) -> None:
    world.tamper("UPDATE changes SET entry = json_set(entry, '$[3]', 'mallory') WHERE entry ->> 0 = 'SignalReceived'")
    assert world.examine().problems == ["run-1 (ask-and-tell, agreed): its journal has other decisions than the script"]


def unsent(world: World) -> None:
    (world.outbox / f"ada-{MAIL}.eml").unlink()


def unrecorded(world: World) -> None:
    (world.outbox / f"ada-{'f' * 32}.eml").touch()


def unopened(world: World) -> None:
    world.ledger = Ledger()


def opened_for_nobody(world: World) -> None:
    world.ledger.post("post", "run-9/ticket/1", "run-9", {})


@pytest.mark.parametrize(
    ("tamper", "problem"),
    [
        (unsent, f"mail {MAIL} was recorded, but never done"),
        (unrecorded, f"mail {'f' * 32} was done, but never recorded"),
        (unopened, "run-1/ticket/1 was recorded, but never done"),
        (opened_for_nobody, "run-9/ticket/1 was done, but never recorded"),
    ],
)
def test_effects_that_are_astray_are_found(world: World, tamper: Callable[[World], None], problem: str) -> None:
    tamper(world)
    report = world.examine()
    assert report.problems == [problem]
    assert report.astray == 1


def test_an_effect_that_was_had_twice_is_found(world: World) -> None:
    world.ledger.post("ticket", "run-1/ticket/2", "run-1", {})
    assert world.examine().problems == [
        "run-1/ticket/2 was done, but never recorded",
        "run-1: its ticket was made 2 times",
    ]


@pytest.fixture
def people(world: World) -> Iterator[People]:
    with closing(open_store(f"sqlite:///{world.file}")) as store:
        yield People(store, ())


def test_the_json_form_has_what_the_table_has(world: World, people: People) -> None:
    told = document(world.examine(trigger(), trigger("run-2")), Crash(7, 0.5, 42), people)
    assert (told["runs"], told["killed_at"], told["replayed"], told["lost"]) == ({"SUCCESS": 1}, 7, 42, 4)
    assert told["problems"] == ["run-2: the run is not in the store"]


def test_the_p99_is_the_value_that_99_of_100_do_not_exceed() -> None:
    values = [float(number) for number in range(100, 0, -1)]
    assert (percentile(values, 0.5), percentile(values, 0.99), percentile(values, 1)) == (50.0, 99.0, 100.0)
    assert percentile([3.0], 0.99) == 3.0
    assert percentile([], 0.5) == 0.0
