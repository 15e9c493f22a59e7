"""Commands that send a signal to a task that waits: `approve` and `reject` decide, `signal` sends any JSON."""

from typing import Annotated, Any, NamedTuple
from uuid import uuid4

import typer

from engine.run import TaskState, WorkflowRun
from engine.transitions import Signal, SignalReceived
from icefloe.cli.app import ByOption, RunArgument, Session, command
from icefloe.cli.failures import CommandError
from icefloe.cli.given import read_payload
from icefloe.cli.proposals import propose

PANEL = "Decisions"

TaskArgument = Annotated[str, typer.Argument(metavar="TASK", help="The name of one of its tasks")]
CommentOption = Annotated[str, typer.Option(metavar="TEXT", help="Why; kept with the decision")]
KeyOption = Annotated[
    str | None,
    typer.Option("--idempotency-key", metavar="KEY", help="However often it is sent with this key, it counts once"),
]


class Message(NamedTuple):
    """What is sent to a task; `decides` is that of `approve` and `reject`."""

    task: str
    data: Any
    key: str | None
    decides: bool = False

    def to(self, run: WorkflowRun, sender: str) -> SignalReceived:
        """The message as a signal for a run.

        Raises:
            CommandError: a decision for a task that takes none.
        """
        state = run.tasks.get(self.task)
        if state is not None and self.decides:
            _refuse_undecidable(self.task, run.plan.tasks[self.task].spec.type, state)
        generation = run.generation if state is None else state.generation
        return SignalReceived(self.task, Signal(self.key or str(uuid4()), generation, sender, self.data))


def _refuse_undecidable(task: str, block_type: str, state: TaskState) -> None:
    """Only an APPROVAL takes decisions, or a task whose signals have a `decision`."""
    schema = (state.wants and state.wants.schema) or {}
    if block_type != "APPROVAL" and "decision" not in schema.get("properties", {}):
        hint = ": `icefloe signal` sends what it waits for" if state.wants is not None else ""
        raise CommandError("NOT_AN_APPROVAL", f"{task!r} is no APPROVAL but of type {block_type}{hint}")


@command(PANEL)
def approve(  # noqa: PLR0913 - a command's options
    session: Session,
    run: RunArgument,
    task: TaskArgument,
    *,
    by: ByOption = None,
    comment: CommentOption = "",
    key: KeyOption = None,
) -> None:
    """Approve what a run asks."""
    message = Message(task, {"decision": "approve", "comment": comment}, key, decides=True)
    propose(session, run, by, message.to, "approved")


@command(PANEL)
def reject(  # noqa: PLR0913 - a command's options
    session: Session,
    run: RunArgument,
    task: TaskArgument,
    *,
    by: ByOption = None,
    comment: CommentOption = "",
    key: KeyOption = None,
) -> None:
    """Reject what a run asks."""
    message = Message(task, {"decision": "reject", "comment": comment}, key, decides=True)
    propose(session, run, by, message.to, "rejected")


@command(PANEL)
def signal(  # noqa: PLR0913 - a command's options
    session: Session,
    run: RunArgument,
    task: TaskArgument,
    *,
    data: Annotated[str, typer.Option(metavar="JSON|@FILE", help="What the task is to be told, as JSON")],
    by: ByOption = None,
    key: KeyOption = None,
) -> None:
    """Send a task the signal that it waits for."""
    propose(session, run, by, Message(task, read_payload(data, "--data"), key).to, "told")
