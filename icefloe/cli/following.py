"""Following a run until it ends: redrawn in place where a person watches, else a line for each change.

states(…) ─► the run at each change, and once a second ─┬─► follow_live    (a terminal)
                                                        └─► follow_lines   (a pipe, or `--json`)
"""

from collections.abc import Iterator
from time import monotonic, sleep
from typing import Final

from rich.console import Group
from rich.live import Live
from rich.text import Text

from blocks.catalogue import Catalogue
from dataflows.lease import kind_of
from engine.explain import explain
from engine.run import TaskState, WorkflowRun
from engine.statuses import FINAL_TASK, TaskStatus
from icefloe.cli.drawing import STYLES, draw_briefly, draw_run
from icefloe.cli.terminal import Terminal
from icefloe.cli.wording import moment, printable, shortened
from store.protocol import Store

POLL_SECONDS: Final = 0.05
TICK_SECONDS: Final = 1.0
OVERLOOKED_SECONDS: Final = 5.0  # an engine that has a task's block type, and room, takes it up much sooner
NO_ENGINE: Final = "no engine is running on this store, so nothing happens until one is started: icefloe engine"


def is_engine_alive(store: Store) -> bool:
    """Whether an engine's lease lasts."""
    return bool(_engines(store))


def hindrance(store: Store, run: WorkflowRun, types: Catalogue | None) -> str | None:
    """Why a run doesn't go on although it could, as far as that can be seen: in the engines."""
    if run.is_final:
        return None
    engines, now = _engines(store), store.now()
    if not engines:
        return NO_ENGINE
    others: list[str] = [] if types is None else [engine for engine in engines if not engine.startswith(kind_of(types))]
    for one in explain(run, now, types) if others else ():
        if one.kind == "engine" and one.since is not None and now - one.since > OVERLOOKED_SECONDS:
            other = f"{others[0]} has other block types installed than this command"
            return f"no engine calls {one.task}, and {other}: restart it"
    return None


def _engines(store: Store) -> list[str]:
    now = store.now()
    return [owner.id for owner in store.owners() if owner.alive_until > now]


def states(store: Store, run: WorkflowRun, seconds: float | None) -> Iterator[WorkflowRun]:
    """The run at once, at each change and once a second, until it has ended or that many seconds have passed."""
    began = ticked = monotonic()
    yield run
    while not run.is_final and (seconds is None or monotonic() - began < seconds):
        sleep(POLL_SECONDS)
        now = store.load([run.id])[run.id] if store.changed() else run
        if now.revision != run.revision or monotonic() - ticked >= TICK_SECONDS:
            run, ticked = now, monotonic()
            yield run


def follow(
    terminal: Terminal, store: Store, run: WorkflowRun, types: Catalogue | None, seconds: float | None = None
) -> WorkflowRun:
    """Show how a run goes on until it ends or the time is up; the run as it is then."""
    return (_follow_live if terminal.live else _follow_lines)(terminal, store, run, types, seconds)


def _follow_live(
    terminal: Terminal, store: Store, run: WorkflowRun, types: Catalogue | None, seconds: float | None
) -> WorkflowRun:
    latest, hindered = run, hindrance(store, run, types)

    def picture() -> Group:
        remarks = [] if hindered is None else [Text(hindered, style="yellow")]
        room = terminal.out.height - 1 - len(remarks)
        return Group(*draw_briefly(terminal.out, latest, store.now(), types, room), *remarks)

    with Live(get_renderable=picture, console=terminal.out, refresh_per_second=8, transient=True):
        for latest in states(store, run, seconds):
            hindered = hindrance(store, latest, types)
    terminal.show(*draw_run(terminal.out, latest, store.now(), types, store.journal(run.id)))
    return latest


def _follow_lines(
    terminal: Terminal, store: Store, run: WorkflowRun, types: Catalogue | None, seconds: float | None
) -> WorkflowRun:
    latest = run
    hindered: str | None = None
    shown = dict.fromkeys(run.tasks, TaskState())
    for latest in states(store, run, seconds):
        for name, task in latest.tasks.items():
            before, shown[name] = shown[name], task
            if (task.status, task.attempt, task.step) != (before.status, before.attempt, before.step):
                terminal.show(_line(latest, name, task, types))
        told, hindered = hindered, hindrance(store, latest, types)
        if hindered is not None and hindered != told:
            terminal.remark(hindered)
    return latest


def _line(run: WorkflowRun, name: str, task: TaskState, types: Catalogue | None) -> Text:
    """What became of a task: `16:40:11  ask  WAITING  waits for olga to decide`."""
    words = next((one.sentence for one in explain(run, run.updated_at, types) if one.task == name), "")
    if task.status in FINAL_TASK and task.error is not None:
        words = f"{task.error.code}: {task.error.message}"
    elif task.status is TaskStatus.RUNNING and task.attempt > 1:
        words = f"attempt {task.attempt}"
    return Text.assemble(
        (moment(task.updated_at, task.updated_at), "dim"),
        "  ",
        (name, "bold"),
        "  ",
        (task.status, STYLES[task.status]),
        "  " * bool(words),
        shortened(printable(words)),
    )
