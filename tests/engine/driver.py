"""Plays runs on the state machine in a few words: a test says what happens, and asks how things stand.

    play = Play("a", "b: a.FAILED", exits=["b"])
    play.fail("a")
    play.succeed("b")
    assert play.tasks == "a=FAILED b=SUCCESS"

Every step is checked for what must always hold (`tests.engine.invariants`).
"""

from collections.abc import Mapping, Sequence
from typing import Any

from engine.depends import atoms, parse
from engine.documents import Workflow
from engine.draft import Draft
from engine.machine import Dispatch, advance, apply, ready, start
from engine.outcomes import Applied, Duplicate, Refusal, Rejected, Touched
from engine.plan import Plan, compile_workflow
from engine.run import JournalEntry, Parent, TaskState, WorkflowRun
from engine.transitions import (
    Error,
    RunWoken,
    Signal,
    SignalKind,
    SignalReceived,
    TaskFailed,
    TaskReleased,
    TaskSkipped,
    TaskSucceeded,
    TaskSuspended,
    TaskTimedOut,
    Transition,
    Wants,
)
from tests.engine.invariants import violations

START = 1_000_000.0


def task(line: str, **fields: Any) -> dict[str, Any]:
    """A task from `name` or `name: depends`, and further fields of its document."""
    name, _, depends = line.partition(":")
    return {"name": name, "type": "NOOP", "depends": depends.strip() or None, **fields}


def plan_of(*tasks: str | dict[str, Any], exits: Sequence[str] | None = None, **fields: Any) -> Plan:
    """A compiled workflow. Its exit points are the tasks that no `depends` names, unless they are given."""
    specs = [task(one) if isinstance(one, str) else one for one in tasks]
    trees = [tree for spec in specs if (tree := parse(spec.get("depends"))) is not None]
    named = {atom.task for tree in trees for atom in atoms(tree)}
    dag = {
        "entrypoint": [spec["name"] for spec in specs if not spec.get("depends")],
        "exitpoints": exits or [spec["name"] for spec in specs if spec["name"] not in named],
        "tasks": specs,
    }
    return compile_workflow(Workflow.model_validate({"name": "w", "dag": dag, **fields}))


class Play:
    """One run, its journal, and a clock that moves a second with each transition and when it is told to."""

    def __init__(
        self,
        *tasks: str | dict[str, Any],
        plan: Plan | None = None,
        inputs: Mapping[str, Any] | None = None,
        parent: Parent | None = None,
        luck: float = 0.0,
        **workflow: Any,
    ) -> None:
        self.now = START
        self.luck = luck
        self.journal: list[JournalEntry] = []
        self._tokens = 0
        self.run: WorkflowRun
        plan = plan or plan_of(*tasks, **workflow)
        self._take(start(plan, inputs or {}, id="r", at=START, luck=luck, parent=parent))

    def __getitem__(self, name: str) -> TaskState:
        return self.run.tasks[name]

    # How things stand.

    @property
    def tasks(self) -> str:
        """`a=SUCCESS b=PENDING`."""
        return " ".join(f"{name}={task.status}" for name, task in self.run.tasks.items())

    @property
    def status(self) -> str:
        """That of the run."""
        return self.run.status.value

    @property
    def ready(self) -> str:
        """`a b:signal`: what should be called now, and for what if not for the first time."""
        return " ".join(
            one.task if one.phase == "main" else f"{one.task}:{one.phase}"
            for one in sorted(ready(self.run), key=lambda one: one.task)
        )

    @property
    def wakes_in(self) -> float | None:
        """Seconds from the last transition to `wake_at`."""
        return None if self.run.wake_at is None else round(self.run.wake_at - self.now, 6)

    @property
    def said(self) -> str:
        """The types of all journal entries."""
        return " ".join(entry.type for entry in self.journal)

    def code(self, name: str | None = None) -> str:
        """The code of the error of a task, or of the run; empty if it has none."""
        error = self.run.error if name is None else self[name].error
        return "" if error is None else error.code

    def dispatch(self, name: str) -> Dispatch:
        """What should be called of a task now."""
        (found,) = (one for one in ready(self.run) if one.task == name)
        return found

    # What happens.

    def propose(self, transition: Transition, by: str | None = None) -> Applied | Refusal:
        """Apply a transition, or not; a second passes."""
        self.now += 1
        before = self.run
        outcome = apply(self.run, transition, at=self.now, luck=self.luck, by=by)
        match outcome:
            case Applied():
                self._take(outcome)
            case Touched(run):
                assert run == before._replace(heal=before.heal + 1, wake_at=run and run.wake_at)
                self.run = run
            case Rejected() | Duplicate():
                draft = Draft(self.run)  # as a store plays it, in one go with what comes behind it
                assert advance(draft, transition, at=self.now, luck=self.luck, by=by) == outcome
                assert draft.freeze() == before == self.run
        return outcome

    def do(self, transition: Transition, by: str | None = None) -> None:
        """Apply a transition that must be legal."""
        outcome = self.propose(transition, by)
        assert isinstance(outcome, Applied), outcome

    def refusal(self, transition: Transition) -> str:
        """The code with which a transition is refused."""
        outcome = self.propose(transition)
        assert isinstance(outcome, Rejected), outcome
        assert outcome.reason
        return outcome.code

    def pass_(self, seconds: float) -> None:
        """Let time go by."""
        self.now += seconds - 1

    def wake(self) -> bool:
        """Wake the run at the moment it asked for; whether anything came of it."""
        assert self.run.wake_at is not None
        self.now = max(self.now, self.run.wake_at - 1)
        outcome = self.propose(RunWoken())
        assert isinstance(outcome, Applied | Touched), outcome
        return isinstance(outcome, Applied)

    def claim(self, name: str, owner: str = "engine") -> str:
        """Claim the task's call; gives the token."""
        self._tokens += 1
        token = f"{name}#{self._tokens}"
        self.do(self.dispatch(name).claim(token, owner))
        return token

    def _token(self, name: str) -> str:
        """The token of the call in flight, which is claimed if there is none."""
        claim = self[name].claim
        return self.claim(name) if claim is None else claim.token

    def succeed(self, name: str, outputs: Any = None) -> None:
        """The call of a task returns."""
        self.do(TaskSucceeded(name, self._token(name), outputs))

    def fail(self, name: str, code: str = "E", *, retryable: bool = False, outputs: Any = None) -> None:
        """The call of a task fails."""
        self.do(TaskFailed(name, self._token(name), Error(code, "it failed"), retryable, outputs))

    def skip(self, name: str) -> None:
        """The block says no."""
        self.do(TaskSkipped(name, self._token(name), "no"))

    def time_out(self, name: str, *, attempt_over: bool = False) -> None:
        """The time of a task, or of its attempt, is up."""
        self.do(TaskTimedOut(name, self._token(name), "too late", attempt_over))

    def suspend(
        self,
        name: str,
        *,
        after: float | None = None,
        until: float | None = None,
        wants: Wants | None = None,
        outputs: Any = None,
    ) -> None:
        """The block waits."""
        self.do(TaskSuspended(name, self._token(name), until, after, wants, outputs))

    def release(self, name: str) -> None:
        """The engine gives the claim back."""
        self.do(TaskReleased(name, self._token(name)))

    def signal(
        self,
        name: str,
        id_: str = "s",
        sender: str | None = None,
        data: Any = None,
        *,
        generation: int = 1,
        kind: SignalKind = "person",
    ) -> SignalReceived:
        """Something sent to a task."""
        return SignalReceived(name, Signal(id_, generation, sender, data, kind))

    def send(self, *args: Any, **kwargs: Any) -> None:
        """Send a signal, which must be accepted."""
        self.do(self.signal(*args, **kwargs))

    def _take(self, applied: Applied) -> None:
        self.run = applied.run
        self.journal.append(applied.entry)
        assert violations(self.run, self.journal) == []
