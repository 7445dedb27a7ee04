"""A remote tool server, over streamable HTTP.

One idea: below the SDK's transport lies a wire of ours, which adds secrets at the last moment,
bounds what comes back, and notes on the running exchange how the request fared.

Refuses to know: sessions, what the messages say, and what a status means.
"""

from __future__ import annotations

import base64
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.utils import parsedate_to_datetime
from functools import cache
from typing import TYPE_CHECKING, Any

import httpx2
from mcp.client.streamable_http import streamable_http_client

from clearance.core.catalog import DEADLINE_SECONDS_MAX, ToolServer
from clearance.core.outcome import ErrorClass, Sent
from clearance.tools.answers import RETRY_AFTER_MS_MAX
from clearance.tools.exchange import WIRE_BYTES_MAX, Exchange, Outbox, current
from clearance.tools.untrusted import failed, readable
from clearance.tools.variables import PATH_SECRET_LENGTH_MIN, Secrets

if TYPE_CHECKING:
    from clearance.tools.exchange import Streams

NETWORK_SECONDS_MAX = 30  # for a connection, or for writing a request to it

_WITH_MESSAGE = frozenset({200, 201})
_UNREACHED = (
    httpx2.ConnectError,
    httpx2.ConnectTimeout,
    httpx2.PoolTimeout,
    httpx2.UnsupportedProtocol,
)


@asynccontextmanager
async def http(server: ToolServer, secrets: Secrets) -> AsyncIterator[Streams]:
    """The SDK's transport, on a wire of ours."""
    headers = httpx2.Headers(secrets.headers())
    try:
        url = httpx2.URL(server.url or "")
    except httpx2.InvalidURL:
        sentence = f"The tool server {server.name} has an address that cannot be read."
        raise failed(ErrorClass.DOWNSTREAM, sentence, Sent.NOT_SENT) from None
    secrets.keep(
        url.username, url.password, url.query.decode(errors="replace"), *url.params.values()
    )
    secrets.keep(*(part for part in url.path.split("/") if len(part) >= PATH_SECRET_LENGTH_MIN))
    if url.userinfo:
        pair = base64.b64encode(f"{url.username}:{url.password}".encode()).decode()
        secrets.keep(pair)
        headers.setdefault("authorization", f"Basic {pair}")
    wire = _Wire(url, headers)
    timeout = httpx2.Timeout(NETWORK_SECONDS_MAX, read=DEADLINE_SECONDS_MAX)
    async with (
        httpx2.AsyncClient(transport=wire, timeout=timeout) as client,
        streamable_http_client(
            str(wire.address), http_client=client, max_sse_event_size=WIRE_BYTES_MAX
        ) as streams,
    ):
        incoming, outgoing = streams
        yield incoming, Outbox(outgoing)


@cache
def _tls() -> ssl.SSLContext:
    return httpx2.create_ssl_context()  # takes a fifth of a second


class _Wire(httpx2.AsyncBaseTransport):
    """The HTTP connections of one session.

    Adds what may be secret at the last moment, so that nothing above can log it; bounds what comes
    back; notes how each request fared. A failure of the network becomes a 502 of our own: an
    exception would end the session for all calls.
    """

    def __init__(self, url: httpx2.URL, headers: httpx2.Headers) -> None:
        self.address = url.copy_with(userinfo=b"", path="/mcp", query=None, fragment=None)
        self._url = url.copy_with(userinfo=b"", fragment=None)
        self._headers = headers
        self._inner = httpx2.AsyncHTTPTransport(verify=_tls())

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        exchange = (current.get() if request.method == "POST" else None) or Exchange()
        exchange.status = None
        try:
            response = await self._inner.handle_async_request(self._dressed(request))
            kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
            if kind == "text/event-stream":
                answer = _remade(response, stream=_CleanLines(response))
            else:
                answer = _remade(response, content=readable(await _read(response)))
        except httpx2.RequestError as error:
            exchange.unreached = isinstance(error, _UNREACHED) and not exchange.answered
            return httpx2.Response(502)
        exchange.answered = True
        exchange.status = response.status_code
        exchange.readable = response.status_code in _WITH_MESSAGE and kind in (
            "application/json",
            "text/event-stream",
        )
        exchange.retry_after_ms = _retry_after_ms(response.headers)
        return answer

    async def aclose(self) -> None:
        await self._inner.aclose()

    def _dressed(self, request: httpx2.Request) -> httpx2.Request:
        headers = httpx2.Headers(request.headers)
        headers["accept-encoding"] = (
            "identity"  # so that a limit on bytes read is a limit on bytes sent
        )
        headers.update(self._headers)
        url = self._url if request.url == self.address else request.url
        return httpx2.Request(
            request.method,
            url,
            headers=headers,
            stream=request.stream,
            extensions=request.extensions,
        )


class _CleanLines(httpx2.AsyncByteStream):
    """An event stream, line by line, without what the SDK could not read, and with a limit on a
    line.
    """

    def __init__(self, response: httpx2.Response) -> None:
        self._response = response

    async def __aiter__(self) -> AsyncIterator[bytes]:
        rest = bytearray()
        async for chunk in self._response.aiter_bytes():
            rest += chunk
            end = max(chunk.rfind(b"\n"), chunk.rfind(b"\r")) + 1
            if end:
                end += len(rest) - len(chunk)
                yield readable(bytes(rest[:end]))
                del rest[:end]
            if len(rest) > WIRE_BYTES_MAX:
                raise _too_long()
        yield bytes(rest)

    async def aclose(self) -> None:
        await self._response.aclose()


async def _read(response: httpx2.Response) -> bytes:
    body = bytearray()
    try:
        async for chunk in response.aiter_bytes():
            body += chunk
            if len(body) > WIRE_BYTES_MAX:
                raise _too_long()
    finally:
        await response.aclose()
    return bytes(body)


def _too_long() -> httpx2.TransportError:
    return httpx2.ReadError(f"more than {WIRE_BYTES_MAX} bytes in one message")


def _remade(response: httpx2.Response, **body: Any) -> httpx2.Response:
    headers = httpx2.Headers(response.headers)
    for name in ("content-encoding", "content-length", "transfer-encoding"):
        headers.pop(name, None)
    return httpx2.Response(response.status_code, headers=headers, **body)


def _retry_after_ms(headers: httpx2.Headers) -> int | None:
    """The `Retry-After` of an answer: seconds, or a date, which is measured by the server's own
    clock.
    """
    wait = headers.get("retry-after", "").strip()
    try:
        if wait.isascii() and wait.isdigit():
            seconds = float(wait[:10])
        else:
            seconds = (
                parsedate_to_datetime(wait) - parsedate_to_datetime(headers["date"])
            ).total_seconds()
    except (KeyError, TypeError, ValueError):
        return None
    return min(max(int(seconds * 1000), 0), RETRY_AFTER_MS_MAX)
