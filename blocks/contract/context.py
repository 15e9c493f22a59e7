"""The context of one call of a block: who asked for what, which attempt this is, settings and secrets."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import structlog


@dataclass(frozen=True, slots=True)
class BlockContext:
    """What a block knows about the call. Every attempt of a task has the same `idempotency_key`.

    `generation` is that of the task: 1, until the run is retried from it. `asked` are, when a moment has come, the
    people from whom the waiting task still takes a signal, who stands in for somebody in that person's place; None if
    that isn't known. `settings` is an instance of the block's settings model, `secrets` has the values of the secrets
    that it declared.
    """

    idempotency_key: str
    run_id: str
    task: str
    workflow: str
    attempt: int = 1
    generation: int = 1
    requested_by: str | None = None
    asked: tuple[str, ...] | None = None
    settings: Any = None
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def log(self) -> Any:
        """A logger with the run, the task and the attempt bound to it; log past-tense event names."""
        return structlog.get_logger("blocks").bind(run_id=self.run_id, task=self.task, attempt=self.attempt)
