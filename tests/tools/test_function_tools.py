"""Python callables as tools, and the choice between them and servers."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from clearance.core.catalog import ToolServer
from clearance.core.outcome import CallError, ErrorClass, Sent
from clearance.flow.ports.tools import ToolCallFailed
from clearance.tools.function import EitherTools, FunctionTools
from clearance.tools.mcp import McpTools
from tests.tools.support.calling import call, failure, raw_server, result

pytestmark = pytest.mark.anyio
SERVER = ToolServer("here")
CALLED: list[str] = []


def add(a: int, b: int = 2) -> int:
    """Add two numbers."""
    CALLED.append(threading.current_thread().name)
    return a + b


async def greet(name: str) -> dict[str, str]:
    return {"text": f"Hello {name}"}


async def hang() -> None:
    await asyncio.sleep(60)


def block() -> None:
    time.sleep(0.2)


def fail(text: str) -> None:
    raise RuntimeError(text)


def refuse() -> None:
    raise ToolCallFailed(
        CallError(ErrorClass.RATE_LIMIT, "Later.", Sent.ANSWERED, retry_after_ms=5)
    )


def odd() -> object:
    return {1: float("nan"), "x": "\ud800", "o": complex(1, 2)}


def circular() -> object:
    made: list[Any] = []
    made.append(made)
    return made


@pytest.fixture
async def functions() -> AsyncIterator[FunctionTools]:
    offered = (add, greet, hang, block, fail, refuse, odd, circular)
    runner = FunctionTools({"here": {function.__name__: function for function in offered}})
    yield runner
    await runner.close()


async def test_a_callable_is_called_like_a_tool(functions: FunctionTools) -> None:
    described = (await functions.describe("northwind", SERVER)).tools
    assert described["add"].description == "Add two numbers."
    assert described["add"].input_schema["required"] == ["a"]
    agreed = described["add"].schema_digest
    assert await result(functions, SERVER, "add", {"a": 1}, schema_digest=agreed) == 3
    assert "MainThread" not in CALLED
    assert await result(functions, SERVER, "greet", {"name": "Ada"}) == {"text": "Hello Ada"}


async def test_nothing_is_called_that_does_not_fit(functions: FunctionTools) -> None:
    CALLED.clear()
    for server, tool, arguments, pin, code in (
        (SERVER, "nothing", {}, None, "TOOL_NOT_OFFERED"),
        (SERVER, "add", {"a": 1}, "sha256:other", "TOOL_SCHEMA_CHANGED"),
        (SERVER, "add", {"a": "x"}, None, "TOOL_ERROR"),
        (SERVER, "add", {"a": 1, "c": 2}, None, "TOOL_ERROR"),
        (ToolServer("there"), "add", {"a": 1}, None, "TOOL_ERROR"),
    ):
        error = await failure(functions, server, tool, arguments, schema_digest=pin)
        assert (error.error_class, error.sent, error.code) == (
            ErrorClass.VALIDATION,
            Sent.NOT_SENT,
            code,
        )
    assert not CALLED


async def test_errors(functions: FunctionTools) -> None:
    error = await failure(functions, SERVER, "fail", {"text": "no\nway" + "!" * 1000})
    assert (error.error_class, error.sent) == (ErrorClass.UNKNOWN, Sent.ANSWERED)
    error = await failure(functions, SERVER, "refuse")
    assert (error.error_class, error.retry_after_ms) == (ErrorClass.RATE_LIMIT, 5)


@pytest.mark.parametrize("tool", ["hang", "block"])
async def test_deadline(functions: FunctionTools, tool: str) -> None:
    error = await failure(functions, SERVER, tool, deadline_ms=20)
    assert (error.error_class, error.sent) == (ErrorClass.TIMEOUT, Sent.MAYBE)


async def test_a_deadline_that_passes_before_a_thread_is_free_calls_nothing(
    functions: FunctionTools,
) -> None:
    CALLED.clear()
    blocking = [asyncio.ensure_future(call(functions, SERVER, "block")) for _ in range(32)]
    await asyncio.sleep(0)
    assert (await failure(functions, SERVER, "add", {"a": 1}, deadline_ms=20)).sent is Sent.NOT_SENT
    await asyncio.gather(*blocking)
    assert not CALLED


async def test_what_is_returned_is_made_storable(functions: FunctionTools) -> None:
    assert await result(functions, SERVER, "odd") == {"1": "nan", "x": "\ufffd", "o": "1+2j"}
    assert "list" in await result(functions, SERVER, "circular")


async def test_after_closing_nothing_is_called(functions: FunctionTools) -> None:
    await functions.close()
    assert (await failure(functions, SERVER, "add", {"a": 1})).sent is Sent.NOT_SENT


async def test_functions_by_name_and_everything_else_of_servers(
    functions: FunctionTools, tools: McpTools
) -> None:
    either = EitherTools(functions, tools)
    assert await result(either, SERVER, "add", {"a": 1}) == 3
    assert (await result(either, raw_server(), "echo", {"a": 1}))["arguments"] == {"a": 1}
    assert "greet" in (await either.describe("northwind", SERVER)).tools
    assert "echo" in (await either.describe("northwind", raw_server())).tools
    await either.close()


@pytest.mark.parametrize("lost", [TimeoutError("gone"), ConnectionResetError("gone")])
async def test_a_callable_that_lost_its_connection_may_have_acted(lost: Exception) -> None:
    def act() -> None:
        raise lost

    error = await failure(FunctionTools({"own": {"act": act}}), ToolServer("own"), "act")
    assert error.sent is Sent.MAYBE
