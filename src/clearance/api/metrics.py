"""The measurements of a door: requests by route, and open event streams.

No label names a tenant, an account or anything else that callers choose.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
UNMATCHED = "unmatched"
_METHODS = frozenset({"GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"})


class RequestMetrics:
    """The counts of one door, in the registry of its process; without a registry they are never
    read.
    """

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self._requests = Counter(
            "clearance_requests_total",
            "Requests answered.",
            ("method", "route", "status"),
            registry=registry,
        )
        self._seconds = Histogram(
            "clearance_request_seconds",
            "Seconds until the head of the answer was sent.",
            ("method", "route"),
            buckets=SECONDS,
            registry=registry,
        )
        self.streams = Gauge("clearance_event_streams", "Open event streams.", registry=registry)

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Counts an answered request."""
        known = method if method in _METHODS else "OTHER"
        self._requests.labels(known, route, str(status)).inc()
        self._seconds.labels(known, route).observe(seconds)


class Exposed(Protocol):
    """All that a process measures: its door counts the requests, and answers it at `/metrics`."""

    @property
    def requests(self) -> RequestMetrics:
        """The door's counts."""

    async def text(self) -> bytes:
        """Everything in the text format of Prometheus."""


class Measured:
    """ASGI: counts every answer under the pattern of its route, never under the path that was
    asked.
    """

    def __init__(self, app: ASGIApp, metrics: RequestMetrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Runs the app, and looks at the head of its answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()

        async def measured(message: Message) -> None:
            if message["type"] == "http.response.start":
                route: str = getattr(scope.get("route"), "path", UNMATCHED)
                seconds = time.perf_counter() - began
                self._metrics.answered(scope["method"], route, message["status"], seconds)
            await send(message)

        await self._app(scope, receive, measured)
