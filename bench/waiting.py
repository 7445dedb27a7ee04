"""What 10,000 waiting approvals cost: the same looks at a store in which they wait and at one in
which 100 do, in turns.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

from tests.support.sample import AGENT, TENANT, NoEngine, task

from bench.bulk import settle
from bench.drive import Job, Measured, drive_some, must_be
from bench.reading import looks, take_turns
from bench.stores import InstantTools, configure, document, new_store
from clearance.clock import SystemClock
from clearance.core.record import IntentStatus
from clearance.flow.context import Context
from clearance.flow.control import Control

FEW = 100  # enough for a full page
TURNS = 40
CALLERS = 64


async def measure(job: Job) -> Measured:
    async with AsyncExitStack() as ends:
        contexts: dict[str, Context] = {}
        for count in (FEW, job.operations):
            store, where = await ends.enter_async_context(new_store(job))
            await configure(store, document())
            context = contexts[f"{count:,}"] = Context(
                store, InstantTools(), NoEngine(), SystemClock()
            )
            await Control(context).propose(AGENT, task("first"))
            await _let_wait(context, count)
            if job.store == "postgres":
                await asyncio.to_thread(settle, where)
        return await take_turns(
            {
                name: looks(context, some_intent="first", somewhere=1)
                for name, context in contexts.items()
            },
            TURNS,
        )


async def _let_wait(context: Context, count: int) -> None:
    """Proposals that are too unsure to run alone, spread over the accounts."""
    control = Control(context)

    async def operation(number: int) -> None:
        await control.propose(AGENT, task(account_id=f"a{number % 1000}", confidence_score=0.5))

    await drive_some(operation, range(count), CALLERS)
    counted = await context.store.count_by_status(TENANT)
    must_be(counted[IntentStatus.AWAITING_APPROVAL], count, "waiting approvals")
