"""A program in which many threads decide on the same approvals, both ways, at once.

    python -m tests.acceptance.deciders URL NAME THREADS PEOPLE RUN...

PEOPLE are names with commas between them. It prints a JSON array of `[run, who, decision, code]` for each attempt; the
code of an accepted one is empty. Whose turn to write doesn't come in time asks again, with the same signal.
"""

import json
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from random import Random
from threading import Barrier
from time import monotonic
from traceback import print_exc
from typing import Final

from engine.outcomes import Rejected
from engine.transitions import Signal, SignalReceived
from store.open import open_store
from store.protocol import Proposal, Recorded, Store, StoreUnavailable

PATIENCE: Final = 60.0


def main(url: str, name: str, threads: int, people: Sequence[str], runs: Sequence[str]) -> None:
    """Let each thread decide on each run, as somebody or other."""
    barrier = Barrier(threads, timeout=PATIENCE)

    def decide(number: int) -> list[tuple[str, str, str, str]]:
        answers = []
        dice = Random(f"{name} {number}")
        try:
            store = open_store(url)
        except BaseException:
            print_exc()
            barrier.abort()  # else the others would wait for ever
            raise
        barrier.wait()
        for run_id in dice.sample(runs, len(runs)):
            who, decision = dice.choice(people), dice.choice(["approve", "reject"])
            signal = Signal(f"{name}-{number}", 1, who, {"decision": decision})
            answer = told(store, Proposal(run_id, SignalReceived("ask", signal), who))
            refusal = answer.outcome.code if isinstance(answer.outcome, Rejected) else ""
            answers.append((run_id, who, decision, refusal))
        store.close()
        return answers

    with ThreadPoolExecutor(threads) as pool:
        json.dump(list(chain.from_iterable(pool.map(decide, range(threads)))), sys.stdout)


def told(store: Store, proposal: Proposal) -> Recorded:
    """The answer to a decision, however often one has to ask for it."""
    give_up = monotonic() + PATIENCE
    while True:
        try:
            [answer] = store.apply([proposal])
        except StoreUnavailable:
            if monotonic() > give_up:
                raise
        else:
            return answer


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4].split(","), sys.argv[5:])
