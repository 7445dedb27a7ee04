"""64 clients at once on one account whose budget is 10, every intent sent three times."""

from __future__ import annotations

import asyncio

import pytest

from clearance.core.decision import Answer
from clearance.core.record import IntentStatus
from clearance.engines.worker import Worker
from clearance.flow.context import Context
from clearance.flow.control import Control
from tests.support.sample import AGENT, TENANT, task
from tests.support.world import World

CLIENTS = 64
LIMIT = 10


@pytest.mark.anyio
@pytest.mark.parametrize("place", ["sqlite", "postgres", "dynamodb"], indirect=True)
async def test_exactly_the_budget_runs_alone_each_effect_once_and_every_repeat_gets_the_same_answer(
    world: World,
) -> None:
    await world.autonomy(budgets=[{"max_per_day": LIMIT}])
    worker, stopped = Worker(), asyncio.Event()
    context = Context(world.store, world.tools, worker, world.clock)
    control = Control(context)
    working = asyncio.create_task(worker.run(context, stopped))

    async def client(number: int) -> list[tuple[Answer, str, str]]:
        answers = []
        for _ in range(3):
            await asyncio.sleep(0)
            record = (await control.propose(AGENT, task(f"c{number}"))).record
            answers.append(
                (record.decision.answer, record.decision.reason, record.decision.explanation)
            )
        return answers

    said = await asyncio.gather(*(client(number) for number in range(CLIENTS)))
    async with asyncio.timeout(60):
        while (await world.store.count_by_status(TENANT)).keys() & {
            IntentStatus.APPROVED,
            IntentStatus.RUNNING,
        }:
            await asyncio.sleep(0.01)
    stopped.set()
    await working

    assert all(len(set(answers)) == 1 for answers in said)
    alone = [answers[0] for answers in said if answers[0][0] is Answer.AUTO_EXECUTE]
    assert len(alone) == LIMIT
    assert len(world.tools.calls) == LIMIT
    assert set(world.tools.by_key().values()) == {1}
    assert await world.used() == {"actions": LIMIT, "actions:CREATE_TASK": LIMIT}
    kinds = [entry["kind"] for entry in await world.entries()]
    assert (kinds.count("ACTION_APPROVED"), kinds.count("APPROVAL_REQUESTED")) == (
        LIMIT,
        CLIENTS - LIMIT,
    )
