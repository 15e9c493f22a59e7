"""The reference of the API as a page for people, made from the OpenAPI document: no script, nothing from elsewhere."""

import re
from base64 import b64encode
from collections.abc import Iterator
from hashlib import sha256
from importlib.resources import files
from typing import Any, Final

import orjson
from fastapi import Response
from minijinja import Environment

_PAGES: Final = files("api") / "pages"
_STYLE: Final = (_PAGES / "docs.css").read_text("utf-8")
_ENVIRONMENT: Final = Environment(templates={"docs.html": (_PAGES / "docs.html").read_text("utf-8")})
_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    f"style-src 'sha256-{b64encode(sha256(_STYLE.encode()).digest()).decode()}'",
}
_CODE: Final = re.compile(r"`([^`]+)`")
_USUAL: Final = 400


def page(document: dict[str, Any]) -> Response:
    """The page."""
    html = _ENVIRONMENT.render_template(
        "docs.html", style=_STYLE, info=document["info"], tags=[_tag(tag, document) for tag in document["tags"]]
    )
    return Response(html, media_type="text/html", headers=_HEADERS)


def _tag(tag: dict[str, Any], document: dict[str, Any]) -> dict[str, Any]:
    found = [
        _operation(path, method, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if tag["name"] in operation["tags"]
    ]
    return {**tag, "operations": found}


def _operation(path: str, method: str, operation: dict[str, Any]) -> dict[str, Any]:
    body = operation.get("requestBody", {}).get("content", {})
    answers = operation["responses"]
    return {
        "id": operation["operationId"],
        "method": method.upper(),
        "path": path,
        "summary": operation["summary"],
        "paragraphs": [_words(one) for one in operation.get("description", "").split("\n\n")],
        "roles": ", ".join(operation.get("x-roles", ())) or "anybody",
        "parameters": [
            {"name": one["name"], "in": one["in"], "words": _words(one.get("description", ""))}
            for one in operation.get("parameters", ())
        ],
        "request": next(_shown(body), None),
        "answers": [
            {
                "status": status,
                "description": answer["description"],
                "example": next(_shown(answer.get("content", {})), None),
            }
            for status, answer in answers.items()
            if int(status) < _USUAL
        ],
        "refusals": ", ".join(sorted(status for status in answers if int(status) >= _USUAL)),
    }


def _words(text: str) -> list[dict[str, Any]]:
    """A text in parts, of which some are code."""
    return [
        {"text": part, "is_code": number % 2 == 1}
        for number, part in enumerate(_CODE.split(" ".join(text.split())))
        if part
    ]


def _shown(content: dict[str, Any]) -> Iterator[str]:
    """The examples, as they would be sent."""
    for medium in content.values():
        if "example" in medium:
            example = medium["example"]
            yield example if isinstance(example, str) else orjson.dumps(example, option=orjson.OPT_INDENT_2).decode()
