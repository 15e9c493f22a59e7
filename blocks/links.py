"""Signed links for mails and chat, by which one person decides on one task without signing in: pure functions.

    Link ─► sign ─► token ─► read ─► Link
                      │        └──► BadLink: malformed, forged or expired
                      └─► signal_id: using a link twice is sending one signal twice

A token is base64url (RFC 4648 section 5, without padding) of compact JSON, a dot, and the HMAC-SHA256 of that text.
Nothing in it is secret, but whoever has it can decide as that person.
"""

import hmac
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as NotBase64Error
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Final, Literal, TypeAlias

from pydantic import TypeAdapter, ValidationError

KEY_CHARS: Final = 32  # at least: a key that is shorter can be guessed from one link
TOKEN_CHARS: Final = 4096

_PURPOSE: Final = b"icefloe decision link 1\n"  # what was signed with the key for anything else is no link
_TOKEN: Final = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]{43})")

WhyBad: TypeAlias = Literal["MALFORMED", "FORGED", "EXPIRED"]


class BadLink(ValueError):  # noqa: N818 - what it is, and a caller shows it to the person who followed the link
    """A link can't be used; the text says why, and what to do. `code` is for programs."""

    def __init__(self, code: WhyBad, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


@dataclass(frozen=True, slots=True)
class Link:
    """Who may decide what by it, on which try of which task, and until when. `expires_at` is Unix time."""

    run: str
    task: str
    generation: int
    person: str
    decision: Literal["approve", "reject"]
    expires_at: float


_LINK: Final = TypeAdapter(Link)


def keys_of(text: str) -> tuple[str, ...]:
    """The keys in a setting, separated by commas: the first signs, each of them reads, so that keys can be rotated.

    Raises:
        ValueError: there is none, or one is too short. The sentence doesn't hold it.
    """
    keys = tuple(key.strip() for key in text.split(","))
    for number, key in enumerate(keys, start=1):
        if len(key) < KEY_CHARS:
            raise ValueError(f"key {number} of {len(keys)} has {len(key)} characters; a key has {KEY_CHARS} at least")
    return keys


def sign(link: Link, key: str) -> str:
    """The token of a link, which can stand in a URL as it is.

    Raises:
        ValueError: the key is too short, or the link's names too long.
    """
    payload = _base64url(_LINK.dump_json(link))
    token = f"{payload}.{_signature(payload, key)}"
    if len(token) > TOKEN_CHARS:
        raise ValueError(f"the token of a link has {TOKEN_CHARS:,} characters at most; this one has {len(token):,}")
    return token


def read(token: str, keys: Sequence[str], at: float) -> Link:
    """The link of a token that was signed with any of these keys, and is used at `at` (Unix time).

    Raises:
        BadLink: it is malformed, forged or expired.
        ValueError: a key is too short.
    """
    found = _TOKEN.fullmatch(token) if len(token) <= TOKEN_CHARS else None
    if found is None:
        raise BadLink("MALFORMED", "this link is incomplete or damaged: copy all of it from the message that you got")
    payload, signature = found.groups()
    # The text is signed and compared, not what it stands for: base64 can be spelled in more than one way.
    genuine = [hmac.compare_digest(_signature(payload, key), signature) for key in keys]
    if not any(genuine):
        raise BadLink("FORGED", "this link was not made here, or its key has been withdrawn: ask for a new one")
    try:
        link = _LINK.validate_json(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)), strict=True)
    except (NotBase64Error, ValidationError):
        raise BadLink("MALFORMED", "this link was made by another version: ask for a new one") from None
    if at >= link.expires_at:
        when = datetime.fromtimestamp(link.expires_at, UTC)
        raise BadLink("EXPIRED", f"this link could be used until {when:%Y-%m-%d %H:%M} UTC: ask for a new one")
    return link


def signal_id(token: str) -> str:
    """The id of the signal that following a link sends: the same each time, whichever key signed it."""
    return f"link-{sha256(token.partition('.')[0].encode()).hexdigest()}"


def url(public_url: str, token: str) -> str:
    """Where a link leads; `public_url` is how people reach the server."""
    return f"{public_url.rstrip('/')}/links/{token}"


def _signature(payload: str, key: str) -> str:
    if len(key) < KEY_CHARS:
        raise ValueError(f"a key of links has {KEY_CHARS} characters at least; this one has {len(key)}")
    return _base64url(hmac.digest(key.encode(), _PURPOSE + payload.encode(), sha256))


def _base64url(content: bytes) -> str:
    return urlsafe_b64encode(content).rstrip(b"=").decode()
