"""Calls of tools in one line, the servers to call, and whether their processes live."""

import os
import subprocess
import sys
from collections.abc import Awaitable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from clearance.core.catalog import ToolServer
from clearance.core.outcome import CallError
from clearance.flow.ports.tools import ToolAnswer, ToolCall, ToolCallFailed, Tools

HERE = Path(__file__).parent


@contextmanager
def real_http_process() -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A real HTTP server in a process of its own, and its address."""
    command = [sys.executable, str(HERE / "real_http.py")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process, f"http://127.0.0.1:{int(process.stdout.readline())}/mcp"
        finally:
            process.kill()


def raw_server(mode: str = "", *words: str, **more: Any) -> ToolServer:
    """The hostile stdio server; `-I` and `-S` make it start at once."""
    command = (sys.executable, "-I", "-S", str(HERE / "raw_server.py"), mode, *words)
    return ToolServer("raw", command, **more)


async def cleared() -> None:
    """Nothing speaks against sending."""


def call(
    tools: Tools,
    server: ToolServer,
    tool: str,
    arguments: Mapping[str, Any] | None = None,
    *,
    deadline_ms: int = 10_000,
    schema_digest: str | None = None,
    tenant_id: str = "northwind",
) -> Awaitable[ToolAnswer]:
    return tools.call(
        tenant_id,
        ToolCall(server, tool, arguments or {}, "ik_test", deadline_ms, schema_digest),
        cleared,
    )


async def result(*arguments: Any, **more: Any) -> Any:
    return (await call(*arguments, **more)).result


async def failure(*arguments: Any, **more: Any) -> CallError:
    with pytest.raises(ToolCallFailed) as raised:
        await call(*arguments, **more)
    assert str(raised.value) == raised.value.error.sentence
    assert len(raised.value.error.sentence) <= 300
    assert raised.value.error.sentence.isprintable()
    return raised.value.error


def alive(pid: int) -> bool:
    """True while a process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def children() -> set[int]:
    """Process ids of our children that run."""
    found = set()
    for task in Path(f"/proc/{os.getpid()}/task").iterdir():
        with suppress(FileNotFoundError, ProcessLookupError):  # a thread that ended meanwhile
            found |= {
                int(pid) for pid in (task / "children").read_text().split() if alive(int(pid))
            }
    return found
