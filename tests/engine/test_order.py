"""G5: in whatever order results arrive, a run comes to the same end; a recursive reference says which."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from random import Random
from typing import Any, TypeAlias

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.machine import apply, ready, start
from engine.outcomes import Applied
from engine.run import WorkflowRun
from engine.statuses import FINAL_TASK
from engine.transitions import Error, Result, TaskFailed, TaskSkipped, TaskSucceeded, TaskTimedOut
from tests.engine.driver import START, plan_of

Tree: TypeAlias = tuple[Any, ...]
FAILURES = {"FAILED", "TIMED_OUT"}
ENDS: list[str | dict[str, int]] = [{"n": 1}, {"n": 1}, {"m": 1}, "FAILED", "SKIPPED", "TIMED_OUT"]


@dataclass(frozen=True)
class Script:
    """A task, and how its call ends if it is made: a status, or the `n` in the outputs of a success."""

    name: str
    depends: Tree | None
    ends: str | dict[str, int]
    needs_n_of: str | None
    skips_unless_success: str | None
    allow_failure: bool

    def document(self) -> dict[str, Any]:
        needed, asked = self.needs_n_of, self.skips_unless_success
        when = {"left": f"{{{{ tasks.{asked}.status }}}}", "operator": "==", "right": "SUCCESS"}
        return {
            "name": self.name,
            "type": "NOOP",
            "depends": None if self.depends is None else written(self.depends),
            "arguments": {} if needed is None else {"n": f"{{{{ tasks.{needed}.outputs.n }}}}"},
            "when": None if asked is None else when,
            "allow_failure": self.allow_failure,
        }


def written(tree: Tree) -> str:
    match tree:
        case ("!", inner):
            return f"!{written(inner)}"
        case (("&&" | "||") as operator, left, right):
            return f"({written(left)} {operator} {written(right)})"
        case (name, status):
            return f"{name}.{status}"
    raise AssertionError(tree)


# The reference: what every task and the run must come to, read off the documents with no notion of time.


class Reference:
    """The only end that a workflow with these scripts can have."""

    def __init__(self, scripts: list[Script], exits: list[str]) -> None:
        self.scripts = {script.name: script for script in scripts}
        self.exits = exits
        self.tasks = {name: self.ending(name) for name in self.scripts}

    @cache  # noqa: B019 - it lives as long as one example
    def ending(self, name: str) -> str:
        script = self.scripts[name]
        if script.depends is not None and not self.holds(script.depends):
            return "OMITTED"
        if script.skips_unless_success is not None and self.ending(script.skips_unless_success) != "SUCCESS":
            return "SKIPPED"
        needed = script.needs_n_of
        if needed is not None and self.ending(needed) == "SUCCESS" and "n" not in self.scripts[needed].ends:
            return "FAILED"
        return script.ends if isinstance(script.ends, str) else "SUCCESS"

    def holds(self, tree: Tree) -> bool:
        match tree:
            case ("!", inner):
                return not self.holds(inner)
            case ("&&", left, right):
                return self.holds(left) and self.holds(right)
            case ("||", left, right):
                return self.holds(left) or self.holds(right)
        return tree[1] in {"DONE", self.ending(tree[0])}

    @property
    def run(self) -> str:
        fatal = [name for name, end in self.tasks.items() if end in FAILURES and not self.forgiven(name)]
        return "SUCCESS" if not fatal and any(self.tasks[name] == "SUCCESS" for name in self.exits) else "FAILED"

    def forgiven(self, name: str) -> bool:
        handled = any(self.started(other) and name in looked_after(other.depends) for other in self.scripts.values())
        return name not in self.exits and (handled or self.scripts[name].allow_failure)

    def started(self, script: Script) -> bool:
        asked = script.skips_unless_success
        return self.tasks[script.name] != "OMITTED" and (asked is None or self.tasks[asked] == "SUCCESS")


def looked_after(tree: Tree | None, *, negated: bool = False) -> set[str]:
    """The tasks whose failure an expression speaks of."""
    match tree:
        case None:
            return set()
        case ("!", inner):
            return looked_after(inner, negated=True)
        case ("&&" | "||", left, right):
            return looked_after(left, negated=negated) | looked_after(right, negated=negated)
    return {tree[0]} if negated or tree[1] in {*FAILURES, "DONE"} else set()


# The machine.


def called(run: WorkflowRun, script: Script) -> WorkflowRun:
    """The run after the call of one task, claimed and ended."""
    (dispatch,) = (one for one in ready(run) if one.task == script.name)
    name, token = script.name, f"{script.name}#"
    result: Result
    match script.ends:
        case "FAILED":
            result = TaskFailed(name, token, Error("E", "it failed"))
        case "SKIPPED":
            result = TaskSkipped(name, token, "no")
        case "TIMED_OUT":
            result = TaskTimedOut(name, token, "late")
        case outputs:
            result = TaskSucceeded(name, token, outputs)
    for transition in (dispatch.claim(token, "engine"), result):
        applied = apply(run, transition, at=START)
        assert isinstance(applied, Applied), applied
        run = applied.run
    return run


def ends_of_all_orders(run: WorkflowRun, scripts: Mapping[str, Script]) -> Iterator[WorkflowRun]:
    calls = ready(run)
    if not calls:
        yield run
    for call in calls:
        yield from ends_of_all_orders(called(run, scripts[call.task]), scripts)


def end_of_random_order(run: WorkflowRun, scripts: Mapping[str, Script], random: Random) -> WorkflowRun:
    while calls := ready(run):
        run = called(run, scripts[random.choice(calls).task])
    return run


def end(run: WorkflowRun) -> tuple[dict[str, str], str, Error | None, object]:
    return {name: task.status.value for name, task in run.tasks.items()}, run.status.value, run.error, run.outputs


# Workflows.


@st.composite
def workflows(draw: st.DrawFn, *, most: int) -> tuple[WorkflowRun, dict[str, Script], list[str]]:
    names = [f"t-{number}" for number in range(draw(st.integers(1, most)))]
    scripts = []
    for number, name in enumerate(names):
        earlier = st.sampled_from(names[:number]) if number else st.nothing()
        atom = st.tuples(earlier, st.sampled_from([*sorted(FINAL_TASK), "DONE"]))
        tree = st.recursive(
            atom,
            lambda inner: st.tuples(st.just("!"), inner) | st.tuples(st.sampled_from(["&&", "||"]), inner, inner),
            max_leaves=4,
        )
        script = Script(
            name=name,
            depends=draw(st.none() | tree if number else st.none()),
            ends=draw(st.sampled_from(ENDS)),
            needs_n_of=draw(st.none() | earlier),
            skips_unless_success=draw(st.none() | st.none() | earlier),
            allow_failure=draw(st.booleans()),
        )
        scripts.append(script)
    exits = draw(st.lists(st.sampled_from(names), min_size=1, unique=True))
    outputs = {name: f"{{{{ tasks.{name}.status }}}}" for name in names}
    plan = plan_of(*(script.document() for script in scripts), exits=exits, outputs=outputs)
    return start(plan, {}, id="r", at=START).run, {script.name: script for script in scripts}, exits


@settings(max_examples=100)
@given(workflows(most=6))
def test_g5_every_order_of_results_comes_to_the_end_that_the_reference_says(
    workflow: tuple[WorkflowRun, dict[str, Script], list[str]],
) -> None:
    run, scripts, exits = workflow
    reference = Reference(list(scripts.values()), exits)
    first: object = None
    for ended in ends_of_all_orders(run, scripts):
        statuses, status, *_ = end(ended)
        assert (statuses, status) == (reference.tasks, reference.run)
        first = first or end(ended)
        assert end(ended) == first


@settings(max_examples=50)
@given(workflows(most=16), st.randoms(use_true_random=False))
def test_g5_random_orders_of_many_tasks_come_to_the_same_end(
    workflow: tuple[WorkflowRun, dict[str, Script], list[str]], random: Random
) -> None:
    run, scripts, exits = workflow
    reference = Reference(list(scripts.values()), exits)
    ends = [end(end_of_random_order(run, scripts, random)) for _ in range(3)]
    assert ends[0][:2] == (reference.tasks, reference.run)
    assert ends[0] == ends[1] == ends[2]


def test_the_reference_tells_a_wrong_machine_from_a_right_one() -> None:
    """An engine that waits for all tasks named, or drops a negation, would not agree with the reference."""
    scripts = [
        Script("a", None, "FAILED", None, None, allow_failure=False),
        Script("b", ("!", ("a", "SUCCESS")), {}, None, None, allow_failure=False),
        Script("c", ("||", ("a", "FAILED"), ("b", "FAILED")), "SKIPPED", "b", None, allow_failure=False),
        Script("d", ("b", "SUCCESS"), {}, "b", None, allow_failure=False),
    ]
    reference = Reference(scripts, ["b"])
    assert reference.tasks == {"a": "FAILED", "b": "SUCCESS", "c": "FAILED", "d": "FAILED"}
    assert reference.run == "FAILED"
