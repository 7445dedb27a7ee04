"""One request to a tool server, and how far it came.

One idea: the task that sends a request carries its `Exchange` in a context variable. The SDK takes
the context along to where the bytes are written, so that each station on the way can note how far
the request came.

Refuses to know: what follows from that.
"""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Self

import anyio
from mcp import types
from mcp.shared.message import SessionMessage

from clearance.core.outcome import Sent

if TYPE_CHECKING:  # private to the SDK, and without a public name
    from mcp.shared._stream_protocols import ReadStream, WriteStream

    Streams = tuple[ReadStream[SessionMessage | Exception], WriteStream[SessionMessage]]

WIRE_BYTES_MAX = 8 * 1024 * 1024  # one message of a server


@dataclass(slots=True)
class Exchange:
    """One request, and what is known of its way. Over stdio only `taken` is ever set."""

    taken: bool = False  # a transport took the request: from here on it may be on the wire
    unreached: bool = False  # no HTTP connection was made
    answered: bool = False  # some HTTP answer came, if only a redirect
    status: int | None = None  # of the HTTP answer, once it is read
    readable: bool = False  # the HTTP answer can hold a JSON-RPC message
    retry_after_ms: int | None = None

    @property
    def sent(self) -> Sent:
        """What is known as long as no answer can be read."""
        return Sent.MAYBE if self.taken and not self.unreached else Sent.NOT_SENT


current: ContextVar[Exchange | None] = ContextVar("exchange", default=None)
"""The request that the running task sends."""


class Outbox:
    """The way out of a session: notes when a transport takes a request."""

    def __init__(self, inner: WriteStream[SessionMessage]) -> None:
        self._inner = inner

    async def send(self, item: SessionMessage, /) -> None:
        """Hands a message to the transport."""
        exchange = current.get()
        if exchange is None or not isinstance(item.message, types.JSONRPCRequest):
            return await self._send_aside(item)
        exchange.taken = (
            True  # before, not after: a send that is cancelled may still have been taken
        )
        try:
            await self._inner.send(item)
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            exchange.taken = False
            raise

    async def _send_aside(self, item: SessionMessage) -> None:
        """Sends what is not the request itself, such as our answer to a ping, so that its fate is
        not taken for it.
        """
        token = current.set(None)
        try:
            await self._inner.send(item)
        finally:
            current.reset(token)

    async def aclose(self) -> None:
        """Ends the way out."""
        await self._inner.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()
