"""The command `verify`: whether the journal of a run is as it was written."""

import re
from typing import Annotated, Final

import typer
from rich.text import Text

from icefloe.cli.app import RunArgument, Session, command
from icefloe.cli.failures import CommandError, UsageError
from icefloe.cli.given import find_run
from icefloe.cli.wording import printable
from store.seals import Flaw, at_rest, flaws

_SEAL: Final = re.compile(r"[0-9a-f]{64}")


@command("Runs")
def verify(
    session: Session,
    name: RunArgument,
    *,
    seal: Annotated[
        str | None,
        typer.Option(
            "--seal", metavar="SEAL", help="A seal of it that was noted elsewhere: it must be there", show_default=False
        ),
    ] = None,
) -> None:
    """Verify that nobody has changed the journal of a run; 1 if somebody has."""
    if seal is not None:
        seal = seal.strip().lower()
        if not _SEAL.fullmatch(seal):
            raise UsageError("--seal: a seal has 64 hexadecimal digits")
    with session.store() as store:
        run = find_run(store, name)
        try:
            run, entries = at_rest(store, run)
        except LookupError:
            sentence = f"the document of run {run.id} can't be read any more: it was changed"
            raise CommandError("UNREADABLE_RUN", sentence) from None
    found = flaws(run, entries)
    if not found and seal is not None and seal not in {entry.seal for entry in entries}:
        found = [Flaw(0, "no entry has the seal that was noted: all of it was written anew since then")]
    session.terminal.give(
        {
            "run": run.id,
            "intact": not found,
            "entries": len(entries),
            "seal": run.seal,
            "flaws": [flaw._asdict() for flaw in found],
        }
    )
    if found:
        for flaw in found:
            where = f"entry {flaw.revision}" if flaw.revision else "the journal"
            session.terminal.complain(Text(f"{where}: {printable(flaw.sentence)}", "red"))
        raise CommandError("JOURNAL_CHANGED", f"the journal of run {run.id} is not as it was written")
    session.terminal.show(Text.assemble("the journal of run ", (printable(run.id), "bold"), " is as it was written"))
    entries_told = "1 entry" if len(entries) == 1 else f"{len(entries):,} entries"
    session.terminal.show(f"{entries_told}, seal {run.seal}")
