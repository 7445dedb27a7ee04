"""Limits on the way of an intent: no caller gets past them, what does not fit asks a person, and
what never runs is given back to the window that it was taken from.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Mapping
from typing import Any

import pytest

from clearance.core.approval import RulingKind
from clearance.core.budget import Claim
from clearance.core.limits import LimitKey, Per, counter_of
from clearance.core.moment import HOUR_MS
from clearance.core.record import IntentStatus
from clearance.flow.requests import RulingRequest
from tests.support import sample
from tests.support.sample import AGENT, APPROVER, NOON, OTHER_AGENT, OWNER, TENANT, refund, task
from tests.support.world import World

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.parametrize("place", ["sqlite", "postgres", "dynamodb"], indirect=True),
]

MINUTE = 60_000
ACCOUNTS = [f"customer-{number}" for number in range(12)]


def document(*limits: Any, **changes: Any) -> dict[str, Any]:
    """Customers that each have a large budget of their own, refunds in cents, and limits."""
    budgets = [{"account": name, "max_per_day": 1_000} for name in ("acme", *ACCOUNTS)]
    known = ["acme", *ACCOUNTS]
    made = sample.document(limits=list(limits), budgets=budgets, accounts=known)
    amount = made["catalog"]["ISSUE_REFUND"]["parameters"]["properties"]["amount_minor"]
    amount |= {"x-scale": 100, "x-unit": "EUR"}
    made["autonomy"] |= changes
    return made


async def counted(world: World, per: Per, at: int = NOON, **subject: str) -> Mapping[str, int]:
    counter = counter_of(subject, per, at)
    return (await world.store.counted(TENANT, [counter])).get(counter, {})


async def statuses(world: World, *names: str) -> list[str]:
    return [(await world.record(name)).status.value for name in names]


TENANT_A_DAY = {"for": "tenant", "per": "day", "actions": 25, "amount": {"EUR": 10_000}}
AGENT_A_MINUTE = {"for": "each agent", "per": "minute", "actions": 10}


async def test_one_agent_on_many_accounts_runs_no_more_than_its_own_ceiling_and_the_tenants(
    world: World,
) -> None:
    """The attack: an account for each call, and each has a budget of its own. All at once."""
    await world.configure(document(TENANT_A_DAY, AGENT_A_MINUTE))
    names = itertools.count()

    async def attack(agent: Any, count: int, cents: int) -> int:
        proposals = [
            refund(f"i{next(names)}", cents, account_id=ACCOUNTS[number % len(ACCOUNTS)])
            for number in range(count)
        ]
        records = await asyncio.gather(*(world.propose(each, agent) for each in proposals))
        return sum(record.status is IntentStatus.APPROVED for record in records)

    assert await attack(AGENT, 36, 100) == 10, "the agent's, in this minute"
    assert await attack(OTHER_AGENT, 24, 100) == 10, "each agent has its own"
    world.clock.forward(MINUTE)
    assert await attack(AGENT, 24, 100) == 5, "the tenant's, in this day"
    assert await counted(world, Per.DAY) == {"actions": 25, "amount:EUR": 25_000_000}
    world.clock.forward(12 * HOUR_MS)
    assert await attack(AGENT, 12, 4_000) == 2, "100.00 EUR, of which each act takes 40.00"


async def test_invented_accounts_share_one_limit_and_are_counted_once_in_it(world: World) -> None:
    """Their shared budget and a limit of each account count in the same place."""
    limit = {"for": "each account", "per": "day", "actions": 4}
    budgets = [{"max_per_day": 100}]
    await world.configure(
        document(limit, accounts={"known": ["acme"], "unknown": "allow"}, budgets=budgets)
    )
    invented = [await world.propose(task(f"i{n}", account_id=f"new-{n}")) for n in range(7)]
    assert [record.decision.answer.value for record in invented] == [
        *["AUTO_EXECUTE"] * 4,
        *["REQUIRE_APPROVAL"] * 3,
    ]
    assert invented[-1].decision.explanation.startswith(
        "The limit of accounts that are not known for 2026-11-24 has 4 of 4 actions used"
    )
    assert (await counted(world, Per.DAY, accounts="unknown"))["actions"] == 4
    assert (await world.propose(task("known"))).status is IntentStatus.APPROVED
    shown = [
        bucket.shown
        for use in await world.control.usage(OWNER, {LimitKey.ACCOUNT: "new-99"})
        if use.counter == counter_of({"accounts": "unknown"}, Per.DAY, NOON)
        for bucket in use.buckets
    ]
    assert shown == ["4 of 4 actions"]


async def test_what_does_not_fit_asks_a_person_whose_yes_takes_nothing(world: World) -> None:
    await world.configure(document({**TENANT_A_DAY, "actions": 1}))
    await world.propose(task("first"))
    waits = await world.propose(task("second"))
    assert (waits.status, waits.decision.reason) == (
        IntentStatus.AWAITING_APPROVAL,
        "LIMIT_EXCEEDED",
    )
    assert waits.decision.explanation == (
        "The limit of the tenant for 2026-11-24 has 1 of 1 actions used; this needs 1 action more."
    )
    explained = await world.control.explain(OWNER, "second")
    assert "It would run without a person if every limit had room." in {
        change.sentence for change in explained.nearest_changes
    }
    approve = RulingRequest(RulingKind.APPROVE)
    await world.control.rule(APPROVER, "second.1", approve)
    done = await world.run("second")
    assert done is not None
    assert (done.status, done.hold) == (IntentStatus.SUCCEEDED, None)
    assert (await counted(world, Per.DAY))["actions"] == 1


async def test_what_is_withdrawn_goes_back_to_the_window_that_it_was_taken_from(
    world: World,
) -> None:
    """Over the edge of a minute, a day and a month: the first of December is a week away."""
    await world.configure(document(AGENT_A_MINUTE, {**AGENT_A_MINUTE, "per": "month"}))
    await world.propose(task("before"))
    world.clock.forward(7 * 24 * HOUR_MS)
    await world.propose(task("after"))
    await world.control.cancel(AGENT, "before", "not needed")
    agent = {"agent": AGENT.actor_id}
    for per in (Per.MINUTE, Per.DAY, Per.MONTH):
        assert not any((await counted(world, per, **agent)).values())
        assert await counted(world, per, world.clock.now_ms(), **agent) == {"actions": 1}


async def test_a_lowered_limit_is_kept_for_what_has_not_started_in_its_own_window(
    world: World,
) -> None:
    """A minute later there is room again, and what was taken before is still in its window."""
    names = ["t0", "t1", "t2"]
    await world.configure(document(AGENT_A_MINUTE))
    for name in names:
        await world.propose(task(name))
    world.clock.forward(MINUTE)
    await world.configure(document({**AGENT_A_MINUTE, "actions": 1}))
    for name in names:
        await world.run(name)
    assert await statuses(world, *names) == ["AWAITING_APPROVAL", "AWAITING_APPROVAL", "SUCCEEDED"]
    record = await world.record("t0")
    assert record.decision.reason == "LIMIT_EXCEEDED"
    agent = {"agent": AGENT.actor_id}
    assert await counted(world, Per.MINUTE, **agent) == {"actions": 1}
    assert await counted(world, Per.MINUTE, NOON + MINUTE, **agent) == {}


@pytest.mark.parametrize(
    ("limit", "status"),
    [
        ({"for": "tenant", "per": "day", "actions": 5}, "SUCCEEDED"),
        ({"for": "each agent", "per": "day", "actions": 5}, "SUCCEEDED"),
        ({"for": "each agent", "per": "hour", "actions": 5}, "AWAITING_APPROVAL"),
        ({"for": "tenant", "per": "day", "zone": "Asia/Tokyo", "actions": 5}, "AWAITING_APPROVAL"),
    ],
)
async def test_a_limit_that_is_set_later_knows_the_day_or_asks_about_what_it_did_not_count(
    world: World, limit: Any, status: str
) -> None:
    await world.configure(document())
    await world.propose(task("t"))
    await world.configure(document(limit))
    await world.run("t")
    assert await statuses(world, "t") == [status]
    if status == "AWAITING_APPROVAL":
        assert (await world.entries())[-1]["reason"] == "BUDGET_CHANGED"
    else:
        for number in range(4):
            assert (await world.propose(task(f"n{number}"))).status is IntentStatus.APPROVED
        assert (await world.propose(task("n5"))).decision.reason == "LIMIT_EXCEEDED"


async def test_a_finer_scale_leaves_what_was_counted_as_it_was(world: World) -> None:
    """Only the number of the limit means another amount: 50.00 EUR, and then 5.000 EUR."""
    limit = {"for": "tenant", "per": "day", "amount": {"EUR": 5_000}}
    await world.configure(document(limit))
    await world.propose(refund("first", 400))
    finer = document(limit)
    fee = {"type": "number", "minimum": 0, "x-scale": 1_000, "x-unit": "EUR"}
    finer["catalog"]["ISSUE_REFUND"]["parameters"]["properties"]["amount_minor"] = fee
    await world.configure(finer)
    used = await world.control.usage(OWNER, {})
    assert [bucket.shown for use in used for bucket in use.buckets] == [
        "1 action",
        "4.000 of 5.000 EUR",
    ]
    over = await world.propose(refund("over", 1.001))
    assert over.decision.explanation.startswith(
        "The limit of the tenant for 2026-11-24 has 4.000 of 5.000 EUR used; this needs 1.001 EUR"
    )
    assert (await world.propose(refund("fits", 1))).status is IntentStatus.APPROVED


async def test_usage_is_of_the_subjects_that_are_named_and_the_tenant(world: World) -> None:
    both = {"for": "each agent and account", "per": "month", "amount": {"EUR": 9_000}}
    named = {"agent": AGENT.actor_id, "per": "day", "actions": 7}
    await world.configure(document(both, named, {**named, "agent": "agent-bob", "actions": 1}))
    await world.propose(refund("r", 1_234))
    await world.propose(refund("b", 1_000), OTHER_AGENT)

    async def shown(**who: str) -> dict[str, list[str]]:
        keys = {LimitKey(key): name for key, name in who.items()}
        return {
            use.counter.subject: [bucket.shown for bucket in use.buckets]
            for use in await world.control.usage(OWNER, keys)
            if use.counter.window != "2026-11-24T12:00"
        }

    ada, acme = f'"agent":"{AGENT.actor_id}"', '"account":"acme"'
    assert await shown() == {"{}": ["2 actions"]}
    assert await shown(agent=AGENT.actor_id) == {
        "{}": ["2 actions"],
        f"{{{ada}}}": ["1 of 7 actions"],
    }
    assert await shown(agent=AGENT.actor_id, account="acme") == {
        "{}": ["2 actions"],
        f"{{{ada}}}": ["1 of 7 actions"],
        f"{{{acme},{ada}}}": ["12.34 of 90.00 EUR"],
    }


async def test_the_ledger_keeps_what_was_taken_from_where(world: World) -> None:
    await world.configure(document(TENANT_A_DAY))
    record = await world.propose(refund("r", 1_234))
    approved = [entry for entry in await world.entries() if entry["kind"] == "ACTION_APPROVED"][-1]
    assert record.hold is not None
    claims = {
        Claim(bucket, amount, None, counter_of({}, Per.DAY, NOON)).place
        for bucket, amount, subject, _ in approved["hold"]["counted"]
        if subject == "{}"
    }
    assert claims == {claim.place for claim in record.hold.claims if "{}" in claim.place}
    assert ["amount:EUR", 12_340_000, "{}", "2026-11-24"] in approved["hold"]["counted"]
