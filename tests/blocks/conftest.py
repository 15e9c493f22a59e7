"""What tests of blocks share: calling a block the way an engine does, without an engine."""

import asyncio
import inspect
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import pytest

from blocks.contract import Block, BlockContext, Outcome, Signal, outcome
from blocks.network import close_pools

Call: TypeAlias = Callable[..., Outcome]


async def _made(made: Callable[[], Any]) -> Any:
    try:
        result = made()
        return await result if inspect.isawaitable(result) else result
    except BaseException as error:  # noqa: BLE001 - as the engine does
        return error
    finally:
        await close_pools()


@pytest.fixture
def call() -> Call:
    """Call a block with arguments, or with a signal or wake-up after an earlier Wait, and tell the outcome."""

    def called(
        block: Block[..., Any],
        arguments: Mapping[str, Any],
        *,
        phase: Any = "main",
        signal: Signal[Any] | None = None,
        waited: Mapping[str, Any] | None = None,
        settings: object = None,
        key: str = "run-1/task-1/1",
        **known: Any,
    ) -> Outcome:
        context = BlockContext(
            idempotency_key=key,
            run_id="run-1",
            task="task-1",
            workflow="test",
            settings=settings or (block.settings() if block.settings else None),
            **known,
        )
        try:
            made = block.bind(phase, arguments, context, signal, waited)
        except Exception as error:  # noqa: BLE001 - as the engine does
            return outcome(error)
        return outcome(asyncio.run(_made(made)))

    return called
