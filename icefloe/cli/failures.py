"""What a command says when it can't do what was asked: one sentence, a stable code and an exit status.

0  done
1  the thing asked for failed: an invalid file, a refused decision, a failed run, a store that is away
2  wrong usage
"""

from collections.abc import Iterator, Mapping
from typing import Any

import typer

from blocks.catalogue import CatalogueError
from dataflows.kafka.errors import KafkaError, KafkaUnavailable
from dataflows.settings import SettingsError
from dataflows.shell import Stopped
from engine.faults import Fault, Invalid
from store.protocol import StoreError, StoreUnavailable

INTERRUPTED = 130  # 128 + SIGINT, as shells have it
UNREAD = 141  # 128 + SIGPIPE, which ends other tools when nobody reads their output any more

_SENTENCES = (  # errors that say it all: code, and what the sentence is about
    (StoreUnavailable, "STORE_UNAVAILABLE", "store"),
    (StoreError, "STORE", "store"),
    (KafkaUnavailable, "KAFKA_UNAVAILABLE", "events"),
    (KafkaError, "KAFKA", "events"),
    (SettingsError, "SETTINGS", "settings"),
)


class CommandError(Exception):
    """A command ends here. `faults`, if there are any, say what in detail is wrong with what was given."""

    def __init__(self, code: str, message: str, *, status: int = 1, faults: tuple[Fault, ...] = ()) -> None:
        self.code = code
        self.message = message
        self.status = status
        self.faults = faults
        super().__init__(message)

    def document(self) -> Mapping[str, Any]:
        """The JSON form."""
        error: dict[str, Any] = {"code": self.code, "message": self.message}
        if self.faults:
            error["faults"] = [{"path": fault.path, "message": fault.message} for fault in self.faults]
        return {"error": error}


class UsageError(CommandError):
    """The command was called wrongly."""

    def __init__(self, message: str) -> None:
        super().__init__("USAGE", message, status=2)


def explained(error: Exception) -> CommandError | None:
    """The error in words, if it is one that is foreseen: it, or one that it came from."""
    return next(filter(None, map(_worded, _causes(error))), None)


def _worded(error: BaseException) -> CommandError | None:
    worded: CommandError | None = None
    match error:
        case CommandError():
            worded = error
        case typer.TyperException():
            worded = UsageError(_usage(error))
        case OSError():
            worded = CommandError("IO", f"{error.filename or 'output'}: {error.strerror or error}")
        case Stopped():
            sentence = f"the engine ended before the store was back, and its calls will be made again: {error}"
            worded = CommandError("STORE_UNAVAILABLE", sentence)
        case StoreError() | KafkaUnavailable() | KafkaError() | SettingsError():
            code, place = next(said for kind, *said in _SENTENCES if isinstance(error, kind))
            worded = CommandError(code, f"{place}: {error}")
        case CatalogueError():
            worded = CommandError("BLOCKS", f"installed blocks: {'; '.join(error.faults)}")
        case Invalid(faults=(fault,)):
            worded = CommandError("INVALID", str(fault))
        case Invalid():
            worded = CommandError("INVALID", f"{len(error.faults)} things are wrong", faults=error.faults)
    return worded


def _usage(error: typer.TyperException) -> str:
    """What is wrong with the arguments, and whose help to read; nothing if that help has been shown already."""
    message = error.format_message().rstrip(".").replace("Value error, ", "").replace(": Input should", ": it should")
    context = getattr(error, "ctx", None)
    if not message or context is None:
        return message
    return f"{message[0].lower()}{message[1:]} (see {context.command_path} --help)"


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
