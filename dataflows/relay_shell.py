"""The shell of a relay process: reads pages of changes, publishes them, and waits patiently for whoever is away."""

from collections.abc import Callable
from time import monotonic, sleep
from typing import Final, NamedTuple

import structlog

from dataflows import metrics
from dataflows.kafka.connection import Kafka
from dataflows.kafka.errors import KafkaError, KafkaUnavailable, RecordTooLarge
from dataflows.kafka.messages import record_of, truncated
from dataflows.kafka.publishing import Publisher, Record
from dataflows.pages import Page, Pages
from dataflows.vitals import Vitals
from store.protocol import Store, StoreError, StoreGone

READER: Final = "relay"
TROUBLED_SECONDS: Final = 0.5  # how long a store or a broker is left alone that can't do what it should
ACKNOWLEDGED_SECONDS: Final = 2.0  # the broker is away if it takes longer than that

log = structlog.get_logger("relay")


class Shipment(NamedTuple):
    """A page, and its changes as records."""

    page: Page
    records: list[Record]


class Relay:
    """What the two ends of the dataflow share. One thread uses it; `stop` may be called from a signal handler."""

    def __init__(self, store: Store, kafka: Kafka, vitals: Vitals | None = None) -> None:
        self.vitals = vitals or Vitals()
        self.vitals.checks["stop"] = lambda: "it was asked to stop" if self.stopping else None
        self.give_up: Callable[[Exception], None] = lambda _error: None
        self._kafka = kafka
        self._store = store
        self._pages = Pages(store, READER)
        self._publisher = Publisher(kafka)
        self._under_way: Page | None = None
        self._last_news = monotonic()
        self._not_before = 0.0
        self._stop_at: float | None = None
        self._ended = False

    def stop(self) -> None:
        """Publish what is under way, and end."""
        if self._stop_at is None:
            self._stop_at = monotonic() + self._kafka.settings.drain

    @property
    def stopping(self) -> bool:
        """Whether somebody asked the relay to stop."""
        return self._stop_at is not None

    def end(self) -> None:
        """Close what is open. Idempotent."""
        if not self._ended:
            self._ended = True
            self._publisher.close()
            self._store.close()
            log.info("relay_ended")

    def read(self) -> list[Page]:
        """The next page, if there is one and none is under way.

        Raises:
            StopIteration: the relay stops.
            StoreGone: the store won't ever come back.
        """
        self.vitals.turned()
        if self._under_way is not None or (monotonic() < self._not_before and not self.stopping):
            return []
        try:
            if self.stopping:
                self._pages.bookmark()
                raise StopIteration
            self._under_way = self._pages.read()
        except StoreGone as error:
            log.error("store_gone", error=str(error))  # noqa: TRY400 - where it was noticed doesn't matter
            self.give_up(error)
            raise
        except StoreError as error:
            metrics.STORE_UNAVAILABLE.inc()
            self._troubled("store", "store_unavailable", error)
            self._not_before = monotonic() + TROUBLED_SECONDS
            if self.stopping:
                raise StopIteration from None
            return []
        self.vitals.troubles.pop("store", None)
        if self._under_way is None:
            sleep(self._pace())
            return []
        return [self._under_way]

    def pack(self, page: Page) -> Shipment:
        """A page as records."""
        return Shipment(page, [record_of(change, self._kafka.changes) for change in page.changes])

    def publish(self, shipment: Shipment) -> None:
        """Publish a page, however long it takes; if the relay is stopped meanwhile, until its grace period is over."""
        while not self._published(shipment.records):
            self.vitals.turned()
            if self._stop_at is not None and monotonic() >= self._stop_at:
                log.warning("page_not_published", changes=len(shipment.records))
                self._under_way = None
                return
        metrics.RELAYED.inc(len(shipment.records))
        self._pages.done(shipment.page)
        self._under_way = None
        self._last_news = monotonic()

    def _pace(self) -> float:
        """Seconds between two looks at the feed: the fewer, the more is going on."""
        quiet = monotonic() - self._last_news
        return 0.001 if quiet < 0.25 else 0.005 if quiet < 2 else 0.01  # noqa: PLR2004

    def _published(self, records: list[Record]) -> bool:
        try:
            self._publisher.send(records, patience=ACKNOWLEDGED_SECONDS)
        except RecordTooLarge as error:
            short = truncated(records[error.index])
            if short == records[error.index]:
                self._refused(error)
            else:
                log.info("change_truncated", id=(short.key or b"").decode(), error=str(error))
                records[error.index] = short
            return False
        except KafkaUnavailable as error:
            metrics.KAFKA_UNAVAILABLE.inc()
            self._troubled("kafka", "kafka_unavailable", error)
            return False
        except KafkaError as error:
            self._refused(error)
            return False
        self.vitals.troubles.pop("kafka", None)
        return True

    def _refused(self, error: KafkaError) -> None:
        """Somebody has to do something about it, and the relay waits for that: no change may be left out."""
        metrics.KAFKA_UNAVAILABLE.inc()
        self._troubled("kafka", "change_refused", error)
        sleep(TROUBLED_SECONDS)

    def _troubled(self, what: str, event: str, error: Exception) -> None:
        if self.vitals.troubles.get(what) != str(error):
            log.warning(event, error=str(error))
        self.vitals.troubles[what] = str(error)
