"""MCP servers over stdio that misbehave: every failure says truthfully what is known about the
call.
"""

import asyncio
import math
import os
import signal
import time
from dataclasses import replace

import pytest

from clearance.core.catalog import ToolServer
from clearance.core.outcome import ErrorClass, Sent
from clearance.flow.ports.tools import ToolCall
from clearance.tools import offers, session, stdio, untrusted
from clearance.tools.exchange import WIRE_BYTES_MAX
from clearance.tools.mcp import McpTools
from clearance.tools.session import IDEMPOTENCY_META_KEY
from clearance.tools.untrusted import ANSWER_BYTES_MAX
from tests.tools.support.calling import alive, call, children, failure, raw_server, result

pytestmark = pytest.mark.anyio
RAW = raw_server()


async def test_arguments_arrive_as_they_are_and_the_key_is_in_meta(tools: McpTools) -> None:
    arguments = {"none": None, "deep": {"none": [None, 1.5, "é", 2**53 - 1]}, "text": "\u2028\x00"}
    said = await result(tools, RAW, "echo", arguments)
    assert said["arguments"] == arguments | {
        "text": "\u2028\ufffd"
    }  # cleaned on the way back, not on the way there
    assert said["meta"][IDEMPOTENCY_META_KEY] == "ik_test"


async def test_one_process_serves_all_calls_of_a_tenant_and_no_other_tenant(
    tools: McpTools,
) -> None:
    pids = [(await result(tools, RAW, "echo"))["pid"] for _ in range(3)]
    other = (await result(tools, RAW, "echo", tenant_id="contoso"))["pid"]
    assert len(set(pids)) == 1
    assert other not in pids


async def test_all_pages_of_tools_are_read(tools: McpTools) -> None:
    described = (await tools.describe("northwind", RAW)).tools
    assert {"echo", "task"} <= described.keys()
    assert described["echo"].schema_digest.startswith("sha256-2:")


@pytest.mark.parametrize("tool", ["unpinnable", "twice"])
async def test_a_tool_that_cannot_be_pinned_fails_alone(tools: McpTools, tool: str) -> None:
    described = await tools.describe("northwind", RAW)
    assert tool not in described.tools
    assert described.why_missing(tool).startswith(f"The tool raw.{tool} cannot be called: it")
    error = await failure(tools, RAW, tool)
    assert (error.error_class, error.sent, error.code) == (
        ErrorClass.VALIDATION,
        Sent.NOT_SENT,
        "TOOL_UNUSABLE",
    )
    await call(tools, RAW, "echo")


@pytest.mark.parametrize(
    ("mode", "pages", "why"),
    [
        ("endless-same-cursor", 2, "its server gives the same page again"),
        ("endless-same-cursor-new-tools", 2, "its server gives the same page again"),
        ("endless-new-cursors", 2, "its server gives the same page again"),
        ("endless-circle", 4, "its server gives the same page again"),
        ("endless-pages 0", offers.LISTING_PAGES_MAX, "it has more than 100 pages"),
        ("endless-pages 400", 3, "it has more than 1000 tools"),
        ("endless-schemas 20", 4, "its schemas have more than 16777216 bytes"),
    ],
)
async def test_a_list_without_an_end_ends_with_the_tools_that_were_listed(
    tools: McpTools, mode: str, pages: int, why: str
) -> None:
    server = raw_server(*mode.split())
    described = await asyncio.wait_for(tools.describe("northwind", server), 20)
    assert "echo" in described.tools
    count = len(described.tools) + len(described.unusable)
    assert (
        described.cut_short == f"The list of tools of raw was cut short after {count} tools: {why}."
    )
    assert count <= offers.TOOLS_MAX
    assert (
        "is not offered. The list of tools of raw was"
        in (await failure(tools, server, "no")).sentence
    )
    said = described.why_missing("ecko")
    assert said.startswith(
        "The catalog names raw.ecko, which the tool server raw does not offer; did"
    )
    assert said.endswith(described.cut_short)
    assert (await call(tools, server, "echo")).result["pid"]
    if mode != "endless-circle":  # it lists a part of its tools
        assert (await result(tools, server, "pages"))["pages"] == pages


async def test_a_list_that_takes_too_long_ends_with_the_tools_that_were_listed(
    tools: McpTools, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "LISTING_SECONDS_MAX", 0.3)
    described = await tools.describe("northwind", raw_server("endless-slow", "2"))
    assert described.tools.keys() == {"echo", "pages", "tool1-0", "tool1-1"}
    assert str(described.cut_short).endswith("after 4 tools: it took more than 0.3 seconds.")


async def test_a_tool_that_is_not_offered_is_not_called(tools: McpTools) -> None:
    error = await failure(tools, RAW, "nothing")
    assert (error.error_class, error.sent, error.code) == (
        ErrorClass.VALIDATION,
        Sent.NOT_SENT,
        "TOOL_NOT_OFFERED",
    )


async def test_a_changed_schema_is_found_before_the_call(tools: McpTools) -> None:
    agreed = (await tools.describe("northwind", RAW)).tools["echo"].schema_digest
    await call(tools, RAW, "echo", schema_digest=agreed)
    await call(tools, RAW, "change")
    before = (await result(tools, RAW, "calls"))["calls"]
    error = await failure(tools, RAW, "echo", schema_digest=agreed)
    assert (error.error_class, error.sent, error.code) == (
        ErrorClass.VALIDATION,
        Sent.NOT_SENT,
        "TOOL_SCHEMA_CHANGED",
    )
    assert (await result(tools, RAW, "calls"))["calls"] == before + 1


async def test_old_tools_are_read_again_without_being_told(
    tools: McpTools, monkeypatch: pytest.MonkeyPatch
) -> None:
    agreed = (await tools.describe("northwind", RAW)).tools["echo"].schema_digest
    await call(tools, RAW, "echo", schema_digest=agreed)
    await call(tools, RAW, "change")
    monkeypatch.setattr(session.types, "ToolListChangedNotification", int)  # deaf
    monkeypatch.setattr(session, "LISTING_AGE_SECONDS_MAX", -1)
    assert (await failure(tools, RAW, "echo", schema_digest=agreed)).code == "TOOL_SCHEMA_CHANGED"


async def test_a_server_that_dies_in_the_middle_may_have_done_it_and_is_started_again(
    tools: McpTools,
) -> None:
    first = (await result(tools, RAW, "echo"))["pid"]
    error = await failure(tools, RAW, "die")
    assert (error.error_class, error.sent) == (ErrorClass.DOWNSTREAM, Sent.MAYBE)
    assert (await result(tools, RAW, "echo"))["pid"] != first


async def test_a_death_tells_all_calls_on_their_way(tools: McpTools) -> None:
    server = raw_server(concurrency_max=3)
    await call(tools, server, "echo")
    errors = await asyncio.gather(
        *(failure(tools, server, tool) for tool in ("hang", "hang", "die"))
    )
    assert {error.sent for error in errors} == {Sent.MAYBE}


async def test_a_server_found_dead_is_replaced_before_anything_is_sent(tools: McpTools) -> None:
    pid = (await result(tools, RAW, "echo"))["pid"]
    os.kill(pid, signal.SIGKILL)
    await until_dead(pid)
    await asyncio.sleep(0.05)
    assert (await result(tools, RAW, "echo"))["pid"] != pid


async def test_deadline(tools: McpTools) -> None:
    await call(tools, RAW, "echo")
    began = time.monotonic()
    error = await failure(tools, RAW, "hang", deadline_ms=50)
    assert (error.error_class, error.sent) == (ErrorClass.TIMEOUT, Sent.MAYBE)
    assert time.monotonic() - began < 1
    assert len((await result(tools, RAW, "cancelled"))["cancelled"]) == 1


async def test_a_deadline_that_passes_before_a_place_is_free_sends_nothing(tools: McpTools) -> None:
    server = raw_server(concurrency_max=1)
    await call(tools, server, "echo")
    hanging = asyncio.ensure_future(failure(tools, server, "hang", deadline_ms=300))
    await asyncio.sleep(0)
    error = await failure(tools, server, "echo", deadline_ms=50)
    assert (error.error_class, error.sent) == (ErrorClass.TIMEOUT, Sent.NOT_SENT)
    assert (await hanging).sent is Sent.MAYBE
    assert (await result(tools, server, "calls"))["calls"] == 3


async def test_calls_at_a_time_are_limited(tools: McpTools) -> None:
    server = raw_server(concurrency_max=4)
    said = await asyncio.gather(*(result(tools, server, "slow") for _ in range(20)))
    assert max(one["most"] for one in said) == 4


async def test_a_cancelled_caller_leaves_the_session_whole(tools: McpTools) -> None:
    pid = (await result(tools, RAW, "echo"))["pid"]
    for tool in ("hang", "slow"):
        caller = asyncio.ensure_future(call(tools, RAW, tool))
        other = asyncio.ensure_future(result(tools, RAW, "slow"))
        await asyncio.sleep(0.01)
        caller.cancel()
        with pytest.raises(asyncio.CancelledError):
            await caller
        await other
    assert (await result(tools, RAW, "echo"))["pid"] == pid
    assert len((await result(tools, RAW, "cancelled"))["cancelled"]) == 2


async def test_a_caller_cancelled_while_the_server_starts_does_not_stop_it(tools: McpTools) -> None:
    caller = asyncio.ensure_future(call(tools, RAW, "echo"))
    other = asyncio.ensure_future(result(tools, RAW, "echo"))
    await asyncio.sleep(0)
    caller.cancel()
    assert (await other)["arguments"] == {}


async def test_a_changed_definition_gets_a_new_session_and_lets_the_old_one_finish(
    tools: McpTools,
) -> None:
    old = (await result(tools, RAW, "echo"))["pid"]
    finishing = asyncio.ensure_future(result(tools, RAW, "slow", {"seconds": 1}))
    await asyncio.sleep(0.05)
    new = (await result(tools, raw_server(environment={"A": "b"}), "echo"))["pid"]
    assert new != old
    assert alive(old)
    assert await finishing == {"most": 1}
    await until_dead(old)


async def test_a_definition_that_changes_during_the_last_look_lets_the_call_be_sent(
    tools: McpTools,
) -> None:
    async def look() -> None:
        await call(tools, raw_server(environment={"A": "b"}), "echo")
        await asyncio.sleep(0.05)

    old = (await result(tools, RAW, "echo"))["pid"]
    looked_at = ToolCall(RAW, "echo", {}, "ik_test", 10_000, None)
    assert (await tools.call("northwind", looked_at, look)).result["pid"] == old
    await until_dead(old)


@pytest.mark.parametrize("moment", [0.0, 0.01, 0.05, 0.1, 0.2])
async def test_a_definition_that_changes_at_any_moment_costs_no_call(
    tools: McpTools, moment: float
) -> None:
    """While its server starts, while its tools are read, and while it waits for its place."""
    old = raw_server("slow-list", concurrency_max=1)
    waiting = [asyncio.ensure_future(result(tools, old, "echo")) for _ in range(3)]
    await asyncio.sleep(moment)
    await call(tools, raw_server("slow-list", concurrency_max=2), "echo")
    assert all(answer["pid"] for answer in await asyncio.gather(*waiting))


async def test_calls_that_wait_while_the_definition_changes_leave_no_process(
    tools: McpTools,
) -> None:
    before = children()
    old, new = raw_server(concurrency_max=1), raw_server(concurrency_max=2)
    waiting = [asyncio.ensure_future(result(tools, old, "slow")) for _ in range(3)]
    await asyncio.sleep(0.1)
    pid = (await result(tools, new, "echo"))["pid"]
    await asyncio.gather(*waiting)
    until = time.monotonic() + 3
    while children() - before != {pid}:
        assert time.monotonic() < until
        await asyncio.sleep(0.01)


async def test_a_server_that_never_shakes_hands(
    tools: McpTools, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = await failure(tools, raw_server("mute"), "echo", deadline_ms=100)
    assert (error.error_class, error.sent) == (ErrorClass.TIMEOUT, Sent.NOT_SENT)
    await tools.close()
    again = McpTools()
    monkeypatch.setattr(session, "CONNECT_SECONDS_MAX", 0.1)
    error = await failure(again, raw_server("mute"), "echo")
    assert (error.error_class, error.sent) == (ErrorClass.DOWNSTREAM, Sent.NOT_SENT)
    await again.close()


async def test_a_server_that_does_not_list_its_tools(
    tools: McpTools, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "LISTING_SECONDS_MAX", 0.1)
    error = await failure(tools, raw_server("no-list"), "echo")
    assert (error.error_class, error.sent) == (ErrorClass.DOWNSTREAM, Sent.NOT_SENT)


async def test_a_server_that_hears_nothing_before_initialize(tools: McpTools) -> None:
    assert "pid" in await result(tools, raw_server("only-initialize"), "echo")


async def test_a_missing_variable_is_named(
    tools: McpTools, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CLEARANCE_TEST_NONE", raising=False)
    monkeypatch.setenv("CLEARANCE_TEST_TOKEN", "s3cr3t-value")
    environment = {"A": "${CLEARANCE_TEST_TOKEN}", "B": "x${CLEARANCE_TEST_NONE}"}
    error = await failure(tools, raw_server(environment=environment), "echo")
    assert (error.error_class, error.sent) == (ErrorClass.VALIDATION, Sent.NOT_SENT)
    assert "CLEARANCE_TEST_NONE" in error.sentence
    assert "s3cr3t" not in error.sentence


async def test_a_server_gets_a_minimal_environment(
    tools: McpTools, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLEARANCE_TEST_TOKEN", "s3cr3t-value")
    monkeypatch.setenv("CLEARANCE_TEST_PORT", "8080")
    monkeypatch.setenv("CLEARANCE_TEST_OTHER", "other")
    environment = {"TOKEN": "Bearer ${CLEARANCE_TEST_TOKEN}", "PORT": "${CLEARANCE_TEST_PORT}"}
    said = await result(tools, raw_server(environment=environment), "environment")
    assert (said["TOKEN"], said["PORT"]) == ("Bearer ***", "8080"), (
        "filled in, and masked if secret"
    )
    assert not {name for name in said if name.startswith("CLEARANCE")}
    assert said.keys() - {"TOKEN", "PORT", "PATH", "LC_CTYPE"} <= set(stdio.INHERITED)


async def test_variables_in_command_words_are_filled_in_and_seen_nowhere_else(
    tools: McpTools, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CLEARANCE_TEST_TOKEN", "s3cr3t-value")
    monkeypatch.delenv("CLEARANCE_TEST_NONE", raising=False)
    words = raw_server().command
    server = ToolServer("raw", (*words, "--key=${CLEARANCE_TEST_TOKEN}", "$PLAIN", "${not a name}"))
    started = await result(tools, replace(server, secrets=()), "arguments")
    assert started["arguments"] == ["", "--key=s3cr3t-value", "$PLAIN", "${not a name}"]
    error = await failure(
        tools, server, "fail", {"text": "the key s3cr3t-value is bad, says raw_server.py"}
    )
    assert error.sentence == "The tool raw.fail failed: the key *** is bad, says raw_server.py"
    error = await failure(tools, ToolServer("raw", (*words, "x${CLEARANCE_TEST_NONE}")), "echo")
    assert (error.error_class, error.sent, error.code) == (
        ErrorClass.VALIDATION,
        Sent.NOT_SENT,
        "TOOL_SERVER_VARIABLE_MISSING",
    )
    assert "CLEARANCE_TEST_NONE" in error.sentence
    assert "s3cr3t" not in "".join(capfd.readouterr())


async def test_secrets_are_in_no_error_and_no_log(
    tools: McpTools, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CLEARANCE_TEST_TOKEN", "s3cr3t-value")
    server = raw_server(environment={"TOKEN": "${CLEARANCE_TEST_TOKEN}"})
    told = await failure(tools, server, "fail", {"text": "the key\n s3cr3t-value\x1b[31m is bad"})
    refused = await failure(tools, server, "error", {"code": -32602, "message": "s3cr3t-value?"})
    await call(tools, server, "stderr")
    await failure(McpTools(), raw_server("crash", environment=server.environment), "echo")
    await tools.close()
    assert told.sentence == "The tool raw.fail failed: the key *** [31m is bad"
    assert "***?" in refused.sentence
    shown = "".join(capfd.readouterr())
    assert "s3cr3t" not in shown
    assert "\x1b[31mline" not in shown
    assert (
        shown.count("tool_server_stderr") <= stdio.STDERR_LINES_MAX + 2
    )  # the server that crashes is started twice


@pytest.mark.parametrize(
    ("arguments", "error_class", "retry_after_ms"),
    [
        ({}, ErrorClass.UNKNOWN, None),
        ({"structuredContent": {"error_class": "validation"}}, ErrorClass.VALIDATION, None),
        (
            {"_meta": {"error_class": "RATE_LIMIT", "retry_after_ms": 1500}},
            ErrorClass.RATE_LIMIT,
            1500,
        ),
        ({"_meta": {"error_class": "AUTH", "retry_after_ms": -1}}, ErrorClass.AUTH, None),
        (
            {"_meta": {"error_class": "AUTH", "retry_after_ms": 86_400_001}},
            ErrorClass.AUTH,
            86_400_000,
        ),
        (
            {"_meta": {"error_class": "AUTH", "retry_after_ms": 10**400}},
            ErrorClass.AUTH,
            86_400_000,
        ),
        ({"_meta": {"error_class": "AUTH", "retry_after_ms": 60_000.5}}, ErrorClass.AUTH, 60_001),
        ({"_meta": {"error_class": "AUTH", "retry_after_ms": "60000"}}, ErrorClass.AUTH, 60_000),
        ({"_meta": {"error_class": "AUTH", "retry_after_ms": "1e3"}}, ErrorClass.AUTH, 1_000),
        ({"_meta": {"error_class": "AUTH", "retry_after_ms": 1e300}}, ErrorClass.AUTH, 86_400_000),
        ({"_meta": {"error_class": "AUTH", "retry_after_ms": "soon"}}, ErrorClass.AUTH, None),
        ({"_meta": {"error_class": "AUTH", "retry_after_ms": "nan"}}, ErrorClass.AUTH, None),
        ({"_meta": {"error_class": "AUTH", "retry_after_ms": "9" * 1_000}}, ErrorClass.AUTH, None),
        ({"_meta": {"error_class": "AUTH", "retry_after_ms": [1]}}, ErrorClass.AUTH, None),
        ({"_meta": {"error_class": "AUTH", "retry_after_ms": True}}, ErrorClass.AUTH, None),
        ({"structuredContent": {"error_class": "NONSENSE"}}, ErrorClass.UNKNOWN, None),
        ({"structuredContent": {"error_class": 7}}, ErrorClass.UNKNOWN, None),
    ],
)
async def test_an_error_of_a_tool_is_of_the_class_that_it_declares(
    tools: McpTools,
    arguments: dict[str, object],
    error_class: ErrorClass,
    retry_after_ms: int | None,
) -> None:
    error = await failure(tools, RAW, "fail", arguments)
    assert (error.error_class, error.sent, error.retry_after_ms) == (
        error_class,
        Sent.ANSWERED,
        retry_after_ms,
    )
    assert error.sentence == "The tool raw.fail failed: it broke"


@pytest.mark.parametrize(
    ("code", "error_class"),
    [
        (-32600, ErrorClass.VALIDATION),
        (-32601, ErrorClass.VALIDATION),
        (-32602, ErrorClass.VALIDATION),
    ]
    + [(code, ErrorClass.UNKNOWN) for code in (-32603, -32700, -32000, -32001, 0, 42)],
)
async def test_an_error_of_the_protocol_is_an_answer(
    tools: McpTools, code: int, error_class: ErrorClass
) -> None:
    error = await failure(tools, RAW, "error", {"code": code, "message": "no\nway" * 1000})
    assert (error.error_class, error.sent) == (error_class, Sent.ANSWERED)


@pytest.mark.parametrize(
    ("raw", "kept"),
    [
        (
            '{"content": [], "structuredContent": {"a": NaN, "b": -Infinity}}',
            {"a": "nan", "b": "-inf"},
        ),
        (
            r'{"content": [], "structuredContent": {"a": "x\ud800y", "\udc00": 1}}',
            {"a": "x\ufffdy", "\ufffd": 1},
        ),
        (
            r'{"content": [], "structuredContent": {"a": "\ud83d\ude00 \\ud800 \\\ud800"}}',
            {"a": "😀 \\ud800 \\\ufffd"},
        ),
        ('{"content": [], "structuredContent": {"a": "caf\xe9"}}', {"a": "caf\ufffd"}),
        (
            '{"content": [], "structuredContent": {"a": 9007199254740993}}',
            {"a": "9007199254740993"},
        ),
        ('{"content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}', "a\nb"),
        ('{"content": [], "structuredContent": [1]}', None),
    ],
)
async def test_what_is_not_storable_is_made_so(tools: McpTools, raw: str, kept: object) -> None:
    if (
        kept is None
    ):  # a structured content that this version of the protocol does not know: it may have worked
        assert (await failure(tools, RAW, "raw", {"result": raw})).sent is Sent.MAYBE
    else:
        assert await result(tools, RAW, "raw", {"result": raw}) == kept


async def test_deep_nesting_is_cut(tools: McpTools) -> None:
    raw = '{"content": [], "structuredContent": {"a": %s}}' % ("[" * 100 + "]" * 100)
    answer = await call(tools, RAW, "raw", {"result": raw})
    assert (answer.truncated, answer.result_bytes) == (True, len('{"a": }') + 200)
    said, depth = answer.result, 0
    while not isinstance(said, str):
        said = said["a"] if isinstance(said, dict) else said[0]
        depth += 1
    assert depth == untrusted.DEPTH_MAX


@pytest.mark.parametrize(
    "raw", ['{"a": %s}' % ("[" * 5000 + "]" * 5000), "{", '"text"', '{"content": 7}']
)
async def test_an_answer_that_cannot_be_read_may_have_worked(tools: McpTools, raw: str) -> None:
    error = await failure(tools, RAW, "raw", {"result": raw})
    assert error.sent is Sent.MAYBE
    await call(tools, RAW, "echo")


@pytest.mark.parametrize(("tool", "sent"), [("needs_input", Sent.ANSWERED), ("task", Sent.MAYBE)])
async def test_an_answer_that_is_not_the_end(tools: McpTools, tool: str, sent: Sent) -> None:
    assert (await failure(tools, raw_server("modern"), tool)).sent is sent


async def test_a_huge_answer_is_cut_and_says_so(tools: McpTools) -> None:
    quotes = 2
    cut = await call(tools, RAW, "huge", {"bytes": 3 * ANSWER_BYTES_MAX})
    assert (cut.truncated, cut.result_bytes) == (True, 3 * ANSWER_BYTES_MAX + quotes)
    assert set(cut.result) == {"x", "…"}
    assert len(cut.result.encode()) == untrusted.BEGINNING_BYTES_MAX - quotes
    whole = await call(tools, RAW, "huge", {"bytes": ANSWER_BYTES_MAX - quotes})
    assert (whole.truncated, whole.result_bytes) == (False, ANSWER_BYTES_MAX)
    assert whole.result == "x" * (ANSWER_BYTES_MAX - quotes)


async def test_a_message_beyond_all_limits_ends_the_session_only(tools: McpTools) -> None:
    error = await failure(tools, RAW, "huge", {"bytes": WIRE_BYTES_MAX * 3})
    assert (error.error_class, error.sent) == (ErrorClass.DOWNSTREAM, Sent.MAYBE)
    await call(tools, RAW, "echo")


async def test_other_output_is_ignored(tools: McpTools) -> None:
    assert await result(tools, RAW, "noise") == "done"


async def test_closing_leaves_no_process(tools: McpTools) -> None:
    before = children()
    said = await result(tools, RAW, "child")
    hanging = asyncio.ensure_future(failure(tools, RAW, "hang"))
    await asyncio.sleep(0.02)
    await tools.close()
    assert (await hanging).sent is Sent.MAYBE
    assert not alive(said["pid"])
    await until_dead(said["child"])
    assert children() <= before
    assert (await failure(tools, RAW, "echo")).sent is Sent.NOT_SENT


async def test_a_call_that_waits_for_its_place_while_all_is_closed_starts_nothing(
    tools: McpTools,
) -> None:
    before, server = children(), raw_server(concurrency_max=1)
    await call(tools, server, "echo")
    hanging = asyncio.ensure_future(failure(tools, server, "hang"))
    waiting = asyncio.ensure_future(failure(tools, server, "echo"))
    await asyncio.sleep(0.02)
    await tools.close()
    assert ((await hanging).sent, (await waiting).sent) == (Sent.MAYBE, Sent.NOT_SENT)
    assert children() <= before


async def test_closing_while_a_server_starts() -> None:
    tools, before = McpTools(), children()
    starting = asyncio.ensure_future(failure(tools, raw_server("mute"), "echo"))
    await asyncio.sleep(0.05)
    await tools.close()
    assert (await starting).sent is Sent.NOT_SENT
    assert children() <= before


async def test_a_stubborn_server_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stdio, "EXIT_SECONDS", 0.1)
    tools = McpTools()
    pid = (await result(tools, raw_server("stubborn"), "echo"))["pid"]
    await tools.close()
    await until_dead(pid)


async def until_dead(pid: int) -> None:
    until = time.monotonic() + 3
    while alive(pid):
        assert time.monotonic() < until
        await asyncio.sleep(0.01)


def test_storable_takes_anything() -> None:
    said = untrusted.storable({1: (10**4000, 10**20, math.inf, object), "x": {"y": b"z"}}).result
    assert said["1"][1:3] == ["100000000000000000000", "inf"]
    assert said["1"][0].startswith("0x")
