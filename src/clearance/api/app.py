"""The REST app: the list of all routes, and the problems, headers and counters around them.

It knows how requests come in, and calls `Control` for everything that they ask.
"""

from __future__ import annotations

import json
import re
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from fastapi import Depends, FastAPI
from pydantic.json_schema import models_json_schema
from starlette.datastructures import MutableHeaders
from starlette.requests import Request

from clearance.api import (
    actions,
    approvals,
    autonomy,
    intents,
    keys,
    ledger,
    operations,
    problems,
    status,
    stops,
    usage,
    wire,
)
from clearance.api.door import no_key_is_unread
from clearance.api.metrics import Exposed, Measured, RequestMetrics
from clearance.doors.places import Visited
from clearance.doors.streams import Streams

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Lifespan, Message, Receive, Scope, Send

    from clearance.doors.access import Access
    from clearance.flow.control import Control

TITLE = "Clearance"
_DESCRIPTION = (
    "AI agents act on their own, within limits you set, and Clearance proves what they did."
)
_ROUTERS = (
    actions.router,
    intents.router,
    approvals.router,
    usage.router,  # before the parts of the settings, whose names take up the same place
    autonomy.router,
    stops.router,
    ledger.router,
    status.router,
    keys.router,
    operations.router,
)
_BODIES = (
    wire.ProposalBody,
    wire.RulingBody,
    wire.CancellationBody,
    wire.ReconciliationBody,
    wire.SettingsPartBody,
    keys.ApiKeyBody,
    wire.ProblemResource,
)
_SUFFIXED = re.compile(r'(?<=["/])(\w+)Resource(?=")')
_API_PATHS = ("/v1/", "/healthz", "/readyz", "/metrics", "/openapi.json")


def create_app(
    control: Control,
    access: Access,
    *,
    lifespan: Lifespan[FastAPI] | None = None,
    title: str = TITLE,
    metrics: Exposed | None = None,
) -> FastAPI:
    """The app.

    A server that stops calls `end_streams(app)` before it waits for connections, which would not
    end.

    `metrics`: what it answers at `/metrics`, which has no credential and is for its own network;
    without them there is no such path.
    """
    app = FastAPI(
        title=title,
        version=version("clearance"),
        description=_DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    requests = metrics.requests if metrics else RequestMetrics()
    app.state.control = control
    app.state.access = access
    app.state.metrics = metrics
    app.state.streams = Streams(requests.streams)
    for router in _ROUTERS:
        app.include_router(router, dependencies=[Depends(no_key_is_unread)])
    if metrics:
        app.include_router(operations.counting)
    problems.install(app)
    app.add_middleware(Visited)
    app.add_middleware(Surrounded)
    app.add_middleware(Measured, metrics=requests)
    describe = app.openapi
    app.openapi = lambda: _as_it_is(describe())  # type: ignore[method-assign]
    return app


def end_streams(app: FastAPI) -> None:
    """Ends every event stream at once, and lets no new one begin."""
    streams: Streams = app.state.streams
    streams.end()


def shorten_streams(app: FastAPI, seconds: float) -> None:
    """Ends every event stream after so long: for a place where an answer reaches its client only
    when it is over.
    """
    streams: Streams = app.state.streams
    streams.seconds_max = seconds


class Surrounded:
    """ASGI: the API's headers on each of its answers, and a problem where the connection would have
    broken.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Runs the app within."""
        if scope["type"] != "http" or not scope["path"].startswith(_API_PATHS):
            await self._app(scope, receive, send)
            return
        begun = False

        async def with_headers(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                MutableHeaders(scope=message).update(problems.HEADERS)
            await send(message)

        try:
            await self._app(scope, receive, with_headers)
        except Exception as error:
            if begun:
                raise
            await problems.of_unexpected(Request(scope), error)(scope, receive, with_headers)


def _as_it_is(schema: dict[str, Any]) -> dict[str, Any]:
    """The framework's schema, completed with our own work: we read bodies ourselves, and answer 404
    for a path that can name nothing.
    """
    _, bodies = models_json_schema(
        [(shape, "validation") for shape in _BODIES], ref_template="#/components/schemas/{model}"
    )
    shapes: dict[str, Any] = schema["components"]["schemas"]
    shapes.update(bodies["$defs"])
    for name in ("HTTPValidationError", "ValidationError"):
        shapes.pop(name, None)
    for methods in schema["paths"].values():
        for operation in methods.values():
            if "application/json" in operation["responses"].get("422", {}).get("content", {}):
                del operation["responses"]["422"]
    return _named_as_on_the_wire(schema)


def _named_as_on_the_wire(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema without the `Resource` that a class of ours adds to a name of the core, unless
    another shape has the shorter name.
    """
    shapes = schema["components"]["schemas"]

    def shortened(match: re.Match[str]) -> str:
        return match[0] if match[1] in shapes or match[0] not in shapes else match[1]

    named: dict[str, Any] = json.loads(_SUFFIXED.sub(shortened, json.dumps(schema)))
    return named
