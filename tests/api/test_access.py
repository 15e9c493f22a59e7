"""Who may do what (S5): each operation of the OpenAPI document, asked for by each role, with what is whose.

The table that answers are compared with is made from `api.access.RULES` alone. A new operation is in it by itself.
"""

import asyncio
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any, Final, NamedTuple

import orjson
import pytest
from fastapi import APIRouter, FastAPI
from fastapi.testclient import TestClient

from api import access
from api.access import RULES, Rule
from api.app import create_app
from api.guard import GuardedRoute
from api.principal import Role
from api.settings import ApiSettings
from blocks.approval import Decision
from blocks.catalogue import Catalogue
from engine.transitions import Wants
from tests.api.conftest import Desk
from tests.store.conftest import Place

ELSEWHERE: Final = "other"
KINDS: Final = ("own", "asked", "both", "foreign", ELSEWHERE)
ROLES: Final = (None, *Role)
HIDDEN: Final = frozenset({"openapi", "docs"})  # routes that are not in the document
PARTS: Final = frozenset({"start_inline_run"})  # rules of a part of another operation
MAKERS: Final = frozenset({"save_workflow"})  # what they name need not be there
PAGE: Final = Path(__file__).parents[2] / "docs" / "access.md"


class Operation(NamedTuple):
    """An operation of the OpenAPI document."""

    name: str
    method: str
    path: str
    body: Any

    @property
    def is_of_a_run(self) -> bool:
        return self.path.startswith("/v1/runs/{")

    @property
    def is_of_a_thing(self) -> bool:
        """Whether it is about something that a tenant has, other than a run."""
        return "{" in self.path and self.path.startswith(("/v1/workflows/", "/v1/operations/"))


def operations_of(app: FastAPI) -> dict[str, Operation]:
    """What the document has, with an example of what each takes."""
    document = app.openapi()
    return {
        told["operationId"]: Operation(told["operationId"], method.upper(), path, _example(document, told))
        for path, methods in document["paths"].items()
        for method, told in methods.items()
    }


def _example(document: dict[str, Any], told: dict[str, Any]) -> Any:
    content = told.get("requestBody", {}).get("content", {}).get("application/json")
    if content is None:
        return None
    if "example" in content:
        return content["example"]
    if "examples" in content:
        return next(iter(content["examples"].values()))["value"]
    schema = content["schema"]
    refs = [one["$ref"] for one in (schema, *schema.get("anyOf", ())) if "$ref" in one]
    model = document["components"]["schemas"][refs[0].rpartition("/")[2]]
    if "examples" in model:
        return model["examples"][0]
    return {name: model["properties"][name]["examples"][0] for name in model.get("required", ())}


class Answer(NamedTuple):
    """What became of a request: the status, and the code of a problem."""

    status: int
    code: str | None


def answer_to(desk: Desk, method: str, path: str, headers: dict[str, str], body: Any) -> Answer:
    """The answer to a request; who asks goes away once he knows its status, as streams have no end."""
    content = b"" if body is None else orjson.dumps(body)
    sent = {"host": "127.0.0.1", "content-length": str(len(content)), **headers}
    if content:
        sent["content-type"] = "application/json"
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(name.lower().encode(), value.encode()) for name, value in sent.items()],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
        "state": {},
    }

    async def ask() -> Answer:
        told: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        is_sent, heard = False, b""

        async def receive() -> dict[str, Any]:
            nonlocal is_sent
            if not is_sent:
                is_sent = True
                return {"type": "http.request", "body": content, "more_body": False}
            await told
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            nonlocal heard
            if message["type"] == "http.response.start":
                told.set_result(message["status"])
            heard += message.get("body", b"")

        async with asyncio.timeout(30):
            await desk.client.app(scope, receive, send)
        status = await told
        return Answer(status, orjson.loads(heard)["code"] if status >= 400 and heard.startswith(b"{") else None)

    assert desk.client.portal is not None
    return desk.client.portal.call(ask)


def principal(role: Role | None, subject: str = "pat", tenant: str = "default") -> dict[str, str]:
    said = {"subject": subject, "roles": [] if role is None else [role], "groups": [], "tenant": tenant}
    return {"X-Test-Principal": orjson.dumps(said).decode()}


def granted(rule: Rule, role: Role, kind: str) -> bool:
    return (
        role in rule.all
        or (role in rule.own and kind in {"own", "both"})
        or (role in rule.asked and kind in {"asked", "both"})
    )


def expected(operation: Operation, role: Role | None, kind: str, part: Rule | None = None) -> int | None:
    """403 or 404; None if it is let in, whatever then becomes of it. A `part` of it may take another right as well."""
    rule = RULES[operation.name]
    if rule.public:
        return None
    rights = [rule] if part is None else [rule, part]
    if role is None or role not in rule.roles:
        return 403
    if operation.is_of_a_run:
        if kind == ELSEWHERE or not granted(RULES["read_run"], role, kind):
            return 404
        return None if all(granted(right, role, kind) for right in rights) else 403
    if kind == ELSEWHERE and operation.is_of_a_thing and operation.name not in MAKERS:
        return 404
    return None if all(role in right.roles for right in rights) else 403


class World:
    """What there is to do something with: runs of each kind, and things of both tenants."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.operations = operations_of(desk.client.app)  # type: ignore[arg-type]  # it is one
        self._made = 0
        for tenant in ("default", ELSEWHERE):
            desk.save(WORKFLOW, tenant=tenant)
        for tenant in ("default", ELSEWHERE):  # what examples are about
            desk.save({**WORKFLOW, "name": "metadata-change-request"}, tenant=tenant)

    def run(self, kind: str, *, decision: bool = True) -> str:
        """A new run that waits for a decision, or for any signal."""
        self._made += 1
        id_ = f"run-{self._made}"
        own, asked = kind in {"own", "both", ELSEWHERE}, kind in {"asked", "both", ELSEWHERE}
        tenant = ELSEWHERE if kind == ELSEWHERE else "default"
        self.desk.engine.start(id_, {}, workflow="w", tenant=tenant, requested_by="pat" if own else "rita")
        wants = Wants(
            schema=Decision.model_json_schema() if decision else None,
            senders=("pat",) if asked else ("olga",),
            closes={"approve": 1, "reject": 1} if decision else {"*": 1},
        )
        self.desk.engine.suspend("ask", id_, wants=wants)
        return id_

    def thing(self, operation: Operation, kind: str) -> str:
        """The path of a new thing."""
        tenant = ELSEWHERE if kind == ELSEWHERE else "default"
        self._made += 1
        root = self.desk.ask("root", "admin", tenant=tenant)
        values = {"version": "1", "type": "NOOP", "token": "x.y", "task": "ask", "endpoint_id": "none"}
        if operation.path.startswith("/v1/workflows/"):
            values["name"] = name = f"w{self._made}" if kind != ELSEWHERE else f"theirs{self._made}"
            self.desk.save({**WORKFLOW, "name": name}, tenant=tenant)
            if "/webhooks/{" in operation.path:
                made = root.post(f"/v1/workflows/{name}/webhooks", self.operations["create_webhook"].body)
                values["endpoint_id"] = made["id"]
        elif operation.path.startswith("/v1/operations/"):
            values["operation_id"] = root.post("/v1/operations", self.operations["start_operation"].body)["id"]
        return operation.path.format_map(values)

    def path(self, operation: Operation, kind: str, *, decision: bool) -> str:
        """Where it is done with something of that kind."""
        if not operation.is_of_a_run:
            return self.thing(operation, kind)
        run = self.run(kind, decision=decision)
        return operation.path.format_map({"run_id": run, "task": "ask"})


WORKFLOW: Final = {
    "name": "w",
    "inputs": {"type": "object"},
    "dag": {
        "entrypoint": "ask",
        "exitpoints": ["ask"],
        "tasks": [{"name": "ask", "type": "APPROVAL", "arguments": {"approvers": ["olga"]}}],
    },
}


@pytest.fixture
def world(desk: Desk) -> World:
    return World(desk)


@pytest.mark.parametrize("name", sorted(RULES.keys() - HIDDEN - PARTS))
def test_s5_each_role_may_do_what_its_rule_says_and_nothing_else(world: World, name: str) -> None:
    body = world.operations[name].body
    if name == "save_workflow":
        body = {key: value for key, value in body.items() if key != "name"}
    if name == "retry_run":
        body = {"reason": "again"}
    compare(world, name, body, decision=name != "signal_task")


@pytest.mark.parametrize(
    ("name", "part", "body"),
    [
        ("retry_run", "skip_task", {"skip": ["ask"]}),
        ("signal_task", "decide", {"data": {"decision": "approve"}}),
        ("start_run", "start_inline_run", {"definition": {"name": "inline"}}),
    ],
)
def test_s5_a_part_of_an_operation_may_take_another_right(world: World, name: str, part: str, body: Any) -> None:
    compare(world, name, body, RULES[part])


def compare(world: World, name: str, body: Any, part: Rule | None = None, *, decision: bool = True) -> None:
    """Ask for an operation with each role, of each kind of what it is about, and compare the answers with the table."""
    operation = world.operations[name]
    kept: dict[str, str] = {}
    answers, table = {}, {}
    for role, kind in product(ROLES, KINDS if operation.is_of_a_run else ("here", ELSEWHERE)):
        table[role, kind] = expected(operation, role, kind, part)
        path = kept.get(kind) if operation.method == "GET" or table[role, kind] else None
        if path is None:
            path = kept[kind] = world.path(operation, kind, decision=decision)
        answers[role, kind] = answer_to(world.desk, operation.method, path, principal(role), body)
    assert not {place: answer for place, answer in answers.items() if answer.status >= 500}
    wrong = {
        place: (answers[place], right)
        for place, right in table.items()
        if _differs(answers[place], right, is_public=RULES[name].public)
    }
    assert not wrong, "who, of what: (the answer, what was expected)"


def _differs(answer: Answer, right: int | None, *, is_public: bool) -> bool:
    if right is not None:
        return answer.status != right or answer.code not in {"role-missing", "not-yours", "not-found"}
    if is_public or answer.code == "not-allowed":  # it got to the engine, which knows whom a task asks
        return False
    return answer.status in {401, 403, 404, 405, 415}


def test_s5_who_is_not_known_gets_nowhere_but_where_everybody_may(place: Place, catalogue: Catalogue) -> None:
    app = create_app(ApiSettings(), place.open(), catalogue)
    with TestClient(app, base_url="http://127.0.0.1") as client:
        for operation in operations_of(app).values():
            path = operation.path.replace("{", "").replace("}", "")
            for headers in ({}, {"Authorization": "Bearer x"}, principal(Role.ADMIN)):
                answer = client.request(operation.method, path, headers=headers, json=operation.body)
                is_refused = answer.status_code == 401 and answer.json()["code"] == "unauthenticated"
                assert is_refused != RULES[operation.name].public, (operation.name, answer.status_code)
                assert not is_refused or answer.headers["WWW-Authenticate"].startswith("Bearer ")
                assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_s5_every_operation_has_a_rule_and_every_rule_an_operation(place: Place, catalogue: Catalogue) -> None:
    app = create_app(ApiSettings(), place.open(), catalogue)
    routed = {route.name for route in _routes(app)}
    assert routed == RULES.keys() - PARTS
    assert operations_of(app).keys() == RULES.keys() - PARTS - HIDDEN


def test_s5_every_route_stands_behind_the_guard(place: Place, catalogue: Catalogue) -> None:
    app = create_app(ApiSettings(), place.open(), catalogue)
    for route in _routes(app):
        assert isinstance(route, GuardedRoute), route.name
        assert route.rule is RULES[route.name]


def test_s5_a_route_without_a_rule_can_not_be_made() -> None:
    router = APIRouter(route_class=GuardedRoute)
    with pytest.raises(LookupError, match="operation 'surprise' has no rule"):

        @router.get("/surprise")
        def surprise() -> None:
            """What nobody has thought about."""


def test_s5_lists_have_nothing_that_somebody_may_not_read(world: World) -> None:
    runs = {kind: world.run(kind) for kind in KINDS}
    for role in Role:
        answer = world.desk.ask("pat", role).ask("GET", "/v1/runs")
        assert answer.status_code == 200
        seen = {run["id"] for run in answer.json()["items"]}
        readable = {run for kind, run in runs.items() if kind != ELSEWHERE and granted(RULES["read_run"], role, kind)}
        assert seen == readable, role


def test_s5_another_tenants_workflow_is_as_unknown_as_one_that_is_not_there(world: World) -> None:
    world.desk.save({**WORKFLOW, "name": "theirs"}, tenant=ELSEWHERE)
    ann = world.desk.ask("ann", "admin")
    theirs, nobodys = (ann.ask("GET", f"/v1/workflows/{name}") for name in ("theirs", "nobodys"))
    assert theirs.status_code == nobodys.status_code == 404
    assert theirs.text.replace("theirs", "nobodys") == nobodys.text
    hidden, unknown = (ann.ask("GET", f"/v1/runs/{id_}") for id_ in (world.run(ELSEWHERE), "run-x"))
    assert hidden.status_code == unknown.status_code == 404
    assert hidden.json()["detail"].split("'")[::2] == unknown.json()["detail"].split("'")[::2]
    ann.put("/v1/workflows/theirs", {**WORKFLOW, "name": "theirs", "description": "ours"})
    other = world.desk.store.workflow("theirs", tenant=ELSEWHERE)
    assert other is not None
    assert (other.version, other.description) == (1, "")


def test_the_page_has_the_table_that_is_made_from_the_rules() -> None:
    assert access.table() in PAGE.read_text(encoding="utf-8"), "`python -m api.access` prints it"


def _routes(app: FastAPI) -> Iterator[Any]:
    """Every route, also of routers that are included."""
    pending: list[Any] = list(app.router.routes)
    while pending:
        route = pending.pop()
        included = getattr(route, "original_router", None)
        if included is None:
            yield route
        else:
            pending += included.routes
