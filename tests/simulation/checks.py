"""What must hold at every write, at every call and at the end; each breach has a name.

REV_GAP, FOLD, RESTORE, CLAIM, FINAL, END, NO_WAKE, …   the document contradicts itself or its journal
TWO_RESULTS, UNFINISHED         a task ended twice, or a final status changed within a generation
LATE_ACCEPTED, FALSE_REJECTION  a result without its claim was taken; what is recorded was refused when said again
CLAIM_OVER_CLAIM, STALE_CLAIM, CLAIM_IN_PAUSE, LOST_ALIVE, LOST_COUNT, ATTEMPT_CHARGED
                                claims are granted, lost or charged wrongly
STALE_SIGNAL, DOUBLE_SIGNAL, NOT_ALLOWED, ORDER, LOST_DECISION
                                signals are accepted, processed or forgotten wrongly
EARLY_TIMER                     a moment came before its time
START_UNDER_DEAD_OWNER, START_AFTER_RESULT, CAPACITY, DOUBLE_CALL, KEYS, NO_EFFECT
                                a block is called when it must not be, or not as it must be
JUDGED_TOO_EARLY                an engine declared others dead although it knew no better
ACCEPTED_LOST                   a power cut took more than a claim
INNOCENT_LOST                   a block that kills its engine took other tasks along (where nothing else kills)
ERROR_LOGGED                    something was so wrong that it was logged as an error
STUCK                           a run never ends
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from blocks.contract import BlockContext
from dataflows.calls import Call
from engine.draft import fold
from engine.machine import restore
from engine.outcomes import Rejected
from engine.run import Claim, JournalEntry, TaskState, WorkflowRun
from engine.statuses import FINAL_TASK, RunStatus, TaskStatus
from engine.transitions import (
    RunWoken,
    Signal,
    SignalReceived,
    TaskClaimed,
    TaskDelegated,
    TaskFailed,
    TaskLost,
    TaskReleased,
    TaskSkipped,
    TaskSucceeded,
    TaskSuspended,
    TaskTimedOut,
    Transition,
)
from store.protocol import Owner
from tests.engine.invariants import state_faults, stored_and_restored
from tests.simulation.world import World

if TYPE_CHECKING:
    from tests.simulation.process import Process

LEASE = 30.0
NOTICED = 10.0  # seconds in which a process notices that the store is away
LOST_AT_MOST = 3
CAPACITY = 2  # calls at once of each block type in each process
MOMENT = 1e-3  # what rounding may take off a time
CANCELLED, TIMED_OUT = TaskStatus.CANCELLED, TaskStatus.TIMED_OUT

Key: TypeAlias = tuple[str, str, int]  # run, task, generation
Recorded: TypeAlias = TaskSucceeded | TaskFailed | TaskSkipped | TaskTimedOut | TaskSuspended


class Violation(NamedTuple):
    """A check that failed: its name, when, and what was seen."""

    name: str
    at: float
    detail: str


class Auditor:
    """Watches everything that is written and called, and remembers what it must to judge it."""

    def __init__(self, world: World, *, only_killers_kill: bool) -> None:
        self.world = world
        self.violations: list[Violation] = []
        self.counts: Counter[str] = Counter()
        self.journals: dict[str, list[JournalEntry]] = {}
        self.effects: Counter[str] = Counter()
        self._only_killers_kill = only_killers_kill
        self._folded: dict[str, tuple[dict[str, TaskStatus], RunStatus]] = {}
        self._ended: set[Key] = set()
        self._accepted: defaultdict[Key, list[Signal]] = defaultdict(list)
        self._instead: defaultdict[Key, dict[str, str]] = defaultdict(dict)
        self._processed: Counter[Key] = Counter()
        self._lost: Counter[Key] = Counter()
        self._retries: Counter[tuple[Key, int]] = Counter()
        self._moments: dict[Key, float] = {}
        self._back_offs: dict[Key, float] = {}
        self._last_tokens: dict[Key, str] = {}
        self._begun: set[str] = set()

    def check(self, holds: bool, name: str, *seen: object) -> None:  # noqa: FBT001 - it reads as an assertion
        """Note a violation, unless all is well."""
        if not holds:
            self.violations.append(Violation(name, round(self.world.now, 3), " ".join(map(str, seen))))

    # Writes.

    def created(self, run: WorkflowRun, entry: JournalEntry) -> None:
        """A run was started."""
        self.counts["runs"] += 1
        self.counts["tasks"] += len(run.tasks)
        self.journals[run.id] = [entry]
        self._folded[run.id] = fold([entry], run.tasks)
        self._state(run)

    def recorded(
        self,
        before: WorkflowRun,
        after: WorkflowRun,
        transition: Transition,
        entry: JournalEntry,
        owners: Mapping[str, Owner],
    ) -> None:
        """A transition was applied."""
        self.counts[entry.type] += 1
        self.check(before.revision + 1 == after.revision == entry.revision, "REV_GAP", after.id, entry)
        self.journals[after.id].append(entry)
        statuses, status = self._folded[after.id]
        statuses.update(entry.tasks)
        self._folded[after.id] = statuses, entry.status or status
        self._state(after)
        for name, new in after.tasks.items():
            if new is not before.tasks[name]:
                self._changed(after, name, before.tasks[name], new)
        match transition:
            case TaskClaimed():
                self._claimed(before, transition)
            case TaskReleased(name):
                charged = after.tasks[name].attempt != before.tasks[name].attempt - 1
                self.check(not charged, "ATTEMPT_CHARGED", after.id, name)
                self._last_tokens[_key(after, name)] = transition.token
            case TaskLost(name):
                self._lost_claim(before, after, name, owners)
            case SignalReceived(name, signal):
                self._signal(before, name, signal)
            case TaskDelegated():
                self._delegated(before, transition)
            case TaskSucceeded() | TaskFailed() | TaskSkipped() | TaskTimedOut() | TaskSuspended():
                self._result(before, after, transition, entry)
            case RunWoken():
                self._woken(before, after)

    def touched(self, before: WorkflowRun, after: WorkflowRun) -> None:
        """A run was looked at in vain."""
        self.counts["touched"] += 1
        self.check(after == before._replace(heal=after.heal, wake_at=after.wake_at), "TOUCH", after.id)
        later = after.wake_at is not None and after.wake_at > self.world.now
        self.check(later or after.wake_at is None, "TOUCH", after.id, after.wake_at)
        self._state(after)

    def answered(self, before: WorkflowRun, transition: Transition, outcome: object) -> None:
        """A transition was not applied: was it right to refuse it?"""
        if not isinstance(outcome, Rejected):
            return
        self.counts[f"refused {outcome.code}"] += 1
        match transition:
            case TaskClaimed(name, token):
                claim = before.tasks[name].claim
                self.check(claim is None or claim.token != token, "FALSE_REJECTION", transition, outcome)
            case SignalReceived(name, signal):
                key = (before.id, name, signal.generation)
                known = signal.generation == before.tasks[name].generation and _has(self._accepted[key], signal)
                self.check(not known, "FALSE_REJECTION", transition, outcome)
            case TaskSucceeded() | TaskFailed() | TaskSkipped() | TaskTimedOut() | TaskSuspended() | TaskReleased():
                last = self._last_tokens.get(_key(before, transition.task))
                self.check(last != transition.token, "FALSE_REJECTION", transition, outcome)

    def undone(self, run_id: str, before: WorkflowRun | None, entry: JournalEntry) -> None:
        """A power cut took the newest change of a run."""
        self.counts["undone"] += 1
        self.check(entry.type == "TaskClaimed", "ACCEPTED_LOST", run_id, entry)
        if before is not None:
            self.journals[run_id].pop()
            self._folded[run_id] = fold(self.journals[run_id], before.tasks)

    def _state(self, run: WorkflowRun) -> None:
        statuses, status = self._folded[run.id]
        actual = {name: task.status for name, task in run.tasks.items()}
        self.check((statuses, status) == (actual, run.status), "FOLD", run.id, statuses, status)
        for fault in state_faults(run):
            name, _, seen = fault.partition(": ")
            self.check(False, name, run.id, seen)  # noqa: FBT003
        again = stored_and_restored(run) if run.revision % 8 == 0 else restore(run)
        self.check(again == run, "RESTORE", run.id, run.ready, again.ready, run.timers, again.timers)

    def _changed(self, run: WorkflowRun, name: str, old: TaskState, new: TaskState) -> None:
        key, now = (run.id, name, new.generation), self.world.now
        if old.status in FINAL_TASK and old.generation == new.generation:
            self.check(old.status is new.status, "UNFINISHED", *key, old.status, new.status)
        elif new.status in FINAL_TASK:
            self.check(key not in self._ended, "TWO_RESULTS", *key, new.status)
            self._ended.add(key)
            self._final(run, name, key, new)
        else:
            if new.due and not old.due:
                self.check(now > self._moments.get(key, 0.0) - MOMENT, "EARLY_TIMER", *key)
            if old.not_before is not None and new.not_before is None and old.generation == new.generation:
                self.check(now > self._back_offs.get(key, 0.0) - MOMENT, "EARLY_TIMER", *key)

    def _final(self, run: WorkflowRun, name: str, key: Key, task: TaskState) -> None:
        kind, code = run.plan.tasks[name].spec.type, "" if task.error is None else task.error.code
        self.counts[f"{kind} {task.status}"] += 1
        if task.status is TaskStatus.SUCCESS:
            self.check(self.effects[_idempotency_key(key)] > 0, "NO_EFFECT", *key)
        if code == "WORKER_LOST":
            self.counts["WORKER_LOST"] += 1
            self.check(kind == "KILLER" or not self._only_killers_kill, "INNOCENT_LOST", *key, kind)
        decisions = [signal.data["decision"] for signal in self._accepted[key] if signal.kind == "person"]
        if task.status not in {CANCELLED, TaskStatus.SKIPPED} and code not in {"WORKER_LOST", "FLAKY"}:
            if kind == "APPROVAL" and decisions:
                expected = TaskStatus.SUCCESS if decisions[0] == "approve" else TaskStatus.FAILED
                self.check(task.status is expected, "LOST_DECISION", *key, task.status, decisions)
            elif kind == "PANEL" and len(decisions) > 1:
                self.check(task.status is not TIMED_OUT, "LOST_DECISION", *key, task.status, decisions)

    def _claimed(self, before: WorkflowRun, claim: TaskClaimed) -> None:
        task, key = before.tasks[claim.task], _key(before, claim.task)
        self.check(task.status in {TaskStatus.PENDING, TaskStatus.WAITING}, "CLAIM_OVER_CLAIM", *key, task.status)
        self.check(not before.paused, "CLAIM_IN_PAUSE", *key)
        counts = (claim.generation, claim.step, claim.attempt)
        self.check(counts == (task.generation, task.step, task.attempt + 1), "STALE_CLAIM", *key, counts, task)
        if claim.phase == "signal":
            accepted, done = self._accepted[key], self._processed[key]
            in_order = done < len(accepted) and accepted[done].id == claim.signal
            self.check(in_order, "ORDER", *key, claim.signal, [signal.id for signal in accepted], done)

    def _lost_claim(self, before: WorkflowRun, after: WorkflowRun, name: str, owners: Mapping[str, Owner]) -> None:
        key, claim = _key(after, name), before.tasks[name].claim
        owner = None if claim is None else owners.get(claim.owner)
        self.check(owner is None or owner.dead, "LOST_ALIVE", *key, claim)
        self._lost[key] += 1
        failed = after.tasks[name].status is TaskStatus.FAILED
        self.check(failed is (self._lost[key] > LOST_AT_MOST), "LOST_COUNT", *key, self._lost[key], failed)

    def _signal(self, before: WorkflowRun, name: str, signal: Signal) -> None:
        task, key = before.tasks[name], _key(before, name)
        self.check(signal.generation == task.generation, "STALE_SIGNAL", *key, signal)
        self.check(not _has(self._accepted[key], signal), "DOUBLE_SIGNAL", *key, signal)
        senders = None if task.wants is None else task.wants.senders
        allowed = signal.kind != "person" or senders is None or self._may(task, key, signal.sender, signal.groups)
        self.check(allowed, "NOT_ALLOWED", *key, signal)
        self._accepted[key].append(signal)

    def _may(self, task: TaskState, key: Key, person: str | None, groups: Collection[str]) -> bool:
        """Whether somebody is asked, or stands in for somebody who is, and hasn't handed it over."""
        instead, wants = self._instead[key], task.wants
        asked = wants is not None and (
            person in (wants.senders or ()) or not set(groups).isdisjoint(wants.groups or ())
        )
        return person in instead.values() or (asked and person not in instead)

    def _delegated(self, before: WorkflowRun, transition: TaskDelegated) -> None:
        task, key = before.tasks[transition.task], _key(before, transition.task)
        self.check(transition.generation == task.generation, "STALE_SIGNAL", *key, transition)
        self.check(self._may(task, key, transition.sender, transition.groups), "NOT_ALLOWED", *key, transition)
        instead = self._instead[key]
        self.check(transition.to not in (*instead, *instead.values()), "NOT_ALLOWED", *key, transition)
        whom = next((whom for whom, to in instead.items() if to == transition.sender), transition.sender)
        instead[whom] = transition.to
        self.counts["handed over"] += 1

    def _result(self, before: WorkflowRun, after: WorkflowRun, result: Recorded, entry: JournalEntry) -> None:
        name = result.task
        task, key = before.tasks[name], _key(before, name)
        claim = task.claim
        if claim is None:  # of a pure block: both at once
            unclaimed = getattr(result, "claim", None)
            self.check(unclaimed is not None, "LATE_ACCEPTED", *key, result)
            if unclaimed is not None:
                self._claimed(before, unclaimed)
            claim = Claim(result.token, "", "main", self.world.now)
        self.check(claim.token == result.token, "LATE_ACCEPTED", *key, result, claim)
        self._last_tokens[key] = result.token
        self._lost[key] = 0
        attempts = self._retries[key, task.step]
        if entry.type == "TaskRetried":
            self._retried(before, key, task)
            return
        if isinstance(result, TaskFailed) and result.retryable:
            allowed = before.plan.tasks[name].backoff.max_attempts
            self.check(attempts == allowed - 1, "ATTEMPT_CHARGED", *key, attempts, allowed)
        if claim.phase == "signal":
            self._processed[key] += 1
        if isinstance(result, TaskSuspended) and result.after is not None:
            self._moments[key] = self.world.now + result.after
            self.check(after.tasks[name].until is not None, "EARLY_TIMER", *key, result)

    def _retried(self, before: WorkflowRun, key: Key, task: TaskState) -> None:
        self._retries[key, task.step] += 1
        delay = before.plan.tasks[key[1]].backoff.delay(self._retries[key, task.step], 0.0)
        self._back_offs[key] = self.world.now + delay

    def _woken(self, before: WorkflowRun, after: WorkflowRun) -> None:
        """Attempts may have been found to be over, which is retried like a failure."""
        for name, task in before.tasks.items():
            new = after.tasks[name]
            if task.claim is not None and new.claim is None and new.status is not CANCELLED:
                self._lost[_key(before, name)] = 0
                self._retried(before, _key(before, name), task)
                self._last_tokens[_key(before, name)] = task.claim.token

    # Calls.

    def began(self, process: "Process", call: Call) -> None:
        """A process begins to call a block."""
        self.counts["calls"] += 1
        claim, seen = call.claim, (call.run_id, call.task, call.claim, process.number)
        self.check(process.calling[call.type] <= CAPACITY, "CAPACITY", *seen)
        self.check(claim.token not in self._begun, "DOUBLE_CALL", *seen)
        self._begun.add(claim.token)
        if call.unclaimed:
            return
        self.check(process.database.lives(claim.owner), "START_UNDER_DEAD_OWNER", *seen)
        task = process.database.runs[call.run_id].tasks[call.task]
        if task.generation == claim.generation and task.status not in {CANCELLED, TIMED_OUT}:
            over = task.status in FINAL_TASK or task.step > claim.step
            self.check(not over, "START_AFTER_RESULT", *seen, task.status, task.step)

    def effect(self, context: BlockContext) -> None:
        """A block did something that can't be undone."""
        key = context.idempotency_key
        run_id, _, rest = key.rpartition(f"/{context.task}/")
        self.check(run_id == context.run_id and rest.isdigit(), "KEYS", key, context)
        self.effects[key] += 1

    # Engines.

    def judged(self, process: "Process", outages: list[tuple[float, float]]) -> None:
        """A process declares others dead because their leases are over."""
        now = self.world.now
        blind = any(min(until, now) - max(since, now - LEASE) >= NOTICED for since, until in outages)
        stopped = process.stopped_for >= LEASE and process.stopped_until > now - LEASE
        self.check(not blind and not stopped, "JUDGED_TOO_EARLY", process.number, "blind" if blind else "stopped")

    # The end.

    def finished(self, runs: Mapping[str, WorkflowRun]) -> None:
        """Nothing more will happen."""
        for run in runs.values():
            tasks = {name: f"{task.status} {run.plan.tasks[name].spec.type}" for name, task in run.tasks.items()}
            told = run.parent is None or run.told
            self.check(run.is_final and told, "STUCK", run.id, run.status, "wake_at", run.wake_at, tasks)


def _key(run: WorkflowRun, name: str) -> Key:
    return run.id, name, run.tasks[name].generation


def _idempotency_key(key: Key) -> str:
    return "/".join(map(str, key))


def _has(signals: list[Signal], signal: Signal) -> bool:
    return any(one.id == signal.id for one in signals)
