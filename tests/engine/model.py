"""A model of one run: what is legal and what becomes of it, with no documents, payloads or reasons.

It is written from the rules and not from the engine, as plainly as possible: it computes everything anew at each step.
"""

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

Depends: TypeAlias = tuple[Literal["all", "any"], tuple[tuple[str, str], ...]] | None
Shape: TypeAlias = dict[str, Depends]
Verdict: TypeAlias = Literal["applied", "duplicate", "rejected", "touched"]

FINAL = {"SUCCESS", "FAILED", "TIMED_OUT", "SKIPPED", "OMITTED", "CANCELLED"}
BAD = {"FAILED", "TIMED_OUT", "CANCELLED"}
LOST_AT_MOST = 3
ATTEMPTS = 2
BACK_OFF = 10.0
TOKENS_KEPT = 3


@dataclass
class Task:
    """A task."""

    status: str = "PENDING"
    generation: int = 1
    step: int = 0
    attempt: int = 0
    lost: int = 0
    claim: tuple[str, str, str | None] | None = None  # token, phase, signal
    inbox: list[str] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)
    tokens: list[str] = field(default_factory=list)
    due: bool = False
    until: float | None = None
    not_before: float | None = None


class Model:
    """A run of a workflow whose exit points are the tasks that nobody depends on."""

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        self.tasks = {name: Task() for name in shape}
        named = {name for depends in shape.values() if depends is not None for name, _ in depends[1]}
        self.exits = [name for name in shape if name not in named]
        self.generation = 1
        self.paused = self.cancelled = False
        self.settle()

    def gate(self, name: str) -> bool | None:
        """Whether `depends` holds, None if that isn't known yet."""
        depends = self.shape[name]
        if depends is None:
            return True
        known = [
            wanted in {"DONE", self.tasks[other].status} if self.tasks[other].status in FINAL else None
            for other, wanted in depends[1]
        ]
        if depends[0] == "all":
            return False if False in known else None if None in known else True
        return True if True in known else None if None in known else False

    def settle(self) -> None:
        """Omit whatever can't start any more."""
        while out := [
            name for name, task in self.tasks.items() if task.status == "PENDING" and self.gate(name) is False
        ]:
            for name in out:
                self.tasks[name].status = "OMITTED"

    @property
    def ended(self) -> bool:
        return all(task.status in FINAL for task in self.tasks.values())

    @property
    def status(self) -> str:
        """Of the run; PENDING counts as RUNNING here."""
        if self.ended:
            return "CANCELLED" if self.cancelled else "SUCCESS" if self.succeeded() else "FAILED"
        if self.paused:
            return "PAUSED"
        busy = any(task.status == "RUNNING" for task in self.tasks.values())
        return "RUNNING" if busy or self.open() else "WAITING"

    def succeeded(self) -> bool:
        """Whether an exit was reached, and no failure is one of an exit or unhandled."""
        for name, task in self.tasks.items():
            handlers = [
                other
                for other, depends in self.shape.items()
                if depends is not None
                and any((name, status) in depends[1] for status in ("FAILED", "TIMED_OUT", "DONE"))
            ]
            handled = any(self.tasks[other].status != "OMITTED" for other in handlers)
            if task.status in BAD and (name in self.exits or not handled):
                return False
        return any(self.tasks[name].status == "SUCCESS" for name in self.exits)

    def open(self) -> dict[str, str]:
        """What could be called, and for what, were the run not paused."""
        calls = {}
        for name, task in self.tasks.items():
            if task.not_before is None and task.status == "PENDING" and self.gate(name):
                calls[name] = "main"
            elif task.not_before is None and task.status == "WAITING" and (task.inbox or task.due):
                calls[name] = "signal" if task.inbox else "wake"
        return calls

    def claim(self, name: str, token: str, phase: str, counts: tuple[int, int, int], signal: str | None) -> Verdict:
        task = self.tasks[name]
        if task.claim is not None and task.claim[0] == token:
            return "duplicate"
        right = (task.generation, task.step, task.attempt + 1) == counts
        if (
            self.paused
            or self.open().get(name) != phase
            or not right
            or (phase == "signal" and signal != task.inbox[0])
        ):
            return "rejected"
        task.status, task.attempt, task.claim = "RUNNING", task.attempt + 1, (token, phase, signal)
        return "applied"

    def give_back(self, task: Task, status: str | None = None) -> None:
        assert task.claim is not None
        task.status = status or ("PENDING" if task.claim[1] == "main" else "WAITING")
        task.claim = None

    def lose(self, name: str, token: str) -> Verdict:
        task = self.tasks[name]
        if task.claim is None or task.claim[0] != token:
            return "rejected"
        task.lost += 1
        task.attempt -= task.lost <= LOST_AT_MOST
        self.give_back(task, "FAILED" if task.lost > LOST_AT_MOST else None)
        self.close(task)
        return "applied"

    def result(self, name: str, token: str, kind: str, now: float, after: float | None) -> Verdict:
        """`kind` is a final status, or `retry`, `release` or `wait`."""
        task = self.tasks[name]
        if token in task.tokens:
            return "duplicate"
        if task.claim is None or task.claim[0] != token:
            return "rejected"
        _, phase, signal = task.claim
        task.tokens = [*task.tokens, token][-TOKENS_KEPT:]
        if kind == "release":
            task.attempt -= 1
            self.give_back(task)
            return "applied"
        task.lost = 0
        if kind == "retry" and task.attempt < ATTEMPTS:
            task.not_before = now + BACK_OFF
            self.give_back(task)
            return "applied"
        task.step += 1
        if phase == "signal":
            task.inbox.remove(signal or "")
        overtaken = phase == "wake" and bool(task.inbox) and kind != "wait"
        if kind != "wait" and not overtaken:
            self.give_back(task, "FAILED" if kind == "retry" else kind)
            self.close(task)
            return "applied"
        self.give_back(task, "WAITING")
        task.attempt = 0
        if overtaken:
            after = None
        task.due = overtaken or (task.due and phase == "signal" and after is None)
        if after is not None:
            task.until = now + after
        return "applied"

    def close(self, task: Task) -> None:
        """A task that has ended waits for nothing."""
        if task.status in FINAL:
            task.due, task.until, task.not_before, task.claim = False, None, None, None
        self.settle()

    def send(self, name: str, id_: str, generation: int) -> Verdict:
        task = self.tasks[name]
        if id_ in task.seen:
            return "duplicate"
        if generation != task.generation or task.status in FINAL:
            return "rejected"
        task.seen.add(id_)
        task.inbox.append(id_)
        return "applied"

    def wake(self, now: float) -> Verdict:
        """At a time when the run asked to be looked at."""
        changed = False
        for task in self.tasks.values():
            if not self.paused and task.status in {"PENDING", "WAITING"}:
                if task.not_before is not None and task.not_before <= now:
                    task.not_before, changed = None, True
                if task.until is not None and task.until <= now:
                    task.until, task.due, changed = None, True, True
        return "applied" if changed else "touched"

    def cancel(self) -> Verdict:
        if self.ended:
            return "duplicate" if self.cancelled else "rejected"
        self.cancelled = True
        for task in self.tasks.values():
            if task.status not in FINAL:
                task.status = "CANCELLED"
        for task in self.tasks.values():
            self.close(task)
        return "applied"

    def pause(self, *, paused: bool) -> Verdict:
        if self.ended or self.paused is paused:
            return "rejected"
        self.paused = paused
        return "applied"

    def bypass(self, name: str, generation: int) -> Verdict:
        task = self.tasks[name]
        waits = task.status == "WAITING" or task.not_before is not None
        if generation != task.generation or not waits:
            return "rejected"
        task.status = "SKIPPED"
        self.close(task)
        return "applied"

    def retry(self, generation: int, skip: tuple[str, ...] = ()) -> Verdict:
        redone = {name for name, task in self.tasks.items() if task.status in BAD}
        if generation != self.generation or not self.ended or self.status == "SUCCESS" or not redone:
            return "rejected"
        if not redone.issuperset(skip):
            return "rejected"
        while True:
            more = {
                name
                for name, depends in self.shape.items()
                if depends is not None and any(other in redone for other, _ in depends[1])
            } - redone
            if not more:
                break
            redone |= more
        self.generation += 1
        self.paused = self.cancelled = False
        for name in redone:
            self.tasks[name] = Task("SKIPPED" if name in skip else "PENDING", generation=self.generation)
        self.settle()
        return "applied"
