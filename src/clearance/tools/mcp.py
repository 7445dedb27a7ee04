"""Tools of MCP servers, over stdio and streamable HTTP.

One idea: a session lives in one task of its own, which enters and leaves it; callers only put requests into it and may
go away at any time. Whatever goes wrong is told with what is known about the request having been sent: `NOT_SENT` only
if no transport took it or no connection was made, `ANSWERED` only if the server itself said no, else `MAYBE`.

Refuses to know: intents, what may be retried, and what a result means. Everything that a server says is untrusted text.
"""

from __future__ import annotations

import asyncio
import base64
import json
import math
import os
import re
import signal
import ssl
import sys
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from contextvars import ContextVar, copy_context
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime
from functools import cache
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar

import anyio
import httpx2
import structlog
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp import Client, MCPError, types
from mcp.client import Transport
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.message import SessionMessage
from mcp.types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import TypeAdapter, ValidationError

from clearance.core.catalog import DEADLINE_SECONDS_MAX, ToolServer
from clearance.core.errors import InvalidInput
from clearance.core.intent import INTEGER_MAX, Json, digest
from clearance.core.outcome import CallError, ErrorClass, Sent
from clearance.flow.ports import ToolAnswer, ToolCall, ToolCallFailed, ToolDescription

if TYPE_CHECKING:  # private to the SDK, and without a public name
    from mcp.shared._stream_protocols import ReadStream, WriteStream

    Streams = tuple[ReadStream[SessionMessage | Exception], WriteStream[SessionMessage]]

IDEMPOTENCY_META_KEY = "clearance/idempotency_key"

CONNECT_SECONDS_MAX = 30  # starting a server and shaking hands with it
LISTING_SECONDS_MAX = 10  # reading all pages of its tools
LISTING_AGE_SECONDS_MAX = 30  # after which the tools are read again before a call, whatever the server promised
LISTING_PAGES_MAX = 100
TOOLS_MAX = 1_000  # of one server
SCHEMA_BYTES_MAX = 256 * 1024  # of one tool
DESCRIPTION_LENGTH_MAX = 2_000  # characters of a tool's description
EXIT_SECONDS = 2  # for a server to end after its input was closed, and again after SIGTERM
CLOSE_SECONDS_MAX = 10  # for a session to end in good order

READ_BYTES = 64 * 1024  # at a time, of what is only passed on or thrown away
WIRE_BYTES_MAX = 8 * 1024 * 1024  # one message of a server
RESULT_BYTES_MAX = 1024 * 1024  # of an answer that is kept whole
BEGINNING_LENGTH_MAX = 100_000  # characters of an answer that is not
RESULT_DEPTH_MAX = 32  # levels of nesting
INTEGER_BITS_MAX = 4096  # of an integer that is kept as its decimal digits
SENTENCE_LENGTH_MAX = 300  # characters of an error
TEXT_LENGTH_MAX = 100_000  # characters of a server's text that are looked at to make a sentence
RETRY_AFTER_MS_MAX = 24 * 3600 * 1000
STDERR_LINES_MAX = 200  # lines of one server process that are logged
STDERR_LINES_TOLD = 3  # last lines that are logged with a failed start
PATH_SECRET_LENGTH_MIN = 16  # a longer part of an address is taken for a key
SECRET_LENGTH_MIN = 4  # shorter values are not looked for in texts: they would be found everywhere

INHERITED = ("HOME", "LANG", "LC_ALL", "LC_CTYPE", "LOGNAME", "SSL_CERT_DIR", "SSL_CERT_FILE", "TMPDIR", "TZ", "USER")
"""What a server process gets of our environment, besides PATH and what its definition declares."""

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)", re.DOTALL
)
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_INVALID = frozenset({types.INVALID_REQUEST, types.METHOD_NOT_FOUND, types.INVALID_PARAMS})
_RESULT: TypeAdapter[types.CallToolResult | types.InputRequiredResult] = TypeAdapter(
    types.CallToolResult | types.InputRequiredResult
)

_log = structlog.get_logger(__name__)
_T = TypeVar("_T")


class McpTools:
    """The tool runner for MCP servers: a session for each server of a tenant, kept until its definition changes."""

    def __init__(self) -> None:
        self._servers: dict[tuple[str, str], _TenantServer] = {}
        self._connections: set[_Connection] = set()
        self._closed = False

    async def describe(self, tenant_id: str, server: ToolServer) -> Mapping[str, ToolDescription]:
        """The tools of a server by name, read now; a tool whose schema has no digest is left out."""
        try:
            async with asyncio.timeout(CONNECT_SECONDS_MAX + LISTING_SECONDS_MAX):
                offers = await self._server(tenant_id, server).describe()
        except TimeoutError:
            sentence = f"The tool server {server.name} did not list its tools in time."
            raise _failed(ErrorClass.TIMEOUT, sentence, Sent.NOT_SENT) from None
        for name, offer in offers.items():
            if offer.problem:
                _log.warning("tool_unusable", server=server.name, tool=one_line(name), problem=offer.problem)
        return {name: offer.description for name, offer in offers.items() if not offer.problem}

    async def call(self, tenant_id: str, call: ToolCall) -> ToolAnswer:
        """Calls once. The deadline covers all of it: waiting for a place, connecting, reading the schema, the call."""
        return await self._server(tenant_id, call.server).call(call)

    async def close(self) -> None:
        """Ends every session and every server process; a call on its way fails with `MAYBE`."""
        self._closed = True
        owners = [connection.leave() for connection in list(self._connections)]
        if owners:
            _, late = await asyncio.wait(owners, timeout=CLOSE_SECONDS_MAX)
            for owner in late:
                owner.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    def _server(self, tenant_id: str, definition: ToolServer) -> _TenantServer:
        if self._closed:
            raise _failed(ErrorClass.DOWNSTREAM, "The tool runner is closed.", Sent.NOT_SENT)
        key = (tenant_id, definition.name)
        server = self._servers.get(key)
        if server is None or server.definition != definition:
            if server is not None:
                server.retire()
            server = self._servers[key] = _TenantServer(definition, self._connections)
        return server


class _TenantServer:
    """One server of one tenant: how many calls it takes at a time, and its connection of the moment."""

    def __init__(self, definition: ToolServer, connections: set[_Connection]) -> None:
        self.definition = definition
        self._places = asyncio.Semaphore(definition.concurrency_max)
        self._connections = connections
        self._connection: _Connection | None = None
        self._retired = False

    async def call(self, call: ToolCall) -> ToolAnswer:
        now = asyncio.get_running_loop().time
        until = now() + call.deadline_ms / 1000
        try:
            async with asyncio.timeout_at(until) as limit, self._places:
                connection, offers = await self.offers()
                _check(call, offers.get(call.tool))
                limit.reschedule(None)  # from here on a timeout is no longer a plain one: the request may be sent
                return await connection.call(call, until - now())
        except TimeoutError:
            sentence = f"The tool server {self.definition.name} was not ready for the call within its deadline."
            raise _failed(ErrorClass.TIMEOUT, sentence, Sent.NOT_SENT) from None
        finally:
            self._tidy()

    async def describe(self) -> Mapping[str, _Offer]:
        try:
            _, offers = await self.offers(fresh=True)
        finally:
            self._tidy()
        return offers

    async def offers(self, *, fresh: bool = False) -> tuple[_Connection, Mapping[str, _Offer]]:
        """A connection and its tools. One that worked before and now does not is replaced once: nothing was sent."""
        known = self._connection
        connection = self._current()
        try:
            await connection.opened()
            return connection, await connection.offers(fresh=fresh)
        except ToolCallFailed:
            connection.retire()
            if connection is not known:
                raise
        connection = self._current()
        await connection.opened()
        return connection, await connection.offers(fresh=fresh)

    def retire(self) -> None:
        """Ends with the last call."""
        self._retired = True
        if self._connection is not None:
            self._connection.retire()

    def _tidy(self) -> None:
        if self._retired:  # meanwhile: this may have been the last use, on a connection made for it
            self.retire()

    def _current(self) -> _Connection:
        if self._connection is None or self._connection.retired:
            connection = self._connection = _Connection(self.definition)
            self._connections.add(connection)
            connection.owner.add_done_callback(lambda owner: owner.cancelled() or owner.exception())
            connection.owner.add_done_callback(lambda _: self._connections.discard(connection))
        return self._connection


@dataclass(frozen=True, slots=True)
class _Offer:
    """A tool as a server offers it; `problem` says why it cannot be called."""

    description: ToolDescription
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class _Listing:
    """The tools of a server as they were read: at which change, and when (monotonic seconds)."""

    offers: Mapping[str, _Offer]
    change: int
    read_at: float


@dataclass(slots=True)
class _Exchange:
    """One request, and what is known of its way. Over stdio only `taken` is ever set."""

    taken: bool = False  # a transport took the request: from here on it may be on the wire
    unreached: bool = False  # no HTTP connection was made
    answered: bool = False  # some HTTP answer came, if only a redirect
    status: int | None = None  # of the HTTP answer, once it is read
    readable: bool = False  # the HTTP answer can hold a JSON-RPC message
    retry_after_ms: int | None = None


_exchange: ContextVar[_Exchange | None] = ContextVar("exchange", default=None)
"""The request that the running task sends; the SDK's transports carry it along to where the bytes are written."""


class _Connection:
    """One session with one server. `owner` is the task that enters it, waits until nobody needs it, and leaves it."""

    def __init__(self, server: ToolServer) -> None:
        self.retired = False
        self._server = server
        self._secrets = _Secrets()
        self._over = False
        self._busy = 0
        self._change = 0
        self._listing: _Listing | None = None
        self._reading = asyncio.Lock()
        self._leaving = asyncio.Event()
        self._ready: asyncio.Future[Client | CallError] = asyncio.get_running_loop().create_future()
        self.owner = asyncio.create_task(self._own(), name=f"tool server {server.name}")

    async def opened(self) -> Client:
        """Waits for the session; ToolCallFailed if there is none. Who stops waiting does not stop its opening."""
        await asyncio.wait({self._ready})
        ready = self._ready.result()
        if isinstance(ready, CallError):
            raise ToolCallFailed(ready)
        return ready

    def retire(self) -> None:
        """Takes no new calls; ends with the last one that is on its way."""
        self.retired = True
        if not self._busy:
            self.leave()

    def leave(self) -> asyncio.Task[None]:
        """Ends the session now."""
        self.retired = self._over = True
        self._leaving.set()
        if not self._ready.done():
            self.owner.cancel()
        return self.owner

    async def offers(self, *, fresh: bool) -> Mapping[str, _Offer]:
        """The tools, read again if the server said that they changed, or if the last reading is too old."""
        async with self._reading:
            known, change = self._listing, self._change
            if (
                fresh
                or not known
                or known.change != change
                or time.monotonic() - known.read_at > LISTING_AGE_SECONDS_MAX
            ):
                known = self._listing = _Listing(await self._read_offers(), change, time.monotonic())
            return known.offers

    async def call(self, call: ToolCall, seconds: float) -> ToolAnswer:
        meta: Any = {IDEMPOTENCY_META_KEY: call.idempotency_key}
        params = types.CallToolRequestParams(name=call.tool, arguments=dict(call.arguments), _meta=meta)
        session = (await self.opened()).session
        exchange = _Exchange()
        try:
            # Not `call_tool`: that would fail, after the effect, a result that does not fit its output schema.
            request = session.send_request(types.CallToolRequest(params=params), _RESULT)
            result = await self._ask(request, exchange, seconds)
        except TimeoutError:
            self._change += 1  # the next call reads the tools first, and so finds out whether the server is alive
            sentence = f"The tool {call.server.name}.{call.tool} did not answer within its deadline."
            raise _failed(ErrorClass.TIMEOUT, sentence, _sent(exchange)) from None
        except MCPError as error:
            if exchange.unreached or exchange.status in _MAY_MEAN_NO_SESSION:
                self.retire()
            raise ToolCallFailed(self._refusal(error, exchange)) from None
        except Exception as error:
            _log.debug("tool_answer_unreadable", server=call.server.name, tool=call.tool, error=type(error).__name__)
            sentence = f"The tool {call.server.name}.{call.tool} gave an answer that cannot be read."
            raise _failed(ErrorClass.UNKNOWN, sentence, _sent(exchange)) from None
        return self._answer(call, result)

    async def _own(self) -> None:
        exchange = _Exchange()
        _exchange.set(exchange)
        try:
            error = await self._live("auto")
            if not self._ready.done() and self._server.url is None and _is_closed(error):
                # Some servers end when the first thing that they hear is not `initialize`.
                error = await self._live("legacy")
            self._ended(error, exchange)
        finally:
            self.retired = self._over = True
            if not self._ready.done():
                self._ready.set_result(self._unavailable("was not needed any more before it was ready"))

    async def _live(self, mode: Literal["auto", "legacy"]) -> Exception | None:
        """Enters the session, waits until it is not needed any more, and leaves it; gives back what broke it."""
        try:
            async with AsyncExitStack() as stack:
                async with asyncio.timeout(CONNECT_SECONDS_MAX):
                    client = Client(
                        self._transport(),
                        mode=mode,
                        cache=None,
                        message_handler=self._heard,
                        client_info=_client_info(),
                    )
                    await stack.enter_async_context(client)
                tasks = await stack.enter_async_context(anyio.create_task_group())
                tasks.start_soon(self._listen, client)
                self._ready.set_result(client)
                await self._leaving.wait()
                tasks.cancel_scope.cancel()
        except Exception as error:
            return _innermost(error)
        return None

    def _transport(self) -> Transport:
        if self._server.url is not None:
            return _http(self._server, self._secrets)
        return _stdio(self._server, self._secrets, self._lost)

    def _lost(self) -> None:
        """Hears that the server stopped talking. While the session is being opened, the handshake finds out itself."""
        if self._ready.done():
            self.leave()

    def _ended(self, error: Exception | None, exchange: _Exchange) -> None:
        """Tells why the session could not be opened, or notes why it broke."""
        if self._ready.done():
            _log.debug("tool_server_left", server=self._server.name, error=type(error).__name__ if error else None)
            return
        match error:
            case ToolCallFailed():
                reason = error.error
            case TimeoutError():
                reason = self._unavailable(f"was not ready within {CONNECT_SECONDS_MAX} seconds")
            case OSError():
                reason = self._unavailable(f"could not be started: {error.strerror or type(error).__name__}")
            case MCPError() if self._server.url is not None and exchange.status is None:
                reason = self._unavailable("could not be reached")
            case MCPError() if exchange.status is not None:
                reason = replace(self._refusal(error, exchange), sent=Sent.NOT_SENT)
            case MCPError() if _is_closed(error):
                reason = self._unavailable("ended before it was ready")
            case MCPError():
                reason = self._unavailable(f"refused the handshake: {error.message}")
            case _:
                reason = self._unavailable(f"could not be connected to ({type(error).__name__})")
        _log.warning("tool_server_unavailable", server=self._server.name, reason=reason.sentence)
        self._ready.set_result(reason)

    async def _listen(self, client: Client) -> None:
        """Keeps a subscription to changes of the tools open, where there is one. Without it, their age decides."""
        tools = client.server_capabilities.tools
        if client.protocol_version not in MODERN_PROTOCOL_VERSIONS or not (tools and tools.list_changed):
            return
        try:
            async with client.listen(tools_list_changed=True) as events:
                self._change += 1  # what changed before the subscription stood was not told
                async for _ in events:
                    pass  # `_heard` hears them too
        except Exception as error:
            _log.debug("tool_changes_not_told", server=self._server.name, error=type(error).__name__)
        self._change += 1

    async def _heard(self, message: object) -> None:
        if isinstance(message, types.ToolListChangedNotification):
            self._change += 1

    async def _read_offers(self) -> Mapping[str, _Offer]:
        exchange = _Exchange()
        client = await self.opened()
        try:
            tools = await self._ask(_all_tools(client), exchange, LISTING_SECONDS_MAX)
        except TimeoutError:
            failure = self._unavailable(f"did not list its tools within {LISTING_SECONDS_MAX} seconds")
        except MCPError as error:
            failure = replace(self._refusal(error, exchange), sent=Sent.NOT_SENT)
        except Exception as error:
            failure = self._unavailable(f"gave a list of tools that cannot be read ({type(error).__name__})")
        else:
            offers: dict[str, _Offer] = {}
            for tool in tools:
                twice = tool.name in offers
                offers[tool.name] = replace(_offer(tool), problem="is listed twice") if twice else _offer(tool)
            return offers
        raise ToolCallFailed(failure)

    async def _ask(self, request: Coroutine[Any, Any, _T], exchange: _Exchange, seconds: float) -> _T:
        """Sends one request, in a task of its own: so who waits may leave at once, and the session tells the server."""
        context = copy_context()
        context.run(_exchange.set, exchange)
        task = asyncio.create_task(request, context=context)
        task.add_done_callback(lambda ended: ended.cancelled() or ended.exception())  # nobody else may come to look
        self._busy += 1
        try:
            await asyncio.wait({task}, timeout=max(seconds, 0))
            if not task.done():
                raise TimeoutError
            if task.cancelled():
                raise MCPError(types.CONNECTION_CLOSED, _CLOSED)
            return task.result()
        finally:
            task.cancel()
            self._busy -= 1
            if self.retired and not self._busy:
                self.leave()

    def _refusal(self, error: MCPError, exchange: _Exchange) -> CallError:
        """What an error in place of an answer means: `MAYBE`, unless nothing was sent or the server itself said no."""
        name = self._server.name
        if not exchange.taken or exchange.unreached:
            return self._unavailable("could not be reached")
        if exchange.status is not None and not exchange.readable:
            return self._http_refusal(error, exchange.status, exchange.retry_after_ms)
        # The SDK makes errors of its own from a lost connection, and over HTTP from an unreadable answer.
        http = self._server.url is not None
        lost = exchange.status is None or error.code in _MADE_BY_CLIENT if http else self._over
        if lost or _is_closed(error):
            sentence = f"The connection to the tool server {name} was lost before an answer came."
            return CallError(ErrorClass.DOWNSTREAM, sentence, Sent.MAYBE)
        error_class = ErrorClass.VALIDATION if error.code in _INVALID else ErrorClass.UNKNOWN
        sentence = self._secrets.sentence(f"The tool server {name} refused: {error.message}")
        return CallError(error_class, sentence, Sent.ANSWERED)

    def _http_refusal(self, error: MCPError, status: int, retry_after_ms: int | None) -> CallError:
        name = self._server.name
        sentence = self._secrets.sentence(f"The tool server {name} answered with HTTP status {status}: {error.message}")
        if status in (401, 403):
            return CallError(ErrorClass.AUTH, sentence, Sent.ANSWERED)
        if status == 429:  # noqa: PLR2004 - HTTP's own number
            return CallError(ErrorClass.RATE_LIMIT, sentence, Sent.ANSWERED, retry_after_ms=retry_after_ms)
        if status == 404 and self._has_http_session():  # noqa: PLR2004
            sentence = f"The tool server {name} has forgotten our session."
            return CallError(ErrorClass.DOWNSTREAM, sentence, Sent.ANSWERED, code="TOOL_SESSION_LOST")
        if 400 <= status < 500 and status != 408:  # noqa: PLR2004 - 408: a gateway gave up waiting
            return CallError(ErrorClass.VALIDATION, sentence, Sent.ANSWERED)
        return CallError(ErrorClass.DOWNSTREAM, sentence, Sent.MAYBE, retry_after_ms=retry_after_ms)

    def _has_http_session(self) -> bool:
        ready = self._ready.result() if self._ready.done() else None
        return isinstance(ready, Client) and ready.protocol_version not in MODERN_PROTOCOL_VERSIONS

    def _unavailable(self, why: str) -> CallError:
        sentence = self._secrets.sentence(f"The tool server {self._server.name} {why}.")
        return CallError(ErrorClass.DOWNSTREAM, sentence, Sent.NOT_SENT)

    def _answer(self, call: ToolCall, result: types.CallToolResult | types.InputRequiredResult) -> ToolAnswer:
        tool = f"{call.server.name}.{call.tool}"
        if isinstance(result, types.InputRequiredResult):
            sentence = f"The tool {tool} asks for more input than an action can give."
            raise _failed(ErrorClass.VALIDATION, sentence, Sent.ANSWERED, code="TOOL_NEEDS_INPUT")
        if result.result_type != "complete":
            sentence = f"The tool {tool} answered that it is not finished, in a way that is not supported."
            raise _failed(ErrorClass.UNKNOWN, sentence, Sent.MAYBE)
        text = "\n".join(block.text for block in result.content if isinstance(block, types.TextContent))
        if result.is_error:
            error_class, retry_after_ms = _declared(result)
            sentence = self._secrets.sentence(f"The tool {tool} failed: {text or 'it gave no reason'}")
            raise _failed(error_class, sentence, Sent.ANSWERED, retry_after_ms=retry_after_ms)
        return ToolAnswer(storable(result.structured_content if result.structured_content is not None else text))


_CLOSED = "Connection closed"
_MADE_BY_CLIENT = frozenset({types.CONNECTION_CLOSED, types.PARSE_ERROR})
_MAY_MEAN_NO_SESSION = frozenset({400, 404})


def _is_closed(error: Exception | None) -> bool:
    """True for the error that the SDK itself makes for a request when its connection is closed."""
    return isinstance(error, MCPError) and (error.code, error.message) == (types.CONNECTION_CLOSED, _CLOSED)


def _innermost(error: Exception) -> Exception:
    while isinstance(error, ExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


def _check(call: ToolCall, offer: _Offer | None) -> None:
    """Raises ToolCallFailed if the tool is not what was decided on."""
    tool = f"{call.server.name}.{call.tool}"
    if offer is None:
        raise _failed(ErrorClass.VALIDATION, f"The tool {tool} is not offered.", Sent.NOT_SENT, code="TOOL_NOT_OFFERED")
    if offer.problem is not None:
        sentence = f"The tool {tool} cannot be called: {offer.problem}."
        raise _failed(ErrorClass.VALIDATION, sentence, Sent.NOT_SENT, code="TOOL_UNUSABLE")
    if call.schema_digest is not None and offer.description.schema_digest != call.schema_digest:
        sentence = f"The input schema of the tool {tool} is not the one that was agreed on."
        raise _failed(ErrorClass.VALIDATION, sentence, Sent.NOT_SENT, code="TOOL_SCHEMA_CHANGED")


def _offer(tool: types.Tool) -> _Offer:
    problem, schema_digest = None, ""
    try:
        if len(json.dumps(tool.input_schema)) > SCHEMA_BYTES_MAX:
            problem = f"its input schema has more than {SCHEMA_BYTES_MAX} bytes"
        else:
            schema_digest = digest(tool.input_schema)
    except InvalidInput as error:
        problem = one_line(f"its input schema cannot be pinned: {error}")
    description = one_line(tool.description or "", DESCRIPTION_LENGTH_MAX)
    return _Offer(ToolDescription(tool.name, description, tool.input_schema, schema_digest), problem)


async def _all_tools(client: Client) -> list[types.Tool]:
    tools: list[types.Tool] = []
    cursor: str | None = None
    for _ in range(LISTING_PAGES_MAX):
        page = await client.session.list_tools(params=types.PaginatedRequestParams(cursor=cursor) if cursor else None)
        tools += page.tools
        cursor = page.next_cursor
        if not cursor:
            return tools
        if len(tools) > TOOLS_MAX:
            break
    message = f"more than {TOOLS_MAX} tools or {LISTING_PAGES_MAX} pages"
    raise OverflowError(message)


def _client_info() -> types.Implementation:
    return types.Implementation(name="clearance", version=version("clearance"))


def _sent(exchange: _Exchange) -> Sent:
    return Sent.MAYBE if exchange.taken and not exchange.unreached else Sent.NOT_SENT


def _failed(
    error_class: ErrorClass, sentence: str, sent: Sent, *, code: str = "TOOL_ERROR", retry_after_ms: int | None = None
) -> ToolCallFailed:
    return ToolCallFailed(CallError(error_class, one_line(sentence), sent, code, retry_after_ms))


def _declared(result: types.CallToolResult) -> tuple[ErrorClass, int | None]:
    """The class of an error as the tool declares it, in its structured content or else its `_meta`."""
    for said in (result.structured_content, result.meta):
        if isinstance(said, Mapping) and isinstance(named := said.get("error_class"), str):
            wait = said.get("retry_after_ms")
            known = isinstance(wait, int) and not isinstance(wait, bool) and 0 <= wait <= RETRY_AFTER_MS_MAX
            with suppress(ValueError):
                return ErrorClass(named.upper()), wait if known else None
    return ErrorClass.UNKNOWN, None


class _Secrets:
    """Resolves `${NAME}`, and remembers every value that must not be seen in a sentence or a log."""

    def __init__(self) -> None:
        self._values: list[str] = []

    def resolve(self, server: str, texts: Mapping[str, str]) -> dict[str, str]:
        """The texts with their variables filled in; ToolCallFailed names a variable that is not set."""

        def value(match: re.Match[str]) -> str:
            name = match[1]
            if name not in os.environ:
                sentence = f"The tool server {server} needs the environment variable {name}, which is not set."
                raise _failed(ErrorClass.VALIDATION, sentence, Sent.NOT_SENT, code="TOOL_SERVER_VARIABLE_MISSING")
            self.keep(os.environ[name])
            return os.environ[name]

        resolved = {key: _VARIABLE.sub(value, text) for key, text in texts.items()}
        self.keep(*resolved.values())
        return resolved

    def keep(self, *values: str) -> None:
        self._values += [value for value in values if len(value) >= SECRET_LENGTH_MIN]
        self._values.sort(key=len, reverse=True)  # a value that holds another one goes first

    def sentence(self, text: str) -> str:
        """Untrusted text as one line without what must not be seen."""
        text = text[:TEXT_LENGTH_MAX]
        for value in self._values:
            text = text.replace(value, "***")
        return one_line(text)


class _Outbox:
    """The way out of a session: notes when a transport takes a request."""

    def __init__(self, inner: WriteStream[SessionMessage]) -> None:
        self._inner = inner

    async def send(self, item: SessionMessage, /) -> None:
        exchange = _exchange.get()
        if exchange is None or not isinstance(item.message, types.JSONRPCRequest):
            return await self._send_aside(item)
        exchange.taken = True  # before, not after: a send that is cancelled may still have been taken
        try:
            await self._inner.send(item)
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            exchange.taken = False
            raise

    async def _send_aside(self, item: SessionMessage) -> None:
        """Sends what is not the request itself, such as our answer to a ping, so that its fate is not taken for it."""
        token = _exchange.set(None)
        try:
            await self._inner.send(item)
        finally:
            _exchange.reset(token)

    async def aclose(self) -> None:
        await self._inner.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()


# stdio. Not the SDK's transport: that reads lines of any length, shows stderr on ours, and leaves grandchildren behind.


@asynccontextmanager
async def _stdio(server: ToolServer, secrets: _Secrets, lost: Callable[[], None]) -> AsyncIterator[Streams]:
    """A server process of ours; `lost` is called when it stops talking."""
    process = await _start(server, secrets.resolve(server.name, server.environment))
    stdin, stdout, stderr = process.stdin, process.stdout, process.stderr
    assert stdin and stdout and stderr  # noqa: S101, PT018 - pipes, as was asked for
    told = asyncio.create_task(_read_stderr(server.name, stderr, secrets))
    try:
        to_session, incoming = anyio.create_memory_object_stream[SessionMessage | Exception](0)
        outgoing, from_session = anyio.create_memory_object_stream[SessionMessage](0)
        async with anyio.create_task_group() as tasks, incoming, outgoing, to_session, from_session:
            tasks.start_soon(_read_messages, server.name, stdout, to_session, lost)
            tasks.start_soon(_write_messages, stdin, from_session, lost)
            try:
                yield incoming, _Outbox(outgoing)
            finally:
                with anyio.CancelScope(shield=True):
                    await _stop(process, stdin)
                    await asyncio.wait({told}, timeout=EXIT_SECONDS)
                tasks.cancel_scope.cancel()
    finally:
        if process.returncode is None:
            _kill(process)
        if process.returncode:
            last_lines = told.result() if told.done() and not told.cancelled() and not told.exception() else []
            _log.info("tool_server_ended", server=server.name, exit_code=process.returncode, last_lines=last_lines)
        told.cancel()


async def _start(server: ToolServer, environment: Mapping[str, str]) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *server.command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**_inherited(), **environment},
        limit=WIRE_BYTES_MAX,
        start_new_session=True,  # so that all its descendants can be ended with it
    )


def _inherited() -> dict[str, str]:
    """A minimal environment. The directory of our own Python comes first on the path, so that `python` means ours."""
    environment = {name: os.environ[name] for name in INHERITED if name in os.environ}
    environment["PATH"] = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)))
    return environment


async def _read_messages(
    server: str,
    stdout: asyncio.StreamReader,
    to_session: MemoryObjectSendStream[SessionMessage | Exception],
    lost: Callable[[], None],
) -> None:
    with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError, OSError):
        async with to_session:
            try:
                while line := await stdout.readline():
                    message = _message(line)
                    if message is not None:
                        await to_session.send(SessionMessage(message))
            except ValueError:  # a line beyond the limit, or one that claims to be a message and is not
                _log.warning("tool_server_unreadable", server=server)
            finally:
                lost()
    with suppress(OSError):
        while await stdout.read(READ_BYTES):
            pass  # the session is gone, but a server that cannot write does not end


def _message(line: bytes) -> types.JSONRPCMessage | None:
    """The message in a line, None if it is something else that was printed; ValueError for a broken message.

    A broken message cannot be ignored: whoever waits for it would wait until the deadline.
    """
    try:
        return types.jsonrpc_message_adapter.validate_json(_readable(line), by_name=False)
    except ValidationError:
        if line.lstrip().startswith(b"{") and b'"jsonrpc"' in line:
            raise
        return None


async def _write_messages(
    stdin: asyncio.StreamWriter, from_session: MemoryObjectReceiveStream[SessionMessage], lost: Callable[[], None]
) -> None:
    async with from_session:
        try:
            async for message in from_session:
                text = message.message.model_dump_json(by_alias=True, exclude_unset=True)
                stdin.write(text.encode() + b"\n")
                await stdin.drain()
        except OSError:
            lost()


async def _read_stderr(server: str, stderr: asyncio.StreamReader, secrets: _Secrets) -> list[str]:
    """Reads to the end, since a full pipe would stop the server; logs the first lines and gives back the last."""
    last: deque[str] = deque(maxlen=STDERR_LINES_TOLD)
    lines = 0
    while chunk := await stderr.read(READ_BYTES):
        for line in chunk.decode(errors="replace").splitlines():
            lines += 1
            last.append(line)
            if lines <= STDERR_LINES_MAX:
                _log.debug("tool_server_stderr", server=server, line=secrets.sentence(line))
    return [secrets.sentence(line) for line in last]


async def _stop(process: asyncio.subprocess.Process, stdin: asyncio.StreamWriter) -> None:
    """Closes the server's input and lets it end, then SIGTERM, then SIGKILL for what is left of it and its children."""
    stdin.close()
    if not await _ended_within(process, EXIT_SECONDS):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        await _ended_within(process, EXIT_SECONDS)
    _kill(process)
    await _ended_within(process, EXIT_SECONDS)


def _kill(process: asyncio.subprocess.Process) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


async def _ended_within(process: asyncio.subprocess.Process, seconds: float) -> bool:
    # Not `process.wait()`: that also waits for the pipes, which a grandchild may hold open.
    until = time.monotonic() + seconds
    while process.returncode is None and time.monotonic() < until:  # noqa: ASYNC110 - asyncio offers nothing to wait for
        await asyncio.sleep(0.01)
    return process.returncode is not None


# Streamable HTTP. The SDK's transport, on a wire of ours.


@asynccontextmanager
async def _http(server: ToolServer, secrets: _Secrets) -> AsyncIterator[Streams]:
    headers = httpx2.Headers(secrets.resolve(server.name, server.headers))
    try:
        url = httpx2.URL(server.url or "")
    except httpx2.InvalidURL:
        sentence = f"The tool server {server.name} has an address that cannot be read."
        raise _failed(ErrorClass.DOWNSTREAM, sentence, Sent.NOT_SENT) from None
    secrets.keep(url.username, url.password, url.query.decode(errors="replace"), *url.params.values())
    secrets.keep(*(part for part in url.path.split("/") if len(part) >= PATH_SECRET_LENGTH_MIN))
    if url.userinfo:
        pair = base64.b64encode(f"{url.username}:{url.password}".encode()).decode()
        secrets.keep(pair)
        headers.setdefault("authorization", f"Basic {pair}")
    wire = _HttpWire(url, headers)
    timeout = httpx2.Timeout(CONNECT_SECONDS_MAX, read=DEADLINE_SECONDS_MAX)
    async with (
        httpx2.AsyncClient(transport=wire, timeout=timeout) as client,
        streamable_http_client(str(wire.address), http_client=client, max_sse_event_size=WIRE_BYTES_MAX) as streams,
    ):
        incoming, outgoing = streams
        yield incoming, _Outbox(outgoing)


@cache
def _tls() -> ssl.SSLContext:
    return httpx2.create_ssl_context()  # takes a fifth of a second


class _HttpWire(httpx2.AsyncBaseTransport):
    """The HTTP connections of one session.

    Adds what may be secret at the last moment, so that nothing above can log it; bounds what comes back; notes how each
    request fared. A failure of the network becomes a 502 of our own: an exception would end the session for all calls.
    """

    def __init__(self, url: httpx2.URL, headers: httpx2.Headers) -> None:
        self.address = url.copy_with(userinfo=b"", path="/mcp", query=None, fragment=None)
        self._url = url.copy_with(userinfo=b"", fragment=None)
        self._headers = headers
        self._inner = httpx2.AsyncHTTPTransport(verify=_tls())

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        exchange = (_exchange.get() if request.method == "POST" else None) or _Exchange()
        exchange.status = None
        try:
            response = await self._inner.handle_async_request(self._dressed(request))
            kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
            if kind == "text/event-stream":
                answer = _remade(response, stream=_CleanLines(response))
            else:
                answer = _remade(response, content=_readable(await _read(response)))
        except httpx2.RequestError as error:
            exchange.unreached = isinstance(error, _UNREACHED) and not exchange.answered
            return httpx2.Response(502)
        exchange.answered = True
        exchange.status = response.status_code
        exchange.readable = response.status_code in _WITH_MESSAGE and kind in ("application/json", "text/event-stream")
        exchange.retry_after_ms = _retry_after_ms(response.headers)
        return answer

    async def aclose(self) -> None:
        await self._inner.aclose()

    def _dressed(self, request: httpx2.Request) -> httpx2.Request:
        headers = httpx2.Headers(request.headers)
        headers["accept-encoding"] = "identity"  # so that the limit on what is read is one on what was sent
        headers.update(self._headers)
        url = self._url if request.url == self.address else request.url
        return httpx2.Request(
            request.method, url, headers=headers, stream=request.stream, extensions=request.extensions
        )


_WITH_MESSAGE = frozenset({200, 201})
_UNREACHED = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout, httpx2.UnsupportedProtocol)


class _CleanLines(httpx2.AsyncByteStream):
    """An event stream, line by line, without what the SDK could not read, and with a limit on a line."""

    def __init__(self, response: httpx2.Response) -> None:
        self._response = response

    async def __aiter__(self) -> AsyncIterator[bytes]:
        rest = bytearray()
        async for chunk in self._response.aiter_bytes():
            rest += chunk
            end = max(chunk.rfind(b"\n"), chunk.rfind(b"\r")) + 1
            if end:
                end += len(rest) - len(chunk)
                yield _readable(bytes(rest[:end]))
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
    """The `Retry-After` of an answer: seconds, or a date, which is measured by the server's own clock."""
    said = headers.get("retry-after", "").strip()
    try:
        if said.isascii() and said.isdigit():
            seconds = float(said[:10])
        else:
            seconds = (parsedate_to_datetime(said) - parsedate_to_datetime(headers["date"])).total_seconds()
    except (KeyError, TypeError, ValueError):
        return None
    return min(max(int(seconds * 1000), 0), RETRY_AFTER_MS_MAX)


# What a server says, made fit to be kept and shown.


def one_line(text: str, length_max: int = SENTENCE_LENGTH_MAX) -> str:
    """Untrusted text as one line of printable characters, cut to a length."""
    text = text[:TEXT_LENGTH_MAX]
    line = " ".join("".join(character if character.isprintable() else " " for character in text).split())
    return line if len(line) <= length_max else line[: length_max - 1] + "…"


def storable(value: Json) -> Json:
    """A result as JSON that every store takes, or, if it is too big to keep, its beginning and its size."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    size = len(text.encode(errors="surrogatepass"))
    if size > RESULT_BYTES_MAX:
        return {"truncated": True, "result_bytes": size, "beginning": _text(text[:BEGINNING_LENGTH_MAX])}
    return _storable(value, 1)


def _storable(value: Json, depth: int) -> Json:  # noqa: PLR0911 - one per kind of value
    match value:
        case None | bool():
            return value
        case str():
            return _text(value)
        case int():
            # Python refuses to write very long integers in decimal digits.
            return (
                value
                if abs(value) <= INTEGER_MAX
                else str(value)
                if value.bit_length() <= INTEGER_BITS_MAX
                else hex(value)
            )
        case float():
            return value if math.isfinite(value) else str(value)
        case Mapping() | list() | tuple() if depth > RESULT_DEPTH_MAX:
            return f"(nested more than {RESULT_DEPTH_MAX} levels deep)"
        case Mapping():
            return {_text(str(key)): _storable(child, depth + 1) for key, child in value.items()}
        case list() | tuple():
            return [_storable(child, depth + 1) for child in value]
        case _:
            return _text(str(value))


def _text(text: str) -> str:
    """Text without lone surrogates, which are no Unicode, and without NUL, which PostgreSQL does not store."""
    return _UNSTORABLE.sub("\ufffd", text)


def _readable(raw: bytes) -> bytes:
    """JSON text with U+FFFD for what our parser refuses: bytes that are not UTF-8, and escaped lone surrogates."""
    if not raw.isascii():
        raw = raw.decode(errors="replace").encode()
    if b"\\ud" not in raw and b"\\uD" not in raw:
        return raw
    return _ESCAPE.sub(lambda match: rb"\ufffd" if match[1] else match[0], raw)
