"""A program that starts runs for ever, and writes their ids to a file as soon as they are acknowledged.

    python -m tests.acceptance.producer URL FILE

Started again it repeats its last requests, of which it can't know whether they were accepted; and so it does when the
store doesn't take one in time.
"""

import sys
from collections.abc import Sequence
from contextlib import suppress
from itertools import count
from pathlib import Path

from store.open import open_store
from store.protocol import Creation, NewRun, Store, StoreUnavailable

BATCH = 5


def acknowledged(file: Path) -> list[str]:
    """The ids in the file; a line that was cut off is none."""
    return [line for line in file.read_text().splitlines(keepends=False) if line.endswith(".")] if file.exists() else []


def main(url: str, file: Path) -> None:
    """Produce."""
    store = open_store(url)
    begin = max(0, len(acknowledged(file)) // BATCH - 2)
    with file.open("a", buffering=1) as acknowledgements:
        for number in count(begin):
            ids = [f"{number}-{index}." for index in range(BATCH)]
            answers = created(store, [NewRun(id_, "w", {"number": number}) for id_ in ids])
            assert {answer.outcome for answer in answers} <= {"created", "exists"}, answers
            acknowledgements.write("".join(f"{id_}\n" for id_ in ids))


def created(store: Store, runs: Sequence[NewRun]) -> list[Creation]:
    """The answers to a request, however often one has to ask for them."""
    while True:
        with suppress(StoreUnavailable):
            return store.create(runs)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
