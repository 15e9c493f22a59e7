"""Commands about dead letters, the messages that could not be accepted: `dlq list` and `dlq replay`."""

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Annotated, Any

import typer

from dataflows.kafka.connection import Kafka
from dataflows.kafka.consuming import Message
from dataflows.kafka.dead_letters import DeadLetters
from dataflows.kafka.publishing import Publisher, Record
from dataflows.triggers.letters import replay_of, told
from engine.faults import Fault
from icefloe.cli.app import Session, app, command
from icefloe.cli.failures import CommandError, UsageError
from icefloe.cli.tables import Column
from icefloe.cli.wording import count, shortened

PANEL = "Dead letters"
_AT_ONCE = 20  # messages that are sent together; each may have a megabyte
_BODY_CHARS = 200
_PLACE = re.compile(r"(\d{1,9}):(\d{1,18})")
_COLUMNS = (
    Column("LETTER"),
    Column("AT"),
    Column("ORIGIN"),
    Column("REASON"),
    Column("REPLAYED"),
    Column("WHY", elastic=True),
    Column("MESSAGE", elastic=True),
)

dlq = typer.Typer(help="Look at the messages that could not be accepted, and send them again.", no_args_is_help=True)
app.add_typer(dlq, name="dlq", rich_help_panel="Engine")


@command(PANEL, "list", dlq)
def list_(
    session: Session, *, limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many at most")] = 50
) -> None:
    """List dead letters, the newest first."""
    with _dead_letters(session) as (_, dead):
        replayed = dead.replayed()
        found = [_document(one, replayed=replayed[one.partition].has(one.offset)) for one in dead.newest(limit)]
    for one in found:
        session.terminal.give(one)
    if found:
        session.terminal.table(_COLUMNS, map(_row, found))
    else:
        session.terminal.show("there are no dead letters")


@command(PANEL, "replay", dlq)
def replay(
    session: Session,
    letters: Annotated[
        list[str] | None, typer.Argument(metavar="[PARTITION:OFFSET]…", help="Which, as `dlq list` names them")
    ] = None,
    *,
    all_: Annotated[bool, typer.Option("--all", help="All that were not replayed yet")] = False,
) -> None:
    """Send the messages of dead letters to their topics again.

    Each keeps its id: what it has started before is not started twice.
    """
    if bool(letters) == all_:
        raise UsageError("which letters? name them as PARTITION:OFFSET, or say --all")
    places = [_place(letter) for letter in letters or ()]
    with _dead_letters(session) as (kafka, dead):
        publisher = Publisher(kafka)
        try:
            sent, faults = _replay(kafka, publisher, dead, _unreplayed(dead) if all_ else _named(dead, places))
        finally:
            publisher.close()
    session.terminal.give({"replayed": sent})
    session.terminal.show(f"{count(sent, 'message')} sent again")
    if faults:
        raise CommandError("NOT_REPLAYED", f"{count(len(faults), 'letter')} can't be replayed", faults=tuple(faults))


@contextmanager
def _dead_letters(session: Session) -> Iterator[tuple[Kafka, DeadLetters]]:
    if session.settings.events == "store":
        raise CommandError("NO_KAFKA", "dead letters are kept in Kafka: set ICEFLOE_EVENTS to kafka://host:9092")
    kafka = Kafka(session.settings)
    dead = DeadLetters(kafka)
    try:
        yield kafka, dead
    finally:
        dead.close()


def _place(letter: str) -> tuple[int, int]:
    found = _PLACE.fullmatch(letter)
    if found is None:
        raise UsageError(f"{letter!r} names no dead letter: give it as PARTITION:OFFSET, such as 0:17")
    return int(found[1]), int(found[2])


def _named(dead: DeadLetters, places: Iterable[tuple[int, int]]) -> Iterator[Message]:
    for partition, offset in dict.fromkeys(places):
        found = dead.at(partition, offset)
        if found is None:
            raise CommandError("UNKNOWN_LETTER", f"there is no dead letter {partition}:{offset}, or it is deleted")
        yield found


def _unreplayed(dead: DeadLetters) -> Iterator[Message]:
    replayed = dead.replayed()
    return (letter for letter in dead.all() if not replayed[letter.partition].has(letter.offset))


def _replay(
    kafka: Kafka, publisher: Publisher, dead: DeadLetters, letters: Iterator[Message]
) -> tuple[int, list[Fault]]:
    """Send the messages of letters again, and remember that; how many, and why the others are not."""
    replayed = dead.replayed()
    sent, faults = 0, list[Fault]()
    while batch := list(islice(letters, _AT_ONCE)):
        records = list[Record]()
        done: dict[int, list[int]] = {}
        for letter in batch:
            try:
                records.append(replay_of(letter, kafka.triggers))
            except ValueError as error:
                faults.append(Fault(f"{letter.partition}:{letter.offset}", str(error)))
            else:
                done.setdefault(letter.partition, []).append(letter.offset)
        publisher.send(records)
        sent += len(records)
        for partition, offsets in done.items():
            replayed[partition] = replayed[partition].and_also(offsets)
        dead.remember({partition: replayed[partition] for partition in done})
    return sent, faults


def _document(letter: Message, *, replayed: bool) -> dict[str, Any]:
    said = told(letter)
    origin = "/".join(map(str, said.origin)) if said.origin is not None else None
    return {
        "letter": f"{letter.partition}:{letter.offset}",
        "at": said.at,
        "origin": origin,
        "reason": said.reason,
        "error": said.error,
        "replayed": replayed,
        "bytes": len(letter.value or b""),
        "body": (letter.value or b"")[: 4 * _BODY_CHARS].decode(errors="replace")[:_BODY_CHARS],
    }


def _row(letter: dict[str, Any]) -> tuple[str, ...]:
    replayed = "yes" if letter["replayed"] else ""
    fields = ("letter", "at", "origin", "reason")
    return *(str(letter[field] or "") for field in fields), replayed, shortened(letter["error"]), letter["body"]
