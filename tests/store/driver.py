"""Plays engines and people against a store in a few words, and checks what must hold of any store at any time."""

from collections.abc import Iterable, Mapping
from time import monotonic, sleep
from typing import Any

from engine.asked import group_key, person_key, waiting_for
from engine.documents import Workflow
from engine.draft import fold
from engine.machine import Dispatch, ready
from engine.run import JournalEntry, WorkflowRun
from engine.statuses import FINAL_RUN, RunStatus
from engine.transitions import (
    Error,
    RunWoken,
    Signal,
    SignalReceived,
    TaskFailed,
    TaskSucceeded,
    TaskSuspended,
    Transition,
)
from store.protocol import (
    BEGINNING,
    Change,
    Creation,
    NewRun,
    Position,
    Proposal,
    Recorded,
    RunQuery,
    RunSummary,
    Store,
)
from store.seals import flaws

START = 1_000_000.0
PATIENCE = 60.0
WOKEN = RunWoken()
ALIVE = RunQuery(statuses=frozenset(RunStatus) - FINAL_RUN)


class Clock:
    """A clock that tests move."""

    def __init__(self) -> None:
        self.time = START

    def __call__(self) -> float:
        return self.time

    def pass_(self, seconds: float) -> None:
        self.time += seconds


def workflow(*lines: str, name: str = "w", retry: Mapping[str, Any] | None = None, **fields: Any) -> Workflow:
    """A workflow of NOOP tasks, each given as `name` or `name: depends`; its exit point is the last one."""
    parts = [line.partition(":") for line in lines or ("a", "b: a", "c: b")]
    tasks = [{"name": task, "type": "NOOP", "depends": depends.strip(), "retry": retry} for task, _, depends in parts]
    dag = {
        "entrypoint": [task["name"] for task in tasks if not task["depends"]],
        "exitpoints": [tasks[-1]["name"]],
        "tasks": tasks,
    }
    return Workflow.model_validate({"name": name, "dag": dag, **fields})


class Player:
    """An engine with its own store object, and the people who use it."""

    def __init__(self, store: Store, owner: str = "engine-1") -> None:
        self.store = store
        self.owner = owner
        self._tokens = 0

    def start(self, id_: str = "r", inputs: Mapping[str, Any] | None = None, **fields: Any) -> WorkflowRun:
        """Start a run of the workflow `w`, which must work."""
        creation = self.create(id_, inputs, **fields)
        assert creation.run is not None, creation.faults
        return creation.run

    def create(self, id_: str = "r", inputs: Mapping[str, Any] | None = None, **fields: Any) -> Creation:
        [creation] = self.store.create([NewRun(id_, fields.pop("workflow", "w"), inputs or {}, **fields)])
        return creation

    def run(self, id_: str = "r") -> WorkflowRun:
        return self.store.load([id_])[id_]

    def propose(
        self, transition: Transition, id_: str = "r", *, by: str | None = None, durable: bool = True
    ) -> Recorded:
        [recorded] = self.store.apply([Proposal(id_, transition, by)], durable=durable)
        return recorded

    def do(self, transition: Transition, id_: str = "r", *, by: str | None = None, durable: bool = True) -> WorkflowRun:
        """Propose a transition that must be recorded."""
        recorded = self.propose(transition, id_, by=by, durable=durable)
        assert isinstance(recorded.outcome, JournalEntry), recorded.outcome
        assert recorded.run is not None
        return recorded.run

    def dispatch(self, task: str, id_: str = "r") -> Dispatch:
        """The call of a task that must be ready."""
        return next(one for one in ready(self.run(id_)) if one.task == task)

    def claim(self, task: str, id_: str = "r") -> str:
        """Claim a task that must be ready; the token."""
        self._tokens += 1
        token = f"{self.owner}/{self._tokens}"
        self.do(self.dispatch(task, id_).claim(token, self.owner), id_, durable=False)
        return token

    def succeed(self, task: str, id_: str = "r", outputs: object = None) -> WorkflowRun:
        return self.do(TaskSucceeded(task, self.claim(task, id_), outputs), id_)

    def fail(self, task: str, id_: str = "r", **fields: Any) -> WorkflowRun:
        return self.do(TaskFailed(task, self.claim(task, id_), Error("BROKEN", "it broke"), **fields), id_)

    def suspend(self, task: str, id_: str = "r", **fields: Any) -> WorkflowRun:
        return self.do(TaskSuspended(task, self.claim(task, id_), **fields), id_)

    def signal(self, task: str, signal: str, id_: str = "r", data: object = None) -> Recorded:
        return self.propose(
            SignalReceived(task, Signal(signal, self.run(id_).generation, "olga", data)), id_, by="olga"
        )

    def finish(self, id_: str = "r") -> WorkflowRun:
        """Let every task that becomes ready succeed."""
        run = self.run(id_)
        while calls := ready(run):
            run = self.succeed(calls[0].task, id_)
        return run


def values(run: WorkflowRun) -> WorkflowRun:
    """A run that can be compared with the same run elsewhere: without its compiled workflow and the store's seal."""
    return run._replace(plan=None, seal=None)  # type: ignore[arg-type] # for comparisons alone


def states(store: Store, ids: Iterable[str]) -> dict[str, WorkflowRun]:
    """How runs stand, as far as a store object must know it at once."""
    return {id_: untimed(run) for id_, run in store.load(ids).items()}


def untimed(run: WorkflowRun) -> WorkflowRun:
    """A run without when it is due: that another process put it off, or made it due, counts only when it is woken."""
    return values(run)._replace(wake_at=None, heal=0)


def check(store: Store) -> None:
    """What must hold: the feed told each change once, journals are whole, and say what the runs and all lists say."""
    told: dict[str, list[JournalEntry]] = {}
    asked: set[str] = set()
    position, page = BEGINNING, store.changes(BEGINNING, limit=7)
    while page.changes:
        positions = [change.position for change in page.changes]
        assert positions == sorted(set(positions))
        assert positions[0] > position
        for change in page.changes:
            if change.entity == "run":
                assert change.entry is not None
                assert (change.document is not None) == (change.revision == 1)
                told.setdefault(change.id, []).append(change.entry)
                asked |= _asked_by(change)
        position = page.position
        page = store.changes(position, limit=7)
    assert page.position <= store.position()
    found = {tenant: everything(store, tenant) for tenant in ("default", "other")}
    summaries = {summary.id: summary for summaries in found.values() for summary in summaries}
    for id_, run in store.load(told).items():
        journal = store.journal(id_)
        assert journal == told[id_]
        assert flaws(run, store.sealed(id_)) == []
        assert [entry.revision for entry in journal] == list(range(1, run.revision + 1))
        assert fold(journal, run.tasks) == ({name: task.status for name, task in run.tasks.items()}, run.status)
        summary = summaries[id_]
        assert (summary.status, summary.error, summary.finished_at) == (run.status, run.error, run.finished_at)
    assert sorted(one.id for summaries in found.values() for one in summaries) == sorted(told)
    for tenant in found:
        asking = {id_: waiting_for(run) for id_, run in store.load(told).items() if run.tenant == tenant}
        for who in asked.union(*asking.values()):
            found_waiting = {one.id for one in everything(store, tenant, waiting_for=frozenset({who}))}
            assert found_waiting == {id_ for id_, people in asking.items() if who in people}


def _asked_by(change: Change) -> set[str]:
    """Everybody whom a task may ask from this change on."""
    transition = change.transition or {}
    wants = transition.get("wants") or {}
    people = [*(wants.get("senders") or ()), *([transition["to"]] if "to" in transition else ())]
    return {*map(person_key, people), *map(group_key, wants.get("groups") or ())}


def news(store: Store, after: Position, *, excluding: str | None = None) -> list[Change]:
    """The changes after a position. A feed may tell them a moment after they were written."""
    deadline = monotonic() + PATIENCE
    page = store.changes(after, excluding=excluding)
    while not page.changes:
        assert monotonic() < deadline, "nothing was told"
        sleep(0.01)
        page = store.changes(page.position, excluding=excluding)
    return page.changes


def everything(store: Store, tenant: str | None = "default", **query: Any) -> list[RunSummary]:
    """All runs of a tenant, page by page."""
    found: list[RunSummary] = []
    cursor = None
    while True:
        page = store.find(RunQuery(tenant, **{"limit": 50, **query}, cursor=cursor))
        found += page.runs
        cursor = page.cursor
        if cursor is None:
            return found
