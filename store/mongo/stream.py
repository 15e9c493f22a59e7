"""A change stream that a thread reads ahead, so that asking whether anything is new costs nothing.

    MongoDB ──change stream──► thread ──► what was read ahead ──take──► page
                                 ▲                         (bounded: a slow reader stops the thread)
                                 └── after any trouble, from where it was

A position is the text of a resume token, which sorts by time. An event that tells of several transitions has as many
positions: its token, and the number of the transition.
"""

from collections import deque
from collections.abc import Callable
from contextlib import suppress
from re import compile as pattern
from threading import Condition, Thread
from time import monotonic
from typing import Any, Final, NamedTuple

import structlog
from bson import Timestamp
from pymongo.change_stream import ChangeStream
from pymongo.errors import OperationFailure, PyMongoError

from store.mongo.connection import Connection, Document
from store.mongo.errors import code_of, explain
from store.protocol import HistoryLost, Position, StoreError, StoreGone, StoreUnavailable
from store.texts import in_short

AHEAD: Final = 5000
AHEAD_CHARS: Final = 16 * 1024 * 1024
AGAIN_SECONDS: Final = 0.5
STUCK_SECONDS: Final = 15.0  # a server that has nothing to do notes the time every 10 seconds
STEP_SECONDS: Final = 30
"""An idle feed's position moves on in steps: each is written down, and that must not be the next thing it tells."""

_AT_FIRST_MS: Final = 20
_SMALL_CHARS: Final = 200
_log = structlog.get_logger(__name__)

_TOKEN: Final = pattern(r"82[0-9A-F]{16,}(/[0-9]{6})?")  # 82 means a time: 8 digits of seconds and 8 of a counter
_LOST: Final = {9, 222, 260, 280, 286, 10334, 40649, 50811}
_ENDS: Final = ("drop", "rename", "dropDatabase", "invalidate")
_TELLING: Final = ("runs", "workflows")


class Item(NamedTuple):
    """One change: the `part`th of an event. `chars` is how much it holds, about."""

    position: Position
    event: Document
    part: int
    chars: int


def seconds(position: Position) -> int:
    """The second of a position."""
    return int(position[2:10], 16)


def _time(position: Position) -> int:
    return int(position[2:18], 16)


def newest(connection: Connection) -> Position:
    """The position of whoever knows all that has been written.

    Raises:
        PyMongoError: as the server says.
    """
    with connection.database.watch(max_await_time_ms=1) as stream:
        while stream.resume_token is None:  # somebody has written since: their event is the first that it tells
            stream.try_next()
        return _token(stream)


def _token(stream: ChangeStream[Document]) -> Position:
    token = stream.resume_token or {}  # it has one as soon as it is open
    return str(token["_data"])


class Stream:
    """The changes after a position, without those of one writer.

    `ended` is asked what it means that a collection was dropped.

    Raises:
        HistoryLost: they are not to be had.
        PyMongoError: as the server says.
    """

    def __init__(
        self, connection: Connection, after: Position, excluding: str | None, ended: Callable[[str], StoreError]
    ) -> None:
        self.given = after
        self.excluding = excluding
        self._connection = connection
        self._ended = ended
        self._lock = Condition()
        self._ahead: deque[Item] = deque()
        self._ahead_chars = 0
        self._reached = after
        self._trouble: StoreError | None = None
        self._closed = False
        self._was_caught_up = False
        if _TOKEN.fullmatch(after) is None:
            raise HistoryLost(f"{after!r} is no position in the feed of {connection.where}")
        self._stream: ChangeStream[Document] | None = None
        try:
            end = newest(connection)
            if _time(after) <= _time(end):
                self._stream = self._open(after, _AT_FIRST_MS)
        except OperationFailure as error:
            raise self._lost(error) or error from error
        if self._stream is None:
            raise HistoryLost(f"the feed of {connection.where} ends before {after}: it is an older copy")
        self._caught_up = _time(end) - 1  # the newest token is one tick after the last write
        self._thread = Thread(target=self._read, name="changes", daemon=True)
        self._thread.start()

    def _open(self, after: Position, await_ms: int) -> ChangeStream[Document]:
        start: dict[str, Any] = {"resume_after": {"_data": after}}
        if "/" in after:  # in the middle of an event, which must be told again
            start = {"start_at_operation_time": Timestamp(seconds(after), int(after[10:18], 16))}
        return self._connection.database.watch(_pipeline(self.excluding), max_await_time_ms=await_ms, **start)

    def _lost(self, error: Exception) -> HistoryLost | None:
        if code_of(error) not in _LOST:
            return None
        return HistoryLost(f"{self._connection.where} has no longer what followed {self._reached}: {error}"[:500])

    def changed(self) -> bool:
        """Whether there is anything to take, be it trouble."""
        return bool(self._ahead) or self._trouble is not None or self._steps()

    def _steps(self) -> bool:
        return seconds(self._reached) >= seconds(self.given) + STEP_SECONDS

    def take(self, limit: int) -> tuple[list[Item], Position]:
        """Some of what was read ahead, and the position after it.

        It waits for nothing but what was there already when the stream was opened.

        Raises:
            StoreError: the stream is in trouble, and all that it had told before was taken.
        """
        with self._lock:
            catching_up = self._catch_up(limit)
            if self._trouble is not None and not self._ahead:
                raise self._trouble
            items = [self._ahead.popleft() for _ in range(min(limit, len(self._ahead)))]
            self._ahead_chars -= sum(item.chars for item in items)
            if items:
                self.given = items[-1].position
            elif catching_up or self._steps():
                self.given = self._reached
            self._lock.notify_all()
            return items, self.given

    def _catch_up(self, limit: int) -> bool:
        """Wait until what there was at the opening has been read, or enough for a page; whether there was need to."""
        if _time(self.given) >= self._caught_up:
            return False
        reached, moved = self._reached, monotonic()
        while (
            len(self._ahead) < limit
            and self._has_room()
            and _time(self._reached) < self._caught_up
            and self._trouble is None
            and not self._closed
            and monotonic() - moved < STUCK_SECONDS
        ):
            self._lock.wait(STUCK_SECONDS)
            if self._reached != reached:
                reached, moved = self._reached, monotonic()
        return True

    def _read(self) -> None:
        """Hear until the end: what the thread does."""
        while not self._closed:
            try:
                self._hear()
            except PyMongoError as error:
                self._tell(self._lost(error) or explain(error, self._connection.where))
            except StoreError as error:
                self._tell(error)
            except Exception as error:  # noqa: BLE001 - a thread that ended would be a feed that is silent for ever
                _log.exception("feed_crashed", reached=self._reached)
                self._tell(StoreUnavailable(f"the feed of {self._connection.where} can't be read: {in_short(error)}"))
            self._close_stream()
            with self._lock:
                if isinstance(self._trouble, (HistoryLost, StoreGone)):
                    break
                if self._trouble is not None:  # be it a right that was taken away: it may be given again
                    self._lock.wait_for(lambda: self._closed, AGAIN_SECONDS)

    def _close_stream(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            with suppress(PyMongoError):
                stream.close()

    def _tell(self, trouble: StoreError) -> None:
        with self._lock:
            self._trouble = trouble
            self._lock.notify_all()

    def _hear(self) -> None:
        """Read on, at first almost without waiting, until what is there was heard; then for as long as it goes well."""
        stream = self._stream = self._stream or self._open(self._reached, self._connection.patience_ms)
        self._trouble = None
        while not self._closed:
            event = stream.try_next()
            if event is None:
                self._heard([], _token(stream))
                if not self._was_caught_up and _time(self._reached) >= self._caught_up:
                    self._was_caught_up = True
                    return
            elif event["operationType"] in _ENDS:
                raise self._ended(event["operationType"])
            else:
                items = _items(event)
                self._heard(items, items[-1].position)

    def _heard(self, items: list[Item], reached: Position) -> None:
        with self._lock:
            new = [item for item in items if item.position > self._reached]
            self._ahead += new
            self._ahead_chars += sum(item.chars for item in new)
            self._reached = max(reached, self._reached)
            self._lock.notify_all()
            self._lock.wait_for(lambda: self._closed or self._has_room())

    def _has_room(self) -> bool:
        return len(self._ahead) < AHEAD and self._ahead_chars < AHEAD_CHARS

    def close(self) -> None:
        """Let the thread end; it does so within about a second."""
        with self._lock:
            self._closed = True
            self._lock.notify_all()


def _pipeline(excluding: str | None) -> list[Document]:
    """What is told, and how much of it: changes, not that a run was put off; what a write told, not all it set."""
    told: Document = {
        "ns.coll": {"$in": _TELLING},
        "$or": [
            {"operationType": {"$in": ["insert", "replace"]}},
            {"updateDescription.updatedFields.last": {"$exists": True}},
        ],
    }
    if excluding is not None:
        told["fullDocument.last.writer"] = {"$ne": excluding}
        told["updateDescription.updatedFields.last.writer"] = {"$ne": excluding}
    ends = {"operationType": {"$in": _ENDS}, "ns.coll": {"$in": [*_TELLING, None]}}
    shown = {
        "operationType": 1,
        "ns.coll": 1,
        "documentKey": 1,
        "fullDocument": 1,
        "last": "$updateDescription.updatedFields.last",
    }
    return [{"$match": {"$or": [told, ends]}}, {"$project": shown}]


def _items(event: Document) -> list[Item]:
    """The changes of an event; one alone of what somebody else put there, who can write what he likes."""
    token = event["_id"]["_data"]
    try:
        parts = [_SMALL_CHARS + chars for chars in _chars(event)]
    except (TypeError, ValueError, LookupError):
        parts = []
    if len(parts) <= 1:
        return [Item(token, event, 0, sum(parts) or _SMALL_CHARS)]
    return [Item(f"{token}/{part:06}", event, part, chars) for part, chars in enumerate(parts)]


def _chars(event: Document) -> list[int]:
    """How much each change of an event holds.

    Raises:
        TypeError, ValueError, LookupError: no version of this program wrote it.
    """
    if "last" in event:
        return [len(told[-1] or "") for told in event["last"]["told"]]
    document = event["fullDocument"]
    return [len(document["inputs"] if event["ns"]["coll"] == "runs" else document.get("document", ""))]
