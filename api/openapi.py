"""The OpenAPI document: what FastAPI knows of the routes, and what it can't know.

routes ─► FastAPI ─► tags, servers, security, ETags, the form of workflows, examples ─► /openapi.json, /docs

`python -m api.openapi` prints it as docs/openapi.json holds it.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import orjson
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from api import schema
from api.access import RULES
from api.examples import example_of, whole
from api.problems import MEDIA_TYPE, documented
from api.settings import ApiSettings

Document = dict[str, Any]

_DESCRIPTION: Final = """\
Workflows, runs and decisions. Lists have `items` and a `cursor` for the next page; times are Unix seconds; what is
refused is a problem document (RFC 9457) with every fault in `faults`. Rows of another tenant don't exist.

Who changes something that others may change too says with `If-Match` what he has read; who starts a run gives the
request an `Idempotency-Key`, and may repeat it as often as he likes."""
_TAGS: Final = {
    "Workflows": "What runs are copies of: documents, saved in versions.",
    "Blocks": "What workflows are made of: the installed block types.",
    "Runs": "Start runs, find them, read what they are and were, steer them.",
    "Tasks": "The tasks of one run.",
    "Approvals": "What waits for a person's decision.",
    "Links": "Decisions by one click: small pages for people who follow a link in a message.",
    "Operations": "The same done to many runs, with progress.",
    "Live": "What happens, as it happens: server-sent events.",
    "Webhooks": "Runs started by other systems, with signed requests (Standard Webhooks).",
    "Process": "What the process says of itself.",
}
_METHODS: Final = ("get", "put", "post", "delete", "head", "patch")
_BEARER: Final = {
    "type": "http",
    "scheme": "bearer",
    "description": "An API key (`icefloe keys create`), or a token of the OIDC issuer that the server trusts",
}
_IF_NONE_MATCH: Final = {
    "name": "If-None-Match",
    "in": "header",
    "required": False,
    "schema": {"type": "string"},
    "description": "The ETag of what the caller has already: 304 if it is still that",
    "example": '"4"',
}
_ETAG: Final = {"ETag": {"description": "Which state this is", "schema": {"type": "string"}, "example": '"4"'}}
_FASTAPIS_OWN: Final = "HTTPValidationError"  # ours are problem documents
_WORKFLOW: Final = schema.DOCUMENT.rpartition("/")[2]


def document(app: FastAPI) -> Document:
    """The OpenAPI document of an app."""
    settings: ApiSettings = app.state.services.settings
    found = get_openapi(
        title=app.title,
        version=app.version,
        summary=app.summary,
        description=_DESCRIPTION,
        routes=app.routes,
        tags=[{"name": name, "description": text} for name, text in _TAGS.items()],
        servers=[{"url": (settings.public_url or "").rstrip("/") or "/"}],
        separate_input_output_schemas=False,
    )
    components = found["components"]
    components["securitySchemes"] = {"bearer": _BEARER}
    found["security"] = [{"bearer": []}]
    form = schema.form(f"{schema.DOCUMENT}.")
    for name, definition in form.pop("$defs").items():
        components["schemas"][f"{_WORKFLOW}.{name}"] = definition
    components["schemas"][_WORKFLOW] = {**form, "examples": [schema.EXAMPLE]}
    for one in components["schemas"].values():
        if "examples" in one:
            one["examples"] = [whole(example, one, components["schemas"]) for example in one["examples"]]
    components["responses"] = {}
    for operation in operations(found):
        _complete(operation, components)
    components["schemas"] = {
        name: one for name, one in components["schemas"].items() if name not in {_FASTAPIS_OWN, "ValidationError"}
    }
    return found


def operations(found: Document) -> Iterator[Document]:
    """The operations of a document."""
    for path in found["paths"].values():
        yield from (path[method] for method in _METHODS if method in path)


def _complete(operation: Document, components: Document) -> None:
    if RULES[operation["operationId"]].public:
        operation["security"] = []
    else:
        operation["x-roles"] = sorted(RULES[operation["operationId"]].roles)
    if "304" in operation["responses"]:
        operation.setdefault("parameters", []).append(_IF_NONE_MATCH)
        operation["responses"]["200"]["headers"] = operation["responses"]["304"]["headers"] = _ETAG
    good = [answer for status, answer in operation["responses"].items() if status.startswith("2")]
    for content in (one["content"] for one in (operation.get("requestBody", {}), *good) if "content" in one):
        for medium in content.values():
            ways = [one for one in medium.get("schema", {}).get("anyOf", ()) if one != {"type": "null"}]
            if len(ways) == 1:  # a body that may be left out needn't be null
                medium["schema"] = ways[0]
            if not medium.keys() & {"example", "examples"} and medium.get("schema"):
                medium["example"] = example_of(medium["schema"], components["schemas"])
    if _FASTAPIS_OWN in str(operation["responses"].get("422")):
        operation["responses"]["422"] = documented(422)[422]
    for status, answer in operation["responses"].items():
        if MEDIA_TYPE in answer.get("content", {}):  # all of a status are alike: they are told once
            name = answer["description"].replace(" ", "")
            components["responses"].setdefault(name, answer)
            operation["responses"][status] = {"$ref": f"#/components/responses/{name}"}


def printed() -> bytes:
    """The document of an API with default settings, and the block types that are installed."""
    from api.app import create_app  # noqa: PLC0415 - the app serves this document
    from blocks.catalogue import Catalogue  # noqa: PLC0415 - as above
    from store.sqlite import SqliteStore  # noqa: PLC0415 - as above

    with TemporaryDirectory() as folder:
        store = SqliteStore(Path(folder) / "icefloe.db")
        try:
            found = document(create_app(ApiSettings(), store, Catalogue.load()))
        finally:
            store.close()
    return orjson.dumps(found, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


if __name__ == "__main__":
    sys.stdout.buffer.write(printed())
