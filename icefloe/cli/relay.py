"""Commands about Kafka: `relay` publishes the changes of the store there, `topics` makes the topics."""

from typing import Annotated

import typer
from rich.text import Text

from icefloe import logs
from icefloe.cli.app import Session, command
from icefloe.cli.failures import CommandError
from icefloe.cli.wording import count

PANEL = "Engine"


@command(PANEL)
def relay(session: Session) -> None:
    """Publish every change of the store on Kafka, where engines hear of it.

    It ends on SIGTERM or Ctrl-C, once what is under way has been acknowledged.
    """
    from dataflows.process import run  # noqa: PLC0415 - Bytewax takes its time, and no other command needs it
    from dataflows.relay import open_relay, relaying  # noqa: PLC0415

    logs.configure(session.settings.log_level)
    opened = open_relay(session.settings, session.tell)
    store, events = session.settings.place, session.settings.events
    session.terminal.give({"ready": True, "store": store, "events": events})
    session.terminal.show(Text.assemble("relay from ", (store, "bold"), " to ", (events, "bold"), "; Ctrl-C ends it"))
    try:
        run(relaying(opened))
    finally:
        opened.end()


@command(PANEL)
def topics(
    session: Session,
    *,
    check: Annotated[bool, typer.Option("--check", help="Make none, and end with 1 if one is missing")] = False,
) -> None:
    """Make the Kafka topics that are missing, and say what is there."""
    from dataflows.kafka.connection import Kafka  # noqa: PLC0415 - see above
    from dataflows.kafka.topics import survey  # noqa: PLC0415

    found = survey(Kafka(session.settings), make=not check)
    session.terminal.give({"topics": [topic._asdict() for topic in found]})
    for topic in found:
        session.terminal.show(f"{topic.name}: {topic.state}, {count(topic.partitions, 'partition')}")
    missing = [topic.name for topic in found if topic.state == "missing"]
    if missing:
        raise CommandError("TOPICS_MISSING", f"not there: {', '.join(missing)}; make them with: icefloe topics")
