"""The keeper of a tool server: it ends whatever the server started, stands in nobody's way, and is
gone with it.
"""

import asyncio
import contextlib
import os
import secrets
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from clearance.core.catalog import ToolServer
from clearance.core.outcome import Sent
from clearance.tools import keeper, program
from clearance.tools.mcp import McpTools
from tests.tools.support.calling import (
    HERE,
    alive,
    call,
    children,
    descendants,
    failure,
    marked,
    raw_server,
    result,
)

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(not program.KEPT, reason="only Linux has subreapers"),
]
GONE_SECONDS_MAX = 10.0
FAMILY_LEAST = 10  # five kinds, and a tree of seven


@pytest.fixture
def mark() -> str:
    return f"mark-{secrets.token_hex(8)}"


def with_family(mark: str, *words: str) -> ToolServer:
    server = raw_server(*words)
    command = (sys.executable, "-I", "-S", str(HERE / "family.py"), *server.command)
    return ToolServer("raw", command, environment={"MARK": mark})


def go_on(process: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, signal.SIGCONT)


def gone(mark: str) -> bool:
    """True once nothing is left, looked at again: a process that hops can be missed once."""
    until = time.monotonic() + GONE_SECONDS_MAX
    empty = 0
    while empty < 5 and time.monotonic() < until:
        empty = empty + 1 if not marked(mark) else 0
        time.sleep(0.02)
    return empty == 5


@pytest.mark.parametrize("how", ["close", "die", "kill-server", "stop-keeper", "stubborn"])
async def test_whatever_a_server_started_ends_with_it(
    mark: str, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clearance.tools.stdio.EXIT_SECONDS", 0.3)
    tools, before = McpTools(), children()
    server = with_family(mark, "stubborn" if how == "stubborn" else "")
    pid = (await result(tools, server, "echo"))["pid"]
    assert len(marked(mark)) >= FAMILY_LEAST
    if how == "die":
        assert (await failure(tools, server, "die")).sent is Sent.MAYBE
    if how == "kill-server":
        os.kill(pid, signal.SIGKILL)
    if how == "stop-keeper":
        [kept_by] = [each for each in children(os.getpid()) if pid in children(each)]
        os.kill(kept_by, signal.SIGSTOP)
        # Whatever happens here, it goes on in the end: it has a family that forks for ever
        later = threading.Timer(2 * GONE_SECONDS_MAX, go_on, [kept_by])
        later.daemon = True
        later.start()
    if how in {"close", "stop-keeper", "stubborn"}:
        await tools.close()
    assert await asyncio.to_thread(gone, mark)
    await tools.close()
    assert children() <= before


async def test_a_keeper_that_is_killed_takes_the_server_with_it(tools: McpTools, mark: str) -> None:
    pid = (await result(tools, raw_server(environment={"MARK": mark}), "echo"))["pid"]
    [kept_by] = [each for each in children(os.getpid()) if pid in children(each)]
    os.kill(kept_by, signal.SIGKILL)
    assert await asyncio.to_thread(gone, mark)
    assert "pid" in await result(tools, raw_server(environment={"MARK": mark}), "echo")


def test_the_end_of_the_thread_that_started_it_ends_nobody(mark: str) -> None:
    loop, tools, said = asyncio.new_event_loop(), McpTools(), []

    def start() -> None:
        server = raw_server(environment={"MARK": mark})
        said.append(loop.run_until_complete(result(tools, server, "echo")))

    thread = threading.Thread(target=start)
    thread.start()
    thread.join()
    time.sleep(0.3)
    assert alive(said[0]["pid"])
    again = raw_server(environment={"MARK": mark})
    assert loop.run_until_complete(result(tools, again, "echo"))["pid"] == said[0]["pid"]
    loop.run_until_complete(tools.close())
    loop.close()
    assert gone(mark)


async def test_a_signal_for_the_keeper_reaches_the_server_once(
    tools: McpTools, tmp_path: Path
) -> None:
    script = (
        f"trap 'echo hup >>{tmp_path}/heard' HUP; {' '.join(raw_server().command)} <&0 & "
        f"while kill -0 $!; do wait $!; done"
    )
    server = ToolServer("raw", ("sh", "-c", f"exec 3<&0; {script.replace('<&0', '<&3')}"))
    pid = (await result(tools, server, "echo"))["pid"]
    [kept_by] = [each for each in children(os.getpid()) if pid in descendants(each)]
    os.kill(kept_by, signal.SIGHUP)
    for _ in range(100):
        if (tmp_path / "heard").exists() and not alive(pid):
            break
        await asyncio.sleep(0.02)
    assert not alive(pid), "it is for the whole group"
    assert (tmp_path / "heard").read_text() == "hup\n"


async def test_the_server_starts_as_if_nobody_stood_between(tools: McpTools) -> None:
    """No file, no signal and no variable of the keeper is left to it."""
    script = (
        "ls -l /proc/self/fd >&2; grep -E 'Sig(Ign|Blk)|NoNewPrivs' /proc/self/status >&2; "
        "cat /proc/$$/environ | tr '\\0' ';' >&2; exit 3"
    )
    plain = await asyncio.create_subprocess_exec(
        "sh", "-c", script, stderr=-1, stdin=-1, stdout=-1, start_new_session=True, env={"A": "é"}
    )
    _, expected = await plain.communicate()
    command = ("sh", "-c", script)
    async with program.running("raw", command, {"A": "é"}, line_bytes_max=1 << 16) as running:
        assert await running.ended_within(GONE_SECONDS_MAX)
        seen = await running.stderr.read()
        assert running.exit_code == 3
    assert shape(seen) == shape(expected)


def shape(lines: bytes) -> list[str]:
    """Which files are open (`ls` has one for its folder), and what else was written."""
    return [
        line.split(" -> ")[0].split()[-1] if " -> " in line else line
        for line in lines.decode().splitlines()
        if not line.startswith("total")
    ]


async def test_starting_and_ending_leaves_no_file_open_here() -> None:
    async def once() -> None:
        tools = McpTools()
        await call(tools, raw_server(), "echo")
        await failure(tools, ToolServer("none", ("no-such-program",)), "echo")
        await tools.close()

    await once()
    before = files()
    for _ in range(5):
        await once()
    assert files() <= before


def files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.parametrize("moment", [0.0, 0.005, 0.02, 0.05])
async def test_a_start_that_is_given_up_leaves_nothing(mark: str, moment: float) -> None:
    async def start() -> None:
        async with program.running(
            "raw", with_family(mark).command, {"MARK": mark}, line_bytes_max=1 << 16
        ):
            await asyncio.sleep(60)

    before = children()
    starting = asyncio.create_task(start())
    await asyncio.sleep(moment)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert await asyncio.to_thread(gone, mark)
    await asyncio.sleep(0.05)
    assert children() <= before


async def test_the_keeper_shows_no_command_and_no_variable(tools: McpTools) -> None:
    server = ToolServer(
        "raw", (*raw_server().command, "--key=s3cr3t-word"), environment={"T": "s3cr3t-value"}
    )
    pid = (await result(tools, server, "echo"))["pid"]
    [kept_by] = [each for each in children(os.getpid()) if pid in children(each)]
    folder = Path(f"/proc/{kept_by}")
    shown = (folder / "cmdline").read_bytes() + (folder / "environ").read_bytes()
    assert b"s3cr3t" not in shown
    assert (folder / "cmdline").read_bytes().endswith(b"\0raw\0"), "people see whose keeper it is"
    streams = [(folder / "fd" / str(number)).readlink() for number in range(3)]
    assert set(streams) == {Path(os.devnull)}


def test_children_are_found_where_the_kernel_has_no_list(monkeypatch: pytest.MonkeyPatch) -> None:
    child = os.fork()
    if not child:
        time.sleep(60)
        os._exit(0)
    try:
        listed = keeper._children()
        monkeypatch.setattr(keeper, "open", refuse_list, raising=False)
        assert child in listed
        assert set(keeper._children()) == set(listed)
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def refuse_list(path: str, mode: str) -> object:
    if path.endswith("/children"):
        raise FileNotFoundError(path)
    return Path(path).open(mode)
