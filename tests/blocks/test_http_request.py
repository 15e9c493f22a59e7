"""HTTP_REQUEST: what it sends, what it makes of each answer, and what it refuses. Servers are on the loopback only."""

import asyncio
import gzip
import json
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import httpcore2
import pytest

from blocks.contract import BlockError, Failed, Outcome, Succeeded
from blocks.http_request import REDIRECTS, HttpRequestArguments, HttpSettings, http_request, request
from blocks.network import PublicNetwork

Call = Callable[..., Outcome]
LOCAL = HttpSettings(http_allow_private=True)


@dataclass
class Answer:
    """What the server says at a path."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    hang: bool = False


@dataclass
class Server:
    """A server on the loopback: `answers` by path, and what it was sent."""

    url: str
    answers: dict[str, Answer] = field(default_factory=dict)
    requests: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)
    stopped: threading.Event = field(default_factory=threading.Event)


@pytest.fixture
def server() -> Iterator[Server]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 10

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            known.requests.append((self.command, self.path, headers, body))
            answer = known.answers.get(urlsplit(self.path).path, Answer(404))
            if answer.hang:
                known.stopped.wait(10)
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(answer.body)

        do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = answer  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        known = Server(f"http://127.0.0.1:{http.server_port}")
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield known
        known.stopped.set()
        http.shutdown()
        thread.join()


def sent(call: Call, server: Server, path: str = "/", **arguments: object) -> Outcome:
    return call(http_request, {"url": server.url + path, **arguments}, settings=LOCAL)


def refused(outcome: Outcome) -> tuple[str, bool]:
    assert isinstance(outcome, Failed), outcome
    return outcome.code, outcome.retryable


def test_json_comes_back_as_json_and_cookies_do_not(call: Call, server: Server) -> None:
    headers = {"Content-Type": "application/json", "Set-Cookie": "session=1", "X-Rows": "2"}
    server.answers["/"] = Answer(200, headers, b'{"rows": [1, 2.5, null]}')
    result = sent(call, server)
    assert isinstance(result, Succeeded)
    assert result.outputs["status"] == 200
    assert result.outputs["body"] == {"rows": [1, 2.5, None]}
    assert result.outputs["headers"]["x-rows"] == "2"
    assert "set-cookie" not in result.outputs["headers"]


@pytest.mark.parametrize(
    ("content_type", "body", "expected"),
    [
        ("application/problem+json; charset=utf-8", b'{"title": "x"}', {"title": "x"}),
        ("text/plain", b"hello", "hello"),
        ("text/plain; charset=iso-8859-1", b"caf\xe9", "caf\u00e9"),
        ("text/plain; charset=rot13", b"hello", "hello"),
        ("text/html", b"\xff\xfe", "\ufffd\ufffd"),
        ("application/json", b"{not json", "{not json"),
        ("application/json", b'{"x": NaN}', '{"x": NaN}'),
        ("application/json", b"", ""),
    ],
)
def test_a_body_is_what_the_server_says_it_is_or_else_text(
    call: Call, server: Server, content_type: str, body: bytes, expected: object
) -> None:
    server.answers["/"] = Answer(200, {"Content-Type": content_type}, body)
    result = sent(call, server)
    assert isinstance(result, Succeeded)
    assert result.outputs["body"] == expected


def test_a_request_carries_what_was_asked_and_the_idempotency_key(call: Call, server: Server) -> None:
    server.answers["/assets"] = Answer()
    sent(
        call,
        server,
        "/assets?a=1",
        method="post",
        query={"b": "x y", "c": [1, 2], "d": None, "e": True},
        headers={"Authorization": "Bearer token"},
        json={"owner": "ada"},
    )
    ((method, path, headers, body),) = server.requests
    assert (method, path) == ("POST", "/assets?a=1&b=x+y&c=1&c=2&e=true")
    assert headers["idempotency-key"] == "run-1/task-1/1"
    assert headers["authorization"] == "Bearer token"
    assert headers["content-type"] == "application/json"
    assert json.loads(body) == {"owner": "ada"}


def test_a_header_that_is_given_replaces_ours_in_whatever_case(call: Call, server: Server) -> None:
    server.answers["/"] = Answer()
    sent(call, server, headers={"idempotency-KEY": "mine", "user-agent": "me"}, json={}, method="POST")
    ((_, _, headers, _),) = server.requests
    assert (headers["idempotency-key"], headers["user-agent"]) == ("mine", "me")


def test_any_idempotency_key_can_be_a_header(call: Call, server: Server) -> None:
    server.answers["/"] = Answer()
    call(http_request, {"url": server.url}, settings=LOCAL, key="l\u00e4uft\r\n/t/1")
    ((_, _, headers, _),) = server.requests
    assert headers["idempotency-key"] == "l%C3%A4uft%0D%0A/t/1"


def test_a_null_is_a_json_body_and_text_is_sent_as_it_is(call: Call, server: Server) -> None:
    server.answers["/"] = Answer()
    sent(call, server, method="PUT", json=None)
    sent(call, server, method="PUT", text="caf\u00e9")
    assert [body for *_, body in server.requests] == [b"null", "caf\u00e9".encode()]
    assert server.requests[1][2]["content-type"] == "text/plain; charset=utf-8"


@pytest.mark.parametrize(
    ("status", "retryable"),
    [(400, False), (404, False), (408, True), (409, False), (425, True), (429, True), (500, True), (503, True)],
)
def test_an_unexpected_status_fails_and_says_whether_to_try_again(
    call: Call, server: Server, status: int, *, retryable: bool
) -> None:
    server.answers["/"] = Answer(status, {"Content-Type": "application/json"}, b'{"problem": "x"}')
    result = sent(call, server)
    assert refused(result) == ("HTTP_STATUS", retryable)
    assert isinstance(result, Failed)
    assert result.outputs is not None
    assert (result.outputs["status"], result.outputs["body"]) == (status, '{"problem": "x"}')


@pytest.mark.parametrize("expected", [404, [200, 404], "4xx", ["2xx", "4xx"]])
def test_a_status_that_is_expected_succeeds(call: Call, server: Server, expected: object) -> None:
    assert isinstance(sent(call, server, "/nowhere", expect_status=expected), Succeeded)


def test_an_expected_status_replaces_the_usual_ones(call: Call, server: Server) -> None:
    server.answers["/"] = Answer(200)
    assert refused(sent(call, server, expect_status=404)) == ("HTTP_STATUS", False)


def test_a_server_that_does_not_answer_in_time_may_be_asked_again(call: Call, server: Server) -> None:
    server.answers["/"] = Answer(hang=True)
    assert refused(sent(call, server, timeout="50ms")) == ("HTTP_TIMEOUT", True)


def test_a_server_that_is_not_there_may_be_asked_again(call: Call) -> None:
    result = call(http_request, {"url": "http://127.0.0.1:1/"}, settings=LOCAL)
    assert refused(result) == ("HTTP_UNREACHABLE", True)


@pytest.mark.parametrize(("size", "fits"), [(999, True), (1000, True), (1001, False)])
def test_a_body_over_the_bound_is_not_read_to_its_end(call: Call, server: Server, size: int, *, fits: bool) -> None:
    server.answers["/"] = Answer(body=b"x" * size)
    settings = HttpSettings(http_allow_private=True, http_max_bytes=1000)
    result = call(http_request, {"url": server.url}, settings=settings)
    assert isinstance(result, Succeeded) if fits else refused(result) == ("HTTP_TOO_LARGE", False)


def test_a_compressed_body_is_bounded_by_what_it_unpacks_to(call: Call, server: Server) -> None:
    server.answers["/"] = Answer(200, {"Content-Encoding": "gzip"}, gzip.compress(b"hello"))
    server.answers["/bomb"] = Answer(200, {"Content-Encoding": "gzip"}, gzip.compress(bytes(50_000_000)))
    server.answers["/odd"] = Answer(200, {"Content-Encoding": "br"}, b"\x0b\x02\x80hello\x03")
    server.answers["/broken"] = Answer(200, {"Content-Encoding": "gzip"}, b"hello")
    result = sent(call, server)
    assert isinstance(result, Succeeded)
    assert result.outputs["body"] == "hello"
    assert refused(sent(call, server, "/bomb")) == ("HTTP_TOO_LARGE", False)
    assert refused(sent(call, server, "/odd")) == ("HTTP_BAD_ANSWER", False)
    assert refused(sent(call, server, "/broken")) == ("HTTP_BAD_ANSWER", False)


def test_a_body_that_fits_the_bound_but_no_output_is_told_as_such(call: Call, server: Server) -> None:
    server.answers["/"] = Answer(body=b"x" * 300_000)
    assert refused(sent(call, server)) == ("OUTPUT_TOO_LARGE", False)
    server.answers["/"] = Answer(500, body=b"x" * 300_000)
    assert refused(sent(call, server)) == ("HTTP_STATUS", True)


def test_a_get_follows_redirects_and_a_post_does_not(call: Call, server: Server) -> None:
    server.answers["/old"] = Answer(302, {"Location": "/new?x=1"})
    server.answers["/new"] = Answer(body=b"here")
    result = sent(call, server, "/old")
    assert isinstance(result, Succeeded)
    assert result.outputs["body"] == "here"
    assert refused(sent(call, server, "/old", method="POST")) == ("HTTP_STATUS", False)


def test_a_redirect_that_is_expected_is_an_answer(call: Call, server: Server) -> None:
    server.answers["/old"] = Answer(302, {"Location": "/new"})
    result = sent(call, server, "/old", expect_status=302)
    assert isinstance(result, Succeeded)
    assert result.outputs["headers"]["location"] == "/new"


def test_a_redirect_leaves_the_body_behind_and_keeps_the_headers_at_home(call: Call, server: Server) -> None:
    server.answers["/old"] = Answer(302, {"Location": "/new"})
    server.answers["/new"] = Answer()
    assert isinstance(sent(call, server, "/old", json={"a": 1}, headers={"X-Api-Key": "k"}), Succeeded)
    _, (_, path, headers, body) = server.requests
    assert (path, headers["x-api-key"], body) == ("/new", "k", b"")
    assert "content-type" not in headers


@pytest.mark.parametrize(("hops", "fits"), [(REDIRECTS, True), (REDIRECTS + 1, False)])
def test_only_so_many_redirects_are_followed(call: Call, server: Server, hops: int, *, fits: bool) -> None:
    for hop in range(hops):
        server.answers[f"/{hop}"] = Answer(302, {"Location": f"/{hop + 1}"})
    server.answers[f"/{hops}"] = Answer()
    result = sent(call, server, "/0")
    assert isinstance(result, Succeeded) if fits else refused(result) == ("HTTP_REFUSED", False)


def test_cookies_of_one_call_never_reach_another(call: Call, server: Server) -> None:
    server.answers["/"] = Answer(200, {"Set-Cookie": "session=secret"})
    sent(call, server)
    sent(call, server)
    assert all("cookie" not in headers for _, _, headers, _ in server.requests)


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/", "http://localhost:1/", "http://[::1]:1/", "http://2130706433/"])
def test_s3_this_machine_is_refused_unless_a_setting_allows_it(call: Call, url: str) -> None:
    assert refused(call(http_request, {"url": url})) == ("HTTP_REFUSED", False)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "no url",
        "/relative",
        "//example.org",
        "ftp://example.org",
        "file:///etc/passwd",
        "http://",
        "http:///path",
        "http://user:password@example.org/",
        "http://example.org:99999/",
        "http://[::1",
        "http://ex ample.org/",
        "http://example.org/\r\nX: y",
        "http://" + "a." * 3_000,
    ],
)
def test_what_is_no_http_url_is_refused(call: Call, url: str) -> None:
    code, retryable = refused(call(http_request, {"url": url}))
    assert (code, retryable) == ("HTTP_BAD_URL", False)


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "internal"},
        {"content-length": "1"},
        {"Transfer-Encoding": "chunked"},
        {"Proxy-Authorization": "x"},
        {"X-A": "b\r\nX-Injected: c"},
        {"X-A\r\nX-Injected": "c"},
        {"": "x"},
        {"X-A": "caf\u00e9"},
        {"X-A": 5},
    ],
)
def test_headers_that_could_smuggle_are_refused(call: Call, server: Server, headers: dict[str, Any]) -> None:
    assert refused(sent(call, server, headers=headers)) == ("BAD_ARGUMENTS", False)
    assert not server.requests


def test_a_failure_tells_no_secret_of_the_url_or_the_headers(call: Call, server: Server) -> None:
    for path, arguments in {"/": {}, "/hang": {"timeout": "50ms"}}.items():
        server.answers["/hang"] = Answer(hang=True)
        result = sent(call, server, f"{path}?token=canary", headers={"Authorization": "canary"}, **arguments)
        assert isinstance(result, Failed)
        assert "canary" not in result.message
    result = call(http_request, {"url": "http://canary:canary@127.0.0.1/"})
    assert isinstance(result, Failed)
    assert "canary" not in result.message


def test_a_failure_tells_which_port_of_which_host_it_came_from_but_not_the_path(call: Call, server: Server) -> None:
    server.answers["/secret"] = Answer(500)
    result = sent(call, server, "/secret?token=canary", method="post")
    assert isinstance(result, Failed)
    assert result.message == f"POST {server.url}: answered with status 500"
    server.answers["/secret"] = Answer(302, {"Location": "/secret"})
    result = sent(call, server, "/secret")
    assert isinstance(result, Failed)
    assert result.message == f"{urlsplit(server.url).netloc} redirected more than {REDIRECTS} times"
    result = call(http_request, {"url": "http://[::1]:1/secret"}, settings=LOCAL)
    assert isinstance(result, Failed)
    assert result.message.startswith("GET http://[::1]:1: no connection")


class Internet(httpcore2.AsyncNetworkBackend):
    """An internet that isn't there: hosts have addresses, addresses have answers, and nothing is dialled."""

    def __init__(self, addresses: Mapping[str, str], answers: Mapping[str, bytes]) -> None:
        self.addresses = addresses
        self.answers = answers
        self.dialled: list[str] = []
        self.written: dict[str, bytearray] = {}

    async def resolve(self, host: str, _port: int) -> list[str]:
        return [self.addresses[host]]

    async def connect_tcp(
        self,
        host: str,
        port: int,  # noqa: ARG002
        timeout: float | None = None,  # noqa: ARG002, ASYNC109
        local_address: str | None = None,  # noqa: ARG002
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,  # noqa: ARG002
    ) -> httpcore2.AsyncNetworkStream:
        self.dialled.append(host)
        written = self.written[host] = bytearray()

        class Stream(httpcore2.AsyncMockStream):
            async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002, ASYNC109
                written.extend(buffer)

        return Stream([self.answers[host]])

    def ask(self, url: str, **arguments: Any) -> int:
        """The status of a request, made over this internet."""

        async def asked() -> int:
            guarded = PublicNetwork(self.resolve, self)
            async with httpcore2.AsyncConnectionPool(network_backend=guarded) as connections:
                model = HttpRequestArguments(url=url, **arguments)
                return (await request(model, "key", HttpSettings(), connections)).status

        return asyncio.run(asked())


def moved(to: str) -> bytes:
    return f"HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n".encode()


FINE = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


@pytest.mark.parametrize(
    "target",
    [
        "http://inside.example/",
        "//inside.example/",
        "https://inside.example/",
        "http://169.254.169.254/latest/meta-data",
        "file:///etc/passwd",
        "gopher://inside.example/",
        "http://user:password@outside.example/",
        "http://[oops/",
    ],
)
def test_s3_a_redirect_to_the_inside_is_refused_and_not_dialled(target: str) -> None:
    addresses = {"outside.example": "93.184.216.34", "inside.example": "10.0.0.1", "169.254.169.254": "169.254.169.254"}
    internet = Internet(addresses, {"93.184.216.34": moved(target)})
    with pytest.raises(BlockError) as caught:
        internet.ask("http://outside.example/")
    assert caught.value.code == "HTTP_REFUSED"
    assert internet.dialled == ["93.184.216.34"]


def test_a_redirect_to_another_origin_takes_no_credentials_along() -> None:
    addresses = {"one.example": "93.184.216.34", "two.example": "93.184.216.35"}
    internet = Internet(addresses, {"93.184.216.34": moved("http://two.example/"), "93.184.216.35": FINE})
    assert internet.ask("http://one.example/", headers={"X-Api-Key": "canary", "Accept": "text/plain"}) == 200
    assert b"canary" in internet.written["93.184.216.34"]
    forwarded = bytes(internet.written["93.184.216.35"]).lower()
    assert b"accept: text/plain" in forwarded
    assert b"host: two.example" in forwarded
    assert b"canary" not in forwarded
    assert b"key" not in forwarded


def test_a_server_that_talks_nonsense_may_be_asked_again() -> None:
    internet = Internet({"one.example": "93.184.216.34"}, {"93.184.216.34": b"SSH-2.0-OpenSSH\r\n\r\n"})
    with pytest.raises(BlockError) as caught:
        internet.ask("http://one.example/")
    assert (caught.value.code, caught.value.retryable) == ("HTTP_UNREACHABLE", True)
