"""Workflow documents and block types for the tests of this room."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from engine.documents import Retry
from engine.faults import Fault

DESIGN_EXAMPLE = """
{
  "name": "metadata-change-request",
  "description": "Approve and apply a metadata change",
  "inputs": {"type": "object", "required": ["asset", "owner", "requester"],
             "properties": {"asset": {"type": "string"}, "owner": {"type": "string"}, "requester": {"type": "string"},
                            "risk": {"enum": ["low", "high"], "default": "high"},
                            "link": {"type": "string", "default": ""}}},
  "dag": {
    "entrypoint": "auto-approval",
    "exitpoints": ["notify-approved", "notify-rejected"],
    "tasks": [
      {"name": "auto-approval", "type": "CONDITION",
       "arguments": [{"left": "{{ inputs.risk }}"}, {"operator": "=="}, {"right": "low"}]},
      {"name": "manual-approval", "type": "APPROVAL",
       "arguments": {"approvers": ["{{ inputs.owner }}"], "expires_in": "P7D"},
       "depends": "auto-approval.SKIPPED"},
      {"name": "notify-approved", "type": "NOTIFICATION",
       "arguments": [{"recipient": "{{ inputs.requester }}"},
                     {"payload": {"title": "Your request was approved!",
                                  "description": "Check at {{ inputs.link }}."}}],
       "depends": "auto-approval.SUCCESS || manual-approval.SUCCESS"},
      {"name": "notify-rejected", "type": "NOTIFICATION",
       "arguments": {"recipient": "{{ inputs.requester }}", "payload": {"title": "Rejected", "description": "…"}},
       "depends": "manual-approval.FAILED || manual-approval.TIMED_OUT"}
    ]
  }
}
"""


@dataclass(frozen=True)
class Kind:
    """A block type with policies of its own."""

    retry: Retry = field(default_factory=Retry)
    timeout: str | None = None


class Blocks(dict[str, Kind]):
    """NOOP takes any arguments, ASK only `who`, which it needs."""

    def check_arguments(self, block_type: str, arguments: Mapping[str, Any], /) -> list[Fault]:
        if block_type != "ASK":
            return []
        missing = [] if "who" in arguments else [Fault("who", "is required")]
        return missing + [Fault(name, "is not known here") for name in arguments if name != "who"]


BLOCKS = Blocks(
    NOOP=Kind(), ASK=Kind(Retry(max_attempts=5), "30s"), CONDITION=Kind(), APPROVAL=Kind(), NOTIFICATION=Kind()
)


def task(name: str, depends: str | None = None, **fields: Any) -> dict[str, Any]:
    return {"name": name, "type": "NOOP", **({} if depends is None else {"depends": depends}), **fields}


def workflow(*tasks: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """A document whose entry points are right, and whose last task is the exit point."""
    entrypoint = [one["name"] for one in tasks if not one.get("depends")]
    dag = {"entrypoint": entrypoint, "exitpoints": [tasks[-1]["name"]], "tasks": list(tasks)}
    return {"name": "w", "dag": dag, **fields}


def changed(document: dict[str, Any], **dag: Any) -> dict[str, Any]:
    return {**document, "dag": {**document["dag"], **dag}}
