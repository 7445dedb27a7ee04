"""Tools of MCP servers, over stdio and streamable HTTP.

One idea: each server of a tenant has one session, kept until the server's definition changes or the
session breaks, and a bound on the calls at a time.

Refuses to know: intents, what may be retried, and what a result means. Everything that a server
says is untrusted text.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import ExitStack, asynccontextmanager

import structlog

from clearance.core.catalog import ToolServer
from clearance.core.outcome import ErrorClass, Sent
from clearance.flow.context import PROGRAMS_NOT_STARTED
from clearance.flow.ports.tools import (
    Cleared,
    ToolAnswer,
    ToolCall,
    ToolCallFailed,
    ToolList,
)
from clearance.tools.backoff import Backoff
from clearance.tools.offers import Offers, check_offered
from clearance.tools.session import CONNECT_SECONDS_MAX, LISTING_SECONDS_MAX, Session
from clearance.tools.untrusted import failed, one_line

CLOSE_SECONDS_MAX = 10  # for a session to end in good order

_log = structlog.get_logger(__name__)


class McpTools:
    """The tool runner for MCP servers: a session for each server of a tenant, kept until its
    definition changes.

    `variables` fill in what definitions keep out of sight. Without `programs`, no server is started
    on this machine.
    """

    def __init__(self, variables: Mapping[str, str] = os.environ, *, programs: bool = True) -> None:
        self._variables = variables
        self._programs = programs
        self._servers: dict[tuple[str, str], _Server] = {}
        self._sessions: set[Session] = set()
        self._closed = False

    async def describe(self, tenant_id: str, server: ToolServer) -> ToolList:
        """The tools of a server, read now."""
        try:
            async with asyncio.timeout(CONNECT_SECONDS_MAX + LISTING_SECONDS_MAX):
                offers = await self._server(tenant_id, server).describe()
        except TimeoutError:
            sentence = f"The tool server {server.name} did not list its tools in time."
            raise failed(ErrorClass.TIMEOUT, sentence, Sent.NOT_SENT) from None
        tools = offers.listed()
        for name, problem in tools.unusable.items():
            _log.warning("tool_unusable", server=server.name, tool=one_line(name), problem=problem)
        if tools.cut_short:
            _log.warning("tool_list_cut_short", server=server.name, reason=tools.cut_short)
        return tools

    async def call(self, tenant_id: str, call: ToolCall, cleared: Cleared) -> ToolAnswer:
        """Calls once.

        The deadline covers all of it: waiting for a place, connecting, reading the schema, the
        call.
        """
        return await self._server(tenant_id, call.server).call(call, cleared)

    async def close(self) -> None:
        """Ends every session and every server process; a call on its way fails with `MAYBE`."""
        self._closed = True
        owners = [session.leave() for session in list(self._sessions)]
        if owners:
            _, late = await asyncio.wait(owners, timeout=CLOSE_SECONDS_MAX)
            for owner in late:
                owner.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    def _server(self, tenant_id: str, definition: ToolServer) -> _Server:
        key = (tenant_id, definition.name)
        server = self._servers.get(key)
        if server is None or server.definition != definition:
            if server is not None:
                server.retire()
            server = self._servers[key] = _Server(definition, self._open)
        return server

    def _open(self, definition: ToolServer) -> Session:
        """A new session.

        After closing there is none, also for a call that waited for its place meanwhile.
        """
        if self._closed:
            raise failed(ErrorClass.DOWNSTREAM, "The tool runner is closed.", Sent.NOT_SENT)
        if definition.url is None and not self._programs:
            sentence = (
                f"The tool server {definition.name} is a program, and programs are not started "
                f"here: give it a url."
            )
            raise failed(ErrorClass.VALIDATION, sentence, Sent.NOT_SENT, code=PROGRAMS_NOT_STARTED)
        session = Session(definition, self._variables)
        self._sessions.add(session)
        session.owner.add_done_callback(lambda owner: owner.cancelled() or owner.exception())
        session.owner.add_done_callback(lambda _: self._sessions.discard(session))
        return session


class _Server:
    """One server of one tenant: how many calls it takes at a
    time, and its session of the moment.
    """

    def __init__(
        self, definition: ToolServer, open_session: Callable[[ToolServer], Session]
    ) -> None:
        self.definition = definition
        self._places = asyncio.Semaphore(definition.concurrency_max)
        self._open_session = open_session
        self._starts = Backoff()
        self._session: Session | None = None
        self._pins: dict[str, str | None] = {}
        self._retired = False

    async def call(self, call: ToolCall, cleared: Cleared) -> ToolAnswer:
        now = asyncio.get_running_loop().time
        until = now() + call.deadline_ms / 1000
        try:
            async with (
                asyncio.timeout_at(until) as limit,
                self._places,
                self._agreeing(call) as session,
            ):
                await cleared()
                # From here on a timeout is no longer a plain one: the request may be sent.
                limit.reschedule(None)
                return await session.call(call, until - now())
        except TimeoutError:
            sentence = (
                f"The tool server {self.definition.name} was not ready for the call within its "
                f"deadline."
            )
            raise failed(ErrorClass.TIMEOUT, sentence, Sent.NOT_SENT) from None
        finally:
            self._tidy()

    async def describe(self) -> Offers:
        try:
            async with self._ready(fresh=True) as (_, offers):
                return offers
        finally:
            self._tidy()

    def retire(self) -> None:
        """Ends with the last call."""
        self._retired = True
        if self._session is not None:
            self._session.retire()

    @asynccontextmanager
    async def _agreeing(self, call: ToolCall) -> AsyncIterator[Session]:
        """A session that offers the tool as it was pinned; ToolCallFailed if there is none.

        A pin may be newer than what a session offers: the server's program changed, and a person
        agreed to what it is now. So the first call with a pin that this session has not met opens
        it again, once, before it is refused. Nothing is sent meanwhile.
        """
        for again in (False, True):
            async with self._ready() as (session, offers):
                try:
                    check_offered(call, offers)
                except ToolCallFailed as failure:
                    if again or not self._may_be_older(session, call):
                        _log.warning("tool_not_as_pinned", reason=failure.error.sentence)
                        raise
                    session.retire()
                else:
                    self._pins[call.tool] = call.schema_digest
                    yield session
                    return
            self._pins[call.tool] = call.schema_digest
            _log.info("tool_server_opened_again", server=self.definition.name, tool=call.tool)

    def _may_be_older(self, session: Session, call: ToolCall) -> bool:
        """True if a call's pin may have been made after a session was opened."""
        return session.retired or self._pins.get(call.tool) != call.schema_digest

    @asynccontextmanager
    async def _ready(self, *, fresh: bool = False) -> AsyncIterator[tuple[Session, Offers]]:
        """A session and its tools, kept until the block ends, even if the definition changes.

        One that worked before and now does not is replaced once: nothing was sent.
        """
        known = self._session
        with ExitStack() as uses:
            session = self._current()
            uses.enter_context(session.in_use())
            try:
                offers = await self._offers(session, fresh=fresh)
            except ToolCallFailed:
                if session is not known:
                    raise
                session = self._current()
                uses.enter_context(session.in_use())
                offers = await self._offers(session, fresh=fresh)
            yield session, offers

    async def _offers(self, session: Session, *, fresh: bool) -> Offers:
        try:
            await session.opened()
            offers = await session.offers(fresh=fresh)
        except ToolCallFailed as failure:
            session.retire()
            self._starts.failed(session, failure.error)
            raise
        self._starts.worked(session)
        return offers

    def _tidy(self) -> None:
        if self._retired:  # meanwhile: this may have been the last use, on a session made for it
            self.retire()

    def _current(self) -> Session:
        if self._session is None or self._session.retired:
            if self.definition.url is None:  # only a process is dear to start
                self._starts.check()
            self._session = self._open_session(self.definition)
            self._starts.begun(self._session)
        return self._session
