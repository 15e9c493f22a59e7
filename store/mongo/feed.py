"""The change feed of a store on MongoDB: events of its change stream, told as the changes of runs and workflows."""

from collections.abc import Callable
from threading import Lock
from typing import Any, Final, Literal

import orjson
import structlog

from engine.plan import Plan
from engine.run import present
from store.mongo.connection import Connection, Document
from store.mongo.documents import read_run
from store.mongo.errors import ALL_AFFECTED
from store.mongo.schema import Mark, verify
from store.mongo.stream import Item, Stream
from store.protocol import BEGINNING, Change, Changes, HistoryLost, Position
from store.texts import in_short, read_entry

_log = structlog.get_logger(__name__)

_ENTITIES: Final[dict[str, Literal["run", "workflow"]]] = {"runs": "run", "workflows": "workflow"}


class Feed:
    """What a store object reads of its feed: a stream that stays open from one page to the next."""

    def __init__(self, connection: Connection, mark: Mark, plan: Callable[[str, str, int], Plan]) -> None:
        self._connection = connection
        self._mark = mark
        self._plan = plan
        self._lock = Lock()
        self._stream: Stream | None = None

    def changes(self, after: Position, limit: int, excluding: str | None) -> Changes:
        """A page of the feed. To go on where the last one ended takes no time; elsewhere the stream is opened anew.

        Raises:
            HistoryLost: what followed is not to be had.
            StoreGone: the store was deleted.
            PyMongoError: as the server says.
        """
        with self._lock:
            stream = self._stream
            if stream is None or (stream.given, stream.excluding) != (after, excluding):
                if stream is not None:
                    stream.close()
                self._stream = None  # should the next one not open
                begin = self._mark.began if after == BEGINNING else after
                stream = self._stream = Stream(self._connection, begin, excluding, self._ended)
            items, position = stream.take(limit)
        return Changes([self._change(item) for item in items], position)

    def changed(self) -> bool:
        """Whether there may be a change to read."""
        stream = self._stream
        return stream is None or stream.changed()

    def _ended(self, how: str) -> HistoryLost:
        """What it means that a collection is not what it was.

        Raises:
            StoreGone: the whole store isn't.
        """
        verify(self._connection, self._mark)
        return HistoryLost(f"the collections of {self._connection.where} were replaced while they were open ({how})")

    def _change(self, item: Item) -> Change:
        """The change of an event; one that can't be read tells at least whom it is about."""
        position, event, part, _ = item
        document: Document = event.get("fullDocument") or {}
        entity = _ENTITIES[event["ns"]["coll"]]
        bare = Change(position, entity, str(event["documentKey"]["_id"]), 0, 0.0, None, None, None, None)
        try:
            last = event.get("last") or document["last"]
            bare = bare._replace(writer=last["writer"])
            if entity == "run":
                tenant = document.get("tenant") or last.get("tenant")
                return self._happened(bare._replace(tenant=tenant), document, last["told"][part])
            return _deleted(bare, document) if "deleted_at" in document else _saved(bare, document)
        except ALL_AFFECTED:
            raise
        except Exception as error:  # noqa: BLE001 - the feed must go on
            _log.error("change_unreadable", position=position, reason=in_short(error))
            return bare

    def _happened(self, bare: Change, document: Document, told: list[Any]) -> Change:
        revision, at, text, *seal, event = told  # what an older version wrote has no seal
        entry = read_entry(revision, at, text, *seal)
        begun = None
        if document:
            plan = self._plan(document["tenant"], document["workflow"], document["version"])
            begun = present(read_run(document, plan))
        transition = None if event is None else orjson.loads(event)
        return bare._replace(revision=revision, at=at, by=entry.by, transition=transition, entry=entry, document=begun)

    def close(self) -> None:
        """Let the stream end."""
        stream = self._stream
        if stream is not None:
            stream.close()


def _saved(bare: Change, document: Document) -> Change:
    workflow: dict[str, Any] = orjson.loads(document["document"])
    return bare._replace(
        id=document["name"],
        revision=document["version"],
        at=document["created_at"],
        by=workflow.get("created_by"),
        document=workflow,
        tenant=document["tenant"],
    )


def _deleted(bare: Change, document: Document) -> Change:
    [[version, at, _, _, event]] = document["last"]["told"]
    transition: dict[str, Any] = orjson.loads(event)
    return bare._replace(
        id=document["name"],
        revision=version,
        at=at,
        by=transition["by"],
        transition=transition,
        tenant=document["tenant"],
    )
