"""Following a run until it ends: redrawn in place where a person watches, else a line for each change.

states(…) ─► the run at each change, and once a second ─┬─► follow_live    (a terminal)
                                                        └─► follow_lines   (a pipe, or `--json`)
"""

from collections.abc import Container, Iterator
from time import monotonic, sleep
from typing import Final

from rich.console import Group
from rich.live import Live
from rich.text import Text

from engine.explain import explain
from engine.run import TaskState, WorkflowRun
from engine.statuses import FINAL_TASK, TaskStatus
from icefloe.cli.drawing import STYLES, draw_briefly, draw_run
from icefloe.cli.terminal import Terminal
from icefloe.cli.wording import moment, printable, shortened
from store.protocol import Store

POLL_SECONDS: Final = 0.05
TICK_SECONDS: Final = 1.0
NO_ENGINE: Final = "no engine is running on this store, so nothing happens until one is started: icefloe engine"


def is_engine_alive(store: Store) -> bool:
    """Whether an engine's lease lasts."""
    now = store.now()
    return any(owner.alive_until > now for owner in store.owners())


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
    terminal: Terminal, store: Store, run: WorkflowRun, types: Container[str] | None, seconds: float | None = None
) -> WorkflowRun:
    """Show how a run goes on until it ends or the time is up; the run as it is then."""
    return (_follow_live if terminal.live else _follow_lines)(terminal, store, run, types, seconds)


def _follow_live(
    terminal: Terminal, store: Store, run: WorkflowRun, types: Container[str] | None, seconds: float | None
) -> WorkflowRun:
    latest, alive = run, True

    def picture() -> Group:
        remarks = [] if alive else [Text(NO_ENGINE, style="yellow")]
        room = terminal.out.height - 1 - len(remarks)
        return Group(*draw_briefly(terminal.out, latest, store.now(), types, room), *remarks)

    with Live(get_renderable=picture, console=terminal.out, refresh_per_second=8, transient=True):
        for latest in states(store, run, seconds):
            alive = latest.is_final or is_engine_alive(store)
    terminal.show(*draw_run(terminal.out, latest, store.now(), types, store.journal(run.id)))
    return latest


def _follow_lines(
    terminal: Terminal, store: Store, run: WorkflowRun, types: Container[str] | None, seconds: float | None
) -> WorkflowRun:
    latest, alive = run, True
    shown = dict.fromkeys(run.tasks, TaskState())
    for latest in states(store, run, seconds):
        for name, task in latest.tasks.items():
            before, shown[name] = shown[name], task
            if (task.status, task.attempt, task.step) != (before.status, before.attempt, before.step):
                terminal.show(_line(latest, name, task, types))
        was_alive, alive = alive, latest.is_final or is_engine_alive(store)
        if was_alive and not alive:
            terminal.remark(NO_ENGINE)
    return latest


def _line(run: WorkflowRun, name: str, task: TaskState, types: Container[str] | None) -> Text:
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
