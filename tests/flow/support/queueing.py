"""What the queue's tests share: a shop with room, processes that approve and that work, and looks
into the queue itself.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import psycopg

from clearance.core.principal import Role
from clearance.engines.queue.hints import Hints
from clearance.engines.queue.procrastinate import Queue
from clearance.flow.context import Context
from clearance.flow.control import Control
from clearance.flow.ports.due import Due
from clearance.flow.ports.tools import ToolCall
from tests.support import sample
from tests.support.sample import TENANT, RecordingTools, principal_of, task
from tests.support.world import World

WAIT_SECONDS = 30
ROOM = [{"max_per_day": 100_000, "zone": "UTC"}]


def document(places: int) -> dict[str, Any]:
    made = sample.document(budgets=ROOM)
    made["tool_servers"]["crm"]["concurrency_max"] = places
    return made


@contextlib.asynccontextmanager
async def approving(world: World, conninfo: str) -> AsyncIterator[Control]:
    """A process of doors: what it approves, it hints."""
    queue = Queue(conninfo)
    context = Context(world.store, world.tools, queue, world.clock)
    async with queue.open(context):
        yield Control(context)


@contextlib.asynccontextmanager
async def working(
    world: World, conninfo: str, *, concurrency: int = 16, tools: RecordingTools | None = None
) -> AsyncIterator[Queue]:
    """A worker, from when it is ready until the block ends; then it drains."""
    queue, stopped = Queue(conninfo, concurrency=concurrency), asyncio.Event()
    context = Context(world.store, tools or world.tools, queue, world.clock)
    async with queue.open(context):
        running = asyncio.create_task(queue.run(context, stopped))
        try:
            await until(queue.ready)
            yield queue
        finally:
            stopped.set()
            await running


async def until(holds: Callable[[], bool]) -> None:
    """Waits for something that sets no event."""
    async with asyncio.timeout(WAIT_SECONDS):
        while not holds():
            await asyncio.sleep(0.005)


def asked(conninfo: str, statement: str, *values: object) -> list[Any]:
    """What the database says; the one column of each row, or the row."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        cursor = connection.execute(statement, values)  # type: ignore[arg-type]
        rows = cursor.fetchall() if cursor.description else []
        return [row[0] if len(row) == 1 else row for row in rows]


def waiting(conninfo: str) -> list[str]:
    """The intents that have a job, first in turn first."""
    return asked(
        conninfo,
        "SELECT args->>'action_intent_id' FROM clearance_queue.procrastinate_jobs ORDER BY "
        "priority DESC, id",
    )


async def propose(world: World, names: list[str], tenant_id: str = TENANT) -> None:
    """Approved intents that nobody is told of."""
    agent = principal_of(tenant_id, "agent", Role.AGENT)
    for name in names:
        await world.propose(task(name), agent)


async def hint(world: World, conninfo: str, dues: list[Due]) -> None:
    hints = Hints(conninfo)
    running = asyncio.create_task(hints.run(world.context))
    for due in dues:
        hints.add(due)
    async with asyncio.timeout(WAIT_SECONDS):
        await hints.flushed()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


class Line:
    """A tool that notes which of its calls are under way at once, and may hold them."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.now = self.most = 0
        self.opened = asyncio.Event()
        if seconds >= 0:
            self.opened.set()
        self._seconds = seconds
        self.tools = RecordingTools(behave=self.behave)

    async def behave(self, call: ToolCall) -> dict[str, bool]:
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            await self.opened.wait()
            await asyncio.sleep(max(self._seconds, 0))
        finally:
            self.now -= 1
        return {"ok": True}


# Looks into the queue, without a worker


def defer(
    conninfo: str,
    tenant_id: str,
    names: Sequence[str],
    *,
    places: int = 64,
    by_person: bool = False,
) -> int:
    """Queues jobs in one lane of the tenant; how many were new."""
    count = len(names)
    rows = (
        [tenant_id] * count,
        list(names),
        [f"lane-{tenant_id}"] * count,
        [places] * count,
        [by_person] * count,
    )
    return asked(
        conninfo, "SELECT clearance_queue.defer_hints(%s, %s, %s, %s::integer[], %s)", *rows
    )[0]


def new_worker(conninfo: str, seconds_ago: int = 0) -> int:
    """A worker whose last sign of life is so long ago."""
    return asked(
        conninfo,
        "INSERT INTO clearance_queue.procrastinate_workers (last_heartbeat) "
        "VALUES (now() - make_interval(secs => %s)) RETURNING id",
        seconds_ago,
    )[0]


def fetch(conninfo: str, worker: int) -> str | None:
    """The intent of the job that is next, which is under way then; None if none has a place."""
    found = asked(
        conninfo, "SELECT args->>'action_intent_id' FROM clearance_queue.fetch_next(%s)", worker
    )
    return found[0] if found else None


def terminate(conninfo: str) -> int:
    """Ends every connection of the queue's; how many there were."""
    return asked(
        conninfo,
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
        "WHERE datname = current_database() AND application_name = 'clearance-queue'",
    )[0]
