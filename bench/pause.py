"""BENCH_PAUSE: a block that waits for something outside without using the CPU, as most calls of a network do."""

import asyncio

from pydantic import BaseModel

from blocks.contract import BlockContext, block


class PauseArguments(BaseModel):
    """How long."""

    seconds: float


@block("BENCH_PAUSE", title="Wait asynchronously", category="Benchmark")
async def pause(arguments: PauseArguments, _context: BlockContext) -> None:
    """Hold the task's call open for some seconds."""
    await asyncio.sleep(arguments.seconds)
