"""Logs: JSON lines on standard error, or a coloured console where a person is watching.

A log that can't be written, on a full disk say, is lost; nothing else is.
"""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any, NoReturn, TextIO

import structlog

from icefloe.cli.wording import printable
from icefloe.streams import unfailing

_LEVELS = logging.getLevelNamesMapping()
_TRACEBACKS = structlog.dev.plain_traceback  # no values of variables: they hold tokens and keys


def configure(level: str, stream: TextIO | None = None) -> None:
    """Send the logs of Icefloe, from `level` up, and the warnings of its libraries to a stream (standard error)."""
    stream = unfailing(sys.stderr if stream is None else stream)
    watched = stream.isatty()
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="%H:%M:%S" if watched else "iso", utc=not watched),
    ]
    last: list[structlog.typing.Processor] = (
        [_printable, structlog.dev.ConsoleRenderer(colors=True, exception_formatter=_TRACEBACKS)]
        if watched
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    )
    structlog.configure(
        processors=[*shared, *last],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level.upper()]),
        logger_factory=structlog.WriteLoggerFactory(stream),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared, processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last]
        )
    )
    logging.basicConfig(handlers=[handler], level=max(_LEVELS[level.upper()], logging.WARNING), force=True)


def silence() -> None:
    """Log nothing: what keeps a command from doing what was asked is its error, and told in its words."""
    structlog.configure(processors=[_drop])
    logging.basicConfig(handlers=[logging.NullHandler()], force=True)


def _drop(_logger: object, _method: str, _event: MutableMapping[str, Any]) -> NoReturn:
    raise structlog.DropEvent


def _printable(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """What a run's data says must not move the cursor of who reads the log."""
    for key, value in event.items():
        if isinstance(value, str):
            event[key] = printable(value)
    return event
