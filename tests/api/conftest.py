"""The API on both stores, asked by whomever a test wants: `desk.ask("ada", "approver").get("/v1/runs")`."""

from collections.abc import Iterator
from typing import Any, Final

import orjson
import pytest
from fastapi import Request
from fastapi.testclient import TestClient
from httpx2 import Response

from api.app import create_app
from api.principal import Principal, Role
from api.settings import ApiSettings
from blocks.catalogue import Catalogue
from engine.documents import Workflow
from engine.validation import check
from store.protocol import Store
from tests.store.conftest import STORES, Place
from tests.store.driver import Clock, Player

LINK_KEY: Final = "0123456789abcdef0123456789abcdef"


class Believing:
    """An authenticator that believes what a test says: how people are authenticated is tested elsewhere."""

    async def authenticate(self, request: Request) -> Principal:
        said = orjson.loads(request.headers["X-Test-Principal"])
        roles = frozenset(map(Role, said["roles"]))
        return Principal(said["subject"], said["tenant"], roles, tuple(said["groups"]), "test")


class Person:
    """Somebody who asks the API."""

    def __init__(self, client: TestClient, said: dict[str, Any]) -> None:
        self._client = client
        self._headers = {"X-Test-Principal": orjson.dumps(said).decode()}

    def ask(self, method: str, path: str, **options: Any) -> Response:
        """The answer to a request, whatever it is."""
        headers = {**self._headers, **options.pop("headers", {})}
        return self._client.request(method, path, headers=headers, **options)

    def get(self, path: str, **options: Any) -> Any:
        """The document that must be there."""
        return self._good("GET", path, options)

    def post(self, path: str, document: object = None, **options: Any) -> Any:
        """The answer to what must be taken."""
        return self._good("POST", path, {"json": document, **options} if document is not None else options)

    def put(self, path: str, document: object, **options: Any) -> Any:
        """As above."""
        return self._good("PUT", path, {"json": document, **options})

    def delete(self, path: str, **options: Any) -> None:
        """As above."""
        self._good("DELETE", path, options)

    def _good(self, method: str, path: str, options: dict[str, Any]) -> Any:
        answer = self.ask(method, path, **options)
        assert answer.is_success, (answer.status_code, answer.text)
        return answer.json() if answer.content else None


class Desk:
    """A store, the API on it, an engine that a test plays, and whoever asks."""

    def __init__(self, store: Store, clock: Clock, client: TestClient, catalogue: Catalogue) -> None:
        self.store = store
        self.clock = clock
        self.client = client
        self.catalogue = catalogue
        store.register("engine-1", 30.0)
        self.engine = Player(store)

    def ask(self, subject: str, *roles: str, groups: tuple[str, ...] = (), tenant: str = "default") -> Person:
        """Somebody with these roles."""
        return Person(self.client, {"subject": subject, "roles": roles, "groups": groups, "tenant": tenant})

    def save(self, document: dict[str, Any], *, tenant: str = "default") -> Workflow:
        """Save a workflow, which must be valid."""
        report = check({**document, "tenant": tenant}, self.catalogue)
        assert report.workflow is not None, report.faults
        return self.store.save_workflow(report.workflow, by="ann")


@pytest.fixture(scope="session")
def catalogue() -> Catalogue:
    return Catalogue.load()


@pytest.fixture
def api_settings() -> ApiSettings:
    """What a test overrides, by a fixture of its own, to have other settings."""
    return ApiSettings(public_url="http://icefloe.test", link_key=LINK_KEY, api_rate=0)  # type: ignore[arg-type] # pydantic wraps the key


@pytest.fixture(params=STORES)
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    place = Place(STORES[request.param](request))
    yield place
    place.close()


@pytest.fixture
def desk(place: Place, catalogue: Catalogue, api_settings: ApiSettings) -> Iterator[Desk]:
    store = place.open()
    app = create_app(api_settings, place.open(), catalogue, authenticator=Believing())
    with TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False) as client:
        yield Desk(store, place.clock, client, catalogue)
