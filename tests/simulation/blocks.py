"""The blocks of the simulation: one for each thing that makes tasks hard. What they do goes into a ledger."""

from collections.abc import Mapping
from contextvars import ContextVar
from datetime import timedelta
from typing import Any, Protocol

from pydantic import BaseModel, ConfigDict

from blocks.catalogue import Catalogue
from blocks.contract import BlockContext, BlockError, Signal, Skip, TimedOut, Wait, block
from tests.simulation.world import World

APPROVERS = ("ann", "bob", "cyd")
GROUP = "stewards"
DECISION = {"type": "object", "required": ["decision"]}
TWO = {"approve": 2, "reject": 2}
DURATIONS = {
    "QUICK": (0.01, 0.01),
    "PURE": (0.01, 0.01),
    "SLOW": (2.0, 20.0),
    "LONG": (30.0, 90.0),
}  # seconds that a call takes
DURATION = (0.01, 4.0)


class Stage(Protocol):
    """What blocks act on: the simulation that is running."""

    world: World

    def effect(self, context: BlockContext) -> None:
        """Do something that can't be undone."""

    def start_child(self, context: BlockContext) -> None:
        """Start a run for a task."""

    def kills(self) -> bool:
        """Whether this call ends the process that makes it."""


STAGE: ContextVar[Stage] = ContextVar("stage")


class Anything(BaseModel):
    """Arguments that nobody looks at."""

    model_config = ConfigDict(extra="allow")


Waited = Mapping[str, Any] | None


@block("QUICK", title="Quick", category="Simulation")
def quick(_arguments: Anything, context: BlockContext) -> dict[str, Any] | Skip:
    """Work that may fail, for now or for good, or decline."""
    stage = STAGE.get()
    stage.effect(context)
    if stage.world.chance(0.15):
        raise BlockError("FLAKY", "try again", retryable=True)
    if stage.world.chance(0.05):
        raise BlockError("BROKEN", "it can't be done")
    return Skip("not today") if stage.world.chance(0.05) else {"attempt": context.attempt}


@block("SLOW", title="Slow", category="Simulation")
def slow(arguments: Anything, context: BlockContext) -> dict[str, Any] | Skip:
    """Work that takes its time."""
    return quick(arguments, context)


@block("LONG", title="Long", category="Simulation")
def long(arguments: Anything, context: BlockContext) -> dict[str, Any] | Skip:
    """Work that takes longer than a lease."""
    return quick(arguments, context)


@block("PURE", title="Pure", category="Simulation", pure=True)
def pure(arguments: Anything, context: BlockContext) -> dict[str, Any] | Skip:
    """Work that needs no claim."""
    return quick(arguments, context)


@block("KILLER", title="Killer", category="Simulation")
def killer(arguments: Anything, context: BlockContext) -> dict[str, Any] | Skip:
    """Work that ends the process that does it."""
    if STAGE.get().kills():
        raise SystemExit("this call ends its process")
    return quick(arguments, context)


@block("TIMER", title="Timer", category="Simulation")
def timer(_arguments: Anything, context: BlockContext) -> dict[str, Any] | Wait:
    """Waits for some time."""
    stage = STAGE.get()
    stage.effect(context)
    return Wait(after=timedelta(seconds=stage.world.random.choice([1, 10, 100])))


@timer.on_wake
def timer_over(_arguments: Anything, _context: BlockContext, _waited: Waited) -> dict[str, Any]:
    """The time has come."""
    _hesitate()
    return {}


@block("APPROVAL", title="Approval", category="Simulation")
def approval(_arguments: Anything, context: BlockContext) -> dict[str, Any] | Wait:
    """Waits for one decision, for some time or for ever."""
    STAGE.get().effect(context)
    return Wait(after=_patience(), for_signal=DECISION, senders=APPROVERS, groups=(GROUP,), closes={"*": 1})


@approval.on_signal
def approval_decided(
    _arguments: Anything, _context: BlockContext, signal: Signal[Any], _waited: Waited
) -> dict[str, Any]:
    """The decision is the end."""
    _hesitate()
    if signal.data["decision"] != "approve":
        raise BlockError("REJECTED", f"rejected by {signal.sender}")
    return {"by": signal.sender}


@block("PANEL", title="Panel", category="Simulation")
def panel(_arguments: Anything, context: BlockContext) -> dict[str, Any] | Wait:
    """Waits for two decisions of any kind."""
    STAGE.get().effect(context)
    return Wait(after=_patience(), for_signal=DECISION, senders=APPROVERS, groups=(GROUP,), closes=TWO)


@panel.on_signal
def panel_decided(
    _arguments: Anything, _context: BlockContext, signal: Signal[Any], waited: Waited
) -> dict[str, Any] | Wait:
    """The second decision is the end."""
    _hesitate()
    by = [*(waited or {}).get("by", []), signal.sender]
    waiting = Wait(outputs={"by": by}, for_signal=DECISION, senders=APPROVERS, groups=(GROUP,), closes=TWO)
    return {"by": by} if len(by) > 1 else waiting


@panel.on_wake
def panel_over(_arguments: Anything, _context: BlockContext, waited: Waited) -> TimedOut:
    """Too few decided."""
    _hesitate()
    return TimedOut("too few decided", outputs=waited)


@block("CHILD", title="Child", category="Simulation")
def child(_arguments: Anything, context: BlockContext) -> dict[str, Any] | Wait:
    """Starts another run, and waits for its end."""
    stage = STAGE.get()
    stage.effect(context)
    stage.start_child(context)
    return Wait(for_signal={"required": ["status"]})


@child.on_signal
def child_ended(_arguments: Anything, _context: BlockContext, signal: Signal[Any], _waited: Waited) -> dict[str, Any]:
    """The end of the child is that of the task."""
    _hesitate()
    if signal.data["status"] != "SUCCESS":
        raise BlockError("CHILD_FAILED", f"it ended as {signal.data['status']}")
    return {}


def _hesitate() -> None:
    if STAGE.get().world.chance(0.05):
        raise BlockError("FLAKY", "try again", retryable=True)


def _patience() -> timedelta | None:
    world = STAGE.get().world
    seconds = world.random.choice([None, 20, 60, 300]) if world.now < world.calm_at else None
    return None if seconds is None else timedelta(seconds=seconds)


CATALOGUE = Catalogue.of(quick, slow, long, pure, killer, timer, approval, panel, child)
KINDS = ("QUICK", "QUICK", "SLOW", "LONG", "PURE", "TIMER", "APPROVAL", "APPROVAL", "PANEL")
