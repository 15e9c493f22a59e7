"""Calls of blocks: what is in flight in this process, and what becomes of it.

A started call goes to the worker of its block type; when it ends, or its time is over, it is put into a queue, from
which the branch of its type takes it to the store.
"""

from heapq import heapify, heappop, heappush
from queue import Empty, SimpleQueue
from threading import Lock
from time import monotonic
from typing import Any, NamedTuple, TypeAlias, assert_never

import structlog

from blocks.catalogue import Catalogue
from blocks.contract import (
    BlockContext,
    BlockError,
    Expired,
    Failed,
    Outcome,
    Signal,
    Skipped,
    Succeeded,
    Waiting,
    outcome,
)
from dataflows.settings import EngineSettings, settings_of_blocks
from dataflows.slots import Slots
from dataflows.workers import LoopWorker, ThreadWorker, Worker
from engine.asked import is_restricted, people_asked
from engine.machine import Dispatch
from engine.run import WorkflowRun
from engine.transitions import (
    Error,
    Result,
    TaskClaimed,
    TaskFailed,
    TaskReleased,
    TaskSkipped,
    TaskSucceeded,
    TaskSuspended,
    TaskTimedOut,
    Wants,
)

ENDED_AT_ONCE = 1000

log = structlog.get_logger("engine")


class Call:
    """One call of a block. `claim` is recorded, or (`unclaimed`: of a pure block) will be with the result.

    `timeout` is in seconds, `granted` a revision of the run with the claim. `ended` says that its result is known, and
    no other will count; `placed` that it takes a slot of its type.
    """

    __slots__ = ("claim", "dispatch", "ended", "granted", "placed", "run_id", "task", "timeout", "type", "unclaimed")

    def __init__(self, dispatch: Dispatch, claim: TaskClaimed, *, unclaimed: bool) -> None:
        self.dispatch = dispatch
        self.run_id = dispatch.run.id
        self.task = dispatch.task
        self.type = dispatch.type
        self.timeout = dispatch.run.plan.tasks[dispatch.task].timeout if dispatch.phase == "main" else None
        self.claim = claim
        self.unclaimed = unclaimed
        self.granted: int | None = None
        self.ended = False
        self.placed = True

    def __str__(self) -> str:
        return f"{self.run_id}/{self.task}"


class Finished(NamedTuple):
    """A call came to its end, and this is to be recorded."""

    call: Call
    result: Result


Work: TypeAlias = Call | Finished
"""What the branch of a block type takes: calls that may begin, and those that came to their end."""


class Calls:
    """The calls in flight. `finished` is what ended since somebody last looked; None in it just wakes the reader."""

    def __init__(self, catalogue: Catalogue, settings: EngineSettings) -> None:
        self.finished: SimpleQueue[Finished | None] = SimpleQueue()
        self._catalogue = catalogue
        self._settings, self._secrets = settings_of_blocks(catalogue.values())
        self._table: dict[tuple[str, str], Call] = {}
        self._deadlines: list[tuple[float, str, Call]] = []
        self._lock = Lock()
        capacity = {
            type_: block.concurrency or (settings.calls if block.is_async else settings.threads)
            for type_, block in catalogue.items()
        }
        self.slots = Slots(capacity)
        self._workers: dict[str, Worker[Call]] = {
            type_: LoopWorker(type_, self._prepare, self._done)
            if block.is_async
            else ThreadWorker(type_, capacity[type_], self._prepare, self._done)
            for type_, block in catalogue.items()
        }

    def __len__(self) -> int:
        return len(self._table)

    def holds(self, run_id: str, task: str, token: str | None = None) -> bool:
        """Whether a call of this task (under this claim) is in flight here, or its result isn't recorded yet."""
        call = self._table.get((run_id, task))
        return call is not None and (token is None or call.claim.token == token)

    def disown(self, run: WorkflowRun, task: str) -> None:
        """End the call of this task, if the run as it stands has taken back its claim: no result of it will count."""
        call = self._table.get((run.id, task))
        if call is None:
            return
        state = run.tasks[task]
        if call.unclaimed:
            asked = (call.claim.generation, call.claim.step, call.claim.attempt)
            vain = run.is_final or asked != (state.generation, state.step, state.attempt + 1)
        elif call.granted is None or call.granted > run.revision:
            vain = False  # this news is older than the claim
        else:
            vain = state.claim is None or state.claim.token != call.claim.token
        if vain:
            self._abandon(call, TaskReleased(task, call.claim.token))

    def expect(self, dispatch: Dispatch, claim: TaskClaimed, *, unclaimed: bool) -> Call | None:
        """A call that is about to be claimed, for which a slot was taken; None if another worker was faster."""
        call = Call(dispatch, claim, unclaimed=unclaimed)
        return call if self._table.setdefault((call.run_id, call.task), call) is call else None  # in one step

    def start(self, type_: str, calls: list[Call]) -> None:
        """Begin calls of one block type."""
        self._workers[type_].submit(calls)

    def withdraw(self, call: Call) -> None:
        """The call won't be made: nothing of it has begun."""
        self.forget(call)
        self._vacate(call)  # be it that it has been disowned meanwhile: no thread will tell that it is done with it

    def forget(self, call: Call) -> None:
        """The call's result is recorded."""
        key = call.run_id, call.task
        if self._table.get(key) is call:
            del self._table[key]
        if not call.ended:
            self._vacate(call)

    def ended(self, patience: float) -> list[Finished]:
        """What ended since this was last asked; waits up to `patience` seconds for the first."""
        queue = self.finished
        try:
            ended = [queue.get(timeout=patience) if patience > 0 else queue.get_nowait()]
            ended += [queue.get_nowait() for _ in range(min(queue.qsize(), ENDED_AT_ONCE))]
        except Empty:
            return []
        return [one for one in ended if one is not None]

    def overdue(self) -> None:
        """End the calls whose time is over: their results count no more."""
        while (call := self._next_overdue()) is not None:
            message = f"the attempt took longer than its timeout of {call.timeout:g} s"
            self._abandon(call, TaskTimedOut(call.task, call.claim.token, message, attempt_over=True))

    def _next_overdue(self) -> Call | None:
        with self._lock:
            if not self._deadlines or self._deadlines[0][0] > monotonic():
                return None
            return heappop(self._deadlines)[2]

    def unstick(self) -> None:
        """Give back the calls that are blocked by another one of their type."""
        for worker in self._workers.values():
            for call in worker.stuck():
                self.give_back(call)

    def give_back(self, call: Call) -> None:
        """End a call without a result; it will be made again, under another claim."""
        self._end(call, TaskReleased(call.task, call.claim.token))
        self._vacate(call)

    def give_back_all(self) -> None:
        """Give back whatever hasn't ended."""
        for call in list(self._table.values()):
            self.give_back(call)

    def _abandon(self, call: Call, result: Result) -> None:
        """End a call that has begun, without waiting for it."""
        if not self._end(call, result):
            return
        if self._workers[call.type].abandon(call):
            self._vacate(call)
        elif call.placed:
            log.warning("abandoned_call_keeps_its_thread", run_id=call.run_id, task=call.task, type=call.type)

    def _end(self, call: Call, result: Result) -> bool:
        """End a call, unless it has been ended before."""
        with self._lock:
            if call.ended:
                return False
            call.ended = True
        self.finished.put(Finished(call, result))
        return True

    def _vacate(self, call: Call) -> None:
        """Give its slot back, once."""
        with self._lock:
            placed, call.placed = call.placed, False
        if placed:
            self.slots.give(call.type)

    def _prepare(self, call: Call) -> Any:
        """What to call; raises what keeps it from being called. Runs on the worker's thread, as does `_done`."""
        if call.ended:
            raise RuntimeError("nobody waits for this call any more, and so nobody will hear of this error")
        if call.timeout is not None:
            self._limit(call, call.timeout)
        dispatch = call.dispatch
        run, state, sent = dispatch.run, dispatch.state, dispatch.signal
        context = BlockContext(
            idempotency_key=f"{run.id}/{dispatch.task}/{state.generation}",
            run_id=run.id,
            task=dispatch.task,
            workflow=run.workflow,
            attempt=call.claim.attempt,
            generation=state.generation,
            requested_by=run.requested_by,
            asked=people_asked(state) if dispatch.phase == "wake" and state.wants is not None else None,
            settings=self._settings.get(dispatch.type),
            secrets=self._secrets[dispatch.type],
        )
        signal = None if sent is None else Signal(sent.id, sent.sender, sent.at, sent.data, sent.on_behalf)
        return self._catalogue[dispatch.type].bind(dispatch.phase, dispatch.arguments(), context, signal, state.outputs)

    def _limit(self, call: Call, timeout: float) -> None:
        """The call begins, and with it its time."""
        with self._lock:
            heappush(self._deadlines, (monotonic() + timeout, call.claim.token, call))
            if len(self._deadlines) > 4 * len(self._table) + 1000:
                self._deadlines = [entry for entry in self._deadlines if not entry[2].ended]
                heapify(self._deadlines)

    def _done(self, call: Call, result: object) -> None:
        """The worker has ended a call, and has room for another one."""
        self._vacate(call)
        if call.ended:
            return
        self._end(call, _recordable(call, outcome(result)))
        if isinstance(result, BaseException) and not isinstance(result, BlockError):  # whether or not it can be printed
            told = {"run_id": call.run_id, "task": call.task, "type": call.type, "attempt": call.claim.attempt}
            log.warning("block_crashed", **told, exc_info=result)


def _recordable(call: Call, found: Outcome) -> Result:  # noqa: PLR0911 - a case for each outcome
    """The transition that an outcome proposes."""
    task, token = call.task, call.claim.token
    claim = call.claim if call.unclaimed else None
    match found:
        case Expired() | Waiting() if claim is not None:
            error = Error("BAD_OUTPUTS", f"{call.type} is pure: it can neither wait nor time out")
            return TaskFailed(task, token, error, claim=claim)
        case Succeeded(outputs):
            return TaskSucceeded(task, token, outputs, claim)
        case Failed(code, message, retryable, outputs):
            return TaskFailed(task, token, Error(code, message), retryable, outputs, claim)
        case Skipped(reason):
            return TaskSkipped(task, token, reason, claim)
        case Expired(reason, outputs):
            return TaskTimedOut(task, token, reason, outputs=outputs)
        case Waiting() if _waits_for_nothing(call, found):
            error = Error("BAD_OUTPUTS", "the block waits, but for no moment and for nobody")
            return TaskFailed(task, token, error)
        case Waiting():
            return TaskSuspended(task, token, found.until, found.after, _wanted(found), found.outputs)
        case _:
            assert_never(found)


def _wanted(waiting: Waiting) -> Wants | None:
    """What it takes as a signal; None if it says nothing of that."""
    if waiting.schema is None and waiting.senders is None and waiting.groups is None:
        return None
    return Wants(waiting.schema, waiting.senders, waiting.closes, waiting.groups, waiting.barred)


def _waits_for_nothing(call: Call, waiting: Waiting) -> bool:
    """Whether nothing would ever end this wait; in later phases it may keep what an earlier one had set."""
    state, wants = call.dispatch.state, _wanted(waiting)
    kept = call.dispatch.phase == "signal" and (state.until is not None or state.due)
    if kept or waiting.until is not None or waiting.after is not None:
        return False
    if wants is None:
        return state.wants is None
    return is_restricted(wants) and not wants.groups and set(wants.senders or ()) <= set(wants.barred)
