"""The examples fit together by themselves, whatever the engine does: workflows, triggers and how they are to end."""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from blocks.catalogue import Catalogue
from engine.depends import evaluate, handles, parse
from engine.documents import TaskSpec, Workflow
from engine.limits import WORKFLOW_BYTES
from engine.plan import compile_workflow
from engine.reading import read_json
from engine.references import Scope, compile_template
from engine.schemas import compile_schema
from engine.statuses import FINAL_TASK, TaskStatus
from engine.validation import check

EXAMPLES = Path(__file__).parents[2] / "examples"
FILES = sorted((EXAMPLES / "workflows").glob("*.json"))
TEXTS = {file.stem: file.read_text("utf-8") for file in FILES}
DOCUMENTS = {name: read_json(text, limit=WORKFLOW_BYTES, what=name) for name, text in TEXTS.items()}
WORKFLOWS = {name: Workflow.model_validate(document) for name, document in DOCUMENTS.items()}
TRIGGERS: list[dict[str, Any]] = [
    json.loads(line) for line in (EXAMPLES / "triggers.jsonl").read_text("utf-8").splitlines()
]
SCENARIOS = {(trigger["workflow"], trigger["scenario"]): trigger for trigger in TRIGGERS}
UNHAPPY = {TaskStatus.FAILED, TaskStatus.TIMED_OUT, TaskStatus.CANCELLED}

each_scenario = pytest.mark.parametrize("trigger", SCENARIOS.values(), ids=["/".join(pair) for pair in SCENARIOS])
each_workflow = pytest.mark.parametrize("name", TEXTS)


def tasks_of(name: str) -> dict[str, TaskSpec]:
    return {task.name: task for task in WORKFLOWS[name].dag.tasks}


def expected(trigger: dict[str, Any]) -> dict[str, TaskStatus]:
    return {task: TaskStatus(status) for task, status in trigger["expect"]["tasks"].items()}


def resolved(value: Any, trigger: dict[str, Any]) -> Any:
    inputs = compile_schema(WORKFLOWS[trigger["workflow"]].inputs).with_defaults(trigger["inputs"])
    return compile_template(value).resolve(Scope(inputs=inputs, tasks=lambda _: None, run={}))


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def test_there_are_eight_workflows_or_more_and_each_is_named_as_its_file() -> None:
    assert len(FILES) >= 8
    assert {workflow.name for workflow in WORKFLOWS.values()} == set(TEXTS)


def test_together_they_use_the_whole_language() -> None:
    tasks = [task for workflow in WORKFLOWS.values() for task in workflow.dag.tasks]
    assert {task.type for task in tasks} >= {
        *("NOOP", "CONDITION", "TRANSFORM", "WAIT"),
        *("WAIT_FOR_SIGNAL", "APPROVAL", "NOTIFICATION", "HTTP_REQUEST"),
    }
    written = " ".join(task.depends or "" for task in tasks)
    assert all(word in written for word in ("||", "&&", "!", "(", ".FAILED", ".TIMED_OUT", ".SKIPPED", ".DONE"))
    assert all(any(getattr(task, name) for task in tasks) for name in ("when", "retry", "timeout", "allow_failure"))
    assert any(workflow.outputs for workflow in WORKFLOWS.values())
    assert any(workflow.labels for workflow in WORKFLOWS.values())
    assert any(workflow.timeout for workflow in WORKFLOWS.values())
    raw = [task["arguments"] for document in DOCUMENTS.values() for task in document["dag"]["tasks"]]
    assert any(isinstance(arguments, list) for arguments in raw)


@each_workflow
def test_every_workflow_is_valid_and_handles_what_people_time_and_other_systems_can_fail(name: str) -> None:
    report = check(DOCUMENTS[name], Catalogue.load())
    assert report.faults == ()
    # What is left unhandled is meant to fail its run: a task that nobody can refuse and no time can run out for.
    workflow, handlers = WORKFLOWS[name], compile_workflow(WORKFLOWS[name]).handlers
    for task in workflow.dag.tasks:
        if not (task.allow_failure or handlers[task.name] or task.name in workflow.dag.exitpoints):
            assert task.type not in {"APPROVAL", "HTTP_REQUEST"}, task.name
            assert "expires_in" not in task.arguments, task.name
    for warning in report.warnings:
        if warning.path != "dag.tasks":
            index = int(warning.path.removeprefix("dag.tasks[").partition("]")[0])
            assert workflow.dag.tasks[index].type == "WAIT_FOR_SIGNAL", warning
            assert "if it is FAILED it fails the run" in warning.message, warning


def test_there_are_at_least_1200_triggers_each_with_an_id_of_its_own() -> None:
    assert len(TRIGGERS) >= 1200
    assert len({trigger["id"] for trigger in TRIGGERS}) == len(TRIGGERS)
    assert {trigger["workflow"] for trigger in TRIGGERS} == set(TEXTS)


@each_workflow
def test_the_inputs_of_every_trigger_fit_its_workflow(name: str) -> None:
    schema = compile_schema(WORKFLOWS[name].inputs)
    for trigger in TRIGGERS:
        if trigger["workflow"] == name:
            inputs = json.loads(json.dumps(trigger["inputs"]).replace("$DEMO_SERVER", "http://127.0.0.1:1"))
            assert schema.faults(inputs, at="inputs") == [], trigger["id"]
            assert inputs.keys() <= schema.document["properties"].keys(), trigger["id"]


def test_runs_of_one_scenario_are_expected_to_end_alike() -> None:
    for trigger in TRIGGERS:
        assert trigger["expect"] == SCENARIOS[trigger["workflow"], trigger["scenario"]]["expect"]


@each_scenario
def test_every_task_is_expected_to_end_and_to_be_omitted_only_by_its_depends(trigger: dict[str, Any]) -> None:
    tasks, ends = tasks_of(trigger["workflow"]), expected(trigger)
    assert list(ends) == list(tasks)
    assert set(ends.values()) <= FINAL_TASK
    for name, task in tasks.items():
        depends = parse(task.depends)
        started = depends is None or evaluate(depends, ends.__getitem__)
        assert started is (ends[name] is not TaskStatus.OMITTED), name


@each_scenario
def test_the_expected_end_of_a_run_follows_from_those_of_its_tasks(trigger: dict[str, Any]) -> None:
    tasks, ends = tasks_of(trigger["workflow"]), expected(trigger)
    exits = WORKFLOWS[trigger["workflow"]].dag.exitpoints
    started = [parse(task.depends) for name, task in tasks.items() if ends[name] is not TaskStatus.OMITTED]
    handled = {name for depends in started if depends is not None for name in handles(depends)}
    handled |= {name for name, task in tasks.items() if task.allow_failure}
    unhandled = {name for name, end in ends.items() if end in UNHAPPY} - (handled - set(exits))
    reached = any(ends[name] is TaskStatus.SUCCESS for name in exits)
    assert trigger["expect"]["status"] == ("SUCCESS" if reached and not unhandled else "FAILED")


def test_somebody_decides_wherever_no_time_is_to_run_out() -> None:
    for trigger in TRIGGERS:
        tasks, ends = tasks_of(trigger["workflow"]), expected(trigger)
        asking = {name for name, task in tasks.items() if task.type in {"APPROVAL", "WAIT_FOR_SIGNAL"}}
        answered = {name for name in asking if ends[name] in {TaskStatus.SUCCESS, TaskStatus.FAILED}}
        assert {decision["task"] for decision in trigger["decisions"]} == answered, trigger["id"]


def test_who_decides_was_asked_and_the_last_decision_is_the_one_that_matters() -> None:
    for trigger in TRIGGERS:
        tasks, ends = tasks_of(trigger["workflow"]), expected(trigger)
        votes: dict[str, list[str]] = {}
        for decision in trigger["decisions"]:
            if "decision" in decision:
                asked = listed(resolved(tasks[decision["task"]].arguments["approvers"], trigger))
                assert decision["as"] in asked, trigger["id"]
                votes.setdefault(decision["task"], []).append(decision["decision"])
        for name, given in votes.items():
            asked = listed(resolved(tasks[name].arguments["approvers"], trigger))
            require = resolved(tasks[name].arguments.get("require", "any"), trigger)
            needed = {"any": 1, "all": len(asked)}.get(require, require)
            won = ends[name] is TaskStatus.SUCCESS
            assert given[-1] == ("approve" if won else "reject"), trigger["id"]
            assert Counter(given)[given[-1]] == (needed if won else len(asked) - needed + 1), trigger["id"]


def test_signals_come_from_whom_is_waited_for_with_data_that_fits() -> None:
    for trigger in TRIGGERS:
        for signal in trigger["decisions"]:
            if "signal" in signal:
                arguments = tasks_of(trigger["workflow"])[signal["task"]].arguments
                assert signal["as"] in listed(resolved(arguments["from"], trigger)), trigger["id"]
                assert compile_schema(arguments.get("schema", {})).faults(signal["signal"], at="data") == []


def test_the_triggers_are_what_their_generator_writes(tmp_path: Path) -> None:
    written = tmp_path / "triggers.jsonl"
    subprocess.run([sys.executable, "-B", str(EXAMPLES / "make_triggers.py"), str(written)], check=True)
    assert written.read_bytes() == (EXAMPLES / "triggers.jsonl").read_bytes()
