"""Tool servers that cannot start: the sentence says which, by its command and its last words and
without a secret, and they are not started again for every call.
"""

import asyncio
import os
import signal
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from clearance.core.catalog import ToolServer
from clearance.core.outcome import CallError, ErrorClass, Sent
from clearance.flow.ports.tools import ToolCallFailed
from clearance.tools import backoff, stdio
from clearance.tools.answers import COMMAND_LENGTH_MAX
from clearance.tools.mcp import McpTools
from tests.tools.support.calling import alive, call, children, failure, raw_server, result
from tests.tools.support.raw_http import RawHttpServer

pytestmark = pytest.mark.anyio
SECRET = "s3cr3t-first-line\ns3cr3t-second-line"


def shell(script: str, **more: str) -> ToolServer:
    return ToolServer("raw", ("sh", "-c", script), environment=more, secrets=tuple(more))


@pytest.mark.parametrize(
    ("server", "sentence"),
    [
        (
            ToolServer("raw", ("pythn", "a b.py")),
            "(pythn 'a b.py') could not be started: No such file or directory.",
        ),
        (ToolServer("raw", ("a\x00b",)), "('a b') could not be started: Invalid argument."),
        (ToolServer("raw"), "raw could not be started: Invalid argument."),
        (shell("exit 0"), "(sh -c 'exit 0') ended before it was ready with exit code 0."),
        *(
            (
                shell(f"kill -{n} $$"),
                f"(sh -c 'kill -{n} $$') ended before it was ready by signal {n}.",
            )
            for n in (1, 9, 11, 15)
        ),
        (
            shell("echo one; printf 'two\\nthree\\n\\nfo\\033[31mur' >&2; exit 7"),
            " ended before it was ready with exit code 7: two / three / fo [31mur",
        ),
        (
            shell("printf '%s, it says' \"$TOKEN\" >&2; exit 1", TOKEN=SECRET),
            " ended before it was ready with exit code 1: *** / ***, it says",
        ),
    ],
)
async def test_a_server_that_does_not_start_is_named_with_its_last_words(
    tools: McpTools, server: ToolServer, sentence: str, capfd: pytest.CaptureFixture[str]
) -> None:
    error = await failure(tools, server, "echo")
    assert (error.error_class, error.sent) == (ErrorClass.DOWNSTREAM, Sent.NOT_SENT)
    assert error.sentence.startswith("The tool server raw ")
    assert error.sentence.endswith(sentence)
    with pytest.raises(ToolCallFailed, match=r"It is started again in 1 second\.$"):
        await tools.describe("northwind", server)
    assert "s3cr3t" not in "".join(capfd.readouterr()) + error.sentence


async def test_a_server_that_ends_when_it_is_asked_for_its_tools_is_named_too(
    tools: McpTools,
) -> None:
    error = await failure(tools, raw_server("crash-list"), "echo")
    assert (error.error_class, error.sent) == (ErrorClass.DOWNSTREAM, Sent.NOT_SENT)
    assert error.sentence.endswith(
        ") ended before it listed its tools with exit code 1: the index is broken"
    )


async def test_long_commands_and_long_last_words_leave_room_for_each_other(
    tools: McpTools, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Its secret stands across two reads, and its last line is the one that says why."""
    monkeypatch.setattr(stdio, "READ_BYTES", 1_000)
    monkeypatch.setenv("CLEARANCE_TEST_TOKEN", "s3cr3t-value")
    script = """import os, sys
sys.stderr.write("".join("x" * n + os.environ["TOKEN"] + chr(10) for n in range(950, 1000)))
sys.exit("the " + "very " * 40 + "last word")"""
    server = ToolServer(
        "raw",
        (sys.executable, "-c", script, "--key=${CLEARANCE_TEST_TOKEN}", "y" * 500),
        environment={"TOKEN": "${CLEARANCE_TEST_TOKEN}"},
    )
    error = await failure(tools, server, "echo")
    assert error.sentence.endswith(" very very last word")
    assert " ended before it was ready with exit code 1: …" in error.sentence
    assert 0 < error.sentence.index(") ended") - error.sentence.index("(") <= COMMAND_LENGTH_MAX + 1
    assert "s3cr3t" not in "".join(capfd.readouterr())


async def test_a_server_that_cannot_start_is_not_started_for_every_call(
    tools: McpTools, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backoff, "START_PAUSE_SECONDS", 0.05)
    good = " ".join(raw_server().command)
    server = shell(f"echo x >>{tmp_path}/starts; test -e {tmp_path}/ok && exec {good}; exit 3")

    def starts() -> int:
        return (tmp_path / "starts").read_text().count("x")

    until = time.monotonic() + 0.8
    calls = 0
    while time.monotonic() < until:
        errors = await asyncio.gather(*(failure(tools, server, "echo") for _ in range(4)))
        assert {error.sent for error in errors} == {Sent.NOT_SENT}
        calls += len(errors)
        await asyncio.sleep(0.01)
    assert calls > 30
    assert 4 <= starts() <= 10  # twice for each try: in the protocol of today, and as of 2025

    (tmp_path / "ok").touch()
    await asyncio.sleep(1.7)  # more than the sixth pause
    pid = (await result(tools, server, "echo"))["pid"]
    before = starts()
    os.kill(pid, signal.SIGKILL)
    await asyncio.sleep(0.1)
    assert (await result(tools, server, "echo"))["pid"] != pid, (
        "one that worked is replaced at once"
    )
    assert starts() == before + 1
    (tmp_path / "ok").unlink()
    await failure(tools, server, "die")
    assert "again in 1 second" not in (await failure(tools, server, "echo")).sentence
    assert "again in 1 second" in (await failure(tools, server, "echo")).sentence


def test_a_pause_ends_at_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    failure = CallError(ErrorClass.DOWNSTREAM, "It is broken.", Sent.NOT_SENT)
    now = 0.0
    monkeypatch.setattr(backoff, "time", SimpleNamespace(monotonic=lambda: now))
    starts, pauses = backoff.Backoff(), []
    for trial in range(2_000):
        starts.check()
        starts.begun(trial)
        for _ in range(3):  # as many as waited for it
            starts.failed(trial, failure)
        pauses.append(starts._until - now)
        now = starts._until - 0.01
        with pytest.raises(ToolCallFailed):
            starts.check()
        now += 0.02
    assert pauses[:5] == pytest.approx([0.2, 0.4, 0.8, 1.6, 3.2])
    assert pauses[9:] == pytest.approx([backoff.START_PAUSE_SECONDS_MAX] * 1_991)


async def test_a_connection_is_tried_again_at_every_call(
    tools: McpTools, raw_http: RawHttpServer
) -> None:
    server = ToolServer("raw", url=f"http://{raw_http.address}/mcp")
    raw_http.handshake_status = 503
    for _ in range(3):
        await failure(tools, server, "echo")
    raw_http.handshake_status = 200
    await call(tools, server, "echo")


PROGRAM = """import os
from mcp.server.mcpserver import MCPServer

server = MCPServer("shop", log_level="ERROR")


@server.tool()
def pay(order: str{parameters}) -> dict[str, int]:
    return {{"pid": os.getpid()}}


{more}
server.run()
"""


class Changing:
    """A server program that changes while a runner has it running."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.server = ToolServer("shop", (sys.executable, str(path)))

    async def becomes(self, parameters: str = "", more: str = "") -> dict[str, str]:
        """The program is another one, which a person looks at and pins."""
        self.path.write_text(PROGRAM.format(parameters=parameters, more=more))
        looking = McpTools()
        offered = await looking.describe("northwind", self.server)
        await looking.close()
        return {name: tool.schema_digest for name, tool in offered.tools.items()}


async def test_a_pin_that_is_newer_than_the_process_starts_the_program_again_once(
    tools: McpTools, tmp_path: Path
) -> None:
    changing = Changing(tmp_path / "shop.py")
    server, order = changing.server, {"order": "A-1"}
    first = (await changing.becomes())["pay"]
    old = (await result(tools, server, "pay", order, schema_digest=first))["pid"]
    assert (await result(tools, server, "pay", order, schema_digest=first))["pid"] == old

    second = (await changing.becomes(", express: bool = False"))["pay"]
    calls = [call(tools, server, "pay", order, schema_digest=second) for _ in range(4)]
    pids = {answer.result["pid"] for answer in await asyncio.gather(*calls)}
    assert len(pids) == 1, "all calls that found the old process share the new one"
    assert old not in pids
    assert not alive(old)

    assert (await changing.becomes())["pay"] == first  # back to what it was
    again = (await result(tools, server, "pay", order, schema_digest=first))["pid"]
    assert again not in {old, *pids}

    refund = "@server.tool()\ndef refund(order: str) -> dict[str, int]:\n    return pay(order)\n"
    pins = await changing.becomes(more=refund)
    last = (await result(tools, server, "refund", order, schema_digest=pins["refund"]))["pid"]
    assert last != again, "a tool that the old process did not have"


async def test_a_pin_that_no_process_agrees_with_is_refused_and_starts_nothing_for_ever(
    tools: McpTools, tmp_path: Path
) -> None:
    changing = Changing(tmp_path / "shop.py")
    server, order = changing.server, {"order": "A-1"}
    pin = (await changing.becomes(", express: bool = False"))["pay"]
    now = (await changing.becomes())["pay"]
    others = children()  # of this process, which may have run other tests
    first = (await result(tools, server, "pay", order, schema_digest=now))["pid"]
    error = await failure(tools, server, "pay", order, schema_digest=pin)
    assert (error.code, error.sent) == ("TOOL_SCHEMA_CHANGED", Sent.NOT_SENT)
    assert error.sentence.endswith("then apply with --repin shop.pay.")
    for _ in range(100):  # the one before may take a moment to end
        if len(children() - others) == 1:
            break
        await asyncio.sleep(0.1)
    [process] = children() - others
    assert process != first
    for _ in range(2):
        assert (await failure(tools, server, "pay", order, schema_digest=pin)).code == error.code
        assert children() - others == {process}, "once was enough"
