"""Tokens of an OIDC issuer: which are believed, and what they say."""

import asyncio
import base64
import hmac
import json
import time
from collections.abc import Callable, Coroutine, Iterator
from functools import partial
from typing import Any

import pytest
import structlog
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from api import auth_oidc_keys
from api.auth_oidc import OidcTokens, refusal_of
from api.auth_oidc_keys import AGAIN_SECONDS, OLD_SECONDS, USELESS_SECONDS, KeySet
from api.principal import Principal, Role
from api.problems import Problem
from api.settings import OidcSettings
from tests.api.issuer import AUDIENCE, Issuer, SigningKey

EVERY_ALGORITHM = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA")


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    issuer = Issuer()
    yield issuer
    issuer.close()


class Gate:
    """Where tokens are shown, with a clock that a test moves: of how old keys are."""

    def __init__(self, issuer: Issuer, **settings: Any) -> None:
        self.time = 0.0
        told = OidcSettings(issuer=issuer.url, audience=AUDIENCE, **settings)
        self.keys = KeySet(told, lambda: self.time)
        self.tokens = OidcTokens(told, self.keys)

    async def fetched(self) -> None:
        """Wait until no keys are being fetched in the background."""
        if self.keys._fetching is not None:
            await self.keys._fetching

    async def refusal(self, token: str) -> str:
        """The sentence to a token that must be refused."""
        with pytest.raises(Problem) as caught:
            await self.tokens.principal(token)
        problem = caught.value
        assert problem.status == 401, problem
        assert problem.headers["WWW-Authenticate"] == 'Bearer realm="icefloe", error="invalid_token"'
        assert token not in problem.detail
        assert not any(len(part) > 8 and part in problem.detail for part in token.split("."))
        return problem.detail


def run(coroutine: Coroutine[Any, Any, None]) -> None:
    asyncio.run(coroutine)


def show(issuer: Issuer, token: str, **settings: Any) -> Principal:
    return asyncio.run(Gate(issuer, **settings).tokens.principal(token))


def refused(issuer: Issuer, token: str, **settings: Any) -> str:
    return asyncio.run(Gate(issuer, **settings).refusal(token))


def test_a_token_says_who_somebody_is(issuer: Issuer) -> None:
    found = show(issuer, issuer.token())
    assert found == Principal("ada@example.org", "default", frozenset({Role.VIEWER}), ("stewards",))
    assert found.via == "oidc"
    assert issuer.asked == ["/.well-known/openid-configuration", "/keys"]


@pytest.mark.parametrize("algorithm", EVERY_ALGORITHM)
def test_every_algorithm_that_may_be_allowed_works_and_only_if_it_is(issuer: Issuer, algorithm: str) -> None:
    key = SigningKey("two", algorithm)
    issuer.keys = [key.public()]
    assert show(issuer, issuer.token(signed=key), algorithms=(algorithm,)).subject == "ada@example.org"
    others = tuple(one for one in EVERY_ALGORITHM if one != algorithm)
    assert "is not signed with" in refused(issuer, issuer.token(signed=key), algorithms=others)


def test_claims_are_found_on_their_way_through_objects(issuer: Issuer) -> None:
    other: dict[str, Any] = {"https://example.org/org": "finance"}
    token = issuer.token(
        realm_access={"roles": ["offline_access", "data-stewards", "builder"]},
        preferred_username="ada",
        teams="a b",
        roles=None,
        **other,
    )
    found = show(
        issuer,
        token,
        subject_claim="preferred_username",
        roles_claim="realm_access.roles",
        groups_claim="teams",
        tenant_claim="https://example.org/org",
        roles={"data-stewards": "approver"},
    )
    assert found == Principal("ada", "finance", frozenset({Role.APPROVER, Role.BUILDER}), ("a", "b"))


@pytest.mark.parametrize("roles", [None, [], "", ["king"], 7, {"viewer": 1}, [["viewer"]]])
def test_who_has_no_role_that_is_known_is_somebody_who_may_do_nothing(issuer: Issuer, roles: Any) -> None:
    assert show(issuer, issuer.token(roles=roles)).roles == frozenset()


@pytest.mark.parametrize(
    ("claims", "sentence"),
    [
        ({"iss": "https://other.example.org"}, "another issuer"),
        ({"iss": None}, "no `iss`"),
        ({"aud": "other"}, "another audience"),
        ({"aud": ["other", "another"]}, "another audience"),
        ({"aud": None}, "no `aud`"),
        ({"exp": None}, "no `exp`"),
        ({"exp": time.time() - 31}, "expired"),
        ({"exp": "soon"}, "damaged"),
        ({"nbf": time.time() + 3600}, "not valid yet"),
        ({"iat": time.time() + 3600}, "not valid yet"),
        ({"iat": "now"}, "no time"),
        ({"email": None}, "a subject is a text"),
        ({"email": ["ada"]}, "a subject is a text"),
        ({"email": " "}, "a subject is a text"),
        ({"email": "ada\u202e"}, "can't be seen"),
        ({"email": "a" * 300}, "300 characters"),
        ({"email_verified": False}, "not verified"),
        ({"email_verified": "false"}, "not verified"),
        ({"groups": [f"g{nr}" for nr in range(501)]}, "501 groups"),
        ({"groups": ["a\n"]}, "can't be seen"),
    ],
)
def test_a_token_whose_claims_are_not_right_is_refused_with_the_reason(
    issuer: Issuer, claims: dict[str, Any], sentence: str
) -> None:
    assert sentence in refused(issuer, issuer.token(**claims))


@pytest.mark.parametrize("tenant", ["", None, "a b", 7, "../x", "x" * 64])
def test_a_tenant_that_is_none_is_refused(issuer: Issuer, tenant: Any) -> None:
    assert "a tenant is" in refused(issuer, issuer.token(org=tenant), tenant_claim="org")


def test_clocks_may_differ_a_little(issuer: Issuer) -> None:
    now = time.time()
    assert show(issuer, issuer.token(exp=now - 25, nbf=now + 25, iat=now + 25)).subject == "ada@example.org"
    assert "expired" in refused(issuer, issuer.token(exp=now - 25), leeway=0)


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def crafted(header: dict[str, Any], token: str, sign: Callable[[bytes], bytes]) -> str:
    """A token with the claims of another, and a header that no library would write."""
    signed = f"{b64(json.dumps(header).encode())}.{token.split('.')[1]}"
    return f"{signed}.{b64(sign(signed.encode()))}"


def test_what_a_token_says_about_how_to_check_it_is_not_believed(issuer: Issuer) -> None:
    token, public = issuer.token(), issuer.key.private.public_key()
    own = SigningKey("one")
    for alg in ("none", "None", "NONE", "", None, 7, "HS256"):
        for sign in (lambda _: b"", lambda text: hmac.digest(b"", text, "sha256")):
            assert "is not signed with" in refused(issuer, crafted({"alg": alg, "kid": "one"}, token, sign))
    for encoding, form in (
        (serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo),
        (serialization.Encoding.PEM, serialization.PublicFormat.PKCS1),
        (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo),
    ):
        as_secret = partial(hmac.digest, public.public_bytes(encoding, form), digest="sha256")
        forged = crafted({"alg": "HS256", "kid": "one"}, token, as_secret)
        assert "is not signed with" in refused(issuer, forged)
    for header in ({"jwk": own.public()}, {"jku": f"{issuer.url}/elsewhere"}, {"x5u": f"{issuer.url}/elsewhere"}):
        assert "signature is wrong" in refused(issuer, issuer.token(signed=own, headers=header))
    assert "/elsewhere" not in issuer.asked


def test_a_key_serves_no_other_algorithm_than_it_is_for(issuer: Issuer) -> None:
    for published, algorithm in (
        (issuer.key.public(alg="RS512"), "RS256"),
        (issuer.key.public(use="enc"), "RS256"),
        (issuer.key.public(key_ops=["encrypt"]), "RS256"),
        ({"kty": "oct", "kid": "one", "k": b64(b"secret" * 8)}, "RS256"),
        (SigningKey("one", "ES384").public(), "ES256"),
    ):
        issuer.keys = [published]
        key = issuer.key if algorithm == "RS256" else SigningKey("one", algorithm)
        assert "no such key" in refused(issuer, issuer.token(signed=key), algorithms=("RS256", "ES256"))


def test_a_changed_token_is_refused_wherever_it_was_changed(issuer: Issuer) -> None:
    token = issuer.token()

    async def flip() -> None:
        gate = Gate(issuer)
        await gate.tokens.principal(token)
        for at in range(0, len(token), 7):
            with pytest.raises(Problem) as caught:
                await gate.tokens.principal(token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1 :])
            assert caught.value.status == 401, at

    run(flip())


@pytest.mark.parametrize(
    "token", ["x", "..", "a.b.c", "e30.e30.", f"{'A' * 5000}.e30.x", "W10.e30.eA", f"{b64(b'[' * 3000)}.e30.eA"]
)
def test_what_is_no_token_is_refused(issuer: Issuer, token: str) -> None:
    refused(issuer, token)
    assert issuer.asked == []


def test_detached_and_critical_tokens_are_refused(issuer: Issuer) -> None:
    headers: list[dict[str, Any]] = [
        {"kid": "one", "b64": False, "crit": ["b64"]},
        {"kid": "one", "crit": ["exp"], "exp": 1},
        {"kid": {"one": 1}},
    ]
    for header in headers:
        refused(issuer, crafted({"alg": "RS256", **header}, issuer.token(), lambda _: b"x"))


def test_a_weak_key_is_not_believed(issuer: Issuer) -> None:
    weak = SigningKey("weak", "RS256", rsa.generate_private_key(65537, 1024))  # noqa: S505 - it must be refused
    issuer.keys = [weak.public()]
    with pytest.warns(Warning, match="1024"):
        token = issuer.token(signed=weak)
    assert "too weak" in refused(issuer, token)


def test_a_token_that_names_no_key_is_believed_if_there_is_only_one(issuer: Issuer) -> None:
    token = issuer.token(headers={"kid": None})
    assert show(issuer, token).subject == "ada@example.org"
    issuer.keys = [issuer.key.public(), SigningKey("two").public()]
    assert "no such key" in refused(issuer, token)


def test_new_keys_are_fetched_when_a_token_names_one_but_not_too_often(issuer: Issuer) -> None:
    async def rotate() -> None:
        gate, new = Gate(issuer, jwks_url=f"{issuer.url}/keys"), SigningKey("two")
        await gate.tokens.principal(issuer.token())
        assert "no such key" in await gate.refusal(issuer.token(signed=new))
        issuer.keys.append(new.public())
        assert "no such key" in await gate.refusal(issuer.token(signed=new))
        assert issuer.asked == ["/keys"], "it was asked just now"
        gate.time = AGAIN_SECONDS
        await asyncio.gather(*(gate.tokens.principal(issuer.token(signed=new)) for _ in range(20)))
        assert issuer.asked == ["/keys"] * 2, "once for all of them"
        issuer.keys = [new.public()]
        gate.time += OLD_SECONDS
        await gate.tokens.principal(issuer.token())  # while the set is fetched again
        await gate.fetched()
        assert "no such key" in await gate.refusal(issuer.token())
        await gate.tokens.principal(issuer.token(signed=new))

    run(rotate())


@pytest.mark.parametrize(
    ("status", "content"),
    [
        (500, b""),
        (200, b"<html>"),
        (200, b"[]"),
        (200, b"{}"),
        (200, b'{"keys": {}}'),
        (200, b'{"keys": [' + b" " * 300_000 + b"]}"),
        (200, json.dumps({"keys": [{}] * 101}).encode()),
        (302, b""),
    ],
)
def test_keys_of_before_are_kept_while_no_new_ones_can_be_fetched(issuer: Issuer, status: int, content: bytes) -> None:
    async def fail() -> None:
        gate = Gate(issuer, jwks_url=f"{issuer.url}/keys")
        await gate.tokens.principal(issuer.token())
        issuer.served["/keys"] = (status, content)
        gate.time = OLD_SECONDS
        with structlog.testing.capture_logs() as logs:
            await gate.tokens.principal(issuer.token())
            assert "no such key" in await gate.refusal(issuer.token(signed=SigningKey("two")))
        assert [line["event"] for line in logs] == ["oidc_keys_not_fetched"]
        assert "/elsewhere" not in issuer.asked
        gate.time = USELESS_SECONDS
        with pytest.raises(Problem) as caught:
            await gate.tokens.principal(issuer.token())
        assert (caught.value.status, caught.value.headers) == (503, {"Retry-After": "5"})
        del issuer.served["/keys"]
        gate.time += 5.0
        await gate.tokens.principal(issuer.token())

    run(fail())


def test_while_there_are_no_keys_at_all_the_caller_is_told_to_come_again_and_the_issuer_is_left_alone(
    issuer: Issuer,
) -> None:
    issuer.served["/.well-known/openid-configuration"] = (503, b"")

    async def wait() -> None:
        gate = Gate(issuer)
        for _ in range(5):
            with pytest.raises(Problem) as caught:
                await gate.tokens.principal(issuer.token())
            assert (caught.value.status, caught.value.code) == (503, "keys-unavailable")
        assert len(issuer.asked) == 1
        issuer.served.clear()
        gate.time = 5.0
        await gate.tokens.principal(issuer.token())

    run(wait())


@pytest.mark.parametrize(
    "document",
    [
        {"issuer": "https://other.example.org", "jwks_uri": "https://other.example.org/keys"},
        {"jwks_uri": "http://192.0.2.1/keys"},
        {"jwks_uri": "file:///etc/passwd"},
        {"jwks_uri": 7},
        {},
    ],
)
def test_a_discovery_document_that_is_not_the_issuers_own_or_leads_astray_is_not_followed(
    issuer: Issuer, document: dict[str, Any]
) -> None:
    issuer.served["/.well-known/openid-configuration"] = (
        200,
        json.dumps({"issuer": issuer.url, **document}).encode(),
    )
    with pytest.raises(Problem) as caught:
        show(issuer, issuer.token())
    assert caught.value.status == 503


def test_an_issuer_that_takes_too_long_is_not_waited_for(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auth_oidc_keys, "_FETCH_SECONDS", 0.2)
    issuer.delay = 1.0
    begun = time.monotonic()
    with pytest.raises(Problem) as caught:
        show(issuer, issuer.token())
    assert caught.value.status == 503
    assert time.monotonic() - begun < 1.0


@pytest.mark.parametrize(
    ("url", "is_right"),
    [
        ("https://login.example.org", True),
        ("http://127.0.0.1:1", True),
        ("http://localhost/realms/x", True),
        ("http://[::1]:80", True),
        ("http://login.example.org", False),
        ("http://localhost.example.org", False),
        ("ftp://localhost", False),
        ("http://127.0.0.1@example.org", False),
        ("login.example.org", False),
        ("http://[", False),
    ],
)
def test_keys_are_only_fetched_where_nobody_can_change_them_on_the_way(url: str, *, is_right: bool) -> None:
    assert (refusal_of(OidcSettings(issuer=url, audience="a")) is None) == is_right
    assert (refusal_of(OidcSettings(issuer="https://a.example.org", audience="a", jwks_url=url)) is None) == is_right
