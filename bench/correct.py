"""Correctness first: many callers, each intent proposed three times, and both limits of the budget
bind, exactly.

900 intents of two types meet a budget of 240 a day, 60 for one of the types. Whatever overspends,
charges twice or loses an entry raises WrongCount, and nothing is timed.
"""

from __future__ import annotations

from collections import Counter

from tests.support.sample import AGENT, TENANT, mail, task

from bench.drive import Job, Measured, drive_some, must_be
from bench.stores import document, new_context
from clearance.core.moment import day_in_zone
from clearance.flow.control import Control

LIMIT, LIMIT_OF_MAILS = 240, 60
REPEATS = 3


async def measure(job: Job) -> Measured:
    budgets = [{"max_per_day": LIMIT, "max_per_day_by_action_type": {"SEND_MAIL": LIMIT_OF_MAILS}}]
    async with new_context(job, settings=document(budgets=budgets)) as context:
        control, store = Control(context), context.store
        day = day_in_zone(context.clock.now_ms(), "UTC")

        async def operation(number: int) -> None:
            intent = number % (job.operations // REPEATS)
            await control.propose(AGENT, (mail if intent % 2 else task)(f"i{intent}"))

        found = await drive_some(operation, range(job.operations), job.callers)
        intents = job.operations // REPEATS
        entries = [entry.fields for entry in await store.entries(TENANT, 0, job.operations)]
        must_be(len(entries), intents + 1, "entries")
        must_be(
            len({entry.get("action_intent_id") for entry in entries}),
            intents + 1,
            "intents with an entry",
        )
        held = Counter(
            entry["action_type"] for entry in entries if entry.get("approval_source") == "POLICY"
        )
        must_be(
            dict(held),
            {"CREATE_TASK": LIMIT - LIMIT_OF_MAILS, "SEND_MAIL": LIMIT_OF_MAILS},
            "ran unattended",
        )
        used = sorted((await store.budget_used(TENANT, "acme", day)).values())
        must_be(
            day,
            day_in_zone(context.clock.now_ms(), "UTC"),
            "the day (midnight passed: run it again)",
        )
        must_be(used[-1], LIMIT, "used of the day")
        must_be(used.count(LIMIT_OF_MAILS), 1, "buckets with what the mails used")
        return {"correct": found}
