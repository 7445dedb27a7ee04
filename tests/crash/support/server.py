"""The command line in a process that kills itself with SIGKILL at one chosen point of the path,
once a file is there.

`python -m tests.crash.support.server ARMED POINT CLEARANCE-COMMAND...`, with ARMED the file's path
and POINT one of `commit:N:before`, `commit:N:after` (the Nth commit of a transition after arming,
before or after it is durable; nobody has heard of it yet), `commit:N:sent` (on PostgreSQL: the
transaction is on its way, and nobody waits for its end), `stop:N:after` (on PostgreSQL: the same of
a stop and of the entries of its receipt), `tool:before`, `tool:after` (the call was
not sent yet; it was answered, and nothing recorded yet), or `never`. What the environment of
`tests.crash.support.process` asks for holds here too."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from clearance.cli.main import main
from clearance.flow.ports.settings import SettingsChange
from clearance.flow.ports.tools import Cleared, ToolAnswer, ToolCall
from clearance.stores.postgres.store import PostgresStore
from clearance.stores.sqlite.group_commit import GroupCommit
from clearance.tools.mcp import McpTools
from tests.crash.support.process import torture

ON_ITS_WAY_SECONDS = (
    0.002  # until a statement has left, and its transaction may or may not have ended
)


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class KillSwitch:
    """Counts the points that are passed, and dies at the chosen one."""

    def __init__(self, armed: Path, point: str) -> None:
        self.armed = armed
        kind, *rest = point.split(":")
        self.kind, self.when = kind, rest[-1] if rest else ""
        self.number = int(rest[0]) if kind in {"commit", "stop"} else 1
        self.passed = 0

    def counts(self, kind: str) -> bool:
        """True if this is the chosen commit or call."""
        if kind != self.kind or not self.armed.exists():
            return False
        self.passed += 1
        return self.passed == self.number

    def patch(self) -> None:
        """Puts the switch around every commit of a transition, and around the tool call."""
        self._patch_sqlite()
        self._patch_postgres()
        self._patch_stops()
        self._patch_tools()

    def _patch_sqlite(self) -> None:
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

    def _patch_postgres(self) -> None:
        transition = PostgresStore._transition

        async def committing(
            store: PostgresStore, tenant_id: str, units: Sequence[dict[str, Any]]
        ) -> Sequence[Any]:
            chosen = self.counts("commit")
            if chosen and self.when == "before":
                die()
            if chosen and self.when == "sent":
                asyncio.get_running_loop().call_later(ON_ITS_WAY_SECONDS, die)
            answers = await transition(store, tenant_id, units)
            if chosen:
                die()
            return answers

        PostgresStore._transition = committing  # type: ignore[method-assign]

    def _patch_stops(self) -> None:
        configure, move = PostgresStore.configure, PostgresStore.move_stop

        async def configuring(store: PostgresStore, change: SettingsChange) -> Any:
            answer = await configure(store, change)
            if change.stop is not None and self.counts("stop"):
                die()
            return answer

        async def moving(store: PostgresStore, *values: Any) -> Any:
            answer = await move(store, *values)
            if self.counts("stop"):
                die()
            return answer

        PostgresStore.configure = configuring  # type: ignore[method-assign]
        PostgresStore.move_stop = moving  # type: ignore[method-assign]

    def _patch_tools(self) -> None:
        call = McpTools.call

        async def calling(
            tools: McpTools, tenant_id: str, one: ToolCall, cleared: Cleared
        ) -> ToolAnswer:
            chosen = self.counts("tool")
            if chosen and self.when == "before":
                die()
            answer = await call(tools, tenant_id, one, cleared)
            if chosen:
                die()
            return answer

        McpTools.call = calling  # type: ignore[method-assign]


def run(arguments: Sequence[str]) -> None:
    """Becomes the command line, with the switch in it. Ends with SystemExit."""
    armed, point, *command = arguments
    torture()
    KillSwitch(Path(armed), point).patch()
    sys.argv[1:] = command
    main()


if __name__ == "__main__":
    run(sys.argv[1:])
