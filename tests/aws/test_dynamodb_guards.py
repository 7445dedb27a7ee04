"""What an admission has to know of others, on DynamoDB: a look that was not one moment commits
nothing, windows that are past keep their counts, and what older processes do is borne.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import pytest

from clearance.core import steps
from clearance.core.approval import RulingKind
from clearance.core.budget import Claim, Counter, Hold
from clearance.core.errors import Unavailable
from clearance.core.ledger import Reason
from clearance.core.record import Admission, IntentStatus
from clearance.flow.ports.intents import TimelineQuery
from clearance.flow.ports.transitions import (
    Admitted,
    Applied,
    BudgetSpent,
    QuotaSpent,
    RejectedBefore,
    SameCallWaits,
    TooManyWaiting,
)
from clearance.stores.dynamodb import client as dynamodb_client
from clearance.stores.dynamodb import guards, intents
from clearance.stores.dynamodb import table as tables
from tests.aws.support.faults import Call, Faulty, faulty
from tests.aws.support.table import Table
from tests.conformance.test_store import admission, admitted, applied
from tests.support.sample import AGENT, APPROVER, NOON, OWNER, TENANT
from tests.support.world import World, opened

pytestmark = pytest.mark.anyio

TRANSACT = "transact_write_items"
MINUTE, HOUR, DAY = 60_000, 3_600_000, 24 * 3_600_000
SUBJECT = '{"agent":"support-agent"}'
AGENT_DAY = Counter(SUBJECT, "2026-11-24")
A, B = b"a" * 32, b"b" * 32


@dataclass
class Shaky:
    """A world on a table whose client may be made to answer with what was true before."""

    world: World
    client: Faulty


@pytest.fixture
def place(dynamodb_table: Table) -> Table:
    return dynamodb_table


@pytest.fixture
async def shaky(place: Table) -> AsyncIterator[Shaky]:
    with faulty(place.client) as client:
        async with opened(replace(place, client=client)) as world:
            client.asked.clear()
            yield Shaky(world, client)


def items_of(table: Table) -> dict[tables.Key, dict[str, Any]]:
    """Every item, in plain values."""
    pages = table.client.get_paginator("scan").paginate(TableName=table.name)
    items = [dynamodb_client.decode_item(item) for page in pages for item in page["Items"]]
    return {tables.Key(item["pk"], item["sk"]): item for item in items}


def torn(client: Faulty, before: Mapping[tables.Key, Mapping[str, Any]], looks: int) -> None:
    """The next looks read HEAD as it is now, and everything else as it was before."""

    def look(call: Call) -> dict[str, Any]:
        answer = call()
        [(name, found)] = answer["Responses"].items()
        [(_, request)] = client.asked[-1][1]["RequestItems"].items()
        now = {key_of(item): item for item in map(dynamodb_client.decode_item, found)}
        old = [
            now.get(key) if key == tables.head(TENANT) else before.get(key)
            for key in map(key_of, map(dynamodb_client.decode_item, request["Keys"]))
        ]
        return {"Responses": {name: [dynamodb_client.encode_item(item) for item in old if item]}}

    client.next("batch_get_item", *[look] * looks)


def key_of(item: Mapping[str, Any]) -> tables.Key:
    return tables.Key(item["pk"], item["sk"])


def holding(wanted: Admission, *claims: Claim) -> Admission:
    """The admission with these claims instead of the gate's."""
    return replace(wanted, decision=replace(wanted.decision, hold=Hold("2026-11-24", claims)))


async def waiting(world: World, name: str, **asked: Any) -> Admission:
    """An admission that waits for a person."""
    return replace(await admission(world, name, confidence_score=0.1), **asked)


def act(counter: Counter, limit: int | None = None, amount: int = 1) -> Claim:
    return Claim("actions", amount, limit, counter)


async def _spends(world: World) -> object:
    return await world.store.admit(holding(await admission(world, "other"), act(AGENT_DAY, 1)))


async def _waits(world: World) -> object:
    return await world.store.admit(await waiting(world, "other", likeness=A, same_call=B))


async def _rejects(world: World) -> object:
    change = steps.rule(
        await world.record("seen"),
        *(APPROVER, RulingKind.REJECT, Reason("no", b"r" * 16)),
        now=NOON,
    )
    return await world.store.advance(change)


async def _asks_again(world: World) -> object:
    record = await world.record("runs")
    change = replace(
        steps.cancel(record, code="X", reason=None, actor=OWNER, now=NOON),
        status=IntentStatus.AWAITING_APPROVAL,
    )
    return await world.store.advance(change)


@pytest.mark.parametrize(
    ("meanwhile", "asked", "says"),
    [
        (_spends, {"claim": act(AGENT_DAY, 1)}, BudgetSpent),
        (_spends, {"quota": (act(AGENT_DAY, 1),)}, QuotaSpent),
        (_waits, {"waiting_max": 2}, TooManyWaiting),
        (_waits, {"same_call": B}, SameCallWaits),
        (_asks_again, {"same_call": A}, SameCallWaits),
        (_rejects, {"likeness": A, "rejected_since": 0}, RejectedBefore),
    ],
    ids=["budget", "quota", "waiting", "same-call", "same-call-asks-again", "rejected"],
)
@pytest.mark.parametrize("status", ["runs", "waits"])
async def test_a_look_that_was_not_one_moment_commits_nothing_that_the_facts_forbid(
    *,
    shaky: Shaky,
    place: Table,
    meanwhile: Callable[[World], Any],
    asked: dict[str, Any],
    says: type,
    status: str,
) -> None:
    """Another's transition came between the reads: HEAD is as it is now, the rest is old."""
    world, asked = shaky.world, dict(asked)
    claim = asked.pop("claim", None)
    await admitted(world, "first")
    await world.store.admit(await waiting(world, "seen", likeness=A))
    # Named by the guard of its call, and does not wait
    await world.store.admit(await waiting(world, "runs", same_call=A))
    record = await world.record("runs")
    await applied(world, steps.rule(record, APPROVER, RulingKind.APPROVE, None, now=NOON))
    wanted = await (admission(world, "a") if status == "runs" or claim else waiting(world, "a"))
    wanted = replace(holding(wanted, claim) if claim else wanted, **asked)
    before = items_of(place)
    assert isinstance(await meanwhile(world), Admitted | Applied)
    size, sent = await world.store.ledger_size(TENANT), shaky.client.count(TRANSACT)
    # The call's guard leads to an intent, which is looked at then
    torn(shaky.client, before, 2 if meanwhile is _asks_again else 1)
    assert isinstance(await world.store.admit(wanted), says)
    assert shaky.client.count(TRANSACT) == sent + 1, "the old look was tried, and cancelled"
    assert await world.store.ledger_size(TENANT) == size


# Windows


def windows_at(subject: str, moment: int) -> list[Counter]:
    """The four windows of a subject that a moment is in."""
    at = datetime.fromtimestamp(moment / 1000, UTC)
    shapes = ("%Y-%m-%dT%H:%M", "%Y-%m-%dT%H", "%Y-%m-%d Asia/Tokyo", "%Y-%m")
    return [Counter(subject, at.strftime(shape)) for shape in shapes]


STEPS = [
    *(MINUTE, MINUTE, 3 * MINUTE, HOUR, -2 * HOUR, HOUR, 5 * HOUR, DAY, DAY, -3 * DAY, 4 * DAY),
    *(30 * DAY, MINUTE, -33 * DAY, 34 * DAY, 2 * HOUR),
]


async def test_a_window_keeps_its_count_wherever_it_stands_and_whatever_clocks_say(
    world: World, place: Table
) -> None:
    """The clock goes on by steps of all sizes, and back; every count is that of a plain dict."""
    subjects, expected, now = ("{}", SUBJECT), dict[Counter, int](), NOON
    held: dict[str, list[Counter]] = {}
    for number, step in enumerate(STEPS):
        now += step
        counters = [counter for subject in subjects for counter in windows_at(subject, now)]
        wanted = holding(
            await admission(world, f"a{number}"), *(act(counter, 99) for counter in counters)
        )
        assert isinstance(await world.store.admit(wanted), Admitted)
        expected |= {counter: expected.get(counter, 0) + 1 for counter in counters}
        held[f"a{number}"] = counters
    for name in list(held)[::3]:
        record = await world.record(name)
        await applied(world, steps.cancel(record, code="X", reason=None, actor=OWNER, now=NOON))
        expected |= {counter: expected[counter] - 1 for counter in held.pop(name)}
    counted = await world.store.counted(TENANT, list(expected))
    assert {counter: counted[counter]["actions"] for counter in expected} == expected
    everything = items_of(place)
    beside = (
        everything[tables.head(TENANT)]["counted"],
        everything[tables.counters(TENANT, SUBJECT)]["counted"],
    )
    assert all(len(standing) < len(expected) / 4 for standing in beside), "the past has moved"
    for counter in (min(expected, key=lambda counter: counter.window), windows_at("{}", now)[2]):
        full = act(counter, expected[counter])
        answer = await world.store.admit(holding(await admission(world, "b"), full))
        assert answer == BudgetSpent({full.place: expected[counter]})


async def test_after_a_pause_the_past_moves_in_transactions_that_dynamodb_takes(
    shaky: Shaky, place: Table
) -> None:
    """8 subjects with 4 windows each: all are over at once, and every further act moves some."""
    world = shaky.world
    subjects = ["{}", *(f'{{"agent":"a{number}"}}' for number in range(7))]

    async def acts(name: str, now: int) -> None:
        claims = [act(one, 99) for subject in subjects for one in windows_at(subject, now)]
        wanted = holding(await admission(world, name), *claims)
        assert isinstance(await world.store.admit(wanted), Admitted)

    for number in range(12):
        await acts(f"a{number}", NOON + number * MINUTE + number // 4 * HOUR)
    for number in range(3):
        await acts(f"b{number}", NOON + 90 * DAY)
    sizes = [
        len(request["TransactItems"]) for name, request in shaky.client.asked if name == TRANSACT
    ]
    assert max(sizes) > guards.MOVED_MAX, "as many as may move did"
    assert max(sizes) <= 60
    for subject in subjects:
        current = [act(one).counter for one in windows_at(subject, NOON + 90 * DAY)]
        counted = await world.store.counted(TENANT, [one for one in current if one])
        assert [use["actions"] for use in counted.values()] == [3] * 4
        standing = items_of(place)[tables.counters(TENANT, subject)]["counted"]
        assert len(standing) == 4


async def test_counters_go_some_time_after_their_windows_and_nothing_else_does(
    world: World, place: Table
) -> None:
    claims = [act(one) for one in windows_at(SUBJECT, NOON)]
    wanted = replace(holding(await admission(world, "a"), *claims), likeness=A, knows_account=True)
    await world.store.admit(wanted)
    later = [act(windows_at(SUBJECT, NOON + 5 * MINUTE)[0])]
    await world.store.admit(holding(await admission(world, "b"), *later))
    await world.store.admit(await waiting(world, "w", same_call=A))
    mortal = {
        key.sk: (item[tables.TTL_ATTRIBUTE] * 1000 - NOON) // DAY
        for key, item in items_of(place).items()
        if tables.TTL_ATTRIBUTE in item
    }
    assert mortal == {
        f"counter#{SUBJECT}": 430 - 23,  # the month's, since its first day
        f"past#2026-11-24T12:00#{SUBJECT}": 3,
    }


# What older processes wrote, and write


async def test_an_older_process_can_read_the_hold_of_an_intent(world: World, place: Table) -> None:
    """It knows claims of three parts; the others stand beside what the agent wrote."""
    own = Claim("actions", 1, 9)
    record = await applied_admission(
        world, holding(await admission(world, "a"), act(AGENT_DAY), own)
    )
    assert items_of(place)[tables.intent(TENANT, "a")]["hold"]["claims"] == '[["actions", 1, 9]]'
    assert record == await world.record("a")
    assert record.hold is not None
    assert record.hold.claims == (act(AGENT_DAY), own)


async def applied_admission(world: World, wanted: Admission) -> Any:
    answer = await world.store.admit(wanted)
    assert isinstance(answer, Admitted)
    return answer.record


async def test_what_older_processes_admit_and_move_is_borne(world: World, place: Table) -> None:
    """What waited before is counted when it asks again; what an older process moved is counted no
    more when it moves again, and is not taken for a call that waits.
    """
    await world.store.admit(await waiting(world, "old"))
    await world.store.admit(await waiting(world, "moved", same_call=A))
    everything = items_of(place)
    old, moved = (everything[tables.intent(TENANT, name)] for name in ("old", "moved"))
    del old["counted_waiting"]
    moved |= {"status": "APPROVED", "revision": 2}
    counted = everything[tables.waiting(TENANT, AGENT.actor_id)]
    for item in (old, moved, counted | {"waiting": 1}):
        await asyncio.to_thread(
            place.client.put_item, TableName=place.name, Item=dynamodb_client.encode_item(item)
        )
    left = steps.cancel(await world.record("old"), code="X", reason=None, actor=OWNER, now=NOON)
    await applied(world, left)
    asked = await waiting(world, "b", same_call=A, waiting_max=1)
    assert await world.store.admit(asked) == TooManyWaiting(1)
    left = steps.cancel(await world.record("moved"), code="X", reason=None, actor=OWNER, now=NOON)
    await applied(world, left)
    assert isinstance(await world.store.admit(asked), Admitted)
    assert await world.store.admit(replace(asked, intent=(await admission(world, "c")).intent)) == (
        SameCallWaits(await world.record("b"))
    )


# Lists


async def test_the_intents_of_one_actor_are_looked_for_so_far_and_no_further(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is not looked at is never taken for nothing."""
    monkeypatch.setattr(intents, "FILTERED_PAGE", 3)
    monkeypatch.setattr(intents, "KEYS_MAX", 3)
    monkeypatch.setattr(intents, "LOOKED_AT_MAX", 6)
    await admitted(world, "mine", proposed_by="me", now=NOON)
    for number in range(6):
        await admitted(world, f"a{number}", now=NOON + number * 2 * HOUR)
    mine = TimelineQuery(proposed_by="me", limit=1)
    with pytest.raises(Unavailable) as refused:
        await world.store.timeline(TENANT, mine)
    assert refused.value.code == "TIMELINE_TOO_LONG"
    assert await world.store.timeline(TENANT, replace(mine, since=NOON + 8 * HOUR)) == []
    theirs = await world.store.timeline(TENANT, replace(mine, proposed_by=AGENT.actor_id, limit=4))
    assert [record.intent.action_intent_id for record in theirs] == ["a5", "a4", "a3", "a2"]
    before = (await world.record("a2")).position
    [found] = await world.store.timeline(TENANT, replace(mine, before=before))
    assert found.intent.action_intent_id == "mine"


async def test_of_many_alike_the_last_and_the_last_rejected_are_named(world: World) -> None:
    await world.autonomy(budgets=[{"max_per_day": 100}])
    await world.store.admit(await waiting(world, "no", likeness=A))
    no = steps.rule(
        await world.record("no"),
        *(APPROVER, RulingKind.REJECT, Reason("no", b"r" * 16)),
        now=NOON,
    )
    await applied(world, no)
    for number in range(20):
        await world.store.admit(replace(await admission(world, f"a{number:02}"), likeness=A))
    long = "x" * 64
    await world.store.admit(replace(await admission(world, long), likeness=A))
    alike = await world.store.alike(TENANT, A, 100)
    names = [record.intent.action_intent_id for record in alike]
    assert names == [long, *(f"a{number:02}" for number in range(19, 4, -1)), "no"]
    assert isinstance(
        await world.store.admit(
            replace(await admission(world, "b"), likeness=A, rejected_since=NOON)
        ),
        RejectedBefore,
    )
