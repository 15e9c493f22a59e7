"""Defining a block, binding a call, and checking arguments before their references are filled in."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict, Field, model_validator

from blocks.approval import approval
from blocks.contract import (
    Block,
    BlockContext,
    BlockDefinitionError,
    BlockError,
    Expired,
    Outcome,
    Retry,
    Signal,
    Skip,
    Succeeded,
    TimedOut,
    Wait,
    block,
    outcome,
)
from engine.faults import Fault

Call = Callable[..., Outcome]
Decorated = Callable[..., Any]


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: str
    size: int = 1


class Go(BaseModel):
    now: bool


class Arguments(BaseModel):
    """What to build."""

    title: str
    count: int = 1
    who: str | list[str] = "nobody"
    teams: str | list[Part] = ""
    one_of: Part | Go | None = None
    parts: list[Part] = Field(default_factory=list)
    by_name: dict[str, Part] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _enough(self) -> "Arguments":
        if self.count > 10:
            raise ValueError("no more than ten")
        return self


class Built(BaseModel):
    """What was built."""

    title: str


@block("BUILD", title="Build", category="Test", retry=Retry(max_attempts=3), timeout="5m", secrets=("TOKEN",))
def build(arguments: Arguments, context: BlockContext) -> Built | Wait:
    """Build something.

    And here is more, for who reads the code.
    """
    return Built(title=f"{arguments.title} by {context.task}")


@build.on_signal
def go(_arguments: Arguments, _context: BlockContext, signal: Signal[Go], waited: Mapping[str, Any] | None) -> Built:
    """Go on."""
    return Built(title=f"{signal.sender} {signal.data.now} {waited}")


def test_a_block_has_what_its_function_says() -> None:
    assert (build.type, build.description, build.is_async) == ("BUILD", "Build something.", False)
    assert issubclass(build.arguments, Arguments)
    assert (build.outputs, build.signal) == (Built, Go)
    assert build.__doc__ is not None


def test_a_block_is_still_its_function() -> None:
    context = BlockContext(idempotency_key="k", run_id="r", task="t", workflow="w")
    assert build(Arguments(title="x"), context) == Built(title="x by t")


def test_a_block_describes_itself_for_front_ends() -> None:
    schema = build.schema()
    assert schema["arguments"]["required"] == ["title"]
    assert schema["arguments"]["additionalProperties"] is False
    assert schema["outputs"]["title"] == "Built"
    assert schema["signal"]["required"] == ["now"]
    assert (schema["retry"]["max_attempts"], schema["timeout"], schema["secrets"]) == (3, "5m", ["TOKEN"])


def define(function: Decorated, block_type: str = "BAD", **declared: Any) -> Block[..., Any]:
    return block(block_type, **{"title": "Bad", "category": "Test", **declared})(function)


def fine(arguments: Arguments, context: BlockContext) -> None:
    """Fine."""


def undocumented(arguments: Arguments, context: BlockContext) -> None: ...


def untyped(arguments, context) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001 - the point
    """Say nothing of its arguments."""


def unmodelled(arguments: dict[str, Any], context: BlockContext) -> None:
    """Take anything."""


def silent(arguments: Arguments, context: BlockContext):  # type: ignore[no-untyped-def]  # noqa: ANN201 - the point
    """Say nothing of its outputs."""


def listing(_arguments: Arguments, _context: BlockContext) -> list[str]:
    """Return a list."""
    return []


def twofold(_arguments: Arguments, _context: BlockContext) -> Built | Part | Skip:
    """Return this or that."""
    return Skip("no")


def alone(arguments: Arguments) -> None:
    """Take no context."""


def dangling(arguments: Arguments, context: "Nowhere") -> None:  # type: ignore[name-defined]  # noqa: F821 - the point
    """Name what isn't there."""


@pytest.mark.parametrize(
    ("function", "declared", "complaint"),
    [
        (fine, {"block_type": "jiraIssue"}, "a type is in upper snake case"),
        (fine, {"block_type": "A" * 64}, "at most 63 characters"),
        (fine, {"title": ""}, "a title and a category"),
        (fine, {"concurrency": 0}, "concurrency is at least 1"),
        (fine, {"timeout": "soon"}, "'soon'"),
        (fine, {"examples": ({"title": "x", "cuont": 1},)}, "(did you mean 'count'?)"),
        (undocumented, {}, "a docstring"),
        (untyped, {}, "annotate the first parameter with a pydantic model"),
        (unmodelled, {}, "annotate the first parameter with a pydantic model"),
        (silent, {}, "annotate what it returns"),
        (listing, {}, "it can't return list[str]"),
        (twofold, {}, "2 forms of outputs"),
        (alone, {}, "alone takes (arguments), not (arguments, context)"),
        (dangling, {}, "name 'Nowhere' is not defined"),
    ],
)
def test_a_wrong_definition_is_refused_with_a_sentence(
    function: Decorated, declared: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(BlockDefinitionError) as caught:
        define(function, **declared)
    assert complaint in str(caught.value)
    assert f"test_contract.{function.__name__}" in str(caught.value)


@pytest.mark.parametrize(
    "returned", [None, dict[str, Any], Mapping[str, object], Built, Built | None, Built | Skip | TimedOut | Wait, Skip]
)
def test_what_a_block_may_say_it_returns(returned: Any) -> None:
    def function(arguments: Arguments, context: BlockContext) -> Any:
        """Return something."""

    function.__annotations__["return"] = returned
    expected = Built if "Built" in str(returned) else None
    assert define(function).outputs is expected


def test_a_second_function_must_fit_its_block() -> None:
    async def asleep(arguments: Arguments, context: BlockContext, waited: Any) -> None:
        """Be of the other kind."""

    def unsaid(arguments: Arguments, context: BlockContext, signal: Any, waited: Any) -> None:
        """Say nothing of the signal."""

    def woken(arguments: Arguments, context: BlockContext, waited: Any) -> None:
        """Be all right."""

    bad = define(fine)
    with pytest.raises(BlockDefinitionError, match="must be a plain def"):
        bad.on_wake(asleep)
    with pytest.raises(BlockDefinitionError, match=r"Signal\[Model\]"):
        bad.on_signal(unsaid)
    with pytest.raises(BlockDefinitionError, match="takes"):
        bad.on_signal(woken)
    bad.on_wake(woken)
    with pytest.raises(BlockDefinitionError, match="twice"):
        bad.on_wake(woken)
    with pytest.raises(BlockDefinitionError, match="pure"):
        define(fine, pure=True).on_wake(woken)


def test_a_call_gets_checked_arguments_the_signal_and_what_was_kept(call: Call) -> None:
    assert call(build, {"title": "x", "count": 10}) == Succeeded({"title": "x by task-1"})
    signal = Signal("s", "ada", 0.0, {"now": True})
    result = call(build, {"title": "x"}, phase="signal", signal=signal, waited={"a": 1})
    assert result == Succeeded({"title": "ada True {'a': 1}"})


def test_bad_arguments_are_told_all_at_once() -> None:
    context = BlockContext(idempotency_key="k", run_id="r", task="t", workflow="w")
    with pytest.raises(BlockError) as caught:
        build.bind("main", {"tilte": "x", "count": "many", "parts": [{"name": "a"}, {"size": "big"}]}, context)
    assert caught.value.code == "BAD_ARGUMENTS"
    assert caught.value.message.startswith("BUILD: title: is required; ")
    for complaint in (
        "count: should be a valid integer",
        "parts[1].name: is required",
        "parts[1].size: should be a valid integer",
        "tilte: is not known here (did you mean 'title'?)",
    ):
        assert complaint in caught.value.message


def test_a_block_that_takes_no_signals_says_so(call: Call) -> None:
    result = call(define(fine), {"title": "x"}, phase="signal", signal=Signal("s", None, 0.0, {}))
    assert "BAD takes no signals" in str(result)


@pytest.mark.parametrize("kind", ["plain", "async"])
def test_a_block_without_on_wake_times_out_with_what_was_kept(call: Call, kind: str) -> None:
    async def later(arguments: Arguments, context: BlockContext) -> None:
        """Fine."""

    waiting = define(fine if kind == "plain" else later)
    result = call(waiting, {"title": "x"}, phase="wake", waited={"a": 1})
    assert result == Expired("the time that it waited for has come", {"a": 1})


def test_a_block_cannot_change_what_the_engine_shares() -> None:
    class Anything(BaseModel):
        model_config = ConfigDict(extra="allow")

    @block("VANDAL", title="Vandal", category="Test")
    def vandal(arguments: Anything, context: BlockContext) -> dict[str, Any]:  # noqa: ARG001
        """Break what it gets."""
        extra = arguments.model_extra or {}
        extra["list"].append(1)
        return {"list": extra["list"]}

    shared: dict[str, Any] = {"list": []}
    context = BlockContext(idempotency_key="k", run_id="r", task="t", workflow="w")
    for _ in range(2):
        assert outcome(vandal.bind("main", shared, context)()) == Succeeded({"list": [1]})
    assert shared == {"list": []}


def test_the_secrets_of_a_context_are_not_printed() -> None:
    context = BlockContext(idempotency_key="k", run_id="r", task="t", workflow="w", secrets={"TOKEN": "canary"})
    assert "canary" not in repr(context)


@pytest.mark.parametrize(
    ("arguments", "faults"),
    [
        ({"title": "{{ inputs.x }}"}, []),
        ({"title": "a {{ inputs.x }}", "count": "{{ inputs.n }}", "parts": "{{ inputs.parts }}"}, []),
        ({"title": "x", "parts": ["{{ inputs.part }}", {"name": "a", "size": "{{ inputs.n }}"}]}, []),
        ({"title": "x", "who": ["{{ inputs.a }}", "ada"]}, []),
        ({"title": "x", "teams": ["{{ inputs.a }}"]}, []),  # a union, and one of its members may fit
        ({"title": "x", "one_of": {"now": "{{ inputs.a }}"}}, []),
        (
            {"title": "x", "who": {"name": "{{ inputs.a }}"}},  # a union, and none of its members can
            [Fault("who", "should be a valid string, or should be a valid list")],
        ),
        ({"title": "x", "by_name": {"a": {"name": "{{ inputs.a }}"}, "b": "{{ inputs.b }}"}}, []),
        ({"title": "x", "count": 11}, [Fault("", "no more than ten")]),
        ({"title": "{{ inputs.x }}", "count": 11}, []),  # a rule across fields may hang on the reference
        ({}, [Fault("title", "is required")]),
        (
            {"title": "x", "cuont": "{{ inputs.n }}"},
            [Fault("cuont", "is not known here (did you mean 'count'?)")],
        ),
        (
            {"title": "{{ inputs.x }}", "count": "many"},
            [Fault("count", "should be a valid integer, unable to parse string as an integer")],
        ),
        (
            {"title": "{{ inputs.x }}", "parts": [{"size": "{{ inputs.n }}", "nmae": 1}]},
            [
                Fault("parts[0].name", "is required"),
                Fault("parts[0].nmae", "is not known here (did you mean 'name'?)"),
            ],
        ),
        (
            {"title": "x", "by_name": {"a": {"name": "x", "sice": 1}}},
            [Fault("by_name.a.sice", "is not known here (did you mean 'size'?)")],
        ),
        ({"title": "x", "who": 5}, [Fault("who", "should be a valid string, or should be a valid list")]),
        (
            {"title": "x", "who": [5]},
            [Fault("who", "should be a valid string"), Fault("who[0]", "should be a valid string")],
        ),
        ({"title": "x", "parts": {}}, [Fault("parts", "should be a valid list")]),
        (
            {"title": r"\{{ not a reference }}", "count": r"\{{"},
            [Fault("count", "should be a valid integer, unable to parse string as an integer")],
        ),
    ],
)
def test_arguments_are_checked_before_their_references_are_filled_in(
    arguments: dict[str, Any], faults: list[Fault]
) -> None:
    assert build.check(arguments) == faults


def test_s8_arguments_full_of_faults_get_the_first_hundred_and_their_number() -> None:
    arguments = {"approvers": ["olga"], **{f"unknown{number}": 1 for number in range(5000)}}
    faults = approval.check(arguments)
    assert len(faults) == 101
    assert faults[-1] == Fault("", "and 4,900 more faults")
