"""What writes do to runs: start them, apply what was proposed, wake those that are due.

proposals ─► play on the runs as remembered ─► one bulk write ─┬─► done
     ▲                                                         └─► somebody else was faster: read those runs again
     └────────────────────────────────────────────────────────────────────────────────────┘
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from bson import ObjectId
from pymongo.collection import Collection
from pymongo.errors import BulkWriteError

from engine.machine import start
from engine.outcomes import Duplicate
from engine.run import WorkflowRun
from engine.transitions import RunWoken
from store.mongo import owners, workflows
from store.mongo.batch import Batch
from store.mongo.cache import Found, Place, RunCache
from store.mongo.connection import Connection, Document
from store.mongo.documents import WITHOUT_HISTORY, events, history, last, new_document
from store.mongo.errors import ALL_AFFECTED, DUPLICATE_KEY
from store.playing import Stored, Unreadable, by_run, tell, unknown, waking
from store.protocol import Creation, Follow, NewRun, Proposal, Recorded, StoreUnavailable
from store.requests import Accepted, answers, is_id, version_asked

_ROUNDS = 100  # each means that all others of a round were written by somebody else


class Write(NamedTuple):
    """What goes with one write: its time, the owner who writes, and the dice."""

    connection: Connection
    cache: RunCache
    at: float
    writer: str | None
    luck: Callable[[], float]


class _New(NamedTuple):
    run: WorkflowRun
    document: Document


def create(write: Write, requests: Sequence[NewRun]) -> list[Creation]:
    """Start the runs that are asked for, unless they are there or at fault; one answer each."""
    answered: dict[int, Creation] = {}
    asked = list(range(len(requests)))
    while asked:
        begins = _Beginnings(write)
        accepted = _accepted(write, [requests[index].id for index in asked if is_id(requests[index].id)])
        were = set(accepted)
        found = answers([requests[index] for index in asked], accepted, begins.start, ALL_AFFECTED)
        lost = begins.insert()  # to somebody who started runs of these ids at the same time
        answered.update(zip(asked, found, strict=True))
        if any(creation.outcome == "exists" and creation.id in were for creation in found):
            write.connection.settle()  # who answers that a run exists promises that it stays
        asked = [index for index in asked if requests[index].id in lost]
    return [answered[index] for index in range(len(requests))]


def _accepted(write: Write, ids: list[str]) -> dict[str, Accepted]:
    """The requests that were accepted under these ids."""
    if not ids:
        return {}
    found = write.connection.quick("runs").find({"_id": {"$in": ids}}, {"digest": 1})
    digests = {document["_id"]: document.get("digest") for document in found}
    runs = write.cache.load_newest(digests)
    return {id_: Accepted(digest, getattr(runs.get(id_), "run", None)) for id_, digest in digests.items()}


class _Beginnings:
    """New runs, and the insertion of all of them."""

    def __init__(self, write: Write) -> None:
        self._write = write
        self._live: dict[tuple[str, str], range] = {}
        self._new: list[_New] = []

    def start(self, request: NewRun, digest: bytes) -> WorkflowRun:
        """The run that is asked for.

        Raises:
            Invalid: there is no such workflow, or the inputs don't fit.
        """
        write, connection = self._write, self._write.connection
        key = tenant, name = request.tenant, request.workflow
        if key not in self._live:
            self._live[key] = workflows.live_versions(connection, tenant, name)
        version = version_asked(request, self._live[key], lambda: workflows.names(connection, tenant))
        run, entry = start(
            write.cache.plan(tenant, name, version),
            request.inputs,
            id=request.id,
            at=write.at,
            luck=write.luck(),
            requested_by=request.requested_by,
            labels=request.labels,
            parent=request.parent,
        )
        told = [tell(run.id, None, entry, None)]
        run = run._replace(seal=told[-1].seal)
        journal = history(told)
        written = {"journal": journal, "stamp": ObjectId(), "last": last(write.writer, tenant, journal, events(told))}
        self._new.append(_New(run, {**new_document(run, digest), **written}))
        return run

    def insert(self) -> set[str]:
        """Insert the runs; the ids that were taken meanwhile.

        Raises:
            PyMongoError: it isn't known which of them were inserted.
        """
        taken: set[str] = set()
        if self._new:
            try:
                self._write.connection.durable("runs").insert_many([one.document for one in self._new], ordered=False)
            except BulkWriteError as error:
                faults = error.details["writeErrors"]
                if error.details["writeConcernErrors"] or any(fault["code"] != DUPLICATE_KEY for fault in faults):
                    raise
                taken = {self._new[fault["index"]].run.id for fault in faults}
        for run, document in self._new:
            if run.id not in taken:
                self._write.cache.keep(Stored(Place(run.id, document["stamp"], run.tenant), run))
        return taken


def apply(
    write: Write, proposals: Sequence[Proposal], *, durable: bool = True, follow: Follow | None = None
) -> list[Recorded]:
    """Apply what is proposed, run by run; one answer each, in the order of the proposals."""
    cache = write.cache
    for proposal in proposals:
        if isinstance(proposal.transition, RunWoken):
            cache.drop(proposal.run_id)  # its `wake_at` must be the stored one: that it was moved is no change
    collection = write.connection.durable("runs") if durable else write.connection.quick("runs")
    wanted = by_run(proposals)
    recorded: dict[int, Recorded] = {}
    for _ in range(_ROUNDS):
        batch = Batch(write.at, write.writer, write.luck, follow)
        for id_, answer in _round(cache, batch, collection, wanted, proposals).items():
            recorded.update(zip(wanted.pop(id_), answer, strict=True))
        if not wanted:
            if durable and any(isinstance(one.outcome, Duplicate) for one in recorded.values()):
                write.connection.settle()  # that it was recorded before must be as durable as to record it
            return [recorded[index] for index in range(len(proposals))]
    where = write.connection.where
    raise StoreUnavailable(f"{where}: others keep changing the runs {sorted(wanted)[:3]}: it is tried again")


def _round(
    cache: RunCache,
    batch: Batch,
    collection: Collection[Document],
    wanted: Mapping[str, list[int]],
    proposals: Sequence[Proposal],
) -> dict[str, list[Recorded]]:
    """Play and write what is wanted of each run; the answers, but of the runs that somebody else wrote meanwhile."""
    runs = cache.load(filter(is_id, wanted))
    played = {
        id_: _play(batch, id_, runs.get(id_), [proposals[index] for index in indices])
        for id_, indices in wanted.items()
    }
    try:
        places = batch.write(collection)
    except BaseException:
        for id_ in wanted:
            cache.drop(id_)  # it isn't known how it stands
        raise
    for id_, place in places.items():
        run = played[id_][0].run
        if place is None or run is None:
            cache.drop(id_)
        else:
            cache.keep(Stored(place, run))
    # What needed no write was judged by what is remembered, or just read. Is it still so?
    newest = cache.load_newest([id_ for id_ in runs if id_ not in places])
    return {
        id_: answer
        for id_, answer in played.items()
        if (places[id_] is not None if id_ in places else _place(newest.get(id_)) == _place(runs.get(id_)))
    }


def _place(found: Found | None) -> Place | None:
    return None if found is None else found.place


def _play(batch: Batch, id_: str, found: Found | None, proposals: list[Proposal]) -> list[Recorded]:
    if isinstance(found, Stored):
        return batch.play(found, proposals)[1]
    refusal = unknown(id_) if found is None else batch.give_up(found)
    return [Recorded(id_, refusal, None)] * len(proposals)


def wake(write: Write, limit: int) -> list[WorkflowRun]:
    """Wake the runs that are due, the longest due first; those that somebody else wakes at the same time are his."""
    connection, cache = write.connection, write.cache
    due = {"wake_at": {"$gte": 0, "$lte": write.at}}
    documents = connection.quick("runs").find(due, WITHOUT_HISTORY).sort("wake_at").limit(limit)
    runs = [cache.read(document) for document in documents]
    if not runs:
        return []
    living = {owner.id for owner in owners.living(connection)}  # after the runs: who made their claims is among them
    batch = Batch(write.at, write.writer, write.luck)
    woken = {}
    for found in runs:
        cache.drop(found.place.id)
        if isinstance(found, Unreadable):
            batch.give_up(found)
        else:
            woken[found.place.id] = batch.play(found, waking(found.run, living))[0]
    places = batch.write(connection.durable("runs"))
    mine = []
    for id_, run in woken.items():
        place = places.get(id_)
        if place is not None:
            cache.keep(Stored(place, run))
            mine.append(run)
    return mine
