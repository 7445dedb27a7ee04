"""Accounts that an agent invents: a name alone opens no budget, however it is written and however
often it is proposed.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from clearance.core.approval import RulingKind
from clearance.core.moment import HOUR_MS
from clearance.core.record import IntentRecord, IntentStatus
from clearance.flow.requests import RulingRequest
from tests.support.sample import AGENT, APPROVER, TENANT, refund, task
from tests.support.world import World, opened

pytestmark = pytest.mark.anyio

CUSTOMERS = {"match": "^cus_[0-9]{6}$", "new_per_day": 3}
LIMITS = {"max_per_day": 5, "max_amount_per_day_by_action_type": {"ISSUE_REFUND": 100_000}}


def customer(number: int) -> str:
    return f"cus_{number:06}"


async def all_at_once(world: World, accounts: list[str]) -> list[IntentRecord]:
    proposals = (refund(None, 25_000, account_id=account) for account in accounts)
    return await asyncio.gather(*map(world.propose, proposals))


def reasons(records: list[IntentRecord]) -> Counter[str]:
    return Counter(record.decision.reason for record in records)


def ran(records: list[IntentRecord]) -> int:
    return sum(record.status is IntentStatus.APPROVED for record in records)


@pytest.mark.parametrize("unknown", ["ask", "refuse"])
async def test_invented_accounts_run_nothing_alone(world: World, unknown: str) -> None:
    await world.autonomy(budgets=[LIMITS], accounts={"known": ["acme"], "unknown": unknown})
    records = await all_at_once(world, [f"invented-{number}" for number in range(40)])
    assert reasons(records) == {"ACCOUNT_NOT_KNOWN": 40}
    assert ran(records) == 0


async def test_invented_accounts_that_are_allowed_run_one_budget_in_all(world: World) -> None:
    await world.autonomy(budgets=[LIMITS], accounts={"known": ["acme"], "unknown": "allow"})
    records = await all_at_once(world, [f"invented-{number}" for number in range(40)])
    assert ran(records) == 4, "four times 250.00 are the 1,000.00 of one account"
    assert reasons(records)["BUDGET_EXCEEDED"] == 36
    known = await all_at_once(world, ["acme"])
    assert ran(known) == 1, "a known account has its own"


async def test_as_many_new_names_run_alone_as_the_day_lets_in(world: World) -> None:
    await world.autonomy(budgets=[LIMITS], accounts=[CUSTOMERS])
    records = await all_at_once(world, [customer(number) for number in range(40)])
    assert ran(records) == 3
    assert reasons(records)["NEW_ACCOUNTS_SPENT"] == 37
    let_in = {record.intent.account_id for record in records if record.hold}
    assert await world.store.known_accounts(TENANT, [customer(n) for n in range(40)]) == let_in
    again = await all_at_once(world, sorted(let_in))
    assert ran(again) == 3, "what is known takes no share"


async def test_who_withdraws_what_was_proposed_gets_no_further_names(world: World) -> None:
    await world.autonomy(budgets=[LIMITS], accounts=[CUSTOMERS])
    for number in range(10):
        record = await world.propose(task(f"t{number}", account_id=customer(number)))
        if record.status is IntentStatus.APPROVED:
            await world.control.cancel(AGENT, f"t{number}", "never mind")
        assert (record.status is IntentStatus.APPROVED) == (number < 3)
    back = await world.propose(task("back", account_id=customer(0)))
    assert back.status is IntentStatus.APPROVED, "it took its share, and is known"


async def test_the_next_day_lets_in_further_names(world: World) -> None:
    await world.autonomy(budgets=[LIMITS], accounts=[CUSTOMERS])
    ran_on = []
    for hours in (0, 11, 1):  # noon, 23:00, midnight
        world.clock.forward(hours * HOUR_MS)
        names = [customer(world.clock.now // HOUR_MS % 1_000 * 10 + n) for n in range(5)]
        ran_on.append(ran(await all_at_once(world, names)))
    assert ran_on == [3, 0, 3]


async def test_first_acts_at_once_about_one_name_let_it_in_once_or_take_more(world: World) -> None:
    """Too much may be taken, never too little: it is known as soon as one of them is admitted."""
    await world.autonomy(budgets=[LIMITS], accounts=[CUSTOMERS])
    await asyncio.gather(
        *(world.propose(task(f"t{number}", account_id=customer(1))) for number in range(20))
    )
    assert await world.store.known_accounts(TENANT, [customer(1)]) == {customer(1)}
    others = await all_at_once(world, [customer(number) for number in range(2, 12)])
    assert ran(others) <= 2


@pytest.mark.parametrize("at_once", [True, False])
async def test_names_that_look_alike_are_let_in_once(world: World, at_once: bool) -> None:
    """Also if all of them are decided before one is admitted, each has no second act."""
    words = {"match": "[A-Za-z0-9]+", "new_per_day": 9}
    await world.autonomy(budgets=[LIMITS], accounts=[words])
    twins = ["umbrella", "Umbrella", "umbreIla", "urnbrella"]
    if at_once:
        await all_at_once(world, twins)
    else:
        assert ran([await world.propose(refund(None, 1, account_id=name)) for name in twins]) == 1
    again = [await world.propose(task(None, account_id=name)) for name in twins]
    assert ran(again) == 1
    assert reasons(again)["ACCOUNT_LOOKS_ALIKE"] == 3


async def test_a_persons_yes_is_for_one_act(world: World) -> None:
    await world.autonomy(budgets=[LIMITS], accounts=[{**CUSTOMERS, "new_per_day": 0}])
    waits = await world.propose(task("t1", account_id=customer(1)))
    assert waits.decision.reason == "NEW_ACCOUNTS_SPENT"
    approve = RulingRequest(RulingKind.APPROVE)
    ruled = await world.control.rule(APPROVER, "t1.1", approve)
    assert ruled.record.status is IntentStatus.APPROVED
    done = await world.run("t1")
    assert done is not None
    assert done.status is IntentStatus.SUCCEEDED
    again = await world.propose(task("t2", account_id=customer(1)))
    assert again.decision.reason == "NEW_ACCOUNTS_SPENT"


async def test_what_was_let_in_holds_when_the_settings_change_and_not_when_its_form_goes(
    world: World,
) -> None:
    await world.autonomy(budgets=[LIMITS], accounts=[CUSTOMERS])
    for name in ("t1", "t2"):
        await world.propose(task(name, account_id=customer(1)))
    fewer: Any = {**CUSTOMERS, "new_per_day": 0}
    await world.autonomy(budgets=[LIMITS], accounts=[fewer])
    done = await world.run("t1")
    assert done is not None
    assert done.status is IntentStatus.SUCCEEDED
    await world.autonomy(budgets=[LIMITS], accounts=["acme"])
    asked = await world.run("t2")
    assert asked is None
    record = await world.record("t2")
    assert (record.status, record.decision.reason) == (
        IntentStatus.AWAITING_APPROVAL,
        "ACCOUNT_NOT_KNOWN",
    )


async def test_what_waits_for_an_unknown_account_is_cancelled_once_it_looks_like_another(
    world: World,
) -> None:
    await world.autonomy(budgets=[LIMITS], accounts=["acme"])
    await world.propose(task("t1", account_id="Umbrella"))
    await world.control.rule(APPROVER, "t1.1", RulingRequest(RulingKind.APPROVE))
    await world.autonomy(budgets=[LIMITS], accounts=["acme", "umbrella"])
    assert await world.run("t1") is None
    record = await world.record("t1")
    assert record.status is IntentStatus.CANCELLED
    assert world.tools.calls == []


async def test_the_share_of_the_day_survives_a_restart(tmp_path: Path) -> None:
    place = tmp_path / "store"
    async with opened(place) as before:
        await before.autonomy(budgets=[LIMITS], accounts=[CUSTOMERS])
        assert ran(await all_at_once(before, [customer(number) for number in range(2)])) == 2
    async with opened(place) as after:
        await after.autonomy(budgets=[LIMITS], accounts=[CUSTOMERS])
        assert ran(await all_at_once(after, [customer(number) for number in range(10, 20)])) == 1
