"""What MongoDB's errors mean for a person: what happened, where, and what to do."""

from typing import Final

from pymongo.errors import (
    BulkWriteError,
    ConfigurationError,
    ConnectionFailure,
    ExecutionTimeout,
    InvalidName,
    OperationFailure,
    PyMongoError,
    WriteConcernError,
)

from store.protocol import StoreError, StoreUnavailable

ALL_AFFECTED: Final = (PyMongoError, MemoryError)
"""Errors that say nothing of the run at hand: the whole operation has failed."""

DUPLICATE_KEY: Final = 11000

# By code (https://www.mongodb.com/docs/manual/reference/error-codes/).
_MAY_NOT: Final = (
    "this user may not do that at {where} ({error}): give it the role readWrite on that database, and name in "
    "authSource the one where it was created"
)
_NEVER: Final = {
    13: _MAY_NOT,
    18: "{where} didn't accept this user and password: correct them in ICEFLOE_STORE, and authSource if need be",
    8000: "{where} didn't accept this user and password: correct them in ICEFLOE_STORE",
}
# Changes of the primary, shutdowns, broken networks, time-outs, and write concerns that were not met in time.
_JUST_NOW: Final = (
    6, 7, 24, 43, 46, 50, 64, 79, 89, 91, 100, 112, 133, 189, 202, 234, 237, 262, 317, 358, 384, 9001, 10058, 10107,
    11600, 11601, 11602, 13388, 13435, 13436,
)  # fmt: skip
_LATER: Final = {
    **dict.fromkeys(_JUST_NOW, "{where} can't do that just now ({error}): it is tried again"),
    14031: "the disk of {where} is full: free some space and try again",
}


def explain(error: Exception, where: str) -> StoreError:
    """The sentence for an error."""
    code = code_of(error)
    if isinstance(error, ConnectionFailure):
        sentence = "{where} can't be reached ({error}): start it, or correct its address in ICEFLOE_STORE"
        return StoreUnavailable(sentence.format(where=where, error=_brief(error)))
    later = code in _LATER or isinstance(error, (ExecutionTimeout, WriteConcernError))
    if later or (isinstance(error, PyMongoError) and error.has_error_label("RetryableWriteError")):
        sentence = _LATER.get(code) or _LATER[50]
        return StoreUnavailable(sentence.format(where=where, error=_brief(error)))
    if isinstance(error, (ConfigurationError, InvalidName)):
        return StoreError(f"{where} can't be used so: {_brief(error)}")
    return StoreError((_NEVER.get(code) or "{where}: {error}").format(where=where, error=_brief(error)))


def code_of(error: Exception) -> int:
    """The number of an error; 0 if it has none."""
    if isinstance(error, BulkWriteError):
        details = error.details or {}
        failed = [*details.get("writeConcernErrors", ()), *details.get("writeErrors", ())]
        return next((int(one.get("code", 0)) for one in failed), 0)
    return int(error.code or 0) if isinstance(error, OperationFailure) else 0


def _brief(error: Exception) -> str:
    """What the driver says, without how it came to say so."""
    if isinstance(error, BulkWriteError):
        details = error.details or {}
        failed = [*details.get("writeConcernErrors", ()), *details.get("writeErrors", ())]
        return str(failed[0].get("errmsg", "")) if failed else "a batch failed"
    text = str((error.details or {}).get("errmsg") or error) if isinstance(error, OperationFailure) else str(error)
    return " ".join(text.partition(", Timeout: ")[0].partition(" (configured timeouts:")[0].split())[:300]
