"""What a transition costs on DynamoDB, in its own units."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from clearance.clock import SystemClock
from clearance.core import steps
from clearance.core.budget import Claim, Counter
from clearance.core.outcome import Outcome, OutcomeStatus, Sent
from clearance.core.record import Admission
from clearance.flow.ports.marks import Mark, Phase
from clearance.flow.ports.transitions import Admitted
from clearance.stores.dynamodb.store import DynamoStore
from tests.aws.support.table import Table
from tests.conformance.test_store import admission, applied, started
from tests.support import sample
from tests.support.sample import NOON, OWNER, TENANT, task
from tests.support.world import World, opened

pytestmark = pytest.mark.anyio


@pytest.fixture
def place(dynamodb_table: Table) -> Table:
    """What is about the store and not about an emulator runs on MiniStack alone."""
    return dynamodb_table


class Metered:
    """A client that adds up the write units that DynamoDB says it took, for the table and for its
    indexes.
    """

    def __init__(self, client: Any) -> None:
        self.client = client
        self.units = (0.0, 0.0)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.client, name)

    def transact_write_items(self, **request: Any) -> Any:
        answer = self.client.transact_write_items(**request, ReturnConsumedCapacity="INDEXES")
        [consumed] = answer["ConsumedCapacity"]
        indexes = sum(
            one["WriteCapacityUnits"] for one in consumed.get("GlobalSecondaryIndexes", {}).values()
        )
        self.units = (self.units[0] + consumed["WriteCapacityUnits"], self.units[1] + indexes)
        return answer

    def put_item(self, **request: Any) -> Any:
        answer = self.client.put_item(**request, ReturnConsumedCapacity="TOTAL")
        self.units = (self.units[0] + answer["ConsumedCapacity"]["CapacityUnits"], self.units[1])
        return answer

    def taken(self) -> tuple[float, float]:
        """Since the last time."""
        units, self.units = self.units, (0.0, 0.0)
        return units


DAY = "2026-11-24"
AGENT = '{"agent":"agent-ada"}'
ALWAYS = (Counter("{}", DAY), Counter(AGENT, DAY))
"""What is counted without any limit, beside the account."""


async def asked(world: World, name: str, *claims: Claim, **parts: Any) -> Admission:
    """A task that may run, with these claims beside those on its account's own day."""
    wanted = await admission(world, name)
    hold = wanted.decision.hold
    assert hold is not None
    own = (claim for claim in hold.claims if claim.counter is None)
    held = replace(hold, claims=(*own, *claims))
    return replace(wanted, decision=replace(wanted.decision, hold=held), **parts)


async def asks(world: World, name: str, **parts: Any) -> Admission:
    """A task that waits for a person."""
    return replace(await admission(world, name, confidence_score=0.1), **parts)


def act(counter: Counter) -> Claim:
    return Claim("actions", 1, 1_000, counter)


async def test_a_transition_costs_what_the_decision_record_says(place: Table) -> None:
    """Write units of the table and of the indexes, by the emulator's count, for a task that nobody
    approves.
    """
    meter = Metered(place.client)
    async with opened(replace(place, client=meter)) as world:
        claims = [act(counter) for counter in ALWAYS]
        await world.store.admit(await asked(world, "warm", *claims, likeness=b"l" * 32))
        meter.taken()
        await world.store.admit(await asked(world, "t1", *claims, likeness=b"l" * 32))
        assert meter.taken() == (22, 3)
        change = await started(world, await world.record("t1"))
        running = await applied(world, change)
        assert meter.taken() == (8, 6)
        assert isinstance(world.store, DynamoStore)
        begun = Mark(1, Sent.MAYBE, 0, Phase.BEGUN, SystemClock().new_id())
        assert await world.store.marks.swap(TENANT, "t1", 1, None, begun)
        assert meter.taken() == (1, 0)
        outcome = Outcome(OutcomeStatus.SUCCEEDED, "Done.", {"ok": True}, 11)
        await applied(
            world, steps.record_outcome(running, 1, outcome, tries=1, actor=OWNER, now=NOON)
        )
        assert meter.taken() == (6, 4)


async def test_what_is_asked_of_an_admission_costs_what_the_decision_record_says(
    place: Table,
) -> None:
    """Each thing by itself, in write units above those of an admission that asks for none of it.

    For the tenant's windows only those count by which HEAD would grow beyond 1 kB.
    """
    meter = Metered(place.client)
    async with opened(replace(place, client=meter)) as world:

        async def costs(wanted: Admission) -> float:
            meter.taken()
            assert isinstance(await world.store.admit(wanted), Admitted)
            return meter.taken()[0]

        plain = await costs(await asked(world, "plain"))
        windows = ("2026-11-24T12:00", "2026-11-24T12", DAY, "2026-11")
        of_agent = [act(Counter(AGENT, window)) for window in windows]
        of_tenant = [act(Counter("{}", window)) for window in windows]
        money = [
            replace(claim, bucket="amount:EUR", amount=10**12, limit=None) for claim in of_tenant
        ]
        beyond = {
            "tenant": await costs(await asked(world, "t", *of_tenant, *money)),
            "agent": await costs(await asked(world, "a", *of_agent)),
            "known": await costs(await asked(world, "k", knows_account=True)),
            "alike": await costs(await asked(world, "l", likeness=b"l" * 32, rejected_since=0)),
            "call": await costs(await asked(world, "c", same_call=b"c" * 32)),
        }
        assert {name: cost - plain for name, cost in beyond.items()} == {
            "tenant": 0,
            "agent": 2,
            "known": 2,
            "alike": 2,
            "call": 2,
        }
        waits = await costs(await asks(world, "w"))
        assert await costs(await asks(world, "w2", same_call=b"c" * 32)) == waits + 2


class ReadMeter(Metered):
    """A client that adds up read units by AWS's rules, for answers below 4 kB: the emulator does
    not say them.
    """

    read = 0.0

    def query(self, **request: Any) -> Any:
        self.read += 1 if request["ConsistentRead"] else 0.5
        return self.client.query(**request)

    def batch_get_item(self, **request: Any) -> Any:
        self.read += sum(len(one["Keys"]) for one in request["RequestItems"].values())
        return self.client.batch_get_item(**request)


async def test_totals_cost_what_the_page_says(place: Table) -> None:
    """About 3 T + 16 units for T tenants, and one for each open intent that is looked at."""
    meter = ReadMeter(place.client)
    tenants, waiting = 5, 4
    async with opened(replace(place, client=meter)) as world:
        for number in range(tenants - 1):
            await world.configure(sample.DOCUMENT, tenant_id=f"tenant-{number}")
        for number in range(waiting):
            await world.propose(task(f"w{number}", confidence_score=0.5))
        meter.read = 0
        found = await world.store.totals(NOON)
        assert len(found.settings_versions) == tenants + 1
        of_the_table = 2  # the list of tenants, and the HEAD of the switches that hold everywhere
        assert meter.read == 3 * tenants + 16 + waiting + of_the_table
