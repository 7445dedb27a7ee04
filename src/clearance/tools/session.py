"""One long-lived session with one tool server.

One idea: a session lives in one task of its own, which enters and leaves it; callers only put
requests into it and may go away at any time.

Refuses to know: when a session is needed, and what an answer means.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager
from contextvars import copy_context
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import Any, Literal, TypeVar

import anyio
import structlog
from mcp import Client, MCPError, types
from mcp.client import Transport
from mcp.types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import TypeAdapter

from clearance.core.catalog import ToolServer
from clearance.core.manners import AS_IT_SAYS, Manners
from clearance.core.outcome import CallError, ErrorClass, Sent
from clearance.flow.ports.tools import ToolAnswer, ToolCall, ToolCallFailed
from clearance.tools import exchange as exchanges
from clearance.tools.answers import Answers, closed, is_closed
from clearance.tools.content import text_of
from clearance.tools.exchange import Exchange
from clearance.tools.http import http
from clearance.tools.offers import Offers
from clearance.tools.stdio import Ending, stdio
from clearance.tools.untrusted import failed, takes_long
from clearance.tools.variables import Secrets

IDEMPOTENCY_META_KEY = "clearance/idempotency_key"

CONNECT_SECONDS_MAX = 30  # starting a server and shaking hands with it
LISTING_SECONDS_MAX = 10  # reading all pages of its tools
LISTING_AGE_SECONDS_MAX = (
    30  # after which the tools are read again before a call, whatever the server promised
)

_MAY_MEAN_NO_SESSION = frozenset({400, 404})
_RESULT: TypeAdapter[types.CallToolResult | types.InputRequiredResult] = TypeAdapter(
    types.CallToolResult | types.InputRequiredResult
)

_log = structlog.get_logger(__name__)
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class _Listing:
    """The tools of a server as they were read: at which change, and when (monotonic seconds)."""

    offers: Offers
    change: int
    read_at: float


class Session:
    """One session with one server, for those who have it `in_use`.

    `owner` is the task that enters it, waits until it is no longer needed, and leaves it.
    """

    def __init__(self, server: ToolServer, variables: Mapping[str, str]) -> None:
        self.retired = False
        self._server = server
        self._secrets = Secrets(server, variables)
        self._answers = Answers(server, self._secrets)
        self._ending = Ending()
        self._over = False
        self._busy = 0
        self._change = 0
        self._listing: _Listing | None = None
        self._reading = asyncio.Lock()
        self._leaving = asyncio.Event()
        self._ready: asyncio.Future[Client | CallError] = asyncio.get_running_loop().create_future()
        self.owner = asyncio.create_task(self._own(), name=f"tool server {server.name}")

    async def opened(self) -> Client:
        """Waits for the session; ToolCallFailed if there is none.

        Who stops waiting does not stop its opening.
        """
        await asyncio.wait({self._ready})
        ready = self._ready.result()
        if isinstance(ready, CallError):
            raise ToolCallFailed(ready)
        return ready

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Keeps a session that is retired meanwhile until the block ends."""
        self._busy += 1
        try:
            yield
        finally:
            self._busy -= 1
            if self.retired and not self._busy:
                self.leave()

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

    async def offers(self, *, fresh: bool) -> Offers:
        """The tools, read again if the server said that they changed, or if the last reading is too
        old.
        """
        async with self._reading:
            known, change = self._listing, self._change
            if (
                fresh
                or not known
                or known.change != change
                or time.monotonic() - known.read_at > LISTING_AGE_SECONDS_MAX
            ):
                known = self._listing = _Listing(
                    await self._read_offers(), change, time.monotonic()
                )
            return known.offers

    async def call(self, call: ToolCall, seconds: float) -> ToolAnswer:
        """Calls a tool, which has so many seconds; ToolCallFailed says whether the request may have
        been sent.
        """
        meta: Any = {IDEMPOTENCY_META_KEY: call.idempotency_key}
        params = types.CallToolRequestParams(
            name=call.tool, arguments=dict(call.arguments), _meta=meta
        )
        session = (await self.opened()).session
        exchange = Exchange()
        try:
            # Not `call_tool`: that would fail, after the effect, a result that does not fit its
            # output schema.
            request = session.send_request(types.CallToolRequest(params=params), _RESULT)
            result = await self._ask(request, exchange, seconds)
        except TimeoutError:
            # The next call reads the tools first, and so finds out whether the server is alive
            self._change += 1
            sentence = (
                f"The tool {call.server.name}.{call.tool} did not answer within its deadline."
            )
            raise failed(ErrorClass.TIMEOUT, sentence, exchange.sent) from None
        except MCPError as error:
            if exchange.unreached or exchange.status in _MAY_MEAN_NO_SESSION:
                self.retire()
            raise ToolCallFailed(self._refusal(error, exchange, call.manners)) from None
        except Exception as error:
            _log.debug(
                "tool_answer_unreadable",
                server=call.server.name,
                tool=call.tool,
                error=type(error).__name__,
            )
            sentence = (
                f"The tool {call.server.name}.{call.tool} gave an answer that cannot be read."
            )
            raise failed(ErrorClass.UNKNOWN, sentence, exchange.sent) from None
        if isinstance(result, types.CallToolResult) and takes_long(
            result.structured_content, text_of(result)
        ):
            return await asyncio.to_thread(self._answers.answer, call, result)
        return self._answers.answer(call, result)

    async def _own(self) -> None:
        exchange = Exchange()
        exchanges.current.set(exchange)
        try:
            error = await self._live("auto")
            if not self._ready.done() and self._server.url is None and is_closed(error):
                # Some servers end when the first thing that they hear is not `initialize`.
                error = await self._live("legacy")
            self._ended(error, exchange)
        finally:
            self.retired = self._over = True
            if not self._ready.done():
                self._ready.set_result(
                    self._answers.unavailable("was not needed any more before it was ready")
                )

    async def _live(self, mode: Literal["auto", "legacy"]) -> Exception | None:
        """Enters the session, waits until it is not needed any more, and leaves it; gives back what
        broke it.
        """
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
            return http(self._server, self._secrets)
        return stdio(self._server, self._secrets, self._lost, self._ending)

    def _lost(self) -> None:
        """Hears that the server stopped talking.

        While the session is being opened, the handshake finds out itself.
        """
        if self._ready.done():
            self.leave()

    def _ended(self, error: Exception | None, exchange: Exchange) -> None:
        """Tells why the session could not be opened, or notes why it broke."""
        if self._ready.done():
            _log.debug(
                "tool_server_left",
                server=self._server.name,
                error=type(error).__name__ if error else None,
            )
            return
        if isinstance(error, TimeoutError):
            why = f"was not ready within {CONNECT_SECONDS_MAX} seconds"
            reason = self._answers.not_ready(why, self._ending)
        else:
            reason = self._answers.not_opened(error, exchange, self._ending)
        _log.warning("tool_server_unavailable", server=self._server.name, reason=reason.sentence)
        self._ready.set_result(reason)

    async def _listen(self, client: Client) -> None:
        """Keeps a subscription to changes of the tools open, where there is one.

        Without it, their age decides.
        """
        tools = client.server_capabilities.tools
        if client.protocol_version not in MODERN_PROTOCOL_VERSIONS or not (
            tools and tools.list_changed
        ):
            return
        try:
            async with client.listen(tools_list_changed=True) as events:
                self._change += 1  # changes before the subscription stood were not announced
                async for _ in events:
                    pass  # `_heard` hears them too
        except Exception as error:
            _log.debug(
                "tool_changes_not_told", server=self._server.name, error=type(error).__name__
            )
        self._change += 1

    async def _heard(self, message: object) -> None:
        if isinstance(message, types.ToolListChangedNotification):
            self._change += 1

    async def _read_offers(self) -> Offers:
        exchange, offers = Exchange(), Offers(self._server.name, self._secrets.mask)
        client = await self.opened()
        try:
            await self._ask(offers.read(client), exchange, LISTING_SECONDS_MAX)
        except TimeoutError:
            if offers.by_name:
                offers.cut(f"it took more than {LISTING_SECONDS_MAX} seconds")
                return offers
            why = f"did not list its tools within {LISTING_SECONDS_MAX} seconds"
            failure = self._answers.not_ready(why, self._ending)
        except MCPError as error:
            failure = await self._not_listed(error, exchange)
        except Exception as error:
            failure = self._answers.unavailable(
                f"gave a list of tools that cannot be read ({type(error).__name__})"
            )
        else:
            return offers
        raise ToolCallFailed(failure)

    async def _not_listed(self, error: MCPError, exchange: Exchange) -> CallError:
        """Why the tools were not listed; nothing was called."""
        if self._over and self._listing is None and self._server.url is None:
            await asyncio.wait({self.owner})  # the last words of a process come with its end
            why = f"ended before it listed its tools{self._ending.how}"
            return self._answers.not_ready(why, self._ending)
        return replace(self._refusal(error, exchange), sent=Sent.NOT_SENT)

    async def _ask(
        self, request: Coroutine[Any, Any, _T], exchange: Exchange, seconds: float
    ) -> _T:
        """Sends one request, in a task of its own: so who waits may leave at once, and the session
        tells the server.
        """
        context = copy_context()
        context.run(exchanges.current.set, exchange)
        task = asyncio.create_task(request, context=context)
        task.add_done_callback(
            lambda ended: ended.cancelled() or ended.exception()
        )  # no other caller may come to look
        try:
            await asyncio.wait({task}, timeout=max(seconds, 0))
            if not task.done():
                raise TimeoutError
            if task.cancelled():
                raise closed()
            return task.result()
        finally:
            task.cancel()

    def _refusal(
        self, error: MCPError, exchange: Exchange, manners: Manners = AS_IT_SAYS
    ) -> CallError:
        """What an error in place of an answer means at this point of the session's life."""
        ready = self._ready.result() if self._ready.done() else None
        in_session = (
            isinstance(ready, Client) and ready.protocol_version not in MODERN_PROTOCOL_VERSIONS
        )
        return self._answers.refusal(
            error, exchange, over=self._over, in_session=in_session, manners=manners
        )


def _innermost(error: Exception) -> Exception:
    while isinstance(error, ExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


def _client_info() -> types.Implementation:
    return types.Implementation(name="clearance", version=version("clearance"))
