"""NOOP: does nothing and gives back its arguments; for sketches, for joining branches, for measuring."""

from typing import Any

from pydantic import BaseModel, ConfigDict

from blocks.contract import BlockContext, block


class NoopArguments(BaseModel):
    """Anything."""

    model_config = ConfigDict(extra="allow")


@block("NOOP", title="Do nothing", category="Flow", icon="circle", examples=({}, {"note": "both branches meet here"}))
async def noop(arguments: NoopArguments, _context: BlockContext) -> dict[str, Any]:
    """Succeed at once, with the arguments as outputs."""
    return arguments.model_extra or {}
