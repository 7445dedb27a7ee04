"""The embedded engine: asyncio tasks in the server's process, woken at once, bounded, and drained
before the process ends.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import OrderedDict
from collections.abc import Coroutine
from typing import Any

import structlog

from clearance.core.errors import Refusal
from clearance.flow import execute
from clearance.flow.context import Context
from clearance.flow.ports.due import Due
from clearance.flow.sweep import Sweeper

CONCURRENCY_DEFAULT = 16  # executions at once
WAITING_MAX = 10_000  # hints that wait; one more is dropped: the sweep finds its intent again
SWEEP_SECONDS = 1.0
DRAIN_SECONDS = 30.0  # how long executions may take to end when the process is asked to

_log = structlog.get_logger(__name__)


class Worker:
    """Carries out approved intents.

    One per process; its name is new with each start, so old leases are not its own.
    """

    def __init__(self, *, concurrency: int = CONCURRENCY_DEFAULT) -> None:
        self.name = f"worker-{secrets.token_hex(6)}"
        self._concurrency = concurrency
        self._waiting: OrderedDict[tuple[str, str], None] = OrderedDict()
        self._busy: set[tuple[str, str]] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._woken = asyncio.Event()
        self._context: Context | None = None

    def hint(self, due: Due) -> None:
        """Queues an intent unless it is queued or under way; drops it if too many wait."""
        key = (due.tenant_id, due.action_intent_id)
        if key not in self._busy and len(self._waiting) < WAITING_MAX:
            self._waiting.setdefault(key)
            self._woken.set()

    async def run(self, context: Context, stopped: asyncio.Event) -> None:
        """Works until `stopped` is set, then finishes what is under
        way, for at most DRAIN_SECONDS.
        """
        self._context = context
        sweeper = asyncio.create_task(
            self._sweep(Sweeper(context, self.name, alone=True, under_way=self._busy))
        )
        stopping = asyncio.create_task(stopped.wait())
        try:
            while not stopped.is_set():
                self._begin()
                woken = asyncio.create_task(self._woken.wait())
                await asyncio.wait({woken, stopping}, return_when=asyncio.FIRST_COMPLETED)
                woken.cancel()
                self._woken.clear()
        finally:
            sweeper.cancel()
            stopping.cancel()
            await self._drain()
            await asyncio.gather(sweeper, stopping, return_exceptions=True)

    def _begin(self) -> None:
        """Starts waiting intents, as far as the bound allows."""
        while self._waiting and len(self._tasks) < self._concurrency:
            key, _ = self._waiting.popitem(last=False)
            self._busy.add(key)
            self._spawn(key, self._carry_on(*key))

    def _spawn(self, key: tuple[str, str], work: Coroutine[Any, Any, object]) -> None:
        task = asyncio.create_task(self._guarded(key, work))
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._woken.set()

    async def _guarded(self, key: tuple[str, str], work: Coroutine[Any, Any, object]) -> None:
        """Nothing that happens to one intent may end the worker; the sweep finds any work left
        undone.
        """
        try:
            await work
        except Refusal as refusal:
            _log.warning("execution put off", code=refusal.code, action_intent_id=key[1])
        except Exception:
            _log.exception("execution failed", action_intent_id=key[1])
        finally:
            self._busy.discard(key)

    async def _carry_on(self, tenant_id: str, action_intent_id: str) -> None:
        if self._context is not None:
            await execute.carry_on(
                self._context, tenant_id, action_intent_id, self.name, alone=True
            )

    async def _sweep(self, sweeper: Sweeper) -> None:
        """Sweeps for ever. Intents that a dead worker left wait in the same line as all others."""
        while True:
            try:
                for due in (await sweeper.find()).dead:
                    self.hint(due)
            except Refusal as refusal:
                _log.warning("sweep put off", code=refusal.code)
            except Exception:
                _log.exception("sweep failed")
            await asyncio.sleep(SWEEP_SECONDS)

    async def _drain(self) -> None:
        """Waits for what is under way.

        What takes too long stays RUNNING: only the next start's sweep may say what became of it.
        """
        try:
            if self._tasks:
                await asyncio.wait(self._tasks, timeout=DRAIN_SECONDS)
        # Also if the wait itself is cancelled: no task may see the tools close, and take that for
        # an answer
        finally:
            late = list(self._tasks)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
