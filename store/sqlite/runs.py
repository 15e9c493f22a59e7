"""What writes do to runs: start them, apply what was proposed, wake those that are due."""

import sqlite3
from collections.abc import Callable, Collection, Sequence
from functools import cache, partial
from itertools import count
from typing import NamedTuple

from engine.machine import start
from engine.plan import Plan
from engine.run import WorkflowRun
from engine.transitions import RunWoken
from store.playing import Stored, Unreadable, by_run, tell, unknown, waking
from store.protocol import Creation, NewRun, Proposal, Recorded
from store.requests import Accepted, answers, is_id, version_asked
from store.sqlite import workflows
from store.sqlite.batch import Batch
from store.sqlite.cache import RunCache
from store.sqlite.errors import ALL_AFFECTED
from store.texts import dumps


class Write(NamedTuple):
    """An open write transaction, and what goes with it."""

    connection: sqlite3.Connection
    cache: RunCache
    batch: Batch


def create(write: Write, requests: Sequence[NewRun]) -> list[Creation]:
    """Start the runs that are asked for, unless they are there or at fault; one answer each."""
    accepted = _accepted(write, [request.id for request in requests if is_id(request.id)])
    (last,) = write.connection.execute("SELECT coalesce(max(number), 0) FROM runs").fetchone()
    numbers = count(last + 1)
    live = cache(partial(workflows.live_versions, write.connection))  # asked once a write, and not for each request

    def begin(request: NewRun, digest: bytes) -> WorkflowRun:
        return _start(write, request, digest, _plan(write, request, live), next(numbers))

    return answers(requests, accepted, begin, ALL_AFFECTED)


def _accepted(write: Write, ids: list[str]) -> dict[str, Accepted]:
    """The requests that were accepted under these ids."""
    select = (
        "SELECT id, digest FROM runs LEFT JOIN requests ON run = number WHERE id IN (SELECT value FROM json_each(?))"
    )
    digests = dict(write.connection.execute(select, (dumps(ids),)))
    runs = write.cache.load(write.connection, digests)
    return {id_: Accepted(digest, getattr(runs[id_], "run", None)) for id_, digest in digests.items()}


def _start(write: Write, request: NewRun, digest: bytes, plan: Plan, number: int) -> WorkflowRun:
    """The run that is asked for.

    Raises:
        Invalid: the inputs don't fit.
    """
    run, entry = start(
        plan,
        request.inputs,
        id=request.id,
        at=write.batch.at,
        luck=write.batch.luck(),
        requested_by=request.requested_by,
        labels=request.labels,
        parent=request.parent,
    )
    told = tell(run.id, None, entry, None)
    run = run._replace(seal=told.seal)
    stored = Stored(number, run)
    write.batch.start(stored, told, digest)
    write.cache.keep(stored)
    return run


def _plan(write: Write, request: NewRun, live: Callable[[str, str], range]) -> Plan:
    """The plan of the workflow that is asked for, given which versions there are.

    Raises:
        Invalid: there is no such workflow.
    """
    tenant, name = request.tenant, request.workflow
    version = version_asked(request, live(tenant, name), lambda: workflows.names(write.connection, tenant))
    return write.cache.plan(write.connection, tenant, name, version)


def apply(write: Write, proposals: Sequence[Proposal]) -> list[Recorded]:
    """Apply what is proposed, run by run; one answer each, in the order of the proposals."""
    for proposal in proposals:
        if isinstance(proposal.transition, RunWoken):
            write.cache.drop(proposal.run_id)  # its `wake_at` must be the stored one: that it was moved is no change
    wanted = by_run(proposals)
    runs = write.cache.load(write.connection, filter(is_id, wanted))
    recorded: dict[int, Recorded] = {}
    for id_, indices in wanted.items():
        played = _play(write, id_, runs.get(id_), [proposals[index] for index in indices])
        recorded.update(zip(indices, played, strict=True))
    return [recorded[index] for index in range(len(proposals))]


def _play(
    write: Write, id_: str, found: Stored[int] | Unreadable[int] | None, proposals: list[Proposal]
) -> list[Recorded]:
    if isinstance(found, Stored):
        run, recorded = write.batch.play(found, proposals)
        write.cache.keep(Stored(found.place, run))
        return recorded
    refusal = unknown(id_) if found is None else write.batch.give_up(found)
    return [Recorded(id_, refusal, None)] * len(proposals)


def wake(write: Write, living: Collection[str], limit: int) -> list[WorkflowRun]:
    """Wake the runs that are due, the longest due first; claims of owners who aren't `living` are lost."""
    due = write.connection.execute(
        "SELECT id, wake_at, heal FROM runs WHERE wake_at <= ? ORDER BY wake_at LIMIT ?", (write.batch.at, limit)
    ).fetchall()
    runs = write.cache.load(write.connection, [id_ for id_, _, _ in due])
    woken = []
    for id_, wake_at, heal in due:
        found = runs[id_]
        if isinstance(found, Unreadable):
            write.batch.give_up(found)
            continue
        # The cached run may have another `wake_at`: that others moved it was no change.
        stored = found._replace(run=found.run._replace(wake_at=wake_at, heal=heal))
        run, _ = write.batch.play(stored, waking(stored.run, living))
        write.cache.keep(Stored(stored.place, run))
        woken.append(run)
    return woken
