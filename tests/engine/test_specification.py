"""Tests of the specification's text: its examples are valid, its tables are those of the code."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from blocks.catalogue import Catalogue
from engine.conditions import OPERATORS
from engine.documents import Dag, Retry, TaskSpec, Workflow
from engine.limits import (
    EXPRESSION_BYTES,
    EXPRESSION_DEPTH,
    JSON_DEPTH,
    NAME_CHARS,
    PAYLOAD_BYTES,
    RUN_BYTES,
    TASKS,
    WORKFLOW_BYTES,
)
from engine.references import RUN_FIELDS, TASK_FIELDS
from engine.results import LOST_AT_MOST
from engine.schemabounds import LOOKS
from engine.statuses import RunStatus, TaskStatus
from engine.validation import check
from tests.engine.sample_documents import workflow

TEXT = (Path(__file__).parents[2] / "docs" / "specification.md").read_text(encoding="utf-8")
CATALOGUE = Catalogue.load()


def examples(kind: str) -> list[Any]:
    found = re.findall(rf"^```{kind}\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)
    assert found
    return [json.loads(example) for example in found]


@pytest.mark.parametrize("document", examples("json"), ids=lambda document: document["name"])
def test_a_workflow_in_the_specification_is_valid(document: dict[str, Any]) -> None:
    assert check(document, CATALOGUE).faults == ()


@pytest.mark.parametrize("tasks", examples("json tasks"), ids=lambda tasks: tasks[0]["name"])
def test_tasks_in_the_specification_are_valid(tasks: list[dict[str, Any]]) -> None:
    document = workflow(*tasks, inputs={"type": "object", "additionalProperties": True})
    assert check(document, CATALOGUE).faults == ()


def test_the_wrong_example_of_the_specification_gets_the_faults_shown_below_it() -> None:
    [document] = examples("json wrong")
    shown = TEXT.partition("```json wrong")[2].partition("```text\n")[2].partition("```")[0]
    assert [str(fault) for fault in check(document, CATALOGUE).faults] == shown.splitlines()


def test_the_specification_names_everything_that_there_is() -> None:
    fields = [name for model in (Workflow, Dag, TaskSpec, Retry) for name in model.model_fields]
    names = [*fields, *TASK_FIELDS, *RUN_FIELDS, *TaskStatus, *RunStatus, *OPERATORS]
    assert [name for name in names if f"`{name}`" not in TEXT and f'"{name}"' not in TEXT] == []


def test_the_limits_in_the_specification_are_those_of_the_code() -> None:
    kibi, mebi = 1024, 1024**2
    assert [row.split(" | ")[1].strip(" |") for row in _rows("| what | at most |")] == [
        f"{WORKFLOW_BYTES // mebi} MiB",
        f"{TASKS:,}",
        f"{EXPRESSION_BYTES // kibi} KiB",
        str(EXPRESSION_DEPTH),
        f"{PAYLOAD_BYTES // kibi} KiB each",
        f"{RUN_BYTES // mebi} MiB",
        f"{NAME_CHARS} characters",
        str(JSON_DEPTH),
        "64 bits",
        f"{LOOKS:,}",
    ]


def test_the_policies_in_the_specification_are_those_of_the_code() -> None:
    retry = Retry()
    first = f"{retry.max_attempts} attempt, `{retry.initial_interval}`"
    defaults = f"{first}, {retry.backoff}, `{retry.max_interval}`, {retry.jitter}."
    assert f"what it leaves out is {defaults}" in TEXT
    assert LOST_AT_MOST == 3
    assert "three times in a row at most" in TEXT


def _rows(heading: str) -> list[str]:
    table = TEXT.partition(f"{heading}\n| --- | --- |\n")[2].partition("\n\n")[0]
    return table.splitlines()
