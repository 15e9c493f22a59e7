"""How runs stand in MongoDB's documents, and how they are read back; `store.mongo.schema` shows one."""

from collections.abc import Collection, Mapping, Sequence
from hashlib import blake2b
from typing import Any, Final

import orjson
from bson import ObjectId

from engine.asked import waiting_for
from engine.machine import restore
from engine.plan import Plan
from engine.run import Parent, TaskState, WorkflowRun, dump_task, load_task
from engine.statuses import RunStatus
from store.mongo.connection import Document
from store.playing import Told
from store.protocol import RunSummary, Sealed
from store.texts import canonical, dumps, event_text, read_error, text

WITHOUT_HISTORY: Final = {"journal": 0, "last": 0, "facts": 0, "waiting": 0}
SUMMARY: Final = dict.fromkeys(
    ("workflow", "version", "status", "requested_by", "created_at", "updated_at", "finished_at", "error"), 1
)

_FACT_BYTES: Final = 128
_TOLD_CHARS: Final = 1024 * 1024

# What changes in the life of a run, by field; what is not a number or a name is text.
_DUE: Final = ("wake_at", "heal")  # always written: that others moved them, no stamp tells
_PLAIN: Final = (
    "revision", "generation", "paused", "cancelled", "told", "size", "updated_at", "started_at", "finished_at",
    "deadline",
)  # fmt: skip
_TEXTS: Final = ("error", "outputs")


def state(run: WorkflowRun, before: WorkflowRun | None = None) -> Document:
    """The fields that say how a run stands, without its tasks; only those that are not as `before`."""
    fields: Document = {"wake_at": run.wake_at, "heal": run.heal}
    for name in _PLAIN:
        value = getattr(run, name)
        if before is None or getattr(before, name) != value:
            fields[name] = value
    if before is None or before.status is not run.status:
        fields["status"] = str(run.status)
    if before is None or before.seal != run.seal:
        fields["seal"] = run.seal
    if before is None or before.running != run.running:
        fields["claimed"] = run.running
    for name in _TEXTS:
        value = getattr(run, name)
        if before is None or getattr(before, name) is not value:
            fields[name] = text(value)
    return fields


def task_fields(run: WorkflowRun, touched: Collection[str]) -> Document:
    """The fields of some tasks, as an update sets them."""
    return {f"tasks.{name}": dumps(dump_task(run.tasks[name])) for name in touched}


def new_document(run: WorkflowRun, digest: bytes) -> Document:
    """The document of a run that begins, without its history. Tasks that are as at every start are left out."""
    fresh = TaskState(updated_at=run.created_at)
    return {
        "_id": run.id,
        "tenant": run.tenant,
        "workflow": run.workflow,
        "version": run.plan.workflow.version,
        "requested_by": run.requested_by,
        "created_at": run.created_at,
        "number": ObjectId(),
        "digest": digest,
        "inputs": dumps(run.inputs),
        "labels": dumps(run.labels),
        "parent": text(run.parent),
        "facts": [fact(name, value) for name, value in run.inputs.items()],
        "waiting": waiting(run),
        "tasks": {name: dumps(dump_task(task)) for name, task in run.tasks.items() if task != fresh},
        **state(run),
    }


def waiting(run: WorkflowRun) -> list[str]:
    """Whom a run waits for, as an index knows them."""
    return sorted(waiting_for(run))


def fact(name: str, value: object) -> str:
    """What an index knows of one input: as JSON has it, so that 1, true and "1" are three values."""
    told = canonical([name, value])
    return told.decode() if len(told) <= _FACT_BYTES else blake2b(told, digest_size=16).hexdigest()


def history(told: Sequence[Told]) -> list[list[Any]]:
    """The journal of what happened: revision, time, entry and seal of each transition."""
    return [[entry.revision, entry.at, text, seal] for entry, text, seal, _ in told]


def events(told: Sequence[Told]) -> list[str | None]:
    """The transitions of what happened, with their payloads; that a run was created has none."""
    return [None if transition is None else event_text(transition) for *_, transition in told]


def last(writer: str | None, tenant: str, journal: Sequence[list[Any]], events: Sequence[str | None]) -> Document:
    """What a write tells the feed. Should that be too much for an event, it tells the entries alone."""
    if sum(map(len, filter(None, events))) > _TOLD_CHARS:
        events = [None] * len(events)
    told = [[*entry, event] for entry, event in zip(journal, events, strict=True)]
    return {"writer": writer, "tenant": tenant, "told": told}


def read_sealed(index: int, entry: object) -> Sealed:
    """An entry of a journal as it is stored; the first ones of old runs have no seal. Of what is none, all as text."""
    match entry:
        case [int(revision), float(at), str(text)]:
            return Sealed(revision, at, text, None)
        case [int(revision), float(at), str(text), str() | None as seal]:
            return Sealed(revision, at, text, seal)
    return Sealed(index + 1, 0.0, repr(entry), "")


def read_run(document: Mapping[str, Any], plan: Plan) -> WorkflowRun:
    """The run of a document.

    Raises:
        ValueError, TypeError, KeyError: it holds something that no version of this program wrote.
    """
    tasks = dict.fromkeys(plan.tasks, TaskState(updated_at=document["created_at"]))
    for name, told in document["tasks"].items():
        if name not in tasks:
            raise ValueError(f"{name!r} is not a task of workflow {plan.workflow.name!r}")
        tasks[name] = load_task(orjson.loads(told))
    parent, outputs = document["parent"], document["outputs"]
    seal = document.get("seal")  # there were none at first
    if not isinstance(seal, str | None) or not isinstance(document["revision"], int):
        raise TypeError("its seal is no text, or its revision no number")
    run = WorkflowRun(
        id=document["_id"],
        tenant=document["tenant"],
        plan=plan,
        inputs=orjson.loads(document["inputs"]),
        labels=orjson.loads(document["labels"]),
        requested_by=document["requested_by"],
        parent=None if parent is None else Parent(*orjson.loads(parent)),
        created_at=document["created_at"],
        status=RunStatus(document["status"]),
        outputs=None if outputs is None else orjson.loads(outputs),
        error=read_error(document["error"]),
        tasks=tasks,
        ready={},
        running=0,
        unfinished=0,
        timers=(),
        seal=seal,
        **{name: document[name] for name in (*_PLAIN, *_DUE)},
    )
    return restore(run)


def read_summary(document: Mapping[str, Any]) -> RunSummary:
    """The summary of a document's fields `SUMMARY`."""
    return RunSummary(
        id=document["_id"],
        workflow=document["workflow"],
        version=document["version"],
        status=RunStatus(document["status"]),
        requested_by=document["requested_by"],
        created_at=document["created_at"],
        updated_at=document["updated_at"],
        finished_at=document["finished_at"],
        error=read_error(document["error"]),
    )
