"""An engine in slow motion: its real shell, on a real store whose clock tests move, and blocks that tests hold.

A test does by hand what the dataflow does: `rig.begin("r", "a")` prepares, claims and begins a call, `rig.let_go()`
lets whatever is held return, `rig.ended()` is what came of the next call that ended, `rig.record` puts it on record.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from threading import Event
from time import monotonic, sleep
from typing import Any, Final, TypeAlias

from pydantic import BaseModel, ConfigDict

from blocks.approval import approval
from blocks.catalogue import Catalogue
from blocks.contract import BlockContext, BlockError, Skip, TimedOut, Wait, block
from blocks.noop import noop
from dataflows.calls import Call, Finished
from dataflows.settings import EngineSettings
from dataflows.shell import Shell
from dataflows.workers import LoopWorker
from engine.machine import Dispatch, ready
from engine.run import JournalEntry, Parent, WorkflowRun
from engine.transitions import Transition
from store.protocol import NewRun, Proposal
from store.sqlite import SqliteStore
from tests.engine.driver import plan_of, task
from tests.store.driver import Clock

__all__ = ["CONCURRENCY", "Rig", "let_go", "rigged", "task", "until"]

Outputs: TypeAlias = dict[str, Any] | Skip | TimedOut | Wait

PATIENCE: Final = 20.0
CONCURRENCY: Final = 2  # calls of HOLD_THREAD at once

_go = Event()
_begun: list[BlockContext] = []


class Arguments(BaseModel):
    """Anything; `how` says what comes of it."""

    model_config = ConfigDict(extra="allow")

    how: str = "succeed"


@block("HOLD", title="Hold", category="Test")
async def hold(arguments: Arguments, context: BlockContext) -> Outputs:
    """Return when it is let go, on the event loop."""
    _begun.append(context)
    while not _go.is_set():  # noqa: ASYNC110 - another thread sets it
        await asyncio.sleep(0.001)
    return _result(arguments)


@block("HOLD_THREAD", title="Hold", category="Test", concurrency=CONCURRENCY)
def hold_thread(arguments: Arguments, context: BlockContext) -> Outputs:
    """Return when it is let go, in a thread."""
    _begun.append(context)
    _go.wait(PATIENCE)
    return _result(arguments)


@block("PURE", title="Do nothing but return", category="Test", pure=True)
def pure(arguments: Arguments, _context: BlockContext) -> Outputs:
    """Return, or not."""
    return _result(arguments)


def _result(arguments: Arguments) -> Outputs:
    match arguments.how:
        case "fail":
            raise BlockError("BROKEN", "it broke", retryable=True)
        case "crash":
            raise ZeroDivisionError("by zero")
        case "skip":
            return Skip("no")
        case "expire":
            return TimedOut("too late")
        case "wait":
            return Wait(after=timedelta(minutes=1))
        case "wait for nothing":
            return Wait()
        case "hold":
            _go.wait(PATIENCE)
    return arguments.model_extra or {}


CATALOGUE: Final = Catalogue.of(hold, hold_thread, pure, noop, approval)


class Rig:
    """One engine, the people on the other side of its store, and the clock of both."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.clock = Clock()
        self.path = folder / "icefloe.db"
        self.people = self.store()
        self.shell = Shell(self.store(), CATALOGUE, EngineSettings(lease=3600, **settings))

    def store(self) -> SqliteStore:
        """A store object of its own, as other processes have it."""
        return SqliteStore(self.path, clock=self.clock, luck=lambda: 0.0, busy_seconds=0.05)

    def start(
        self, run_id: str, *tasks: str | dict[str, Any], parent: Parent | None = None, **workflow: Any
    ) -> WorkflowRun:
        """Start a run of a workflow of its own."""
        self.people.save_workflow(plan_of(*tasks, name=run_id, **workflow).workflow)
        tenant = workflow.get("tenant", "default")
        [answer] = self.people.create([NewRun(run_id, run_id, {}, parent=parent, tenant=tenant)])
        assert answer.run is not None, answer.faults
        return answer.run

    def do(self, run_id: str, transition: Transition) -> WorkflowRun:
        """Somebody does something to a run, which must be legal."""
        [answer] = self.people.apply([Proposal(run_id, transition, "olga")])
        assert isinstance(answer.outcome, JournalEntry), answer.outcome
        assert answer.run is not None
        return answer.run

    def run(self, run_id: str) -> WorkflowRun:
        return self.people.load([run_id])[run_id]

    def dispatch(self, run_id: str, name: str) -> Dispatch:
        """The call of a task that must be ready."""
        return next(one for one in ready(self.run(run_id)) if one.task == name)

    def prepare(self, run_id: str, name: str) -> Call:
        """A call that may be claimed."""
        call = self.shell.prepare(self.dispatch(run_id, name))
        assert call is not None
        return call

    def claim(self, run_id: str, name: str) -> Call:
        """A call that the store has granted."""
        call = self.prepare(run_id, name)
        assert self.shell.claim([(run_id, call)]) == [(run_id, call)]
        return call

    def begin(self, run_id: str, name: str) -> Call:
        """A call that has begun."""
        call = self.claim(run_id, name)
        before = len(_begun)
        self.shell.start(call.type, [call])
        if call.type.startswith("HOLD"):
            until(lambda: len(_begun) > before, "the call has begun")
        return call

    def let_go(self) -> None:
        """What is held returns, and what comes later isn't held."""
        let_go()

    def begun(self) -> list[BlockContext]:
        """The contexts of the calls that have begun."""
        return list(_begun)

    def ended(self) -> Finished:
        """The next call that came to its end."""
        [finished] = self.shell.calls.ended(PATIENCE)
        return finished

    def record(self, *ended: Finished) -> WorkflowRun:
        """Record what came of calls of a run; the run after that."""
        self.shell.record([(Proposal(call.run_id, result), call) for call, result in ended])
        return self.run(ended[0].call.run_id)

    def free(self, type_: str) -> int:
        """How many slots of a type are free."""
        return self.shell.slots._free[type_]

    def journal(self, run_id: str) -> str:
        """The types of all journal entries."""
        return " ".join(entry.type for entry in self.people.journal(run_id))


@contextmanager
def rigged(folder: Path, **settings: Any) -> Iterator[Rig]:
    """A rig, whose engine has begun."""
    _go.clear()
    _begun.clear()
    rig = Rig(folder, **settings)
    rig.shell.begin()
    try:
        yield rig
    finally:
        rig.let_go()
        rig.shell.end()
        rig.people.close()
        for worker in rig.shell.calls._workers.values():
            if isinstance(worker, LoopWorker):
                worker.end()


def let_go() -> None:
    """What is held returns, in whichever engine."""
    _go.set()


def until(condition: Callable[[], object], what: str) -> None:
    """Wait until something holds that other threads do."""
    give_up = monotonic() + PATIENCE
    while not condition():
        assert monotonic() < give_up, what
        sleep(0.001)
