"""Tests of whole-document validation: each way to be wrong gets its path and its sentence, and nothing raises."""

import json
from typing import Any

import pytest

from engine.documents import Retry
from engine.references import RUN_FIELDS
from engine.validation import BlockTypes, Report, check, read_workflow
from tests.engine.sample_documents import BLOCKS, DESIGN_EXAMPLE, changed, task, workflow


def told(document: Any) -> list[str]:
    return [str(fault) for fault in check(document, BLOCKS).faults]


TWO = workflow(task("first"), task("second", "first"))
INPUTS = {"type": "object", "properties": {"asset": {"type": "string"}, "owner": {"type": "string"}}}


def test_the_example_of_the_design_is_accepted_as_it_stands() -> None:
    report = read_workflow(DESIGN_EXAMPLE.encode(), BLOCKS)
    assert report.faults == ()
    assert report.workflow is not None
    assert report.workflow.dag.tasks[0].arguments == {"left": "{{ inputs.risk }}", "operator": "==", "right": "low"}
    assert [warning.path for warning in report.warnings] == ["dag.tasks"]


FORM: list[tuple[Any, list[str]]] = [
    ([], ["must be an object, not a list"]),
    (None, ["must be an object, not null"]),
    ({}, ["dag: is required", "name: is required"]),
    ({**TWO, "nam": 1}, ["nam: a workflow has no field 'nam' (did you mean 'name'?)"]),
    (
        {**TWO, "name": "my workflow"},
        ["name: 'my workflow' is not a name: letters, digits, '_' and '-', beginning with a letter or '_'"],
    ),
    ({**TWO, "labels": {"team": 5}}, ["labels.team: must be a string, not a number"]),
    ({**TWO, "inputs": []}, ["inputs: must be an object, not a list"]),
    (
        {**TWO, "timeout": "5 parsecs"},
        ["timeout: '5 parsecs' is not a duration: write one as '30s', '1h30m', '7d', 'PT5M' or 'P7D'"],
    ),
    (changed(TWO, tasks=[]), ["dag.tasks: is empty; it needs at least one item"]),
    (changed(TWO, exitpoints=[]), ["dag.exitpoints: is empty; it needs at least one item"]),
    (changed(TWO, exitpoints="second"), ["dag.exitpoints: must be a list, not a string"]),
    (changed(TWO, entrypoint=5), ["dag.entrypoint: must be a string, not a number"]),
    (changed(TWO, tasks=[5]), ["dag.tasks[0]: must be an object, not a number"]),
    (
        workflow(task("a", type="noop")),
        ["dag.tasks[0].type: 'noop' is not a block type (did you mean 'NOOP'?); `icefloe blocks` lists them"],
    ),
    (
        workflow(task("a", type="send mail")),
        [
            (
                "dag.tasks[0].type: 'send mail' is not a block type, which is written in capitals, "
                "such as HTTP_REQUEST; `icefloe blocks` lists them"
            )
        ],
    ),
    (
        workflow(task("a", arguments=[{"x": 1}, 5])),
        ["dag.tasks[0].arguments: item 1 is not an object: an array of arguments holds objects, which are merged"],
    ),
    (
        workflow(task("a", arguments=[{"x": 1}, {"x": 2}])),
        ["dag.tasks[0].arguments: 'x' is given twice (again in item 1); keep one of them"],
    ),
    (workflow(task("a", allow_failure="yes")), ["dag.tasks[0].allow_failure: must be true or false, not a string"]),
    (
        workflow(task("a", retry={"max_attempts": 0})),
        ["dag.tasks[0].retry.max_attempts: must be greater than or equal to 1"],
    ),
    (
        workflow(task("a", retry={"max_attempts": "3"})),
        ["dag.tasks[0].retry.max_attempts: must be a whole number, not a string"],
    ),
    (
        workflow(task("a", retry={"attempts": 3})),
        ["dag.tasks[0].retry.attempts: a retry has no field 'attempts' (did you mean 'max_attempts'?)"],
    ),
    (workflow(task("a", timeout="0s")), ["dag.tasks[0].timeout: leaves no time; it must be longer than zero"]),
    (workflow(task("a"), timeout="0s"), ["timeout: leaves no time; it must be longer than zero"]),
    (
        workflow(task("a", when={"left": 1, "operator": "=<", "right": 2})),
        [
            (
                "dag.tasks[0].when.operator: '=<' is not an operator (did you mean '<'?); "
                "there are ==, !=, <, <=, >, >=, in, not in, contains, matches, exists"
            )
        ],
    ),
    (
        workflow(task("a", when=[{"left": 1, "operator": "=="}])),
        ["dag.tasks[0].when[0]: '==' needs a right side (null may be written)"],
    ),
    (
        workflow(task("a", when={"lef": 1, "operator": "exists"})),
        [
            "dag.tasks[0].when.lef: a condition has no field 'lef' (did you mean 'left'?)",
            "dag.tasks[0].when.left: is required",
        ],
    ),
]

MEANING: list[tuple[Any, list[str]]] = [
    (
        workflow(task("a", type="NOOPE")),
        ["dag.tasks[0].type: 'NOOPE' is not a block type (did you mean 'NOOP'?); `icefloe blocks` lists them"],
    ),
    (
        workflow(task("a", type="NOTIFY")),
        ["dag.tasks[0].type: 'NOTIFY' is not a block type (did you mean 'NOTIFICATION'?); `icefloe blocks` lists them"],
    ),
    (
        workflow(task("a", type="APP")),
        ["dag.tasks[0].type: 'APP' is not a block type (did you mean 'APPROVAL'?); `icefloe blocks` lists them"],
    ),
    (workflow(task("a", type="ASK", arguments={})), ["dag.tasks[0].arguments.who: is required"]),
    (
        workflow(task("a", type="ASK", arguments=[{"who": "x"}, {"whom": "y"}])),
        ["dag.tasks[0].arguments[1].whom: is not known here"],
    ),
    (
        workflow(task("a"), task("a", "a")),
        ["dag.tasks[1].depends: 'a' waits for itself", "dag.tasks[1].name: 'a' is already the name of dag.tasks[0]"],
    ),
    (
        workflow(task("manual-approval"), task("b", "manual-aproval")),
        ["dag.tasks[1].depends: 'manual-aproval' is not a task of this workflow (did you mean 'manual-approval'?)"],
    ),
    (
        workflow(task("a"), task("b", "a.SUCESS")),
        [
            (
                "dag.tasks[1].depends: column 3: 'SUCESS' is not how a task can end (did you mean 'SUCCESS'?); "
                "allowed are SUCCESS, FAILED, TIMED_OUT, SKIPPED, OMITTED, CANCELLED, DONE"
            )
        ],
    ),
    (
        workflow(task("a"), task("b", "a && && a")),
        ["dag.tasks[1].depends: column 6: unexpected '&&'; expected a task's name, '!' or '('"],
    ),
    (workflow(task("a"), task("b", "a || b.FAILED")), ["dag.tasks[1].depends: 'b' waits for itself"]),
    (
        workflow(task("x"), task("a", "x && c"), task("b", "a"), task("c", "b.DONE")),
        ["dag.tasks[1].depends: 'a' waits for itself: a -> c -> b -> a"],
    ),
    (
        workflow(task("x"), task("a", "x", arguments={"deep": ["{{ tasks.b.outputs.y }}"]}), task("b", "a")),
        ["dag.tasks[1].arguments.deep[0]: 'a' waits for itself: a -> b -> a"],
    ),
    (
        workflow(
            task("x"), task("a", "x", when={"left": "{{ tasks.b.status }}", "operator": "exists"}), task("b", "a")
        ),
        ["dag.tasks[1].when.left: 'a' waits for itself: a -> b -> a"],
    ),
    (
        workflow(task("a", arguments={"me": "{{ tasks.a.outputs }}"})),
        ["dag.tasks[0].arguments.me: 'a' refers to itself, and so would wait for itself"],
    ),
    (
        workflow(task("a"), task("b"), task("c", "b", arguments={"x": "{{ tasks.a.outputs.x }}"})),
        ["dag.tasks[2].arguments.x: 'a' is not upstream of 'c': let 'c' depend on it, such as by a.DONE"],
    ),
    (
        workflow(task("a"), task("b", arguments={"x": "{{ tasks.a.outputs.x }}"})),
        ["dag.tasks[1].arguments.x: 'a' is not upstream of 'b': let 'b' depend on it, such as by a.DONE"],
    ),
    (
        workflow(task("alpha"), task("b", "alpha", arguments=[{"x": "{{ tasks.alhpa.outputs.x }}"}])),
        ["dag.tasks[1].arguments[0].x: 'alhpa' is not a task of this workflow (did you mean 'alpha'?)"],
    ),
    (
        workflow(task("a"), task("b", "a", arguments={"x": "{{ tasks.a.output.x }}"})),
        [
            (
                "dag.tasks[1].arguments.x: column 4: a task has no 'output' (did you mean 'outputs'?); "
                "it has status, outputs, error, attempt, started_at, finished_at, updated_at"
            )
        ],
    ),
    (
        workflow(task("a", arguments={"x": "see {{ inputs.aset }}"}), inputs=INPUTS),
        ["dag.tasks[0].arguments.x: 'aset' is not declared in `inputs` (did you mean 'asset'?)"],
    ),
    (
        workflow(task("a", arguments={"x": "{{ inputs.asset }}"})),
        ["dag.tasks[0].arguments.x: 'asset' is not declared in `inputs`"],
    ),
    (
        workflow(task("a", arguments={"x": "{{ inputs.asset"}), inputs=INPUTS),
        [
            (
                "dag.tasks[0].arguments.x: column 1: '{{' is never closed by '}}'; "
                r"for the characters themselves write '\{{'"
            )
        ],
    ),
    (
        workflow(task("a"), outputs={"x": "{{ tasks.b.outputs }}", "y": "{{ inputs.z }}"}),
        [
            "outputs.x: 'b' is not a task of this workflow",
            "outputs.y: 'z' is not declared in `inputs`",
        ],
    ),
    (
        workflow(task("a", when={"left": "1", "operator": "<", "right": 2})),
        ["dag.tasks[0].when: can never be judged: '<' compares two numbers or two strings, not a string and a number"],
    ),
    (
        workflow(task("a", when=[{"left": "{{ inputs.asset }}", "operator": "matches", "right": "("}]), inputs=INPUTS),
        ["dag.tasks[0].when[0]: can never be judged: '(' is not a pattern of RE2: missing ): ("],
    ),
    (
        workflow(task("a"), inputs={"asset": {"type": "string"}}),
        ['inputs: must be a JSON Schema with "type": "object"; put \'asset\' under "properties"'],
    ),
    (
        workflow(task("a"), inputs={"type": "array"}),
        ['inputs.type: must be "object", since the inputs of a run are one'],
    ),
    (
        workflow(task("a"), inputs={"type": "object", "properties": 5}),
        ['inputs: not a JSON Schema at properties: 5 is not of type "object"'],
    ),
    (
        workflow(task("a"), inputs={"type": "object", "properties": {"n": {"type": "integer", "default": "one"}}}),
        ['inputs.properties.n.default: doesn\'t fit: "one" is not of type "integer"'],
    ),
    (
        changed(TWO, entrypoint="frist"),
        [
            "dag.entrypoint: 'frist' is not a task of this workflow (did you mean 'first'?)",
            "dag.entrypoint: 'first' has no `depends`, so it begins the run: name it here as well",
        ],
    ),
    (
        changed(TWO, entrypoint=["first", "second"]),
        ["dag.entrypoint[1]: 'second' has a `depends`, so it is no entry point: take away one or the other"],
    ),
    (changed(TWO, entrypoint=["first", "first"]), ["dag.entrypoint[1]: 'first' is already dag.entrypoint[0]"]),
    (
        changed(TWO, exitpoints=["secnd", "second", "second"]),
        [
            "dag.exitpoints[0]: 'secnd' is not a task of this workflow (did you mean 'second'?)",
            "dag.exitpoints[2]: 'second' is already dag.exitpoints[1]",
        ],
    ),
]

NEVER = [
    ("!a.DONE", "'a' always ends"),
    ("a.SUCCESS && a.FAILED", "'a' would have to end both SUCCESS and FAILED"),
    ("a.SUCCESS && b.SUCCESS", "'a' would have to end both SUCCESS and FAILED"),  # b depends on a.FAILED
    ("b.OMITTED && a.FAILED", "'a' would have to end both SUCCESS or TIMED_OUT or SKIPPED and FAILED"),
    ("a.OMITTED", "'a' never ends OMITTED"),  # nothing can omit an entry point
    ("a.CANCELLED", "'a' is CANCELLED only with the whole run, and then nothing starts"),
    ("(a.SUCCESS || a.SKIPPED) && b.FAILED", "'a' would have to end both SUCCESS or SKIPPED and FAILED"),
    (
        "a.CANCELLED || !b.DONE",
        "'a' is CANCELLED only with the whole run, and then nothing starts, and 'b' always ends",
    ),
]


@pytest.mark.parametrize(("document", "faults"), FORM + MEANING)
def test_a_wrong_document_gets_a_sentence_for_each_of_its_faults(document: Any, faults: list[str]) -> None:
    assert told(document) == faults
    assert check(document, BLOCKS).workflow is None


@pytest.mark.parametrize(("depends", "reason"), NEVER)
def test_a_task_that_can_never_start_is_refused_with_the_reason(depends: str, reason: str) -> None:
    document = workflow(task("a"), task("b", "a.FAILED"), task("c", depends), task("end", "a.DONE"))
    assert told(document) == [f"dag.tasks[2].depends: 'c' can never start: {reason}"]


@pytest.mark.parametrize(
    "depends", ["a.SUCCESS && b.OMITTED", "a.DONE && b.DONE", "a.CANCELLED || b.FAILED", "!a.SUCCESS", "!(a && b)"]
)
def test_a_task_that_may_start_is_accepted(depends: str) -> None:
    assert told(workflow(task("a"), task("b", "a.FAILED"), task("c", depends))) == []


def test_an_exit_point_behind_a_task_that_never_starts_can_never_be_reached() -> None:
    document = workflow(task("a"), task("b", "!a.DONE"), task("c", "b.SUCCESS"), task("end", "c"))
    assert told(document) == [
        "dag.exitpoints[0]: 'end' can never be reached: 'c' never ends SUCCESS",
        "dag.tasks[1].depends: 'b' can never start: 'a' always ends",
    ]


def test_all_faults_of_a_document_are_told_at_once_whatever_stage_finds_them() -> None:
    document = workflow(
        task("a", dependz="x"),
        task("b", "a.", type="NOPE"),
        task("c", "a", arguments={"x": "{{ tasks.zzz.status }} {{ inputs.gone }}", "y": "{{ }}"}),
        task("bad name", "c"),
        nonsense=True,
    )
    paths = [fault.path for fault in check(document, BLOCKS).faults]
    assert paths == [
        "dag.exitpoints[0]",
        "dag.tasks[0].dependz",
        "dag.tasks[1].depends",
        "dag.tasks[1].type",
        "dag.tasks[2].arguments.x",
        "dag.tasks[2].arguments.x",
        "dag.tasks[2].arguments.y",
        "dag.tasks[3].name",
        "nonsense",
    ]


def test_every_fault_of_a_text_with_many_references_is_told() -> None:
    text = "{{ run.foo }} {{ run.id }} {{ foo(@) }} {{ env.HOME }} {{ inputs.gone }} {{ tasks.b.status }} {{"
    assert [
        sentence.partition("dag.tasks[0].arguments.x: ")[2]
        for sentence in told(workflow(task("a", arguments={"x": text})))
    ] == [
        f"column 4: a run has no 'foo'; it has {', '.join(RUN_FIELDS)}",
        "column 31: there is no function 'foo' (did you mean 'floor'?)",
        "column 44: 'env' is none of inputs, tasks, run",
        r"column 95: '{{' is never closed by '}}'; for the characters themselves write '\{{'",
        "'gone' is not declared in `inputs`",
        "'b' is not a task of this workflow",
    ]


def test_a_fault_is_told_once_and_not_again_for_all_that_follows_from_it() -> None:
    document = workflow(
        task("a"),
        task("b", "mistyped", arguments={"x": "{{ tasks.a.outputs.x }}"}),
        task("c", "b.NOPE", arguments={"x": "{{ tasks.a.outputs.x }}"}),
        task("d", "c.OMITTED && b", arguments={"x": "{{ tasks.a.outputs.x }}"}),
    )
    assert [fault.path for fault in check(document, BLOCKS).faults] == ["dag.tasks[1].depends", "dag.tasks[2].depends"]


def test_a_depends_that_can_not_be_read_is_no_reason_to_find_fault_with_what_it_would_have_said() -> None:
    refers = {"x": "{{ tasks.a.outputs.x }}"}
    misspelt, mistyped = task("b", dependz="a", arguments=refers), {**task("c", arguments=refers), "depends": ["a"]}
    document = changed(workflow(task("a"), misspelt, mistyped, task("end", "b.OMITTED && c")), entrypoint="a")
    assert [fault.path for fault in check(document, BLOCKS).faults] == ["dag.tasks[1].dependz", "dag.tasks[2].depends"]


def warned(*tasks: dict[str, Any], **fields: Any) -> list[str]:
    report = check(workflow(*tasks, **fields), BLOCKS)
    assert report.workflow is not None
    return [str(warning) for warning in report.warnings]


def test_failures_that_nothing_handles_are_one_warning_unless_they_are_allowed_or_decide_the_run() -> None:
    tasks = task("bare"), task("allowed", allow_failure=True), task("watched", "bare"), task("inverted", "allowed.DONE")
    assert warned(*tasks, task("exit", "watched.FAILED || !inverted")) == [
        (
            "dag.tasks: nothing handles a failure of 'bare', so it fails the run; where that isn't meant, name the "
            "task in a `depends` with .FAILED, .TIMED_OUT or .DONE, or set its `allow_failure`"
        ),
    ]
    many = [task(f"t{number}") for number in range(8)]
    [warning] = warned(*many, task("exit", "t0"))
    assert "failure of 't0', 't1', 't2', 't3', 't4', 't5' or 2 more, so" in warning


def test_to_allow_an_exit_point_to_fail_is_a_warning() -> None:
    assert warned(task("exit", allow_failure=True)) == [
        "dag.tasks[0].allow_failure: has no effect: 'exit' is an exit point, so if it fails, so does the run"
    ]


HALF = [
    (task("a", timeout="5s"), ["a.FAILED"], "'a' is handled if it is FAILED, by 'h0', but if it is TIMED_OUT it"),
    (task("a", type="ASK", arguments={"who": "x"}), ["a.FAILED", "!a.TIMED_OUT"], "FAILED, by 'h0' and 'h1', but if"),
    (task("a", arguments={"expires_in": "P7D"}), ["a.FAILED"], "FAILED, by 'h0', but if it is TIMED_OUT it fails"),
    (task("a"), ["a.TIMED_OUT"], "'a' is handled if it is TIMED_OUT, by 'h0', but if it is FAILED it fails the run"),
    (task("a"), ["a.TIMED_OUT", "a.DONE && a.SUCCESS"], "TIMED_OUT, by 'h0', but if it is FAILED it fails the run"),
]


@pytest.mark.parametrize(("watched", "gates", "sentence"), HALF)
def test_a_failure_that_is_handled_in_part_is_a_warning(watched: Any, gates: list[str], sentence: str) -> None:
    handlers = [task(f"h{number}", gate, allow_failure=True) for number, gate in enumerate(gates)]
    [warning] = warned(watched, *handlers, task("exit", "a"))
    assert warning.startswith("dag.tasks[0]: ")
    assert sentence in warning
    assert ".FAILED in a `depends` as well" in warning or ".TIMED_OUT in a `depends` as well" in warning


@pytest.mark.parametrize("gates", [["a.FAILED || a.TIMED_OUT"], ["a.FAILED", "a.TIMED_OUT"], ["a.DONE"], ["!a"]])
def test_a_failure_that_is_handled_whatever_it_is_is_no_warning(gates: list[str]) -> None:
    handlers = [task(f"h{number}", gate, allow_failure=True) for number, gate in enumerate(gates)]
    assert warned(task("a", timeout="5s"), *handlers, task("exit", "a")) == []


def test_that_a_task_is_timed_out_needs_no_handler_where_nothing_sets_it_a_time() -> None:
    assert warned(task("a"), task("h", "a.FAILED", allow_failure=True), task("exit", "a")) == []
    [warning] = warned(task("a"), task("h", "!a.FAILED", allow_failure=True), task("exit", "a"))
    assert warning.startswith("dag.tasks: nothing handles a failure of 'a', so")


def test_what_the_store_gives_a_workflow_is_ignored_in_a_document_with_a_warning() -> None:
    assert warned(task("exit"), version=3, created_by="ada") == [
        "version: 'version' and 'created_by' are given by the store; what is written here is ignored"
    ]
    assert warned(task("exit"), created_at=1.5) == [
        "created_at: 'created_at' is given by the store; what is written here is ignored"
    ]


def test_a_task_without_policies_gets_those_of_its_block_type() -> None:
    document = workflow(
        task("a", type="ASK", arguments={"who": "x"}),
        task("b", "a", type="ASK", arguments={"who": "x"}, retry={"max_attempts": 2}, timeout="1m"),
    )
    valid = check(document, BLOCKS).workflow
    assert valid is not None
    first, second = valid.dag.tasks
    assert (first.retry, first.timeout) == (Retry(max_attempts=5), "30s")
    assert (second.retry, second.timeout) == (Retry(max_attempts=2), "1m")


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "additionalProperties": True},
        {"additionalProperties": {"type": "string"}},
        {"type": "object", "patternProperties": {"^x": {}}},
        {"type": "object", "required": ["x"]},
        {"allOf": [{"properties": {"x": {}}}]},
        {"type": "object", "if": {"required": ["y"]}, "then": {"properties": {"x": {}}}},
        {"$ref": "#/$defs/a~1b", "$defs": {"a/b": {"properties": {"x": {"$ref": "#"}}}}},
        {"$dynamicRef": "#here", "$defs": {"a": {"$dynamicAnchor": "here", "properties": {"x": {}}}}},
        {"$ref": "#here", "$defs": {"a": {"$anchor": "here", "properties": {"x": {}}}}},
    ],
)
def test_an_input_is_declared_wherever_the_schema_says_so(schema: dict[str, Any]) -> None:
    assert told(workflow(task("a", arguments={"x": "{{ inputs.x }}"}), inputs=schema)) == []


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "additionalProperties": False},
        {"type": "object", "properties": {"y": {"properties": {"x": {}}}}},
        {"type": "object", "not": {"required": ["x"]}},
        {"properties": {"y": {"$ref": "#"}}},
    ],
)
def test_an_input_is_not_declared_by_a_schema_that_applies_elsewhere(schema: dict[str, Any]) -> None:
    faults = told(workflow(task("a", arguments={"x": "{{ inputs.x }}"}), inputs=schema))
    assert [fault.partition(" (")[0] for fault in faults] == [
        "dag.tasks[0].arguments.x: 'x' is not declared in `inputs`"
    ]


def test_a_file_that_is_no_strict_json_is_refused_with_line_and_column() -> None:
    assert [str(fault) for fault in read_workflow(b'{"name": "w",\n "name": "w"}', BLOCKS).faults] == [
        "line 2, column 2: the key 'name' is given twice"
    ]
    assert read_workflow(json.dumps(TWO).encode(), BLOCKS).faults == ()


def test_references_may_look_at_anything_upstream_however_far() -> None:
    chain = [task("t0")] + [task(f"t{n}", f"t{n - 1}.DONE") for n in range(1, 50)]
    last = task("last", "t49", arguments={"x": "{{ tasks.t0.outputs.x || tasks.t30.outputs.x }}"})
    assert told(workflow(*chain, last)) == []


def test_the_installed_catalogue_is_what_validation_asks_for() -> None:
    from blocks.catalogue import Catalogue  # noqa: PLC0415 - the one place where this room's tests look above it

    catalogue: BlockTypes = Catalogue.load()
    report: Report = read_workflow(DESIGN_EXAMPLE.encode(), catalogue)
    assert report.faults == ()
    assert report.workflow is not None
