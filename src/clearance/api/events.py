"""The ledger live: server-sent events (WHATWG HTML, section 9.2), one per entry, resumable by the ledger position.

The ledger is the only source: a stream that was interrupted goes on where it was, and misses nothing. A stream lasts as
long as its credential, its client and the process do.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import anyio
from starlette.requests import Request
from starlette.responses import Response

from clearance.api import problems, resources
from clearance.core.errors import Refusal, Unavailable
from clearance.core.moment import SECOND_MS

if TYPE_CHECKING:
    from prometheus_client import Gauge
    from starlette.types import Receive, Scope, Send

    from clearance.access import Access
    from clearance.core.ledger import Entry
    from clearance.core.principal import Principal
    from clearance.flow.control import Control

HEARTBEAT_MS = 15 * SECOND_MS
RECONNECT_MS = 2 * SECOND_MS  # how long a client is asked to wait before it comes again
ENTRIES_MAX = 100  # entries that are read at once
STREAMS_MAX = 256  # of the process
STREAMS_PER_TENANT_MAX = 64
STREAMS_PER_ACTOR_MAX = 16  # so that one agent does not take every place of its tenant


class Streams:
    """The open streams of one process, bounded, and the way to end them all. `seconds_max`: how long each may last."""

    def __init__(self, gauge: Gauge) -> None:
        self.seconds_max = math.inf
        self._gauge = gauge
        self._by_tenant: Counter[str] = Counter()
        self._by_actor: Counter[tuple[str, str]] = Counter()
        self._open: set[anyio.CancelScope] = set()
        self._ended = False

    def end(self) -> None:
        """Ends every stream, and lets no new one begin: the process is about to stop."""
        self._ended = True
        for scope in self._open:
            scope.cancel()

    @contextmanager
    def place(self, caller: Principal) -> Iterator[anyio.CancelScope]:
        """A place for one stream, and the scope that ends it. Unavailable (`TOO_MANY_STREAMS`) if there is none."""
        if self._ended:
            sentence = "The server is about to stop."
            raise Unavailable(sentence)
        tenant, actor = caller.tenant_id, (caller.tenant_id, caller.actor_id)
        if (
            len(self._open) >= STREAMS_MAX
            or self._by_tenant[tenant] >= STREAMS_PER_TENANT_MAX
            or self._by_actor[actor] >= STREAMS_PER_ACTOR_MAX
        ):
            sentence = "Too many event streams are open."
            raise Unavailable(sentence, code="TOO_MANY_STREAMS")
        scope = anyio.CancelScope(deadline=anyio.current_time() + self.seconds_max)
        self._open.add(scope)
        self._by_tenant[tenant] += 1
        self._by_actor[actor] += 1
        self._gauge.inc()
        try:
            yield scope
        finally:
            self._open.discard(scope)
            self._by_tenant -= Counter((tenant,))  # which forgets who has none left
            self._by_actor -= Counter((actor,))
            self._gauge.dec()


class Feed:
    """The entries of one tenant behind a position, as text, for as long as a key is valid."""

    def __init__(self, control: Control, access: Access, key: str | None, caller: Principal, after: int) -> None:
        self._control = control
        self._access = access
        self._key = key
        self._after = after
        self.caller = caller

    async def texts(self) -> AsyncIterator[str]:
        """Events as they come, and a comment when there are none. Ends when the credential is no longer valid."""
        yield f"retry: {RECONNECT_MS}\nid: {self._after}\n\n"  # the place is known even if nothing comes before a break
        while True:
            there_are = await self._control.wait_for_entries(self.caller, after=self._after, timeout_ms=HEARTBEAT_MS)
            # Asked again each time: what a revoked key opened ends with it.
            self.caller = await self._access.authenticate(self._key)
            if not there_are:
                yield ": still here\n\n"
                continue
            for entry in await self._control.ledger(self.caller, after=self._after, limit=ENTRIES_MAX):
                yield event(entry)
                self._after = entry.position


def event(entry: Entry) -> str:
    """One entry as an event: its position is the id, its kind the event's name."""
    resource = resources.entry(entry)
    data = json.dumps(resource.model_dump(), ensure_ascii=False, separators=(",", ":"))
    return f"id: {entry.position}\nevent: {resource.kind}\ndata: {data}\n\n"


class EventStream(Response):
    """An answer that goes on. It holds its place from its first byte until the client leaves, or it ends."""

    media_type = "text/event-stream"

    def __init__(self, feed: Feed, streams: Streams) -> None:
        super().__init__(headers={"X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._feed = feed
        self._streams = streams

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends until the end; a problem if there is no place."""
        try:
            with self._streams.place(self._feed.caller) as until:
                await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
                with until:
                    await self._send_while_connected(receive, send)
                await send({"type": "http.response.body", "body": b"", "more_body": False})
        except Unavailable as refusal:
            await problems.of_refusal(Request(scope), refusal)(scope, receive, send)

    async def _send_while_connected(self, receive: Receive, send: Send) -> None:
        async with anyio.create_task_group() as both:

            async def until_gone() -> None:
                while (await receive())["type"] != "http.disconnect":
                    pass
                both.cancel_scope.cancel()

            both.start_soon(until_gone)
            try:
                async for text in self._feed.texts():
                    await send({"type": "http.response.body", "body": text.encode(), "more_body": True})
            except Refusal:
                # The key was revoked, or the store cannot answer: the client comes again, and is told then.
                pass
            both.cancel_scope.cancel()
