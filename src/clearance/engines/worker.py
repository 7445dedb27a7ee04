"""The embedded engine: asyncio tasks in the server's process, woken at once, bounded, and drained
before the process ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections import deque
from collections.abc import Coroutine, Iterable, Iterator
from typing import Any, TypeAlias

import structlog

from clearance.core.errors import Refusal
from clearance.engines.lanes import Lane, Lines, lane_of
from clearance.flow import execute
from clearance.flow.context import Context
from clearance.flow.ports.due import Due
from clearance.flow.sweep import Sweeper

CONCURRENCY_DEFAULT = 16  # executions at once
WAITING_MAX = 10_000  # hints that wait; one more is dropped: the sweep finds its intent again
LINE_MAX = 1_000  # intents in the line of one tool server; one more is dropped as well
SWEEP_SECONDS = 1.0
DRAIN_SECONDS = 30.0  # how long executions may take to end when the process is asked to

Key: TypeAlias = tuple[str, str]
"""The tenant and the id of an intent."""

_log = structlog.get_logger(__name__)


def _key(due: Due) -> Key:
    return due.tenant_id, due.action_intent_id


class Worker:
    """Carries out approved intents.

    One per process; its name is new with each start, so old leases are not its own. A hinted intent
    waits in the line of its tool server, and is claimed once it has a place there.
    """

    def __init__(self, *, concurrency: int = CONCURRENCY_DEFAULT) -> None:
        self.name = f"worker-{secrets.token_hex(6)}"
        self._concurrency = concurrency
        self._known: set[Key] = set()  # all that waits or is under way
        self._hinted: deque[Due] = deque()
        self._lines = Lines()
        self._placed: deque[tuple[Due, Lane]] = deque()
        self._busy: set[Key] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._woken = asyncio.Event()
        self._context: Context | None = None

    def hint(self, due: Due) -> None:
        """Queues an intent unless it is queued or under way; drops it if too many wait."""
        key = _key(due)
        if key not in self._known and len(self._hinted) < WAITING_MAX:
            self._known.add(key)
            self._hinted.append(due)
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
        """Finds the lines of what was hinted, and starts what has a place, as far as the bound
        allows.
        """
        while len(self._tasks) < self._concurrency and self._context is not None:
            if self._hinted:
                due = self._hinted.popleft()
                self._spawn(due, self._line_up(self._context, due))
            elif self._placed:
                due, lane = self._placed.popleft()
                self._spawn(due, self._carry_on(self._context, due, lane))
            else:
                return

    def _spawn(self, due: Due, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(self._guarded(due, work))
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._woken.set()

    async def _guarded(self, due: Due, work: Coroutine[Any, Any, None]) -> None:
        """Nothing that happens to one intent may end the worker; the sweep finds any work left
        undone.
        """
        name = due.action_intent_id
        try:
            await work
        except Refusal as refusal:
            self._known.discard(_key(due))
            _log.warning("execution put off", code=refusal.code, action_intent_id=name)
        except Exception:
            self._known.discard(_key(due))
            _log.exception("execution failed", action_intent_id=name)

    async def _line_up(self, context: Context, due: Due) -> None:
        """Puts an intent into the line of its tool server; drops it if that is too long."""
        lane = lane_of(await context.last_settings(due.tenant_id), due)
        if self._lines.waiting(lane) < LINE_MAX:
            self._serve(lane, self._lines.join(lane, due))
        else:
            self._known.discard(_key(due))

    def _serve(self, lane: Lane, served: Iterable[Due]) -> None:
        """These have a place now."""
        self._placed.extend((due, lane) for due in served)
        self._woken.set()

    async def _carry_on(self, context: Context, due: Due, lane: Lane) -> None:
        """Claims, calls and records; the place is another one's as soon as the call is over."""
        started = None
        with self._under_way(due):
            try:
                started = await execute.take_up(
                    context, due.tenant_id, due.action_intent_id, self.name, alone=True
                )
                if started is not None:
                    outcome, tries = await execute.invoke(context, started)
            finally:
                self._serve(lane, self._lines.leave(lane))
            if started is not None:
                await execute.record(context, started, outcome, tries=tries)

    @contextlib.contextmanager
    def _under_way(self, due: Due) -> Iterator[None]:
        key = _key(due)
        self._busy.add(key)
        try:
            yield
        finally:
            self._busy.discard(key)
            self._known.discard(key)

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
