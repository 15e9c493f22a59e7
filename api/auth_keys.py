"""API keys: `icf_<id>_<secret>`, where the secret has 256 random bits and only its SHA-256 is kept.

    icf_0f3a…_pXk… ─► id ─► the key's record (remembered for 5 s) ─► same hash, not revoked, not expired ─► somebody

A fast hash is right here: nobody can guess 256 random bits, so there is nothing that a slow one would protect.
"""

import hmac
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from secrets import token_hex, token_urlsafe
from time import monotonic
from typing import Any, Final, NamedTuple

import structlog
from starlette.concurrency import run_in_threadpool

from api.auth_bearer import unknown_key
from api.auth_names import BadNameError, checked
from api.memory import Recent
from api.principal import Principal
from store.protocol import Record, Store

KIND: Final = "api-key"
BEGINNING: Final = "icf_"
REMEMBERED_SECONDS: Final = 5.0  # how long a key still works, at most, after it was revoked

_log = structlog.get_logger(__name__)
_GLOBAL: Final = ""  # keys are looked up before it is known whose they are
_TOKEN: Final = re.compile(r"icf_([0-9a-f]{16})_([A-Za-z0-9_-]{43})")
_ID_BYTES: Final = 8
_SECRET_BYTES: Final = 32
_KEYS: Final = 10_000  # remembered
_PAGE: Final = 500
_KEPT_SECONDS: Final = 90 * 86400.0  # keys that don't work any more are listed for so long


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key as it is kept; times are Unix seconds, None is never."""

    id: str
    principal: Principal
    hash: str
    label: str
    created_at: float
    created_by: str
    expires_at: float | None = None
    revoked_at: float | None = None
    revision: int = 0

    def is_valid(self, now: float) -> bool:
        """Whether it works."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)

    def document(self) -> dict[str, Any]:
        """What may be shown of it: all but the hash."""
        who = self.principal
        return {
            "id": self.id,
            "subject": who.subject,
            "tenant": who.tenant,
            "roles": sorted(who.roles),
            "groups": list(who.groups),
            "label": self.label,
            "created_at": self.created_at,
            "created_by": self.created_by,
            "expires_at": self.expires_at,
            "revoked_at": self.revoked_at,
        }

    def record(self) -> Record:
        """As the store keeps it."""
        ends = [at for at in (self.expires_at, self.revoked_at) if at is not None]
        gone_at = min(ends) + _KEPT_SECONDS if ends else None
        return Record(KIND, _GLOBAL, self.id, {**self.document(), "hash": self.hash}, self.revision, gone_at)


class NewKey(NamedTuple):
    """A key that was just made, and its token: the only time that anybody sees it."""

    key: ApiKey
    token: str


def create(store: Store, principal: Principal, *, by: str, label: str = "", lifetime: float | None = None) -> NewKey:
    """Make a key for somebody, which works for `lifetime` seconds.

    Raises:
        StoreError: it can't be written.
    """
    id_, secret = token_hex(_ID_BYTES), token_urlsafe(_SECRET_BYTES)
    now = store.now()
    expires_at = None if lifetime is None else now + lifetime
    key = ApiKey(id_, replace(principal, via=f"key:{id_}"), _hash(secret), label, now, by, expires_at)
    written = store.put_record(key.record())
    return NewKey(replace(key, revision=written.revision), f"{BEGINNING}{id_}_{secret}")


def keys(store: Store) -> Iterator[ApiKey]:
    """All keys by id, also those that don't work any more; without those that can't be read (a log says so).

    Raises:
        StoreError: they can't be read.
    """
    after = ""
    while page := store.records(KIND, tenant=_GLOBAL, after=after, limit=_PAGE):
        yield from filter(None, map(_read, page))
        after = page[-1].id


def find(store: Store, id_: str) -> ApiKey | None:
    """The key of an id, also if it doesn't work any more.

    Raises:
        StoreError: it can't be read.
    """
    record = store.record(KIND, id_, tenant=_GLOBAL)
    return None if record is None else _read(record)


def revoke(store: Store, key: ApiKey) -> ApiKey:
    """Let a key not work any more, wherever it is used: at the latest after `REMEMBERED_SECONDS`.

    Raises:
        Conflict: somebody else has just changed it.
        StoreError: it can't be written.
    """
    if key.revoked_at is not None:
        return key
    revoked = replace(key, revoked_at=store.now())
    return replace(revoked, revision=store.put_record(revoked.record()).revision)


class _Remembered(NamedTuple):
    key: ApiKey | None
    until: float


class ApiKeys:
    """Authenticates by keys. To be used on one event loop; `clock` only says how long something is remembered."""

    def __init__(self, store: Store, clock: Callable[[], float] = monotonic) -> None:
        self._store = store
        self._clock = clock
        self._known: Recent[str, _Remembered] = Recent(_KEYS)
        self._unknown: Recent[str, _Remembered] = Recent(_KEYS)  # apart, so that guesses push out nothing that is known

    async def principal(self, token: str) -> Principal:
        """Whose key it is.

        Raises:
            Problem: nobody's, or it doesn't work any more: the same answer for whatever is wrong.
            StoreError: that can't be found out.
        """
        found = _TOKEN.fullmatch(token)
        if found is None:
            raise unknown_key()
        id_, secret = found.groups()
        key = await self._key(id_)
        hashed = _hash(secret)
        same = hmac.compare_digest(hashed, key.hash if key is not None else hashed[::-1])
        if key is None or not same or not key.is_valid(self._store.now()):
            raise unknown_key()
        return key.principal

    async def _key(self, id_: str) -> ApiKey | None:
        remembered = self._known.get(id_) or self._unknown.get(id_)
        now = self._clock()
        if remembered is None or now >= remembered.until:
            key = await run_in_threadpool(find, self._store, id_)
            remembered = _Remembered(key, now + REMEMBERED_SECONDS)
            to, other = (self._unknown, self._known) if key is None else (self._known, self._unknown)
            to[id_] = remembered
            other.forget(id_)
        return remembered.key


def _hash(secret: str) -> str:
    return sha256(secret.encode()).hexdigest()


def _read(record: Record) -> ApiKey | None:
    """A key from its record; None if that is damaged."""
    told: Mapping[str, Any] = record.document
    try:
        who = checked(told["subject"], told["tenant"], told["roles"], told["groups"], via=f"key:{record.id}")
        return ApiKey(
            record.id,
            who,
            told["hash"],
            told["label"],
            told["created_at"],
            told["created_by"],
            told["expires_at"],
            told["revoked_at"],
            record.revision,
        )
    except (KeyError, TypeError, BadNameError) as error:
        _log.warning("api_key_unreadable", key=record.id, reason=f"{type(error).__name__}: {error}")
        return None
