"""Blocks that leave a trace: each call writes a line to a ledger before it returns, and may die right after that."""

import asyncio
import json
import os
import signal
import time
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

from pydantic import BaseModel, Field

from blocks.contract import BlockContext, block


class LedgerSettings(BaseModel):
    """The folder of the ledger and the gates (`ICEFLOE_LEDGER`)."""

    ledger: Path


class LedgerArguments(BaseModel):
    """How a call goes on once its effect is written down."""

    deadly: float = Field(
        default=0, description="The share of tasks whose first call kills its engine after the effect"
    )
    seconds: float = Field(default=0, description="How long the call takes after that")


class GateArguments(BaseModel):
    """Which gate to wait at."""

    gate: str


class Effect(NamedTuple):
    """A line of the ledger: who called what, as which attempt, in which process, and when (Unix time)."""

    key: str
    attempt: int
    pid: int
    at: float


@block("LEDGER", title="Write to the ledger", category="Test", settings=LedgerSettings, concurrency=16)
def ledger(arguments: LedgerArguments, context: BlockContext) -> None:
    """Write a line, in a thread."""
    write(context)
    _die(arguments, context)
    time.sleep(arguments.seconds)


@block("LEDGER_ASYNC", title="Write to the ledger", category="Test", settings=LedgerSettings)
async def ledger_async(arguments: LedgerArguments, context: BlockContext) -> None:
    """Write a line, on the event loop."""
    write(context)
    _die(arguments, context)
    await asyncio.sleep(arguments.seconds)


@block("GATE", title="Wait at a gate", category="Test", settings=LedgerSettings)
async def gate(arguments: GateArguments, context: BlockContext) -> None:
    """Write a line, and return when the gate is open, for all or for this process."""
    write(context)
    gates = [gate_of(context.settings.ledger, name) for name in (arguments.gate, f"{arguments.gate}-{os.getpid()}")]
    while not any(one.exists() for one in gates):  # noqa: ASYNC110 - another process opens it
        await asyncio.sleep(0.01)


def write(context: BlockContext) -> None:
    """The effect: one line, in one write."""
    effect = Effect(context.idempotency_key, context.attempt, os.getpid(), time.time())
    with (context.settings.ledger / "effects").open("ab", buffering=0) as file:
        file.write(json.dumps(effect).encode() + b"\n")


def read(folder: Path) -> list[Effect]:
    """All effects, in order."""
    file = folder / "effects"
    return [Effect(*json.loads(line)) for line in file.read_text().splitlines()] if file.exists() else []


def gate_of(folder: Path, name: str) -> Path:
    """The file that opens a gate by being there."""
    return folder / f"gate-{name}"


def _die(arguments: LedgerArguments, context: BlockContext) -> None:
    name = blake2b(context.idempotency_key.encode(), digest_size=4).hexdigest()
    if int(name, 16) < arguments.deadly * 2**32:
        try:
            (context.settings.ledger / f"died-{name}").touch(exist_ok=False)
        except FileExistsError:
            return
        os.kill(os.getpid(), signal.SIGKILL)
