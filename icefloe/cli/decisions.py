"""Commands about a task that waits: `approve` and `reject` decide, `delegate` lets somebody else, `skip` does without.

`signal` sends a task any other JSON that it waits for.
"""

from collections.abc import Callable
from typing import Annotated, Any, NamedTuple
from uuid import uuid4

import typer

from engine.run import TaskState, WorkflowRun
from engine.transitions import RunRetried, Signal, SignalReceived, TaskBypassed, TaskDelegated
from icefloe.cli.app import ByOption, RunArgument, Session, command
from icefloe.cli.controls import ReasonOption
from icefloe.cli.failures import CommandError
from icefloe.cli.given import read_payload
from icefloe.cli.proposals import propose

PANEL = "Decisions"

TaskArgument = Annotated[str, typer.Argument(metavar="TASK", help="The name of one of its tasks")]
GroupOption = Annotated[
    list[str] | None,
    typer.Option("--group", metavar="GROUP", help="A group that you are a member of, taken on trust; may be repeated"),
]
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
    groups: tuple[str, ...] = ()
    decides: bool = False

    def to(self, run: WorkflowRun, sender: str) -> SignalReceived:
        """The message as a signal for a run.

        Raises:
            CommandError: a decision for a task that takes none.
        """
        state = run.tasks.get(self.task)
        if state is not None and self.decides:
            _refuse_undecidable(self.task, run.plan.tasks[self.task].spec.type, state)
        id_ = self.key or str(uuid4())
        return SignalReceived(
            self.task, Signal(id_, _generation(run, self.task), sender, self.data, groups=self.groups)
        )


def _generation(run: WorkflowRun, task: str) -> int:
    """The try of a task that is meant: the one that there is now."""
    state = run.tasks.get(task)
    return run.generation if state is None else state.generation


def _refuse_undecidable(task: str, block_type: str, state: TaskState) -> None:
    """Only an APPROVAL takes decisions, or a task whose signals have a `decision`."""
    schema = (state.wants and state.wants.schema) or {}
    if block_type != "APPROVAL" and "decision" not in schema.get("properties", {}):
        hint = ": `icefloe signal` sends what it waits for" if state.wants is not None else ""
        raise CommandError("NOT_AN_APPROVAL", f"{task!r} is no APPROVAL but of type {block_type}{hint}")


def _deciding(name: str, decision: str, done: str, description: str) -> Callable[..., None]:
    """The command of one decision."""

    def decide(  # noqa: PLR0913 - a command's options
        session: Session,
        run: RunArgument,
        task: TaskArgument,
        *,
        by: ByOption = None,
        group: GroupOption = None,
        comment: CommentOption = "",
        key: KeyOption = None,
    ) -> None:
        message = Message(task, {"decision": decision, "comment": comment}, key, tuple(group or ()), decides=True)
        propose(session, run, by, message.to, done)

    decide.__name__, decide.__doc__ = name, description
    return command(PANEL)(decide)


approve = _deciding("approve", "approve", "approved", "Approve what a run asks.")
reject = _deciding("reject", "reject", "rejected", "Reject what a run asks.")


@command(PANEL)
def delegate(  # noqa: PLR0913 - a command's options
    session: Session,
    run: RunArgument,
    task: TaskArgument,
    *,
    to: Annotated[str, typer.Option(metavar="PERSON", help="Who decides in your place from now on")],
    by: ByOption = None,
    group: GroupOption = None,
    reason: ReasonOption = "",
) -> None:
    """Hand a task that asks you over to somebody else."""

    def handed_over(found: WorkflowRun, who: str) -> TaskDelegated:
        return TaskDelegated(task, _generation(found, task), who, to, reason, tuple(group or ()))

    propose(session, run, by, handed_over, "handed over")


@command(PANEL)
def skip(
    session: Session, run: RunArgument, task: TaskArgument, *, by: ByOption = None, reason: ReasonOption = ""
) -> None:
    """Let a run go on without a task that waits, or retry one that failed without it."""

    def skipped(found: WorkflowRun, _who: str) -> TaskBypassed | RunRetried:
        if found.is_final:
            return RunRetried(found.generation, reason, (task,))
        return TaskBypassed(task, _generation(found, task), reason)

    propose(session, run, by, skipped, "skipped", task)


@command(PANEL)
def signal(  # noqa: PLR0913 - a command's options
    session: Session,
    run: RunArgument,
    task: TaskArgument,
    *,
    data: Annotated[str, typer.Option(metavar="JSON|@FILE", help="What the task is to be told, as JSON")],
    by: ByOption = None,
    group: GroupOption = None,
    key: KeyOption = None,
) -> None:
    """Send a task the signal that it waits for."""
    message = Message(task, read_payload(data, "--data"), key, tuple(group or ()))
    propose(session, run, by, message.to, "told")
