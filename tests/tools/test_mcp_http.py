"""MCP servers over streamable HTTP: a real one, and one that answers as gateways and broken servers
do.
"""

import asyncio
import logging
import socket
import time

import pytest

from clearance.core.catalog import ToolServer
from clearance.core.outcome import ErrorClass, Sent
from clearance.flow.ports.tools import ToolCallFailed
from clearance.tools import session
from clearance.tools.answers import RETRY_AFTER_MS_MAX
from clearance.tools.exchange import WIRE_BYTES_MAX
from clearance.tools.mcp import McpTools
from tests.tools.support.calling import call, failure, real_http_process, result
from tests.tools.support.raw_http import RawHttpServer

pytestmark = pytest.mark.anyio


def server_at(raw_http: RawHttpServer, **more: object) -> ToolServer:
    return ToolServer("web", url=f"http://{raw_http.address}/mcp", **more)  # type: ignore[arg-type]


async def test_a_real_server(tools: McpTools, real_http_address: str) -> None:
    server = ToolServer("real", url=real_http_address)
    agreed = (await tools.describe("northwind", server)).tools["add"].schema_digest
    assert await result(tools, server, "add", {"a": 1, "b": 2}, schema_digest=agreed) == {
        "result": 3
    }
    said = await asyncio.gather(
        *(result(tools, server, "add", {"a": n, "b": n}) for n in range(20))
    )
    assert [one["result"] for one in said] == [2 * n for n in range(20)]
    error = await failure(tools, server, "add", {"a": "x"})
    assert error.sent is Sent.ANSWERED
    error = await failure(tools, server, "wait", {"seconds": 0.5}, deadline_ms=50)
    assert (error.error_class, error.sent) == (ErrorClass.TIMEOUT, Sent.MAYBE)
    assert await result(tools, server, "wait", {"seconds": 0}) == {"result": "waited"}


async def test_a_real_server_that_changes_and_goes_away(tools: McpTools) -> None:
    with real_http_process() as (process, address):
        server = ToolServer("real", url=address)
        agreed = (await tools.describe("northwind", server)).tools["add"].schema_digest
        await call(tools, server, "add", {"a": 1, "b": 2}, schema_digest=agreed)
        await call(tools, server, "grow")
        with pytest.raises(ToolCallFailed) as raised:  # noqa: PT012
            while True:  # the news of the change comes on a connection of its own
                await call(tools, server, "add", {"a": 1, "b": 2}, schema_digest=agreed)
        error = raised.value.error
        assert (error.sent, error.code) == (Sent.NOT_SENT, "TOOL_SCHEMA_CHANGED")
        waiting = asyncio.ensure_future(failure(tools, server, "wait", {"seconds": 5}))
        await asyncio.sleep(0.1)
        process.kill()
        assert (await waiting).sent is Sent.MAYBE
    error = await failure(tools, server, "add", {"a": 1, "b": 2})
    assert (error.error_class, error.sent) == (ErrorClass.DOWNSTREAM, Sent.NOT_SENT)


@pytest.mark.parametrize(
    ("status", "error_class", "sent"),
    [
        (302, ErrorClass.DOWNSTREAM, Sent.MAYBE),
        (400, ErrorClass.VALIDATION, Sent.ANSWERED),
        (401, ErrorClass.AUTH, Sent.ANSWERED),
        (403, ErrorClass.AUTH, Sent.ANSWERED),
        (408, ErrorClass.DOWNSTREAM, Sent.MAYBE),
        (413, ErrorClass.VALIDATION, Sent.ANSWERED),
        (429, ErrorClass.RATE_LIMIT, Sent.ANSWERED),
        (500, ErrorClass.DOWNSTREAM, Sent.MAYBE),
        (503, ErrorClass.DOWNSTREAM, Sent.MAYBE),
        (202, ErrorClass.DOWNSTREAM, Sent.MAYBE),
    ],
)
async def test_a_status(
    tools: McpTools, raw_http: RawHttpServer, status: int, error_class: ErrorClass, sent: Sent
) -> None:
    headers = {"retry-after": "2", "location": "http://127.0.0.1:9/elsewhere"}
    error = await failure(
        tools, server_at(raw_http), "status", {"status": status, "headers": headers}
    )
    assert (error.error_class, error.sent) == (error_class, sent)
    assert error.retry_after_ms == (2000 if status in (202, 302, 408, 429, 500, 503) else None)
    assert await result(tools, server_at(raw_http), "echo", {"a": 1}) == {"a": 1}
    assert raw_http.calls == 2


async def test_an_error_of_the_protocol_under_a_status_says_why(
    tools: McpTools, raw_http: RawHttpServer
) -> None:
    body = {
        "jsonrpc": "2.0",
        "id": None,
        "error": {"code": -32602, "message": "amount is\nmissing"},
    }
    arguments = {"status": 400, "headers": {"content-type": "application/json"}, "body": body}
    error = await failure(tools, server_at(raw_http), "status", arguments)
    assert error.sent is Sent.ANSWERED
    assert "amount is missing" in error.sentence


async def test_retry_after_may_be_a_date(tools: McpTools, raw_http: RawHttpServer) -> None:
    headers = {"retry-after": "Fri, 31 Dec 9999 23:59:59 GMT"}
    error = await failure(tools, server_at(raw_http), "status", {"status": 429, "headers": headers})
    assert error.retry_after_ms == RETRY_AFTER_MS_MAX


@pytest.mark.parametrize("tool", ["cut", "cut_body", "cut_events"])
async def test_a_cut_connection_may_have_worked_and_hurts_no_other_call(
    tools: McpTools, raw_http: RawHttpServer, tool: str
) -> None:
    server = server_at(raw_http)
    await call(tools, server, "echo")
    waiting = asyncio.ensure_future(call(tools, server, "slow"))
    await asyncio.sleep(0.02)
    error = await failure(tools, server, tool)
    assert (error.error_class, error.sent) == (ErrorClass.DOWNSTREAM, Sent.MAYBE)
    raw_http.release.set()
    await waiting


@pytest.mark.parametrize("tool", ["body", "events"])
@pytest.mark.parametrize(
    ("raw", "kept"),
    [
        (
            r'{"content": [], "structuredContent": {"a": "x\ud800y", "b": NaN}}',
            {"a": "x\ufffdy", "b": "nan"},
        ),
        ('{"content": [], "structuredContent": {"a": "caf\xe9"}}', {"a": "caf\ufffd"}),
        ('{"content": [{"type": "text", "text": "%s"}]}' % ("x" * 2_000_000), None),
        ("[" * 5000 + "]" * 5000, Sent.MAYBE),
        ("{", Sent.MAYBE),
        ("x" * (WIRE_BYTES_MAX + 1), Sent.MAYBE),
    ],
    ids=["unclean", "not-utf-8", "huge", "deep", "broken", "endless"],
)
async def test_an_unclean_answer(
    tools: McpTools, raw_http: RawHttpServer, tool: str, raw: str, kept: object
) -> None:
    arguments = {"result": raw}
    if isinstance(kept, Sent):
        assert (await failure(tools, server_at(raw_http), tool, arguments)).sent is kept
    else:
        answer = await call(tools, server_at(raw_http), tool, arguments)
        assert answer.result == kept if kept else answer.truncated
    await call(tools, server_at(raw_http), "echo")


async def test_a_question_of_the_server_in_between_changes_nothing(
    tools: McpTools, raw_http: RawHttpServer
) -> None:
    error = await failure(tools, server_at(raw_http), "asks")
    assert (error.error_class, error.sent) == (ErrorClass.UNKNOWN, Sent.ANSWERED)


async def test_an_answer_of_another_kind_may_have_worked(
    tools: McpTools, raw_http: RawHttpServer
) -> None:
    error = await failure(tools, server_at(raw_http), "body", {"type": "text/html"})
    assert error.sent is Sent.MAYBE


@pytest.mark.parametrize(
    ("status", "error_class"),
    [
        (401, ErrorClass.AUTH),
        (429, ErrorClass.RATE_LIMIT),
        (404, ErrorClass.VALIDATION),
        (503, ErrorClass.DOWNSTREAM),
    ],
)
async def test_a_refused_handshake_sends_nothing(
    tools: McpTools, raw_http: RawHttpServer, status: int, error_class: ErrorClass
) -> None:
    raw_http.handshake_status = status
    error = await failure(tools, server_at(raw_http), "echo")
    assert (error.error_class, error.sent) == (error_class, Sent.NOT_SENT)
    raw_http.handshake_status = 200
    await call(tools, server_at(raw_http), "echo")


async def test_a_forgotten_session_is_replaced(
    tools: McpTools, raw_http: RawHttpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = server_at(raw_http)
    await call(tools, server, "echo")
    raw_http.sessions.clear()
    error = await failure(tools, server, "echo")
    assert (error.error_class, error.sent, error.code) == (
        ErrorClass.DOWNSTREAM,
        Sent.ANSWERED,
        "TOOL_SESSION_LOST",
    )
    await call(tools, server, "echo")
    raw_http.sessions.clear()
    monkeypatch.setattr(
        session, "LISTING_AGE_SECONDS_MAX", -1
    )  # as after a pause: the tools are read first
    await call(tools, server, "echo")


async def test_nobody_listens(tools: McpTools) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/mcp"
    error = await failure(tools, ToolServer("web", url=url), "echo")
    assert (error.error_class, error.sent) == (ErrorClass.DOWNSTREAM, Sent.NOT_SENT)


@pytest.mark.parametrize(
    "url", ["", "nonsense", "ftp://127.0.0.1/x", "http://[", "http://127.0.0.1:99999/"]
)
async def test_an_address_that_is_none(tools: McpTools, url: str) -> None:
    error = await failure(tools, ToolServer("web", url=url), "echo")
    assert (error.error_class, error.sent) == (ErrorClass.DOWNSTREAM, Sent.NOT_SENT)


async def test_secrets_arrive_and_are_seen_nowhere_else(
    tools: McpTools,
    raw_http: RawHttpServer,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("CLEARANCE_TEST_TOKEN", "s3cr3t-header")
    url = f"http://user:s3cr3t-password@{raw_http.address}/hooks/s3cr3t-path-0123456789?key=s3cr3t-query"
    server = ToolServer("web", url=url, headers={"X-Key": "k ${CLEARANCE_TEST_TOKEN}"})
    await call(tools, server, "echo")
    path, headers = raw_http.seen[-1]
    assert path == "/hooks/s3cr3t-path-0123456789?key=s3cr3t-query"
    assert headers["x-key"] == "k s3cr3t-header"
    assert headers["authorization"] == "Basic dXNlcjpzM2NyM3QtcGFzc3dvcmQ="
    error = await failure(tools, server, "tell")
    await tools.close()
    assert "***" in error.sentence
    assert "s3cr3t" not in error.sentence
    assert "dXNlcjpz" not in error.sentence
    told = [
        record.getMessage() for record in caplog.records if not record.name.startswith("asyncio")
    ]
    assert told
    assert not [line for line in told if "s3cr3t" in line]
    assert "s3cr3t" not in "".join(capfd.readouterr())


async def test_secrets_are_masked_in_an_answer_whoever_gave_the_variables(
    raw_http: RawHttpServer,
) -> None:
    """A vault, as the invoker on AWS has it."""
    tools = McpTools({"TOKEN": "s3cr3t-header"}, programs=False)
    url = f"http://user:s3cr3t-password@{raw_http.address}/mcp?key=s3cr3t-query"
    server = ToolServer("web", url=url, headers={"X-Key": "k ${TOKEN}"}, secrets=())
    seen = ["k s3cr3t-header", "s3cr3t-query at s3cr3t-password", {"s3cr3t-header": "user"}]
    answer = await result(tools, server, "echo", {"seen": seen})
    await tools.close()
    assert answer == {"seen": ["***", "*** at ***", {"***": "user"}]}


async def test_a_missing_variable_is_named(tools: McpTools, raw_http: RawHttpServer) -> None:
    server = server_at(raw_http, headers={"Authorization": "Bearer ${CLEARANCE_TEST_NONE}"})
    error = await failure(tools, server, "echo")
    assert (error.sent, "CLEARANCE_TEST_NONE" in error.sentence) == (Sent.NOT_SENT, True)
    assert not raw_http.seen


async def test_deadline_and_cancelled_caller(tools: McpTools, raw_http: RawHttpServer) -> None:
    server = server_at(raw_http)
    await call(tools, server, "echo")
    began = time.monotonic()
    error = await failure(tools, server, "slow", deadline_ms=50)
    assert (error.error_class, error.sent) == (ErrorClass.TIMEOUT, Sent.MAYBE)
    caller = asyncio.ensure_future(call(tools, server, "slow"))
    await asyncio.sleep(0.02)
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    await call(tools, server, "echo")
    assert time.monotonic() - began < 2


async def test_closing_ends_calls(tools: McpTools, raw_http: RawHttpServer) -> None:
    waiting = asyncio.ensure_future(failure(tools, server_at(raw_http), "slow"))
    while not raw_http.calls:  # a thread counts them
        await asyncio.sleep(0.01)
    await tools.close()
    assert (await waiting).sent is Sent.MAYBE
