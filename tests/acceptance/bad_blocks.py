"""Blocks that do whatever a block should not do."""

import asyncio
import ctypes
import os
import sys
import time
from collections.abc import Callable
from typing import Any, Final

from pydantic import BaseModel

from blocks.contract import BlockContext, block


class BadArguments(BaseModel):
    """Which of the ways of `WAYS`."""

    how: str


class Unspeakable:
    """Something that JSON has no word for, and that can't even say what it is."""

    def __repr__(self) -> str:
        raise RuntimeError("no words")


def _raise() -> None:
    raise ValueError("on purpose")


class UnprintableError(Exception):
    """An error that ends whoever wants to read it."""

    def __str__(self) -> str:
        raise SystemExit


def _raise_unprintable() -> None:
    raise UnprintableError


def _interrupt() -> None:
    raise KeyboardInterrupt


def _loop() -> None:
    while True:
        pass


def _itself() -> dict[str, Any]:
    outputs: dict[str, Any] = {}
    outputs["self"] = outputs
    return outputs


WAYS: Final[dict[str, Callable[[], Any]]] = {
    "raise": _raise,
    "unprintable error": _raise_unprintable,
    "SystemExit": lambda: sys.exit(0),
    "KeyboardInterrupt": _interrupt,
    "endless loop": _loop,
    "endless sleep": lambda: time.sleep(1e6),
    "100 MB": lambda: {"text": "x" * 100_000_000},
    "unserialisable": lambda: {"it": Unspeakable()},
    "NaN": lambda: {"number": float("nan")},
    "endless outputs": _itself,
    "os._exit": lambda: os._exit(3),
    "segfault": lambda: ctypes.string_at(0),
}


@block("BAD", title="Misbehave", category="Test", concurrency=16)
def bad(arguments: BadArguments, _context: BlockContext) -> dict[str, Any]:
    """Misbehave in a thread."""
    outputs: dict[str, Any] = WAYS[arguments.how]()
    return outputs


@block("BAD_ASYNC", title="Misbehave", category="Test")
async def bad_async(arguments: BadArguments, _context: BlockContext) -> dict[str, Any]:
    """Misbehave on the event loop, also in the ways that only asynchronous functions know."""
    match arguments.how:
        case "wait for ever":
            await asyncio.Event().wait()
        case "ignore cancellation":
            while True:
                try:
                    await asyncio.sleep(1e6)
                except asyncio.CancelledError:
                    continue
        case "SystemExit in a task of its own":
            await asyncio.gather(_exit())
        case "stop the event loop":
            asyncio.get_running_loop().stop()
            await asyncio.sleep(0.1)
    outputs: dict[str, Any] = WAYS.get(arguments.how, dict)()
    return outputs


async def _exit() -> None:
    sys.exit(0)
