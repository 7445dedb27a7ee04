"""What operators measure: requests by route, decisions by answer, open event streams.

No label names a tenant, an account or anything else that callers choose.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from clearance.core.decision import Answer

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
UNMATCHED = "unmatched"
_METHODS = frozenset({"GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"})


class Metrics:
    """The counters of one app, in a registry of its own."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        labels = ("method", "route", "status")
        self._requests = Counter(
            "clearance_requests", "Requests answered.", labels, registry=self._registry
        )
        self._seconds = Histogram(
            "clearance_request_seconds",
            "Seconds until the head of the answer was sent.",
            ("method", "route"),
            buckets=SECONDS,
            registry=self._registry,
        )
        self._decisions = Counter(
            "clearance_decisions",
            "New action intents, by the gate's answer.",
            ("decision",),
            registry=self._registry,
        )
        self.streams = Gauge(
            "clearance_event_streams", "Open event streams.", registry=self._registry
        )

    def decided(self, decision: Answer) -> None:
        """Counts a decision on a new intent."""
        self._decisions.labels(decision.value).inc()

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Counts an answered request."""
        known = method if method in _METHODS else "OTHER"
        self._requests.labels(known, route, str(status)).inc()
        self._seconds.labels(known, route).observe(seconds)

    def text(self) -> bytes:
        """Everything in the text format of Prometheus."""
        return generate_latest(self._registry)


class Measured:
    """ASGI: counts every answer under the pattern of its route, never under the path that was
    asked.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
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
