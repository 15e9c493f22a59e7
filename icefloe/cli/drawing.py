"""Drawing a run for people: its header, and a line a task in the order in which they can run, with what matters below.

↷ low-risk   CONDITION     SKIPPED   12 ms
    'high' == 'low' is false
✓ look-up    HTTP_REQUEST  SUCCESS   85 ms
    outputs {"status": 200, "headers": {"content-type": "application/json"}, "body": {"owner": "ol…
◐ ask        APPROVAL      WAITING   3 min
    waits for olga to decide · since 16:40:11 · until 2026-11-29 16:40:11 (in 6 d 23 h)
○ tell       NOTIFICATION  PENDING
    waits for ask.SUCCESS
"""

import json
from collections import Counter
from collections.abc import Container, Iterator, Mapping, Sequence
from heapq import heappop, heappush
from typing import Any, Final

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from engine.durations import parse_moment
from engine.explain import Explanation, explain, why_omitted
from engine.run import JournalEntry, TaskState, WorkflowRun
from engine.statuses import FINAL_TASK, TaskStatus
from icefloe.cli.sayings import said_of_run, said_of_task
from icefloe.cli.tables import cell
from icefloe.cli.wording import ago, moment, printable, shortened, span

STYLES: Final = {
    "PENDING": "dim",
    "RUNNING": "blue",
    "WAITING": "yellow",
    "PAUSED": "yellow",
    "SUCCESS": "green",
    "FAILED": "red",
    "TIMED_OUT": "red",
    "SKIPPED": "cyan",
    "OMITTED": "dim",
    "CANCELLED": "magenta",
}
_MARKS: Final = {
    TaskStatus.PENDING: "○",
    TaskStatus.RUNNING: "●",
    TaskStatus.WAITING: "◐",
    TaskStatus.SUCCESS: "✓",
    TaskStatus.FAILED: "✗",
    TaskStatus.TIMED_OUT: "✗",
    TaskStatus.SKIPPED: "↷",
    TaskStatus.OMITTED: "·",
    TaskStatus.CANCELLED: "✗",
}
_STATUS_WIDTH: Final = max(map(len, TaskStatus))
_TIMES_WIDTH: Final = 30
_MOST_TEXT: Final = 600
_INDENT: Final = "    "


def draw_run(
    console: Console,
    run: WorkflowRun,
    at: float,
    types: Container[str] | None = None,
    journal: Sequence[JournalEntry] = (),
) -> Iterator[Text]:
    """The lines of a run as it stands at the moment `at`, wrapped to the console's width."""
    explained = {one.task: one for one in explain(run, at, types, journal)}
    yield from _header(console, run, at, explained.get(None), said_of_run(run, journal, at))
    yield Text()
    yield from _draw_tasks(console, run, at, list(_in_order(run)), explained, journal)


def draw_briefly(
    console: Console, run: WorkflowRun, at: float, types: Container[str] | None, most: int
) -> Iterator[Text]:
    """A run in so many lines at most: where they aren't enough, only the tasks that something is up with."""
    if len(run.tasks) < most:
        lines = list(draw_run(console, run, at, types))
        if len(lines) <= most:
            yield from lines
            return
    explained = {one.task: one for one in explain(run, at, types)}
    busy = [
        name
        for name, task in run.tasks.items()
        if task.status is TaskStatus.RUNNING or (name in explained and explained[name].kind != "tasks")
    ]
    counts = Counter(task.status for task in run.tasks.values())
    parts = (Text(f"{counts[one]:,} {one}", STYLES[one]) for one in TaskStatus if counts[one])
    summary = _label("tasks") + Text(", ").join(parts)
    lines = [*_header(console, run, at, explained.get(None)), summary, Text()]
    lines += _draw_tasks(console, run, at, busy[:most], explained)
    yield from lines[:most]


def _draw_tasks(  # noqa: PLR0913, PLR0917 - what is drawn, and how
    console: Console,
    run: WorkflowRun,
    at: float,
    names: Sequence[str],
    explained: Mapping[str | None, Explanation],
    journal: Sequence[JournalEntry] = (),
) -> Iterator[Text]:
    types = {name: run.plan.tasks[name].spec.type for name in names}
    room = console.width - 2 - 2 - _STATUS_WIDTH - _TIMES_WIDTH
    name_width = max(map(cell_len, names), default=0)
    type_width = max(map(cell_len, types.values()), default=0)
    if name_width + 2 + type_width > room:
        type_width = 0
    name_width = min(name_width, max(room, 8))
    for name in names:
        task = run.tasks[name]
        style = STYLES[task.status]
        cells: list[str | tuple[str, str]] = [
            (f"{_MARKS[task.status]} ", style),
            (cell(name, name_width), "bold"),
            "  ",
        ]
        if type_width:
            cells += [(cell(types[name], type_width), "dim"), "  "]
        cells += [(cell(task.status, _STATUS_WIDTH), style), "  ", _times(run, name, task, at)]
        line = Text.assemble(*cells)
        line.rstrip()
        yield line
        for words in said_of_task(run, name, journal, at):
            yield from _wrapped(console, _line(words, "dim"), Text(_INDENT))
        for detail in _details(run, name, task, at, explained.get(name)):
            yield from _wrapped(console, detail, Text(_INDENT))
        outputs = _outputs(task)
        outputs.truncate(max(min(console.width, _MOST_TEXT) - len(_INDENT), 20), overflow="ellipsis")
        if outputs:
            yield Text(_INDENT) + outputs


def _header(
    console: Console, run: WorkflowRun, at: float, explanation: Explanation | None, said: Sequence[str] = ()
) -> Iterator[Text]:
    workflow = run.plan.workflow
    yield Text.assemble(
        (workflow.name, "bold"), f" version {workflow.version}  ", (run.status, f"bold {STYLES[run.status]}")
    )
    by = f"by {run.requested_by}, " if run.requested_by is not None else ""
    facts = [("run", run.id), ("requested", f"{by}{moment(run.created_at)} ({ago(run.created_at, at)})")]
    if run.finished_at is not None:
        facts.append(("took", f"{span(run.finished_at - run.created_at)}, until {moment(run.finished_at)}"))
    elif run.deadline is not None:
        facts.append(("timeout", f"{moment(run.deadline)} ({ago(run.deadline, at)})"))
    if run.generation > 1:
        facts.append(("try", str(run.generation)))
    if run.parent is not None:
        facts.append(("parent", f"task {run.parent.task} of run {run.parent.run}"))
    if run.tenant != "default":
        facts.append(("tenant", run.tenant))
    if run.labels:
        facts.append(("labels", ", ".join(f"{key}={value}" for key, value in run.labels.items())))
    facts += [(name, _compact(value)) for name, value in (("inputs", run.inputs), ("outputs", run.outputs)) if value]
    for name, value in facts:
        yield _label(name) + Text(shortened(printable(value), max(console.width - 13, 40)))
    for words in said:
        yield from _wrapped(console, _line(words, "dim"), _label("said"))
    if explanation is not None:
        is_over = explanation.kind == "ended"
        sentence = explanation.sentence if is_over else _with_times(explanation, at)
        label = _label("because" if is_over else explanation.kind)
        yield from _wrapped(console, _line(sentence, STYLES[run.status]), label)


def _label(name: str) -> Text:
    return Text.assemble("  ", (f"{name:<11}", "dim"))


def _times(run: WorkflowRun, name: str, task: TaskState, at: float) -> str:
    """How long it took or takes so far, and which attempt it is if it isn't the first."""
    parts = []
    if task.started_at is not None:
        parts.append(span((task.finished_at or at) - task.started_at))
    if task.attempt > 1 and task.status is not TaskStatus.WAITING:
        parts.append(f"attempt {task.attempt} of {run.plan.tasks[name].backoff.max_attempts}")
    return ", ".join(parts)


def _details(
    run: WorkflowRun, name: str, task: TaskState, at: float, explanation: Explanation | None
) -> Iterator[Text]:
    outputs = task.outputs if isinstance(task.outputs, dict) else {}
    decisions = outputs.get("decisions")
    for one in decisions if isinstance(decisions, list) else ():
        if isinstance(one, dict) and "who" in one:
            yield _decision(one)
    if task.status is TaskStatus.SKIPPED and outputs.get("reason"):
        yield _line(str(outputs["reason"]), "dim")
    if task.error is not None and task.status in FINAL_TASK and not (decisions and task.error.code == "REJECTED"):
        yield _line(f"{task.error.code}: {task.error.message}", STYLES[task.status])
    problems = outputs.get("problems")
    for problem in problems if decisions is not None and isinstance(problems, list) else ():
        yield _line(str(problem), "yellow")
    omitted = why_omitted(run, name)
    if omitted:
        yield _line(omitted, "dim")
    if explanation is not None:
        if explanation.kind == "tasks":  # for which the other tasks' lines say since when
            yield _line(explanation.sentence, "dim")
        else:
            yield _line(_with_times(explanation, at), STYLES[task.status])


def _outputs(task: TaskState) -> Text:
    """What a task left, if it has ended and the other lines don't say it."""
    outputs = task.outputs
    told = outputs.keys() & {"decisions", "reason"} if isinstance(outputs, dict) else not outputs
    if task.status not in FINAL_TASK or not outputs or told:
        return Text()
    if isinstance(outputs, dict) and outputs.keys() == {"data", "sender", "at"}:  # a signal's
        by = f" from {outputs['sender']}" if outputs["sender"] is not None else ""
        return _line(f"signal{by}, {_written(str(outputs['at']))}: {_compact(outputs['data'])}", "dim")
    return _line(f"outputs {_compact(outputs)}", "dim")


def _decision(one: dict[str, Any]) -> Text:
    decision = str(one.get("decision"))
    word = {"approve": "approved", "reject": "rejected"}.get(decision, decision)
    comment = f": {one['comment']}" if one.get("comment") else ""
    when = f", {_written(one['at'])}" if isinstance(one.get("at"), str) else ""
    whom = f" for {one['on_behalf']}" if one.get("on_behalf") else ""
    return _line(f"{word} by {one['who']}{whom}{when}{comment}", "green" if decision == "approve" else "red")


def _written(at: str) -> str:
    """A moment in RFC 3339 by the reader's clock."""
    try:
        return moment(parse_moment(at))
    except ValueError:
        return at


def _line(text: str, style: str) -> Text:
    return Text(shortened(printable(text), _MOST_TEXT), style=style)


def _with_times(explanation: Explanation, at: float) -> str:
    parts = [explanation.sentence]
    if explanation.since is not None:
        parts.append(f"since {moment(explanation.since, at)}")
    if explanation.until is not None:
        parts.append(f"until {moment(explanation.until, at)} ({ago(explanation.until, at)})")
    return " · ".join(parts)


def _wrapped(console: Console, text: Text, before: Text) -> Iterator[Text]:
    """A text in lines: the first behind what stands `before` it, the others below its beginning."""
    for number, line in enumerate(text.wrap(console, max(console.width - before.cell_len, 20))):
        line.rstrip()
        yield Text.assemble(" " * before.cell_len if number else before, line)


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _in_order(run: WorkflowRun) -> Iterator[str]:
    """The tasks, each behind all that it waits for, and apart from that as the document has them."""
    plan = run.plan
    place = {name: index for index, name in enumerate(plan.tasks)}
    missing = {name: len(task.upstream) for name, task in plan.tasks.items()}
    free = [(place[name], name) for name, number in missing.items() if not number]
    while free:
        _, name = heappop(free)
        yield name
        for other in plan.dependents[name]:
            missing[other] -= 1
            if not missing[other]:
                heappush(free, (place[other], other))
