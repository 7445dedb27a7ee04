"""The storage part of the gate: the transaction that admits an intent that is decided already
(intent, hold, budget, counters of limits, likeness, entry).
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import replace

from tests.support.sample import AGENT, TENANT

from bench.drive import ACCOUNTS_SPREAD, Job, Measured, Timed, drive, must_be, spin
from bench.stores import new_context
from clearance.core.gate import Facts
from clearance.core.intent import ActionIntent, RiskLevel, checked_content
from clearance.core.record import Admission
from clearance.core.settings import Settings
from clearance.flow.context import Context
from clearance.flow.ports.transitions import Admitted
from clearance.flow.submit import admission_of


def admission(context: Context, settings: Settings, number: int, accounts: int) -> Admission:
    """A decided intent, with an id of its own."""
    name, account = context.clock.new_id(), f"a{number * 17 % accounts}"
    title = {"title": "Renewal call"}
    intent = ActionIntent(TENANT, account, name, "CREATE_TASK", title, 0.95, RiskLevel.LOW, "agent")
    now = context.clock.now_ms()
    made = admission_of(
        intent, checked_content(intent), Facts(settings), AGENT, salt=context.new_salt(), now=now
    )
    # Every act is unlike every other: a likeness costs most then.
    return replace(
        made, likeness=secrets.token_bytes(32), rejected_since=settings.remembers_since(now)
    )


def of_account(admission: Admission) -> Admission:
    """The admission as it would be without limits and memory: the account's budget alone."""
    hold = admission.decision.hold
    own = tuple(claim for claim in hold.claims if claim.counter is None) if hold else ()
    decision = replace(admission.decision, hold=replace(hold, claims=own) if hold else None)
    return replace(admission, decision=decision, likeness=None, rejected_since=None)


async def measure(job: Job) -> Measured:
    return {
        "spread": await _timed(job, ACCOUNTS_SPREAD),
        "hot": await _timed(job, 1),
        "budget": await _timed(job, ACCOUNTS_SPREAD, of_account),
    }


async def _timed(
    job: Job, accounts: int, change: Callable[[Admission], Admission] = lambda made: made
) -> Timed:
    async with new_context(job) as context:
        settings = await context.fresh_settings(TENANT)
        ready = [
            change(admission(context, settings, number, accounts)) for number in range(job.total)
        ]

        async def operation(number: int) -> None:
            spin(job.policy_us)
            must_be(type(await context.store.admit(ready[number])), Admitted, "the answer")

        found = await drive(operation, job)
        must_be(await context.store.ledger_size(TENANT), job.total + 1, "entries")
        return found
