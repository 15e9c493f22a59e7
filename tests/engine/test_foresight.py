"""Tests of what can be known of a dag beforehand: its order, its cycles, what is upstream, and what can never start."""

from collections.abc import Iterator, Mapping
from itertools import product

from hypothesis import example, given, settings
from hypothesis import strategies as st

from engine.depends import And, Atom, Expression, Not, Or, evaluate, parse
from engine.foresight import foresee
from engine.graph import Upstream, in_order
from engine.statuses import FINAL_TASK, TaskStatus

NAMES = ("a", "b", "c", "d")
OUTCOMES = (TaskStatus.SUCCESS, TaskStatus.FAILED, TaskStatus.TIMED_OUT, TaskStatus.SKIPPED)
Gates = Mapping[str, Expression | None]

statuses = st.sampled_from([*sorted(FINAL_TASK), None])


def conjunctions(names: tuple[str, ...]) -> st.SearchStrategy[Expression]:
    atoms = st.builds(Atom, st.sampled_from(names), st.sampled_from(OUTCOMES))
    return st.lists(atoms, min_size=1, max_size=3).map(lambda some: And(tuple(some)))


def expressions(names: tuple[str, ...]) -> st.SearchStrategy[Expression]:
    return st.recursive(
        st.builds(Atom, st.sampled_from(names), statuses),
        lambda inner: (
            st.builds(Not, inner)
            | st.builds(lambda *some: And(some), inner, inner)
            | st.builds(lambda *some: Or(some), inner, inner)
        ),
        max_leaves=4,
    )


@st.composite
def dags(draw: st.DrawFn, gate: str) -> Gates:
    kinds = {"any": expressions, "conjunction": conjunctions}
    return {name: draw(st.none() | kinds[gate](NAMES[:index])) if index else None for index, name in enumerate(NAMES)}


def histories(gates: Gates) -> Iterator[dict[str, TaskStatus]]:
    """All ways in which a run can go that nobody cancels."""
    for outcomes in product(OUTCOMES, repeat=len(gates)):
        ended: dict[str, TaskStatus] = {}
        for (name, gate), outcome in zip(gates.items(), outcomes, strict=True):
            starts = gate is None or evaluate(gate, ended.__getitem__)
            ended[name] = outcome if starts else TaskStatus.OMITTED
        yield ended


def never_started(gates: Gates) -> set[str]:
    started = {name for ended in histories(gates) for name, status in ended.items() if status is not TaskStatus.OMITTED}
    return set(gates) - started


def read(*lines: str) -> Gates:
    """`a`, `b: a.FAILED`."""
    return {name: parse(depends) for name, _, depends in (line.partition(":") for line in lines)}


@settings(max_examples=300, deadline=None)
@given(gates=dags("any"))
@example(gates=read("a", "b: a.FAILED", "c: a && b", "d: c.OMITTED && !a"))
@example(gates=read("a", "b: a.DONE", "c: b.OMITTED", "d: c || b.CANCELLED"))
def test_a_task_that_is_said_never_to_start_never_does(gates: Gates) -> None:
    never, unreached, _ = foresee(gates)
    assert set(never) | set(unreached) <= never_started(gates)
    assert all([*never.values(), *unreached.values()])


@settings(max_examples=200, deadline=None)
@given(gates=dags("conjunction"))
def test_of_tasks_that_want_several_outcomes_at_once_all_that_never_start_are_found(gates: Gates) -> None:
    never, unreached, _ = foresee(gates)
    assert set(never) | set(unreached) == never_started(gates)


@settings(max_examples=200, deadline=None)
@given(gates=dags("any"))
@example(gates=read("a", "b: a.FAILED || a.TIMED_OUT", "c: b.DONE && a.FAILED"))
def test_how_others_end_once_a_task_has_started_is_foreseen_whatever_happens(gates: Gates) -> None:
    endings = foresee(gates).endings
    for ended in histories(gates):
        for task, status in ended.items():
            if status is not TaskStatus.OMITTED:
                assert all(end in endings(task, other) for other, end in ended.items() if other != task)


def test_a_task_that_starts_for_one_end_alone_foresees_no_other() -> None:
    endings = foresee(read("a", "b: a.FAILED || a.TIMED_OUT", "c: b && !a.TIMED_OUT")).endings
    assert endings("b", "a") == {TaskStatus.FAILED, TaskStatus.TIMED_OUT}
    assert endings("c", "a") == {TaskStatus.FAILED}
    assert endings("a", "b") == FINAL_TASK - {TaskStatus.CANCELLED}


def test_only_the_first_of_the_tasks_that_never_start_is_blamed() -> None:
    foreseen = foresee(read("a", "b: !a.DONE", "c: b", "d: c.OMITTED"))
    assert foreseen.never == {"b": "'a' always ends"}
    assert foreseen.unreached == {"b": "'a' always ends", "c": "'b' never ends SUCCESS"}


def test_an_alternative_is_ruled_out_by_what_stands_behind_it() -> None:
    gates = read("a", "b", "c: (a.SUCCESS || b.SUCCESS) && a.FAILED && b.FAILED")
    assert foresee(gates).never == {
        "c": "'a' would have to end both FAILED and SUCCESS, and 'b' would have to end both FAILED and SUCCESS"
    }


def test_what_no_outcome_makes_true_is_found_though_no_single_task_stands_in_the_way() -> None:
    alike, unlike = "a.SUCCESS && b.SUCCESS || a.FAILED && b.FAILED", "a.SUCCESS && b.FAILED || a.FAILED && b.SUCCESS"
    gates = read("a", "b", f"c: ({alike}) && ({unlike})")
    assert foresee(gates).never == {"c": "no outcome of the tasks that it names makes it true"}


def test_the_order_has_each_task_behind_those_it_waits_for() -> None:
    waits = {"d": "bc", "b": "a", "c": "a", "a": ""}
    order, cycles = in_order(waits)
    assert cycles == []
    assert sorted(order) == ["a", "b", "c", "d"]
    assert all(order.index(other) < order.index(task) for task, others in waits.items() for other in others)


def test_each_cycle_is_found_and_what_is_behind_one_is_not_in_the_order() -> None:
    waits = {"x": "", "a": "cx", "b": "a", "c": "b", "behind": "b", "e": "f", "f": "e", "beside": "x"}
    order, cycles = in_order(waits | {"behind": ["b"]})
    assert sorted(order) == ["beside", "x"]
    assert cycles == [("a", "c", "b"), ("e", "f")]


@given(data=st.data())
def test_cycles_are_real_disjoint_and_found_whenever_there_are_any(data: st.DataObject) -> None:
    names = [f"t{n}" for n in range(data.draw(st.integers(1, 8)))]
    waits = {name: data.draw(st.sets(st.sampled_from(names))) - {name} for name in names}
    order, cycles = in_order(waits)
    for cycle in cycles:
        assert all(other in waits[task] for task, other in zip(cycle, (*cycle[1:], cycle[0]), strict=True))
    members = [task for cycle in cycles for task in cycle]
    assert len(members) == len(set(members))
    assert bool(cycles) is (len(order) < len(names))


def test_upstream_reaches_through_others_and_says_nothing_where_it_can_not_know() -> None:
    waits = {"a": "", "b": "a", "c": "b", "other": "", "opaque": "a", "behind": ["opaque"]}
    upstream = Upstream(waits, ["a", "b", "c", "other", "behind"])
    assert not upstream.lacks("c", "a")
    assert upstream.lacks("c", "other")
    assert upstream.lacks("a", "c")
    assert not upstream.lacks("opaque", "other")
    assert not upstream.lacks("behind", "other")
