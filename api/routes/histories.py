"""What happened to a run, what it waits for and why it ended so, and whether its journal is as it was written."""

from collections.abc import Iterable
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool

from api.answers import answer
from api.guard import GuardedRoute
from api.models import RUN_ID, Moment, Page, PageQuery, RunId
from api.problems import documented, not_found
from api.seen import run_for
from api.services import Asking, Services, ServicesOf
from engine.explain import Kind, explain, why_omitted
from engine.faults import Fault, Invalid
from engine.run import JournalEntry, WorkflowRun
from engine.statuses import RunStatus, TaskStatus
from store import seals
from store.protocol import Store

router = APIRouter(route_class=GuardedRoute, prefix="/runs/{run_id}", tags=["Runs"])

_MOST_DIGITS: Final = 12


class EntryModel(BaseModel):
    """Something that happened to a run. Fields that would be empty are left out."""

    revision: int = Field(examples=[4])
    at: Moment
    type: str = Field(description="The transition, a past-tense fact", examples=["SignalReceived"])
    task: str | None = Field(default=None, examples=["manual-approval"])
    attempt: int | None = None
    by: str | None = Field(default=None, description="Who did it, if it was a person", examples=["olga@example.org"])
    tasks: dict[str, TaskStatus] = Field(default_factory=dict, description="How tasks stand that it changed")
    status: RunStatus | None = Field(default=None, description="How the run stands, if it changed that")
    detail: dict[str, Any] | None = Field(
        default=None,
        description="What people said: decision, comment, reason, on whose behalf",
        examples=[{"decision": "approve", "comment": "fine"}],
    )
    seal: str | None = Field(default=None, description="The hash that chains it to the entry before")


class JournalPage(Page):
    """Some of what happened to a run, in order."""

    items: list[EntryModel]


class ExplanationModel(BaseModel):
    """What a task waits for, or the run as a whole if there is no `task`. Fields that would be empty are left out."""

    task: str | None = Field(default=None, examples=["manual-approval"])
    kind: Kind = Field(examples=["people"])
    sentence: str = Field(examples=["waits for olga@example.org to decide"])
    since: Moment | None = None
    until: Moment | None = None
    tasks: list[str] = Field(default_factory=list, description="The tasks that have to end first")
    people: list[str] = Field(default_factory=list, description="Who has to decide")
    groups: list[str] = Field(default_factory=list, description="The groups one of whose members has to decide")
    on_behalf: dict[str, str] = Field(default_factory=dict, description="Who stands in, for whom")
    barred: list[str] = Field(default_factory=list, description="Who is asked, but may not decide")


class ExplanationPage(BaseModel):
    """Why a run stands as it does."""

    run: str = Field(examples=[RUN_ID])
    status: RunStatus
    at: Moment
    engine_alive: bool = Field(
        description="Whether any engine is at work; if none is, nothing happens until one is started"
    )
    items: list[ExplanationModel] = Field(
        description="Of each task that neither runs nor has ended; or how the run ended"
    )
    omitted: dict[str, str] = Field(description="Tasks that were never asked, and which part of `depends` was false")


class FlawModel(BaseModel):
    """What is wrong with a journal."""

    revision: int = Field(description="Of the entry; 0: the journal, or the run, as a whole")
    sentence: str = Field(examples=["it was changed, or one before it put in or removed: its seal doesn't fit"])


class Verification(BaseModel):
    """Whether a run's journal is as it was written."""

    run: str = Field(description="The run's id", examples=[RUN_ID])
    intact: bool = Field(description="Whether nothing is wrong with it", examples=[False])
    entries: int = Field(description="How many entries the journal has", examples=[4])
    seal: str | None = Field(description="The last seal; noted elsewhere, it shows even who could rewrite all of it")
    flaws: list[FlawModel]


@router.get("/journal", summary="Read what happened to a run", response_model=JournalPage, responses=documented(404))
async def read_journal(
    run_id: RunId, query: Annotated[PageQuery, Query()], services: ServicesOf, principal: Asking
) -> Response:
    """Everything that happened to a run, in order: what, to which task, when, by whom, and what he said."""
    await run_for(services, principal, "read_journal", run_id)
    after = _revision(query.cursor)
    entries = [entry for entry in await run_in_threadpool(services.store.journal, run_id) if entry.revision > after]
    shown = entries[: query.limit]
    cursor = str(shown[-1].revision) if len(entries) > len(shown) else None
    return answer({"items": list(map(entry_document, shown)), "cursor": cursor})


@router.get(
    "/explanation",
    summary="Read what a run waits for, or why it ended",
    response_model=ExplanationPage,
    responses=documented(404),
)
async def explain_run(run_id: RunId, services: ServicesOf, principal: Asking) -> Response:
    """What each task that neither runs nor has ended waits for, in words and as data, and since when.

    Of a run that has ended: why it ended so.
    """
    run = await run_for(services, principal, "explain_run", run_id)
    return await run_in_threadpool(_explained, services, run)


@router.get(
    "/verification",
    summary="Verify the journal of a run",
    response_model=Verification,
    responses=documented(404, 409),
)
async def verify_run(run_id: RunId, services: ServicesOf, principal: Asking) -> Response:
    """Whether the journal is as it was written; if not, which entries were changed, removed or put in."""
    run = await run_for(services, principal, "verify_run", run_id)
    try:
        run, entries = await run_in_threadpool(seals.at_rest, services.store, run)
    except LookupError:
        raise not_found(f"run {run_id!r}") from None
    flaws = await run_in_threadpool(seals.flaws, run, entries)
    return answer(
        {
            "run": run.id,
            "intact": not flaws,
            "entries": len(entries),
            "seal": entries[-1].seal if entries else None,
            "flaws": [flaw._asdict() for flaw in flaws],
        }
    )


def entry_document(entry: JournalEntry) -> dict[str, Any]:
    """The JSON form of a journal entry, as `engine.run.present` has it: without what is empty."""
    return {key: value for key, value in entry._asdict().items() if value not in (None, {})}


def is_engine_alive(store: Store) -> bool:
    """Whether an engine's lease lasts."""
    now = store.now()
    return any(owner.alive_until > now for owner in store.owners())


def _explained(services: Services, run: WorkflowRun) -> Response:
    now, journal = services.store.now(), services.store.journal(run.id)
    document = {
        "run": run.id,
        "status": run.status,
        "at": now,
        "engine_alive": is_engine_alive(services.store),
        "items": [one.document() for one in explain(run, now, services.catalogue, journal)],
        "omitted": dict(_omitted(run)),
    }
    return answer(document)


def _omitted(run: WorkflowRun) -> Iterable[tuple[str, str]]:
    return ((name, why_omitted(run, name)) for name, task in run.tasks.items() if task.status is TaskStatus.OMITTED)


def _revision(cursor: str | None) -> int:
    if cursor is None:
        return 0
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) <= _MOST_DIGITS):
        raise Invalid(Fault("query.cursor", "is no cursor of this list: begin without one"))
    return int(cursor)
