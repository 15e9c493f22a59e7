"""Runs followed live, by real clients of a real server."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from pathlib import Path
from threading import Event as Flag
from time import monotonic

import httpx2
import pytest
from fastapi import FastAPI, Request

from api import auth_keys, places, streams
from api.app import create_app
from api.principal import Principal
from api.problems import Problem
from api.settings import ApiSettings
from blocks.catalogue import Catalogue
from engine.transitions import RunCancelled, TaskSucceeded, Wants
from store.protocol import HistoryLost
from store.sqlite import SqliteStore
from tests.api.conftest import Believing
from tests.api.fallible import Fallible
from tests.api.serving import Told, following, headers_of, serving, serving_process, until
from tests.store.conftest import Place
from tests.store.driver import Player, workflow

ADA = headers_of("ada", "requester")
VERA = headers_of("vera", "viewer")


@pytest.fixture
def app(place: Place, catalogue: Catalogue, api_settings: ApiSettings) -> FastAPI:
    return create_app(api_settings, place.open(), catalogue, authenticator=Believing())


@pytest.fixture
def engine(place: Place) -> Player:
    """An engine with a store object of its own, as that of another process."""
    store = place.open()
    store.register("engine-1", 30.0)
    store.save_workflow(workflow(), by="ann")
    return Player(store)


@pytest.fixture
def url(app: FastAPI, engine: Player) -> Iterator[str]:  # noqa: ARG001 - what happened before it is no news
    with serving(app) as url:
        yield f"{url}/v1"


def types(told: list[Told]) -> list[str]:
    return [one.data["type"] for one in told]


def test_a_run_is_followed_from_a_snapshot_to_its_end(engine: Player, url: str) -> None:
    engine.start("r", requested_by="ada")
    with following(f"{url}/runs/r/events", ADA) as stream:
        [snapshot] = stream.take(1)
        assert snapshot.kind == "snapshot"
        assert snapshot.data["status"] == "PENDING"
        assert snapshot.data["tasks"] == {"a": "PENDING", "b": "PENDING", "c": "PENDING"}
        assert stream.response.headers["X-Accel-Buffering"] == "no"
        assert stream.response.headers["Cache-Control"] == "no-store"
        engine.finish("r")
        told = list(stream)
    journal = engine.store.journal("r")
    assert [one.data["revision"] for one in told[:-1]] == [entry.revision for entry in journal[1:]]
    assert types(told[:-1]) == [entry.type for entry in journal[1:]]
    assert [one.data["seal"] for one in (snapshot, *told[:-1])] == [entry.seal for entry in journal]
    assert told[-2].data["status"] == "SUCCESS"
    assert (told[-1].kind, told[-1].data) == ("bye", {"reason": "ended"})
    after = told[-1].id
    assert after is not None
    again = httpx2.get(f"{url}/runs/r/events", headers={**ADA, "Last-Event-ID": after})
    assert again.status_code == 204


def test_nothing_is_lost_or_doubled_wherever_a_client_comes_back(engine: Player, url: str) -> None:
    engine.start("r", requested_by="ada")
    engine.finish("r")
    with following(f"{url}/runs/r/events", VERA) as stream:
        [snapshot, _] = stream
    name, _, _ = str(snapshot.id).partition(":")
    journal = engine.store.journal("r")
    for revision in range(1, len(journal)):
        with following(f"{url}/runs/r/events", VERA, after=f"{name}:{revision}") as stream:
            told = list(stream)
        assert [one.data["revision"] for one in told[:-1]] == [entry.revision for entry in journal[revision:]]
        assert told[-1].kind == "bye"


@pytest.mark.parametrize("after", ["nonsense", "other:1", "{name}:999", "{name}:-1", "{name}:"])
def test_who_comes_back_with_an_id_of_something_else_begins_again(engine: Player, url: str, after: str) -> None:
    engine.start("r", requested_by="ada")
    after = after.format(name=engine.store.incarnation)
    with following(f"{url}/runs/r/events", VERA, after=after) as stream:
        assert [one.kind for one in stream.take(2)] == ["reset", "snapshot"]
    with following(f"{url}/events", VERA, after=after) as stream:
        if after.endswith(":"):  # the beginning of the feed is a position as well
            assert types(stream.take(2)) == ["WorkflowSaved", "RunCreated"]
        else:
            assert stream.take(1)[0].kind == "reset"
            engine.do(RunCancelled(), "r", by="ann")
            assert types(stream.take(1)) == ["RunCancelled"]


def test_all_runs_are_followed_and_resumed_at_every_position(engine: Player, url: str) -> None:
    with following(f"{url}/events", VERA) as stream:
        for number in range(3):
            engine.start(f"r-{number}", requested_by="ada")
            engine.finish(f"r-{number}")
        told = stream.take(3 * len(engine.store.journal("r-0")))
    expected = [(one.data["run"], one.data["revision"]) for one in told]
    assert expected == [(f"r-{number}", entry.revision) for number in range(3) for entry in engine.store.journal("r-0")]
    for index, one in enumerate(told):
        with following(f"{url}/events", VERA, after=one.id) as stream:
            engine.start(f"more-{index}")
            rest = stream.take(len(told) - index)
        assert [(each.data["run"], each.data["revision"]) for each in rest[:-1]] == expected[index + 1 :]
        told.append(rest[-1])
        expected.append((f"more-{index}", 1))
        if index == len(engine.store.journal("r-0")):
            break


def test_a_run_is_told_without_gaps_though_the_feed_has_lost_its_history(
    place: Place, engine: Player, catalogue: Catalogue, api_settings: ApiSettings
) -> None:
    store = Fallible(place.open())
    app = create_app(api_settings, store, catalogue, authenticator=Believing())
    engine.start("r", requested_by="ada")
    with (
        serving(app) as url,
        following(f"{url}/v1/runs/r/events", ADA) as one,
        following(f"{url}/v1/events", ADA) as all_runs,
    ):
        one.take(1)
        store.trouble = HistoryLost("the log was cut off")
        token = engine.claim("a", "r")
        assert all_runs.take(1)[0].kind == "reset"
        store.trouble = None
        engine.do(TaskSucceeded("a", token), "r")
        assert [told.data["revision"] for told in one.take(2)] == [2, 3]


def test_nobody_hears_of_runs_that_he_may_not_read(engine: Player, url: str) -> None:
    engine.store.save_workflow(workflow(tenant="other"), by="ann")
    people = {
        "viewer": headers_of("vera", "viewer"),
        "requester": ADA,
        "approver": headers_of("olga", "approver"),
        "member": headers_of("mia", "approver", groups=("stewards",)),
        "elsewhere": headers_of("ada", "admin", tenant="other"),
    }
    with ThreadPoolExecutor(len(people)) as threads:
        begun = [Flag() for _ in people]
        told = [
            threads.submit(_until_end, url, headers, flag) for headers, flag in zip(people.values(), begun, strict=True)
        ]
        for flag in begun:
            flag.wait()
        engine.start("his", requested_by="bob")
        engine.start("hers", requested_by="ada")
        engine.start("asks-olga", requested_by="bob")
        engine.suspend("a", "asks-olga", wants=Wants(senders=("olga",)))
        engine.start("asks-stewards", requested_by="bob")
        engine.suspend("a", "asks-stewards", wants=Wants(groups=("stewards",)))
        for tenant in ("default", "other"):
            engine.start(f"end-{tenant}", requested_by="ada", tenant=tenant)
            engine.suspend("a", f"end-{tenant}", wants=Wants(senders=("olga",), groups=("stewards",)))
        heard = dict(zip(people, (one.result() for one in told), strict=True))
    assert heard["viewer"] == {"his", "hers", "asks-olga", "asks-stewards", "end-default"}
    assert heard["requester"] == {"hers", "end-default"}
    assert heard["approver"] == {"asks-olga", "end-default"}
    assert heard["member"] == {"asks-stewards", "end-default"}
    assert heard["elsewhere"] == {"end-other"}


def _until_end(url: str, headers: dict[str, str], begun: Flag) -> set[str]:
    """The runs that somebody hears of, up to the last one."""
    heard: set[str] = set()
    with following(f"{url}/events", headers) as stream:
        begun.set()
        for told in stream:
            heard.add(told.data["run"])
            if any(run.startswith("end") for run in heard):
                break
    return heard


def test_filters_show_what_is_asked_for_and_say_what_is_no_longer(engine: Player, url: str) -> None:
    engine.store.save_workflow(workflow("a", name="other"), by="ann")
    olga = headers_of("olga", "approver", "viewer")
    with (
        following(f"{url}/events", olga, waiting_for="me") as waiting,
        following(f"{url}/events", olga, status=["WAITING", "FAILED"]) as status,
        following(f"{url}/events", olga, workflow="other") as other,
        following(f"{url}/events", olga, requested_by="me") as own,
    ):
        engine.start("o", workflow="other", requested_by="olga")
        assert [(one.data["run"], one.data["type"]) for one in other.take(1)] == [("o", "RunCreated")]
        assert [(one.data["run"], one.data["type"]) for one in own.take(1)] == [("o", "RunCreated")]
        engine.start("r", requested_by="ada")
        engine.suspend("a", "r", wants=Wants(senders=("olga",)))
        assert types(waiting.take(1))[0] in {"RunCreated", "TaskClaimed", "TaskSuspended"}
        assert types(status.take(1))[0] in {"RunCreated", "TaskClaimed", "TaskSuspended"}
        engine.do(RunCancelled(), "r", by="ada")
        for stream in (waiting, status):
            told = next(one for one in stream if one.kind == "gone")
            assert told.data == {"run": "r"}
        engine.store.save_workflow(workflow("b", name="other"), by="ann")
        [saved] = other.take(1)
        assert (saved.kind, saved.data["workflow"]) == ("workflow", {"name": "other", "version": 2})


@pytest.mark.parametrize("query", ["nonsense=1", "status=NO", "waiting_for=ada"])
def test_a_filter_that_there_is_not_is_refused(url: str, query: str) -> None:
    answer = httpx2.get(f"{url}/events?{query}", headers=VERA)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")


def test_a_run_that_somebody_may_not_read_is_not_there(engine: Player, url: str) -> None:
    engine.start("r", requested_by="bob")
    for headers in (ADA, headers_of("eve", "admin", tenant="other"), headers_of("olga", "approver")):
        assert httpx2.get(f"{url}/runs/r/events", headers=headers).status_code == 404
    assert httpx2.get(f"{url}/runs/r/events", headers=headers_of("eve")).status_code == 403


def test_no_payload_is_told(engine: Player, url: str) -> None:
    with following(f"{url}/events", VERA) as stream:
        engine.start("r", {"secret": "canary-1"}, requested_by="ada")
        engine.succeed("a", "r", {"secret": "canary-2"})
        told = stream.take(3)
    assert types(told) == ["RunCreated", "TaskClaimed", "TaskSucceeded"]
    assert "canary" not in str(told)


def test_a_run_is_followed_beyond_its_end_if_that_is_asked_for(engine: Player, url: str) -> None:
    engine.start("r", requested_by="ada")
    with following(f"{url}/runs/r/events", ADA, keep=True) as stream:
        stream.take(1)
        engine.do(RunCancelled("why not"), "r", by="ada")
        [told] = stream.take(1)
        assert (told.data["status"], told.data["detail"]) == ("CANCELLED", {"reason": "why not"})


def test_heartbeats_keep_a_stream_and_its_place(engine: Player, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "HEARTBEAT_SECONDS", 0.05)
    with following(f"{url}/events", ADA) as stream:
        for number in range(5):
            engine.start(f"not-hers-{number}", requested_by="bob")
        engine.start("hers", requested_by="ada")
        [told] = stream.take(1)
        engine.start("not-hers", requested_by="bob")
        while stream.id == told.id:
            stream.comment()
        place = stream.id
    assert stream.comments > 0
    with following(f"{url}/events", ADA, after=place) as stream:
        engine.start("hers-too", requested_by="ada")
        [told] = stream.take(1)
        assert told.data["run"] == "hers-too"


class Revoking(Believing):
    """An authenticator that no longer knows some people."""

    def __init__(self) -> None:
        self.revoked: set[str] = set()

    async def authenticate(self, request: Request) -> Principal:
        principal = await super().authenticate(request)
        if principal.subject in self.revoked:
            raise Problem(HTTPStatus.UNAUTHORIZED, "unknown-key", "the key isn't known")
        return principal


def test_who_is_revoked_is_cut_off(
    place: Place,
    engine: Player,
    catalogue: Catalogue,
    api_settings: ApiSettings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(streams, "HEARTBEAT_SECONDS", 0.05)
    monkeypatch.setattr(streams, "CHECK_SECONDS", 0.05)
    authenticator = Revoking()
    engine.start("r", requested_by="ada")
    app = create_app(api_settings, place.open(), catalogue, authenticator=authenticator)
    with (
        serving(app) as url,
        following(f"{url}/v1/events", ADA) as all_runs,
        following(f"{url}/v1/runs/r/events", ADA) as one,
        following(f"{url}/v1/events", VERA) as hers,
    ):
        one.take(1)
        authenticator.revoked.add("ada")
        assert [(told.kind, told.data) for told in (*all_runs, *one)] == [("bye", {"reason": "rights"})] * 2
        engine.start("another", requested_by="ada")
        assert types(hers.take(1)) == ["RunCreated"]


def test_a_revoked_key_is_told_nothing_after_the_seconds_that_are_promised() -> None:
    assert auth_keys.REMEMBERED_SECONDS <= 5.0
    assert auth_keys.REMEMBERED_SECONDS + streams.CHECK_SECONDS <= 10.0, "see docs/access.md"


def test_there_are_only_so_many_streams(engine: Player, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "STREAMS_EACH", 2)
    monkeypatch.setattr(places, "STREAMS", 3)
    engine.start("r", requested_by="ada")
    with (
        following(f"{url}/events", ADA),
        following(f"{url}/runs/r/events", ADA) as second,
        following(f"{url}/events", VERA),
    ):
        for headers, word in ((ADA, "2 streams"), (headers_of("bob", "viewer"), "3 streams")):
            answer = httpx2.get(f"{url}/events", headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (429, "too-many-streams")
            assert word in answer.json()["detail"]
            assert int(answer.headers["Retry-After"]) > 0
        engine.do(RunCancelled(), "r", by="ada")
        assert list(second)[-1].kind == "bye"
        with following(f"{url}/events", ADA):
            pass


def test_a_place_is_free_again_when_a_client_has_gone(url: str, app: FastAPI) -> None:
    with following(f"{url}/events", ADA), following(f"{url}/events", ADA):
        assert app.state.services.hub.places.taken == 2
    until(lambda: app.state.services.hub.places.taken == 0)


def test_a_server_that_ends_ends_its_streams_at_once(app: FastAPI, engine: Player) -> None:
    engine.start("r", requested_by="ada")
    with serving(app) as url:
        client = httpx2.Client(timeout=30)
        answers = [client.stream("GET", f"{url}/v1/{path}", headers=ADA) for path in ("events", "runs/r/events")]
        opened = [answer.__enter__() for answer in answers]
        began = monotonic()
    assert monotonic() - began < 10  # and not when the clients have gone
    assert all("event: bye" in "".join(answer.iter_text()) for answer in opened)
    for answer in answers:
        answer.__exit__(None, None, None)
    client.close()


def test_nothing_is_lost_or_doubled_when_the_server_is_killed_and_started_again(tmp_path: Path) -> None:
    file = tmp_path / "icefloe.db"
    store = SqliteStore(file)
    store.register("engine-1", 300.0)
    store.save_workflow(workflow(), by="ann")
    engine = Player(store)
    place, run_place = f"{store.incarnation}:{store.position()}", f"{store.incarnation}:0"
    engine.start("long", requested_by="ada")
    told: list[Told] = []
    of_run: list[Told] = []
    for number, task in enumerate("abc"):
        with serving_process(file) as (url, process):
            with (
                following(f"{url}/v1/events", VERA, after=place) as stream,
                following(f"{url}/v1/runs/long/events", VERA, after=run_place) as run_stream,
            ):
                told += stream.take(1)  # of what happened while there was no server; then live
                engine.start(f"live-{number}")
                told += stream.take(1 + number)
                of_run += run_stream.take(1)
                process.kill()
                process.wait()
            place, run_place = str(told[-1].id), str(of_run[-1].id)
        engine.finish(f"live-{number}")
        engine.succeed(task, "long")
    engine.start("last")
    with serving_process(file) as (url, _):
        with following(f"{url}/v1/events", VERA, after=place) as stream:
            while told[-1].data["run"] != "last":
                told += stream.take(1)
        with following(f"{url}/v1/runs/long/events", VERA, after=run_place) as stream:
            of_run += stream
    happened = [(change.id, change.revision) for change in store.changes("", limit=1000).changes[1:]]
    assert [(one.data["run"], one.data["revision"]) for one in told] == happened
    assert [one.data["revision"] for one in of_run[:-1]] == list(range(1, engine.run("long").revision + 1))
    assert of_run[-1].kind == "bye"
    store.close()
