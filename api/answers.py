"""Answers whose documents are JSON already: written as they are, with their ETag, or not again if the caller has it."""

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

import orjson
from fastapi import Request, Response

from api.problems import Problem

JSON: Final = "application/json"
_VERSION: Final = re.compile(r'"([1-9][0-9]{0,17})"')


def answer(
    document: object, status: HTTPStatus = HTTPStatus.OK, *, headers: Mapping[str, str] | None = None
) -> Response:
    """A JSON answer; the named tuples of the engine are arrays in it."""
    return Response(orjson.dumps(document, default=list), status, dict(headers or {}), JSON)


def tagged(document: object, tag: str, request: Request) -> Response:
    """An answer with its ETag; 304 and no body for who has that already."""
    # A cache must not take what it has of one caller's for another's: both may have, say, a version 1.
    headers = {"ETag": tag, "Cache-Control": "private, no-cache", "Vary": "Authorization"}
    if tag in _tags(request, "If-None-Match"):
        return Response(None, HTTPStatus.NOT_MODIFIED, headers)
    return answer(document, headers=headers)


def etag(revision: object) -> str:
    """The ETag of a revision, or a version."""
    return f'"{revision}"'


def expected(request: Request, what: str) -> int | None:
    """The version that `If-Match` names; None for `*`. `what` is changed by the request.

    Raises:
        Problem: there is no such header (428), or it names no one version (412).
    """
    given = request.headers.get("If-Match")
    if given is None:
        sentence = f"{what} exists: say in `If-Match` which version you have read, so that nobody's change gets lost"
        raise Problem(HTTPStatus.PRECONDITION_REQUIRED, "if-match-required", sentence)
    if given.strip() == "*":
        return None
    version = _VERSION.fullmatch(given.strip())
    if version is None:
        sentence = f"If-Match takes the ETag of one version, such as {etag(3)}; {what} has none that fits what was sent"
        raise Problem(HTTPStatus.PRECONDITION_FAILED, "version-differs", sentence)
    return int(version[1])


def if_match(description: str) -> dict[str, Any]:
    """What the OpenAPI description says of an operation that reads `If-Match`."""
    header = {"name": "If-Match", "in": "header", "schema": {"type": "string"}}
    return {"parameters": [{**header, "description": description, "example": etag(3)}]}


def _tags(request: Request, header: str) -> set[str]:
    given: list[Any] = request.headers.getlist(header)
    return {tag.strip().removeprefix("W/") for line in given for tag in line.split(",")}
