"""The definition of a block type: the `@block` decorator and the `Block` that it makes."""

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial, update_wrapper
from typing import Any, Generic, ParamSpec, TypeVar, assert_never

from pydantic import PydanticUserError, ValidationError

from blocks.contract.arguments import check, faults_of
from blocks.contract.context import BlockContext
from blocks.contract.results import BlockError, Signal, TimedOut
from blocks.contract.signatures import (
    MAIN,
    SIGNAL,
    WAKE,
    BlockDefinitionError,
    Model,
    annotations,
    arguments_model,
    outputs_model,
    signal_model,
)
from engine.documents import TYPE_PATTERN, Retry
from engine.durations import parse_duration
from engine.faults import Fault
from engine.limits import NAME_CHARS
from engine.transitions import Phase

P = ParamSpec("P")
R = TypeVar("R")
Function = TypeVar("Function", bound=Callable[..., Any])


@dataclass(eq=False)
class Block(Generic[P, R]):
    """A block type: a function with its models, and what the engine should know to call it. Made by `@block`.

    Call it as the function it was made from. `outputs` is None if it returns a free-form object or nothing, `signal` if
    it takes no signals or those of any form. `is_async` holds for all of its functions.
    """

    type: str
    function: Callable[P, R]
    title: str
    category: str
    icon: str
    retry: Retry
    timeout: str | None
    pure: bool
    concurrency: int | None
    settings: Model | None
    secrets: tuple[str, ...]
    examples: tuple[Mapping[str, Any], ...]
    description: str = field(init=False)
    is_async: bool = field(init=False)
    arguments: Model = field(init=False)
    outputs: Model | None = field(init=False)
    signal: Model | None = field(init=False, default=None)
    _signal_function: Callable[..., Any] | None = field(init=False, default=None)
    _wake_function: Callable[..., Any] | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        update_wrapper(self, self.function)
        self.description = " ".join(inspect.cleandoc(self.function.__doc__ or "").partition("\n\n")[0].split())
        self.is_async = inspect.iscoroutinefunction(self.function)
        hints = annotations(self.function, MAIN)
        self.arguments = arguments_model(hints)
        self.outputs = outputs_model(hints)
        self._check()

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the function."""
        return self.function(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<block {self.type} of {self.function.__module__}>"

    def on_signal(self, function: Function) -> Function:
        """Decorate what decides on a signal: `(arguments, context, signal: Signal[Model], waited)`."""
        self.signal = signal_model(annotations(function, SIGNAL))
        self._signal_function = self._second(function, self._signal_function, "on_signal")
        return function

    def on_wake(self, function: Function) -> Function:
        """Decorate what decides when the moment has come: `(arguments, context, waited)`.

        Without it the task ends TIMED_OUT at that moment, with the outputs that it had.
        """
        annotations(function, WAKE)
        self._wake_function = self._second(function, self._wake_function, "on_wake")
        return function

    def bind(
        self,
        phase: Phase,
        arguments: Mapping[str, Any],
        context: BlockContext,
        signal: Signal[Any] | None = None,
        waited: Mapping[str, Any] | None = None,
    ) -> Callable[[], Any]:
        """The call, ready to be made: what comes back takes nothing, and returns a coroutine if the block is async.

        `signal` has its data as JSON; `waited` are the outputs that the last Wait kept.

        Raises:
            BlockError: `BAD_ARGUMENTS` with every fault, `BAD_SIGNAL`, or `NO_SIGNALS` if the block takes none.
            Exception: whatever a validator of the block's own raises. All of it is something for `outcome`.
        """
        checked = self._model("BAD_ARGUMENTS", self.arguments, _own(arguments))
        if phase == "main":
            return partial(self.function, checked, context)  # type: ignore[arg-type]  # its form was checked
        if phase == "signal":
            if self._signal_function is None or signal is None:
                raise BlockError("NO_SIGNALS", f"{self.type} takes no signals")
            data = _own(signal.data)
            if self.signal is not None:
                data = self._model("BAD_SIGNAL", self.signal, data)
            return partial(self._signal_function, checked, context, replace(signal, data=data), _own(waited))
        if phase == "wake":
            return partial(self._wake_function or self._time_is_up, checked, context, _own(waited))
        assert_never(phase)

    def check(self, arguments: Mapping[str, Any]) -> list[Fault]:
        """What is wrong with arguments, whatever their references turn out to be; paths are those below `arguments`."""
        return check(self.arguments, arguments)

    def schema(self) -> dict[str, Any]:
        """What a front end needs to offer this block type: texts, defaults and JSON Schemas."""
        return {
            "type": self.type,
            "title": self.title,
            "category": self.category,
            "icon": self.icon,
            "description": self.description,
            "arguments": self.arguments.model_json_schema(),
            "outputs": self.outputs.model_json_schema(mode="serialization") if self.outputs else {"type": "object"},
            "signal": self.signal.model_json_schema() if self.signal else None,
            "retry": self.retry.model_dump(mode="json"),
            "timeout": self.timeout,
            "pure": self.pure,
            "concurrency": self.concurrency,
            "secrets": list(self.secrets),
            "examples": [dict(example) for example in self.examples],
        }

    def _model(self, code: str, model: Model, value: object) -> Any:
        try:
            return model.model_validate(value)
        except ValidationError as error:
            faults = "; ".join(map(str, faults_of(error, model, value)))
            raise BlockError(code, f"{self.type}: {faults}") from None

    def _time_is_up(self, _arguments: object, _context: BlockContext, waited: Mapping[str, Any] | None) -> Any:
        expired = TimedOut("the time that it waited for has come", outputs=waited)

        async def later() -> TimedOut:
            return expired

        return later() if self.is_async else expired

    def _second(self, function: Function, before: Callable[..., Any] | None, name: str) -> Function:
        if before is not None:
            raise BlockDefinitionError(f"block {self.type}: {name} is defined twice")
        if self.pure:
            raise BlockDefinitionError(
                f"block {self.type} is pure: it is called without a claim and can't wait, so it has no {name}"
            )
        if inspect.iscoroutinefunction(function) != self.is_async:
            raise BlockDefinitionError(
                f"block {self.type}: {name} must be {'async def' if self.is_async else 'a plain def'}, as the block is"
            )
        return function

    def _check(self) -> None:
        faults = [
            (not re.fullmatch(TYPE_PATTERN, self.type), "a type is in upper snake case, such as JIRA_ISSUE"),
            (len(self.type) > NAME_CHARS, f"a type has at most {NAME_CHARS} characters"),
            (not (self.title and self.category), "give it a title and a category: front ends show them"),
            (not self.description, "give the function a docstring: its first paragraph is the description"),
            (self.concurrency is not None and self.concurrency < 1, "concurrency is at least 1"),
        ]
        for example in self.examples:
            wrong = self.check(example)
            faults.append((bool(wrong), f"the example {dict(example)} doesn't fit: {'; '.join(map(str, wrong))}"))
        found = [sentence for is_wrong, sentence in faults if is_wrong]
        if found:
            raise BlockDefinitionError("; ".join(found))
        if self.timeout is not None:
            parse_duration(self.timeout)
        self.schema()


def _own(value: Any) -> Any:
    """A copy of JSON that the engine may share between runs: a block may do with it what it likes."""
    if type(value) is dict:
        return {key: _own(inner) for key, inner in value.items()}
    if type(value) is list:
        return [_own(inner) for inner in value]
    return value


def block(  # noqa: PLR0913 - a declaration, given by name
    type: str,  # noqa: A002 - what it is called in a workflow
    *,
    title: str,
    category: str,
    icon: str = "",
    retry: Retry | None = None,
    timeout: str | None = None,
    pure: bool = False,
    concurrency: int | None = None,
    settings: Model | None = None,
    secrets: tuple[str, ...] = (),
    examples: tuple[Mapping[str, Any], ...] = (),
) -> Callable[[Callable[P, R]], Block[P, R]]:
    """Make a function `(arguments: Model, context: BlockContext) -> Model` a block type.

    `async def` runs on the engine's event loop, a plain `def` in a thread pool of its own type. `retry` and `timeout`
    (a duration; of one attempt) hold for tasks that don't say otherwise. `pure` blocks have no effects outside, and may
    be called more often than recorded. `concurrency` bounds the calls in flight. `settings` is a model whose fields are
    read from the environment (`ICEFLOE_` and the field's name); `secrets` names what the context should carry.

    Raises:
        BlockDefinitionError: with a sentence, when the decorator runs.
    """

    def decorate(function: Callable[P, R]) -> Block[P, R]:
        try:
            return Block(
                type,
                function,
                title,
                category,
                icon,
                retry or Retry(),
                timeout,
                pure,
                concurrency,
                settings,
                secrets,
                examples,
            )
        except (BlockDefinitionError, ValueError, PydanticUserError) as error:
            where = f"{function.__module__}.{function.__qualname__}"
            raise BlockDefinitionError(f"block {type!r} ({where}): {error}") from error

    return decorate
