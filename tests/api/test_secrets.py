"""Secrets never leak (S4): canaries on every path there is, looked for in every answer and each line of the log."""

import logging
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterator
from io import StringIO
from typing import Any, Final
from urllib.parse import quote

import pytest
import structlog
from fastapi.testclient import TestClient
from httpx2 import Response
from typing_extensions import override

from api import auth_keys
from api.app import create_app
from api.principal import Principal, Role
from api.settings import ApiSettings, OidcSettings
from blocks.catalogue import Catalogue
from blocks.links import Link, sign
from icefloe import logs
from store.protocol import StoreError, StoreUnavailable
from tests.api.issuer import AUDIENCE, Issuer
from tests.api.test_access import WORKFLOW, Operation, operations_of
from tests.store.conftest import Place

LINK_KEY: Final = "canary-of-the-key-of-links-0123456789abcdef"
MAIL: Final = "canary-of-the-mail-password"
WORD: Final = "canary/of+a=guessed&password"
FAILING: Final = ("read_run", "list_runs", "list_workflows", "start_run", "decide", "create_webhook", "use_link")


class Screen(StringIO):
    """A stream that a person watches: tracebacks look otherwise there."""

    @override
    def isatty(self) -> bool:
        return True


@pytest.fixture(params=[StringIO, Screen], ids=["for machines", "for people"])
def log(request: pytest.FixtureRequest) -> Iterator[StringIO]:
    """What is logged, as `icefloe api` does it, down to the last detail."""
    handlers, level = logging.root.handlers[:], logging.root.level
    stream: StringIO = request.param()
    logs.configure("debug", stream)
    yield stream
    structlog.reset_defaults()
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)


def spellings(secret: str) -> Iterator[str]:
    """A secret as it is, and as it may be written."""
    raw = secret.encode()
    yield secret
    yield quote(secret, safe="")
    yield raw.hex()
    for shift in range(3):  # base64 looks otherwise behind one byte or two; its edges depend on the neighbours
        for encode in (b64encode, urlsafe_b64encode):
            yield encode(b"\0" * shift + raw).decode()[4 if shift else 0 :].rstrip("=")[:-2]


class Scene:
    """An API with secrets everywhere, whatever it ever said, and whoever asks it."""

    def __init__(self, place: Place, catalogue: Catalogue, log: StringIO) -> None:
        self.issuer, self.store, self.log = Issuer(), place.open(), log
        self._served = place.open()
        everybody = Principal("ann", "default", frozenset(Role))
        self.key = auth_keys.create(self.store, everybody, by="root").token
        self.revoked = auth_keys.create(self.store, everybody, by="root")
        auth_keys.revoke(self.store, self.revoked.key)
        settings = ApiSettings.model_validate(
            {
                "api_auth": "keys,oidc",
                "api_oidc": OidcSettings(issuer=self.issuer.url, audience=AUDIENCE).model_dump_json(),
                "link_key": LINK_KEY,
                "public_url": "https://icefloe.example.org",
            }
        )
        app = create_app(settings, self._served, catalogue)
        self.operations = operations_of(app)
        self.client = TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False)
        self.heard: list[str] = []
        self.token = self.issuer.token(roles=list(Role))
        self.expired = self.issuer.token(exp=1)
        self.secrets = {
            "key": self.key[-43:],
            "revoked key": self.revoked.token[-43:],
            "hash of a key": next(auth_keys.keys(self.store)).hash,
            "link key": LINK_KEY,
            "mail password": MAIL,
            "signature of a token": self.token.rpartition(".")[2],
            "signature of an expired token": self.expired.rpartition(".")[2],
            "guessed password": WORD,
        }

    def credentials(self) -> list[str]:
        flipped = self.key[:-1] + ("A" if self.key[-1] != "A" else "B")
        own = [f"Bearer {one}" for one in (self.key, self.token)]
        wrong = [f"Bearer {one}" for one in (flipped, self.revoked.token, self.expired, self.token[:-4])]
        return [*own, *wrong, f"Basic {WORD}", f"Bearer {WORD} {WORD}", self.key]

    def ask(self, operation: Operation, credentials: str, **fields: Any) -> Response:
        """Ask for something, and keep what is said."""
        values = {"name": "w", "run_id": "r", "task": "ask", "version": "1", "type": "NOOP", "operation_id": "o"}
        token = sign(Link("r", "ask", 1, "olga", "approve", 2_000_000_000.0), LINK_KEY)
        path = operation.path.format_map({**values, "endpoint_id": "none", "token": token})
        headers = {"Authorization": credentials, "Idempotency-Key": "k"}
        answer = self.client.request(operation.method, path, headers=headers, **{"json": operation.body, **fields})
        self.heard.append(f"{answer.headers}\n{answer.text}")
        return answer

    def ask_everything(self) -> None:
        """Every operation by everybody; streams, which have no end, only by who gets none."""
        for operation in self.operations.values():
            for number, credentials in enumerate(self.credentials()):
                if operation.name.startswith("follow_") and number < 2:
                    continue
                self.ask(operation, credentials)

    def check(self) -> None:
        """Nothing of it was ever said."""
        said = {"answers": "\n".join(self.heard), "log": self.log.getvalue()}
        for name, secret in self.secrets.items():
            for spelling in spellings(secret):
                for where, text in said.items():
                    assert spelling not in text, f"{name}, in the {where}: …{_around(text, spelling)}…"


def _around(text: str, found: str) -> str:
    at = text.index(found)
    return text[max(at - 200, 0) : at + len(found) + 50]


@pytest.fixture
def scene(place: Place, catalogue: Catalogue, log: StringIO, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    monkeypatch.setenv("ICEFLOE_SMTP_URL", f"smtps://icefloe:{MAIL}@mail.example.org")
    scene = Scene(place, catalogue, log)
    with scene.client:
        yield scene
    scene.issuer.close()


def test_s4_no_answer_and_no_log_has_a_secret_whoever_asks(scene: Scene) -> None:
    root = f"Bearer {scene.key}"
    made = scene.client.post("/v1/workflows", json=WORKFLOW, headers={"Authorization": root})
    assert made.status_code == 201, made.text
    told = scene.client.post(
        "/v1/workflows/w/webhooks", json=scene.operations["create_webhook"].body, headers={"Authorization": root}
    )
    assert told.status_code == 201, told.text
    scene.secrets["webhook secret"] = told.json()["secret"].removeprefix("whsec_")
    again = scene.client.post(
        f"/v1/workflows/w/webhooks/{told.json()['id']}/rotate", json={}, headers={"Authorization": root}
    )
    scene.secrets["new webhook secret"] = again.json()["secret"].removeprefix("whsec_")
    del scene.operations["create_webhook"], scene.operations["rotate_webhook"]  # whose answers have one of their own
    scene.ask_everything()
    scene.check()


def test_s4_a_body_or_an_address_with_a_secret_is_not_logged(scene: Scene) -> None:
    bearer = f"Bearer {scene.key}"
    start = scene.operations["start_run"]
    for body in (
        {"workflow": WORD},
        {"workflow": 7, "inputs": WORD},
        {WORD: 1},
        {"workflow": "w", "inputs": {"a": WORD}},
    ):
        scene.ask(start, bearer, json=body)
    scene.client.get("/v1/runs", params={"password": WORD}, headers={"Authorization": bearer})
    scene.client.get("/v1/me", headers={"Authorization": bearer, "Cookie": WORD, "X-Request-Id": WORD})
    scene.client.post("/v1/runs", content=WORD, headers={"Authorization": bearer, "Content-Type": "application/json"})
    scene.heard.clear()  # who sent it may hear it again
    scene.check()


@pytest.mark.parametrize("error", [RuntimeError, StoreError, StoreUnavailable, ValueError, KeyError])
def test_s4_nor_does_what_is_said_of_a_failure(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    assert scene.ask(scene.operations["who_am_i"], f"Bearer {scene.key}").status_code == 200  # it is remembered

    def fail(*_: object, **__: object) -> None:
        raise error("it broke")

    names = ("load", "find", "record", "records", "put_record", "workflow", "workflows", "create", "apply", "counts")
    with monkeypatch.context() as broken:
        for name in names:
            broken.setattr(scene._served, name, fail)
        for operation in FAILING:
            for credentials in (f"Bearer {scene.key}", f"Bearer {scene.revoked.token}"):
                scene.ask(scene.operations[operation], credentials)
    assert any('"status":50' in one for one in scene.heard)
    scene.check()


def test_s4_a_secret_is_not_in_the_settings_as_they_are_shown() -> None:
    settings = ApiSettings.model_validate({"link_key": LINK_KEY})
    assert LINK_KEY not in f"{settings!r} {settings} {settings.model_dump()} {settings.model_dump_json()}"
