"""Long-lived responses: server-sent events (WHATWG HTML, section 9.2), bounded in number, and ended
together.

The door that opens a stream decides its content. A stream lasts as long as its credential, its
client and the process do.
"""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING, Protocol

import anyio
from starlette.requests import Request
from starlette.responses import Response

from clearance.core.errors import Refusal, Unavailable
from clearance.core.moment import SECOND_MS
from clearance.doors.places import Bounds, Places, leave

if TYPE_CHECKING:
    from prometheus_client import Gauge
    from starlette.types import Receive, Scope, Send

    from clearance.core.principal import Principal

HEARTBEAT_MS = 15 * SECOND_MS
RECONNECT_MS = 2 * SECOND_MS  # how long a client is asked to wait before it comes again
STREAMS_MAX = 256  # of the process
STREAMS_PER_TENANT_MAX = 64
STREAMS_PER_ACTOR_MAX = 16  # so that one agent does not take every place of its tenant


class Streams:
    """The open streams of one process, bounded, and the way to end them all.

    `seconds_max`: how long each may last.
    """

    def __init__(self, gauge: Gauge) -> None:
        self.seconds_max = math.inf
        self._gauge = gauge
        self._places = Places()
        self._open: set[anyio.CancelScope] = set()
        self._ended = False

    def end(self) -> None:
        """Ends every stream, and lets no new one begin: the process is about to stop."""
        self._ended = True
        for scope in self._open:
            scope.cancel()

    @contextmanager
    def place(self, caller: Principal) -> Iterator[anyio.CancelScope]:
        """A place for one stream, and the scope that ends it.

        Unavailable (`TOO_MANY_STREAMS`) if there is none.
        """
        if self._ended:
            sentence = "The server is about to stop."
            raise Unavailable(sentence)
        bounds = Bounds(STREAMS_MAX, STREAMS_PER_TENANT_MAX, STREAMS_PER_ACTOR_MAX)
        sentence = "Too many event streams are open."
        refusal = Unavailable(sentence, code="TOO_MANY_STREAMS")
        scope = anyio.CancelScope(deadline=anyio.current_time() + self.seconds_max)
        with self._places.place(caller, bounds, refusal):
            self._open.add(scope)
            self._gauge.inc()
            try:
                yield scope
            finally:
                self._open.discard(scope)
                self._gauge.dec()


class Feed(Protocol):
    """The content of a stream, and its receiver."""

    @property
    def caller(self) -> Principal:
        """The principal that holds the place."""

    def texts(self) -> AsyncIterator[str]:
        """Events as text. A Refusal ends them: the client connects again, and gets the refusal
        then.
        """

    def refused(self, request: Request, refusal: Refusal) -> Response:
        """The answer if there is no place."""


class EventStream(Response):
    """A long-lived response.

    It holds its place from its first byte until the client leaves, or it ends.
    """

    media_type = "text/event-stream"

    def __init__(self, feed: Feed, streams: Streams, headers: Mapping[str, str]) -> None:
        super().__init__(headers={**headers, "X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._feed = feed
        self._streams = streams

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends until the end; if there is no place, sends the feed's answer to the refusal."""
        leave(scope)
        try:
            with self._streams.place(self._feed.caller) as until:
                await send(
                    {
                        "type": "http.response.start",
                        "status": HTTPStatus.OK,
                        "headers": self.raw_headers,
                    }
                )
                with until:
                    await self._send_while_connected(receive, send)
                await send({"type": "http.response.body", "body": b"", "more_body": False})
        except Unavailable as refusal:
            await self._feed.refused(Request(scope), refusal)(scope, receive, send)

    async def _send_while_connected(self, receive: Receive, send: Send) -> None:
        async with anyio.create_task_group() as both:

            async def until_gone() -> None:
                while (await receive())["type"] != "http.disconnect":
                    pass
                both.cancel_scope.cancel()

            both.start_soon(until_gone)
            try:
                async for text in self._feed.texts():
                    await send(
                        {"type": "http.response.body", "body": text.encode(), "more_body": True}
                    )
            except Refusal:
                # The credential is over, or the store cannot answer: the client connects again
                # and gets the refusal then.
                pass
            both.cancel_scope.cancel()
