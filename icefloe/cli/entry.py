"""The way in and out of the command line: every command is known here, and whatever goes wrong leaves as a sentence."""

import os
import sys
import traceback
from collections.abc import Sequence
from io import TextIOWrapper
from pathlib import Path
from typing import TextIO

import typer

from icefloe.cli import api, blocks, controls, decisions, definitions, dlq, doctor, engine, keys, relay, runs, verify
from icefloe.cli.app import app
from icefloe.cli.failures import INTERRUPTED, UNREAD, CommandError, UsageError, explained
from icefloe.cli.terminal import Terminal
from icefloe.streams import PLAINLY

_GROUPS = (  # in the order of the help
    definitions,
    blocks,
    runs,
    verify,
    controls,
    decisions,
    engine,
    api,
    keys,
    relay,
    dlq,
    doctor,
)


def commands() -> typer.Typer:
    """The command line, with its commands in the order in which the help lists them."""
    order = {group.__name__: index for index, group in enumerate(_GROUPS)}
    app.registered_commands.sort(key=lambda one: order[one.callback.__module__ if one.callback else ""])
    return app


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command, and let whatever goes wrong leave as a sentence; its exit status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    _see_to_streams()
    try:
        ended = _run(given)
        sys.stdout.flush()
    except (BrokenPipeError, SystemExit) as error:
        if isinstance(error, SystemExit) and not isinstance(error.__context__, BrokenPipeError):  # as typer puts it
            raise
        ended = UNREAD  # whoever read has seen enough
        _forget(sys.stdout)
    except KeyboardInterrupt:
        ended = INTERRUPTED
    except Exception as error:  # noqa: BLE001 - the guard
        failure = explained(error) or _unexpected(error)
        ended = failure.status
        Terminal(json="--json" in given).fail(failure)
        if isinstance(error, OSError):
            _forget(sys.stdout)
    try:
        sys.stderr.flush()
    except OSError:
        _forget(sys.stderr)
    return ended


def _run(given: list[str]) -> int:
    _refuse_bytes(given)
    ended = typer.main.get_command(commands()).main(given, "icefloe", standalone_mode=False)
    return ended if isinstance(ended, int) else 0


def _see_to_streams() -> None:
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:  # whoever started us closed it; no file of ours may take its place
            setattr(sys, name, Path(os.devnull).open(mode))  # noqa: SIM115 - for as long as the process lives
    ascii_only = os.environ.get("LC_ALL") in {"C", "POSIX"} and "PYTHONIOENCODING" not in os.environ
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(encoding="ascii" if ascii_only else None, errors=PLAINLY)


def _forget(stream: TextIO) -> None:
    """Let nothing be written any more when the interpreter ends: it would fail again, and change the exit status."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _refuse_bytes(given: list[str]) -> None:
    """Arguments become documents, and those hold characters: bytes that are none are refused here for all commands."""
    for number, argument in enumerate(given, 1):
        if not argument.isprintable() and any("\ud800" <= one <= "\udfff" for one in argument):
            raise UsageError(f"argument {number} is not UTF-8 text: {argument!a}")


def _unexpected(error: Exception) -> CommandError:
    if os.environ.get("ICEFLOE_DEBUG", "").lower() in {"1", "true", "yes", "on"}:
        traceback.print_exception(error)
    advice = "this is a bug in Icefloe: set ICEFLOE_DEBUG=1 to see where it happened"
    return CommandError("UNEXPECTED", f"unexpected {type(error).__name__}: {error}; {advice}")
