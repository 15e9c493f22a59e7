"""What those who follow runs are told of a change: one JSON object, without inputs, outputs or any other payload.

change ─► News: whom it is about, and how that run stands now ─► Event, for each follower who may hear of it
entry of a journal ─────────────────────────────────────────────► Event, of who has missed it
"""

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any, Final, NamedTuple

import orjson

from engine.asked import waiting_for
from engine.run import JournalEntry, WorkflowRun
from engine.statuses import FINAL_RUN
from store.protocol import Change, Position, Store

_ABSENT: Final[tuple[object, ...]] = (None, {})


class Event(NamedTuple):
    """Something a follower is told. `revision` is that of the run, 0 if it is about none.

    `ends` is true if it tells of the run's end, false if of another status, and None if it tells of no status.
    """

    kind: str
    data: bytes
    position: Position = ""
    revision: int = 0
    ends: bool | None = None


class Standing:
    """How a run stands, for those who may not hear of all runs."""

    def __init__(self, run: WorkflowRun) -> None:
        self.run = run

    @cached_property
    def waiting(self) -> frozenset[str]:
        """Whom it waits for."""
        return waiting_for(self.run)


class News(NamedTuple):
    """A change of the feed as all followers share it; `run` or `workflow` is the name of what changed.

    `standing` is there if some follower needs it, and the run can be read.
    """

    position: Position
    tenant: str | None
    run: str | None
    workflow: str | None
    event: Event
    standing: Standing | None = None


def read_news(store: Store, after: Position, limit: int, tenants: frozenset[str]) -> tuple[list[News], Position]:
    """A page of the feed as news, and the position after it; of the runs of these tenants, how they stand as well.

    Raises:
        StoreError: the store is away, or `HistoryLost`.
    """
    page = store.changes(after, limit=limit)
    ids = [change.id for change in page.changes if change.entity == "run" and change.tenant in tenants]
    return _all_news(page.changes, store.load(ids) if ids else {}), page.position


def _all_news(changes: Iterable[Change], runs: Mapping[str, WorkflowRun]) -> list[News]:
    standings = {id_: Standing(run) for id_, run in runs.items()}
    return [_news(change, standings.get(change.id) if change.entity == "run" else None) for change in changes]


def _news(change: Change, standing: Standing | None) -> News:
    if change.entity == "workflow":
        return News(change.position, change.tenant, None, change.id, _of_workflow(change))
    tenant = change.tenant if standing is None else standing.run.tenant
    if change.entry is None:  # it can't be read: the run says how it stands
        data = orjson.dumps({"run": change.id, "type": "Unreadable"})
        event = Event("run", data, change.position, change.revision)
    else:
        event = event_of(change.id, change.entry, change.document)._replace(position=change.position)
    return News(change.position, tenant, change.id, None, event, standing)


def event_of(run_id: str, entry: JournalEntry, document: Mapping[str, Any] | None = None) -> Event:
    """What is told of an entry of a run's journal; `document` is the run's at its creation.

    Its seal is told as well: who keeps it elsewhere can show later that nobody has written the journal anew.
    """
    told: dict[str, Any] = {"run": run_id, "revision": entry.revision, "at": entry.at, "type": entry.type}
    if document is not None:
        told |= {"workflow": document["workflow"], "requested_by": document["requested_by"]}
    for field in ("task", "attempt", "by", "detail", "tasks", "status", "seal"):
        if (value := getattr(entry, field)) not in _ABSENT:
            told[field] = value
    kind = "run" if entry.task is None else "task"
    ends = None if entry.status is None else entry.status in FINAL_RUN
    return Event(kind, orjson.dumps(told), revision=entry.revision, ends=ends)


def _of_workflow(change: Change) -> Event:
    told = {
        "workflow": {"name": change.id, "version": change.revision},
        "at": change.at,
        "type": "WorkflowSaved" if change.transition is None else change.transition["type"],
    }
    if change.by is not None:
        told["by"] = change.by
    return Event("workflow", orjson.dumps(told), change.position)


def snapshot_of(run: WorkflowRun) -> Event:
    """How a run stands, for who begins to follow it."""
    told = {
        "run": run.id,
        "workflow": {"name": run.workflow, "version": run.plan.workflow.version},
        "revision": run.revision,
        "at": run.updated_at,
        "status": run.status,
        "tasks": {name: task.status for name, task in run.tasks.items()},
        "seal": run.seal,
    }
    return Event("snapshot", orjson.dumps(told), revision=run.revision, ends=run.is_final)
