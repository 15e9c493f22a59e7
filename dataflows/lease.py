"""The lease: an engine process enters itself as an owner of claims, and keeps saying that it lives.

A claim lives as long as its owner. Whether *this* owner still lives is judged by the monotonic clock, read before each
heartbeat is sent, so a process that was stopped for a while knows it without asking anybody.
"""

from collections.abc import Callable, Iterable
from hashlib import blake2b
from itertools import count
from threading import Event, Thread
from time import monotonic
from uuid import uuid4

import structlog

from dataflows import metrics
from engine.transitions import TaskClaimed
from store.protocol import BEGINNING, Position, Store, StoreError

LOOK_SECONDS = 1.0  # how often it looks for owners whose process has ended
BEATS_PER_LEASE = 3
DOING = "heartbeat"  # what it is said to do when that fails
MARGIN_SECONDS = 3.0  # a call begins only if the lease lasts this much longer

log = structlog.get_logger("engine")


def kind_of(types: Iterable[str]) -> str:
    """What the ids of owners begin with whose engines have just these block types, in alphabetical order."""
    return blake2b(" ".join(types).encode(), digest_size=4).hexdigest() + "-"


class Lease:
    """One owner's lease. `types` are the block types that the engine has, `position` how far it has read the feed.

    An owner's id begins with a digest of its types. Engines with the same types share the runs; each other kind, as in
    a rolling upgrade, looks after all runs as well, since it may be the only one that can go on with some of them.
    """

    def __init__(
        self,
        store: Store,
        seconds: float,
        types: Iterable[str],
        position: Callable[[], Position],
        troubles: dict[str, str] | None = None,
    ) -> None:
        self._store = store
        self._seconds = seconds
        self._kind = kind_of(types)
        self._position = position
        self._troubles = {} if troubles is None else troubles
        self._margin = min(MARGIN_SECONDS, seconds / 10)
        self._valid_until = 0.0
        self._contact_since: float | None = None
        self._last_contact = 0.0
        self._clocks_apart = 0.0
        self._next_beat = 0.0
        self._noted = BEGINNING
        self._others: tuple[str, ...] = ()
        self._end = Event()
        self._thread = Thread(target=self._keep, name="lease", daemon=True)
        self._numbers = count(1)
        self.owner = ""

    def begin(self) -> Position:
        """Become an owner, declare dead who is gone, and keep the lease. Gives the position to read the feed from."""
        position = self._enter()
        self._thread.start()
        return position

    def token(self) -> str:
        """A fresh token for a claim."""
        return f"{self.owner}/{next(self._numbers):x}"

    def holds(self) -> bool:
        """Whether a call may begin: the lease lasts long enough."""
        return monotonic() + self._margin < self._valid_until

    def lapsed(self) -> str | None:
        """What is wrong if no call may begin."""
        return None if self.holds() else "the lease is over: no call begins before the store has taken a heartbeat"

    def covers(self, claim: TaskClaimed) -> bool:
        """Whether the call of this claim may begin: it is this owner's, and not one's that was declared dead since."""
        return claim.owner == self.owner and self.holds()

    def shares(self, run_id: str) -> bool:
        """Whether this run is this engine's to look after: engines share runs by rendezvous hashing."""
        if not self._others:
            return True
        mine = _weight(self.owner, run_id)
        return all(_weight(other, run_id) < mine for other in self._others)

    def end(self) -> None:
        """Stop keeping the lease, and leave."""
        self._end.set()
        if self._thread.is_alive():
            self._thread.join(self._seconds)
        self._store.leave(self.owner, self._position())

    def _enter(self) -> Position:
        self.owner = self._kind + uuid4().hex
        before = monotonic()
        position = self._store.register(self.owner, self._seconds)
        self._prolonged(before, position)
        self._in_contact(before)
        for dead in self._store.bury(by_time=False):
            metrics.OWNERS_BURIED.inc()
            log.info("dead_owner_found", owner=dead)
        if self._look_around() and not self._others:
            self._store.wake_active()  # some runs may have waited for the first engine of this kind
        return position

    def _keep(self) -> None:
        while not self._end.wait(min(LOOK_SECONDS, self._seconds / BEATS_PER_LEASE)):
            self.look()

    def look(self) -> None:
        """Beat if it is time, and see who else is there: what the lease's thread does, over and over."""
        before = monotonic()
        if before - self._last_contact > self._seconds / 2:  # it was stopped, and knows as little as after an outage
            self._contact_since = None
        try:
            if before >= self._next_beat or self._noted != self._position():
                self._beat()
            self._bury()
            self._look_around()
        except StoreError as error:
            self._contact_since = None
            metrics.STORE_UNAVAILABLE.inc()
            self._troubles[DOING] = str(error)
            log.warning("store_unavailable", doing=DOING, error=str(error))
        except Exception as error:
            self._contact_since = None
            self._troubles[DOING] = f"{type(error).__name__}: {error}"
            log.exception("lease_not_kept", owner=self.owner)  # without its thread no call would begin ever again
        else:
            self._troubles.pop(DOING, None)
            self._in_contact(before)

    def _beat(self) -> None:
        before = monotonic()
        position = self._position()
        alive = self._store.beat(self.owner, self._seconds, position)  # if it is away this is tried at the next look
        lapsed = not self.holds()
        if alive:
            self._prolonged(before, position)
        else:
            fenced, self.owner, self._valid_until = self.owner, "", 0.0
            self._enter()
            log.warning("owner_fenced", owner=fenced, now=self.owner)
        if lapsed:  # meanwhile no call could begin, and nobody keeps in mind which should have
            log.warning("lease_had_lapsed", owner=self.owner, woken=self._store.wake_active())

    def _prolonged(self, before: float, position: Position) -> None:
        self._valid_until = before + self._seconds
        self._next_beat = before + self._seconds / BEATS_PER_LEASE
        self._noted = position  # who comes after a crash need not read all of it again

    def _in_contact(self, before: float) -> None:
        self._last_contact = before
        if self._contact_since is None:
            self._contact_since = before

    def _bury(self) -> None:
        """Only who has had one lease of uninterrupted contact may judge others by time: an outage kills nobody.

        Neither does a step of the store's clock, or a host that was asleep: the others must have had time to beat.
        """
        apart = self._store.now() - monotonic()
        if abs(apart - self._clocks_apart) > self._margin:
            self._clocks_apart, self._contact_since = apart, monotonic()
        steady = self._contact_since is not None and monotonic() - self._contact_since >= self._seconds
        for dead in self._store.bury(by_time=steady):
            metrics.OWNERS_BURIED.inc()
            log.warning("dead_owner_found", owner=dead)

    def _look_around(self) -> bool:
        """Find out who else there is of this kind; whether there is anybody at all."""
        others = [owner.id for owner in self._store.owners() if owner.id != self.owner]
        self._others = tuple(other for other in others if other.startswith(self._kind))
        return bool(others)


def _weight(owner: str, run_id: str) -> bytes:
    return blake2b(f"{owner} {run_id}".encode(), digest_size=8).digest()
