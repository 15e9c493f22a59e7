"""CONDITION: asks whether values compare as they should; true is SUCCESS, false is SKIPPED."""

from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from blocks.contract import BlockContext, BlockError, Skip, block
from engine.conditions import Condition, ConditionError, Operator, judge

_ALONE = {"left", "operator", "right"}
_SHOWN = 60  # characters of a value in a sentence


class ConditionArguments(BaseModel):
    """One comparison (`left`, `operator`, `right`), or several: `all` of them must hold, or at least one of `any`."""

    model_config = ConfigDict(extra="forbid")

    left: Any = Field(default=None, description="What is compared")
    operator: Operator | None = Field(default=None, description="How they are compared; nothing is coerced")
    right: Any = Field(default=None, description="What it is compared with; not for `exists`")
    all: list[Condition] | None = Field(default=None, min_length=1, description="Comparisons that must all hold")
    any: list[Condition] | None = Field(default=None, min_length=1, description="Comparisons of which one must hold")

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        if sum((bool(_ALONE & self.model_fields_set), self.all is not None, self.any is not None)) != 1:
            raise ValueError("give `left`, `operator` and `right`, or `all`, or `any`: one of the three")
        _ = self.comparisons
        return self

    @property
    def comparisons(self) -> list[Condition]:
        """What is to be judged, in order."""
        alone = {name: getattr(self, name) for name in _ALONE & self.model_fields_set}
        return self.all or self.any or [Condition.model_validate(alone)]


class Verdict(BaseModel):
    """What was found; a condition that doesn't hold is skipped, and leaves no outputs."""

    result: bool


@block(
    "CONDITION",
    title="Condition",
    category="Flow",
    icon="split",
    pure=True,
    examples=(
        {"left": "{{ inputs.risk }}", "operator": "==", "right": "low"},
        {
            "any": [
                {"left": "{{ inputs.rows }}", "operator": ">", "right": 1000},
                {"left": "{{ inputs.tags }}", "operator": "contains", "right": "pii"},
            ]
        },
    ),
)
async def condition(arguments: ConditionArguments, _context: BlockContext) -> Verdict | Skip:
    """Go on if values compare as they should; otherwise the task is SKIPPED, which other tasks can depend on.

    Raises:
        BlockError: `BAD_CONDITION`: the values can't be compared so.
    """
    try:
        if arguments.any is not None:
            return Verdict(result=True) if any(map(_holds, arguments.any)) else Skip("none of the comparisons holds")
        failing = next((one for one in arguments.comparisons if not _holds(one)), None)
    except ConditionError as error:
        raise BlockError("BAD_CONDITION", str(error)) from None
    return Verdict(result=True) if failing is None else Skip(f"{_told(failing)} is false")


def _holds(one: Condition) -> bool:
    return judge(one.left, one.operator, one.right)


def _told(one: Condition) -> str:
    right = "" if one.operator == "exists" else f" {_short(one.right)}"
    return f"{_short(one.left)} {one.operator}{right}"


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
