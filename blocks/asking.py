"""The mails by which people are asked to decide: the first, reminders, and those to whom it was escalated.

Each has two one-click links, one to approve and one to reject, if there are a key to sign them with and a public URL to
lead to; else it says which command decides. A link can be used as long as the question is open, at most 30 days if it
is open for ever.
"""

import asyncio
import json
import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final

from pydantic import Field

from blocks.contract import BlockContext, BlockError
from blocks.delivery import Letter, MailSettings, deliver, has_address, one_line
from blocks.links import Link, keys_of, sign, url

LINK_KEY: Final = "link_key"
"""The secret that signs links; it may hold several keys, separated by commas: the first signs."""

LINK_LIFE: Final = timedelta(days=30)
_DETAILS_CHARS: Final = 10_000


class AskingSettings(MailSettings):
    """How people are asked."""

    public_url: str | None = Field(
        default=None, pattern=r"^https?://[^\s/?#]+[^\s?#]*$", description="Where people reach the API: for links"
    )


@dataclass(slots=True)
class Asked:
    """What came of asking: whether anybody was reached, what went wrong, and the error if it is to be tried again.

    It is, if that may help and nobody was reached: else those who were would be told the same each time.
    """

    reached: bool = False
    problems: list[str] = field(default_factory=list)
    retry: BlockError | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of people, in which task of which run."""

    title: str
    details: Any
    expires_at: datetime | None

    async def ask(self, context: BlockContext, people: Iterable[str], purpose: str, why: str = "") -> Asked:
        """Send each of these people a mail; `purpose` tells mails to the same person apart, `why` begins it.

        Raises nothing that a mail server, a folder or a key can be the cause of: the answer says it.
        """
        settings: AskingSettings = context.settings
        asked = Asked()
        addressed = [person for person in people if self._is_reachable(person, settings, asked)]
        key = _signing_key(context, asked)
        letters = [
            Letter(person, self._subject(context, why), self._text(context, person, why, key)) for person in addressed
        ]
        if not letters:
            return asked
        try:
            await asyncio.to_thread(deliver, letters, settings, key=context.idempotency_key, purpose=purpose)
        except BlockError as error:
            asked.problems.append(f"{purpose}: {error.message}")
            asked.reached = bool(isinstance(error.outputs, dict) and error.outputs.get("receipts"))
            asked.retry = error if error.retryable and not asked.reached else None
        else:
            asked.reached = True
        for problem in asked.problems:
            context.log.warning("asking_failed", purpose=purpose, reason=problem)
        return asked

    def _is_reachable(self, person: str, settings: AskingSettings, asked: Asked) -> bool:
        if has_address(person) or (settings.smtp_url is None and "@" not in person):
            return True
        asked.problems.append(f"{one_line(person, 80)!r} is no mail address: nothing was sent")
        return False

    def _subject(self, context: BlockContext, why: str) -> str:
        asks = one_line(self.title) or f"decide on {context.task} of {context.workflow}"
        return f"{why}: {asks}" if why else asks

    def _text(self, context: BlockContext, person: str, why: str, key: str | None) -> str:
        return "\n\n".join(filter(None, self._parts(context, person, why, key))) + "\n"

    def _parts(self, context: BlockContext, person: str, why: str, key: str | None) -> Iterator[str]:
        yield f"{why}." if why else ""
        yield f"You are asked to decide: {self.title or context.task}"
        yield _written(self.details)
        by = f", asked for by {context.requested_by}" if context.requested_by else ""
        yield f"It is task {context.task} of run {context.run_id}, workflow {context.workflow}{by}."
        if self.expires_at is not None:
            yield f"It can be decided until {self.expires_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC."
        yield self._ways(context, person, key)

    def _ways(self, context: BlockContext, person: str, key: str | None) -> str:
        """How to decide."""
        run, task = shlex.quote(context.run_id), shlex.quote(context.task)
        commands = f"To decide, call `icefloe approve {run} {task}` or `icefloe reject {run} {task}`."
        public_url = context.settings.public_url
        if key is None or public_url is None:
            return commands
        until = (self.expires_at or datetime.now(UTC) + LINK_LIFE).timestamp()
        link = partial(Link, context.run_id, context.task, context.generation, person, expires_at=until)
        try:
            approve, reject = (
                url(public_url, sign(link(decision=decision), key)) for decision in ("approve", "reject")
            )
        except ValueError:  # names so long that no link can hold them
            return commands
        return (
            f"Approve: {approve}\n\nReject: {reject}\n\n"
            "Nothing is decided before you confirm it on the page. These links are for you alone: whoever has them can "
            "decide in your name."
        )


def _signing_key(context: BlockContext, asked: Asked) -> str | None:
    """The key that signs, if there is one that is any good."""
    text = context.secrets.get(LINK_KEY)
    if text is None:
        return None
    try:
        return keys_of(text)[0]
    except ValueError as error:
        asked.problems.append(f"no links were sent: ICEFLOE_LINK_KEY: {error}")
        return None


def _written(details: Any) -> str:
    """The details as people read them."""
    if details is None:
        return ""
    text = details if isinstance(details, str) else json.dumps(details, ensure_ascii=False, indent=2)
    return text if len(text) <= _DETAILS_CHARS else f"{text[:_DETAILS_CHARS]}…"
