"""The command `doctor`: looks for what could be wrong, and says what to do about it."""

from rich.text import Text

from icefloe.cli.app import Session, command
from icefloe.cli.failures import CommandError
from icefloe.cli.wording import count, printable

_MARKS = {"fine": ("✓", "green"), "doubtful": ("!", "yellow"), "wrong": ("✗", "red")}


@command("Engine")
def doctor(session: Session) -> None:
    """Look for what could be wrong; 1 if something is."""
    from icefloe.checkup import check_up  # noqa: PLC0415 - the drivers of all stores and brokers take their time

    wrong = 0
    for finding in check_up(session.settings):
        wrong += finding.verdict == "wrong"
        mark, style = _MARKS[finding.verdict]
        subject = f"run {finding.run}: " if finding.run is not None else ""
        sentence = Text(printable(subject + finding.sentence), style if finding.verdict == "wrong" else "")
        session.terminal.give(finding.document())
        session.terminal.show(Text.assemble((mark, style), f" {finding.check:<8} ", sentence))
        if finding.advice:
            session.terminal.show(Text(f"           {printable(finding.advice)}", style="dim"))
    if wrong:
        raise CommandError("UNHEALTHY", f"{count(wrong, 'thing')} {'is' if wrong == 1 else 'are'} wrong")
