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


def children(process: int | None = None) -> set[int]:
    """Process ids of the tool servers that run here, and of keepers that keep none yet or no more;
    or of the children of another process.
    """
    found = _children(process or os.getpid())
    return found if process else set().union(*(_children(each) or {each} for each in found))


def descendants(process: int) -> set[int]:
    """Process ids of all that still are below a process."""
    found = _children(process)
    return found.union(*map(descendants, found))


def marked(mark: str) -> set[int]:
    """Process ids of everything that runs with this text in its environment."""
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if mark.encode() in (folder / "environ").read_bytes() and alive(int(folder.name)):
                found.add(int(folder.name))
    return found


def _children(process: int) -> set[int]:
    found = set()
    for of_thread in Path(f"/proc/{process}/task").glob("*/children"):
        with suppress(FileNotFoundError, ProcessLookupError):  # a thread that ended meanwhile
            found |= {int(pid) for pid in of_thread.read_text().split() if alive(int(pid))}
    return found
