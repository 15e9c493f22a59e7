"""Commands that do something to a run as a whole: `cancel`, `pause`, `resume`, `retry`."""

from typing import Annotated

import typer

from engine.transitions import RunCancelled, RunPaused, RunResumed, RunRetried
from icefloe.cli.app import ByOption, RunArgument, Session, command
from icefloe.cli.proposals import propose

PANEL = "Runs"

ReasonOption = Annotated[str, typer.Option(metavar="TEXT", help="Why; kept in the journal")]


@command(PANEL)
def cancel(session: Session, run: RunArgument, *, reason: ReasonOption = "", by: ByOption = None) -> None:
    """Cancel a run: what hasn't ended ends now."""
    propose(session, run, by, lambda _run, _who: RunCancelled(reason), "cancelled")


@command(PANEL)
def pause(session: Session, run: RunArgument, *, reason: ReasonOption = "", by: ByOption = None) -> None:
    """Pause a run: nothing new begins, decisions are kept."""
    propose(session, run, by, lambda _run, _who: RunPaused(reason), "paused")


@command(PANEL)
def resume(session: Session, run: RunArgument, *, reason: ReasonOption = "", by: ByOption = None) -> None:
    """Let a paused run go on."""
    propose(session, run, by, lambda _run, _who: RunResumed(reason), "resumed")


@command(PANEL)
def retry(session: Session, run: RunArgument, *, reason: ReasonOption = "", by: ByOption = None) -> None:
    """Retry a failed or cancelled run, from the tasks that failed."""
    propose(session, run, by, lambda found, _who: RunRetried(found.generation, reason), "retried")
