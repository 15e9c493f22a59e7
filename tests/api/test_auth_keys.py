"""API keys: who shows one, and what is wrong with those that are refused."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from fastapi.testclient import TestClient
from httpx2 import Response

from api import auth_keys
from api.app import create_app
from api.auth_bearer import BearerTokens
from api.auth_keys import BEGINNING, KIND, REMEMBERED_SECONDS, ApiKeys, NewKey
from api.principal import Principal, Role
from api.rates import WRONG_CREDENTIALS
from api.settings import ApiSettings
from blocks.catalogue import Catalogue
from store.protocol import Record, Store
from tests.store.conftest import Place

ADA = Principal("ada", "default", frozenset({Role.VIEWER, Role.APPROVER}), ("stewards",))
DAY = 86400.0


class Ticking:
    """A clock that a test moves: of what is remembered."""

    def __init__(self) -> None:
        self.time = 0.0

    def __call__(self) -> float:
        return self.time


class Gate:
    """An API with keys, and who asks it."""

    def __init__(self, store: Store, client: TestClient, clock: Ticking) -> None:
        self.store = store
        self.client = client
        self.clock = clock

    def key(self, *, lifetime: float | None = None) -> NewKey:
        return auth_keys.create(self.store, ADA, by="root", label="for tests", lifetime=lifetime)

    def ask(self, credentials: str | None) -> Response:
        headers = {} if credentials is None else {"Authorization": credentials}
        return self.client.get("/v1/me", headers=headers)

    def status(self, token: str) -> int:
        return self.ask(f"Bearer {token}").status_code


@pytest.fixture
def gate(place: Place, catalogue: Catalogue) -> Iterator[Gate]:
    store, clock = place.open(), Ticking()
    tokens = BearerTokens({BEGINNING: ApiKeys(place.open(), clock)}, clock)
    app = create_app(ApiSettings(), place.open(), catalogue, authenticator=tokens)
    with TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False) as client:
        yield Gate(store, client, clock)


def test_who_shows_a_key_is_whom_it_was_made_for(gate: Gate) -> None:
    answer = gate.ask(f"Bearer {gate.key().token}")
    assert answer.json() == {
        "subject": "ada",
        "tenant": "default",
        "roles": ["approver", "viewer"],
        "groups": ["stewards"],
    }
    assert gate.ask(f"bearer   {gate.key().token}").status_code == 200


def test_only_a_hash_of_the_secret_is_kept_and_no_two_keys_are_alike(gate: Gate) -> None:
    made = [gate.key() for _ in range(20)]
    assert len({one.token for one in made}) == 20
    for key, token in made:
        record = gate.store.record(KIND, key.id, tenant="")
        assert record is not None
        secret = token.rpartition(f"{key.id}_")[2]
        assert len(secret) == 43
        assert secret not in str(record)
        assert "hash" not in key.document()


@pytest.mark.parametrize("credentials", [None, "", "Basic YWRhOmE=", "Bearer", "Bearer ", "Bearer é", "icf_1_2"])
def test_who_shows_no_token_is_told_how_to(gate: Gate, credentials: str | None) -> None:
    raw = [(b"authorization", credentials.encode("latin-1"))] if credentials is not None else []
    answer = gate.client.get("/v1/me", headers=raw)
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
    assert answer.headers["WWW-Authenticate"].startswith('Bearer realm="icefloe"')
    assert "Bearer" in answer.json()["detail"]


def test_whatever_is_wrong_with_a_key_the_answer_is_the_same(gate: Gate) -> None:
    key, token = gate.key()
    expired, revoked = gate.key(lifetime=0.0), gate.key()
    auth_keys.revoke(gate.store, revoked.key)
    beginning, secret = token[:-43], token[-43:]
    wrong = [
        expired.token,
        revoked.token,
        token[:-1],
        token + "A",
        token.upper(),
        beginning + "A" * 43,
        f"icf_{'0' * 16}_{secret}",
        f"icf_{key.id}_{revoked.token[-43:]}",
        "icf_",
        "not-even-alike",
        "eyJhbGciOiJub25lIn0.e30.",
    ]
    answers = {(one.status_code, one.text, one.headers["WWW-Authenticate"]) for one in map(gate.ask, _bearing(wrong))}
    assert len(answers) == 1
    [(status, text, _)] = answers
    assert status == 401
    assert not any(one in text for one in wrong)
    assert gate.status(token) == 200


def test_no_character_of_a_key_may_be_another(gate: Gate) -> None:
    token = gate.key().token
    flipped = [token[:at] + ("b" if token[at] != "b" else "c") + token[at + 1 :] for at in range(len(token))]
    assert gate.status(token) == 200
    for one in flipped:
        gate.clock.time += 2.0  # a drop for each wrong one
        assert gate.status(one) == 401, one


def test_a_key_works_until_it_expires_though_it_is_remembered(gate: Gate, place: Place) -> None:
    token = gate.key(lifetime=DAY).token
    assert gate.status(token) == 200
    place.clock.pass_(DAY - 1)
    assert gate.status(token) == 200
    place.clock.pass_(1)
    assert gate.status(token) == 401


def test_a_revoked_key_works_a_few_seconds_at_most(gate: Gate) -> None:
    key, token = gate.key()
    assert gate.status(token) == 200
    assert auth_keys.revoke(gate.store, key).revoked_at is not None
    gate.clock.time = REMEMBERED_SECONDS
    assert gate.status(token) == 401


def test_a_key_that_was_asked_for_too_early_works_a_few_seconds_later(gate: Gate) -> None:
    made = gate.key()
    gate.store.remove_record(KIND, made.key.id, tenant="")
    assert gate.status(made.token) == 401
    gate.store.put_record(made.key.record()._replace(revision=0))
    gate.clock.time = REMEMBERED_SECONDS
    assert gate.status(made.token) == 200


def test_a_key_and_a_guess_at_it_are_looked_up_once_while_they_are_remembered(gate: Gate) -> None:
    made = gate.key()
    looked_up: list[str] = []

    class Counting:
        def record(self, kind: str, id: str, *, tenant: str) -> Record | None:  # noqa: A002 - the store's name of it
            looked_up.append(id)
            return gate.store.record(kind, id, tenant=tenant)

        def now(self) -> float:
            return gate.store.now()

    tokens = BearerTokens({BEGINNING: ApiKeys(Counting(), gate.clock)}, gate.clock)  # type: ignore[arg-type]  # of the store it needs no more
    app = create_app(ApiSettings(), gate.store, Catalogue.load(), authenticator=tokens)
    guess = f"icf_{'0' * 16}_{'A' * 43}"
    with TestClient(app, base_url="http://127.0.0.1") as client:
        for token in (made.token, guess, made.token[:-1] + "!", made.token, guess) * 3:
            client.get("/v1/me", headers={"Authorization": f"Bearer {token}"})
    assert looked_up == [made.key.id, "0" * 16]


def test_who_guesses_is_not_listened_to_and_locks_out_nobody_from_the_same_address(gate: Gate) -> None:
    good = gate.key().token
    assert gate.status(good) == 200
    for nr in range(WRONG_CREDENTIALS):
        assert gate.status(f"icf_{nr:016x}_{'A' * 43}") == 401
    refused = gate.ask(f"Bearer icf_{'f' * 16}_{'A' * 43}")
    assert (refused.status_code, refused.json()["code"], refused.headers["Retry-After"]) == (429, "rate-limited", "1")
    assert gate.status(gate.key().token) == 429, "it might be a guess"
    assert gate.status(good) == 200, "it was good before"
    gate.clock.time += 60.0
    assert gate.status(gate.key().token) == 200


def test_many_may_ask_at_once(gate: Gate) -> None:
    token = gate.key().token
    with ThreadPoolExecutor(16) as threads:
        assert set(threads.map(gate.status, [token] * 64)) == {200}


def test_a_damaged_record_is_no_key(gate: Gate) -> None:
    made = gate.key()
    record = made.key.record()
    gate.store.put_record(record._replace(document={**record.document, "roles": ["king"]}))
    assert gate.status(made.token) == 401
    assert list(auth_keys.keys(gate.store)) == []


def test_keys_are_listed_in_pages(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auth_keys, "_PAGE", 2)
    made = {gate.key().key.id for _ in range(5)}
    assert {key.id for key in auth_keys.keys(gate.store)} == made
    assert all(key.label == "for tests" and key.created_by == "root" for key in auth_keys.keys(gate.store))


def _bearing(tokens: list[str]) -> list[str]:
    return [f"Bearer {token}" for token in tokens]
