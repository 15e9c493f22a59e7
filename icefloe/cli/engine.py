"""Commands that run the dataflow: `engine`, and `demo`, which shows off with one."""

from pathlib import Path
from typing import Annotated

import structlog
import typer
from rich.text import Text

from icefloe import logs
from icefloe.cli.app import Session, command
from icefloe.cli.wording import count
from icefloe.settings import strangers

PANEL = "Engine"

log = structlog.get_logger("engine")


@command(PANEL)
def engine(
    session: Session,
    *,
    workers: Annotated[int, typer.Option("--workers", "-w", min=1, max=64, help="Threads of the dataflow")] = 1,
) -> None:
    """Run the dataflow that executes all workflows.

    It ends on SIGTERM or Ctrl-C, once the calls in flight have ended. Several engines on one store share the work.
    """
    from dataflows.process import open_shell, run  # noqa: PLC0415 - Bytewax takes its time, and no other command needs it
    from dataflows.workflows import workflows  # noqa: PLC0415

    logs.configure(session.settings.log_level)
    shell = open_shell(session.settings, tell=session.tell)
    for name, nearest in strangers(shell.catalogue.values()).items():
        log.warning("setting_unknown", variable=name, nearest=nearest)
    owner, others = shell.lease.owner, len(shell.store.owners()) - 1
    session.terminal.give({"ready": True, "owner": owner, "store": session.settings.place, "others": others})
    beside = f", beside {count(others, 'other engine')}" if others else ""
    session.terminal.show(
        Text.assemble("engine ", (owner, "bold"), f" is ready on {session.settings.place}{beside}; Ctrl-C ends it")
    )
    try:
        run(workflows(shell), workers)
    finally:
        shell.end()


@command(PANEL)
def demo(  # noqa: PLR0913 - its options
    session: Session,
    *,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the store, the log and the outbox")] = False,
    directory: Annotated[
        Path | None,
        typer.Option("--dir", help="Play it in this directory, which must be empty, and keep that", show_default=False),
    ] = None,
    examples: Annotated[
        Path | None, typer.Option("--examples", metavar="DIR", help="Where the examples are", show_default=False)
    ] = None,
    triggers: Annotated[
        Path | None, typer.Option("--triggers", metavar="FILE", help="Another script than theirs", show_default=False)
    ] = None,
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, help="Only so many of its triggers", show_default=False)
    ] = None,
    seconds: Annotated[float, typer.Option("--seconds", min=1, help="Give up after this time")] = 300.0,
    on: Annotated[
        str | None,
        typer.Option("--on", metavar="URL", help="Play it on this store, which must have no runs", show_default=False),
    ] = None,
    events: Annotated[
        str, typer.Option("--events", metavar="URL", help="Let the engine hear of changes by this Kafka")
    ] = "store",
) -> None:
    """Show what Icefloe does: a thousand runs, and an engine that is killed half-way."""
    from icefloe.demo import demo  # noqa: PLC0415 - starts engines, reads the examples: only when asked for

    demo(
        session,
        directory=directory,
        examples=examples,
        triggers=triggers,
        limit=limit,
        keep=keep,
        seconds=seconds,
        on=on,
        events=events,
    )
