"""A program in which many threads decide on the same approvals, both ways, at once.

    python -m tests.acceptance.deciders URL NAME THREADS RUN...

It prints a JSON array of `[run, decision, code]` for each attempt; the code of an accepted one is empty.
"""

import json
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from random import Random
from threading import Barrier

from engine.outcomes import Rejected
from engine.transitions import Signal, SignalReceived
from store.open import open_store
from store.protocol import Proposal


def main(url: str, name: str, threads: int, runs: Sequence[str]) -> None:
    """Let each thread decide on each run."""
    barrier = Barrier(threads)

    def decide(number: int) -> list[tuple[str, str, str]]:
        answers = []
        decision = ("approve", "reject")[number % 2]
        store = open_store(url)
        barrier.wait()
        for run_id in Random(number).sample(runs, len(runs)):
            signal = Signal(f"{name}-{number}", 1, "olga", {"decision": decision})
            [answer] = store.apply([Proposal(run_id, SignalReceived("ask", signal), "olga")])
            refusal = answer.outcome.code if isinstance(answer.outcome, Rejected) else ""
            answers.append((run_id, decision, refusal))
        store.close()
        return answers

    with ThreadPoolExecutor(threads) as pool:
        json.dump(list(chain.from_iterable(pool.map(decide, range(threads)))), sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4:])
