"""What is simulated: everything at once, or the circumstances in which one thing shows."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Scenario:
    """What to simulate; what is None is left to the seed.

    `misfortunes` is how often something happens to an engine, `pauses` how often each run is paused, `deadly` how
    likely a killer ends its process, and `late` how likely a write to a remote store arrives after its sender gave up
    waiting. What is late counts only if the run is as it was when it was sent, as with compare-and-set, unless it is
    `queued`. Without `faults` nothing goes wrong and nobody meddles.
    """

    embedded: bool | None = None
    topic: bool | None = None
    engines: int | None = None
    runs: int | None = None
    kinds: tuple[tuple[str, ...], ...] | None = None
    faults: bool = True
    misfortunes: int | None = None
    pauses: int | None = None
    late: float = 0.01
    queued: bool = False
    deadly: float = 0.7


CHAOS: Final = Scenario()
EMBEDDED: Final = Scenario(embedded=True)
REMOTE: Final = Scenario(embedded=False, topic=False, engines=3, misfortunes=30)
SLOW_NETWORK: Final = Scenario(embedded=False, engines=1, late=0.5, queued=True, misfortunes=0, pauses=8, runs=6)
CHILDREN: Final = Scenario(embedded=False, topic=False, engines=2, kinds=(("CHILD",) * 3,) * 6, misfortunes=12)
KILLER: Final = Scenario(
    embedded=True, topic=False, engines=1, kinds=(("KILLER",), *(("SLOW",) * 3,) * 6), faults=False, deadly=1
)
CALM: Final = Scenario(embedded=False, topic=False, engines=2, runs=8, faults=False, deadly=0)

SCENARIOS: Final = {
    "chaos": CHAOS,
    "embedded": EMBEDDED,
    "remote": REMOTE,
    "slow-network": SLOW_NETWORK,
    "children": CHILDREN,
    "killer": KILLER,
    "calm": CALM,
}
