"""Commands about runs: start one with `run`, list them with `runs`, look at one with `show`."""

from collections.abc import Callable
from typing import Annotated, Any

import typer
from rich.text import Text

from blocks.catalogue import Catalogue, CatalogueError
from engine.durations import parse_duration
from engine.explain import explain
from engine.reading import meanings
from engine.run import WorkflowRun, present
from engine.statuses import RunStatus
from icefloe.cli.app import ByOption, RunArgument, Session, TenantOption, acting, command
from icefloe.cli.drawing import STYLES, draw_run
from icefloe.cli.failures import CommandError, UsageError
from icefloe.cli.following import NO_ENGINE, follow, hindrance, is_engine_alive
from icefloe.cli.given import find_run, read_pairs, read_payload, read_since
from icefloe.cli.tables import Column
from icefloe.cli.terminal import Terminal
from icefloe.cli.wording import age, printable, span
from store.identifiers import new_id
from store.protocol import NewRun, RunQuery, RunSummary, Store

PANEL = "Runs"
_WIDE = 140  # columns that have room for whole ids
_SHORT_ID = 8
_COLUMNS = (
    Column("RUN"),
    Column("WORKFLOW", elastic=True),
    Column("STATUS"),
    Column("BY", elastic=True),
    Column("AGE", right=True),
    Column("TOOK", right=True),
    Column("ERROR", elastic=True),
)


@command(PANEL)
def run(  # noqa: PLR0913 - a command's options
    session: Session,
    workflow: Annotated[str, typer.Argument(metavar="WORKFLOW", help="The name of a saved workflow")],
    *,
    inputs: Annotated[str, typer.Option(metavar="JSON|@FILE", help="What the workflow takes, as JSON")] = "{}",
    id_: Annotated[
        str | None,
        typer.Option("--id", metavar="ID", help="Name the run: the same request under one id starts it once"),
    ] = None,
    version: Annotated[int | None, typer.Option(min=1, help="Of the workflow; default: the latest")] = None,
    by: ByOption = None,
    label: Annotated[list[str] | None, typer.Option(metavar="KEY=VALUE", help="Label the run; may be repeated")] = None,
    tenant: TenantOption = "default",
    wait: Annotated[
        bool, typer.Option("--wait", help="Show its progress until it has ended; 1 if it doesn't succeed")
    ] = False,
    timeout: Annotated[str | None, typer.Option(metavar="DURATION", help="Stop waiting after that: 30s, 5m")] = None,
) -> None:
    """Start a run of a workflow."""
    _check_timeout(timeout, wait=wait)
    given = read_payload(inputs, "--inputs")
    if not isinstance(given, dict):
        raise UsageError(f"--inputs: a run's inputs are a JSON object, not {_kind(given)}")
    request = NewRun(
        id=new_id() if id_ is None else id_,
        workflow=workflow,
        inputs=given,
        version=version,
        requested_by=acting(by),
        labels=read_pairs(label or (), "--label"),
        tenant=tenant,
    )
    with session.store() as store:
        creation = store.create([request])[0]
        if creation.run is None:
            raise CommandError("REFUSED", "the run can't be started", faults=creation.faults)
        _tell_started(session.terminal, creation.run, is_new=creation.outcome == "created")
        if wait:
            _wait(session.terminal, store, creation.run, _installed_types(), timeout)
            return
        session.terminal.give(
            {
                "id": creation.id,
                "workflow": creation.run.workflow,
                "version": creation.run.plan.workflow.version,
                "status": creation.run.status,
                "new": creation.outcome == "created",
            }
        )
        if not is_engine_alive(store):
            session.terminal.remark(NO_ENGINE)


@command(PANEL)
def runs(  # noqa: PLR0913 - a command's options
    session: Session,
    *,
    workflow: Annotated[str | None, typer.Option(metavar="NAME", help="Only runs of this workflow")] = None,
    status: Annotated[
        list[RunStatus] | None, typer.Option(help="Only runs that stand so; may be repeated", case_sensitive=False)
    ] = None,
    by: Annotated[str | None, typer.Option(metavar="NAME", help="Only runs that this person asked for")] = None,
    input_: Annotated[
        list[str] | None,
        typer.Option(
            "--input",
            metavar="KEY=VALUE",
            help="Only runs with this input, such as nr=1 (number or text) or nr='\"1\"' (only text); may be repeated",
        ),
    ] = None,
    label: Annotated[
        list[str] | None, typer.Option(metavar="KEY=VALUE", help="Only runs with this label; may be repeated")
    ] = None,
    since: Annotated[
        str | None, typer.Option(metavar="WHEN", help="Only runs since then: 2h, 7d, a day, a moment")
    ] = None,
    tenant: TenantOption = "default",
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many at most")] = 50,
    cursor: Annotated[
        str | None, typer.Option(metavar="CURSOR", help="Go on behind the page that ended with this")
    ] = None,
) -> None:
    """List runs, the newest first."""
    with session.store() as store:
        now = store.now()
        query = RunQuery(
            tenant=tenant,
            workflow=workflow,
            statuses=frozenset(status or ()),
            requested_by=by,
            inputs_any={key: meanings(value) for key, value in read_pairs(input_ or (), "--input").items()},
            labels=read_pairs(label or (), "--label"),
            created_after=None if since is None else read_since(since, now),
            limit=limit,
            cursor=cursor,
        )
        try:
            page = store.find(query)
        except ValueError as error:
            raise UsageError(f"--cursor: {error}") from error
    for one in page.runs:
        session.terminal.give(_listed(one))
    if page.cursor is not None:
        session.terminal.give({"cursor": page.cursor})
    if not page.runs:
        session.terminal.show("there are no such runs")
        return
    shorter = _shortening(session.terminal, [one.id for one in page.runs])
    session.terminal.table(_COLUMNS, [_row(one, shorter(one.id), now) for one in page.runs])
    if page.cursor is not None:
        session.terminal.complain(Text(f"there are more: --cursor {page.cursor}", style="yellow"))


@command(PANEL)
def show(
    session: Session,
    name: RunArgument,
    *,
    watch: Annotated[
        bool, typer.Option("--watch", "-w", help="Keep showing it until it has ended; 1 if it doesn't succeed")
    ] = False,
) -> None:
    """Show a run: its tasks, and what they wait for."""
    types = _installed_types()
    with session.store() as store:
        found = find_run(store, name)
        if watch:
            _wait(session.terminal, store, found, types)
            return
        session.terminal.show(*draw_run(session.terminal.out, found, store.now(), types, store.journal(found.id)))
        session.terminal.give(_document(store, found, types))
        hindered = hindrance(store, found, types) if found.ready and not found.paused else None
        if hindered is not None:
            session.terminal.remark(hindered)


def _wait(
    terminal: Terminal, store: Store, run: WorkflowRun, types: Catalogue | None, timeout: str | None = None
) -> None:
    """Show how a run goes on until it has ended, and how.

    Raises:
        CommandError: it doesn't succeed, or not in time.
    """
    try:
        ended = follow(terminal, store, run, types, None if timeout is None else parse_duration(timeout))
    except KeyboardInterrupt:
        terminal.remark(f"no longer waiting; the run goes on: icefloe show {run.id} --watch")
        raise
    terminal.give(_document(store, ended, types))
    if not ended.is_final:
        raise CommandError("STILL_RUNNING", f"run {ended.id} is still {ended.status} after {timeout}; it goes on")
    if ended.status is not RunStatus.SUCCESS:
        reason = f": {ended.error.message}" if ended.error is not None else ""
        raise CommandError(f"RUN_{ended.status}", f"run {ended.id} ended {ended.status}{reason}")
    terminal.show(Text.assemble("ended ", (ended.status, STYLES[ended.status]), f" after {_took(ended)}"))


def _installed_types() -> Catalogue | None:
    """The block types that there are; a package that is broken mustn't keep anybody from looking at runs."""
    try:
        return Catalogue.load()
    except CatalogueError:
        return None


def _tell_started(terminal: Terminal, run: WorkflowRun, *, is_new: bool) -> None:
    what = f" of {run.workflow} version {run.plan.workflow.version}"
    tail = " is started" if is_new else " was started before by the same request; nothing was started twice"
    terminal.show(Text.assemble("run ", (printable(run.id), "bold"), what, tail))


def _document(store: Store, run: WorkflowRun, types: Catalogue | None) -> dict[str, Any]:
    """A run as programs see it: its document, with what it waits for."""
    journal = store.journal(run.id)
    waiting = [one.document() for one in explain(run, store.now(), types, journal)]
    return {**present(run, journal), "explanations": waiting}


def _shortening(terminal: Terminal, ids: list[str]) -> Callable[[str], str]:
    """How to show ids: as they are, or where there is no room for that, as much of them as tells them apart."""
    if terminal.out.width >= _WIDE:
        return str
    length = _SHORT_ID
    while len({one[:length] for one in ids}) < len(ids):
        length += 1
    return lambda one: one[:length]


def _listed(one: RunSummary) -> dict[str, Any]:
    """A run of the list in the shape that the whole document and the API have."""
    told = one._asdict()
    version = told.pop("version")
    error = None if one.error is None else one.error._asdict()
    return {**told, "workflow": {"name": one.workflow, "version": version}, "error": error}


def _row(one: RunSummary, shown: str, now: float) -> tuple[Text | str, ...]:
    took = "" if one.finished_at is None else span(one.finished_at - one.created_at)
    return (
        Text(printable(shown), style="bold"),
        f"{one.workflow}@{one.version}",
        Text(one.status, style=STYLES[one.status]),
        one.requested_by or "",
        age(one.created_at, now),
        took,
        one.error.code if one.error is not None else "",
    )


def _took(run: WorkflowRun) -> str:
    return span((run.finished_at or run.updated_at) - run.created_at)


def _check_timeout(timeout: str | None, *, wait: bool) -> None:
    if timeout is None:
        return
    if not wait:
        raise UsageError("--timeout is how long to wait, so it needs --wait")
    try:
        parse_duration(timeout)
    except ValueError as error:
        raise UsageError(f"--timeout: {error}") from error


def _kind(value: Any) -> str:
    return {list: "a list", str: "a string", type(None): "null", bool: "true or false"}.get(type(value), "a number")
