"""G4: whatever happens to a run, only legal changes are made, its journal tells them all, and a plain model agrees."""

import json

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from engine.draft import Draft
from engine.machine import advance, apply, ready, start
from engine.outcomes import Applied, Duplicate, Refusal, Rejected, Touched
from engine.run import JournalEntry, WorkflowRun
from engine.transitions import (
    Error,
    Result,
    RunCancelled,
    RunPaused,
    RunResumed,
    RunRetried,
    RunWoken,
    Signal,
    SignalReceived,
    TaskBypassed,
    TaskClaimed,
    TaskFailed,
    TaskLost,
    TaskReleased,
    TaskSkipped,
    TaskSucceeded,
    TaskSuspended,
    TaskTimedOut,
    Transition,
    dump_transition,
    load_transition,
)
from tests.engine.driver import START, plan_of, task
from tests.engine.invariants import violations
from tests.engine.model import ATTEMPTS, BACK_OFF, Model, Shape

RETRY = {"max_attempts": ATTEMPTS, "initial_interval": f"{BACK_OFF:g}s", "backoff": 1, "jitter": 0}
SHAPES: list[Shape] = [
    {"a": None},
    {"a": None, "b": ("all", (("a", "SUCCESS"),)), "c": ("any", (("a", "FAILED"), ("a", "TIMED_OUT")))},
    {
        "a": None,
        "b": None,
        "c": ("any", (("a", "SUCCESS"), ("b", "SUCCESS"))),
        "d": ("all", (("c", "DONE"), ("b", "SKIPPED"))),
    },
    {
        "a": None,
        "b": ("all", (("a", "SUCCESS"),)),
        "c": ("all", (("b", "SUCCESS"),)),
        "d": ("any", (("b", "DONE"), ("c", "OMITTED"))),
    },
]
VERDICTS = {Applied: "applied", Duplicate: "duplicate", Rejected: "rejected", Touched: "touched"}
KINDS = ["SUCCESS", "SUCCESS", "FAILED", "SKIPPED", "TIMED_OUT", "retry", "release", "wait", "wait"]
NAMES = st.sampled_from("aabcd")
AFTER = st.sampled_from([None, 2.0, 40.0])


def written(depends: tuple[str, tuple[tuple[str, str], ...]] | None) -> str:
    return "" if depends is None else (" && " if depends[0] == "all" else " || ").join(map(".".join, depends[1]))


def result_of(name: str, token: str, kind: str, after: float | None) -> Result:
    results: dict[str, Result] = {
        "SUCCESS": TaskSucceeded(name, token, {"n": 1}),
        "FAILED": TaskFailed(name, token, Error("E", "it failed")),
        "SKIPPED": TaskSkipped(name, token, "no"),
        "TIMED_OUT": TaskTimedOut(name, token, "late"),
        "retry": TaskFailed(name, token, Error("E", "it failed"), retryable=True),
        "release": TaskReleased(name, token),
        "wait": TaskSuspended(name, token, after=after),
    }
    return results[kind]


class History(RuleBasedStateMachine):
    """Everything that can be said to a run, at any time and in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.now = START
        self.claims: list[TaskClaimed] = []
        self.proposed: list[tuple[Transition, float, float]] = []
        self.journal: list[JournalEntry] = []
        self.run: WorkflowRun
        self.model: Model

    @precondition(lambda self: not self.journal)
    @rule(shape=st.sampled_from(SHAPES))
    def create(self, shape: Shape) -> None:
        self.model = Model(shape)
        plan = plan_of(*(task(f"{name}: {written(depends)}", retry=RETRY) for name, depends in shape.items()))
        applied = start(plan, {}, id="r", at=self.now, luck=0.5)
        self.first = self.run = applied.run
        self.journal.append(applied.entry)

    def say(self, transition: Transition, *, luck: float = 0.5) -> str:
        """Propose a transition; what came of it."""
        self.now += 0.25
        self.proposed.append((transition, self.now, luck))
        outcome = apply(self.run, transition, at=self.now, luck=luck)
        if isinstance(outcome, Applied):
            self.run = outcome.run
            self.journal.append(outcome.entry)
        elif isinstance(outcome, Touched):
            assert outcome.run is not None
            self.run = outcome.run
        return VERDICTS[type(outcome)]

    @precondition(lambda self: bool(self.journal and ready(self.run)))
    @rule(data=st.data())
    def claim(self, data: st.DataObject) -> None:
        calls = {one.task: one for one in ready(self.run)}
        self.claimed(calls[data.draw(st.sampled_from(sorted(calls)))].claim(f"token-{len(self.claims)}", "engine"))

    @precondition(lambda self: self.claims)
    @rule(back=st.sampled_from([1, 2, 3]))
    def claim_again(self, back: int) -> None:
        self.claimed(self.claims[-min(back, len(self.claims))])

    def claimed(self, claim: TaskClaimed) -> None:
        self.claims.append(claim)
        counts = (claim.generation, claim.step, claim.attempt)
        assert self.model.claim(claim.task, claim.token, claim.phase, counts, claim.signal) == self.say(claim)

    @precondition(lambda self: self.journal and self.run.running)
    @rule(data=st.data(), kind=st.sampled_from(KINDS), after=AFTER)
    def result(self, data: st.DataObject, kind: str, after: float | None) -> None:
        running = {name: task.claim.token for name, task in self.run.tasks.items() if task.claim is not None}
        name = data.draw(st.sampled_from(sorted(running)))
        self.came_to(name, running[name], kind, after)

    @precondition(lambda self: self.claims)
    @rule(back=st.integers(1, 5), kind=st.sampled_from(KINDS), after=AFTER)
    def result_again(self, back: int, kind: str, after: float | None) -> None:
        claim = self.claims[-min(back, len(self.claims))]
        self.came_to(claim.task, claim.token, kind, after)

    def came_to(self, name: str, token: str, kind: str, after: float | None) -> None:
        verdict = self.say(result_of(name, token, kind, after))
        assert self.model.result(name, token, kind, self.now, after) == verdict

    @precondition(lambda self: self.claims)
    @rule(back=st.sampled_from([1, 1, 1, 2]))
    def lose(self, back: int) -> None:
        claim = self.claims[-min(back, len(self.claims))]
        assert self.model.lose(claim.task, claim.token) == self.say(TaskLost(claim.task, claim.token))

    @precondition(lambda self: self.journal)
    @rule(name=NAMES, id_=st.sampled_from("stu"), old=st.sampled_from([0, 0, 0, 1]))
    def send(self, name: str, id_: str, old: int) -> None:
        if name in self.run.tasks:
            generation = self.run.tasks[name].generation - old
            signal = SignalReceived(name, Signal(id_, generation, None, None, "callback"))
            assert self.model.send(name, id_, generation) == self.say(signal)

    @precondition(lambda self: self.journal)
    @rule(early=st.booleans())
    def wake(self, early: bool) -> None:  # noqa: FBT001 - drawn by hypothesis
        if self.run.wake_at is None or (early and self.run.wake_at > self.now + 1):
            assert self.say(RunWoken()) == "rejected"
        else:
            self.now = max(self.now, self.run.wake_at)
            verdict = self.say(RunWoken())
            assert self.model.wake(self.now) == verdict

    @precondition(lambda self: self.journal and (self.run.paused or len(self.journal) % 4 == 1))
    @rule(paused=st.booleans())
    def pause(self, paused: bool) -> None:  # noqa: FBT001 - drawn by hypothesis
        assert self.model.pause(paused=paused) == self.say(RunPaused() if paused else RunResumed())

    @precondition(lambda self: self.journal and len(self.journal) % 8 == 0)
    @rule()
    def cancel(self) -> None:
        assert self.model.cancel() == self.say(RunCancelled())

    @precondition(lambda self: self.journal and self.run.is_final)
    @rule(old=st.sampled_from([0, 0, 1]), skip=st.lists(NAMES, max_size=2))
    def retry(self, old: int, skip: list[str]) -> None:
        generation, left_out = self.run.generation - old, tuple(name for name in skip if name in self.run.tasks)
        assert self.model.retry(generation, left_out) == self.say(RunRetried(generation, "again", left_out))

    @precondition(lambda self: self.journal and len(self.journal) % 4 == 0)
    @rule(name=NAMES, old=st.sampled_from([0, 0, 0, 1]))
    def bypass(self, name: str, old: int) -> None:
        if name in self.run.tasks:
            generation = self.run.tasks[name].generation - old
            assert self.model.bypass(name, generation) == self.say(TaskBypassed(name, generation, "by hand"))

    @invariant()
    def the_model_agrees(self) -> None:
        if not self.journal:
            return
        model, run = self.model, self.run
        assert {name: task.status for name, task in model.tasks.items()} == {
            name: task.status for name, task in run.tasks.items()
        }
        assert model.status == ("RUNNING" if run.status == "PENDING" else run.status)
        assert ({} if model.paused else model.open()) == {one.task: one.phase for one in ready(run)}
        for name, its in model.tasks.items():
            mine = run.tasks[name]
            assert (its.generation, its.step, its.attempt, its.lost, its.due, its.until, its.not_before) == (
                mine.generation, mine.step, mine.attempt, mine.lost, mine.due, mine.until, mine.not_before,
            )  # fmt: skip
            if mine.status not in {"CANCELLED", "SUCCESS"}:
                assert its.inbox == [signal.id for signal in mine.inbox]

    @invariant()
    def what_must_always_hold_does(self) -> None:
        if self.journal:
            assert violations(self.run, self.journal) == []

    def teardown(self) -> None:
        """What was recorded leads to the same run again: one by one, and all in one go, read back from JSON."""
        if not self.journal:
            return
        run, draft = self.first, Draft(self.first)
        entries = self.journal[:1]
        for transition, at, luck in self.proposed:
            again = load_transition(json.loads(json.dumps(dump_transition(transition))))
            assert again == transition
            outcome: JournalEntry | Refusal = advance(draft, again, at=at, luck=luck)
            if isinstance(outcome, JournalEntry):
                entries.append(outcome)
                applied = apply(run, again, at=at, luck=luck)
                assert isinstance(applied, Applied)
                run = applied.run
        assert entries == self.journal
        assert draft.freeze() == self.run
        assert run == self.run._replace(heal=run.heal, wake_at=run.wake_at)  # touches are not recorded


TestG4History = History.TestCase
TestG4History.settings = settings(max_examples=200, stateful_step_count=40)
