"""Tools that are Python callables of this process, and the choice between them and another tool
runner.

One idea: a callable is called as a tool of a server would be: by name, with arguments checked
against a schema that is read from its signature, within a deadline, and with the same honesty about
what is known when the deadline passes.

Refuses to know: servers, sessions and intents. A callable is the deployer's trusted code; what it
returns is not trusted.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import wraps
from typing import Any, cast

from pydantic import TypeAdapter, ValidationError, validate_call
from pydantic_core import to_jsonable_python

from clearance.core.canonical import Json
from clearance.core.catalog import ToolServer
from clearance.core.manners import means_failed
from clearance.core.outcome import CallError, ErrorClass, Sent
from clearance.core.tool_pin import pin_of
from clearance.flow.ports.tools import (
    Cleared,
    ToolAnswer,
    ToolCall,
    ToolCallFailed,
    ToolDescription,
    ToolList,
    Tools,
)
from clearance.tools.untrusted import one_line, storable

THREADS_MAX = 32  # for callables that are not async


class FunctionTools:
    """The tool runner for callables, by server name and tool name.

    A sync callable runs in a thread, an async one here.

    A thread cannot be stopped: a sync callable that misses its deadline goes on, and its place is
    taken until it ends.
    """

    def __init__(self, servers: Mapping[str, Mapping[str, Callable[..., Any]]]) -> None:
        self._servers = {
            server: {name: _FunctionTool(name, function) for name, function in functions.items()}
            for server, functions in servers.items()
        }
        self._threads = ThreadPoolExecutor(THREADS_MAX, thread_name_prefix="clearance-tool")
        self._closed = False

    def __contains__(self, server: object) -> bool:
        """True for the name of a server of ours."""
        return server in self._servers

    async def describe(self, tenant_id: str, server: ToolServer) -> ToolList:  # noqa: ARG002
        """The tools of a server; ToolCallFailed if it is none of ours."""
        tools = self._tools(server)
        return ToolList(server.name, {name: tool.description for name, tool in tools.items()})

    async def call(self, tenant_id: str, call: ToolCall, cleared: Cleared) -> ToolAnswer:  # noqa: ARG002
        """Calls once; raises ToolCallFailed."""
        if self._closed:
            raise ToolCallFailed(
                CallError(ErrorClass.DOWNSTREAM, "The tool runner is closed.", Sent.NOT_SENT)
            )
        named = f"{call.server.name}.{call.tool}"
        tool = self._tools(call.server).get(call.tool)
        if tool is None:
            sentence = f"The tool {named} is not offered."
            raise _not_sent(sentence, "TOOL_NOT_OFFERED")
        call.check_offered(tool.description)
        try:
            arguments = tool.bind(call.arguments)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False, include_context=False)[0]
            where = ".".join(map(str, first["loc"]))
            sentence = f"The tool {named} does not take these arguments: {where}: {first['msg']}."
            raise _not_sent(sentence) from None
        await cleared()
        result = _as_json(await self._run(named, tool, arguments, call))
        structure, text = (None, result) if isinstance(result, str) else (result, "")
        if call.manners.means_failed(structure, text):
            raise ToolCallFailed(_shown(means_failed(named, text)), storable(result))
        return storable(result)

    async def close(self) -> None:
        """Starts nothing more; does not wait for what runs."""
        self._closed = True
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _tools(self, server: ToolServer) -> Mapping[str, _FunctionTool]:
        if server.name not in self._servers:
            sentence = f"There is no tool server {server.name} of functions."
            raise _not_sent(sentence)
        return self._servers[server.name]

    async def _run(
        self, named: str, tool: _FunctionTool, arguments: Mapping[str, Any], call: ToolCall
    ) -> object:
        running: asyncio.Future[Any]
        if tool.is_async:
            running = asyncio.ensure_future(tool.function(**arguments))
        else:
            running = asyncio.wrap_future(
                waiting := self._threads.submit(tool.function, **arguments)
            )
        running.add_done_callback(
            lambda ended: ended.cancelled() or ended.exception()
        )  # no other caller may come to look
        try:
            await asyncio.wait({running}, timeout=call.deadline_ms / 1000)
        finally:
            began = tool.is_async or not waiting.cancel()
            running.cancel()
        if not running.done() or running.cancelled():
            sent = Sent.MAYBE if began else Sent.NOT_SENT
            sentence = f"The tool {named} did not answer within its deadline."
            raise ToolCallFailed(CallError(ErrorClass.TIMEOUT, sentence, sent))
        try:
            return running.result()
        except ToolCallFailed:
            raise
        except Exception as error:
            sentence = f"The tool {named} failed: {type(error).__name__}: {error}"
            # A connection that broke inside the callable does not show what the other end did.
            lost = isinstance(error, TimeoutError | ConnectionError)
            failure = CallError(ErrorClass.UNKNOWN, sentence, Sent.MAYBE if lost else Sent.ANSWERED)
            if not lost:
                failure = call.manners.of_error(failure, None, str(error))
            raise ToolCallFailed(_shown(failure)) from error


class EitherTools:
    """Calls the callables of the function servers, and everything else of another tool runner."""

    def __init__(self, functions: FunctionTools, others: Tools) -> None:
        self._functions = functions
        self._others = others

    async def describe(self, tenant_id: str, server: ToolServer) -> ToolList:
        """The tools of a server."""
        return await self._runner(server).describe(tenant_id, server)

    async def call(self, tenant_id: str, call: ToolCall, cleared: Cleared) -> ToolAnswer:
        """Calls once; raises ToolCallFailed."""
        return await self._runner(call.server).call(tenant_id, call, cleared)

    async def close(self) -> None:
        """Closes both."""
        await self._functions.close()
        await self._others.close()

    def _runner(self, server: ToolServer) -> Tools:
        return self._functions if server.name in self._functions else self._others


class _FunctionTool:
    """A callable, its description, and `bind`, which makes of arguments what it takes or raises
    ValidationError.
    """

    def __init__(self, name: str, function: Callable[..., Any]) -> None:
        schema = TypeAdapter(cast("Any", function)).json_schema()
        self.function = function
        self.is_async = inspect.iscoroutinefunction(function)
        self.description = ToolDescription(
            name, inspect.getdoc(function) or "", schema, pin_of(schema)
        )

        @wraps(function)
        def arguments(**named: Any) -> dict[str, Any]:
            return named

        self._bind = validate_call(arguments)

    def bind(self, arguments: Mapping[str, Json]) -> Mapping[str, Any]:
        bound: Mapping[str, Any] = self._bind(**arguments)
        return bound


def _as_json(result: object) -> Json:
    """What a callable returned, as JSON; it has done its work, so nothing about this may fail."""
    try:
        value = to_jsonable_python(result, fallback=str)
        storable(value)
    except (ValueError, RecursionError):
        return one_line(repr(type(result)))
    return value


def _shown(error: CallError) -> CallError:
    return replace(error, sentence=one_line(error.sentence))


def _not_sent(sentence: str, code: str = "TOOL_ERROR") -> ToolCallFailed:
    return ToolCallFailed(CallError(ErrorClass.VALIDATION, one_line(sentence), Sent.NOT_SENT, code))
