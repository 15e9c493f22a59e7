"""Transitions: everything that can happen to a run, as past-tense facts.

A transition is proposed (by an engine, a person, a timer) and applied by `engine.machine`, which may refuse it. Its
JSON form, `{"type": "TaskClaimed", …}`, is what the change feed carries.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, Literal, NamedTuple, TypeAlias

Phase: TypeAlias = Literal["main", "signal", "wake"]
SignalKind: TypeAlias = Literal["person", "callback", "child"]


class Error(NamedTuple):
    """Why a task or a run failed: a stable code and a sentence."""

    code: str
    message: str


class Signal(NamedTuple):
    """Something sent to one task: a person's decision, a callback, the end of a child run.

    `id` makes sending it again harmless; `generation` is that of the task it was meant for; `at` is Unix time. `groups`
    are those that the sender was authenticated as a member of, `on_behalf` who handed the task over to the sender.
    """

    id: str
    generation: int
    sender: str | None
    data: Any
    kind: SignalKind = "person"
    at: float = 0.0
    groups: tuple[str, ...] = ()
    on_behalf: str | None = None


class Wants(NamedTuple):
    """What a waiting task takes as a signal.

    `schema` is a JSON Schema of the data; `senders`, and the members of `groups`, are the only people who may send,
    each once; who is `barred` never may. `closes` ends the taking: `{"approve": 1}` means no more once one accepted
    signal had `data["decision"] == "approve"`, `{"*": 1}` no more once there was any. Without it one signal at a time
    is taken.
    """

    schema: Mapping[str, Any] | None = None
    senders: tuple[str, ...] | None = None
    closes: Mapping[str, int] | None = None
    groups: tuple[str, ...] | None = None
    barred: tuple[str, ...] = ()

    def document(self) -> dict[str, Any]:
        """The JSON form, without what is absent. An empty list of people isn't: it is nobody, not anybody."""
        document = {field: value for field, value in self._asdict().items() if value is not None}
        if not self.barred:
            del document["barred"]
        return document


class TaskClaimed(NamedTuple):
    """An engine took a call of the task upon itself."""

    task: str
    token: str
    owner: str
    generation: int
    step: int
    attempt: int
    phase: Phase
    signal: str | None = None


class TaskSucceeded(NamedTuple):
    """The block returned. A result with `claim` is that of a pure block, called without one: both in one step."""

    task: str
    token: str
    outputs: Any = None
    claim: TaskClaimed | None = None


class TaskFailed(NamedTuple):
    """The block failed; if it is retryable and attempts are left, this is recorded as TaskRetried."""

    task: str
    token: str
    error: Error
    retryable: bool = False
    outputs: Any = None
    claim: TaskClaimed | None = None


class TaskSkipped(NamedTuple):
    """The block was asked and said no."""

    task: str
    token: str
    reason: str
    claim: TaskClaimed | None = None


class TaskTimedOut(NamedTuple):
    """The time was up: that of the attempt (`attempt_over`: it is retried like a failure) or of the task itself."""

    task: str
    token: str
    message: str
    attempt_over: bool = False
    outputs: Any = None


class TaskSuspended(NamedTuple):
    """The block waits: until a moment (Unix time), or for seconds `after` this is recorded, or for a signal.

    With neither time the moment that was set before stays.
    """

    task: str
    token: str
    until: float | None = None
    after: float | None = None
    wants: Wants | None = None
    outputs: Any = None


class TaskReleased(NamedTuple):
    """An engine gave a claim back without calling; no attempt is charged."""

    task: str
    token: str


class TaskLost(NamedTuple):
    """The owner of a claim is dead."""

    task: str
    token: str


class SignalReceived(NamedTuple):
    """Somebody sent a signal to a task."""

    task: str
    signal: Signal


class TaskDelegated(NamedTuple):
    """Somebody who was asked, himself or as a member of one of his `groups`, handed the task over to another person."""

    task: str
    generation: int
    sender: str
    to: str
    reason: str = ""
    groups: tuple[str, ...] = ()


class TaskBypassed(NamedTuple):
    """Somebody decided that the run goes on without a task that waits."""

    task: str
    generation: int
    reason: str = ""


class RunWoken(NamedTuple):
    """`wake_at` has passed: due times become state."""


class RunCancelled(NamedTuple):
    """Somebody cancelled the run."""

    reason: str = ""


class RunPaused(NamedTuple):
    """Somebody paused the run."""

    reason: str = ""


class RunResumed(NamedTuple):
    """Somebody resumed the run."""

    reason: str = ""


class RunRetried(NamedTuple):
    """Somebody retried a run that failed or was cancelled, without the tasks in `skip`.

    `generation` is the one expected.
    """

    generation: int
    reason: str = ""
    skip: tuple[str, ...] = ()


class RunFailed(NamedTuple):
    """The engine can't go on with this run."""

    error: Error


class ParentNotified(NamedTuple):
    """The run that started this one has been told of its end."""


Result: TypeAlias = TaskSucceeded | TaskFailed | TaskSkipped | TaskTimedOut | TaskSuspended | TaskReleased
Transition: TypeAlias = (
    TaskClaimed
    | Result
    | TaskLost
    | SignalReceived
    | TaskDelegated
    | TaskBypassed
    | RunWoken
    | RunCancelled
    | RunPaused
    | RunResumed
    | RunRetried
    | RunFailed
    | ParentNotified
)

BY_PEOPLE: Final[frozenset[type[Transition]]] = frozenset(
    {SignalReceived, TaskDelegated, TaskBypassed, RunCancelled, RunPaused, RunResumed, RunRetried}
)
"""What somebody does to a run; all else is the engine's."""

_TYPES: dict[str, type[Transition]] = {
    kind.__name__: kind
    for kind in (
        TaskClaimed,
        TaskSucceeded,
        TaskFailed,
        TaskSkipped,
        TaskTimedOut,
        TaskSuspended,
        TaskReleased,
        TaskLost,
        SignalReceived,
        TaskDelegated,
        TaskBypassed,
        RunWoken,
        RunCancelled,
        RunPaused,
        RunResumed,
        RunRetried,
        RunFailed,
        ParentNotified,
    )
}


def dump_signal(signal: Signal) -> dict[str, Any]:
    """The JSON form of a signal, as it always was: who has no groups and speaks for himself says nothing of either."""
    document = signal._asdict()
    for field in ("groups", "on_behalf"):
        if not document[field]:
            del document[field]
    return document


def load_signal(document: Mapping[str, Any]) -> Signal:
    """The `Signal` of its JSON form (JSON has no tuples).

    Raises:
        TypeError: its fields don't fit.
    """
    return Signal(**{**document, "groups": tuple(document.get("groups", ()))})


def load_wants(document: Mapping[str, Any]) -> Wants:
    """The `Wants` of its JSON form."""
    senders, groups = document.get("senders"), document.get("groups")
    return Wants(
        document.get("schema"),
        None if senders is None else tuple(senders),
        document.get("closes"),
        None if groups is None else tuple(groups),
        tuple(document.get("barred", ())),
    )


_NESTED: dict[str, Callable[[Mapping[str, Any]], Any]] = {
    "error": lambda document: Error(**document),
    "signal": load_signal,
    "wants": load_wants,
    "claim": lambda document: TaskClaimed(**document),
}
_TUPLES: Final = ("groups", "skip")
_DUMPS: dict[type, Callable[[Any], dict[str, Any]]] = {
    Error: Error._asdict,
    Signal: dump_signal,
    Wants: Wants.document,
    TaskClaimed: TaskClaimed._asdict,
}


def dump_transition(transition: Transition) -> dict[str, Any]:
    """The JSON form: the type, and every field that isn't null or an empty list."""
    document: dict[str, Any] = {"type": type(transition).__name__}
    for field, value in zip(transition._fields, transition, strict=True):
        if value is None or value == ():
            continue
        dump = _DUMPS.get(type(value))
        document[field] = value if dump is None else dump(value)
    return document


def load_transition(document: Mapping[str, Any]) -> Transition:
    """The transition of a JSON form.

    Raises:
        ValueError: the type is unknown, or its fields don't fit.
    """
    fields = dict(document)
    name = fields.pop("type", None)
    kind = _TYPES.get(name) if isinstance(name, str) else None
    if kind is None:
        message = f"unknown transition type {name!r}"
        raise ValueError(message)
    try:
        for field, load in _NESTED.items():
            if isinstance(fields.get(field), dict):
                fields[field] = load(fields[field])
        for field in _TUPLES:
            if isinstance(fields.get(field), list):
                fields[field] = tuple(fields[field])
        return kind(**fields)
    except TypeError as error:
        message = f"{name}: {error}"
        raise ValueError(message) from error
