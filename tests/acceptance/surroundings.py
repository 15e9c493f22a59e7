"""What has to be there beside engines: topics and a relay, if they hear of changes by Kafka."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import run
from typing import NamedTuple

from tests.acceptance.engines import Engine, environment_of, python, running
from tests.processes import TO_START_OR_END

PARTITIONS = 4

# librdkafka's pretended brokers hold back an answer for all the time that it may take, though there is news before; and
# no test should wait for a member of a group to hear of another one with its next heartbeat.
IMPATIENT = json.dumps({"fetch.wait.max.ms": 50, "heartbeat.interval.ms": 500})


class Surroundings(NamedTuple):
    """A store's URL, where engines hear of its changes, and other settings that go with that."""

    store: str
    events: str
    settings: dict[str, object]
    relay: Engine | None = None

    @property
    def is_embedded(self) -> bool:
        """Whether there is nothing but a file."""
        return self.store.startswith("sqlite:") and self.events == "store"


@contextmanager
def kafka_beside(folder: Path, store: str, address: str, prefix: str) -> Iterator[Surroundings]:
    """Make the topics, and keep a relay running, as a platform team would."""
    settings: dict[str, object] = {"topic_prefix": prefix, "partitions": PARTITIONS, "kafka_options": IMPATIENT}
    events = f"kafka://{address}"
    given = {"store": store, "events": events, **settings}
    made = run(
        python("-m", "icefloe", "topics"), env=environment_of(given), capture_output=True, text=True, check=False,
        timeout=TO_START_OR_END,
    )  # fmt: skip
    assert made.returncode == 0, made.stdout + made.stderr
    log = folder / "relay.log"
    with running(("-m", "icefloe", "relay"), given, log, started="relay_started") as relay:
        yield Surroundings(store, events, settings, relay)
