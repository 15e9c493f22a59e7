"""The check-up of an installation: blocks, store, broker, engines, relay, every run that isn't done, and the API.

Each check gives findings; one that is `wrong` comes with what to do about it. Nothing is changed.
"""

import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final
from urllib.parse import quote, unquote, urlsplit

from blocks.catalogue import Catalogue, CatalogueError
from dataflows.lease import kind_of
from dataflows.settings import SettingsError, settings_of_blocks
from engine.invariants import stuck
from engine.run import WorkflowRun
from engine.statuses import FINAL_RUN, FINAL_TASK, RunStatus
from icefloe.checkup_api import check_api
from icefloe.checkup_kafka import check_kafka, check_relay
from icefloe.cli.wording import count, span
from icefloe.findings import Finding, unread
from icefloe.settings import Settings, strangers
from store.mongo.facts import look
from store.open import open_store
from store.protocol import RunQuery, Store, StoreError
from store.sqlite.file import reserve_of

LIVE: Final = frozenset(RunStatus) - FINAL_RUN
_PAGE: Final = 1000
_LOADED_AT_ONCE: Final = 100
_MOST_TOLD: Final = 10


def check_up(settings: Settings) -> Iterator[Finding]:
    """All checks of what the settings name."""
    catalogue, findings = check_blocks()
    yield from findings
    on_kafka = settings.events != "store"
    if on_kafka:
        yield from check_kafka(settings)
    try:
        store = open_store(settings.store, create=False)
    except StoreError as error:
        yield Finding("store", "wrong", str(error))
        return
    with closing(store):
        try:
            yield from check_server(settings.store)
            yield Finding("store", "fine", f"{_fed(store)}; incarnation {store.incarnation}")
            if on_kafka:
                yield from check_relay(store)
            engines = list(check_engines(store, catalogue, feed=not on_kafka))
            yield from engines
            yield from check_runs(store, catalogue, alive=bool(engines))
            yield from check_api(settings, store)
        except StoreError as error:
            yield Finding("store", "wrong", str(error))


def _fed(store: Store) -> str:
    position = store.position()
    return f"its changes are at {position}" if position else "nothing has changed in it yet"


def check_blocks() -> tuple[Catalogue | None, list[Finding]]:
    """Whether the installed blocks can be used, with the settings that they are given; None if some are broken."""
    try:
        catalogue = Catalogue.load()
    except CatalogueError as error:
        advice = "repair or remove the package that it names; no engine starts before that"
        return None, [Finding("blocks", "wrong", fault, advice) for fault in error.faults]
    try:
        settings_of_blocks(catalogue.values())
    except SettingsError as error:
        return catalogue, [Finding("blocks", "wrong", str(error), "correct the setting; no engine starts before that")]
    findings = [Finding("blocks", "fine", f"{len(catalogue)} block types: {', '.join(catalogue)}")]
    for name, nearest in strangers(catalogue.values()).items():
        hint = f" (did you mean {nearest}?)" if nearest is not None else ""
        findings.append(Finding("settings", "doubtful", f"{name} is no setting{hint}", "docs/settings.md lists them"))
    return catalogue, findings


def check_server(url: str) -> Iterator[Finding]:
    """What is under the store: a file, or a server."""
    if url.startswith("sqlite:"):
        yield from check_file(Path(unquote(urlsplit(url).path.removeprefix("/"))))
        return
    facts = look(url)
    where = f"replica set {facts.replica_set} of {count(facts.members, 'member')}" if facts.replica_set else "sharded"
    memory = "" if facts.oplog_hours is None else f"; its oplog reaches back {span(facts.oplog_hours * 3600)}"
    yield Finding("mongodb", "fine", f"MongoDB {facts.version}, {where}; a majority of it takes writes{memory}")


def check_file(path: Path) -> Iterator[Finding]:
    """Whether the file of an embedded store is sound, and its disk has room."""
    try:
        with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)) as connection:
            rows = connection.execute(f"PRAGMA quick_check({_MOST_TOLD})").fetchall()
            (version,) = connection.execute("PRAGMA user_version").fetchone()
    except sqlite3.Error as error:
        rows, version = [(str(error),)], 0
    faults = [line for (told,) in rows for line in told.splitlines() if line != "ok" and not line.startswith("***")]
    for fault in faults[:_MOST_TOLD]:
        yield Finding("file", "wrong", f"{path} is damaged: {fault}", "stop the engines and restore a backup")
    if not faults:
        size = path.stat().st_size / 1e6
        yield Finding(
            "file", "fine", f"{path} passes SQLite's quick check: {size:,.1f} MB, version {version} of the tables"
        )
    if not reserve_of(path).exists():  # whoever opens a store takes it, if there is room
        sentence = f"the disk of {path} is full: even what is kept in reserve for the last writes was needed"
        yield Finding("disk", "wrong", sentence, "free some space; engines go on by themselves")


def check_engines(store: Store, catalogue: Catalogue | None, *, feed: bool) -> Iterator[Finding]:
    """Which engines are alive; nothing if none is. `feed`: they read the store's own feed."""
    now = store.now()
    for owner in store.owners():
        if owner.alive_until <= now:
            continue
        sentence = f"{owner.id} is alive, with {owner.alive_until - now:.0f} s left of its lease"
        behind = unread(store, owner.position, excluding=owner.id) if feed else ""
        if behind:
            sentence += f"; a moment ago it had {behind} of others to read"
        if catalogue is None or owner.id.startswith(kind_of(catalogue)):
            yield Finding("engines", "fine", sentence)
        else:
            sentence += ", and has other block types installed than this command"
            yield Finding("engines", "doubtful", sentence, "restart it, so that it has what is installed now")


def check_runs(store: Store, catalogue: Catalogue | None, *, alive: bool) -> Iterator[Finding]:
    """Every run that isn't done: is it stuck, and is the block type of each of its tasks installed (if that is known)?

    `alive` says whether an engine is: without one, runs are overdue for no other reason.
    """
    live, working, uninstalled = 0, 0, Counter[str]()
    problems: list[Finding] = []
    for run_id, run in _live_runs(store):
        live += 1
        if run is None:
            problems.append(Finding("runs", "wrong", "its document can't be read", "restore a backup", run_id))
            continue
        working += bool(run.ready or run.running) and not run.paused
        if catalogue is not None:
            uninstalled.update(
                {run.plan.tasks[name].spec.type for name, task in run.tasks.items() if task.status not in FINAL_TASK}
                - catalogue.keys()
            )
        fault = stuck(run, store.now() if alive else None)
        if fault is not None:
            advice = "report this as a bug, with `icefloe show RUN --json`; until then cancel and retry the run"
            problems.append(Finding("runs", "wrong", fault, advice, run_id))
    for type_, runs in sorted(uninstalled.items()):
        sentence = (
            f"{count(runs, 'run')} still {'needs' if runs == 1 else 'need'} block type {type_}, which is not installed"
        )
        yield Finding("runs", "wrong", sentence, "install the package that has it where the engines run")
    if working and not alive:
        sentence = f"{count(working, 'run')} could go on, but no engine is running"
        yield Finding("engines", "wrong", sentence, "start one: icefloe engine")
    elif not alive:
        yield Finding(
            "engines", "doubtful", "no engine is running", "start one when there is something to do: icefloe engine"
        )
    yield from problems[:_MOST_TOLD]
    if len(problems) > _MOST_TOLD:
        yield Finding("runs", "wrong", f"and so are {len(problems) - _MOST_TOLD:,} more")
    if not problems:
        yield Finding("runs", "fine", f"{count(live, 'run')} not done yet, none of them stuck")


def _live_runs(store: Store) -> Iterator[tuple[str, WorkflowRun | None]]:
    """Every run that isn't done, of all tenants; None for one that can't be read."""
    cursor = None
    while True:
        page = store.find(RunQuery(tenant=None, statuses=LIVE, limit=_PAGE, cursor=cursor))
        for start in range(0, len(page.runs), _LOADED_AT_ONCE):
            ids = [one.id for one in page.runs[start : start + _LOADED_AT_ONCE]]
            loaded = store.load(ids)
            yield from ((id_, loaded.get(id_)) for id_ in ids)
        cursor = page.cursor
        if cursor is None:
            return
