"""One-click links: a page that asks, one decision when its button is pressed, and a sentence for everything else."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from html import unescape
from typing import Any, Final

import pytest
from fastapi.testclient import TestClient
from httpx2 import Response
from pydantic import SecretStr
from structlog.processors import format_exc_info
from structlog.testing import capture_logs

from api.app import create_app
from api.link_pages import COMMENT_CHARS
from api.routes.links import LINKS_A_MINUTE
from api.settings import ApiSettings
from blocks.approval import Decision
from blocks.catalogue import Catalogue
from blocks.links import Link, sign, signal_id, url
from engine.transitions import (
    RunCancelled,
    RunRetried,
    Signal,
    SignalReceived,
    TaskBypassed,
    TaskDelegated,
    TaskSucceeded,
    TaskTimedOut,
    Wants,
)
from store.protocol import StoreUnavailable
from tests.api.conftest import LINK_KEY, Believing, Desk
from tests.store.conftest import Place
from tests.store.driver import START

UNTIL: Final = START + 1000
NASTY: Final = [
    "<script>alert(1)</script>",
    "</pre></textarea></title><img src=x onerror=alert(1)>",
    '" onmouseover="alert(1)',
    "' autofocus onfocus='alert(1)",
    "{{ 7 * 7 }} {% raw %} ${7*7} #{7*7}",
    "javascript:alert(1)",
    "&lt;b&gt; &amp; &#x3c;",
    "Übergröße ändern: Straße, naïve, Ελλάδα",
    "\u202egnp.exe \u2066abc\u2069 שלום مرحبا",
    "a\u2028b\x1bd\r\ne",
    "👩\u200d👩\u200d👧 \ufeff\U000e0041",
]


def token(decision: str = "approve", person: str = "ada", **fields: Any) -> str:
    """What the mail to somebody has."""
    said = {"run": "r", "task": "ask", "generation": 1, "expires_at": UNTIL, **fields}
    return sign(Link(person=person, decision=decision, **said), LINK_KEY)  # type: ignore[arg-type] # one of both


def ask(desk: Desk, *, inputs: dict[str, Any] | None = None, requested_by: str = "rita", **wants: Any) -> None:
    """A run that asks ada and bob."""
    if desk.store.workflow("w") is None:
        arguments = {"approvers": ["ada", "bob"], "title": "{{ inputs.title }}", "details": "{{ inputs.details }}"}
        text = {"type": "object", "properties": {"title": {"default": "Change it"}, "details": {"default": "why"}}}
        task = {"name": "ask", "type": "APPROVAL", "arguments": arguments}
        desk.save({"name": "w", "inputs": text, "dag": {"entrypoint": "ask", "exitpoints": ["ask"], "tasks": [task]}})
    desk.engine.start(inputs=inputs, requested_by=requested_by)
    asked = Wants(Decision.model_json_schema(), ("ada", "bob"), {"approve": 1, "reject": 1})._replace(**wants)
    desk.engine.suspend("ask", wants=asked, after=500.0)


def show(desk: Desk, token: str, method: str = "GET", **headers: str) -> Response:
    return desk.client.request(method, f"/links/{token}", headers=headers)


def press(desk: Desk, token: str, comment: str | None = None, **headers: str) -> Response:
    """What a browser sends when the button is pressed."""
    return desk.client.post(f"/links/{token}", data={"comment": comment or ""}, headers=headers)


def decided(desk: Desk) -> list[tuple[str | None, str | None]]:
    return [(one.sender, one.decision) for one in desk.engine.run().tasks["ask"].accepted]


def is_page(answer: Response, status: int, *words: str) -> None:
    """It is a page of ours, of which nothing can be made that it doesn't say."""
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script" not in policy
    assert "unsafe" not in policy
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["Cache-Control"] == "no-store"
    assert "noindex" in answer.headers["X-Robots-Tag"]
    assert answer.headers["X-Frame-Options"] == "DENY"
    for internal in ("Traceback", "Rejected", "Error", "<script", "http:", "https:"):
        assert internal not in answer.text.replace("&lt;script", "")
    for word in words:
        assert word in unescape(answer.text), (word, answer.text)


def test_a_link_shows_what_is_asked_and_decides_nothing(desk: Desk) -> None:
    ask(desk)
    for _ in range(3):
        is_page(show(desk, token()), 200, "Change it", "why", "rita", "ada", "Approve", "1970-01-12 14:03 UTC", "<form")
    before = desk.engine.run().revision
    head = show(desk, token(), "HEAD")
    assert (head.status_code, head.content) == (200, b"")
    assert show(desk, token(), "GET", Purpose="prefetch").status_code == 200
    assert (decided(desk), desk.engine.run().revision) == ([], before)
    assert desk.client.put(f"/links/{token()}").status_code == 405


def test_the_mail_and_the_route_mean_the_same_address(desk: Desk) -> None:
    ask(desk)
    address = url("http://icefloe.test/", token())
    assert desk.client.get(address.removeprefix("http://icefloe.test")).status_code == 200


@pytest.mark.parametrize(("decision", "done"), [("approve", "approved"), ("reject", "rejected")])
def test_pressing_the_button_decides_once_as_the_person_of_the_link(desk: Desk, decision: str, done: str) -> None:
    ask(desk)
    is_page(press(desk, token(decision), "so be it"), 200, f"You have {done} this")
    entry = desk.store.journal("r")[-1]
    assert (entry.type, entry.by, entry.detail) == (
        "SignalReceived",
        "ada",
        {"decision": decision, "comment": "so be it"},
    )
    [signal] = desk.engine.run().tasks["ask"].inbox
    assert (signal.id, signal.sender, signal.groups) == (signal_id(token(decision)), "ada", ())


def test_a_link_that_was_used_says_so_and_does_nothing_more(desk: Desk) -> None:
    ask(desk)
    press(desk, token())
    revision = desk.engine.run().revision
    is_page(press(desk, token(), "again"), 200, "You have approved this")
    is_page(show(desk, token()), 200, "You have approved this")
    desk.engine.do(TaskSucceeded("ask", desk.engine.claim("ask"), {"status": "approved"}))
    is_page(press(desk, token()), 200, "You have approved this")
    assert decided(desk) == [("ada", "approve")]
    assert desk.engine.run().revision == revision + 2
    is_page(press(desk, token("reject")), 409, "You have already approved this")


def test_many_who_press_both_buttons_at_once_decide_once(desk: Desk) -> None:
    ask(desk)
    tokens = [token(decision, person) for decision in ("approve", "reject") for person in ("ada", "bob")] * 4
    with ThreadPoolExecutor(16) as threads:
        answers = list(threads.map(lambda one: press(desk, one), tokens))
    assert len(decided(desk)) == 1
    assert {answer.status_code for answer in answers} == {200, 409}
    assert len({one for one, answer in zip(tokens, answers, strict=True) if answer.status_code == 200}) == 1


def test_no_byte_of_a_link_can_be_changed(desk: Desk) -> None:
    ask(desk)
    genuine = token()
    for place in range(len(genuine)):
        for other in ("A", "B"):
            forged = genuine[:place] + other + genuine[place + 1 :]
            if forged != genuine:
                answer = press(desk, forged)
                assert answer.status_code == 404, (place, answer.text)
    assert decided(desk) == []


@pytest.mark.parametrize("bad", ["x", "x.y", "a" * 5000, "%00", "%F0%9F%98%80", "..%2F..%2Fv1", "<b>"])
def test_what_is_no_link_is_told_so(desk: Desk, bad: str) -> None:
    for answer in (show(desk, bad), press(desk, bad)):
        assert answer.status_code == 404


def test_a_link_of_another_key_is_none_of_ours(desk: Desk) -> None:
    ask(desk)
    forged = sign(Link("r", "ask", 1, "ada", "approve", UNTIL), "f" * 32)
    is_page(press(desk, forged), 404, "was not made here")


def test_a_link_whose_time_is_up_says_so(desk: Desk) -> None:
    ask(desk)
    desk.clock.pass_(1000.0)
    is_page(press(desk, token()), 410, "Too late")
    is_page(show(desk, token()), 410, "Too late")
    assert decided(desk) == []


def test_when_others_were_quicker_the_page_says_so_and_not_who(desk: Desk) -> None:
    ask(desk)
    press(desk, token("reject", "bob"), "never")
    for answer in (press(desk, token()), show(desk, token())):
        is_page(answer, 409, "Others have decided")
        assert "bob" not in answer.text
        assert "never" not in answer.text
    desk.engine.do(TaskSucceeded("ask", desk.engine.claim("ask"), {}))
    is_page(press(desk, token()), 409, "Others have decided")


def test_the_page_says_what_has_become_of_a_run(desk: Desk) -> None:
    ask(desk)
    desk.engine.do(RunCancelled(), by="root")
    is_page(press(desk, token()), 410, "The run has been cancelled")
    desk.engine.do(RunRetried(1), by="root")
    is_page(press(desk, token()), 410, "begun anew")
    is_page(press(desk, token(generation=2)), 409, "still being prepared")
    is_page(press(desk, token(run="none")), 404, "isn't here")
    is_page(press(desk, token(task="none")), 410, "begun anew")
    assert decided(desk) == []


def test_the_page_says_that_the_run_went_on_without(desk: Desk) -> None:
    ask(desk)
    desk.engine.do(TaskBypassed("ask", 1, "no need"), by="root")
    is_page(press(desk, token()), 410, "gone on, or ended, without this decision")


def test_the_page_says_that_the_time_to_decide_is_over(desk: Desk) -> None:
    ask(desk)
    desk.clock.pass_(501.0)
    desk.store.wake(10)
    desk.engine.do(TaskTimedOut("ask", desk.engine.claim("ask"), "nobody decided"))
    is_page(press(desk, token()), 410, "The time to decide is over")


def test_who_handed_it_over_can_not_use_his_link_any_more(desk: Desk) -> None:
    ask(desk)
    desk.engine.do(TaskDelegated("ask", 1, "ada", "cleo"), by="ada")
    for answer in (press(desk, token()), show(desk, token())):
        is_page(answer, 410, "handed this over")
        assert "cleo" not in answer.text
    desk.ask("cleo", "approver").post("/v1/runs/r/tasks/ask/decision", {"decision": "approve"})
    is_page(press(desk, token()), 409, "in your place")
    assert decided(desk) == [("cleo", "approve")]


def test_who_is_not_asked_any_more_can_not_decide(desk: Desk) -> None:
    ask(desk, senders=("bob",))
    is_page(press(desk, token()), 410, "not asked")
    assert press(desk, token(person="bob")).status_code == 200


def test_a_link_is_for_one_person_even_if_a_group_is_asked(desk: Desk) -> None:
    ask(desk, senders=None, groups=("stewards",))
    is_page(press(desk, token()), 410, "not asked")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Sec-Fetch-Site": "same-origin", "Origin": "null"}, 200),
        ({"Origin": "http://127.0.0.1"}, 200),
        ({"Origin": "http://icefloe.test"}, 200),
        ({"Origin": "https://evil.example"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
    ],
)
def test_the_form_is_taken_from_our_own_page_only(desk: Desk, headers: dict[str, str], status: int) -> None:
    ask(desk)
    assert press(desk, token(), **headers).status_code == status
    assert len(decided(desk)) == (status == 200)


@pytest.mark.parametrize(("site", "status"), [("same-origin", 200), ("cross-site", 403)])
def test_the_button_works_without_authentication_on_loopback_too(
    desk: Desk, api_settings: ApiSettings, site: str, status: int
) -> None:
    ask(desk)
    app = create_app(api_settings.model_copy(update={"api_auth": "none"}), desk.store, desk.catalogue)
    with TestClient(app, base_url="http://127.0.0.1:8080") as client:
        # As browsers send a form of a page that has `Referrer-Policy: no-referrer`.
        headers = {"Origin": "null", "Sec-Fetch-Site": site}
        assert client.post(f"/links/{token()}", data={"comment": "x"}, headers=headers).status_code == status
    assert len(decided(desk)) == (status == 200)


@pytest.mark.parametrize(
    ("content", "media_type"),
    [
        (b'{"comment": "x"}', "application/json"),
        (b"comment=%ff", "application/x-www-form-urlencoded"),
        (b"comment=\xff", "application/x-www-form-urlencoded"),
        (b"a=1&b=2&c=3&d=4&e=5", "application/x-www-form-urlencoded"),
        (b"comment=x", "text/plain"),
        (b"comment=a%00b", "application/x-www-form-urlencoded"),
    ],
)
def test_what_is_no_form_decides_nothing(desk: Desk, content: bytes, media_type: str) -> None:
    ask(desk)
    answer = desk.client.post(f"/links/{token()}", content=content, headers={"Content-Type": media_type})
    is_page(answer, 400, "Nothing was decided")
    assert decided(desk) == []


def test_a_button_pressed_without_a_form_decides_too(desk: Desk) -> None:
    ask(desk)
    assert desk.client.post(f"/links/{token()}").status_code == 200


def test_a_comment_that_is_too_long_is_given_back(desk: Desk) -> None:
    ask(desk)
    comment = "x" * COMMENT_CHARS
    is_page(press(desk, token(), comment + "y"), 422, comment + "y", "2,000 characters at most", "<form")
    assert decided(desk) == []
    assert press(desk, token(), comment).status_code == 200


def test_a_task_that_takes_no_comment_says_so(desk: Desk) -> None:
    ask(desk, schema={"type": "object", "properties": {"decision": {}}, "additionalProperties": False})
    is_page(press(desk, token(), "hello"), 422, "without a comment", "hello", "<form")
    assert press(desk, token()).status_code == 200


@pytest.mark.parametrize("nasty", NASTY)
def test_s9_whatever_people_wrote_is_shown_as_text(desk: Desk, nasty: str) -> None:
    ask(desk, inputs={"title": nasty, "details": {"what": nasty}}, requested_by=nasty)
    answer = show(desk, token())
    assert answer.status_code == 200
    assert nasty in unescape(answer.text)
    for mark in ("<script", "<img", '" onmouseover', "' autofocus"):
        assert mark not in answer.text
    assert press(desk, token(), nasty).status_code == 200
    assert nasty not in show(desk, token()).text


class Failing:
    """A store that fails when the link is followed."""

    def __init__(self, store: Any, error: Exception) -> None:
        self._store = store
        self._error = error

    def __getattr__(self, name: str) -> Any:
        if name in {"load", "apply"}:
            return self._fail
        return getattr(self._store, name)

    def _fail(self, *_: object, **__: object) -> None:
        raise self._error


def test_a_store_that_is_away_is_told_on_a_page(place: Place, catalogue: Catalogue, api_settings: ApiSettings) -> None:
    failing: Any = Failing(place.open(), StoreUnavailable("the database is away"))
    app = create_app(api_settings, failing, catalogue, authenticator=Believing())
    with TestClient(app, base_url="http://127.0.0.1") as client:
        answer = client.post(f"/links/{token()}")
    is_page(answer, 503, "try again in a minute")
    assert "database" not in answer.text


def test_s4_no_log_has_the_token_of_a_link(place: Place, catalogue: Catalogue, api_settings: ApiSettings) -> None:
    failing: Any = Failing(place.open(), ZeroDivisionError())
    app = create_app(api_settings, failing, catalogue, authenticator=Believing())
    with capture_logs() as logs, TestClient(app, raise_server_exceptions=False) as client:
        assert client.get(f"/links/{token()}").status_code == 500
        assert client.post(f"/links/{token()}").status_code == 500
    text = str([format_exc_info(None, "error", line) for line in logs])
    assert "request_failed" in text
    assert token()[:40] not in text


@pytest.fixture
def limited(place: Place, catalogue: Catalogue, api_settings: ApiSettings) -> Iterator[TestClient]:
    settings = api_settings.model_copy(update={"api_rate": 6000})
    with TestClient(create_app(settings, place.open(), catalogue, authenticator=Believing())) as client:
        yield client


def test_an_address_that_opens_very_many_links_has_to_wait(limited: TestClient) -> None:
    answers = [limited.get("/links/x") for _ in range(2 * LINKS_A_MINUTE)]  # some more are let in while it asks
    assert [answer.status_code for answer in answers[:LINKS_A_MINUTE]] == [404] * LINKS_A_MINUTE
    refused = next(answer for answer in answers if answer.status_code != 404)
    is_page(refused, 429, "Too many")
    assert int(refused.headers["Retry-After"]) >= 1


def test_a_key_that_is_no_good_is_told_to_nobody(place: Place, catalogue: Catalogue, api_settings: ApiSettings) -> None:
    settings = api_settings.model_copy(update={"link_key": SecretStr("tooshort")})
    with TestClient(create_app(settings, place.open(), catalogue, authenticator=Believing())) as client:
        is_page(client.get(f"/links/{token()}"), 404, "No links are made here")


def test_without_a_key_there_are_no_links(place: Place, catalogue: Catalogue, api_settings: ApiSettings) -> None:
    settings = api_settings.model_copy(update={"link_key": None})
    with TestClient(create_app(settings, place.open(), catalogue, authenticator=Believing())) as client:
        is_page(client.get(f"/links/{token()}"), 404, "No links are made here")


def test_nobody_uses_up_a_link_by_sending_something_under_its_id(desk: Desk) -> None:
    ask(desk, closes={"approve": 2, "reject": 1})
    link = token("reject", "bob")
    data = {"decision": "approve"}
    squatted = {"data": data, "id": signal_id(link)}
    answer = desk.ask("ada", "approver").ask("POST", "/v1/runs/r/tasks/ask/signal", json=squatted)
    assert (answer.status_code, answer.json()["faults"][0]["path"]) == (422, "id")
    desk.engine.do(SignalReceived("ask", Signal(signal_id(link), 1, "ada", data)))  # as who writes to the store may
    assert "Do you reject?" in desk.client.get(f"/links/{link}").text
    assert "is recorded" not in desk.client.post(f"/links/{link}").text
    assert [one.sender for one in desk.engine.run().tasks["ask"].accepted] == ["ada"]
