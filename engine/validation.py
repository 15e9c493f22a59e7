"""Whole-document validation: everything that is wrong with a workflow, at once, before anybody saves it.

document ──► its form (shapes) ──► its parts, and how they fit together (inspection) ──► Report
"""

from dataclasses import dataclass
from typing import Any

from engine.blocktypes import BlockType, BlockTypes
from engine.documents import Workflow
from engine.faults import Fault, Invalid
from engine.inspection import inspect
from engine.limits import TASKS, WORKFLOW_BYTES, LimitError, json_size
from engine.reading import read_json
from engine.shapes import read_shape

__all__ = ["BlockType", "BlockTypes", "Report", "check", "read_workflow"]


@dataclass(frozen=True, slots=True)
class Report:
    """What validation found: faults, or else a workflow, and warnings, which refuse nothing.

    `workflow` is the document in its normal form, with the defaults of its block types filled in.
    """

    faults: tuple[Fault, ...]
    warnings: tuple[Fault, ...] = ()
    workflow: Workflow | None = None


def read_workflow(data: bytes, blocks: BlockTypes) -> Report:
    """Read a workflow from JSON, strictly, and check it."""
    try:
        document = read_json(data, limit=WORKFLOW_BYTES, what="")
    except Invalid as invalid:
        return Report(invalid.faults)
    return check(document, blocks)


def check(document: Any, blocks: BlockTypes) -> Report:
    """Check a workflow document, which is any JSON value."""
    try:
        json_size(document, WORKFLOW_BYTES)
    except LimitError as error:
        return Report((Fault("", f"the document {error}"),))
    dag = document.get("dag") if isinstance(document, dict) else None
    tasks = dag.get("tasks") if isinstance(dag, dict) else None
    if isinstance(tasks, list) and len(tasks) > TASKS:
        return Report((Fault("dag.tasks", f"has {len(tasks):,} tasks, at most {TASKS:,} are allowed"),))
    shape = read_shape(document, blocks)
    faults, warnings = inspect(shape, blocks)
    if faults or shape.workflow is None:
        return Report(faults)
    return Report((), warnings, _with_defaults(shape.workflow, blocks))


def _with_defaults(workflow: Workflow, blocks: BlockTypes) -> Workflow:
    """The workflow, with the retry policy and the timeout of its block type in each task that has none."""
    tasks = []
    for spec in workflow.dag.tasks:
        kind = blocks[spec.type]
        defaults = {"retry": spec.retry or kind.retry, "timeout": spec.timeout or kind.timeout}
        tasks.append(spec.model_copy(update=defaults))
    return workflow.model_copy(update={"dag": workflow.dag.model_copy(update={"tasks": tasks})})
