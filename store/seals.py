"""Seals: the hash chain of a run's journal, by which it shows that an entry was changed, removed or put in.

    seal(n) = SHA-256 of the JSON text [seal(n - 1), run id, revision, time, text of the entry]

A chain shows what was changed afterwards by somebody who can't compute all of it anew. Who can write to the whole store
can do that; a seal that was noted elsewhere (each goes out with the change feed) shows even him.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from hashlib import sha256
from typing import Final, NamedTuple

import orjson

from engine.draft import fold
from engine.run import JournalEntry, WorkflowRun
from store.protocol import Conflict, Sealed, Store
from store.texts import UNREADABLE, read_entry

_READINGS: Final = 20


class Flaw(NamedTuple):
    """What is wrong with a journal: the revision of the entry (0: the journal as a whole), and a sentence."""

    revision: int
    sentence: str


def seal(previous: str | None, run_id: str, revision: int, at: float, text: str) -> str:
    """The seal of an entry, in hexadecimal; `previous` is that of the entry before.

    Raises:
        TypeError: what should be text is none, so the store has not written it.
    """
    return sha256(orjson.dumps((previous, run_id, revision, at, text))).hexdigest()


def at_rest(store: Store, run: WorkflowRun) -> tuple[WorkflowRun, list[Sealed]]:
    """A run and its journal at one moment: what happens between two readings is no flaw, and it is read again.

    Raises:
        LookupError: the run can't be read any more.
        Conflict: it changes all the time.
        StoreError: the store is away.
    """
    for _ in range(_READINGS):
        entries = store.sealed(run.id)
        after = store.load([run.id])[run.id]
        if after.revision == run.revision:
            return run, entries
        run = after
    raise Conflict(f"run {run.id} changes all the time: pause it, or try again later")


def flaws(run: WorkflowRun, entries: Sequence[Sealed]) -> list[Flaw]:
    """What is wrong with the journal of a run, by entry; nothing if all of it is as it was written.

    Entries that were written before there were seals are taken as they are.
    """
    found: list[Flaw] = []
    read: list[JournalEntry] = []
    before, previous = Sealed(0, 0.0, "", None), None
    for entry in entries:
        if entry.revision != before.revision + 1:
            found.append(Flaw(entry.revision, f"what should be before it is missing, back to {before.revision}"))
        found += _altered(run.id, previous, entry)
        before, previous = entry, entry.seal or previous  # an older program leaves the run's seal as it was
        try:
            read.append(read_entry(*entry[:3]))
        except UNREADABLE as error:
            found.append(Flaw(entry.revision, f"it can't be read: {error}"))
    return found or _unlike(run, before, read)


def _altered(run_id: str, previous: str | None, entry: Sealed) -> list[Flaw]:
    if entry.seal is None:
        sentence = "it has no seal, although there is one before: an older program wrote it, or somebody put it in"
        return [] if previous is None else [Flaw(entry.revision, sentence)]
    with suppress(TypeError):
        if entry.seal == seal(previous, run_id, entry.revision, entry.at, entry.text):
            return []
    return [Flaw(entry.revision, "it was changed, or one before it put in or removed: its seal doesn't fit")]


def _unlike(run: WorkflowRun, last: Sealed, read: list[JournalEntry]) -> list[Flaw]:
    """Where the run itself isn't as its journal, which is whole, says."""
    if last.revision < run.revision:
        sentence = f"the run is at revision {run.revision}, but its journal ends at {last.revision}: its end is gone"
        return [Flaw(0, sentence)]
    if last.revision > run.revision:
        return [Flaw(run.revision + 1, f"it was put in: the run is at revision {run.revision}")]
    if last.seal != run.seal:
        return [Flaw(0, "the run's own seal isn't that of its last entry: one of them was changed")]
    tasks, status = fold(read, run.tasks)
    odd = [name for name, task in run.tasks.items() if tasks[name] is not task.status]
    if odd or status is not run.status:
        what = f"task {odd[0]!r} is {run.tasks[odd[0]].status}" if odd else f"the run is {run.status}"
        return [Flaw(0, f"{what}, but its journal says {tasks[odd[0]] if odd else status}: the run was changed")]
    return [
        Flaw(0, f"{what}, and its journal knows nothing of that: the run was changed") for what in _unheard(run, read)
    ]


def _unheard(run: WorkflowRun, read: Sequence[JournalEntry]) -> Iterator[str]:
    """The decisions of a run that its journal doesn't have; an entry that doesn't say what or by whom may be any."""
    heard = {
        (entry.task, entry.by, None if entry.detail is None else entry.detail.get("decision"))
        for entry in read
        if entry.type == "SignalReceived"
    }
    for name, task in run.tasks.items():
        for _, sender, decision, *_ in task.accepted:
            told = ((name, by, what) for by in (sender, None) for what in (decision, None))
            if decision is not None and heard.isdisjoint(told):
                yield f"task {name!r} has the decision {decision!r} of {sender!r}"
