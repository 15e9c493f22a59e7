"""Tests of validation at its edges: the published limits, hostile documents, and any document at all."""

import json
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.limits import EXPRESSION_BYTES, EXPRESSION_DEPTH, NAME_CHARS, PAYLOAD_BYTES, TASKS, WORKFLOW_BYTES
from engine.plan import compile_workflow
from engine.validation import check, read_workflow
from tests.engine.sample_documents import BLOCKS, DESIGN_EXAMPLE, changed, task, workflow

TWO = workflow(task("first"), task("second", "first"))


def told(document: Any) -> list[str]:
    return [str(fault) for fault in check(document, BLOCKS).faults]


# G18: the published limits, at their edges


def grown(document: dict[str, Any], field: list[str | int], to: int, measure: Any) -> dict[str, Any]:
    """The document, with a text in it grown until the measure is `to`."""
    document = deepcopy(document)
    holder: Any = document
    for step in field[:-1]:
        holder = holder[step]
    holder[field[-1]] = ""
    holder[field[-1]] = "x" * (to - measure(document))
    return document


def written(document: Any) -> int:
    return len(json.dumps(document, separators=(",", ":")).encode())


@pytest.mark.parametrize("extra", [-1, 0, 1])
def test_g18_a_workflow_document_of_one_mebibyte_is_the_largest(extra: int) -> None:
    document = grown({**TWO, "description": ""}, ["description"], WORKFLOW_BYTES + extra, written)
    assert told(document) == (["the document is larger than 1,048,576 bytes as JSON"] if extra > 0 else [])
    raw = json.dumps(document, separators=(",", ":")).encode()
    assert [str(fault) for fault in read_workflow(raw, BLOCKS).faults] == (
        ["is 1,048,577 bytes, at most 1,048,576 are allowed"] if extra > 0 else []
    )


@pytest.mark.parametrize("extra", [-1, 0, 1])
def test_g18_a_workflow_has_at_most_a_thousand_tasks(extra: int) -> None:
    document = workflow(*(task(f"t{n}") for n in range(TASKS + extra)))
    assert told(document) == (["dag.tasks: has 1,001 tasks, at most 1,000 are allowed"] if extra > 0 else [])


@pytest.mark.parametrize("extra", [-1, 0, 1])
def test_g18_an_expression_is_at_most_four_kibibytes_long(extra: int) -> None:
    depends = "a" + " " * (EXPRESSION_BYTES - 2 + extra) + "\n"
    expected = ["dag.tasks[1].depends: column 4097: longer than 4096 bytes"] if extra > 0 else []
    assert told(workflow(task("a"), task("b", depends))) == expected
    inside = "tasks.a.outputs.".ljust(EXPRESSION_BYTES + extra, "x")
    expected = ["dag.tasks[1].arguments.x: column 4: the expression is longer than 4096 bytes"] if extra > 0 else []
    assert told(workflow(task("a"), task("b", "a", arguments={"x": f"{{{{ {inside} }}}}"}))) == expected


@pytest.mark.parametrize("extra", [-1, 0, 1])
@pytest.mark.parametrize(("opening", "closing"), [("!", ""), ("(", ")")])
def test_g18_an_expression_is_at_most_sixty_four_deep(extra: int, opening: str, closing: str) -> None:
    depth = EXPRESSION_DEPTH + extra
    faults = told(workflow(task("a"), task("b", opening * depth + "a" + closing * depth)))
    sentence = "dag.tasks[1].depends: column 65: more than 64 parentheses and '!' inside one another"
    assert faults == ([sentence] if extra > 0 else [])


@pytest.mark.parametrize("extra", [-1, 0, 1])
def test_g18_arguments_and_outputs_are_at_most_256_kibibytes(extra: int) -> None:
    document = workflow(task("a", arguments={"text": ""}))
    document = grown(
        document, ["dag", "tasks", 0, "arguments", "text"], PAYLOAD_BYTES + extra,
        lambda whole: written(whole["dag"]["tasks"][0]["arguments"]),
    )  # fmt: skip
    assert told(document) == (["dag.tasks[0].arguments: is larger than 262,144 bytes as JSON"] if extra > 0 else [])
    document = grown(
        {**workflow(task("a")), "outputs": {"text": ""}}, ["outputs", "text"], PAYLOAD_BYTES + extra,
        lambda whole: written(whole["outputs"]),
    )  # fmt: skip
    assert told(document) == (["outputs: is larger than 262,144 bytes as JSON"] if extra > 0 else [])


@pytest.mark.parametrize("extra", [-1, 0, 1])
def test_g18_a_name_has_at_most_63_characters(extra: int) -> None:
    name = "n" * (NAME_CHARS + extra)
    sentence = "is 64 characters long, at most 63 are allowed"
    paths = ["dag.entrypoint[0]", "dag.tasks[0].name"]
    assert told(workflow(task(name), task("end", name))) == (
        [f"{path}: {sentence}" for path in paths] if extra > 0 else []
    )
    assert told({**TWO, "name": name}) == ([f"name: {sentence}"] if extra > 0 else [])


# S8: hostile documents


@pytest.mark.parametrize(
    "document",
    [
        changed(TWO, exitpoints=[1] * 20_000),
        changed(TWO, exitpoints=[f"x{n}" for n in range(20_000)]),
        {**TWO, **{f"field-{n}": n for n in range(20_000)}},
        workflow(task("a"), task("b", "||".join(f"x{n}" for n in range(700)))),
        workflow(task("a"), *(task(f"t{n}", "a || " + "x" * 2000) for n in range(400))),
        workflow(task("a", when=[{}] * 20_000)),
        workflow(task("a", arguments={f"k{n}": "{{ nothing }}" for n in range(10_000)})),
        workflow(
            task("a"),
            inputs={"type": "object", "properties": {f"p{n}": {"default": 1, "type": "null"} for n in range(9_000)}},
        ),
    ],
    ids=lambda _: "",
)
def test_s8_a_document_full_of_faults_gets_the_first_thousand_and_their_number(document: Any) -> None:
    faults = told(document)
    assert 0 < len(faults) <= 1001
    if len(faults) == 1001:
        assert faults[-1].startswith("and ")
        assert faults[-1].endswith(" more faults")


def test_s8_the_nearest_names_of_a_great_many_unknown_ones_are_not_looked_for() -> None:
    known = [task(f"task-{n}") for n in range(500)]
    faults = told(workflow(*known, *(task(f"t{n}", f"taks-{n}") for n in range(400))))
    assert len(faults) == 400
    assert 20 <= sum("did you mean" in fault for fault in faults) <= 40


@pytest.mark.parametrize(
    "raw", [b"[" * 100_000, b'{"dag":' * 10_000, b'{"dag": {"tasks": [NaN]}}', b"\xff\xfe", b"", b"1e999", b"\x00"]
)
def test_s8_a_file_that_is_no_document_is_refused_in_a_sentence(raw: bytes) -> None:
    report = read_workflow(raw, BLOCKS)
    assert len(report.faults) == 1
    assert report.workflow is None


# Any document at all

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(["", "a", "first.DONE", "!x.DONE", "{{ tasks.first.outputs }}", "{{ inputs.x", "NOOP", "5s"])
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


def places(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [at, *(place for key, one in inner for place in places(one, (*at, key)))]


@settings(max_examples=400, deadline=None)
@given(data=st.data())
def test_a_document_changed_anywhere_is_either_valid_and_can_be_compiled_or_has_faults(data: st.DataObject) -> None:
    document: Any = {"root": json.loads(DESIGN_EXAMPLE)}
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.sampled_from(places(document)[1:]))
        holder = document
        for step in at[:-1]:
            holder = holder[step]
        match data.draw(st.sampled_from(["replace", "remove", "add"])):
            case "replace":
                holder[at[-1]] = data.draw(JSON)
            case "remove" if len(at) > 1:
                del holder[at[-1]]
            case "add" if isinstance(holder, dict):
                holder[data.draw(st.sampled_from(["when", "retry", "timeout", "x", "left"]))] = data.draw(JSON)
            case _:
                holder[at[-1]] = [holder[at[-1]]]
    report = check(document["root"], BLOCKS)
    assert (report.workflow is None) == bool(report.faults)
    assert all(fault.message for fault in report.faults)
    if report.workflow is not None:
        compile_workflow(report.workflow)
        again = check(json.loads(report.workflow.model_dump_json(exclude_none=True)), BLOCKS)
        assert (again.faults, again.workflow) == ((), report.workflow)


@given(document=JSON)
def test_any_json_at_all_gets_faults_and_no_exception(document: Any) -> None:
    assert check(document, BLOCKS).faults
