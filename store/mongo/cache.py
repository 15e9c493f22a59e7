"""The runs that a store on MongoDB remembers, and how the others are read.

A remembered run may be out of date. That is no harm: a write names the `stamp` it expects, and fails if it is another.
"""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from threading import RLock
from typing import Any, Final, NamedTuple, TypeAlias

import structlog
from bson import ObjectId

from engine.plan import Plan, plan_of
from engine.statuses import RunStatus
from store.mongo.connection import Connection
from store.mongo.documents import WITHOUT_HISTORY, read_run
from store.mongo.errors import ALL_AFFECTED
from store.playing import Stored, Unreadable
from store.remembered import Remembered
from store.texts import in_short

CACHED_BYTES: Final = 64 * 1024 * 1024
_CACHED_PLANS: Final = 256

_log = structlog.get_logger(__name__)


class Place(NamedTuple):
    """Where a run stands, and the mark of the write that left it so."""

    id: str
    stamp: ObjectId | None
    tenant: str


Found: TypeAlias = Stored[Place] | Unreadable[Place]


class RunCache(Remembered[Place]):
    """Runs as this store object last saw them; for any number of threads."""

    def __init__(self, connection: Connection, capacity: int = CACHED_BYTES) -> None:
        super().__init__(capacity)
        self._connection = connection
        self._lock = RLock()
        self.plan = lru_cache(_CACHED_PLANS)(self._plan)

    def keep(self, stored: Stored[Place]) -> None:
        """Remember the newest state of a run, if anything of it is ready or runs."""
        with self._lock:
            super().keep(stored)

    def drop(self, id_: str) -> None:
        """Forget a run."""
        with self._lock:
            super().drop(id_)

    def load(self, ids: Iterable[str]) -> dict[str, Found]:
        """The runs of these ids that exist, as they are or have been; those not remembered are read in one go."""
        return self._load(list(ids), newest=False)

    def load_newest(self, ids: Iterable[str]) -> dict[str, Found]:
        """The runs of these ids that exist, as they are; those remembered are sent only if they have changed."""
        return self._load(list(ids), newest=True)

    def _load(self, wanted: list[str], *, newest: bool) -> dict[str, Found]:
        # Each is looked up once: another thread may forget it meanwhile, and then it must not be missing.
        found: dict[str, Found] = {id_: stored for id_ in wanted if (stored := self.get(id_)) is not None}
        asked = wanted if newest else [id_ for id_ in wanted if id_ not in found]
        if asked:
            which: dict[str, Any] = {"_id": {"$in": asked}}
            if newest:
                which["stamp"] = {"$nin": [stored.place.stamp for stored in found.values()]}
            documents = self._connection.quick("runs").find(which, WITHOUT_HISTORY)
            found.update((document["_id"], self.read(document)) for document in documents)
        return found

    def read(self, document: Mapping[str, Any]) -> Found:
        """The run of a document, which is remembered if it is active."""
        place = Place(document["_id"], document.get("stamp"), str(document.get("tenant")))
        try:
            run = read_run(document, self.plan(document["tenant"], document["workflow"], document["version"]))
        except ALL_AFFECTED:
            raise
        except Exception as error:  # noqa: BLE001 - whatever is wrong with one run must not hurt another
            reason = f"the stored run can't be read: {in_short(error)}"
            _log.error("run_unreadable", run_id=place.id, reason=reason)
            status = RunStatus.__members__.get(str(document.get("status")))
            revision, seal = document.get("revision"), document.get("seal")  # be they what they may
            return Unreadable(
                place,
                place.id,
                revision if isinstance(revision, int) else 0,
                status,
                seal if isinstance(seal, str) else None,
                reason,
            )
        stored = Stored(place, run)
        self.keep(stored)
        return stored

    def _plan(self, tenant: str, name: str, version: int) -> Plan:
        """The plan of a workflow's version, compiled once: a version never changes.

        Raises:
            LookupError: there is no such version.
            ValueError: the stored document is no workflow.
        """
        which = {"tenant": tenant, "name": name, "version": version}
        found = self._connection.quick("workflows").find_one(which, {"document": 1})
        if found is None:
            raise LookupError(f"there is no version {version} of workflow {name!r}")
        return plan_of(found["document"].encode())
