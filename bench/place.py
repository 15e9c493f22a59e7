"""Where one workload takes place: a store and topics that nobody else has, an engine, and a relay if Kafka takes part.

    client ─► store ─► relay ─► topics ─► engine        with Kafka's events
      ▲         │ ▲                          │
      └─────────┘ └──────────────────────────┘          without, the engine reads the store's own feed

The processes have their shipped settings, and nothing of what was made for them is left afterwards.
"""

import os
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

from bench import kafka, mongo
from bench.processes import Process, done, started
from bench.servers import Servers
from store.open import open_store
from store.protocol import Store

_ROOT = Path(__file__).parent.parent
_PACKAGE = {
    "METADATA": "Metadata-Version: 2.1\nName: icefloe-bench\nVersion: 0\n",
    "entry_points.txt": "[icefloe.blocks]\nbench_pause = bench.blocks:pause\nbench_stamp = bench.blocks:stamp\n",
}


@dataclass(frozen=True, slots=True)
class Place:
    """An open store with an engine at work on it; `topics` is the Kafka address and the prefix of its topics."""

    store: Store
    engine: Process
    relay: Process | None = None
    topics: tuple[str, str] | None = None

    @property
    def processes(self) -> tuple[Process, ...]:
        """Those of Icefloe."""
        return (self.engine,) if self.relay is None else (self.engine, self.relay)


@contextmanager
def place(servers: Servers) -> Iterator[Place]:
    """A place of its own on these servers; everything in it has ended, and is gone, afterwards.

    Raises:
        BenchError: a process didn't start, or not end, as it should.
        StoreError: the store can't be opened.
    """
    with ExitStack() as stack:
        directory = Path(stack.enter_context(TemporaryDirectory(prefix="icefloe-bench-")))
        prefix = f"icefloe-bench-{uuid4().hex[:12]}"
        if servers.mongo is not None:
            url = stack.enter_context(mongo.database(servers.mongo, prefix))
        else:
            url = f"sqlite:///{directory / 'bench.db'}" if servers.store == "sqlite" else servers.store
        environment = environment_of(directory, url, servers.events, prefix)
        store = stack.enter_context(closing(open_store(url)))
        topics = relay = None
        if servers.broker is not None:
            topics = servers.broker, prefix
            done("topics", environment)
            stack.enter_context(kafka.topics(*topics))
            relay = stack.enter_context(started("relay", environment, directory))
        yield Place(store, stack.enter_context(started("engine", environment, directory)), relay, topics)


def environment_of(directory: Path, store: str, events: str, prefix: str) -> dict[str, str]:
    """What the processes on a store are told, with what they need in a directory.

    The blocks that only benchmarks need come in by the door of every other package: an entry point.
    """
    package = directory / "packages" / "icefloe_bench-0.dist-info"
    package.mkdir(parents=True)
    for name, text in _PACKAGE.items():
        (package / name).write_text(text)
    path = os.pathsep.join([str(package.parent), str(_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("ICEFLOE_")},
        "ICEFLOE_STORE": store,
        "ICEFLOE_EVENTS": events,
        "ICEFLOE_TOPIC_PREFIX": prefix,
        "PYTHONPATH": path,
    }
