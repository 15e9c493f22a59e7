"""Proposing something for a run, by the same door as engines and timers; and telling what became of it."""

from collections.abc import Callable

from rich.text import Text

from engine.outcomes import Duplicate, Rejected
from engine.run import JournalEntry, WorkflowRun
from engine.transitions import RunCancelled, RunPaused, TaskDelegated, Transition
from icefloe.cli.app import Session, acting
from icefloe.cli.failures import CommandError
from icefloe.cli.following import NO_ENGINE, is_engine_alive
from icefloe.cli.given import find_run
from icefloe.cli.wording import printable
from store.protocol import Proposal

SO_ALREADY = {"ALREADY_PAUSED": "is paused already", "NOT_PAUSED": "is not paused"}
"""Refusals of what is so without it: whoever asks for that twice is as content as who asks once."""


def propose(  # noqa: PLR0913, PLR0917 - what a command knows
    session: Session,
    run: str,
    by: str | None,
    transition_for: Callable[[WorkflowRun, str], Transition],
    done: str,
    about: str | None = None,
) -> None:
    """Propose a transition for a run that is named in full or in part, and say that it is `done`.

    `transition_for` makes it from the run as it is and who acts; `about` is the task, if the transition names none.

    Raises:
        CommandError: it is refused, and the run unchanged.
    """
    who = acting(by)
    with session.store() as store:
        found = find_run(store, run)
        transition = transition_for(found, who)
        outcome = store.apply([Proposal(found.id, transition, who)])[0].outcome
        if isinstance(outcome, Rejected) and outcome.code not in SO_ALREADY:
            hint = " (use --as NAME to act as somebody else)" if outcome.code == "NOT_ALLOWED" else ""
            raise CommandError(outcome.code, outcome.reason + hint)
        task = getattr(transition, "task", about)
        said_before = isinstance(outcome, Duplicate | Rejected)
        document = {"run": found.id, "task": task, "recorded": not said_before, "by": who}
        if isinstance(outcome, JournalEntry):
            document["revision"] = outcome.revision
        session.terminal.give({key: value for key, value in document.items() if value is not None})
        what = Text.assemble(
            f"{printable(task)} of " if task is not None else "", "run ", (printable(found.id), "bold")
        )
        session.terminal.show(
            Text.assemble(what, f" {_already(outcome, done)}; nothing has changed")
            if said_before
            else Text.assemble(f"{done} ", what, f", as {printable(who)}")
        )
        if not isinstance(transition, RunCancelled | RunPaused | TaskDelegated) and not is_engine_alive(store):
            session.terminal.remark(NO_ENGINE)


def _already(outcome: object, done: str) -> str:
    return SO_ALREADY[outcome.code] if isinstance(outcome, Rejected) else f"was {done} before"
