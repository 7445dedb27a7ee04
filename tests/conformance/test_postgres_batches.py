"""A batch on PostgreSQL says and stores the same whether its admissions go in together or one by
one; and many processes agree.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch
from uuid import UUID

import pytest

from clearance.core import steps as execution
from clearance.core.approval import RulingKind
from clearance.core.budget import Claim, HoldState
from clearance.core.budget import Counter as BudgetCounter
from clearance.core.ledger import Reason
from clearance.core.record import Admission, Change, IntentRecord, IntentStatus
from clearance.flow.ports.intents import TimelineQuery
from clearance.stores.postgres.connections import Row
from clearance.stores.postgres.units import admission_unit, change_unit
from tests.conformance.support.crowd_process import EVERYBODY, NAMES
from tests.conformance.test_store import admission, started
from tests.support.postgres import migrated_database
from tests.support.sample import APPROVER, NOON, OWNER, TENANT
from tests.support.world import World, opened

pytestmark = pytest.mark.anyio

ONE_BY_ONE = """CREATE OR REPLACE FUNCTION clearance.admit_together{arguments}
RETURNS SETOF clearance.answer LANGUAGE sql
    AS 'SELECT NULL::clearance.answer WHERE false'"""
EACH_ALONE_FAILS = """CREATE OR REPLACE FUNCTION clearance.append(
        p_tenant_id text, p_position bigint, p_intent_no bigint, p_entry bytea)
    RETURNS void LANGUAGE plpgsql AS $$ BEGIN RAISE 'one by one'; END $$"""
NO = Reason("no", b"r" * 16)
COUNTED = ("counter", "known_account")
TABLES = ("intent", "intent_key", "ledger", "ledger_text", "budget_use", "tenant", *COUNTED)
OF_TENANT = BudgetCounter("{}", "2026-11-24")
OF_AGENT = BudgetCounter('{"agent":"support-agent"}', "2026-11-24T12:00")
PROCESSES = 4
LIMIT = 10  # of what the account acme may do in a day

Step = Admission | Change


class Twins:
    """Two databases that are asked the same.

    One takes admissions together where it can, the other never does.
    """

    def __init__(self, together: World, alone: World) -> None:
        self.together = together
        self.alone = alone
        self._numbers = 0
        alone.sql(ONE_BY_ONE.format(arguments=_arguments(alone)))

    async def ask(self, steps: Sequence[Step], ids: Sequence[UUID] | None = None) -> list[str]:
        """What the units of a batch are answered.

        The answers and all rows are equal, in the order that the first one took.
        """
        ids = ids or [UUID(int=self._next()) for _ in steps]
        taken = await _transition(self.together, steps, ids)
        order = [unit for unit, *_ in taken]
        assert sorted(order) == list(range(len(steps)))
        again = await _transition(
            self.alone, [steps[unit] for unit in order], [ids[unit] for unit in order]
        )
        assert [answer for _, *answer in taken] == [answer for _, *answer in again]
        assert [unit for unit, *_ in again] == list(range(len(steps)))
        for table in TABLES:
            assert rows(self.together, table) == rows(self.alone, table), table
        answers = {unit: str(answer) for unit, answer, *_ in taken}
        return [answers[unit] for unit in range(len(steps))]

    def _next(self) -> int:
        self._numbers += 1
        return self._numbers


def rows(world: World, table: str) -> list[str]:
    return sorted(map(repr, world.sql(f"SELECT * FROM {table}")))


def _arguments(world: World) -> str:
    [(arguments,)] = world.sql(
        """SELECT pg_get_function_arguments(oid) FROM pg_proc
            WHERE proname = 'admit_together' AND pronamespace = 'clearance'::regnamespace"""
    )
    return f"({arguments.replace('head head', 'head clearance.head')})"


async def _transition(world: World, steps: Sequence[Step], ids: Sequence[UUID]) -> list[Row]:
    """The rows of one call with the number of their unit, in the order in which the units were
    taken.
    """
    units = [
        admission_unit(step, name) if isinstance(step, Admission) else change_unit(step, name)
        for step, name in zip(steps, ids, strict=True)
    ]
    store: Any = world.store
    call = store._connections.call

    async def in_order(statement: str, values: Any) -> Any:
        assert "SELECT a.answer" in statement
        numbered = statement.replace("SELECT a.answer", "SELECT a.unit, a.answer").replace(
            "ORDER BY a.unit", ""
        )
        return await call(numbered, values)

    with patch.object(store._connections, "call", in_order):
        return list(await store._transition(TENANT, units))


@pytest.fixture
async def twins(database: str, postgres_folder: Path) -> AsyncIterator[Twins]:
    with migrated_database(postgres_folder) as other:
        async with opened(database) as together, opened(other) as alone:
            yield Twins(together, alone)


MAIL = {
    "action_type": "SEND_MAIL",
    "parameters": {"to": "a@example.com", "subject": "s", "body": "b"},
}


def refund(amount_minor: int) -> dict[str, Any]:
    return {
        "action_type": "ISSUE_REFUND",
        "parameters": {"order_id": "O-1", "amount_minor": amount_minor},
    }


async def test_new_intents_under_the_settings_in_force_go_in_together(twins: Twins) -> None:
    world = twins.together
    [(arguments,)] = world.sql("SELECT pg_get_function_arguments('clearance.admit'::regproc)")
    arguments = arguments.replace("head head", "head clearance.head").replace(
        "a admission", "a clearance.admission"
    )
    with world._postgres() as connection:
        connection.execute(
            f"""CREATE OR REPLACE FUNCTION clearance.admit({arguments}) RETURNS clearance.answer
            LANGUAGE plpgsql
                AS $$ BEGIN RAISE 'one by one'; END $$"""
        )
    wanted = [await admission(world, f"a{number}") for number in range(8)]
    wanted += [
        await admission(world, "w", confidence_score=0.1),
        await admission(world, "g", account_id="globex"),
    ]
    wanted += [
        await admission(world, "m", **MAIL),
        await admission(world, "r", account_id="globex", **refund(70)),
    ]
    assert await twins.ask(wanted) == ["ADMITTED"] * 12
    assert await world.used() == {"actions": 9, "actions:CREATE_TASK": 8, "actions:SEND_MAIL": 1}
    assert await world.used("globex") == {
        "actions": 2,
        "actions:CREATE_TASK": 1,
        "actions:ISSUE_REFUND": 1,
        "amount:ISSUE_REFUND": 70,
    }


async def test_what_asks_for_more_goes_in_together_too_and_only_what_is_refused_goes_alone(
    twins: Twins,
) -> None:
    world = twins.together
    asked = {"rejected_since": NOON, "waiting_max": 6, "knows_account": True}
    first = replace(await admission(world, "first", confidence_score=0.1), same_call=b"w" * 32)
    no = replace(await admission(world, "no", confidence_score=0.1), likeness=b"n" * 32)
    assert await twins.ask([first, no]) == ["ADMITTED"] * 2
    record = await world.record("no")
    reject = execution.rule(record, APPROVER, RulingKind.REJECT, NO, now=NOON)
    assert await twins.ask([reject]) == ["APPLIED"]
    with world._postgres() as connection:
        connection.execute(EACH_ALONE_FAILS)
    wanted = []
    for number in range(5):
        waits = await admission(world, f"w{number}", confidence_score=0.1)
        wanted.append(replace(waits, likeness=bytes([number]) * 32, **asked))
        wanted[-1] = replace(wanted[-1], same_call=bytes([number]) * 32)
        runs = replace(await admission(world, f"r{number}"), likeness=b"r" * 32, **asked)
        wanted.append(replace(runs, waiting_max=None))
    refused = [
        replace(await admission(world, "x"), same_call=b"w" * 32),
        replace(await admission(world, "y"), likeness=b"n" * 32, rejected_since=NOON),
        replace(await admission(world, "z"), waiting_max=1),
    ]
    assert await twins.ask([*refused, *wanted]) == [
        *("SAME_CALL_WAITS", "REJECTED_BEFORE", "TOO_MANY_WAITING"),
        *["ADMITTED"] * 10,
    ]


async def test_an_id_twice_in_one_batch_is_known_the_second_time(twins: Twins) -> None:
    world = twins.together
    [known] = [await admission(world, "known")]
    assert await twins.ask([known]) == ["ADMITTED"]
    other = await admission(world, "a", parameters={"title": "Other"})
    wanted = [
        await admission(world, "a"),
        known,
        other,
        await admission(world, "b"),
        await admission(world, "a"),
    ]
    assert await twins.ask(wanted) == ["ADMITTED", "KNOWN", "KNOWN", "ADMITTED", "KNOWN"]
    assert (await world.record("a")).intent.parameters == {"title": "Renewal call"}
    assert await world.used() == {"actions": 3, "actions:CREATE_TASK": 3}


async def test_a_budget_that_runs_out_in_the_middle_is_given_to_whoever_came_first(
    twins: Twins,
) -> None:
    world = twins.together
    tasks = [await admission(world, f"a{number}") for number in range(12)]
    assert await twins.ask(tasks) == ["ADMITTED"] * 10 + ["BUDGET_SPENT"] * 2
    tomorrow = NOON + 86_400_000
    mails = [await admission(world, f"m{number}", now=tomorrow, **MAIL) for number in range(3)]
    mails.insert(2, await admission(world, "t", now=tomorrow))
    assert await twins.ask(mails) == ["ADMITTED", "ADMITTED", "ADMITTED", "BUDGET_SPENT"]
    refunds = [
        await admission(world, f"r{number}", now=tomorrow, **refund(amount))
        for number, amount in enumerate([50_000, 30_000, 10_001, 10_000, 9_999, 1])
    ]
    assert await twins.ask(refunds) == ["ADMITTED"] * 3 + [
        "BUDGET_SPENT",
        "ADMITTED",
        "BUDGET_SPENT",
    ]
    assert (await world.used(day="2026-11-25"))["amount:ISSUE_REFUND"] == 100_000


async def test_a_decision_under_settings_of_before_is_told_so_and_takes_nothing(
    twins: Twins,
) -> None:
    world = twins.together
    stale = [await admission(world, name) for name in ("a", "b")]
    for one in (twins.together, twins.alone):
        await one.autonomy(
            modes=[{"mode": "AUTO_EXECUTE"}], budgets=[{"account": "acme", "max_per_day": 4}]
        )
    wanted = [
        stale[0],
        await admission(world, "c"),
        stale[1],
        await admission(world, "a"),
        await admission(world, "d"),
    ]
    assert await twins.ask(wanted) == [
        "KNOWN",
        "ADMITTED",
        "SETTINGS_MOVED",
        "ADMITTED",
        "ADMITTED",
    ]
    further = [await admission(world, "e"), stale[1], await admission(world, "f")]
    assert await twins.ask(further) == ["ADMITTED", "SETTINGS_MOVED", "BUDGET_SPENT"]
    late = await admission(world, "g", account_id="globex")
    for one in (twins.together, twins.alone):
        await one.configure({"stop_switches": []}, tenant_id="*")
    assert await twins.ask([stale[1], late]) == ["SETTINGS_MOVED", "SETTINGS_MOVED"]


async def test_an_edit_and_other_steps_beside_admissions(twins: Twins) -> None:
    world = twins.together
    names = ("edited", "refused", "started", "cancelled")
    await twins.ask(
        [await admission(world, "edited", confidence_score=0.1), await admission(world, "started")]
    )
    await twins.ask(
        [
            await admission(world, "refused", confidence_score=0.1),
            await admission(world, "cancelled"),
        ]
    )
    records = {name: await world.record(name) for name in names}
    edit = execution.rule(
        records["edited"],
        APPROVER,
        RulingKind.EDIT,
        None,
        now=NOON,
        edited=await admission(world, "new", supersedes="edited"),
    )
    over = execution.rule(
        records["refused"],
        APPROVER,
        RulingKind.EDIT,
        None,
        now=NOON,
        edited=await admission(world, "taken", supersedes="refused"),
    )
    steps: list[Step] = [
        await admission(world, "a"),
        edit,
        await started(world, records["started"]),
        await admission(world, "taken"),
        over,
        execution.cancel(records["cancelled"], code="X", reason=None, actor=OWNER, now=NOON),
        await started(world, records["started"]),
        await admission(world, "a"),
    ]
    said = await twins.ask(steps)
    assert said == [
        "ADMITTED",
        "APPLIED",
        "APPLIED",
        "ADMITTED",
        "KNOWN",
        "APPLIED",
        "MOVED",
        "KNOWN",
    ]
    assert (await world.record("new")).intent.supersedes == "edited"
    assert (await world.record("refused")).status is IntentStatus.AWAITING_APPROVAL


async def test_a_batch_that_is_sent_again_says_the_same_and_changes_nothing(twins: Twins) -> None:
    world = twins.together
    await twins.ask(
        [await admission(world, "w", confidence_score=0.1), await admission(world, "s")]
    )
    edit = execution.rule(
        await world.record("w"),
        APPROVER,
        RulingKind.EDIT,
        None,
        now=NOON,
        edited=await admission(world, "e", supersedes="w"),
    )
    steps: list[Step] = [await admission(world, f"a{number}") for number in range(4)]
    steps += [edit, await started(world, await world.record("s"))]
    ids = [UUID(int=1000 + number) for number in range(len(steps))]
    first = await _transition(world, steps, ids)
    await _transition(twins.alone, steps, ids)
    before = {table: rows(world, table) for table in TABLES}
    assert await twins.ask(steps, ids) == ["ADMITTED"] * 4 + ["APPLIED"] * 2
    again = await _transition(world, steps, ids)
    assert sorted(again, key=lambda row: row[0]) == sorted(first, key=lambda row: row[0])
    assert {table: rows(world, table) for table in TABLES} == before


class AnyBatch:
    """Batches as they could come: new and known ids, old settings, every step, in any mixture."""

    def __init__(self, twins: Twins, seed: int) -> None:
        self._twins = twins
        self._random = random.Random(seed)
        self._old: list[Step] = []
        self._late: list[Admission] = []  # decided before the settings changed

    async def batch(self) -> list[Step]:
        if self._random.random() < 0.2:
            self._late += [await self._admission() for _ in range(4)]
            limit = self._random.randrange(3, 20)
            for world in (self._twins.together, self._twins.alone):
                await world.autonomy(
                    budgets=[
                        {
                            "account": "acme",
                            "max_per_day": limit,
                            "max_per_day_by_action_type": {"SEND_MAIL": 4},
                        }
                    ]
                )
        steps = [await self._step() for _ in range(self._random.randrange(1, 14))]
        self._old += steps
        return steps

    async def _step(self) -> Step:
        chance = self._random.random()
        if self._old and chance < 0.2:
            return self._random.choice(self._old)
        if self._late and chance < 0.3:
            return self._late.pop()
        if chance < 0.7:
            return await self._admission()
        found = await self._twins.together.store.timeline(TENANT, TimelineQuery(limit=100))
        waiting = [
            one
            for one in found
            if one.status in {IntentStatus.AWAITING_APPROVAL, IntentStatus.APPROVED}
        ]
        return (
            await self._change(self._random.choice(waiting)) if waiting else await self._admission()
        )

    async def _admission(self, **more: Any) -> Admission:
        kind = self._random.choice([{}, {}, MAIL, refund(self._random.randrange(1, 30_000))])
        said = {
            "account_id": self._random.choice(["acme", "globex"]),
            "confidence_score": self._random.choice([0.1, 0.9, 0.9]),
            "now": NOON + self._random.choice([0, 86_400_000]),
        }
        wanted = await admission(
            self._twins.together, f"i{self._random.randrange(400)}", **(kind | said | more)
        )
        return self._asking(wanted)

    def _asking(self, wanted: Admission) -> Admission:
        """The admission with some of what it may ask for besides."""
        likeness = bytes([self._random.randrange(40)]) * 32
        quota = Claim("blocked_bytes", self._random.randrange(9), 120, OF_AGENT)
        hold = wanted.decision.hold
        if hold is not None and self._random.random() < 0.7:
            claims = (*hold.claims, Claim("actions", 1, 40, OF_TENANT))
            claims += (Claim("new_accounts", 1, None, OF_AGENT),)
            decision = replace(wanted.decision, hold=replace(hold, claims=claims))
            wanted = replace(wanted, decision=decision)
        return replace(
            wanted,
            likeness=self._maybe(likeness),
            same_call=self._maybe(likeness) if self._random.random() < 0.5 else None,
            rejected_since=self._maybe(NOON),
            waiting_max=self._random.choice([None, None, 50, 3]),
            quota=self._maybe((quota,)) or (),
            knows_account=self._random.random() < 0.1,
        )

    def _maybe(self, value: Any) -> Any:
        return value if self._random.random() < 0.6 else None

    async def _change(self, record: IntentRecord) -> Change:
        if record.status is IntentStatus.APPROVED and self._random.random() < 0.5:
            return await started(self._twins.together, record)
        if record.status is IntentStatus.APPROVED or self._random.random() < 0.3:
            return execution.cancel(record, code="X", reason=None, actor=OWNER, now=NOON)
        if self._random.random() < 0.4:
            return execution.rule(record, APPROVER, RulingKind.REJECT, NO, now=NOON)
        edited = await self._admission(supersedes=record.intent.action_intent_id, account_id="acme")
        return execution.rule(record, APPROVER, RulingKind.EDIT, None, now=NOON, edited=edited)


@pytest.mark.parametrize("seed", range(3))
async def test_any_batches_say_and_store_the_same(twins: Twins, seed: int) -> None:
    batches, said = AnyBatch(twins, seed), Counter[str]()
    for _ in range(40):
        said.update(await twins.ask(await batches.batch()))
    assert {"ADMITTED", "KNOWN", "APPLIED", "MOVED", "BUDGET_SPENT", "SETTINGS_MOVED"} <= set(said)
    assert {"SAME_CALL_WAITS", "REJECTED_BEFORE", "TOO_MANY_WAITING", "QUOTA_SPENT"} <= set(said)
    counted = await twins.together.store.counted(TENANT, [OF_TENANT, OF_AGENT])
    assert 0 < counted[OF_TENANT]["actions"] <= 40
    assert counted[OF_TENANT]["actions"] == await held_of_tenant(twins.together)
    for account in ("acme", "globex"):
        for day in ("2026-11-24", "2026-11-25"):
            assert await twins.together.used(account, day) == await held(
                twins.together, account, day
            )
    positions = [entry.position for entry in await twins.together.store.entries(TENANT, 0, 10_000)]
    assert positions == list(range(1, len(positions) + 1))


async def held(world: World, account_id: str, day: str) -> dict[str, int]:
    """What the holds of all intents add up to, with zeros for what was given back."""
    used = dict.fromkeys(await world.used(account_id, day), 0)
    for record in await world.store.timeline(
        TENANT, TimelineQuery(account_id=account_id, limit=10_000)
    ):
        if record.hold and record.hold.day == day and record.hold.state is not HoldState.RELEASED:
            for claim in record.hold.claims:
                if claim.counter is None:
                    used[claim.bucket] += claim.amount
    return used


async def held_of_tenant(world: World) -> int:
    """What the holds of all intents add up to in the counter of the tenant."""
    records = await world.store.timeline(TENANT, TimelineQuery(limit=10_000))
    holds = [one.hold for one in records if one.hold and one.hold.state is not HoldState.RELEASED]
    claims = [claim for hold in holds for claim in hold.claims]
    return sum(claim.amount for claim in claims if claim.counter == OF_TENANT)


# Many processes


@pytest.mark.parametrize("whose", ["account", "tenant"])
async def test_many_processes_take_exactly_the_budget_and_start_each_intent_once(
    database: str, whose: str
) -> None:
    async with opened(database) as world:
        processes = [
            await asyncio.create_subprocess_exec(
                *(
                    sys.executable,
                    "-m",
                    "tests.conformance.support.crowd_process",
                    database,
                    str(seed),
                    whose,
                ),
                cwd=Path(__file__).parents[2],
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
            )
            for seed in range(PROCESSES)
        ]
        try:
            async with asyncio.timeout(60):
                for process in processes:
                    assert process.stdout is not None
                    assert await process.stdout.readline() == b"ready\n"
                said = await asyncio.gather(
                    *(process.communicate(b"go\n") for process in processes)
                )
        finally:
            for process in processes:
                if process.returncode is None:
                    process.kill()
                    await process.wait()
        answers = [json.loads(out) for out, _ in said]
        total = sum((Counter(one) for one in answers), Counter[str]())
        assert all(
            one.get("Admitted", 0) + one.get("AlreadyAdmitted", 0) + one["BudgetSpent"] == NAMES
            for one in answers
        )
        assert (total["Admitted"], total["AlreadyAdmitted"]) == (LIMIT, LIMIT * (PROCESSES - 1))
        assert total["Applied"] == LIMIT
        if whose == "account":
            assert await world.used() == {"actions": LIMIT, "actions:CREATE_TASK": LIMIT}
        else:
            counted = await world.store.counted(TENANT, [EVERYBODY.counter])
            assert counted == {EVERYBODY.counter: {"actions": LIMIT}}
        entries = await world.store.entries(TENANT, 0, 1_000)
        assert [entry.position for entry in entries] == list(range(1, 1 + 2 * LIMIT + 1))
