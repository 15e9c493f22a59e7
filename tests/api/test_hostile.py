"""Hostile input (S8): refused cheaply, with a problem document and all headers, and never with a 500."""

import asyncio
from collections.abc import Callable, Iterator
from time import monotonic
from typing import Any, Final

import orjson
import pytest
from fastapi import APIRouter, FastAPI
from fastapi.testclient import TestClient
from httpx2 import Response

from api import guard
from api.access import RULES
from api.app import create_app
from api.guard import GuardedRoute
from api.middleware import BODY_SECONDS, HEADER_BYTES, PATH_BYTES, QUERY_BYTES, Limits
from api.principal import Role
from api.problems import Problem
from api.settings import ApiSettings
from blocks.catalogue import Catalogue
from tests.api.conftest import Believing, Desk
from tests.store.conftest import Place

MEGABYTE: Final = 1024 * 1024
ADMIN: Final = {
    "X-Test-Principal": orjson.dumps(
        {"subject": "root", "roles": list(Role), "groups": [], "tenant": "default"}
    ).decode()
}
JSON: Final = {**ADMIN, "Content-Type": "application/json"}
START: Final = "/v1/runs"

BODIES: Final[dict[str, bytes]] = {
    "deep arrays": b"[" * 200_000,
    "deep objects": b'{"a":' * 100_000,
    "deep and whole": b"[" * 100_000 + b"]" * 100_000,
    "deep inputs": b'{"workflow": "w", "inputs": ' + b'{"a":' * 70 + b"1" + b"}" * 70 + b"}",
    "NaN": b'{"workflow": "w", "inputs": {"a": NaN}}',
    "infinity": b'{"workflow": "w", "inputs": {"a": -Infinity}}',
    "a number without end": b'{"workflow": "w", "inputs": {"a": 1e999}}',
    "many digits": b'{"workflow": "w", "inputs": {"a": ' + b"9" * 1_000_000 + b"}}",
    "many decimals": b'{"workflow": "w", "inputs": {"a": 0.' + b"9" * 1_000_000 + b"e400}}",
    "a key twice": b'{"workflow": "w", "workflow": "w"}',
    "an inner key twice": b'{"workflow": "w", "inputs": {"a": 1, "\\u0061": 2}}',
    "no UTF-8": b'{"workflow": "\xff"}',
    "UTF-16": '{"workflow": "w"}'.encode("utf-16"),
    "a byte order mark": b'\xef\xbb\xbf{"workflow": "w"}',
    "half a surrogate pair": b'{"workflow": "\\ud800"}',
    "NUL": b'{"workflow": "w\\u0000"}',
    "no JSON": b"<html>",
    "nothing but blanks": b" " * MEGABYTE,
    "an open text": b'{"workflow": "' + b"w" * MEGABYTE,
    "an array": b"[]",
    "null": b"null",
    "a text": b'"w"',
    "many unknown fields": b'{"workflow": "w"' + b"".join(b',"f%d":1' % nr for nr in range(100_000)) + b"}",
    "a prototype": b'{"workflow": "w", "__proto__": {"admin": true}}',
}


def is_refused(answer: Response, *statuses: int) -> None:
    """It is a problem document, with the headers that every answer has."""
    assert answer.status_code in statuses, (answer.status_code, answer.text[:300])
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["status"] == answer.status_code
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["X-Request-Id"]


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_s8_a_body_that_is_not_our_kind_of_json_is_refused(desk: Desk, body: bytes) -> None:
    for path in (START, "/v1/workflows", "/v1/runs/r/cancel"):
        begun = monotonic()
        answer = desk.client.post(path, content=body, headers=JSON)
        took = monotonic() - begun
        is_refused(answer, 404, 422)
        assert took < 5, "it is cheap"
        assert len(answer.content) < 512 * 1024, "the answer isn't many times the question"


def test_s8_a_body_that_is_too_large_is_refused_before_it_is_read(desk: Desk) -> None:
    for body in (b"x" * (10 * MEGABYTE), b'{"workflow": "' + b"w" * (10 * MEGABYTE) + b'"}'):
        is_refused(desk.client.post(START, content=body, headers=JSON), 413)
    assert "X-Request-Id" in desk.client.post(START, content=b"x" * (10 * MEGABYTE)).headers, (
        "and before anybody is asked for"
    )


def test_s8_a_body_that_does_not_say_how_large_it_is_is_refused_once_it_is_too_large(desk: Desk) -> None:
    sent = 0

    def chunks() -> Iterator[bytes]:
        nonlocal sent
        for _ in range(160):
            sent += 64 * 1024
            yield b" " * (64 * 1024)

    for path in (START, "/v1/workflows", "/v1/validate"):
        is_refused(desk.client.post(path, content=chunks(), headers=JSON), 413)


@pytest.mark.parametrize("length", ["-1", "x", "9" * 400, "1e3", "²"])
def test_s8_a_length_that_is_none_is_refused(desk: Desk, length: str) -> None:
    headers = [(name.encode(), value.encode()) for name, value in {**JSON, "Content-Length": length}.items()]
    is_refused(desk.client.post(START, content=b"{}", headers=headers), 413)


NOT_JSON: Final = [None, "text/plain", "text/json", "application/jsonp", "json", "multipart/form-data; boundary=x"]
JSON_NAMES: Final = ["application/json", "Application/JSON; charset=utf-8", "application/merge-patch+json"]


@pytest.mark.parametrize("kind", [*NOT_JSON, "application/x-www-form-urlencoded"])
def test_s8_a_body_that_does_not_say_that_it_is_json_is_refused(desk: Desk, kind: str | None) -> None:
    headers = ADMIN if kind is None else {**ADMIN, "Content-Type": kind}
    for path in (START, "/v1/workflows", "/v1/validate", "/v1/runs/r/cancel"):
        is_refused(desk.client.post(path, content=b'{"workflow": "w"}', headers=headers), 415)


@pytest.mark.parametrize(
    "kind", ["application/json", "Application/JSON; charset=utf-8", "application/merge-patch+json"]
)
def test_json_may_be_called_by_several_names(desk: Desk, kind: str) -> None:
    answer = desk.client.post("/v1/validate", content=b"{}", headers={**ADMIN, "Content-Type": kind})
    assert answer.status_code == 200


def test_s8_an_address_or_headers_that_are_too_long_are_refused(desk: Desk) -> None:
    many = "&".join(f"p{nr}=1" for nr in range(7000))
    is_refused(desk.client.get(f"{START}?{many}", headers=ADMIN), 414)
    is_refused(desk.client.get(f"{START}?q={'x' * QUERY_BYTES}", headers=ADMIN), 414)
    is_refused(desk.client.get(f"/v1/runs/{'x' * PATH_BYTES}", headers=ADMIN), 414)
    is_refused(desk.client.get(START, headers={**ADMIN, "X-Long": "x" * HEADER_BYTES}), 431)
    is_refused(desk.client.get(START, headers={**ADMIN, **{f"X-{nr}": "x" * 70 for nr in range(1000)}}), 431)
    few = "&".join(f"p{nr}=1" for nr in range(2000))
    is_refused(desk.client.get(f"{START}?{few}", headers=ADMIN), 422)


NASTY: Final = (
    *("", " ", "nan", "inf", "-inf", "1e999", "9" * 400, "-" + "9" * 30, "0x10", "1_000", "a" * 5000),
    *("%00", "a%00b", "%ff", "%ed%a0%80", "%f0%9f%a6%86", "..%2f..%2fetc%2fpasswd", "%0d%0aX-Injected:%201"),
    *("'%20OR%201=1--", "%24where", "{{7*7}}", "%3Cscript%3E", "[]", "true", "null"),
)


def test_s8_no_value_of_any_parameter_is_too_much_for_any_operation(desk: Desk) -> None:
    app: Any = desk.client.app
    for path, methods in app.openapi()["paths"].items():
        for method, told in methods.items():
            if told["operationId"].startswith("follow_"):
                continue  # streams have no end: they are asked below
            for nasty in NASTY:
                filled = path
                for part in told.get("parameters", ()):
                    if part["in"] == "path":
                        filled = filled.replace("{" + part["name"] + "}", nasty or "%20")
                query = "&".join(
                    f"{part['name']}={nasty}" for part in told.get("parameters", ()) if part["in"] == "query"
                )
                answer = desk.client.request(method, f"{filled}?{query}"[:16_000], headers=ADMIN)
                assert answer.status_code < 500 or answer.status_code == 503, (method, filled, query, answer.text)
                assert "X-Injected" not in answer.headers
                if answer.status_code >= 400 and answer.headers["Content-Type"] != "text/html; charset=utf-8":
                    is_refused(answer, answer.status_code)


def test_s8_no_value_of_any_header_is_too_much_for_any_operation(desk: Desk) -> None:
    app: Any = desk.client.app
    for path, methods in app.openapi()["paths"].items():
        for method, told in methods.items():
            names = [part["name"] for part in told.get("parameters", ()) if part["in"] == "header"]
            if not names or told["operationId"].startswith("follow_"):
                continue
            for nasty in (b"", b"\xff", b'"', b"*", b'W/"1"', b'"1", "2"', b"9" * 5000, b"\x01", b"a,b;c", b"-1"):
                headers = [(name.encode(), value.encode()) for name, value in JSON.items()]
                headers += [(name.encode(), nasty) for name in names]
                answer = desk.client.request(method, path, headers=headers, content=b"{}")
                assert answer.status_code < 500, (method, path, nasty, answer.text)


@pytest.mark.parametrize("events", ["/v1/events", "/v1/runs/r/events"])
def test_s8_streams_are_refused_what_is_no_position(desk: Desk, events: str) -> None:
    for nasty in ("limit=nan", "status=x", "created_after=nan", "nothing=1"):
        is_refused(desk.client.get(f"{events}?{nasty}", headers=ADMIN), 404, 422)


@pytest.mark.parametrize("brought", ["a" * 129, "a b", "a\tb", "ä", "", "a;b", '"', "<script>"])
def test_s9_an_odd_request_id_is_not_given_back(desk: Desk, brought: str) -> None:
    headers = [(b"x-request-id", brought.encode("latin-1")), *((n.encode(), v.encode()) for n, v in ADMIN.items())]
    answer = desk.client.get("/v1/me", headers=headers)
    assert answer.headers["X-Request-Id"] != brought
    assert answer.headers["X-Request-Id"].isalnum()


def test_a_sane_request_id_is_given_back(desk: Desk) -> None:
    answer = desk.client.get("/v1/me", headers={**ADMIN, "X-Request-Id": "req_01J.a:b+c/d=e@f-g"})
    assert answer.headers.get_list("X-Request-Id") == ["req_01J.a:b+c/d=e@f-g"]


def test_s9_what_was_sent_comes_back_as_json_and_nothing_else(desk: Desk) -> None:
    for text in ("<script>alert(1)</script>", "';--", "{{7*7}}", "\u202e"):
        answer = desk.client.get(f"/v1/runs/{text}", headers=ADMIN)
        is_refused(answer, 404)
        assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")


@pytest.fixture
def failing(place: Place, catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch) -> FastAPI:
    """An API with a route that fails."""
    router = APIRouter(route_class=GuardedRoute)
    monkeypatch.setattr(guard, "RULES", {**RULES, "fail": RULES["who_am_i"]})

    @router.get("/fail")
    def fail() -> None:
        raise RuntimeError("a secret of ours")

    app = create_app(
        ApiSettings.model_validate(
            {"api_cors_origins": '["https://app.example.org"]', "public_url": "https://i.example.org"}
        ),
        place.open(),
        catalogue,
        authenticator=Believing(),
    )
    app.include_router(router)
    return app


def test_what_nobody_foresaw_is_a_problem_document_as_well_with_all_headers_and_no_details(failing: FastAPI) -> None:
    with TestClient(failing) as client:  # which would raise what the app lets through
        answer = client.get("/fail", headers={**ADMIN, "Origin": "https://app.example.org"})
    is_refused(answer, 500)
    assert "secret" not in answer.text
    assert answer.headers["Access-Control-Allow-Origin"] == "https://app.example.org"
    assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"


@pytest.mark.parametrize("path", ["/", "/v1", "/v1/nothing", "/v1/runs/", "//v1/runs", "/V1/runs"])
def test_an_address_that_is_none_is_a_problem_document(desk: Desk, path: str) -> None:
    is_refused(desk.client.get(f"http://127.0.0.1{path}", headers=ADMIN), 404)


def test_a_method_that_is_none_is_a_problem_document(desk: Desk) -> None:
    answer = desk.client.request("BREW", "/v1/me", headers=ADMIN)
    is_refused(answer, 405)
    assert answer.headers["Allow"] == "GET, HEAD"


def test_s8_a_body_that_does_not_come_is_not_waited_for() -> None:
    async def app(scope: Any, receive: Callable[[], Any], send: Any) -> None:  # noqa: ARG001 - as ASGI has it
        while (await receive())["more_body"]:
            pass

    async def drip() -> dict[str, Any]:
        await asyncio.sleep(0.01)
        return {"type": "http.request", "body": b"x", "more_body": True}

    async def ask(receive: Any) -> None:
        scope = {"type": "http", "headers": [], "query_string": b"", "path": "/"}
        await Limits(app, 1000, 0.1)(scope, receive, None)  # type: ignore[arg-type]  # nothing is sent

    for receive in (drip, lambda: asyncio.sleep(3600)):
        with pytest.raises(Problem, match="didn't come within") as caught:
            asyncio.run(ask(receive))
        assert caught.value.status == 408
    assert BODY_SECONDS <= 60
