"""One write of the store on MongoDB: what happened to runs, collected as one update of each run's document.

Playing ──keep──► an update for each run ──write──► one bulk of them, each only if its run is still as it was read
"""

from collections.abc import Callable, Collection, Sequence
from typing import Any, Final

from bson import ObjectId
from pymongo import UpdateOne
from pymongo.collection import Collection as MongoCollection

from engine.asked import asks_as_before
from engine.run import WorkflowRun
from engine.statuses import RunStatus
from engine.transitions import Error
from store.mongo.cache import Place
from store.mongo.connection import Document
from store.mongo.documents import events, history, last, state, task_fields, waiting
from store.playing import Playing, Stored, Told, Unreadable
from store.protocol import Follow
from store.texts import dumps

FULL_BYTES: Final = 12 * 1024 * 1024
"""So large may the document of a run that goes on become, where MongoDB takes 16 MiB: there is room to end it."""


class Update:
    """What is to become of one run's document. `unmoved` has its `wake_at` as it was read, if that counts."""

    __slots__ = ("events", "fields", "journal", "place", "stamp", "unmoved")

    def __init__(self, place: Place, unmoved: Document) -> None:
        self.place = place
        self.unmoved = unmoved
        self.stamp = place.stamp
        self.fields: Document = {}
        self.journal: list[list[Any]] = []
        self.events: list[str | None] = []

    def request(self, writer: str | None) -> UpdateOne:
        """The update. One that only moves `wake_at` is no change: its run keeps its stamp, and the feed is silent."""
        which: Document = {"_id": self.place.id, "stamp": self.place.stamp}
        if not self.journal:
            return UpdateOne({**which, **self.unmoved}, {"$set": self.fields})
        self.stamp = ObjectId()
        told = last(writer, self.place.tenant, self.journal, self.events)
        fields = {**self.fields, "stamp": self.stamp, "last": told}
        return UpdateOne(which, {"$set": fields, "$push": {"journal": {"$each": self.journal}}})

    def is_done(self, document: Document) -> bool:
        """Whether a document is as this update left it."""
        if document.get("stamp") != self.stamp:
            return False
        return bool(self.journal) or document["wake_at"] == self.fields["wake_at"]


class Batch(Playing[Place]):
    """The updates of one write. `at` is its time, `writer` the owner who writes."""

    def __init__(self, at: float, writer: str | None, luck: Callable[[], float], follow: Follow | None = None) -> None:
        super().__init__(at, luck, follow)
        self._writer = writer
        self._updates: dict[str, Update] = {}

    def _update(self, place: Place, unmoved: Document) -> Update:
        """The update of a run; whatever comes to one run in a batch goes into one."""
        update = self._updates.get(place.id)
        if update is None:
            update = self._updates[place.id] = Update(place, unmoved)
        return update

    def keep_change(
        self, stored: Stored[Place], run: WorkflowRun, told: Sequence[Told], touched: Collection[str]
    ) -> None:
        """What changed in a run's document.

        Raises:
            ValueError: it has become too large, and the run goes on.
        """
        if run.size > FULL_BYTES and not run.is_final:
            raise ValueError(f"so much has happened to the run that its document has {run.size:,} bytes")
        journal, transitions = history(told), events(told)
        fields = {**state(run, stored.run), **task_fields(run, touched)}
        if not asks_as_before(stored.run, run, touched):
            fields["waiting"] = waiting(run)
        update = self._update(stored.place, {"wake_at": stored.run.wake_at})  # from here on nothing can raise
        update.fields.update(fields)
        update.journal += journal
        update.events += transitions

    def keep_touch(self, stored: Stored[Place], run: WorkflowRun) -> None:
        """When a run is to be looked at again."""
        self._update(stored.place, {"wake_at": stored.run.wake_at}).fields.update(state(run, stored.run))

    def keep_failure(self, run: Unreadable[Place], told: Told | None, error: Error) -> None:
        """Say of a run only that it is over."""
        update = self._update(run.place, {})
        update.fields["wake_at"] = None
        if told is not None:
            entry = told.entry
            update.journal += history([told])
            update.events += events([told])
            update.fields.update(
                status=str(RunStatus.FAILED),
                claimed=0,
                waiting=[],
                revision=entry.revision,
                seal=told.seal,
                updated_at=self.at,
                finished_at=self.at,
                error=dumps(error),
            )

    def write(self, runs: MongoCollection[Document]) -> dict[str, Place | None]:
        """Write all updates; the new places of the runs, None of those that somebody else has changed meanwhile.

        Raises:
            PyMongoError: it isn't known which of them were done.
        """
        updates = self._updates
        if not updates:
            return {}
        done = runs.bulk_write([update.request(self._writer) for update in updates.values()], ordered=False)
        places: dict[str, Place | None] = {
            id_: update.place._replace(stamp=update.stamp) for id_, update in updates.items()
        }
        if done.matched_count < len(updates):
            found = runs.find({"_id": {"$in": list(updates)}}, {"stamp": 1, "wake_at": 1})
            as_ours = {document["_id"] for document in found if updates[document["_id"]].is_done(document)}
            places.update((id_, None) for id_ in updates if id_ not in as_ours)
        return places
