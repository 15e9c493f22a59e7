"""The client: starts runs, and sees what becomes of them in the store's change feed.

It reads the feed only when the store says that it has grown, so that it takes little from the engine.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from time import monotonic, perf_counter, process_time, sleep
from typing import Any
from uuid import uuid4

from bench.figures import Figures
from bench.place import Place
from bench.processes import BenchError
from engine.documents import Workflow
from engine.run import JournalEntry, WorkflowRun
from engine.statuses import FINAL_RUN, RunStatus
from engine.transitions import Transition
from store.protocol import Change, NewRun, Proposal

_PATIENCE = 60.0  # seconds without any news
_STARTED_AT_ONCE = 100  # in one write, as a consumer of triggers does
_LOOK_SECONDS = 0.00025  # how often it asks for news of one run
_LOOK_SECONDS_OF_MANY = 0.005
_PAGE = 1000
_PROMPT_SECONDS = 0.5  # what one no-op may take on an engine that hears of changes
_PROMPT_IN_A_ROW = 3
_TRIES = 60


class Client:
    """One client of one engine. Whatever isn't as it must be raises BenchError."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self._store = place.store
        self._position = self._store.position()
        self._statuses: dict[str, RunStatus] = {}  # of its own runs
        self._adopted: set[str] = set()  # workflows whose runs are its own, whoever starts them
        self._arrived: list[str] = []  # such runs that nobody has asked for yet
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

    def adopt(self, workflow: str) -> None:
        """From now on the runs of this workflow are the client's own, whoever starts them."""
        self._adopted.add(workflow)

    def arrival(self) -> str:
        """Wait until one run of an adopted workflow has been started; its id."""
        for _ in self._watch(_LOOK_SECONDS, lambda: "no run is started"):
            if self._arrived:
                break
        arrived, self._arrived = self._arrived, []
        if len(arrived) != 1:
            raise BenchError(f"{len(arrived)} runs were started by one message")
        return arrived[0]

    def wait(self, runs: Sequence[str], status: RunStatus = RunStatus.SUCCESS) -> None:
        """Wait until all these runs have this status."""
        missing = {run for run in runs if self._statuses[run] is not status}
        pause = _LOOK_SECONDS if len(runs) == 1 else _LOOK_SECONDS_OF_MANY
        watch = self._watch(pause, lambda: f"{len(missing)} runs don't get {status}")
        while missing:
            for run in next(watch):
                if self._statuses[run] is status:
                    missing.discard(run)
                elif run in missing and self._statuses[run] in FINAL_RUN:
                    raise BenchError(f"run {run} ended {self._statuses[run]}, not {status}")

    def _watch(self, pause: float, complaint: Callable[[], str]) -> Iterator[list[str]]:
        """Look for news, again and again, and give the runs that something happened to."""
        last_news = monotonic()
        while True:
            news = self._news()
            if news:
                last_news = monotonic()
            yield news
            for process in self.place.processes:
                process.check()
            if monotonic() - last_news > _PATIENCE:
                words = "".join(process.words() for process in self.place.processes)
                raise BenchError(f"{complaint()}: nothing happens{words}")
            sleep(pause)

    def _news(self) -> list[str]:
        """The runs that something happened to; it is counted, and the statuses noted."""
        news: list[str] = []
        full = self._store.changed()
        while full:
            page = self._store.changes(self._position, limit=_PAGE)
            self._position = page.position
            full = len(page.changes) == _PAGE
            for change in page.changes:
                if change.entry is not None and self._owns(change):
                    self._recorded[change.entry.type] += 1
                    self._statuses[change.id] = change.entry.status or self._statuses[change.id]
                    news.append(change.id)
        return news

    def _owns(self, change: Change) -> bool:
        if change.id in self._statuses:
            return True
        if (
            change.document is None
            or change.entity != "run"
            or change.document["workflow"]["name"] not in self._adopted
        ):
            return False
        self._statuses[change.id] = RunStatus.PENDING
        self._arrived.append(change.id)
        return True

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

    def warm_up(self) -> None:
        """Run no-ops until the engine hears of changes; what it missed at its start it finds late."""
        workflow = self.save("bench-begin", [{"name": "begin", "type": "NOOP"}])
        number = prompt = 0
        while prompt < _PROMPT_IN_A_ROW and number < _TRIES:  # if they never are prompt, the figures will show it
            number += 1
            prompt = prompt + 1 if self.measure(workflow) < _PROMPT_SECONDS else 0
        self.expect(RunCreated=number, TaskClaimed=number, TaskSucceeded=number)

    def document(self, run: str) -> WorkflowRun:
        """A run as it stands."""
        return self._store.load([run])[run]

    def cpu_seconds(self) -> dict[str, float]:
        """The CPU time that each process of Icefloe has used, and this one."""
        return {process.name: process.cpu_seconds() for process in self.place.processes} | {"client": process_time()}

    def idle_cpu_pct(self, seconds: float) -> Figures:
        """Each process's use of one core, in per cent, while nothing happens and nobody asks."""
        sleep(min(3.0, seconds))  # until they have noticed
        before, begin = self.cpu_seconds(), perf_counter()
        sleep(seconds)
        after, took = self.cpu_seconds(), perf_counter() - begin
        return {
            f"{one.name}_cpu_pct": 100 * (after[one.name] - before[one.name]) / took for one in self.place.processes
        }
