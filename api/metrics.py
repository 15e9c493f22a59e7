"""What the API counts, in Prometheus' terms: requests, and how long it took until they were answered.

Labels are names of operations and statuses, of which there are few; never an id, a person or a tenant.
"""

from time import perf_counter
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_NONE: Final = "none"  # what is no operation: an unknown path, a method that it doesn't have


class Metrics:
    """What one app has counted."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self.requests = Counter(
            "icefloe_api_requests_total",
            "Requests that were answered, by operation and status",
            ["operation", "status"],
            registry=self._registry,
        )
        self.seconds = Histogram(
            "icefloe_api_request_seconds",
            "Time until an answer began, by operation",
            ["operation"],
            buckets=_BUCKETS,
            registry=self._registry,
        )
        self.open = Gauge(
            "icefloe_api_requests_in_progress",
            "Requests that are being answered, those that follow runs included",
            registry=self._registry,
        )

    def text(self) -> bytes:
        """All of it, as Prometheus reads it."""
        return generate_latest(self._registry)


class Measured:
    """Counts the requests to an app."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = perf_counter()

        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                operation = getattr(scope.get("route"), "name", _NONE)
                self._metrics.requests.labels(operation, str(message["status"])).inc()
                self._metrics.seconds.labels(operation).observe(perf_counter() - began)
            await send(message)

        with self._metrics.open.track_inprogress():
            await self._app(scope, receive, counted)
