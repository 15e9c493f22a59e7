"""The client: starts runs through the store, and sees what becomes of them in the store's change feed.

It reads the feed only when the store says that it has grown, so that it takes little from the engine.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from time import monotonic, perf_counter, sleep
from typing import Any
from uuid import uuid4

from bench.engine import BenchError, Engine
from engine.documents import Workflow
from engine.run import JournalEntry
from engine.statuses import FINAL_RUN, RunStatus
from engine.transitions import Transition
from store.protocol import NewRun, Proposal, Store

_PATIENCE = 60.0  # seconds without any news
_STARTED_AT_ONCE = 100  # in one write, as a consumer of triggers does
_LOOK_SECONDS = 0.00025  # how often it asks for news of one run
_LOOK_SECONDS_OF_MANY = 0.005
_PAGE = 1000


class Client:
    """One client of one engine. Whatever isn't as it must be raises BenchError."""

    def __init__(self, store: Store, engine: Engine) -> None:
        self.engine = engine
        self._store = store
        self._position = store.position()
        self._statuses: dict[str, RunStatus] = {}  # of its own runs
        self._recorded: Counter[str] = Counter()  # transitions of its own runs, by type

    def save(self, name: str, tasks: Iterable[Mapping[str, Any]]) -> str:
        """Save a workflow that begins with the first task and ends with the last; its name."""
        tasks = list(tasks)
        dag = {"entrypoint": tasks[0]["name"], "exitpoints": [tasks[-1]["name"]], "tasks": tasks}
        return self._store.save_workflow(Workflow.model_validate({"name": name, "dag": dag})).name

    def start(self, workflow: str, number: int = 1) -> list[str]:
        """Start runs; their ids."""
        runs = [NewRun(uuid4().hex, workflow, {}) for _ in range(number)]
        self._statuses |= {run.id: RunStatus.PENDING for run in runs}
        for begin in range(0, number, _STARTED_AT_ONCE):
            for answer in self._store.create(runs[begin : begin + _STARTED_AT_ONCE]):
                if answer.outcome != "created":
                    raise BenchError(f"a run of {workflow} was not created: {answer}")
        return [run.id for run in runs]

    def propose(self, run: str, transition: Transition, by: str) -> None:
        """Record somebody's deed."""
        (answer,) = self._store.apply([Proposal(run, transition, by)])
        if not isinstance(answer.outcome, JournalEntry):
            raise BenchError(f"{transition} was not recorded: {answer.outcome}")

    def wait(self, runs: Sequence[str], status: RunStatus = RunStatus.SUCCESS) -> None:
        """Wait until all these runs have this status."""
        missing = {run for run in runs if self._statuses[run] is not status}
        last_news = monotonic()
        while missing:
            for run in self._news():
                last_news = monotonic()
                if self._statuses[run] is status:
                    missing.discard(run)
                elif run in missing and self._statuses[run] in FINAL_RUN:
                    raise BenchError(f"run {run} ended {self._statuses[run]}, not {status}")
            if missing:
                self.engine.check()
                if monotonic() - last_news > _PATIENCE:
                    raise BenchError(f"{len(missing)} runs don't get {status}: nothing happens{self.engine.words()}")
                sleep(_LOOK_SECONDS if len(runs) == 1 else _LOOK_SECONDS_OF_MANY)

    def _news(self) -> Iterable[str]:
        """The runs that something happened to; it is counted, and the statuses noted."""
        full = self._store.changed()
        while full:
            page = self._store.changes(self._position, limit=_PAGE)
            self._position = page.position
            full = len(page.changes) == _PAGE
            for change in page.changes:
                if change.entry is not None and change.id in self._statuses:
                    self._recorded[change.entry.type] += 1
                    self._statuses[change.id] = change.entry.status or self._statuses[change.id]
                    yield change.id

    def measure(self, workflow: str, number: int = 1) -> float:
        """Start runs and wait for their ends: the seconds from the first submission to the last visible end."""
        begin = perf_counter()
        self.wait(self.start(workflow, number))
        return perf_counter() - begin

    def expect(self, **recorded: int) -> None:
        """See that exactly these transitions were recorded since the last time: each done once, and none unclaimed."""
        if self._recorded != recorded:
            raise BenchError(f"expected exactly {recorded} to be recorded, found {dict(self._recorded)}")
        self._recorded.clear()

    def idle_cpu_pct(self, seconds: float) -> float:
        """The engine's use of one core, in per cent, while nothing happens and nobody asks."""
        sleep(min(3.0, seconds))  # until it has noticed
        before, begin = self.engine.cpu_seconds(), perf_counter()
        sleep(seconds)
        return 100 * (self.engine.cpu_seconds() - before) / (perf_counter() - begin)
