"""What Clearance adds to a tool call: the same tool, called directly, and proposed, decided,
carried out and recorded.

The tool does nothing, so all that is seen is what stands between. One caller; direct calls and
whole ones take turns.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.support.sample import TENANT

from bench.drive import Job, Measured, Timed, must_be, timed
from bench.execution import carried_out, working
from bench.stores import document
from clearance.flow.control import Control
from clearance.flow.ports.tools import ToolCall, Tools
from clearance.tools.function import FunctionTools
from clearance.tools.mcp import McpTools

SERVER = Path(__file__).with_name("instant_server.py")
DEADLINE_MS = 10_000
WARM_UP = 4
KINDS = ("function", "stdio", "http")


async def create_task(title: str, account: str, request_id: str) -> dict[str, bool]:
    """Does nothing."""
    return {"ok": bool(title and account and request_id)}


async def nothing_against_it() -> None:
    """Nothing speaks against sending a direct call."""


@contextlib.contextmanager
def http_server() -> Iterator[str]:
    """The URL of the server over HTTP, in a process of its own."""
    with subprocess.Popen(
        [sys.executable, str(SERVER), "http"], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            if process.stdout is None:
                raise RuntimeError(SERVER)
            yield f"http://127.0.0.1:{int(process.stdout.readline())}/mcp"
        finally:
            process.kill()


@contextlib.asynccontextmanager
async def tools_of(kind: str) -> AsyncIterator[tuple[Tools, Mapping[str, Any]]]:
    """The tool runner, and how the settings say where the tool is."""
    with contextlib.ExitStack() as ends:
        tools: Tools = McpTools()
        where: dict[str, Any] = {"command": [sys.executable, str(SERVER), "stdio"]}
        if kind == "http":
            where = {"url": ends.enter_context(http_server())}
        if kind == "function":
            tools = FunctionTools({"crm": {"create_task": create_task}})
        try:
            yield tools, where
        finally:
            await tools.close()


async def measure(job: Job) -> Measured:
    found: dict[str, Timed] = {}
    for kind in KINDS:
        found[f"{kind} direct"], found[f"{kind} through"] = await _both(job, kind)
    return found


async def _both(job: Job, kind: str) -> tuple[Timed, Timed]:
    direct: list[float] = []
    through: list[float] = []
    async with tools_of(kind) as (tools, where):
        settings = {
            **document(),
            "tool_servers": {"crm": {**where, "deadline_seconds": 10}},
            "tool_pins": {},
        }
        async with working(job, tools, settings) as (context, watching):
            control, server = (
                Control(context),
                (await context.fresh_settings(TENANT)).tool_servers["crm"],
            )

            async def call(number: int) -> None:
                arguments = {
                    "title": "Renewal call",
                    "account": "acme",
                    "request_id": f"direct-{number}",
                }
                one = ToolCall(
                    server, "create_task", arguments, f"direct-{number}", DEADLINE_MS, None
                )
                must_be(
                    (await tools.call(TENANT, one, nothing_against_it)).result,
                    {"ok": True},
                    "the tool's answer",
                )

            for number in range(-WARM_UP, job.operations):
                start = time.perf_counter()
                await call(number)
                middle = time.perf_counter()
                await carried_out(control, watching, "acme")
                end = time.perf_counter()
                if number >= 0:
                    direct.append(middle - start)
                    through.append(end - middle)
    return timed(sum(direct), direct), timed(sum(through), through)
