"""HTTP_REQUEST: calls an HTTP API, bounded in time, size and place, and tells what may be tried again."""

import asyncio
import re
import zlib
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal, Self
from urllib.parse import quote

import httpcore2
import httpx2
import orjson
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from blocks.contract import BlockContext, BlockError, Retry, block
from blocks.network import CONNECTIONS, AddressRefusedError, pool
from engine.durations import Duration, parse_duration

REDIRECTS = 5
URL_CHARS = 8_000
ERROR_BODY_CHARS = 16_384  # of the body that an unexpected status leaves in the outputs
_ENCODINGS = {"ascii", "us-ascii", "utf-8", "utf8", "utf-16", "iso-8859-1", "latin-1", "iso-8859-15", "windows-1252"}

_RETRYABLE: Final = frozenset({408, 425, 429})
_SERVER_ERROR = 500
_MOVED: Final = frozenset({301, 302, 303, 307, 308})
_OURS: Final = frozenset(  # headers that HTTP itself, or this block, decides
    {
        *("accept-encoding", "connection", "content-length", "expect", "host"),
        *("keep-alive", "te", "trailer", "transfer-encoding", "upgrade"),
    }
)
_STAYS: Final = frozenset({"accept", "accept-language", "user-agent"})  # what goes along to another origin
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HOST = re.compile(rb"[0-9a-z._-]{1,253}|[0-9a-f:.]{2,45}")
_LAST_PORT = 65_535
_VALUE = re.compile(r"[\t\x20-\x7e]*")


class HttpSettings(BaseModel):
    """Settings of HTTP_REQUEST."""

    model_config = ConfigDict(frozen=True)

    http_allow_private: bool = Field(default=False, description="Let HTTP_REQUEST reach private and loopback addresses")
    http_max_bytes: int = Field(default=1024 * 1024, ge=1, description="Longest response body that HTTP_REQUEST reads")


def _listed(value: object) -> object:
    return value if isinstance(value, list) else [value]


def _upper(value: object) -> object:
    return value.upper() if isinstance(value, str) else value


def _sendable(headers: dict[str, str]) -> dict[str, str]:
    for name, value in headers.items():
        if not _TOKEN.fullmatch(name) or name.lower().startswith("proxy-") or name.lower() in _OURS:
            raise ValueError(f"{name[:60]!r} is no header that can be set here")
        if not _VALUE.fullmatch(value):
            raise ValueError(f"the value of {name!r} has line breaks or characters that are not ASCII")
    return headers


Scalar = str | int | float | bool | None
_Status = Annotated[int, Field(strict=True, ge=100, le=599)] | Annotated[str, Field(pattern="^[1-5]xx$")]
_Listed = Annotated[list[_Status], Field(min_length=1)]
Statuses = Annotated[_Listed, BeforeValidator(_listed, json_schema_input_type=_Status | _Listed)]


class HttpRequestArguments(BaseModel):
    """What to send where, and which answers are good."""

    model_config = ConfigDict(extra="forbid")

    url: str = Field(max_length=URL_CHARS, description="http or https", examples=["https://api.example.org/assets"])
    method: Annotated[Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"], BeforeValidator(_upper)] = (
        Field(default="GET", description="What the server is asked to do")
    )
    headers: Annotated[dict[str, str], AfterValidator(_sendable)] = Field(
        default_factory=dict, description="Sent besides those that the request has anyway"
    )
    query: dict[str, Scalar | list[Scalar]] = Field(default_factory=dict, description="Added to the URL, but for nulls")
    json_body: Any = Field(default=None, alias="json", description="The body, as JSON")
    text: str | None = Field(default=None, description="The body, as text")
    expect_status: Statuses = Field(
        default=["2xx"], description="Which statuses are good: one or a list", examples=[[200, 404], "2xx"]
    )
    timeout: Duration = Field(default="30s", description="From the first step to the last byte")

    @model_validator(mode="after")
    def _one_body(self) -> Self:
        if {"json_body", "text"} <= self.model_fields_set:
            raise ValueError("give `json` or `text`, not both")
        return self

    def expects(self, status: int) -> bool:
        """Whether an answer with this status is good."""
        return status in self.expect_status or f"{status // 100}xx" in self.expect_status


class HttpAnswer(BaseModel):
    """What came back: `headers` in lower case, without cookies; `body` is JSON if the server says so, else text."""

    status: int
    headers: dict[str, str]
    body: Any


@block(
    "HTTP_REQUEST",
    title="HTTP request",
    category="Integrations",
    icon="globe",
    retry=Retry(max_attempts=3),
    concurrency=CONNECTIONS,
    settings=HttpSettings,
    examples=(
        {"url": "https://catalog.example.org/assets/{{ inputs.asset }}", "expect_status": [200, 404]},
        {"url": "https://catalog.example.org/owners", "method": "POST", "json": {"owner": "{{ inputs.owner }}"}},
    ),
)
async def http_request(arguments: HttpRequestArguments, context: BlockContext) -> HttpAnswer:
    """Call an HTTP API. Every attempt sends the same `Idempotency-Key`, so that the server can tell a repetition.

    Raises:
        BlockError: `HTTP_STATUS` (may be tried again for 408, 425, 429 and 5xx), `HTTP_TIMEOUT`, `HTTP_UNREACHABLE`
            (may be tried again), `HTTP_REFUSED`, `HTTP_BAD_URL`, `HTTP_TOO_LARGE`, `HTTP_BAD_ANSWER`.
    """
    settings: HttpSettings = context.settings
    return await request(arguments, context.idempotency_key, settings, pool(allow_private=settings.http_allow_private))


async def request(
    arguments: HttpRequestArguments, key: str, settings: HttpSettings, connections: httpcore2.AsyncConnectionPool
) -> HttpAnswer:
    """What the block does, on given connections."""
    first = _first(arguments, key)
    what = f"{arguments.method} {first.url.scheme}://{_place(first)}"
    seconds = parse_duration(arguments.timeout)
    try:
        async with asyncio.timeout(seconds):
            reply = await _follow(first, arguments, connections, seconds, settings.http_max_bytes)
    except (TimeoutError, httpcore2.TimeoutException):
        raise BlockError("HTTP_TIMEOUT", f"{what}: no answer within {arguments.timeout}", retryable=True) from None
    except AddressRefusedError as refused:
        raise BlockError("HTTP_REFUSED", f"{what}: {refused}") from None
    except httpcore2.LocalProtocolError:
        raise BlockError("HTTP_BAD_URL", f"{what}: the request can't be sent as HTTP") from None
    except (httpcore2.NetworkError, httpcore2.ProtocolError) as error:
        raise BlockError("HTTP_UNREACHABLE", f"{what}: {_why(error)}", retryable=True) from None
    if arguments.expects(reply.status):
        return HttpAnswer(status=reply.status, headers=reply.headers, body=reply.body())
    raise BlockError(
        "HTTP_STATUS",
        f"{what}: answered with status {reply.status}",
        retryable=reply.status in _RETRYABLE or reply.status >= _SERVER_ERROR,
        outputs={"status": reply.status, "headers": reply.headers, "body": reply.text()[:ERROR_BODY_CHARS]},
    )


@dataclass(frozen=True, slots=True)
class _Reply:
    status: int
    headers: dict[str, str]
    content: bytes

    def text(self) -> str:
        charset = re.search(r"charset=\"?([\w-]+)", self.headers.get("content-type", ""))
        encoding = charset[1].lower() if charset else "utf-8"
        return self.content.decode(encoding if encoding in _ENCODINGS else "utf-8", errors="replace")

    def body(self) -> Any:
        if re.match(r"application/([\w.+-]+\+)?json\b", self.headers.get("content-type", "")):
            try:
                return orjson.loads(self.content)
            except orjson.JSONDecodeError:
                pass  # the server says JSON and sends something else; what it is, is for the workflow
        return self.text()


def _first(arguments: HttpRequestArguments, key: str) -> httpx2.Request:
    """The request as it is sent at first.

    Raises:
        BlockError: `HTTP_BAD_URL`.
    """
    query = {name: value for name, value in arguments.query.items() if value is not None}
    headers = httpx2.Headers({"User-Agent": "icefloe", "Idempotency-Key": quote(key, safe="/:")})
    headers.update({**arguments.headers, "Accept-Encoding": "identity"})
    content, content_type = None, ""
    if "json_body" in arguments.model_fields_set:
        content, content_type = orjson.dumps(arguments.json_body), "application/json"
    elif arguments.text is not None:
        content, content_type = arguments.text.encode(), "text/plain; charset=utf-8"
    try:
        url = httpx2.URL(arguments.url).copy_merge_params(query)
    except (httpx2.InvalidURL, ValueError):
        raise BlockError("HTTP_BAD_URL", "`url` holds no URL") from None  # nor is it shown: it may hold secrets
    _check(url, "HTTP_BAD_URL")
    if content_type:
        headers.setdefault("Content-Type", content_type)
    return httpx2.Request(arguments.method, url, headers=headers, content=content)


def _place(request: httpx2.Request) -> str:
    """The host and port for messages; no more of the URL, since its path and query may hold secrets."""
    return request.url.netloc.decode("ascii")


def _check(url: httpx2.URL, code: str) -> None:
    if url.scheme not in {"http", "https"}:
        raise BlockError(code, f"a URL begins with http:// or https://, not with {url.scheme[:20]!r}")
    if not _HOST.fullmatch(url.raw_host) or (url.port is not None and not 0 < url.port <= _LAST_PORT):
        raise BlockError(code, "the URL names no host, or no port, that can exist")
    if url.userinfo:
        raise BlockError(code, "a URL must not carry a name and password; send an Authorization header")


async def _follow(
    request: httpx2.Request,
    arguments: HttpRequestArguments,
    connections: httpcore2.AsyncConnectionPool,
    seconds: float,
    most: int,
) -> _Reply:
    for _ in range(REDIRECTS + 1):
        reply = await _exchange(request, connections, seconds, most)
        target = reply.headers.get("location")
        followed = reply.status in _MOVED and request.method in {"GET", "HEAD"} and not arguments.expects(reply.status)
        if not followed or target is None:
            return reply
        request = _redirected(request, target)
    raise BlockError("HTTP_REFUSED", f"{_place(request)} redirected more than {REDIRECTS} times")


def _redirected(request: httpx2.Request, target: str) -> httpx2.Request:
    try:
        url = request.url.join(target)
    except (httpx2.InvalidURL, ValueError):
        raise BlockError("HTTP_REFUSED", f"{_place(request)} redirected to what is no URL") from None
    _check(url, "HTTP_REFUSED")
    same = (url.scheme, url.host, url.port) == (request.url.scheme, request.url.host, request.url.port)
    dropped = {"host", "content-length", "content-type"}  # of the other host, and of a body that isn't sent again
    kept = {name: value for name, value in request.headers.items() if name in _STAYS or (same and name not in dropped)}
    return httpx2.Request(request.method, url, headers={**kept, "Accept-Encoding": "identity"})


async def _exchange(
    request: httpx2.Request, connections: httpcore2.AsyncConnectionPool, seconds: float, most: int
) -> _Reply:
    url = httpcore2.URL(
        scheme=request.url.raw_scheme, host=request.url.raw_host, port=request.url.port, target=request.url.raw_path
    )
    bounds = {"timeout": dict.fromkeys(("connect", "read", "write", "pool"), seconds)}
    async with connections.stream(
        request.method, url, headers=request.headers.raw, content=request.read() or None, extensions=bounds
    ) as response:
        headers = httpx2.Headers(response.headers)
        content = bytearray()
        async for chunk in response.aiter_stream():
            content += chunk
            if len(content) > most:
                raise _too_large(request, most)
    plain = _decoded(bytes(content), headers.get("content-encoding", "identity").lower(), request, most)
    shown = {name: value for name, value in headers.items() if name != "set-cookie"}  # that is a credential
    return _Reply(response.status, shown, plain)


def _decoded(content: bytes, encoding: str, request: httpx2.Request, most: int) -> bytes:
    """Undo a compression that the server applied unasked, without going over the bound."""
    if encoding in {"", "identity"} or not content:
        return content
    unreadable = BlockError("HTTP_BAD_ANSWER", f"{_place(request)} answered in the encoding {encoding[:20]!r}")
    if encoding not in {"gzip", "x-gzip", "deflate"}:
        raise unreadable
    try:
        plain = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32).decompress(content, most + 1)
    except zlib.error:
        raise unreadable from None
    if len(plain) > most:
        raise _too_large(request, most)
    return plain


def _too_large(request: httpx2.Request, most: int) -> BlockError:
    return BlockError("HTTP_TOO_LARGE", f"{_place(request)} answered with more than {most:,} bytes")


def _why(error: Exception) -> str:
    match error:
        case httpcore2.ConnectError():
            return f"no connection ({error})"
        case httpcore2.ProtocolError():
            return "the answer is no HTTP"
        case _:
            return "the connection broke"
