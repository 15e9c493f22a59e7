"""What is wrong with a request is told in sentences, at its place, with the nearest name."""

import re
from typing import Any

import pytest
from pydantic import ValidationError

from api.settings import ApiSettings
from tests.api.conftest import Desk

MISSING = "the body is missing: this takes a JSON object"


@pytest.mark.parametrize(
    ("path", "body", "fault"),
    [
        ("/v1/runs", {"workflow": "x", "input": {}}, ("input", "is not known here (did you mean 'inputs'?)")),
        ("/v1/runs/x/cancel", {"cause": ""}, ("cause", "is not known here; there are reason")),
        ("/v1/operations", {"filter": {}}, ("action", "is required")),
        (
            "/v1/operations",
            {"action": "cancel", "filter": {"workflw": "x"}},
            ("filter.workflw", "is not known here (did you mean 'workflow'?)"),
        ),
    ],
)
def test_a_body_with_too_much_or_too_little_is_told_the_name(
    desk: Desk, path: str, body: dict[str, object], fault: tuple[str, str]
) -> None:
    answer = desk.ask("ada", "admin").ask("POST", path, json=body)
    assert answer.status_code == 422
    assert fault in {(one["path"], one["message"]) for one in answer.json()["faults"]}


@pytest.mark.parametrize(
    ("path", "options", "fault"),
    [
        ("/v1/runs", {}, ("", MISSING)),
        ("/v1/workflows", {}, ("", MISSING)),
        ("/v1/runs", {"json": []}, ("", "should be an object")),
        ("/v1/runs", {"json": {"workflow": "w", "inputs": []}}, ("inputs", "should be an object")),
        ("/v1/operations", {"json": {"action": "cancel", "filter": []}}, ("filter", "should be an object")),
        ("/v1/runs/x/retry", {"json": {"skip": ["a"] * 1001}}, ("skip", "should have at most 1,000 items")),
        (
            "/v1/operations",
            {"json": {"action": "cancel", "filter": {"requested_by": ""}}},
            ("filter.requested_by", "should have at least 1 character"),
        ),
        (
            "/v1/runs",
            {"json": {"workflow": "w"}, "headers": {"Idempotency-Key": "k" * 300}},
            ("header.Idempotency-Key", "should have at most 255 characters"),
        ),
    ],
)
def test_what_is_of_another_kind_or_length_is_told_in_words_of_json(
    desk: Desk, path: str, options: dict[str, Any], fault: tuple[str, str]
) -> None:
    answer = desk.ask("ada", "admin").ask("POST", path, **options)
    assert answer.status_code == 422
    assert [(one["path"], one["message"]) for one in answer.json()["faults"]] == [fault]


@pytest.mark.parametrize(
    ("path", "fault"),
    [
        ("/v1/runs?requested_by=", ("query.requested_by", "should have at least 1 character")),
        ("/v1/runs?inputs.asset=%00", ("query.inputs.asset", "has characters that can't be printed")),
        ("/v1/runs?inputs.a%00=1", ("query.inputs.a\\x00", "has characters that can't be printed")),
        ("/v1/runs?waiting_for=olga", ("query.waiting_for", "should be `me`, `person:NAME` or `group:NAME`")),
        ("/v1/events?waiting_for=olga", ("query.waiting_for", "should be `me`, `person:NAME` or `group:NAME`")),
        ("/v1/workflows?label=team", ("query.label[0]", "should be KEY=VALUE")),
        ("/v1/workflows?lable=a=b", ("query.lable", "is not known here (did you mean 'label'?)")),
    ],
)
def test_a_query_that_is_not_understood_is_told_how_it_is_written(
    desk: Desk, path: str, fault: tuple[str, str]
) -> None:
    answer = desk.ask("ada", "admin").ask("GET", path)
    assert answer.status_code == 422
    assert [(one["path"], one["message"]) for one in answer.json()["faults"]] == [fault]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/runs/counts?workflow=w"),
        ("GET", "/v1/runs/none?workflow=w"),
        ("GET", "/v1/blocks?workflow=w"),
        ("POST", "/v1/validate?workflow=w"),
        ("DELETE", "/v1/workflows/w?workflow=w"),
    ],
)
def test_a_query_where_there_is_none_to_be_asked_is_refused_rather_than_ignored(
    desk: Desk, method: str, path: str
) -> None:
    answer = desk.ask("ada", "admin").ask(method, path)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")
    assert answer.json()["faults"] == [{"path": "query.workflow", "message": "is not known here"}]
    assert desk.client.get("/healthz?workflow=w").status_code == 200, "whoever may ask anybody may add something"


def test_a_path_that_leads_nowhere_says_where_to_look(desk: Desk) -> None:
    answer = desk.client.get("/v1/workflow")
    assert (answer.status_code, answer.json()["code"]) == (404, "not-found")
    assert answer.json()["detail"] == "there is nothing at this path: /docs says what there is"
    answer = desk.client.request("PATCH", "/healthz")
    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, HEAD")
    assert answer.json()["detail"] == "nothing at this path answers to PATCH: the header Allow says what does"


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PATCH", "/v1/runs", "GET, POST, HEAD"),
        ("HEAD", "/v1/runs/none/pause", "POST"),
        ("POST", "/v1/workflows/w", "DELETE, GET, PUT, HEAD"),
        ("POST", "/v1/workflows/w/webhooks/one", "DELETE"),
        ("PUT", "/links/one", "GET, POST, HEAD"),
    ],
)
def test_what_a_path_does_not_answer_to_is_told_all_that_it_does(
    desk: Desk, method: str, path: str, allowed: str
) -> None:
    answer = desk.client.request(method, path)
    assert (answer.status_code, answer.headers["Allow"]) == (405, allowed)


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ({"api_auth": "key"}, "should be `keys`, `oidc`, `keys,oidc` or `none`"),
        ({"public_url": "icefloe.example.org"}, "should be an address such as https://icefloe.example.org"),
        ({"api_proxies": '["10.0.0.0/99"]'}, "name addresses and networks, such as 10.0.0.0/8"),
        ({"api_cors_origins": '["https://portal.example.org/"]'}, "'https://portal.example.org/' is no origin"),
    ],
)
def test_a_setting_that_can_not_be_used_says_how_it_is_written(setting: dict[str, str], sentence: str) -> None:
    with pytest.raises(ValidationError, match=re.escape(sentence)):
        ApiSettings.model_validate(setting)


def test_settings_that_can_be_used_are_taken() -> None:
    proxies, origins = '["10.0.0.0/8", "::1", "192.0.2.7"]', '["https://portal.example.org:8443", "*"]'
    settings = ApiSettings.model_validate({"api_proxies": proxies, "api_cors_origins": origins})
    assert settings.api_proxies == ("10.0.0.0/8", "::1", "192.0.2.7")
    assert settings.api_cors_origins == ("https://portal.example.org:8443", "*")
