"""Bindings: which workflows the messages of a topic may start, signal and cancel, and whom they may speak for."""

import re
from collections.abc import Sequence
from functools import lru_cache

from dataflows.settings import Binding
from dataflows.triggers.refusals import Refused


def check_bound(binding: Binding, workflow: str, topic: str) -> None:
    """See that a topic has to do with a workflow.

    Raises:
        Refused: it hasn't.
    """
    if not _pattern(binding.workflows).fullmatch(workflow):
        bound = ", ".join(binding.workflows) or "none"
        raise Refused("NOT_BOUND", f"topic {topic!r} is not bound to workflow {workflow!r}, but to: {bound}")


def who(said: str | None, field: str, topic: str, binding: Binding) -> str:
    """Who does what a message asks for: whom it names, if it may, else the topic.

    Raises:
        Refused: it names somebody, and may not.
    """
    if said is not None and not binding.trusted:
        raise Refused("NOT_TRUSTED", f"{field}: messages of topic {topic!r} may not say who asks; leave it out")
    return said or f"kafka:{topic}"


def groups_of(said: Sequence[str], topic: str, binding: Binding) -> tuple[str, ...]:
    """The groups that who does it is a member of, if the message may say so.

    Raises:
        Refused: it names some, and may not.
    """
    if said and not binding.trusted:
        raise Refused("NOT_TRUSTED", f"groups: messages of topic {topic!r} may not say who asks; leave it out")
    return tuple(said)


@lru_cache(maxsize=1024)
def _pattern(names: tuple[str, ...]) -> re.Pattern[str]:
    """Names in which `*` stands for any text; of no names, what nothing matches."""
    return re.compile("|".join(".*".join(map(re.escape, name.split("*"))) for name in names) or r"(?!)")
