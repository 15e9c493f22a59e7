"""What happens, as it happens: a run's changes, or those of all runs that somebody may read, as server-sent events."""

from collections.abc import AsyncIterator
from functools import partial
from http import HTTPStatus
from typing import Annotated, Any, Final

import orjson
from fastapi import APIRouter, Header, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool

from api.access import RULES
from api.filters import WaitingFor
from api.follower import Follower
from api.guard import GuardedRoute
from api.models import RunId
from api.news import Event, News, event_of, snapshot_of
from api.principal import Principal
from api.problems import documented
from api.seen import applies, run_for
from api.services import Asking, Services, ServicesOf
from api.streams import EventStream, batches, block, bye, heartbeat, is_still, opening
from engine.limits import ID_CHARS, NAME_CHARS
from engine.run import WorkflowRun
from engine.statuses import RunStatus
from store.protocol import StoreError, StoreUnavailable

router = APIRouter(route_class=GuardedRoute, tags=["Live"])

_SHOWN: Final = 10_000  # runs of which a follower is told that they no longer are what he asked for
_READERS: Final = RULES["follow_runs"]

_TASK_EVENT: Final = (
    'event: task\ndata: {"run":"r-1","revision":3,"at":1795366436.44,"type":"TaskSucceeded","task":"check",'
    '"attempt":1,"by":"engine-1","tasks":{"check":"SUCCESS"}}\nid: 5f0c:3\n\n'
)
_EXAMPLE: Final = (
    'retry: 2000\n: \n\nevent: snapshot\ndata: {"run":"r-1","workflow":{"name":"metadata-change-request","version":3},'
    '"revision":2,"at":1795366436.41,"status":"RUNNING","tasks":{"check":"RUNNING"}}\nid: 5f0c:2\n\n' + _TASK_EVENT
)

LastEventId = Annotated[
    str | None,
    Header(alias="Last-Event-ID", max_length=512, description="The last `id` that was received: go on behind it"),
]


def _streams(description: str, example: str) -> dict[int | str, dict[str, Any]]:
    content = {"text/event-stream": {"schema": {"type": "string"}, "example": example}}
    return {200: {"description": description, "content": content}}


class RunLiveQuery(BaseModel):
    """How to follow a run."""

    model_config = ConfigDict(extra="forbid")

    keep: bool = Field(default=False, description="Go on after the run's end: it may be retried")


class LiveQuery(BaseModel):
    """Which runs to follow. All that is given must hold when something happens to a run."""

    model_config = ConfigDict(extra="forbid")

    workflow: str | None = Field(default=None, max_length=NAME_CHARS, description="Of this workflow")
    status: list[RunStatus] = Field(
        default_factory=list, max_length=len(RunStatus), description="With one of these statuses; may be repeated"
    )
    requested_by: Annotated[str, Field(min_length=1, max_length=ID_CHARS)] | None = Field(
        default=None, description="Asked for by this person; `me`: by the caller"
    )
    waiting_for: WaitingFor | None = Field(
        default=None, description="That wait for somebody: `me`, `person:NAME` or `group:NAME`"
    )


@router.get(
    "/runs/{run_id}/events",
    status_code=HTTPStatus.OK,
    response_class=EventStream,
    responses={
        **documented(404),
        **_streams("The run's changes, until it has ended", _EXAMPLE),
        204: {"description": "The run has ended, and the caller knows all of it: an EventSource stops asking"},
    },
    summary="Follow a run",
)
async def follow_run(  # noqa: PLR0913, PLR0917 - what FastAPI fills in
    request: Request,
    run_id: RunId,
    services: ServicesOf,
    principal: Asking,
    query: Annotated[RunLiveQuery, Query()],
    last_event_id: LastEventId = None,
) -> Response:
    """The changes of a run as server-sent events.

    The first event is a `snapshot` with the statuses of the run and its tasks; then there is a `run` or `task` event
    for each entry of the journal, in order and without gaps, and `bye` after the run's end. Who comes again with
    `Last-Event-ID` is told what he has missed, however long ago that was. `reset` says that the id was none of this
    run's: forget what you knew, a snapshot follows.
    """
    run = await run_for(services, principal, "follow_run", run_id)
    stream = _RunStream(services, request, principal, run, keep=query.keep)
    known = stream.known(last_event_id)
    if known == run.revision and run.is_final and not query.keep:
        return Response(status_code=HTTPStatus.NO_CONTENT)
    give_back = services.hub.places.take(principal)
    try:
        follower = await services.hub.follow(lambda news: news.event, run=run_id)
    except BaseException:
        give_back()
        raise
    return EventStream(stream.blocks(follower, known), partial(_end, services, follower, give_back))


@router.get(
    "/events",
    status_code=HTTPStatus.OK,
    response_class=EventStream,
    responses={**documented(), **_streams("What happens", "retry: 2000\n: \nid: 5f0c:41\n\n" + _TASK_EVENT)},
    summary="Follow runs",
)
async def follow_runs(
    request: Request,
    services: ServicesOf,
    principal: Asking,
    query: Annotated[LiveQuery, Query()],
    last_event_id: LastEventId = None,
) -> Response:
    """The changes of all runs that the caller may read, and of workflows, as server-sent events.

    There is a `run` or `task` event for each entry of a run's journal; `workflow` if one was saved or deleted and no
    filter but `workflow` is given; `gone` if a run that was told of is no longer one that was asked for; `reset` if
    changes were lost, or the id was none of this store's: read everything again, and go on from here; `bye` at the end.
    """
    hub = services.hub
    choice = _Choice(principal, query)
    after = None
    if last_event_id:
        mark, _, after = last_event_id.partition(":")
        if mark != hub.id:
            after = "~"  # behind everything: a position of no store
    give_back = hub.places.take(principal)
    try:
        follower = await hub.follow(choice, after=after, tenant=principal.tenant if choice.asks_more else None)
    except BaseException:
        give_back()
        raise
    blocks = _blocks(services, request, principal, follower)
    return EventStream(blocks, partial(_end, services, follower, give_back))


def _end(services: Services, follower: Follower, give_back: Any) -> None:
    services.hub.leave(follower)
    give_back()


async def _blocks(
    services: Services, request: Request, principal: Principal, follower: Follower
) -> AsyncIterator[bytes]:
    """The stream of all runs; its marks are positions in the feed."""
    name = services.hub.id
    told = follower.position
    yield opening(f"{name}:{told}")
    async for events in batches(follower, partial(is_still, services, request, principal)):
        if events:
            told = events[-1].position
            yield b"".join(block(event, f"{name}:{event.position}") for event in events)
        else:
            told = max(told, follower.position)
            yield heartbeat(f"{name}:{told}")
    yield bye(follower.ended or "left")


class _RunStream:
    """The stream of one run; its marks are the run's revisions, so what was missed stands in the run's journal."""

    def __init__(
        self, services: Services, request: Request, principal: Principal, run: WorkflowRun, *, keep: bool
    ) -> None:
        self._services = services
        self._request = request
        self._principal = principal
        self._id = run.id
        self._run = run
        self._keep = keep
        self._told = 0
        self._ended = False

    def known(self, last_event_id: str | None) -> int | None:
        """The revision up to which the client knows the run; -1 if that is none of this run's, None if it says none."""
        if not last_event_id:
            return None
        mark, _, revision = last_event_id.partition(":")
        is_one = mark == self._services.hub.id and revision.isascii() and revision.isdigit() and len(revision) < 10  # noqa: PLR2004 - digits of a revision
        return int(revision) if is_one and int(revision) <= self._run.revision else -1

    async def blocks(self, follower: Follower, known: int | None) -> AsyncIterator[bytes]:
        """What is sent."""
        yield opening(None)
        try:
            yield await self._begin(known)
            if self._is_over():
                yield bye("ended")
                return
            async for events in batches(follower, self._may_still):
                written = await self._written(events)
                yield written or heartbeat(None)
                if self._is_over():
                    yield bye("ended")
                    return
        except StoreUnavailable:
            follower.end("error")  # it comes again, and goes on where it was
        yield bye(follower.ended or "left")

    def _is_over(self) -> bool:
        return self._ended and not self._keep

    async def _begin(self, known: int | None) -> bytes:
        if known is None:
            return await self._snapshot()
        if known < 0:
            reset = Event("reset", orjson.dumps({"reason": "this is no id of this run's: a snapshot follows"}))
            return block(reset, None) + await self._snapshot()
        self._told = known
        self._ended = known == self._run.revision and self._run.is_final
        return await self._missed()

    async def _snapshot(self) -> bytes:
        """How the run stands now: what is told later is newer."""
        runs = await run_in_threadpool(self._services.store.load, [self._id])
        self._run = runs.get(self._id, self._run)
        return self._tell([snapshot_of(self._run)])

    async def _missed(self) -> bytes:
        """What the journal has that wasn't told."""
        try:
            entries = await run_in_threadpool(self._services.store.journal, self._id)
        except StoreUnavailable:
            raise
        except StoreError:  # it can't be read
            return await self._snapshot()
        return self._tell([event_of(self._id, entry) for entry in entries if entry.revision > self._told])

    async def _written(self, events: list[Event]) -> bytes:
        """Events of the feed as the client is told them: each once, in order, and without gaps."""
        written = b""
        for event in events:
            if event.kind == "reset" or event.revision > self._told + 1:
                written += await self._missed()
            elif event.revision == self._told + 1:
                written += self._tell([event])
        return written

    def _tell(self, events: list[Event]) -> bytes:
        for event in events:
            self._told = event.revision
            if event.revision == self._run.revision:
                self._ended = self._run.is_final
            elif event.ends is not None:
                self._ended = event.ends
        return b"".join(block(event, f"{self._services.hub.id}:{event.revision}") for event in events)

    async def _may_still(self) -> bool:
        if not await is_still(self._services, self._request, self._principal):
            return False
        run = (await run_in_threadpool(self._services.store.load, [self._id])).get(self._id)
        return run is not None and applies(RULES["follow_run"], self._principal, run)


class _Choice:
    """What of all news somebody is told."""

    def __init__(self, principal: Principal, query: LiveQuery) -> None:
        self._principal = principal
        self._query = query
        self._requested_by = principal.subject if query.requested_by == "me" else query.requested_by
        self._waiting_for = frozenset({query.waiting_for} if query.waiting_for else ())
        if query.waiting_for == "me":
            self._waiting_for = principal.keys
        self._shown: dict[str, None] = {}
        self._about_runs = bool(query.status or query.requested_by or query.waiting_for)
        self.asks_more = bool(self._about_runs or query.workflow or _READERS.all.isdisjoint(principal.roles))

    def __call__(self, news: News) -> Event | None:
        """What he is told of a change."""
        if news.tenant != self._principal.tenant:
            return None
        if news.run is None:
            is_asked_for = self._query.workflow in {None, news.workflow} and not self._about_runs
            return news.event if is_asked_for else None
        if not self.asks_more:
            return news.event
        if self._fits(news):
            self._shown[news.run] = None
            if len(self._shown) > _SHOWN:
                del self._shown[next(iter(self._shown))]
            return news.event
        if news.run in self._shown:
            del self._shown[news.run]
            return Event("gone", orjson.dumps({"run": news.run}), news.position)
        return None

    def _fits(self, news: News) -> bool:
        if news.standing is None:  # it can't be read
            return False
        run, query = news.standing.run, self._query
        return (
            query.workflow in {None, run.workflow}
            and self._requested_by in {None, run.requested_by}
            and (not query.status or run.status in query.status)
            and (not self._waiting_for or not self._waiting_for.isdisjoint(news.standing.waiting))
            and applies(_READERS, self._principal, run)
        )
