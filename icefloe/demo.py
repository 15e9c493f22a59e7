"""`icefloe demo`: the workflows of the examples, more than a thousand runs, and a real engine that is killed half-way.

triggers ─► store ◄─► engine (killed, and started again) ─► outbox, service desk
             │  ▲                                              │
     changes ▼  │ decisions                                    ▼
            people             store, outbox and desk ─► is all as the script has it?
"""

import shlex
import shutil
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from tempfile import mkdtemp
from time import monotonic, sleep
from typing import Final, Self
from urllib.parse import quote

from rich.progress import BarColumn, Progress, TextColumn
from rich.text import Text

from blocks.catalogue import Catalogue
from dataflows.settings import place_of
from engine.explain import explain
from engine.faults import Fault, Invalid
from engine.statuses import FINAL_RUN, RunStatus
from icefloe.cli.app import Session
from icefloe.cli.failures import CommandError
from icefloe.cli.terminal import Terminal
from icefloe.cli.wording import count, span
from icefloe.demo_engine import Engine, EngineError, environment
from icefloe.demo_people import People, Trigger, read_script
from icefloe.demo_report import Crash, document, examine, tables
from icefloe.demo_server import DemoServer
from icefloe.examples import EXAMPLES, save_workflows, see_to
from store.open import open_store
from store.protocol import NewRun, Position, RunQuery, Store

SECONDS: Final = 300.0
LEASE: Final = 30.0
LEASE_ELSEWHERE: Final = 5.0  # where nobody sees at once that the engine is dead
_TRIGGERS_PER_SECOND: Final = 250
_TRIGGERS_AT_ONCE: Final = 20
_TICK_SECONDS: Final = 0.01
_LIVE_SECONDS: Final = 0.1  # between two looks of who watches a bar
_PLAIN_SECONDS: Final = 2.0  # between two lines where nobody does
_SHOWN: Final = 10
_MOST_READ_AGAIN: Final = 100_000


def demo(  # noqa: PLR0913 - the options of the command
    session: Session,
    *,
    directory: Path | None = None,
    examples: Path | None = None,
    triggers: Path | None = None,
    limit: int | None = None,
    keep: bool = False,
    seconds: float = SECONDS,
    on: str | None = None,
    events: str = "store",
) -> None:
    """Run the demo in a new directory (or in one that is empty), and show what came of it.

    It plays on an SQLite store there, or `on` another one that has no runs yet.

    Raises:
        CommandError: it can't begin, it didn't end in `seconds`, or not everything is as it must be.
        Invalid: a workflow or a trigger can't be used.
    """
    terminal, examples = session.terminal, examples or EXAMPLES
    triggers = triggers or examples / "triggers.jsonl"
    for needed in (examples / "workflows", triggers):
        see_to(needed)
    with _place(directory, keep=keep) as place, DemoServer() as desk:
        script, outbox = read_script(triggers, desk.url, limit), place / "outbox"
        url = f"sqlite:///{quote(str(place / 'icefloe.db'))}" if on is None else on
        settings = {
            "store": url,
            "events": events,
            "lease": str(LEASE if on is None else LEASE_ELSEWHERE),
            "outbox": str(outbox),
            "http_allow_private": "true",
            "log_level": "info",
        }
        with ExitStack() as stack:
            store = stack.enter_context(closing(open_store(url)))
            if store.find(RunQuery(tenant=None, limit=1)).runs:
                raise CommandError("NOT_EMPTY", f"{place_of(url)} has runs already, and the demo begins without any")
            relay = None
            if events != "store":
                own = session.settings.topic_prefix if "topic_prefix" in session.settings.model_fields_set else None
                settings["topic_prefix"] = own or f"icefloe-demo-{token_hex(4)}"
                _make_topics(settings)
                relay = stack.enter_context(Engine(place / "relay.log", settings, "relay"))
            engine = stack.enter_context(Engine(place / "engine.log", settings))
            saved = save_workflows(store, Catalogue.load(), examples / "workflows", "demo")
            terminal.show(
                Text(f"{count(len(script), 'run')} of {count(saved, 'workflow')}, and one engine", "bold"),
                "The engine is killed half-way. Scripted people decide, the service desk that",
                "tasks call misbehaves, mails go to an outbox. What comes of every run, result",
                f"and effect is then held against the script. All of it is in {place}",
                "",
            )
            with _Display(terminal, len(script), outbox) as display:
                people = People(store, script)
                crash = _Performance(store, engine, people, script, display, seconds, relay).perform()
        with closing(open_store(url, create=False)) as store:  # a fresh look at what is in the file
            report = examine(store, script, desk.ledger, outbox)
        report.problems += people.unexpected
        terminal.give(document(report, crash, people))
        for table in tables(report, crash, people):
            terminal.show("", table)
        terminal.show("")
        for problem in report.problems[:_SHOWN]:
            terminal.remark(problem)
        if report.problems:
            sentence = f"{count(len(report.problems), 'thing')} didn't come out as the script has it; see {place}"
            raise CommandError("DEMO_FAILED", sentence)
        terminal.show(Text("Every run ended as it had to, with every result and effect there, once.", "bold green"))
        if keep or directory is not None:
            terminal.show("Look into it:", *(f"  {line}" for line in _next(place_of(url))))
        else:
            terminal.show("Next: `icefloe demo --keep`, to look into the runs; or a workflow of your own.")


def _next(store: str) -> Iterator[str]:
    """Commands that show what is in the store, as whoever typed this one can type them."""
    program, on = Path(sys.argv[0]), f"--store {shlex.quote(store)}"
    if program.name == "__main__.py":
        icefloe = f"{shlex.quote(sys.executable)} -m icefloe"
    else:
        icefloe = program.name if shutil.which(program.name) == str(program.absolute()) else shlex.quote(str(program))
    yield f"{icefloe} runs {on}"
    yield f"{icefloe} show demo-0002 {on}"
    yield f"{icefloe} dev {on}    # then open http://127.0.0.1:8080/docs, or ask http://127.0.0.1:8080/v1/runs"


def _make_topics(settings: Mapping[str, str]) -> None:
    """Make topics for this demo alone, by the command that makes those of everybody.

    Raises:
        CommandError: it says why it can't.
    """
    made = subprocess.run(
        [sys.executable, "-m", "icefloe", "topics"],
        env=environment(settings), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if made.returncode != 0:
        raise CommandError("TOPICS", made.stderr.strip().removeprefix("error: "))


@contextmanager
def _place(directory: Path | None, *, keep: bool) -> Iterator[Path]:
    """An empty directory. One of our own doesn't stay, unless it is to be kept or shows what went wrong."""
    if directory is not None:
        directory.mkdir(parents=True, exist_ok=True)
        if any(directory.iterdir()):
            raise CommandError("NOT_EMPTY", f"{directory} isn't empty, and the demo begins with an empty store")
        yield directory.resolve()
        return
    place = Path(mkdtemp(prefix="icefloe-demo-"))
    try:
        yield place
    except CommandError:
        keep = True
        raise
    finally:
        if not keep:
            shutil.rmtree(place)


@dataclass(slots=True)
class _Performance:
    """The demo itself: in one thread, so that it takes no more from the engine than it must."""

    store: Store
    engine: Engine
    people: People
    script: Sequence[Trigger]
    display: "_Display"
    seconds: float
    relay: Engine | None = None
    submitted: int = 0
    began: float | None = None

    def perform(self) -> Crash:
        """From the first trigger to the end of the last run, with a crash in the middle.

        Raises:
            CommandError: it takes too long, or the engine ended by itself.
            Invalid: a trigger was refused.
        """
        engine, people, say = self.engine, self.people, self.display.say
        try:
            if self.relay is not None:
                self.relay.start()
            engine.start()
            self._until(self._ready)
            say(f"engine {engine.pid} is ready", "green")
            self.began = monotonic()
            self._until(lambda: 2 * people.ended >= len(self.script))
            ended, killed, killed_at = people.ended, engine.pid, monotonic()
            engine.kill()
            newest = self.store.position()
            engine.start()
            say(f"engine {killed} was killed with SIGKILL when {count(ended, 'run')} had ended", "red")
            self._until(self._ready)
            crash = Crash(ended, monotonic() - killed_at, self._read_again(newest))
            read = "" if crash.behind is None else f", with {count(crash.behind, 'change')} to read again"
            say(f"engine {engine.pid} is ready {span(crash.seconds)} later{read}", "green")
            self._until(lambda: people.ended == len(self.script))
            engine.stop()
            if self.relay is not None:
                self.relay.stop()
        except EngineError as error:
            for line in error.engine.last_words():
                self.display.terminal.remark(line)
            raise CommandError("ENGINE", f"{error}; its log is {error.engine.log}") from None
        return crash

    def _ready(self) -> bool:
        """Whether the engine is ready, and what it needs beside it.

        Raises:
            EngineError: one of them ended by itself, or takes too long.
        """
        return (self.relay is None or self.relay.ready()) and self.engine.ready()

    def _read_again(self, newest: Position) -> int | None:
        """How many of the changes up to a position the engine reads again; None if it reads them from Kafka."""
        position = (self.engine.started or {}).get("position")
        if position is None or self.relay is not None:
            return None
        page = self.store.changes(position, limit=_MOST_READ_AGAIN)
        return sum(change.position <= newest for change in page.changes)

    def _until(self, done: Callable[[], bool]) -> None:
        """Let triggers come in and people decide until something has come about."""
        while not done():
            self._submit()
            more = self.people.act()
            self._ready()
            self.display.update(self.people)
            if self.began is not None and monotonic() > self.began + self.seconds:
                raise self._late()
            if not more:
                sleep(_TICK_SECONDS)

    def _submit(self) -> None:
        """Start the runs whose triggers have come in by now, or some of them."""
        if self.began is None:
            return
        due = int((monotonic() - self.began) * _TRIGGERS_PER_SECOND) - self.submitted
        come = self.script[self.submitted :][: max(0, min(due, _TRIGGERS_AT_ONCE))]
        requests = [NewRun(one.id, one.workflow, one.inputs, requested_by=one.requested_by) for one in come]
        for one in self.store.create(requests) if requests else ():
            if one.outcome != "created":
                raise Invalid(*(Fault(f"{one.id}: {fault.path}", fault.message) for fault in one.faults))
        self.submitted += len(requests)

    def _late(self) -> CommandError:
        """Tell which runs are stuck, and what they wait for."""
        stuck = self.store.find(RunQuery(statuses=frozenset(RunStatus) - FINAL_RUN, limit=_SHOWN)).runs
        types = Catalogue.load()
        for run in self.store.load(one.id for one in stuck).values():
            for one in explain(run, self.store.now(), types):
                if one.kind != "tasks":
                    self.display.terminal.remark(f"{run.id}: {one.task or 'the run'} {one.sentence}")
        missing = count(len(self.script) - self.people.ended, "run")
        sentence = f"time is up, and {missing} of {len(self.script):,} haven't ended; see {self.engine.log.parent}"
        return CommandError("DEMO_LATE", sentence)


class _Display:
    """How far it is: a bar where a person watches, else a line now and then; nothing with `--json`."""

    def __init__(self, terminal: Terminal, total: int, outbox: Path) -> None:
        self.terminal = terminal
        self._total = total
        self._outbox = outbox
        self._began = self._last = monotonic()
        columns = (BarColumn(bar_width=12), TextColumn("{task.description}"))
        self._bar = Progress(*columns, console=terminal.out, transient=True) if terminal.live else None
        self._pace = _PLAIN_SECONDS if self._bar is None else _LIVE_SECONDS
        self._seen = deque([(self._began, 0)], maxlen=round(_PLAIN_SECONDS / self._pace) + 1)

    def __enter__(self) -> Self:
        if self._bar is not None:
            self._bar.start()
            self._bar.add_task("", total=self._total)
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def say(self, sentence: str, style: str = "") -> None:
        """Say something that stays."""
        self.terminal.show(Text(f"{monotonic() - self._began:5.1f} s  {sentence}", style))

    def update(self, people: People) -> None:
        """Show how far it is, if it is time for that."""
        now = monotonic()
        if self.terminal.json or now - self._last < self._pace:
            return
        self._last = now
        self._seen.append((now, people.called))
        (since, before), mails = self._seen[0], sum(1 for _ in self._outbox.glob("*.eml"))
        state = (
            f"{people.ended:,}/{self._total:,} runs, {(people.called - before) / (now - since):,.0f} tasks/s, "
            f"{len(people.asked):,} wait for people, {mails:,} mails"
        )
        if self._bar is None:
            self.say(state)
        else:
            self._bar.update(self._bar.task_ids[0], completed=people.ended, description=state)
