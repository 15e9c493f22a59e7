"""What a process counts, in Prometheus' terms: each metric is declared here, and served by `dataflows.health`.

`python -m dataflows.metrics` prints the table of all that docs/operating.md holds.

To count is one addition under a lock. Whoever counts often keeps the child of a labelled metric, as `task_ended` does,
since to find it by its labels takes longer than that.
"""

import re
import sys
from collections.abc import Iterable, Sequence
from functools import cache

from prometheus_client import CollectorRegistry, Counter, Gauge, ProcessCollector
from prometheus_client.metrics_core import Metric


class _Registry(CollectorRegistry):
    """A registry without the moments at which counters were made: as many lines again, and nobody reads them."""

    def collect(self) -> Iterable[Metric]:
        for family in super().collect():
            family.samples = [sample for sample in family.samples if not sample.name.endswith("_created")]
            yield family


REGISTRY = _Registry()
ProcessCollector(registry=REGISTRY)


def _counter(name: str, what: str, *labels: str, known: Sequence[str] = ()) -> Counter:
    """A counter; the `known` values of its one label begin at zero, so that alerts see them grow."""
    counter = Counter(f"icefloe_{name}", what, labels, registry=REGISTRY)
    for value in known:
        counter.labels(value)
    return counter


CALLS = Gauge("icefloe_calls_in_flight", "Calls of blocks that hold a slot of their type", ["type"], registry=REGISTRY)
CHANGES_READ = _counter("changes_read_total", "Changes read from the feed or the topic of changes")
CHANGES_SKIPPED = _counter("changes_skipped_total", "Messages on the topic of changes that were passed over", "reason")
CLAIMS_REFUSED = _counter(
    "claims_refused_total", "Claims that the store refused, mostly because another engine was first"
)
DEAD_LETTERS = _counter("dead_letters_total", "Messages put with the dead letters", "reason")
HISTORY_LOST = _counter(
    "history_lost_total", "Times that changes were lost to a reader of the feed, and all live runs looked at instead"
)
KAFKA_UNAVAILABLE = _counter(
    "kafka_unavailable_total",
    "Times that the broker went away, or couldn't do what was asked",
)
OWNERS_BURIED = _counter("owners_buried_total", "Engines that this one declared dead")
READY = Gauge("icefloe_ready", "1 if /readyz says ready, else 0", registry=REGISTRY)
RELAYED = _counter("relayed_total", "Changes that the relay published and the broker acknowledged")
RESULTS_REFUSED = _counter(
    "results_refused_total",
    "Results and other transitions that the store refused, such as the late ones of an engine declared dead",
    "code",
)
STORE_UNAVAILABLE = _counter(
    "store_unavailable_total",
    "Tries that failed because the store was away, or couldn't do what was asked",
)
TASKS = _counter("tasks_total", "Calls of blocks that ended, by what was recorded of them", "type", "outcome")
TRIGGERS = _counter(
    "triggers_total",
    "Messages taken from the topics of triggers",
    "outcome",
    known=("started", "exists", "signalled", "cancelled", "refused"),
)


@cache
def task_ended(type_: str, entry: str) -> Counter:
    """What counts the calls of a block type that ended with a journal entry of this type, such as `TaskTimedOut`."""
    outcome = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", entry.removeprefix("Task")).lower()
    return TASKS.labels(type_, outcome)


def table() -> str:
    """Every metric of ours in Markdown."""
    rows = ["| metric | what it is |", "| --- | --- |"]
    for metric in (one for one in globals().values() if isinstance(one, (Counter, Gauge))):
        [family] = metric.describe()
        labels = ", ".join(metric._labelnames)  # noqa: SLF001 - it tells them nowhere else
        ending = "_total" if family.type == "counter" else ""
        rows.append(f"| `{family.name}{ending}{f'{{{labels}}}' * bool(labels)}` | {family.documentation} |")
    return "\n".join(rows)


if __name__ == "__main__":
    sys.stdout.write(table() + "\n")
