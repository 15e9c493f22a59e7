"""S6: runs started by signed messages. Those are signed here by another implementation, the package of the standard."""

from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from standardwebhooks import Webhook

from tests.api.conftest import Desk, Person
from tests.store.driver import workflow

BODY = b'{"asset": "sales.orders"}'
SCHEMA = {"type": "object", "required": ["asset"], "properties": {"asset": {"type": "string"}}}


@pytest.fixture
def builder(desk: Desk) -> Person:
    desk.store.save_workflow(workflow(inputs=SCHEMA), by="ann")
    return desk.ask("bob", "builder")


@pytest.fixture
def endpoint(builder: Person) -> dict[str, Any]:
    return created(builder)


def created(builder: Person, **options: Any) -> dict[str, Any]:
    endpoint: dict[str, Any] = builder.post("/v1/workflows/w/webhooks", options)
    return endpoint


def headers_of(secret: str, body: bytes = BODY, *, id_: str = "msg_1", at: float) -> dict[str, str]:
    """The headers of a message, signed at a time."""
    time = datetime.fromtimestamp(int(at), UTC)
    return {
        "webhook-id": id_,
        "webhook-timestamp": str(int(at)),
        "webhook-signature": Webhook(secret).sign(id_, time, body.decode()),
    }


def send(desk: Desk, endpoint: dict[str, Any], headers: dict[str, str], body: bytes = BODY) -> Any:
    path = endpoint["url"].removeprefix("http://icefloe.test")
    return desk.client.post(path, content=body, headers={**headers, "Content-Type": "application/json"})


def signed(desk: Desk, endpoint: dict[str, Any], body: bytes = BODY, **options: Any) -> Any:
    """The answer to a message that was signed as it should be."""
    at = options.pop("at", desk.clock())
    secret = options.pop("secret", endpoint["secret"])
    return send(desk, endpoint, headers_of(secret, body, at=at, **options), body)


def started(desk: Desk) -> int:
    """How many runs there are."""
    return sum(desk.store.counts().values())


def test_a_signed_message_starts_a_run(desk: Desk, endpoint: dict[str, Any]) -> None:
    answer = signed(desk, endpoint)
    assert answer.status_code == 202, answer.text
    run = desk.engine.run(answer.json()["run"])
    assert (run.workflow, run.inputs, run.requested_by) == ("w", {"asset": "sales.orders"}, f"webhook:{endpoint['id']}")
    assert run.labels["icefloe.webhook.message"] == "msg_1"


def test_a_message_that_is_sent_again_starts_nothing_and_names_the_same_run(
    desk: Desk, endpoint: dict[str, Any]
) -> None:
    first = signed(desk, endpoint)
    again = signed(desk, endpoint)
    later = signed(desk, endpoint, at=desk.clock() + 200)  # another attempt has another time
    assert [one.status_code for one in (first, again, later)] == [202, 200, 200]
    assert first.json() == again.json() == later.json()
    assert started(desk) == 1


@pytest.mark.parametrize("inputs", [None, {"asset": "always"}])
def test_the_same_id_with_another_body_is_refused(desk: Desk, builder: Person, inputs: dict[str, Any] | None) -> None:
    endpoint = created(builder, inputs=inputs)
    assert signed(desk, endpoint).status_code == 202
    answer = signed(desk, endpoint, b'{"asset": "sales.customers"}')
    assert (answer.status_code, answer.json()["code"]) == (409, "webhook-id-reused")
    assert started(desk) == 1


def test_no_byte_of_a_message_can_be_changed(desk: Desk, endpoint: dict[str, Any]) -> None:
    headers = headers_of(endpoint["secret"], at=desk.clock())
    refused = refusal(desk, endpoint, {})
    for place in range(len(BODY)):
        for bit in range(8):
            body = flipped(BODY, place, bit)
            assert shape(send(desk, endpoint, headers, body)) == refused
    for name, value in headers.items():
        for place in range(len(value)):
            for bit in range(7):
                changed = flipped(value.encode(), place, bit)
                if changed[place : place + 1].isalnum() or changed[place] in b"!#$%&'()*+,-./:;<=>?@[]^_`{|}~":
                    answer = send(desk, endpoint, {**headers, name: changed.decode()})
                    assert shape(answer) == refused, (name, changed)
    assert started(desk) == 0
    assert send(desk, endpoint, headers).status_code == 202


def flipped(text: bytes, place: int, bit: int) -> bytes:
    return text[:place] + bytes([text[place] ^ 1 << bit]) + text[place + 1 :]


def shape(answer: Any) -> tuple[int, Any, dict[str, str]]:
    """All that a refusal says, but for the number of the request."""
    headers = {name: value for name, value in answer.headers.items() if name != "x-request-id"}
    return answer.status_code, answer.json(), headers


def refusal(desk: Desk, endpoint: dict[str, Any], headers: dict[str, str]) -> tuple[int, Any, dict[str, str]]:
    answer = send(desk, endpoint, headers)
    assert answer.status_code == 401
    assert answer.json()["code"] == "bad-signature"
    return shape(answer)


def test_every_refusal_says_the_same(desk: Desk, builder: Person, endpoint: dict[str, Any]) -> None:
    good = headers_of(endpoint["secret"], at=desk.clock())
    other = created(builder)
    expected = refusal(desk, endpoint, {})
    for headers in (
        *({name: value for name, value in good.items() if name != missing} for missing in good),
        {**good, "webhook-signature": ""},
        {**good, "webhook-signature": "v1"},
        {**good, "webhook-signature": "v1,"},
        {**good, "webhook-signature": good["webhook-signature"].replace("v1,", "v2,")},
        {**good, "webhook-signature": good["webhook-signature"].replace("v1,", "v1a,")},
        {**good, "webhook-signature": good["webhook-signature"].rstrip("=")},
        {**good, "webhook-timestamp": good["webhook-timestamp"] + ".0"},
        {**good, "webhook-timestamp": "+" + good["webhook-timestamp"]},
        {**good, "webhook-timestamp": "1e6"},
        {**good, "webhook-timestamp": "9" * 400},
        headers_of(other["secret"], at=desk.clock()),
        headers_of(endpoint["secret"], at=desk.clock() - 301),
        headers_of(endpoint["secret"], at=desk.clock() + 302),
        headers_of(endpoint["secret"], at=desk.clock(), id_=""),
        headers_of(endpoint["secret"], at=desk.clock(), id_="a" * 256),
    ):
        assert refusal(desk, endpoint, headers) == expected
    assert started(desk) == 0


@pytest.mark.parametrize(
    "id_", ["default.AAAAAAAAAAAAAAAAAAAAAA", "other.AAAAAAAAAAAAAAAAAAAAAA", "x", "a" * 200, "%00"]
)
def test_an_endpoint_that_is_not_there_looks_like_a_wrong_signature(
    desk: Desk, endpoint: dict[str, Any], id_: str
) -> None:
    status, problem, headers = refusal(desk, endpoint, {})
    nowhere = {**endpoint, "url": f"/hooks/{id_}"}
    found_status, found, found_headers = shape(signed(desk, nowhere))
    assert (found_status, {**found, "instance": ""}) == (status, {**problem, "instance": ""})
    assert {**found_headers, "content-length": ""} == {**headers, "content-length": ""}


@pytest.mark.parametrize(("age", "status"), [(300, 202), (301, 401), (-299, 202), (-302, 401)])
def test_old_and_future_messages_are_refused(desk: Desk, endpoint: dict[str, Any], age: float, status: int) -> None:
    assert signed(desk, endpoint, at=desk.clock() - age).status_code == status


def test_a_message_can_not_be_replayed_when_it_is_old(desk: Desk, endpoint: dict[str, Any]) -> None:
    headers = headers_of(endpoint["secret"], at=desk.clock())
    assert send(desk, endpoint, headers).status_code == 202
    desk.clock.pass_(299)
    assert send(desk, endpoint, headers).status_code == 200
    desk.clock.pass_(2)
    assert send(desk, endpoint, headers).status_code == 401
    assert started(desk) == 1


def test_two_secrets_count_while_one_replaces_the_other(desk: Desk, builder: Person, endpoint: dict[str, Any]) -> None:
    path = f"/v1/workflows/w/webhooks/{endpoint['id']}/rotate"
    new = builder.post(path, {"overlap": 3600})
    assert new["secret"] != endpoint["secret"]
    assert new["old_secret_until"] == desk.clock() + 3600
    assert signed(desk, endpoint, id_="old").status_code == 202
    assert signed(desk, new, id_="new").status_code == 202
    both = headers_of(endpoint["secret"], at=desk.clock(), id_="both")
    both["webhook-signature"] += " " + headers_of(new["secret"], at=desk.clock(), id_="both")["webhook-signature"]
    assert send(desk, endpoint, {**both, "webhook-signature": "v1a,other " + both["webhook-signature"]}).is_success
    desk.clock.pass_(3600)
    assert signed(desk, endpoint, id_="too late").status_code == 401
    assert signed(desk, new, id_="new-2").status_code == 202
    newest = builder.post(path, {"overlap": 0})
    assert newest["old_secret_until"] is None
    assert signed(desk, new, id_="stolen").status_code == 401
    assert signed(desk, newest, id_="newest").status_code == 202


def test_of_three_secrets_the_oldest_never_counts(desk: Desk, builder: Person, endpoint: dict[str, Any]) -> None:
    path = f"/v1/workflows/w/webhooks/{endpoint['id']}/rotate"
    second = builder.post(path, {})
    third = builder.post(path, {})
    assert [signed(desk, one, id_=f"m-{one['secret'][-6:]}").status_code for one in (endpoint, second, third)] == [
        401,
        202,
        202,
    ]


def test_what_is_sent_is_mapped_to_inputs(desk: Desk, builder: Person) -> None:
    endpoint = created(builder, inputs={"asset": "{{ inputs.data.asset }}", "who": "by {{ inputs.data.who }}"})
    body = b'{"type": "asset.changed", "data": {"asset": "sales.orders", "who": "ada"}}'
    run = desk.engine.run(signed(desk, endpoint, body).json()["run"])
    assert run.inputs == {"asset": "sales.orders", "who": "by ada"}


@pytest.mark.parametrize(
    ("body", "word"),
    [
        (b"{}", "asset"),
        (b'{"asset": 1}', "asset"),
        (b"[]", "object"),
        (b"{", "JSON"),
        (b'{"asset": "a", "asset": "b"}', "twice"),
        (b"", "JSON"),
    ],
)
def test_inputs_that_do_not_fit_are_told_to_who_has_signed_them(
    desk: Desk, endpoint: dict[str, Any], body: bytes, word: str
) -> None:
    answer = signed(desk, endpoint, body)
    assert answer.status_code == 422
    assert word in orjson.dumps(answer.json()["faults"]).decode()
    assert send(desk, endpoint, {}, body).status_code == 401
    assert started(desk) == 0


@pytest.mark.parametrize(
    ("inputs", "where"),
    [
        ({"asset": "{{ tasks.a.outputs }}"}, "inputs.asset"),
        ({"asset": "{{ run.id }}"}, "inputs.asset"),
        ({"asset": "{{ inputs.x"}, "inputs.asset"),
        ({"asset": {"deep": ["{{ nonsense }}"]}}, "inputs.asset.deep[0]"),
    ],
)
def test_a_mapping_that_can_not_be_filled_in_is_refused(builder: Person, inputs: dict[str, Any], where: str) -> None:
    answer = builder.ask("POST", "/v1/workflows/w/webhooks", json={"inputs": inputs})
    assert answer.status_code == 422
    assert [fault["path"] for fault in answer.json()["faults"]] == [where]


def test_the_version_of_an_endpoint_is_the_one_that_runs(desk: Desk, builder: Person) -> None:
    first = created(builder, version=1)
    latest = created(builder)
    desk.store.save_workflow(workflow("a", inputs=SCHEMA), by="ann")
    versions = [desk.engine.run(signed(desk, one).json()["run"]).plan.workflow.version for one in (first, latest)]
    assert versions == [1, 2]
    answer = builder.ask("POST", "/v1/workflows/w/webhooks", json={"version": 3})
    assert [fault["path"] for fault in answer.json()["faults"]] == ["version"]


def test_endpoints_are_listed_without_their_secrets_and_deleted(
    desk: Desk, builder: Person, endpoint: dict[str, Any]
) -> None:
    others = [created(builder) for _ in range(2)]
    path = "/v1/workflows/w/webhooks"
    first = builder.get(path, params={"limit": 2})
    rest = builder.get(path, params={"limit": 2, "cursor": first["cursor"]})
    assert rest["cursor"] is None
    items = first["items"] + rest["items"]
    assert [one["id"] for one in items] == sorted(one["id"] for one in (endpoint, *others))
    assert "whsec_" not in orjson.dumps(items).decode()
    builder.delete(f"{path}/{endpoint['id']}")
    assert signed(desk, endpoint).status_code == 401
    assert builder.ask("DELETE", f"{path}/{endpoint['id']}").status_code == 404
    assert len(builder.get(path)["items"]) == 2


def test_another_tenant_has_no_part_in_an_endpoint(desk: Desk, endpoint: dict[str, Any]) -> None:
    eve = desk.ask("eve", "builder", tenant="other")
    desk.save({**workflow().model_dump(mode="json", exclude_none=True), "name": "w"}, tenant="other")
    path = "/v1/workflows/w/webhooks"
    assert eve.get(path)["items"] == []
    assert eve.ask("DELETE", f"{path}/{endpoint['id']}").status_code == 404
    assert eve.ask("POST", f"{path}/{endpoint['id']}/rotate", json={}).status_code == 404
    hers = created(eve)
    run = desk.engine.run(signed(desk, hers, b"{}").json()["run"])
    assert run.tenant == "other"


def test_without_its_workflow_an_endpoint_starts_nothing(desk: Desk, endpoint: dict[str, Any]) -> None:
    desk.store.delete_workflow("w", by="ann")
    answer = signed(desk, endpoint)
    assert answer.status_code == 422
    assert answer.json()["faults"][0]["path"] == "workflow"


def test_a_workflow_takes_its_endpoints_with_it_when_it_is_deleted(
    desk: Desk, builder: Person, endpoint: dict[str, Any]
) -> None:
    desk.store.save_workflow(workflow(inputs=SCHEMA, name="v"), by="ann")
    builder.post("/v1/workflows/v/webhooks", {})
    builder.delete("/v1/workflows/w")
    assert builder.ask("GET", "/v1/workflows/w/webhooks").status_code == 404
    desk.store.save_workflow(workflow(inputs=SCHEMA), by="eve")
    assert signed(desk, endpoint).status_code == 401, "a secret of what was deleted starts nothing that came after it"
    assert builder.get("/v1/workflows/w/webhooks")["items"] == []
    assert len(builder.get("/v1/workflows/v/webhooks")["items"]) == 1
    assert started(desk) == 0


def test_a_secret_is_in_no_answer_but_its_own_and_in_no_log(
    desk: Desk, builder: Person, endpoint: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    signed(desk, endpoint)
    send(desk, endpoint, {})
    secret = endpoint["secret"].removeprefix("whsec_")
    page = desk.store.changes("")
    assert secret not in repr(page)
    assert secret not in orjson.dumps(builder.get("/v1/workflows/w/webhooks")).decode()
    said = capsys.readouterr()
    assert secret not in said.out + said.err
