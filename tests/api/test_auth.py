"""The modes of authentication: which the settings allow, and what nobody is asked for on loopback."""

import asyncio
from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient
from httpx2 import Response
from starlette.requests import Request

from api import auth_keys
from api.app import create_app
from api.auth import ApiSettingsError, authenticator_of
from api.auth_none import NoAuthentication, is_loopback
from api.principal import Principal, Role
from api.problems import Problem
from api.rates import Failures, Rates, address_of
from api.settings import ApiSettings, OidcSettings
from blocks.catalogue import Catalogue
from tests.api.issuer import AUDIENCE, Issuer
from tests.store.conftest import Place


def ask(client: TestClient, method: str = "GET", path: str = "/v1/me", **headers: str) -> Response:
    return client.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})


@pytest.fixture
def loopback(place: Place, catalogue: Catalogue) -> Iterator[TestClient]:
    settings = ApiSettings.model_validate({"api_auth": "none", "api_cors_origins": '["http://localhost:3000"]'})
    with TestClient(create_app(settings, place.open(), catalogue), base_url="http://127.0.0.1:8080") as client:
        yield client


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "api.example.org"])  # noqa: S104 - must be refused
def test_without_authentication_the_api_listens_on_loopback_alone(host: str, place: Place) -> None:
    with pytest.raises(ApiSettingsError, match="ICEFLOE_API_AUTH=none makes everybody an admin"):
        authenticator_of(ApiSettings(api_auth="none", api_host=host), place.open())


def test_without_authentication_not_every_page_of_the_web_may_read(place: Place) -> None:
    settings = ApiSettings.model_validate({"api_auth": "none", "api_cors_origins": '["*"]'})
    with pytest.raises(ApiSettingsError, match="name the origins that may"):
        authenticator_of(settings, place.open())


def test_an_issuer_must_be_named_and_safe(place: Place) -> None:
    with pytest.raises(ApiSettingsError, match="needs ICEFLOE_API_OIDC"):
        authenticator_of(ApiSettings(api_auth="keys,oidc"), place.open())
    insecure = ApiSettings.model_validate(
        {"api_auth": "oidc", "api_oidc": '{"issuer": "http://login.example.org", "audience": "a"}'}
    )
    with pytest.raises(ApiSettingsError, match="ICEFLOE_API_OIDC: issuer must be an https URL"):
        authenticator_of(insecure, place.open())


def test_keys_and_tokens_work_beside_one_another(place: Place, catalogue: Catalogue) -> None:
    issuer = Issuer()
    oidc = OidcSettings(issuer=issuer.url, audience=AUDIENCE).model_dump_json()
    store = place.open()
    token = auth_keys.create(store, Principal("kim", "default", frozenset({Role.VIEWER})), by="root").token
    try:
        for modes in ("keys,oidc", "oidc,keys"):
            settings = ApiSettings.model_validate({"api_auth": modes, "api_oidc": oidc})
            with TestClient(create_app(settings, place.open(), catalogue)) as client:
                assert ask(client, Authorization=f"Bearer {token}").json()["subject"] == "kim"
                assert ask(client, Authorization=f"Bearer {issuer.token()}").json()["subject"] == "ada@example.org"
                nobody = ask(client, Authorization=f"Bearer {issuer.token(roles=[])}")
                assert (nobody.status_code, nobody.json()["code"]) == (403, "role-missing")
                assert ask(client, Authorization="Bearer icf_1").status_code == 401
    finally:
        issuer.close()


def test_a_developer_is_an_admin_who_can_act_as_somebody_else(loopback: TestClient) -> None:
    assert ask(loopback).json() == {
        "subject": "developer",
        "tenant": "default",
        "roles": sorted(Role),
        "groups": [],
    }
    acting = ask(
        loopback,
        X_Icefloe_As="ada@example.org",
        X_Icefloe_Roles="approver, viewer",
        X_Icefloe_Groups="stewards,finance",
        X_Icefloe_Tenant="other",
    )
    assert acting.json() == {
        "subject": "ada@example.org",
        "tenant": "other",
        "roles": ["approver", "viewer"],
        "groups": ["stewards", "finance"],
    }
    named = loopback.get("/v1/me", headers=[(b"x-icefloe-as", "Jörg".encode())])
    assert named.json()["subject"] == "Jörg"


@pytest.mark.parametrize(
    ("header", "value", "sentence"),
    [
        ("X_Icefloe_Roles", "viewr", "did you mean 'viewer'?"),
        ("X_Icefloe_Tenant", "a b", "a tenant is a letter"),
        ("X_Icefloe_As", "a" * 256, "256 characters"),
    ],
)
def test_names_that_can_not_be_are_refused(loopback: TestClient, header: str, value: str, sentence: str) -> None:
    answer = ask(loopback, **{header: value})
    assert (answer.status_code, answer.json()["code"]) == (400, "bad-name")
    assert sentence in answer.json()["detail"]


def test_a_name_that_is_no_text_is_refused() -> None:
    request = Request({"type": "http", "headers": [(b"x-icefloe-as", b"\xff")]})
    with pytest.raises(Problem, match="X-Icefloe-As is not UTF-8"):
        asyncio.run(NoAuthentication().authenticate(request))


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:99", "127.0.0.1:8080", "127.1.2.3", "[::1]:8080", "[::1]"])
def test_this_machine_is_known_by_its_own_names(loopback: TestClient, host: str) -> None:
    assert ask(loopback, Host=host).status_code == 200
    assert ask(loopback, "POST", Host=host, Origin=f"http://{host.lower()}").status_code == 405, "it came to the routes"


@pytest.mark.parametrize(
    "host",
    [
        "",
        "evil.example.org",
        "evil.example.org:8080",
        "127.0.0.1.evil.example.org",
        "localhost.",
        "a@localhost",
        "localhost:8080:8080",
        "localhost/",
        "192.0.2.7",
        "[::2]",
        "0.0.0.0",  # noqa: S104 - as above
    ],
)
def test_a_name_that_was_made_to_point_here_is_refused(loopback: TestClient, host: str) -> None:
    for path in ("/v1/me", "/openapi.json", "/v1/nothing"):
        answer = ask(loopback, path=path, Host=host)
        assert (answer.status_code, answer.json()["code"]) == (403, "foreign-page")
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
@pytest.mark.parametrize(
    "origin", ["https://evil.example.org", "null", "http://localhost:8080", "http://127.0.0.1", "file://", ""]
)
def test_a_page_of_another_origin_changes_nothing(loopback: TestClient, method: str, origin: str) -> None:
    answer = ask(loopback, method, Origin=origin)
    assert (answer.status_code, answer.json()["code"]) == (403, "foreign-page")
    assert "Access-Control-Allow-Origin" not in answer.headers


def test_a_page_that_is_listed_may_do_what_the_developer_may(loopback: TestClient) -> None:
    answer = ask(loopback, "POST", Origin="http://localhost:3000")
    assert answer.status_code == 405, "it came to the routes"
    assert answer.headers["Access-Control-Allow-Origin"] == "http://localhost:3000"
    asked = {"Origin": "http://localhost:3000", "Access-Control-Request-Method": "POST"}
    assert loopback.options("/v1/me", headers=asked).status_code == 200
    assert loopback.options("/v1/me", headers={**asked, "Origin": "http://evil.example.org"}).status_code == 400


def test_no_page_of_another_origin_is_answered_unless_it_is_listed(place: Place, catalogue: Catalogue) -> None:
    with TestClient(create_app(ApiSettings(), place.open(), catalogue)) as client:
        answer = client.get("/openapi.json", headers={"Origin": "https://evil.example.org"})
        assert answer.status_code == 200
        assert not any(name.startswith("access-control") for name in answer.headers)


def test_loopback_is_what_can_only_be_this_machine() -> None:
    assert all(map(is_loopback, ("localhost", "127.0.0.1", "127.255.0.1", "::1")))
    assert not any(map(is_loopback, (None, "", "0.0.0.0", "::", "example.org", "127.0.0.1.example.org", "1")))  # noqa: S104 - as above


def test_requests_are_let_in_evenly_and_a_quiet_minute_is_made_up_for() -> None:
    now = 0.0
    rates = Rates(60, lambda: now)
    assert [rates.wait("ada") for _ in range(60)] == [None] * 60
    assert rates.wait("ada") == pytest.approx(1.0)
    assert rates.wait("bob") is None, "everybody has his own"
    now = 0.5
    assert rates.wait("ada") == pytest.approx(0.5)
    now = 1.0
    assert rates.wait("ada") is None
    assert rates.wait("ada") == pytest.approx(1.0)
    now = 3600.0
    assert [rates.wait("ada") for _ in range(61)].count(None) == 60
    assert [Rates(0).wait("ada") for _ in range(1000)] == [None] * 1000


def test_what_limits_remember_is_bounded() -> None:
    failures = Failures(1, lambda: 0.0)
    for nr in range(30_000):
        failures.count(f"192.0.{nr}")
    assert len(failures._buckets._buckets) == 20_000
    assert failures.wait("192.0.29999") is not None
    assert failures.wait("192.0.0") is None, "that was forgotten"


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "20010db800010002::".lstrip("0")),
        ("2001:db8:1:2::9", "20010db800010002::".lstrip("0")),
        ("testclient", "testclient"),
    ],
)
def test_an_ipv6_network_counts_as_one_address(host: str, address: str) -> None:
    assert address_of(Request({"type": "http", "client": (host, 1), "headers": []})) == address
    assert address_of(Request({"type": "http", "client": None, "headers": []})) == ""


def test_who_asks_too_often_is_told_when_to_come_again(place: Place, catalogue: Catalogue) -> None:
    store = place.open()
    token = auth_keys.create(store, Principal("kim", "default", frozenset({Role.VIEWER})), by="root").token
    with TestClient(create_app(ApiSettings(api_rate=2), place.open(), catalogue)) as client:
        answers = [ask(client, Authorization=f"Bearer {token}") for _ in range(3)]
        assert [answer.status_code for answer in answers] == [200, 200, 429]
        assert 1 <= int(answers[-1].headers["Retry-After"]) <= 30
        assert answers[-1].json()["detail"].startswith("too many requests came from you in a minute")
