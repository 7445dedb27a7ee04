"""A whole proposal: limits, the row of checks, Cedar, the canonical entry, the transaction."""

from __future__ import annotations

from tests.support.sample import AGENT, TENANT, task

from bench.drive import ACCOUNTS_SPREAD, Job, Measured, Timed, drive, must_be
from bench.stores import new_context
from clearance.core.decision import Answer
from clearance.flow.control import Control


async def measure(job: Job) -> Measured:
    return {"spread": await _timed(job, ACCOUNTS_SPREAD), "hot": await _timed(job, 1)}


async def _timed(job: Job, accounts: int) -> Timed:
    async with new_context(job) as context:
        control = Control(context)

        async def operation(number: int) -> None:
            proposed = await control.propose(AGENT, task(account_id=f"a{number * 17 % accounts}"))
            must_be(proposed.record.decision.answer, Answer.AUTO_EXECUTE, "the answer")

        found = await drive(operation, job)
        must_be(await context.store.ledger_size(TENANT), job.total + 1, "entries")
        return found
