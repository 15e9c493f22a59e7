"""`depends`: what it means, what its errors say, and that nobody can make it slow."""

import pickle
from itertools import product

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from engine.depends import (
    And,
    Atom,
    DependsError,
    Expression,
    Not,
    Or,
    atoms,
    blocking,
    evaluate,
    handles,
    parse,
    satisfiable,
    text,
)
from engine.limits import EXPRESSION_BYTES, EXPRESSION_DEPTH
from engine.statuses import FINAL_TASK, TaskStatus

TASKS = ("a", "b-1", "_c")
ENDINGS = sorted(FINAL_TASK)

atom = st.builds(Atom, st.sampled_from(TASKS), st.sampled_from([*ENDINGS, None]))
expressions = st.recursive(
    atom,
    lambda inner: (
        st.builds(Not, inner)
        | st.builds(And, st.lists(inner, min_size=2, max_size=3).map(tuple))
        | st.builds(Or, st.lists(inner, min_size=2, max_size=3).map(tuple))
    ),
    max_leaves=8,
)
statuses = st.fixed_dictionaries({task: st.sampled_from(list(TaskStatus)) for task in TASKS})


def read(written: str) -> Expression:
    expression = parse(written)
    assert expression is not None
    return expression


def fault(written: str) -> str:
    with pytest.raises(DependsError) as caught:
        parse(written)
    return str(caught.value)


def reference(expression: Expression, status: dict[str, TaskStatus]) -> float:
    """Kleene logic as Kleene wrote it: false is 0, unknown 1/2, true 1; not is 1 - x, and is min, or is max."""
    match expression:
        case Atom(task, wanted):
            if status[task] not in FINAL_TASK:
                return 0.5
            return float(wanted in {None, status[task]})
        case Not(operand):
            return 1 - reference(operand, status)
        case And(operands):
            return min(reference(operand, status) for operand in operands)
        case Or(operands):
            return max(reference(operand, status) for operand in operands)


@given(expressions, statuses)
def test_g5_an_expression_means_what_kleene_says(expression: Expression, status: dict[str, TaskStatus]) -> None:
    value = evaluate(expression, status.__getitem__)
    assert {None: 0.5, False: 0.0, True: 1.0}[value] == reference(expression, status)


@given(expressions, statuses, st.fixed_dictionaries({task: st.sampled_from(ENDINGS) for task in TASKS}))
def test_g5_what_is_known_is_never_changed_by_a_task_that_ends(
    expression: Expression, status: dict[str, TaskStatus], endings: dict[str, TaskStatus]
) -> None:
    known = evaluate(expression, status.__getitem__)
    for task in [task for task in TASKS if status[task] not in FINAL_TASK]:
        status = {**status, task: endings[task]}
        after = evaluate(expression, status.__getitem__)
        assert known is None or after is known
        known = after
    assert known is not None


@given(expressions, statuses)
def test_what_is_written_is_read_back_the_same(expression: Expression, status: dict[str, TaskStatus]) -> None:
    again = read(text(expression))
    assert text(again) == text(expression)
    assert read(text(again)) == again
    assert atoms(again) == atoms(expression)
    assert evaluate(again, status.__getitem__) == evaluate(expression, status.__getitem__)


@given(expressions)
def test_an_expression_that_cannot_be_satisfied_has_no_way_to_be_true(expression: Expression) -> None:
    ways = (dict(zip(TASKS, endings, strict=True)) for endings in product(ENDINGS, repeat=len(TASKS)))
    assert satisfiable(expression) is any(evaluate(expression, way.__getitem__) for way in ways)


@given(expressions, statuses)
def test_what_blocks_an_expression_is_unknown_and_decides_it(
    expression: Expression, status: dict[str, TaskStatus]
) -> None:
    waiting = blocking(expression, status.__getitem__)
    assert bool(waiting) is (evaluate(expression, status.__getitem__) is None)
    assert len(set(waiting)) == len(waiting)
    assert all(status[atom.task] not in FINAL_TASK for atom in waiting)
    ended = status | {atom.task: TaskStatus.SUCCESS for atom in waiting}
    assert evaluate(expression, ended.__getitem__) is not None


@pytest.mark.parametrize("nothing", [None, "", "  \t\n"])
def test_no_expression_is_none(nothing: str | None) -> None:
    assert parse(nothing) is None


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("a", "a.SUCCESS"),
        ("a.DONE", "a.DONE"),
        ("!a||b&&c", "!a.SUCCESS || b.SUCCESS && c.SUCCESS"),
        ("(a || b) && c", "(a.SUCCESS || b.SUCCESS) && c.SUCCESS"),
        ("((a && (b && c)))", "a.SUCCESS && b.SUCCESS && c.SUCCESS"),
        ("!!(a || b.TIMED_OUT)", "!!(a.SUCCESS || b.TIMED_OUT)"),
        ("and || or && not", "and.SUCCESS || or.SUCCESS && not.SUCCESS"),
        ("\tmanual-approval.FAILED\n||x_1.OMITTED ", "manual-approval.FAILED || x_1.OMITTED"),
    ],
)
def test_operators_bind_as_documented(written: str, canonical: str) -> None:
    assert text(read(written)) == canonical


def test_names_that_differ_in_hyphens_or_case_are_different() -> None:
    expression = read("a-b && a_b && A-b")
    assert [atom.task for atom in atoms(expression)] == ["a-b", "a_b", "A-b"]


def test_atoms_know_their_columns() -> None:
    assert [atom.column for atom in atoms(read("a || (b.FAILED && !c)"))] == [1, 7, 20]


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("a & b", "column 3: unexpected '&': write '&&'"),
        ("a | b", "column 3: unexpected '|': write '||'"),
        ("a and b", "column 3: unexpected 'and': write '&&'"),
        ("a or b", "column 3: unexpected 'or': write '||'"),
        ("a == SUCCESS", "column 3: unexpected '=': write 'name.STATUS'"),
        ("a b", "column 3: unexpected 'b'; expected '&&', '||' or the end"),
        ("a &&", "column 5: it ends too early; expected a task's name, '!' or '('"),
        ("|| a", "column 1: unexpected '||'; expected a task's name, '!' or '('"),
        ("()", "column 2: unexpected ')'; expected a task's name, '!' or '('"),
        ("a && (b || c", "column 13: it ends too early; expected the ')' of the '(' in column 6"),
        ("a)", "column 2: unexpected ')'; expected a '(' before it"),
        ("1st", "column 1: unexpected '1': a task's name begins with a letter or '_'"),
        ("{{ a }}", "column 1: unexpected '{': references belong in arguments and in `when`"),
    ],
)
def test_an_error_says_where_and_what_to_write(written: str, message: str) -> None:
    assert fault(written) == message


@pytest.mark.parametrize(
    ("status", "hint"),
    [
        ("Success", " (did you mean 'SUCCESS'?)"),
        ("Succeeded", " (did you mean 'SUCCESS'?)"),
        ("FAIL", " (did you mean 'FAILED'?)"),
        ("RUNNING", ""),
        ("", ""),
    ],
)
def test_an_unknown_status_names_those_there_are(status: str, hint: str) -> None:
    assert fault(f"x || a.{status}") == (
        f"column 8: '{status}' is not how a task can end{hint}; "
        "allowed are SUCCESS, FAILED, TIMED_OUT, SKIPPED, OMITTED, CANCELLED, DONE"
    )


def test_an_error_survives_the_way_between_processes() -> None:
    error = DependsError("why", 3)
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own
    assert (again.message, again.column, str(again)) == ("why", 3, "column 3: why")


@pytest.mark.parametrize(
    ("written", "handled"),
    [
        ("a || b.SKIPPED && c.OMITTED || d.CANCELLED", set()),
        ("a.FAILED && b.TIMED_OUT || c.DONE", {"a", "b", "c"}),
        ("!a && !(b || !c.SKIPPED) && d", {"a", "b", "c"}),
    ],
)
def test_a_failure_is_handled_by_who_names_it_as_one(written: str, handled: set[str]) -> None:
    assert handles(read(written)) == handled


def test_only_what_still_matters_blocks() -> None:
    status = {"a": TaskStatus.RUNNING, "b": TaskStatus.SUCCESS, "c": TaskStatus.PENDING, "d": TaskStatus.WAITING}
    assert blocking(read("a && (b || c) && !(d && b.FAILED) || d.FAILED"), status.__getitem__) == (
        Atom("a", TaskStatus.SUCCESS),
        Atom("d", TaskStatus.FAILED),
    )


@pytest.mark.parametrize("written", ["!x.DONE", "x.SUCCESS && x.FAILED", "(x || y) && !x && !y", "!(x || !x)"])
def test_what_can_never_be_true_is_told(written: str) -> None:
    assert not satisfiable(read(written))


def test_a_contradiction_is_found_beside_a_great_many_alternatives() -> None:
    alternatives = " && ".join(f"(a{number} || b{number})" for number in range(200))
    assert satisfiable(read(alternatives))
    assert not satisfiable(read(f"{alternatives} && x && x.FAILED"))


@pytest.mark.parametrize("length", [EXPRESSION_BYTES - 1, EXPRESSION_BYTES, EXPRESSION_BYTES + 1])
def test_g18_the_limit_of_length_is_exact(length: int) -> None:
    written = "a".rjust(length)
    if length <= EXPRESSION_BYTES:
        assert parse(written) == Atom("a", TaskStatus.SUCCESS)
    else:
        assert fault(written) == "column 4097: longer than 4096 bytes"


@pytest.mark.parametrize("depth", [EXPRESSION_DEPTH - 1, EXPRESSION_DEPTH, EXPRESSION_DEPTH + 1])
@pytest.mark.parametrize(("opening", "closing"), [("(", ")"), ("!", ""), ("!(", ")")])
def test_g18_the_limit_of_depth_is_exact(depth: int, opening: str, closing: str) -> None:
    repeated, rest = divmod(depth, len(opening))
    written = "!" * rest + opening * repeated + "a" + closing * repeated
    if depth <= EXPRESSION_DEPTH:
        assert [atom.task for atom in atoms(read(written))] == ["a"]
    else:
        assert fault(written) == "column 65: more than 64 parentheses and '!' inside one another"


def test_g18_depth_is_counted_along_one_branch_only() -> None:
    assert len(atoms(read(" || ".join(["(!a)"] * 300)))) == 300


@pytest.mark.parametrize(
    "written", ["(" * 20_000, "!" * 20_000 + "a", "(" * 20_000 + "a" + ")" * 20_000, "!(" * 10_000]
)
def test_s1_twenty_thousand_parentheses_give_a_clean_error(written: str) -> None:
    assert fault(written) == "column 4097: longer than 4096 bytes"
    assert fault(written[:EXPRESSION_BYTES]).startswith("column 65: more than 64")


@given(st.text(alphabet="ab-_.!&|() \tDONESUC1é", max_size=60))
@example("a" * 5000)
def test_s1_any_text_is_an_expression_or_a_clean_error(written: str) -> None:
    try:
        expression = parse(written)
    except DependsError as error:
        assert 1 <= error.column <= len(written) + 1  # noqa: PT017 - either outcome is fine
    else:
        assert expression is None or text(read(text(expression))) == text(expression)


@pytest.mark.parametrize(
    "written",
    [
        " || ".join(f"t{number}" for number in range(500)),
        " && ".join(f"t{number}.DONE" for number in range(300)),
        " || ".join(f"(a{number}&&b{number})" for number in range(230)),
        " && ".join(f"(a{number}||b{number})" for number in range(230)),
        " && ".join(f"!(a{number}&&b{number}&&!c{number})" for number in range(140)),
    ],
)
def test_s1_the_longest_expressions_are_no_work(written: str) -> None:
    expression = read(written)
    asked = 0

    def status(_: str) -> TaskStatus:
        nonlocal asked
        asked += 1
        return TaskStatus.PENDING

    assert evaluate(expression, status) is None
    assert asked <= len(atoms(expression)), "one look at each task"
    assert blocking(expression, status)
    assert satisfiable(expression), "in a bounded number of steps, or this would never end"
