"""What growth costs: the same looks at a store of 10,000 intents and at one of a million, in turns,
and the gate under load.

Every intent was carried out: three ledger entries, a hold, an attempt and an outcome each.
"""

from __future__ import annotations

import secrets
import time
from contextlib import AsyncExitStack

from tests.support.sample import AGENT, TENANT, NoEngine, task

from bench.bulk import ENTRIES, fill, intent_id
from bench.drive import ACCOUNTS_SPREAD, Job, Measured, Timed, drive_some, must_be, timed
from bench.reading import looks, take_turns
from bench.stores import InstantTools, configure, document, new_store
from clearance.clock import SystemClock
from clearance.flow import execute
from clearance.flow.context import Context
from clearance.flow.control import Control

SMALL = 10_000
TURNS = 40
LOADS, LOAD, CALLERS = 5, 500, 64


async def measure(job: Job) -> Measured:
    found: dict[str, Timed] = {}
    async with AsyncExitStack() as ends:
        contexts: dict[str, Context] = {}
        for size in (SMALL, job.operations):
            begin = time.perf_counter()
            contexts[f"{size:,}"] = await _grown(ends, job, size)
            taken = time.perf_counter() - begin
            found[f"{size:,}: load"] = timed(taken, [taken])
        found |= await take_turns(
            {
                name: looks(context, some_intent=intent_id(SMALL // 2), somewhere=SMALL // 2)
                for name, context in contexts.items()
            },
            TURNS,
        )
        return found | await _loads(contexts)


async def _grown(ends: AsyncExitStack, job: Job, size: int) -> Context:
    store, where = await ends.enter_async_context(new_store(job))
    await configure(store, document())
    context = Context(store, InstantTools(), NoEngine(), SystemClock())
    await Control(context).propose(AGENT, task("first"))
    await execute.execute(context, TENANT, "first", "bench")
    await fill(store, where, size)
    must_be(await store.ledger_size(TENANT), 1 + ENTRIES * (size + 1), "entries")
    return context


async def _loads(contexts: dict[str, Context]) -> dict[str, Timed]:
    """The whole gate with many callers, in turns."""
    seconds: dict[str, list[float]] = {name: [] for name in contexts}
    for turn in range(-1, LOADS):
        for name, context in contexts.items():
            control, run = Control(context), secrets.token_hex(4)

            async def operation(number: int, control: Control = control, run: str = run) -> None:
                await control.propose(
                    AGENT, task(f"{run}-{number}", account_id=f"a{number * 17 % ACCOUNTS_SPREAD}")
                )

            one = await drive_some(operation, range(LOAD), CALLERS)
            if turn >= 0:
                seconds[name].append(one.seconds / LOAD)
    return {
        f"{name}: gate at {CALLERS} callers": timed(sum(taken), taken)
        for name, taken in seconds.items()
    }
