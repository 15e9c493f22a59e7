"""The relay: a dataflow that publishes every change of a store on the topic of changes, in order, at least once.

    the store's feed ─► page ─► records ─► Kafka
           ▲                                 │
           └───── bookmark ◄── acknowledged ─┘

One page is under way at a time. What a relay is killed in is published again by the next; two relays at once publish
everything twice.

Run it with `icefloe relay`, or with `python -m bytewax.run dataflows.relay`.
"""

import atexit
from datetime import UTC, datetime

import bytewax.operators as op
import structlog
from bytewax.dataflow import Dataflow
from bytewax.inputs import DynamicSource, StatelessSourcePartition
from bytewax.outputs import DynamicSink, StatelessSinkPartition

from dataflows import health
from dataflows.ending import Tell, ender, stop_on_signals
from dataflows.kafka.connection import Kafka
from dataflows.pages import Page
from dataflows.relay_shell import Relay, Shipment
from dataflows.settings import EngineSettings, SettingsError
from dataflows.vitals import Vitals
from store.open import open_store

_AT_ONCE = datetime(1970, 1, 1, tzinfo=UTC)

log = structlog.get_logger("relay")


def relaying(relay: Relay) -> Dataflow:
    """The dataflow of a relay process."""
    flow = Dataflow("relay")
    pages = op.input("changes", flow, Feed(relay))
    shipments = op.map("records", pages, relay.pack)
    op.output("topic", shipments, Topic(relay))
    return flow


class Feed(DynamicSource[Page]):
    """The store's feed, read by the first worker of the process."""

    def __init__(self, relay: Relay) -> None:
        self._relay: Relay | None = relay

    def build(self, step_id: str, worker_index: int, worker_count: int) -> "_Feed":  # noqa: ARG002 - Bytewax's
        """Called once by each worker."""
        relay, self._relay = self._relay, None
        return _Feed(relay)


class _Feed(StatelessSourcePartition[Page]):
    def __init__(self, relay: Relay | None) -> None:
        self._relay = relay

    def next_batch(self) -> list[Page]:
        if self._relay is None:
            raise StopIteration
        return self._relay.read()

    def next_awake(self) -> datetime | None:
        return _AT_ONCE  # the relay itself waits, as long as it can do without news


class Topic(DynamicSink[Shipment]):
    """The topic of changes."""

    def __init__(self, relay: Relay) -> None:
        self._relay = relay

    def build(self, step_id: str, worker_index: int, worker_count: int) -> "_Topic":  # noqa: ARG002 - Bytewax's
        """Called once by each worker."""
        return _Topic(self._relay)


class _Topic(StatelessSinkPartition[Shipment]):
    def __init__(self, relay: Relay) -> None:
        self._relay = relay

    def write_batch(self, items: list[Shipment]) -> None:
        for shipment in items:
            self._relay.publish(shipment)


def open_relay(settings: EngineSettings | None = None, tell: Tell | None = None) -> Relay:
    """Open the store and Kafka, and stop on SIGTERM and SIGINT.

    By default the settings come from the environment. `tell` is told why the relay can't go on, if that comes to pass,
    as the last thing before the process ends with status 1.

    Raises:
        SettingsError: a setting can't be used.
        StoreError: the store can't be used.
        KafkaUnavailable: no broker answers.
        KafkaError: the broker, or what it has, can't be used.
    """
    settings = settings or EngineSettings.load()
    if settings.events == "store":
        raise SettingsError("ICEFLOE_EVENTS is 'store': a relay publishes to Kafka, set it to 'kafka://host:9092'")
    kafka = Kafka(settings)
    vitals = Vitals()
    health.serve(settings, vitals)
    kafka.check([kafka.changes])
    relay = Relay(open_store(settings.store), kafka, vitals)
    relay.give_up = ender(relay, tell)
    atexit.register(relay.end)
    stop_on_signals(relay)
    log.info("relay_started", store=settings.place, events=settings.events, topic=kafka.changes)
    return relay


def __getattr__(name: str) -> Dataflow:
    """`flow`, for `python -m bytewax.run dataflows.relay`: made only when it is asked for."""
    if name != "flow":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return relaying(open_relay())
