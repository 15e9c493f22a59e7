"""The demo's report: what the store says of every run, held against the script, its own journal, and the world.

store's feed ─► journals ─┐
store's runs ─────────────┼─► examine ─► Report ─► tables, or JSON
script, desk, outbox ─────┘

Each task has one result, in its journal as in its document. What it did outside is there, and nothing else is.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from math import ceil
from pathlib import Path
from typing import Any, Final, NamedTuple

from rich.table import Table
from rich.text import Text

from engine.draft import fold
from engine.run import JournalEntry, WorkflowRun
from engine.statuses import FINAL_TASK, RunStatus, TaskStatus
from icefloe.cli.drawing import STYLES
from icefloe.cli.wording import span
from icefloe.demo_people import PAGE, People, Trigger
from icefloe.demo_server import Ledger
from store.protocol import BEGINNING, Change, Store

_CREATED: Final = 201
_PARAGRAPHS: Final = frozenset({"decisions", "killed_at", "lost"})  # the figures that begin one
_NO_RESULTS: Final = frozenset({"TaskClaimed", "TaskReleased", "TaskLost"})  # all others with a token are results


class Crash(NamedTuple):
    """How many runs had `ended` when the engine was killed; when the next one was ready, and how far `behind`.

    That isn't known of one that reads what Kafka has kept for it.
    """

    ended: int
    seconds: float
    behind: int | None


@dataclass(slots=True)
class Report:
    """What there was, and `problems`: a sentence for each thing that isn't as it must be. Times are in seconds."""

    runs: Counter[RunStatus] = field(default_factory=Counter)
    tasks: Counter[TaskStatus] = field(default_factory=Counter)
    events: Counter[str] = field(default_factory=Counter)
    times: list[float] = field(default_factory=list)
    working: list[float] = field(default_factory=list)
    began: float = float("inf")
    ended: float = 0.0
    mails: int = 0
    effects: int = 0
    lost: int = 0
    twice: int = 0
    astray: int = 0
    otherwise: int = 0
    problems: list[str] = field(default_factory=list)


class Figure(NamedTuple):
    """One row: a count, or a float of seconds. `wanted` is what it must be, if it must be something."""

    key: str
    name: str
    value: int | float
    meaning: str
    wanted: int | None = None


class _History:
    """What the feed says of one run: its journal, and how often each call had a result and each task ended."""

    def __init__(self) -> None:
        self.journal: list[JournalEntry] = []
        self.results: Counter[tuple[str, str | int]] = Counter()  # by the token of the call, or the task's generation
        self.generation = 1

    def add(self, change: Change, entry: JournalEntry) -> None:
        """One more change."""
        self.journal.append(entry)
        self.generation += entry.type == "RunRetried"
        self.results.update((name, self.generation) for name, status in entry.tasks.items() if status in FINAL_TASK)
        told = change.transition or {}
        if "token" in told and told["type"] not in _NO_RESULTS:
            self.results[told["task"], told["token"]] += 1

    def working(self) -> float:
        """Seconds in which the run didn't only wait."""
        status, seconds = None, 0.0
        for entry, following in pairwise(self.journal):
            status = entry.status or status
            seconds += 0.0 if status is RunStatus.WAITING else following.at - entry.at
        return seconds


def examine(store: Store, script: Sequence[Trigger], ledger: Ledger, outbox: Path) -> Report:
    """Read all of the store, to which nobody may be writing, and compare."""
    report, histories, runs = Report(), _histories(store), store.load(trigger.id for trigger in script)
    for trigger in script:
        if trigger.id in runs:
            _examine_run(report, trigger, runs[trigger.id], histories.get(trigger.id, _History()))
        else:
            report.lost += len(trigger.expect.tasks)
            report.problems.append(f"{trigger.id}: the run is not in the store")
    if strangers := sum(store.counts().values()) - len(runs):
        report.problems.append(f"runs that nobody asked for: {strangers}")
    _examine_world(report, runs.values(), ledger, outbox)
    return report


def _histories(store: Store) -> dict[str, _History]:
    histories: dict[str, _History] = {}
    position, more = BEGINNING, True
    while more:
        page = store.changes(position, limit=PAGE)
        position, more = page.position, len(page.changes) == PAGE
        for change in page.changes:
            if change.entry is not None:
                histories.setdefault(change.id, _History()).add(change, change.entry)
    return histories


def _examine_run(report: Report, trigger: Trigger, run: WorkflowRun, history: _History) -> None:
    statuses = {name: task.status for name, task in run.tasks.items()}
    report.runs[run.status] += 1
    report.tasks.update(statuses.values())
    report.events.update(entry.type for entry in history.journal)
    report.began, report.ended = min(report.began, run.created_at), max(report.ended, run.updated_at)
    report.times.append(run.updated_at - run.created_at)
    report.working.append(history.working())

    twice = {task for (task, _), times in history.results.items() if times > 1}
    differences = list(_differences(trigger, run.status, statuses))
    report.lost += sum(status not in FINAL_TASK for status in statuses.values())
    report.twice += len(twice)
    report.otherwise += bool(differences)
    faults = [f"{task} has two results" for task in sorted(twice)] + differences
    if [entry.revision for entry in history.journal] != list(range(1, run.revision + 1)):
        faults.append(f"the feed hasn't each of its {run.revision} revisions once and in order")
    if fold(history.journal, run.tasks) != (statuses, run.status):
        faults.append("its journal leads to other statuses than its document has")
    decided = [(entry.task, entry.by) for entry in history.journal if entry.type == "SignalReceived"]
    if decided != [(cue.task, cue.sender) for cue in trigger.decisions]:
        faults.append("its journal has other decisions than the script")
    report.problems += (f"{run.id} ({trigger.workflow}, {trigger.scenario}): {fault}" for fault in faults)


def _differences(trigger: Trigger, status: RunStatus, statuses: Mapping[str, TaskStatus]) -> Iterator[str]:
    if status is not trigger.expect.status:
        yield f"the run is {status}, and should be {trigger.expect.status}"
    for name in {**statuses, **trigger.expect.tasks}:
        found, expected = statuses.get(name, "no task"), trigger.expect.tasks.get(name, "no task")
        if found != expected:
            yield f"{name} is {found}, and should be {expected}"


def _examine_world(report: Report, runs: Iterable[WorkflowRun], ledger: Ledger, outbox: Path) -> None:
    """Hold what tasks say they did against what was done, by the key that all attempts of a task share."""
    told: set[str] = set()
    for run in runs:
        for name, task in run.tasks.items():
            if task.status is TaskStatus.SUCCESS and isinstance(task.outputs, dict):
                told.update(f"mail {receipt['id'][1:33]}" for receipt in task.outputs.get("receipts", ()))
                if run.plan.tasks[name].spec.type == "HTTP_REQUEST" and task.outputs["status"] == _CREATED:
                    told.add(f"{run.id}/{name}/{task.generation}")
    mails = {f"mail {path.stem[-32:]}" for path in outbox.glob("*.eml")}
    done = mails | {effect.key for effect in ledger.effects}
    report.mails, report.effects = len(mails), len(done) - len(mails)
    astray = [f"{key} was recorded, but never done" for key in sorted(told - done)]
    astray += [f"{key} was done, but never recorded" for key in sorted(done - told)]
    astray += [f"{run}: its {kind} was made {times} times" for (kind, run), times in ledger.doubled().items()]
    report.astray = len(astray)
    report.problems += astray


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that this share of them doesn't exceed."""
    return sorted(values)[ceil(share * len(values)) - 1] if values else 0.0


def figures(report: Report, crash: Crash, people: People) -> Iterator[Figure]:
    """What was measured, counted and found wrong."""
    seconds = max(report.ended - report.began, 0.001)
    called = report.tasks.total() - report.tasks[TaskStatus.OMITTED]
    refused = ", ".join(f"{times} {code}" for code, times in sorted(people.refused.items()))
    yield Figure("wall_s", "all runs", seconds, "from the first trigger to the last end")
    yield Figure("tasks_s", "tasks per second", round(called / seconds), "omitted ones left out, all waiting included")
    for key, name, times in (("run", "run time", report.times), ("work", "without waits", report.working)):
        yield Figure(f"{key}_p50_s", f"{name}, p50", percentile(times, 0.5), "")
        yield Figure(f"{key}_p99_s", f"{name}, p99", percentile(times, 0.99), "")
    yield Figure("decisions", "decisions", people.accepted, "of people, accepted")
    yield Figure("refused", "decisions refused", people.refused.total(), refused)
    yield Figure("mails", "mails", report.mails, "in the outbox")
    yield Figure("effects", "tickets and posts", report.effects, "at the service desk")
    yield Figure("retried", "attempts retried", report.events["TaskRetried"], "the desk fails, is slow, and hangs")
    yield Figure("killed_at", "engine killed", crash.ended, f"runs had ended; ready again after {span(crash.seconds)}")
    if crash.behind is not None:
        yield Figure("replayed", "events replayed", crash.behind, "that the new engine had to read again")
    yield Figure("calls_lost", "calls lost", report.events["TaskLost"], "when it died; made again with the same key")
    yield Figure("lost", "results lost", report.lost, "tasks without a result", 0)
    yield Figure("twice", "recorded twice", report.twice, "tasks with two results, or calls with two", 0)
    yield Figure("astray", "effects astray", report.astray, "missing, unrecorded or doubled", 0)
    yield Figure("otherwise", "runs that differ", report.otherwise, "from the end that the script has for them", 0)


def document(report: Report, crash: Crash, people: People) -> dict[str, Any]:
    """All of it for programs."""
    numbers = {figure.key: round(figure.value, 4) for figure in figures(report, crash, people)}
    return {"runs": dict(report.runs), "tasks": dict(report.tasks), **numbers, "problems": report.problems}


def tables(report: Report, crash: Crash, people: People) -> tuple[Table, Table]:
    """All of it for people: runs and tasks by status, and the figures."""
    statuses = [status for status in TaskStatus if status in FINAL_TASK or report.tasks[status]]
    by_status, rest = (
        Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=first) for first in (True, False)
    )
    by_status.add_column()
    for status in statuses:
        by_status.add_column(Text(status, style=STYLES[status]), justify="right")
    by_status.add_column("all", justify="right")
    counted: tuple[tuple[str, Counter[Any]], ...] = (("runs", report.runs), ("tasks", report.tasks))
    for what, counts in counted:
        numbers = (f"{counts[status]:,}" if counts[status] else "" for status in statuses)
        by_status.add_row(what, *numbers, f"{sum(counts.values()):,}")
    rest.add_column()
    rest.add_column(justify="right", style="bold")
    rest.add_column(style="dim")
    for figure in figures(report, crash, people):
        if figure.key in _PARAGRAPHS:
            rest.add_row()
        value = span(figure.value) if isinstance(figure.value, float) else f"{figure.value:,}"
        style = "" if figure.wanted is None else "bold green" if figure.value == figure.wanted else "bold red"
        rest.add_row(figure.name, Text(value, style), figure.meaning)
    return by_status, rest
