"""Where a command's words go: results to standard output, errors and remarks to standard error, or all of it as JSON.

With `--json` standard output has nothing but JSON, one value a line, all ASCII: no text in it can command a terminal.
"""

import json
import os
import sys
from collections.abc import Iterable, Sequence
from typing import Any, TextIO

from rich.console import Console, RenderableType
from rich.text import Text
from typing_extensions import override

from icefloe.cli.failures import CommandError
from icefloe.cli.tables import Column, lines_of
from icefloe.cli.wording import printable
from icefloe.streams import unfailing

_UNBOUNDED = 100_000  # columns of what nobody watches: a pipe gets whole lines, unless COLUMNS says how long ones


class Terminal:
    """Both streams of a command. `json` says that a program reads them; `live` that a person watches them change."""

    def __init__(self, *, json: bool = False) -> None:
        self.json = json
        self.out = _console(sys.stdout)
        self._aside = unfailing(sys.stderr)  # what was done stays done if it can't be told
        self.err = _console(self._aside)
        self.live = not json and sys.stdout.isatty() and not self.out.is_dumb_terminal

    def show(self, *parts: RenderableType) -> None:
        """Show a person something; nothing with `--json`."""
        if not self.json:
            for part in parts:
                self.out.print(part, soft_wrap=isinstance(part, Text | str))

    def complain(self, *parts: RenderableType) -> None:
        """Show a person something on standard error; nothing with `--json`."""
        if not self.json:
            for part in parts:
                self.err.print(part, soft_wrap=isinstance(part, Text | str))

    def give(self, document: Any) -> None:
        """Give a program a JSON value; nothing without `--json`."""
        if self.json:
            _write_line(sys.stdout, document)

    def remark(self, sentence: str) -> None:
        """Tell something that is not the result: on standard error."""
        if self.json:
            _write_line(self._aside, {"remark": sentence})
        else:
            self.err.print(Text(printable(sentence), style="yellow"), soft_wrap=True)

    def fail(self, error: CommandError) -> None:
        """Tell why the command failed, and everything that is wrong with what it was given: on standard error."""
        if not error.message:
            return
        if self.json:
            _write_line(self._aside, error.document())
            return
        faults = [printable(fault) for fault in error.faults]
        sentence = ": ".join((printable(error.message), *faults[:1])) if len(faults) < 2 else printable(error.message)  # noqa: PLR2004
        self.complain(Text.assemble(("error: ", "bold red"), sentence))
        if len(faults) > 1:
            self.complain(*(Text(f"  {fault}") for fault in faults))

    def table(self, columns: Sequence[Column], rows: Iterable[Sequence[Text | str]]) -> None:
        """Show rows in columns."""
        self.show(*lines_of(columns, rows, self.out.width))


class _Console(Console):
    """A console that leaves it to the guard that nobody reads any more."""

    @override
    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


def _console(stream: TextIO) -> Console:
    narrow = stream.isatty() or os.environ.get("COLUMNS", "").isdecimal()
    return _Console(file=stream, width=None if narrow else _UNBOUNDED, highlight=False, markup=False, emoji=False)


def _write_line(stream: TextIO, document: Any) -> None:
    stream.write(json.dumps(document, separators=(",", ":"), default=str) + "\n")
    stream.flush()
