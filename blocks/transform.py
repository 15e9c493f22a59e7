"""TRANSFORM: gives values made of references and constants a name, for the tasks behind it."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from blocks.contract import BlockContext, block


class TransformArguments(BaseModel):
    """The values to make."""

    model_config = ConfigDict(extra="forbid")

    values: dict[str, Any] = Field(description="The outputs, by name: constants and {{ references }}")


@block(
    "TRANSFORM",
    title="Transform",
    category="Flow",
    icon="shuffle",
    pure=True,
    examples=({"values": {"asset": "{{ inputs.asset }}", "owners": "{{ tasks.lookup.outputs.body.owners[*].name }}"}},),
)
async def transform(arguments: TransformArguments, _context: BlockContext) -> dict[str, Any]:
    """Make values of the run's inputs and earlier outputs; they are the outputs of this task."""
    return arguments.values
