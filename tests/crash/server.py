"""A real server that kills itself with SIGKILL at one chosen point of the path, once the file `armed` is there.

`python -m tests.crash.server CONFIG DATA PORT POINT`, with POINT one of `commit:N:before`, `commit:N:after` (the Nth commit after
arming, before or after it is durable; nobody has heard of it yet), `tool:before`, `tool:after` (the call was not sent yet; it was
answered, and nothing recorded yet), or `never`.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

from clearance import profiles
from clearance.flow.ports import Cleared, ToolAnswer, ToolCall
from clearance.stores.group_commit import GroupCommit
from clearance.tools.mcp import McpTools


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class KillSwitch:
    """Counts the points that are passed, and dies at the chosen one."""

    def __init__(self, armed: Path, point: str) -> None:
        self.armed = armed
        kind, *rest = point.split(":")
        self.kind, self.when = kind, rest[-1] if rest else ""
        self.number = int(rest[0]) if kind == "commit" else 1
        self.passed = 0

    def counts(self, kind: str) -> bool:
        """True if this is the chosen commit or call."""
        if kind != self.kind or not self.armed.exists():
            return False
        self.passed += 1
        return self.passed == self.number

    def patch_commits(self) -> None:
        finish = GroupCommit._finish

        def finishing(writer: GroupCommit, group: list[Any]) -> bool:
            chosen = self.counts("commit")
            if chosen and self.when == "before":
                for unit in group:
                    writer._work(unit)
                die()
            done = finish(writer, group)
            if chosen:
                die()
            return done

        GroupCommit._finish = finishing  # type: ignore[method-assign]


class DyingTools(McpTools):
    """MCP tools around which the process may die."""

    switch: KillSwitch

    async def call(self, tenant_id: str, call: ToolCall, cleared: Cleared) -> ToolAnswer:
        chosen = self.switch.counts("tool")
        if chosen and self.switch.when == "before":
            die()
        answer = await super().call(tenant_id, call, cleared)
        if chosen:
            die()
        return answer


async def main(config: str, data: str, port: str, point: str) -> None:
    switch = KillSwitch(Path(data) / "armed", point)
    switch.patch_commits()
    tools = DyingTools()
    tools.switch = switch
    async with profiles.serving(Path(config), Path(data), "127.0.0.1", int(port), tools=tools) as up:
        print(up.url, flush=True)  # noqa: T201
        await up.ended.wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
