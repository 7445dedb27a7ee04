"""From the proposal to the recorded outcome of a tool that answers at once: three transactions,
three entries.

Each caller waits for the outcome before it proposes again. On SQLite the embedded worker carries
out what is approved; on PostgreSQL the queue does, in the process that proposes too: what is
approved becomes a job, and a worker fetches it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

from tests.support.sample import AGENT, TENANT, task

from bench.drive import ACCOUNTS_SPREAD, Job, Measured, Timed, drive, must_be
from bench.stores import InstantTools, configure, document, new_store
from bench.watching import Watching
from clearance.clock import SystemClock
from clearance.engines.worker import Worker
from clearance.flow.context import Context
from clearance.flow.control import Control
from clearance.flow.ports.engine import Engine
from clearance.flow.ports.tools import Tools

READY_SECONDS = 30


@contextlib.asynccontextmanager
async def working(
    job: Job, tools: Tools | None = None, settings: Mapping[str, Any] | None = None
) -> AsyncIterator[tuple[Context, Watching]]:
    """The parts with a worker that carries out what is approved, until the block ends."""
    async with new_store(job) as (real, where):
        await configure(real, settings or document())
        watching, store = Watching.over(real)
        begun = _embedded if job.store == "sqlite" else _queued
        async with begun(
            where, lambda engine: Context(store, tools or InstantTools(), engine, SystemClock())
        ) as context:
            await context.fresh_settings(TENANT)
            yield context, watching


@contextlib.asynccontextmanager
async def _embedded(_: str, new: Callable[[Engine], Context]) -> AsyncIterator[Context]:
    worker = Worker()
    context, stopped = new(worker), asyncio.Event()
    running = asyncio.create_task(worker.run(context, stopped))
    try:
        yield context
    finally:
        stopped.set()
        await running


@contextlib.asynccontextmanager
async def _queued(url: str, new: Callable[[Engine], Context]) -> AsyncIterator[Context]:
    from clearance.engines.queue.procrastinate import Queue  # noqa: PLC0415

    queue, stopped = Queue(url), asyncio.Event()
    context = new(queue)
    async with queue.open(context):
        running = asyncio.create_task(queue.run(context, stopped))
        try:
            async with asyncio.timeout(READY_SECONDS):
                while not queue.ready():  # noqa: ASYNC110 - it sets no event
                    await asyncio.sleep(0.01)
            yield context
        finally:
            stopped.set()
            await running


async def carried_out(control: Control, watching: Watching, account_id: str) -> None:
    """Proposes, and waits for the outcome."""
    proposed = await control.propose(AGENT, task(account_id=account_id))
    must_be(
        await watching.outcome(proposed.record.intent.action_intent_id), "SUCCEEDED", "the outcome"
    )


async def measure(job: Job) -> Measured:
    return {"spread": await _timed(job, ACCOUNTS_SPREAD), "hot": await _timed(job, 1)}


async def _timed(job: Job, accounts: int) -> Timed:
    async with working(job) as (context, watching):
        control = Control(context)

        async def operation(number: int) -> None:
            await carried_out(control, watching, f"a{number * 17 % accounts}")

        found = await drive(operation, job)
        must_be(await context.store.ledger_size(TENANT), 3 * job.total + 1, "entries")
        must_be(dict(await context.store.count_by_status(TENANT)), {}, "intents under way")
        return found
