"""Requests to start runs, as every store answers them: once under each id, and each for itself."""

from collections.abc import Callable, Iterable, Sequence
from hashlib import blake2b
from typing import Final, NamedTuple

import structlog

from engine.faults import Fault, Invalid, nearest
from engine.run import WorkflowRun
from store.protocol import Creation, NewRun
from store.texts import canonical, in_short

ID_CHARS: Final = 255

_log = structlog.get_logger(__name__)


class Accepted(NamedTuple):
    """A request that was accepted before: its digest, and what became of it (None: it can't be read)."""

    digest: bytes | None
    run: WorkflowRun | None


def is_id(text: str) -> bool:
    """Whether a run may have this id: printable text of a bounded length."""
    return 0 < len(text) <= ID_CHARS and text.isprintable()


def answers(
    requests: Sequence[NewRun],
    accepted: dict[str, Accepted],
    start: Callable[[NewRun, bytes], WorkflowRun],
    affecting_all: tuple[type[Exception], ...],
) -> list[Creation]:
    """One answer to each request.

    `accepted` has those of the ids asked for that are taken, `start` makes the run of a new one, given its digest; it
    may raise Invalid. Errors `affecting_all` of them are raised.
    """
    found = []
    for request in requests:
        try:
            digest = digest_of(request)
            if request.id in accepted:
                found.append(again(request, digest, accepted[request.id]))
                continue
            run = start(request, digest)
        except Invalid as invalid:
            found.append(Creation(request.id, "refused", None, invalid.faults))
        except affecting_all:
            raise
        except Exception as error:  # noqa: BLE001 - it must not cost the others their start
            _log.exception("run_not_started", run_id=request.id, workflow=request.workflow)
            fault = Fault("", f"the run could not be started: {in_short(error)}")
            found.append(Creation(request.id, "refused", None, (fault,)))
        else:
            accepted[request.id] = Accepted(digest, run)
            found.append(Creation(request.id, "created", run))
    return found


def digest_of(request: NewRun) -> bytes:
    """What tells a repeated request from another one under the same id: 16 bytes.

    Raises:
        Invalid: it has no proper id, or can't be written down.
    """
    if not is_id(request.id):
        raise Invalid(Fault("id", f"a run's id has 1 to {ID_CHARS} printable characters"))
    try:
        return blake2b(canonical(request[1:]), digest_size=16).digest()
    except TypeError as error:
        raise Invalid(Fault("", f"the request is not JSON: {error}")) from error


def again(request: NewRun, digest: bytes, accepted: Accepted) -> Creation:
    """The answer to a request whose id is taken."""
    if digest == accepted.digest:
        return Creation(request.id, "exists", accepted.run)
    fault = Fault("id", f"{request.id!r} is the id of a run that was asked for with other content: use another id")
    return Creation(request.id, "refused", None, (fault,))


def version_asked(request: NewRun, live: range, names: Callable[[], Iterable[str]]) -> int:
    """The version of the workflow that is to run, given those that aren't deleted; `names` are those of all workflows.

    Raises:
        Invalid: there is no such workflow, or no such version.
    """
    if not live:
        hint = nearest(request.workflow, names())
        raise Invalid(Fault("workflow", f"{request.workflow!r} is not a saved workflow{hint}"))
    if request.version is not None and request.version not in live:
        fault = f"{request.workflow!r} has no version {request.version}; its latest is {live[-1]}"
        raise Invalid(Fault("version", fault))
    return request.version or live[-1]


def version_conflict(name: str, latest: int, after: int) -> str:
    """Why a new version of a workflow isn't saved: somebody else has saved, or deleted, one meanwhile."""
    stands = f"is at version {latest}" if latest else "doesn't exist"
    expected = f"to follow version {after}" if after else "to be the first"
    return f"workflow {name!r} {stands}, and what was sent is {expected}: read it again"
