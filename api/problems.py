"""What goes wrong, as problem documents (RFC 9457): a stable code, a sentence, and every fault with its place.

{"type": "urn:icefloe:problem:invalid", "title": "Invalid", "status": 422, "code": "invalid",
"detail": "2 faults", "instance": "/v1/workflows", "faults": [{"path": "dag.tasks[0].type", "message": "…"}]}
"""

from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from typing import Any, Final

import orjson
import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute, Match
from starlette.types import Scope

from api.wording import fault
from engine.faults import Fault, Invalid
from engine.outcomes import Rejected
from store.protocol import Conflict, StoreError, StoreGone, StoreUnavailable

MEDIA_TYPE: Final = "application/problem+json"
RETRY_SECONDS: Final = 1

_log = structlog.get_logger(__name__)
_STANDARD: Final = (400, 401, 403, 408, 413, 414, 415, 422, 429, 431, 500, 503)  # any operation may answer with these
_MOST_FAULTS: Final = 1000  # of one request: the answer must not be a thousand times as long as what was sent
_METHODS: Final = ("DELETE", "GET", "PATCH", "POST", "PUT")
_NOT_FOUND: Final = {"UNKNOWN_TASK", "UNKNOWN_RUN"}
_FORBIDDEN: Final = {"NOT_ALLOWED"}
_SENTENCES: Final[Mapping[HTTPStatus, Callable[[Request], str]]] = {
    HTTPStatus.NOT_FOUND: lambda _: "there is nothing at this path: /docs says what there is",
    HTTPStatus.METHOD_NOT_ALLOWED: lambda request: (
        f"nothing at this path answers to {request.method[:20]}: the header Allow says what does"
    ),
}
_UNPROCESSABLE: Final = {"BAD_SIGNAL", "BAD_DELEGATE", "NOT_DELEGABLE", "REASON_TOO_LONG"}


class FaultModel(BaseModel):
    """One thing that is wrong."""

    path: str = Field(description="Where in what was sent; empty: all of it", examples=["dag.tasks[0].type"])
    message: str = Field(
        description="What is wrong, in words", examples=["'CONDTION' is not a block type (did you mean 'CONDITION'?)"]
    )


class ProblemModel(BaseModel):
    """Why a request was refused (RFC 9457)."""

    type: str = Field(examples=["urn:icefloe:problem:not-found"])
    title: str
    status: int
    code: str = Field(description="What programs tell it by; it stays the same from version to version")
    detail: str = Field(description="What happened, and what to do")
    instance: str = Field(description="The path of the request")
    faults: list[FaultModel] = Field(default_factory=list, description="Everything that is wrong with what was sent")


class Problem(Exception):  # noqa: N818 - the name that RFC 9457 gives it
    """A request that is refused: an HTTP status, a code in lower case with hyphens, and a sentence."""

    def __init__(
        self,
        status: HTTPStatus,
        code: str,
        detail: str,
        *,
        faults: Iterable[Fault] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.faults = tuple(faults)
        self.headers = dict(headers or {})

    def response(self, instance: str) -> Response:
        """The problem document; `instance` is the path of the request."""
        document: dict[str, Any] = {
            "type": f"urn:icefloe:problem:{self.code}",
            "title": self.status.phrase,
            "status": self.status.value,
            "code": self.code,
            "detail": self.detail,
            "instance": instance,
            "faults": [{"path": fault.path, "message": fault.message} for fault in self.faults],
        }
        return Response(orjson.dumps(document), self.status, self.headers, MEDIA_TYPE)


def not_found(what: str) -> Problem:
    """There is no such thing, or not for this principal: nobody can tell which."""
    return Problem(HTTPStatus.NOT_FOUND, "not-found", f"there is no {what}")


def invalid(invalid: Invalid) -> Problem:
    """What was sent has faults."""
    faults = invalid.faults[:_MOST_FAULTS]
    shown = "each" if len(faults) == len(invalid.faults) else f"each of the first {len(faults):,}"
    detail = (
        str(faults[0]) if len(faults) == 1 else f"{len(invalid.faults):,} faults: {shown} has its place in `faults`"
    )
    return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "invalid", detail, faults=faults)


def rejected(rejected: Rejected) -> Problem:
    """A transition that isn't legal: its own code, in lower case with hyphens."""
    code = rejected.code.lower().replace("_", "-")
    if rejected.code in _NOT_FOUND:
        return Problem(HTTPStatus.NOT_FOUND, "not-found", rejected.reason)
    if rejected.code in _FORBIDDEN:
        return Problem(HTTPStatus.FORBIDDEN, code, rejected.reason)
    status = HTTPStatus.UNPROCESSABLE_ENTITY if rejected.code in _UNPROCESSABLE else HTTPStatus.CONFLICT
    return Problem(status, code, rejected.reason)


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What an operation's OpenAPI description says of its refusals: these, and those that any operation has."""
    return {
        status: {
            "model": ProblemModel,
            "description": HTTPStatus(status).phrase,
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemModel"}}},
        }
        for status in sorted({*statuses, *_STANDARD})
    }


def install(app: FastAPI) -> None:
    """Let every error that leaves a route be told as a problem document."""
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(Invalid, _invalid)
    app.add_exception_handler(RequestValidationError, _unreadable)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(StoreError, _store)
    app.add_exception_handler(Exception, unforeseen)


async def _problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)  # noqa: S101 - it was installed for this
    return error.response(request.url.path)


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, Invalid)  # noqa: S101 - as above
    return invalid(error).response(request.url.path)


async def _unreadable(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - as above
    return invalid(Invalid(*(fault(one, request) for one in error.errors()))).response(request.url.path)


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - as above
    status = HTTPStatus(error.status_code)
    code = status.phrase.lower().replace(" ", "-")
    told = _SENTENCES[status](request) if status in _SENTENCES and error.detail == status.phrase else str(error.detail)
    headers = {"Allow": _allowed(request)} if status == HTTPStatus.METHOD_NOT_ALLOWED else error.headers
    return Problem(status, code, told, headers=headers).response(request.url.path)


def _allowed(request: Request) -> str:
    """All that may be done at this path, whichever routes do it; HEAD is answered wherever GET is."""
    routes, scope = request.app.routes, request.scope
    methods = [one for one in _METHODS if any(_does(route, {**scope, "method": one}) for route in routes)]
    return ", ".join([*methods, *(["HEAD"] if "GET" in methods else [])])


def _does(route: BaseRoute, scope: Scope) -> bool:
    return route.matches(scope)[0] is Match.FULL


async def _store(request: Request, error: Exception) -> Response:
    if isinstance(error, Conflict):
        return Problem(HTTPStatus.CONFLICT, "conflict", str(error)).response(request.url.path)
    if isinstance(error, StoreUnavailable):
        sentence = "the store can't be reached at the moment: try again, with the same Idempotency-Key if there was one"
        return _away(request, error, Problem(HTTPStatus.SERVICE_UNAVAILABLE, "store-unavailable", sentence))
    if isinstance(error, StoreGone):
        sentence = "the store was deleted or replaced: this process ends, and another one may have what there is now"
        return _away(request, error, Problem(HTTPStatus.SERVICE_UNAVAILABLE, "store-gone", sentence))
    return await unforeseen(request, error)


def _away(request: Request, error: StoreError, problem: Problem) -> Response:
    _log.warning(problem.code.replace("-", "_"), path=_logged(request), reason=str(error))
    problem.headers["Retry-After"] = str(RETRY_SECONDS)
    return problem.response(request.url.path)


async def unforeseen(request: Request, error: Exception) -> Response:
    """The answer to an error that nobody foresaw: the log has it, and nobody else."""
    _log.error("request_failed", method=request.method, path=_logged(request), exc_info=error)
    sentence = "this is a fault of the server: its log says more"
    return Problem(HTTPStatus.INTERNAL_SERVER_ERROR, "internal-error", sentence).response(request.url.path)


def _logged(request: Request) -> str:
    """The path as logs may have it: who has the token of a link can use it."""
    path: str = request.url.path
    return "/links/…" if path.startswith("/links/") else path
