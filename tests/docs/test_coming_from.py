"""Tests of docs/coming-from.md: its workflows are valid, and end as the tables below them say."""

import asyncio
import json
import re
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest

from blocks.catalogue import Catalogue
from blocks.contract import BlockContext, Succeeded, outcome
from engine.machine import Dispatch
from engine.plan import compile_workflow
from engine.validation import check
from tests.engine.driver import Play

DOCS: Final = Path(__file__).parents[2] / "docs"
TEXT: Final = (DOCS / "coming-from.md").read_text(encoding="utf-8")
CATALOGUE: Final = Catalogue.load()
OUTPUTS: Final[dict[str, dict[str, Any]]] = {
    "HTTP_REQUEST": {"status": 200, "headers": {}, "body": {"id": "4711"}},
    "WAIT_FOR_SIGNAL": {
        "data": {"url": "https://reports.example.com/1"},
        "sender": "report-service",
        "at": "2026-01-01",
    },
}


class Scenario(NamedTuple):
    """A row below a workflow: the inputs, how tasks end that don't succeed, which start, and how the run ends."""

    workflow: str
    inputs: dict[str, Any]
    ends: dict[str, tuple[str, str]]
    started: set[str]
    status: str
    code: str


def sections() -> list[tuple[dict[str, Any], list[tuple[str, str]]]]:
    """Each workflow with the rows of the table below it."""
    parts = re.split(r"^```json\n(.*?)^```$", TEXT, flags=re.DOTALL | re.MULTILINE)[1:]
    found = []
    for text, below in zip(parts[::2], parts[1::2], strict=True):
        table = below.partition("| if | then |\n| --- | --- |\n")[2].partition("\n\n")[0]
        rows = [tuple(row.strip("| ").split(" | ")) for row in table.splitlines()]
        found.append((json.loads(text), [(left, right) for left, right in rows]))
    return found


def scenarios() -> list[Scenario]:
    found = []
    for document, rows in sections():
        for left, right in rows:
            inputs = re.search(r"`(\{.*?\})`", left)
            ends = re.findall(r"`([\w-]+)` (FAILED|TIMED_OUT|SKIPPED)(?: \(`(\w+)`\))?", left)
            assert inputs or ends or left == "all goes well", left
            then = re.fullmatch(r"started: (.*); the run is (\w+)(?: \(`(\w+)`\))?", right)
            assert then, right
            found.append(
                Scenario(
                    document["name"],
                    json.loads(inputs[1]) if inputs else {},
                    {task: (status, code or "E") for task, status, code in ends},
                    set(re.findall(r"`([\w-]+)`", then[1])),
                    then[2],
                    then[3] or "",
                )
            )
    return found


WORKFLOWS: Final = {document["name"]: document for document, _ in sections()}


def succeed(play: Play, dispatch: Dispatch) -> None:
    """Let a task succeed; a pure block is really called, and may skip."""
    block = CATALOGUE[dispatch.type]
    context = BlockContext(idempotency_key="k", run_id="r", task=dispatch.task, workflow="w")
    call = block.bind("main", dispatch.arguments(), context)  # refuses arguments that don't fit
    ended = outcome(asyncio.run(call())) if block.pure else Succeeded(OUTPUTS.get(dispatch.type, {}))
    if isinstance(ended, Succeeded):
        play.succeed(dispatch.task, ended.outputs)
    else:
        play.skip(dispatch.task)


def test_there_are_eight_workflows_each_with_the_good_end_and_another() -> None:
    assert len(WORKFLOWS) == len(sections()) == 8
    assert all(len(rows) >= 3 for _, rows in sections())


@pytest.mark.parametrize("document", WORKFLOWS.values(), ids=WORKFLOWS)
def test_a_workflow_is_valid_and_handles_no_failure_in_part_but_of_what_only_waits(document: dict[str, Any]) -> None:
    report = check(document, CATALOGUE)
    assert report.faults == ()
    types = {f"dag.tasks[{index}]": task["type"] for index, task in enumerate(document["dag"]["tasks"])}
    assert {types.get(warning.path, "WAIT_FOR_SIGNAL") for warning in report.warnings} <= {"WAIT_FOR_SIGNAL"}


@pytest.mark.parametrize("scenario", scenarios(), ids=lambda one: f"{one.workflow}: {one.inputs or ''}{one.ends or ''}")
def test_a_run_ends_as_the_table_says(scenario: Scenario) -> None:
    workflow = check(WORKFLOWS[scenario.workflow], CATALOGUE).workflow
    assert workflow is not None
    assert scenario.ends.keys() | scenario.started <= {task.name for task in workflow.dag.tasks}
    play = Play(plan=compile_workflow(workflow), inputs=scenario.inputs)
    while play.ready:
        name = play.ready.split()[0]
        match scenario.ends.get(name):
            case ("FAILED", code):
                play.fail(name, code)
            case ("TIMED_OUT", _):
                play.time_out(name)
            case ("SKIPPED", _):
                play.skip(name)
            case _:
                succeed(play, play.dispatch(name))
    assert {name for name, task in play.run.tasks.items() if task.started_at is not None} == scenario.started
    assert (play.status, play.code()) == (scenario.status, scenario.code)
