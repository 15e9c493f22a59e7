"""A store's feed, page by page, for a reader that must see every change: from its bookmark on, and healed when lost.

read() ─► page N ─► (N is dealt with) ─► done(N)
  │                                        │
  └─ bookmarks the end of page N-1 ◄───────┘
"""

from collections.abc import Iterator
from dataclasses import replace
from time import monotonic
from typing import Final, NamedTuple

import structlog

from dataflows import metrics
from engine.statuses import FINAL_RUN, RunStatus
from store.protocol import BEGINNING, Change, HistoryLost, Position, RunQuery, Store, StoreError

PAGE: Final = 500
QUIET_SECONDS: Final = 0.5  # after which the last page is bookmarked although there is no next one
IDLE_SECONDS: Final = 10.0  # between bookmarks of a feed that moves on without changes

log = structlog.get_logger("relay")


class Page(NamedTuple):
    """Some changes, and where the feed goes on after them; None if that mustn't be bookmarked yet."""

    changes: list[Change]
    position: Position | None


class Pages:
    """The feed of a store as `reader` reads it; one page must be done before the next is read.

    If changes have been lost, there is one without a transition for each live run instead.
    """

    def __init__(self, store: Store, reader: str) -> None:
        self._store = store
        self._reader = reader
        self._bookmarked = store.bookmarked(reader)
        self._position = self._done = BEGINNING if self._bookmarked is None else self._bookmarked
        self._more = True
        self._live: Iterator[Page] | None = None
        self._bookmark_at = 0.0

    def read(self) -> Page | None:
        """The next page, None if there is nothing new. What is on it is durable: the bookmark was written after it.

        Raises:
            StoreError: the store is away; the same page is read the next time.
        """
        try:
            page = self._next()
            if page is not None:
                self._bookmark()
            elif monotonic() >= self._bookmark_at:
                self.bookmark()
        except StoreError:
            self._live, self._more = None, True
            raise
        if page is not None and page.position is not None:
            self._position = page.position
        return page

    def done(self, page: Page) -> None:
        """A page needn't be read again."""
        if page.position is not None:
            self._done = page.position
        self._bookmark_at = min(self._bookmark_at, monotonic() + QUIET_SECONDS)

    def bookmark(self) -> None:
        """Remember in the store how far all is done.

        Raises:
            StoreError: the store is away.
        """
        if self._bookmarked != self._done:
            self._bookmark()

    def _bookmark(self) -> None:
        self._store.bookmark(self._reader, self._done)
        self._bookmarked = self._done
        self._bookmark_at = monotonic() + IDLE_SECONDS

    def _next(self) -> Page | None:
        if self._live is None:
            if not self._more and not self._store.changed():
                return None
            self._more = True  # should the read fail: `changed` has said it already
            try:
                page = Page(*self._store.changes(self._position, limit=PAGE))
            except HistoryLost as error:
                self._live = self._live_runs(error)
            else:
                self._more = len(page.changes) == PAGE
                if page.changes:
                    return page
                self._position = self._done = page.position or BEGINNING
                return None
        page = next(self._live)
        if page.position is not None:
            self._live = None
        return page

    def _live_runs(self, error: HistoryLost) -> Iterator[Page]:
        """Every run that isn't final, and then on from before that."""
        metrics.HISTORY_LOST.inc()
        log.warning("history_lost", reader=self._reader, error=str(error))
        position = self._store.position()
        query = RunQuery(tenant=None, statuses=frozenset(RunStatus) - FINAL_RUN, limit=PAGE)
        while True:
            found = self._store.find(query)
            runs = self._store.load(run.id for run in found.runs).values()
            changes = [
                Change(position, "run", run.id, run.revision, run.updated_at, None, None, None, None, tenant=run.tenant)
                for run in runs
            ]
            if found.cursor is None:
                yield Page(changes, position)
                return
            yield Page(changes, None)
            query = replace(query, cursor=found.cursor)
