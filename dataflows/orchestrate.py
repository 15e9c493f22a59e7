"""The orchestrator: for each run with something to do, which calls should be made now.

It keeps nothing: each piece of news brings the run as it stands. So it doesn't matter which engine hears of a run next,
and a run that waits costs no memory. The questions are answered by `engine.machine`; here they are only asked.
"""

from typing import TypeAlias, TypeGuard

import structlog
from bytewax.operators import StatefulBatchLogic

from dataflows.calls import Call
from dataflows.shell import News, Recordable, Shell
from engine.run import WorkflowRun
from engine.transitions import Error, ParentNotified, RunFailed, Signal, SignalReceived, TaskReleased, Transition
from store.protocol import Proposal

Move: TypeAlias = Call | Recordable

log = structlog.get_logger("engine")


class Orchestrator(StatefulBatchLogic[News, Move, None]):
    """What is to be done about one run. Bytewax brings all news of a run to the same worker, in order."""

    def __init__(self, shell: Shell) -> None:
        self._shell = shell

    def on_batch(self, values: list[News]) -> tuple[list[Move], bool]:
        """Take the newest state of the run, and give the calls to make."""
        run: WorkflowRun | None = None
        woken = False
        for newer, was_woken in values:
            if newer is not None and (run is None or newer.revision >= run.revision):
                run = newer
                woken = woken or was_woken
        if run is None:
            return [], StatefulBatchLogic.DISCARD
        moves: list[Move] = []
        try:
            self._decide(run, moves, woken=woken)
        except Exception as error:
            log.exception("run_not_understood", run_id=run.id)
            self._shell.withdraw(moves)
            reason = f"the engine can't go on with this run: {type(error).__name__}: {error}"
            return [_said(run.id, RunFailed(Error("ENGINE_ERROR", reason)))], StatefulBatchLogic.DISCARD
        return moves, StatefulBatchLogic.DISCARD

    def snapshot(self) -> None:
        """Nothing: the store is the truth, and Bytewax's recovery is not used."""

    def _decide(self, run: WorkflowRun, moves: list[Move], *, woken: bool) -> None:
        if run.is_final:
            self._shell.disown(run)
            moves += _tell_parent(run)
            return
        if woken:
            moves += self._orphans(run)
        moves.extend(self._shell.calls_for(run))

    def _orphans(self, run: WorkflowRun) -> list[Recordable]:
        """Claims in this engine's own name that it isn't working on."""
        owner, calls = self._shell.lease.owner, self._shell.calls
        return [
            _said(run.id, TaskReleased(name, task.claim.token))
            for name, task in run.tasks.items()
            if task.claim is not None and task.claim.owner == owner and not calls.holds(run.id, name, task.claim.token)
        ]


def _tell_parent(run: WorkflowRun) -> list[Recordable]:
    """A run that another one started tells it of its end, until that is recorded."""
    if run.parent is None or run.told:
        return []
    error = None if run.error is None else run.error._asdict()
    end = {"run": run.id, "status": run.status.value, "outputs": run.outputs, "error": error}
    signal = Signal(f"{run.id}/{run.generation}", run.parent.generation, None, end, "child")
    return [
        _said(run.parent.run, SignalReceived(run.parent.task, signal)),
        _said(run.id, ParentNotified()),
    ]


def _said(run_id: str, transition: Transition) -> Recordable:
    return Proposal(run_id, transition), None


def is_call(move: tuple[str, Move]) -> TypeGuard[tuple[str, Call]]:
    """Whether this is a call to be claimed, and not something to be recorded at once."""
    return isinstance(move[1], Call)
