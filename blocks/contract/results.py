"""What a block can say besides its outputs: skip, time out, wait, fail; and the signal it may be called with."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Generic, TypeVar

from pydantic import BaseModel

D = TypeVar("D")


@dataclass(frozen=True, slots=True)
class Skip:
    """The task was asked and says no: it ends SKIPPED."""

    reason: str


@dataclass(frozen=True, slots=True)
class TimedOut:
    """The time that the task was given is up: it ends TIMED_OUT, with these outputs."""

    reason: str
    outputs: Any = None


@dataclass(frozen=True, slots=True)
class Wait:
    """The task is WAITING: until a moment, for some time from when this is recorded, for a signal, or for either.

    Neither `until` nor `after` keeps the moment that an earlier Wait had set. `for_signal` is a model or a JSON Schema
    of a signal's data. If there are `senders` or `groups` only these people, and the members of these groups, may send.
    Each may send once, and whoever they hand the task over to sends in their place; who is `barred` never may. `closes`
    ends the taking of signals: `{"approve": 1}` takes none once one had `"approve"` as its data's `decision`,
    `{"*": 1}` none once there was any. A later Wait that says nothing of signals keeps what an earlier one wanted; one
    that wants something else has the signals counted anew. `outputs` are what is known so far; they stay with the
    waiting task, and are given to its `on_signal` and `on_wake` as `waited`.

    Raises:
        ValueError: both times are given, `until` has no time zone, `after` is negative, or `closes` isn't positive.
    """

    until: datetime | None = None
    after: timedelta | None = None
    for_signal: type[BaseModel] | Mapping[str, Any] | None = None
    senders: tuple[str, ...] | None = None
    closes: Mapping[str, int] | None = None
    outputs: Any = None
    groups: tuple[str, ...] | None = None
    barred: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.until is not None and self.after is not None:
            raise ValueError("Wait takes `until` or `after`, not both")
        if self.until is not None and self.until.tzinfo is None:
            raise ValueError("Wait(until=…) needs a moment with a time zone, such as datetime.now(UTC)")
        if self.after is not None and self.after < timedelta(0):
            raise ValueError("Wait(after=…) can't be negative")
        if self.closes is not None and not all(number > 0 for number in self.closes.values()):
            raise ValueError("Wait(closes=…) needs numbers of at least 1")


class BlockError(Exception):
    """The task FAILED, for a reason that was foreseen.

    `code` is for workflows and programs (`HTTP_STATUS`), `message` a sentence for people. Only a `retryable` error is
    tried again, by the task's retry policy. `outputs` stay with the failed task.
    """

    def __init__(self, code: str, message: str, *, retryable: bool = False, outputs: object = None) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message
        self.retryable = retryable
        self.outputs = outputs

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


@dataclass(frozen=True, slots=True)
class Signal(Generic[D]):
    """Something sent to a waiting task. `sender` is who was authenticated, `at` the Unix time of its acceptance.

    `on_behalf` is who was asked, and handed the task over to the sender.
    """

    id: str
    sender: str | None
    at: float
    data: D
    on_behalf: str | None = None

    @property
    def voice(self) -> str | None:
        """Whose decision it counts as: of who was asked, whoever stood in."""
        return self.on_behalf or self.sender
