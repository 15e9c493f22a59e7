"""A scene: a folder with a store, a ledger and gates, the engines that work on it, and what must hold at its end."""

import sqlite3
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from contextlib import AbstractContextManager, closing, suppress
from itertools import count
from math import inf
from pathlib import Path
from time import sleep
from typing import Any

from engine.documents import Workflow
from engine.run import JournalEntry, WorkflowRun
from engine.statuses import FINAL_RUN, TaskStatus
from engine.transitions import RunCancelled, RunRetried, Signal, SignalReceived, Transition
from store.open import open_store
from store.protocol import BEGINNING, Change, NewRun, Proposal, Recorded
from tests.acceptance.engines import PATIENCE, Engine, running, until
from tests.acceptance.ledger_blocks import Effect, gate_of, read
from tests.acceptance.surroundings import Surroundings
from tests.engine.invariants import violations

RESULTS = frozenset({"TaskSucceeded", "TaskFailed", "TaskSkipped", "TaskTimedOut"})
WITH_TEST_BLOCKS = ("-m", "tests.acceptance.engine_with_test_blocks")
CLOCKS_APART = 0.5  # seconds, from what a block takes for the time to what a remote store does
LEDGERS = frozenset({"LEDGER", "LEDGER_ASYNC", "GATE"})


def task(name: str, type_: str = "NOOP", depends: str | None = None, **fields: Any) -> dict[str, Any]:
    """A task; what isn't a field of tasks is an argument."""
    document: dict[str, Any] = {"name": name, "type": type_, "depends": depends}
    document |= {key: fields.pop(key) for key in ("retry", "timeout", "allow_failure") if key in fields}
    return {**document, "arguments": fields}


def chain(*names: str, type_: str = "NOOP", **fields: Any) -> list[dict[str, Any]]:
    """Tasks that follow one another."""
    return [task(name, type_, before, **fields) for name, before in zip(names, (None, *names[:-1]), strict=True)]


class Scene:
    """One store and all that happens on it. Engines get short leases, unless a test says otherwise."""

    def __init__(self, folder: Path, surroundings: Surroundings) -> None:
        self.folder = folder
        self.file = folder / "icefloe.db"  # if it is that kind of store
        self.surroundings = surroundings
        self.url = surroundings.store
        self.store = open_store(self.url)
        self._logs = count(1)
        self._signals = count(1)

    def engine(self, *command: str, await_start: bool = True, **settings: object) -> AbstractContextManager[Engine]:
        """Start an engine on this store; it is killed at the end of the `with`.

        It has the blocks for tests, unless `command` is what Python should run instead.
        """
        there = {"store": self.url, "events": self.surroundings.events, **self.surroundings.settings}
        given = {**there, "ledger": self.folder, "lease": 2, "drain": 10, **settings}
        log = self.folder / f"engine-{next(self._logs)}.log"
        return running(command or WITH_TEST_BLOCKS, given, log, await_start=await_start)

    def freeze(self, engine: Engine) -> None:
        """Stop an engine in the middle of whatever it does, but for a write to a file: that would lock it for all."""
        engine.freeze()
        while self.url.startswith("sqlite:") and self._is_locked():
            engine.thaw()
            sleep(0.005)
            engine.freeze()

    def _is_locked(self) -> bool:
        with closing(sqlite3.connect(self.file, timeout=1, isolation_level=None)) as connection:
            try:
                connection.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError:
                return True
            connection.execute("ROLLBACK")
            return False

    # What people do.

    def save(self, *tasks: dict[str, Any], name: str = "w", exits: Iterable[str] = (), **fields: Any) -> Workflow:
        """Save a workflow; its exit point is the last task, unless it is given."""
        dag = {
            "entrypoint": [one["name"] for one in tasks if not one["depends"]],
            "exitpoints": list(exits) or [tasks[-1]["name"]],
            "tasks": list(tasks),
        }
        return self.store.save_workflow(Workflow.model_validate({"name": name, "dag": dag, **fields}))

    def start(self, *ids: str, workflow: str = "w") -> None:
        """Start runs, which must be accepted."""
        for answer in self.store.create([NewRun(id_, workflow, {}) for id_ in ids]):
            assert answer.outcome == "created", answer.faults

    def decide(self, run_id: str, task_: str, decision: str, by: str = "olga") -> Recorded:
        """Send an approver's decision."""
        signal = Signal(f"signal-{next(self._signals)}", 1, by, {"decision": decision})
        [answer] = self.store.apply([Proposal(run_id, SignalReceived(task_, signal), by)])
        return answer

    def cancel(self, run_id: str) -> None:
        self._propose(run_id, RunCancelled())

    def retry(self, run_id: str) -> None:
        self._propose(run_id, RunRetried(self.run(run_id).generation))

    def _propose(self, run_id: str, transition: Transition) -> None:
        [answer] = self.store.apply([Proposal(run_id, transition, "olga")])
        assert isinstance(answer.outcome, JournalEntry), answer.outcome

    def open_gate(self, name: str) -> None:
        """Let pass who waits at a gate."""
        gate_of(self.folder, name).touch()

    # How things stand.

    def run(self, id_: str) -> WorkflowRun:
        return self.store.load([id_])[id_]

    def effects(self) -> list[Effect]:
        """The ledger."""
        return read(self.folder)

    def unfinished(self, ids: Collection[str] | None = None) -> list[str]:
        """The runs (of these) that haven't ended."""
        if ids is not None:
            return [run.id for run in self.store.load(ids).values() if not run.is_final]
        counts = self.store.counts()
        return [f"{number} {status}" for status, number in counts.items() if status not in FINAL_RUN]

    def await_end(self, ids: Collection[str] | None = None, within: float = PATIENCE) -> None:
        """Wait until all runs (or these) have ended.

        Something must happen all the while, sooner than a run that was forgotten would be looked at again.
        """
        happened = -1
        while self.unfinished(ids) and happened != (happened := len(self.changes())):
            with suppress(AssertionError):
                until(lambda: not self.unfinished(ids), "all runs have ended", within)
        assert not self.unfinished(ids), f"nothing happened for {within:g} s; still: {self.unfinished(ids)[:10]}"

    def await_sharing(self, *engines: Engine) -> None:
        """Wait until each of these engines has its share of the runs."""
        until(lambda: len(self.store.owners()) == len(engines), "all are there")
        if self.surroundings.relay is not None:
            until(lambda: all(map(_partitions, engines)), "each reads some partitions", within=60)

    def await_effects(self, number: int) -> None:
        """Wait until the ledger has so many lines."""
        until(lambda: len(self.effects()) >= number, f"the ledger has {number} lines")

    def changes(self) -> list[Change]:
        """The whole feed of runs."""
        found: list[Change] = []
        page = self.store.changes(BEGINNING)
        while page.changes:
            found += [change for change in page.changes if change.entity == "run"]
            page = self.store.changes(page.position)
        return found

    # What must hold at the end, whatever happened.

    def check(self, acknowledged: Iterable[str] = ()) -> dict[str, list[JournalEntry]]:
        """Nothing accepted is lost, journals and documents agree, each result is recorded once; gives the journals."""
        journals: dict[str, list[JournalEntry]] = defaultdict(list)
        for change in self.changes():
            if change.entry is not None:
                journals[change.id].append(change.entry)
        runs = self.store.load(journals)
        assert set(acknowledged) <= set(journals) == set(runs)
        for id_, run in runs.items():
            assert violations(run, journals[id_]) == [], id_
            _check_calls(id_, journals[id_])
        self._check_ledger(runs, journals)
        return journals

    def _check_ledger(self, runs: Mapping[str, WorkflowRun], journals: Mapping[str, list[JournalEntry]]) -> None:
        """Every success had an effect, and no call began for a task that was known to be finished."""
        effects: dict[str, list[Effect]] = defaultdict(list)
        for effect in self.effects():
            effects[effect.key].append(effect)
        for id_, run in runs.items():
            ended = {entry.task: entry.at for entry in journals[id_] if entry.type in RESULTS}
            for name, state in run.tasks.items():
                if run.plan.tasks[name].spec.type in LEDGERS:
                    found = effects.get(f"{id_}/{name}/{state.generation}", [])
                    assert found or state.status is not TaskStatus.SUCCESS, f"{id_}/{name} succeeded without an effect"
                    latest = ended.get(name, inf) + (0 if self.surroundings.is_embedded else CLOCKS_APART)
                    assert all(one.at <= latest for one in found), f"{id_}/{name} began after its end"


def _partitions(engine: Engine) -> int:
    """How many partitions of the changes an engine reads."""
    moves = [
        event["now"] for event in engine.events() if str(event.get("group")).endswith(".engines") and "now" in event
    ]
    return moves[-1] if moves else 0


def _check_calls(id_: str, journal: list[JournalEntry]) -> None:
    """Each claim is closed before the next one, and one result ends a task in each generation."""
    claimed: set[str] = set()
    ended: set[str] = set()
    for entry in journal:
        place = f"{id_}/{entry.task} at revision {entry.revision}"
        if entry.type == "RunRetried":
            ended.clear()
        claimed -= {name for name, status in entry.tasks.items() if status is not TaskStatus.RUNNING}
        if entry.type == "TaskClaimed":
            assert entry.task not in claimed | ended, f"{place} was claimed twice"
            claimed.add(entry.task or "")
        elif entry.type in RESULTS:
            assert entry.task not in ended, f"{place} ended twice"
            ended.add(entry.task or "")
