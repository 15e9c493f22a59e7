"""What writes do to runs: start them, apply what was proposed, wake those that are due."""

import sqlite3
from collections.abc import Collection, Sequence
from typing import Final, NamedTuple

import structlog

from engine.faults import Fault, Invalid, nearest
from engine.machine import start
from engine.outcomes import Rejected
from engine.plan import Plan
from engine.run import WorkflowRun
from engine.transitions import RunWoken, TaskLost
from store.protocol import Creation, NewRun, Proposal, Recorded
from store.sqlite import workflows
from store.sqlite.batch import Batch
from store.sqlite.cache import RunCache, Stored, Unreadable
from store.sqlite.errors import ALL_AFFECTED, in_short
from store.sqlite.rows import digest_of, dumps

ID_CHARS: Final = 255

_log = structlog.get_logger(__name__)


class Write(NamedTuple):
    """An open write transaction, and what goes with it."""

    connection: sqlite3.Connection
    cache: RunCache
    batch: Batch


def is_id(text: str) -> bool:
    """Whether a run may have this id: printable text of a bounded length."""
    return 0 < len(text) <= ID_CHARS and text.isprintable()


def create(write: Write, requests: Sequence[NewRun]) -> list[Creation]:
    """Start the runs that are asked for, unless they are there or at fault; one answer each."""
    accepted = _accepted(write, [request.id for request in requests if is_id(request.id)])
    (number,) = write.connection.execute("SELECT coalesce(max(number), 0) FROM runs").fetchone()
    answers = []
    for request in requests:
        try:
            digest = _digest(request)
            if request.id in accepted:
                answers.append(_again(request, digest, *accepted[request.id]))
                continue
            number += 1
            run = _start(write, request, digest, number)
        except Invalid as invalid:
            answers.append(Creation(request.id, "refused", None, invalid.faults))
        except ALL_AFFECTED:
            raise
        except Exception as error:  # noqa: BLE001 - it must not cost the others their start
            _log.exception("run_not_started", run_id=request.id, workflow=request.workflow)
            fault = Fault("", f"the run could not be started: {in_short(error)}")
            answers.append(Creation(request.id, "refused", None, (fault,)))
        else:
            accepted[request.id] = digest, run
            answers.append(Creation(request.id, "created", run))
    return answers


def _accepted(write: Write, ids: list[str]) -> dict[str, tuple[bytes | None, WorkflowRun | None]]:
    """The digests of the requests that were accepted under these ids, and what became of them (None: unreadable)."""
    select = (
        "SELECT id, digest FROM runs LEFT JOIN requests ON run = number WHERE id IN (SELECT value FROM json_each(?))"
    )
    digests = dict(write.connection.execute(select, (dumps(ids),)))
    runs = write.cache.load(write.connection, digests)
    return {id_: (digest, getattr(runs[id_], "run", None)) for id_, digest in digests.items()}


def _digest(request: NewRun) -> bytes:
    """What tells a repeated request from another one.

    Raises:
        Invalid: it has no proper id, or can't be written down.
    """
    if not is_id(request.id):
        raise Invalid(Fault("id", f"a run's id has 1 to {ID_CHARS} printable characters"))
    try:
        return digest_of(request)
    except TypeError as error:
        raise Invalid(Fault("", f"the request is not JSON: {error}")) from error


def _again(request: NewRun, digest: bytes, accepted: bytes | None, run: WorkflowRun | None) -> Creation:
    """The answer to a request whose id is taken."""
    if digest == accepted:
        return Creation(request.id, "exists", run)
    fault = Fault("id", f"{request.id!r} is the id of a run that was asked for with other content: use another id")
    return Creation(request.id, "refused", None, (fault,))


def _start(write: Write, request: NewRun, digest: bytes, number: int) -> WorkflowRun:
    """The run that is asked for.

    Raises:
        Invalid: there is no such workflow, or the inputs don't fit.
    """
    run, entry = start(
        _plan(write, request),
        request.inputs,
        id=request.id,
        at=write.batch.at,
        luck=write.batch.luck(),
        requested_by=request.requested_by,
        labels=request.labels,
        parent=request.parent,
    )
    write.batch.start(Stored(number, run), entry, digest)
    write.cache.keep(number, run)
    return run


def _plan(write: Write, request: NewRun) -> Plan:
    tenant, name = request.tenant, request.workflow
    latest = workflows.latest_version(write.connection, tenant, name)
    if latest is None:
        hint = nearest(name, workflows.names(write.connection, tenant))
        raise Invalid(Fault("workflow", f"{name!r} is not a saved workflow{hint}"))
    if request.version is not None and not 1 <= request.version <= latest:
        raise Invalid(Fault("version", f"{name!r} has no version {request.version}; its latest is {latest}"))
    return write.cache.plan(write.connection, tenant, name, request.version or latest)


def apply(write: Write, proposals: Sequence[Proposal]) -> list[Recorded]:
    """Apply what is proposed, run by run; one answer each, in the order of the proposals."""
    by_run: dict[str, list[int]] = {}
    for index, proposal in enumerate(proposals):
        by_run.setdefault(proposal.run_id, []).append(index)
        if isinstance(proposal.transition, RunWoken):
            write.cache.drop(proposal.run_id)  # its `wake_at` must be the stored one: that it was moved is no change
    runs = write.cache.load(write.connection, filter(is_id, by_run))
    answers: dict[int, Recorded] = {}
    for id_, indices in by_run.items():
        played = _play(write, id_, runs.get(id_), [proposals[index] for index in indices])
        answers.update(zip(indices, played, strict=True))
    return [answers[index] for index in range(len(proposals))]


def _play(write: Write, id_: str, found: Stored | Unreadable | None, proposals: list[Proposal]) -> list[Recorded]:
    if isinstance(found, Stored):
        run, answers = write.batch.play(found, proposals)
        write.cache.keep(found.number, run)
        return answers
    unknown = Rejected("UNKNOWN_RUN", f"there is no run {id_!r}")
    refusal = unknown if found is None else write.batch.give_up(found)
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
        proposals = [Proposal(id_, RunWoken()), *(Proposal(id_, lost) for lost in _lost(stored.run, living))]
        run, _ = write.batch.play(stored, proposals)
        write.cache.keep(stored.number, run)
        woken.append(run)
    return woken


def _lost(run: WorkflowRun, living: Collection[str]) -> list[TaskLost]:
    """The claims of a run whose owners are dead."""
    if not run.running:
        return []
    claims = ((name, task.claim) for name, task in run.tasks.items())
    return [TaskLost(name, claim.token) for name, claim in claims if claim is not None and claim.owner not in living]
