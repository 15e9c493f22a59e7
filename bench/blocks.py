"""Blocks that only benchmarks need: one that waits as most calls of a network do, and one that tells when it began."""

import asyncio
from time import monotonic
from typing import Any

from pydantic import BaseModel, ConfigDict

from blocks.contract import BlockContext, block


class PauseArguments(BaseModel):
    """How long."""

    seconds: float


@block("BENCH_PAUSE", title="Wait asynchronously", category="Benchmark")
async def pause(arguments: PauseArguments, _context: BlockContext) -> None:
    """Hold the task's call open for some seconds."""
    await asyncio.sleep(arguments.seconds)


class StampArguments(BaseModel):
    """None."""

    model_config = ConfigDict(extra="forbid")


@block("BENCH_STAMP", title="Tell the time", category="Benchmark")
async def stamp(_arguments: StampArguments, _context: BlockContext) -> dict[str, Any]:
    """The moment of the call, by the clock that all processes of a machine share (Linux' CLOCK_MONOTONIC)."""
    return {"called_at": monotonic()}
