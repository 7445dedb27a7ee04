"""What only DynamoDB has: races between processes, items and what keeps them, shards, and what a
transition costs.
"""

from __future__ import annotations

import asyncio
import random
import secrets
import string
from collections.abc import AsyncIterator, Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, TypeVar

import pytest

from clearance.clock import SystemClock
from clearance.core import steps
from clearance.core.approval import RulingKind
from clearance.core.budget import Claim, Counter, Hold
from clearance.core.credential import ApiKey, PageSession
from clearance.core.decision import Answer as Says
from clearance.core.errors import TooLarge, Unavailable
from clearance.core.ledger import EntryKind, Reason, draft
from clearance.core.outcome import Outcome, OutcomeStatus, Sent
from clearance.core.principal import Role
from clearance.core.record import Admission, IntentRecord, IntentStatus
from clearance.flow.ports.due import Due
from clearance.flow.ports.intents import TimelineQuery
from clearance.flow.ports.marks import Mark, Phase
from clearance.flow.ports.transitions import Admitted, Applied, BudgetSpent, SettingsMoved
from clearance.stores.dynamodb import client as dynamodb_client
from clearance.stores.dynamodb import intents, items
from clearance.stores.dynamodb import store as dynamodb
from clearance.stores.dynamodb import table as tables
from clearance.stores.dynamodb.client import ITEM_BYTES_MAX, item_bytes
from clearance.stores.dynamodb.credentials import FORMAT
from clearance.stores.dynamodb.store import DynamoStore
from tests.aws.support.faults import faulty
from tests.aws.support.table import Table
from tests.conformance.test_store import admission, admitted, applied, started
from tests.support import sample
from tests.support.sample import APPROVER, NOON, OWNER, TENANT, task
from tests.support.world import World, opened

pytestmark = pytest.mark.anyio

THREADS = 16
INTENTS = 40
LIMIT = 10
HOUR = 3_600_000
AGENTS_READ = Claim("reads", 1, 9, Counter('{"agent":"agent-ada"}', "2026-11-24T12:00"))
TRANSACT = "transact_write_items"

T = TypeVar("T")


@pytest.fixture
async def shop(table: Table) -> AsyncIterator[World]:
    """A configured tenant on each of the emulators."""
    async with opened(table) as world:
        yield world


@pytest.fixture
def place(dynamodb_table: Table) -> Table:
    """What is about the store and not about an emulator runs on MiniStack alone."""
    return dynamodb_table


def scan(table: Table) -> list[dict[str, Any]]:
    """Every item, on the wire."""
    found: list[dict[str, Any]] = []
    for page in table.client.get_paginator("scan").paginate(TableName=table.name):
        found += page["Items"]
    return found


def items_of(table: Table) -> list[dict[str, Any]]:
    """Every item, in plain values."""
    return [dynamodb_client.decode_item(item) for item in scan(table)]


# Races between processes: each thread has a store and a loop of its own


def in_threads(table: Table, work: list[Any]) -> list[Any]:
    """Runs each `work(store)`, spread over 16 threads, each with a store of its own on the same
    table.
    """
    shares = [work[number::THREADS] for number in range(THREADS)]

    async def share(mine: list[Any]) -> list[Any]:
        store = await DynamoStore.open(table.name, client=table.client)
        try:
            return [await one(store) for one in mine]
        finally:
            await store.close()

    def run(mine: list[Any]) -> list[Any]:
        return asyncio.run(share(mine))

    with ThreadPoolExecutor(THREADS) as threads:
        return [answer for answers in threads.map(run, shares) for answer in answers]


def admitting(one: Admission) -> Any:
    def work(store: DynamoStore) -> Coroutine[Any, Any, Any]:
        return store.admit(one)

    return work


async def test_of_40_intents_in_16_processes_exactly_the_limit_gets_through(
    shop: World, table: Table
) -> None:
    wanted = [await admission(shop, f"a{number}") for number in range(INTENTS)]
    answers = await asyncio.to_thread(in_threads, table, [admitting(one) for one in wanted])
    assert len(answers) == INTENTS
    assert sum(isinstance(answer, Admitted) for answer in answers) == LIMIT
    assert sum(isinstance(answer, BudgetSpent) for answer in answers) == INTENTS - LIMIT
    assert await shop.used() == {"actions": LIMIT, "actions:CREATE_TASK": LIMIT}
    positions = [entry.position for entry in await shop.store.entries(TENANT, 0, 1_000)]
    assert positions == list(range(1, LIMIT + 2))
    assert len(await shop.store.timeline(TENANT, TimelineQuery(limit=500))) == LIMIT


async def test_of_16_processes_that_admit_one_intent_one_does(shop: World, table: Table) -> None:
    wanted = await admission(shop, "a")
    answers = await asyncio.to_thread(in_threads, table, [admitting(wanted)] * THREADS)
    record = await shop.record("a")
    assert sorted(type(answer).__name__ for answer in answers) == [
        "Admitted",
        *["AlreadyAdmitted"] * (THREADS - 1),
    ]
    assert all(answer.record == record for answer in answers)
    assert await shop.used() == {"actions": 1, "actions:CREATE_TASK": 1}


async def test_of_16_processes_that_claim_one_intent_one_does(shop: World, table: Table) -> None:
    change = await started(shop, await admitted(shop, "a"))
    answers = await asyncio.to_thread(
        in_threads, table, [lambda store: store.advance(change)] * THREADS
    )
    assert sum(isinstance(answer, Applied) for answer in answers) == 1
    assert len(await shop.store.entries_about(TENANT, "a")) == 2


async def test_nobody_starves_while_16_processes_keep_at_one_tenant(
    world: World, place: Table
) -> None:
    wanted = [
        await admission(world, f"x{number}", account_id=f"account-{number}") for number in range(64)
    ]
    answers = await asyncio.to_thread(in_threads, place, [admitting(one) for one in wanted])
    assert all(isinstance(answer, Admitted) for answer in answers)
    assert await world.store.ledger_size(TENANT) == 65


# Budgets that let nothing through


@pytest.mark.parametrize(
    "budgets",
    [
        [{"max_per_day": 0}],
        [],
        [{"account": "globex", "max_per_day": 5}],
        [{"max_per_day": 5, "max_per_day_by_action_type": {"CREATE_TASK": 0}}],
    ],
    ids=["zero", "none", "of-another-account", "zero-of-its-type"],
)
async def test_a_limit_of_zero_or_none_at_all_lets_nothing_through(
    shop: World, budgets: list[Any]
) -> None:
    await shop.autonomy(budgets=budgets)
    for number in range(3):
        record = await shop.propose(task(f"t{number}"))
        assert record.decision.answer is Says.REQUIRE_APPROVAL
        assert record.hold is None
    assert await shop.used() == {}
    assert shop.tools.calls == []


@pytest.mark.parametrize("claim", [Claim("actions", 1, 0), Claim("amount:X", 6, 5)])
async def test_a_claim_above_its_limit_reaches_no_transaction(table: Table, claim: Claim) -> None:
    with faulty(table.client) as client:
        async with opened(replace(table, client=client)) as world:
            wanted = await admission(world, "a")
            hold = Hold("2026-11-24", (claim,))
            before = client.count(TRANSACT)
            answer = await world.store.admit(
                replace(wanted, decision=replace(wanted.decision, hold=hold))
            )
            assert answer == BudgetSpent({})
            assert client.count(TRANSACT) == before


# Items


async def test_an_item_that_dynamodb_could_not_keep_is_refused(world: World) -> None:
    wanted = await admission(world, "a")
    with pytest.raises(TooLarge) as refused:
        await world.store.admit(replace(wanted, content=b"x" * (ITEM_BYTES_MAX + 1)))
    assert refused.value.code == "ITEM_TOO_LARGE"
    assert await world.store.intent(TENANT, "a") is None
    assert (await world.store.ledger_size(TENANT), await world.used()) == (1, {})
    with pytest.raises(TooLarge):
        await world.store.admit(
            replace(wanted, entry=replace(wanted.entry, body=b"x" * ITEM_BYTES_MAX))
        )
    assert await world.store.ledger_size(TENANT) == 1


async def test_the_largest_intent_and_the_largest_result_fit(world: World) -> None:
    """64 KiB of content, and 32 KiB of result that are six times as many once they are written in
    ASCII.
    """
    document = sample.document()
    document["catalog"]["CREATE_TASK"]["parameters"]["properties"]["title"]["maxLength"] = 70_000
    await world.configure(document)
    record = await admitted(world, "a", parameters={"title": "é" * 32_000})
    running = await applied(world, await started(world, record))
    outcome = Outcome(OutcomeStatus.SUCCEEDED, "Done.", "\x01" * 32_000, 32_000)
    done = await applied(
        world, steps.record_outcome(running, 1, outcome, tries=1, actor=OWNER, now=NOON)
    )
    assert await world.record("a") == done
    assert done.outcome is not None
    assert len(done.outcome.result) == 32_000


async def test_a_sentence_with_half_a_character_is_stored_all_the_same(world: World) -> None:
    running = await applied(world, await started(world, await admitted(world, "a")))
    outcome = Outcome(OutcomeStatus.FAILED, "The tool said something.")
    change = steps.record_outcome(running, 1, outcome, tries=1, actor=OWNER, now=NOON)
    broken = replace(outcome, sentence="The tool said \ud800.", result={"bad": "\ud800"})
    done = await applied(world, replace(change, outcome=broken))
    assert done.outcome is not None
    assert (done.outcome.sentence, done.outcome.result) == ("The tool said ?.", {"bad": "\ud800"})
    assert await world.record("a") == done


async def test_our_measure_of_an_item_is_never_less_than_dynamodbs(place: Table) -> None:
    """At our limit the emulator, which measures by itself, still takes an item; one more byte and
    we refuse it.
    """
    chance = random.Random(7)
    for number in range(8):
        item: dict[str, Any] = {
            "pk": f"p{number}",
            "sk": "ünï",
            "n": chance.choice([0, -1, 10**15, 2**53]),
            "yes": True,
            "list": [1, "two", {"three": 3}],
            "map": {"a": {"b": ["c", 10**9]}},
            "bytes": b"\0" * chance.randrange(1_000),
        }
        item["fill"] = "é" * ((ITEM_BYTES_MAX - item_bytes(item) - len("fill")) // 2)
        assert ITEM_BYTES_MAX - 1 <= item_bytes(item) <= ITEM_BYTES_MAX
        await asyncio.to_thread(
            place.client.put_item, TableName=place.name, Item=dynamodb_client.encode_item(item)
        )
    key = tables.Key("p", "s")
    dynamodb_client.put(key, {"f": "x" * (ITEM_BYTES_MAX - 7)}, None)
    with pytest.raises(TooLarge):
        dynamodb_client.put(key, {"f": "x" * (ITEM_BYTES_MAX - 6)}, None)


async def test_a_settings_document_as_large_as_may_be_is_kept_in_parts(
    world: World, place: Table
) -> None:
    noise = "".join(random.Random(3).choices(string.ascii_letters + string.digits, k=1_000_000))
    stored = await world.configure({"policy": noise})
    assert stored.document == {"policy": noise}
    parts = [
        item
        for item in items_of(place)
        if item["pk"] == f"SETTINGS#{TENANT}" and item["sk"] > "0000000002"
    ]
    assert len(parts) > 2
    assert (await world.store.settings(TENANT)).document == {"policy": noise}


async def test_settings_of_which_a_part_is_missing_are_never_taken_for_empty_ones(
    world: World, place: Table
) -> None:
    noise = "".join(random.Random(3).choices(string.ascii_letters + string.digits, k=1_000_000))
    await world.configure({"policy": noise})
    for part in (1, 0):
        key = tables.settings(TENANT, 2, part)
        await asyncio.to_thread(
            place.client.delete_item,
            TableName=place.name,
            Key={"pk": {"S": key.pk}, "sk": {"S": key.sk}},
        )
        with pytest.raises(Unavailable) as refused:
            await world.store.settings(TENANT)
        assert refused.value.code == "SETTINGS_NOT_WHOLE"


async def test_nothing_that_must_stay_has_a_time_to_go(world: World, place: Table) -> None:
    await whole_life(world)
    kinds = {item["pk"].partition("#")[0] for item in items_of(place)}
    mortal = {
        item["pk"].partition("#")[0]: item["ttl"] for item in items_of(place) if "ttl" in item
    }
    assert mortal.keys() == {"BUDGET", "GUARD", "SESSION"}
    assert kinds >= {
        "HEAD",
        "LEDGER",
        "INTENT",
        "SETTINGS",
        "TENANTS",
        "KEY",
        "KEYHASH",
        "KEYS",
        "EVERYWHERE",
    }
    assert mortal["BUDGET"] == (NOON // 1000 - 12 * 3600) + items.BUDGET_DAYS_KEPT * 24 * 3600
    assert mortal["SESSION"] > (NOON + HOUR) // 1000
    assert tables.TTL_ATTRIBUTE == "ttl"


async def whole_life(world: World) -> None:
    """Everything that a tenant does, once."""
    key = ApiKey("k1", TENANT, "first", Role.AGENT, b"1" * 32, NOON)
    await world.store.add_api_key(key, draft(EntryKind.API_KEY_CREATED, NOON, OWNER))
    await world.store.add_session(PageSession(b"t" * 32, "k1", NOON, NOON + HOUR))
    await world.configure({"stop_switches": []}, tenant_id="*")
    running = await applied(world, await started(world, await admitted(world, "a")))
    outcome = Outcome(OutcomeStatus.SUCCEEDED, "Done.", {"ok": True}, 11)
    await applied(world, steps.record_outcome(running, 1, outcome, tries=1, actor=OWNER, now=NOON))
    waiting = await admitted(world, "w", confidence_score=0.1)
    await applied(world, steps.cancel(waiting, code="X", reason=None, actor=OWNER, now=NOON))
    begun = Mark(1, Sent.MAYBE, 0, Phase.BEGUN, SystemClock().new_id())
    assert isinstance(world.store, DynamoStore)
    assert await world.store.marks.swap(TENANT, "a", 1, None, begun)
    await applied(
        world,
        steps.rule(
            await guarded(world),
            *(APPROVER, RulingKind.REJECT, Reason("no", b"r" * 16)),
            now=NOON,
        ),
    )
    held = await admitted(world, "h")
    await applied(world, steps.cancel(held, code="X", reason=None, actor=OWNER, now=NOON))
    assert await world.store.revoke_api_key(
        TENANT, "k1", NOON, draft(EntryKind.API_KEY_REVOKED, NOON, OWNER)
    )


async def guarded(world: World) -> IntentRecord:
    """An intent that waits, and asks for all that a store can be asked for."""
    wanted = replace(
        await admission(world, "g", confidence_score=0.1),
        likeness=b"l" * 32,
        same_call=b"c" * 32,
        rejected_since=0,
        waiting_max=9,
        quota=(Claim("blocked_bytes", 512, 9_999, Counter("{}", "2026-11-24")), AGENTS_READ),
        knows_account=True,
    )
    answer = await world.store.admit(wanted)
    assert isinstance(answer, Admitted)
    return answer.record


async def test_what_a_hold_took_long_ago_is_not_given_back_to_counters_that_are_gone(
    world: World, place: Table
) -> None:
    """The counters of a day may have been deleted by then; giving back would leave a count below
    zero.
    """
    record = await admitted(world, "a")
    long_after = NOON + (items.BUDGET_DAYS_KEPT + 1) * 24 * HOUR
    key = tables.budget(TENANT, "acme", "2026-11-24")
    await asyncio.to_thread(
        place.client.delete_item,
        TableName=place.name,
        Key={"pk": {"S": key.pk}, "sk": {"S": key.sk}},
    )
    after = await applied(
        world, steps.cancel(record, code="X", reason=None, actor=OWNER, now=long_after)
    )
    assert after.status is IntentStatus.CANCELLED
    assert await world.used() == {}


async def test_entries_are_put_once_and_nothing_else_touches_them(place: Table) -> None:
    with faulty(place.client) as client:
        async with opened(replace(place, client=client)) as world:
            await whole_life(world)
            await world.store.entries(TENANT, 0, 100)
        entries = [
            (kind, said) for kind, said in client.written() if pk(kind, said).startswith("LEDGER#")
        ]
        assert len(entries) > 8
        assert {(kind, said.get("ConditionExpression")) for kind, said in entries} == {
            ("Put", "attribute_not_exists(pk)")
        }
        assert {name for name, _ in client.asked} <= {
            *("get_item", "batch_get_item", "query", "put_item", "transact_write_items")
        }
        single = [
            request["Item"]["pk"]["S"] for name, request in client.asked if name == "put_item"
        ]
        assert {one.partition("#")[0] for one in single} == {"SESSION", "MARK"}
        heads = [
            said["ConditionExpression"]
            for kind, said in client.written()
            if pk(kind, said).startswith("HEAD#")
        ]
        assert set(heads) == {
            "ledger_size = :size AND settings_version = :seen",
            "attribute_not_exists(pk)",
        }
        for (
            name,
            said,
        ) in (
            client.asked
        ):  # an old answer could show a switch that is on as off, or a call as not yet begun
            if name == "get_item" or (name == "query" and "IndexName" not in said):
                assert said["ConsistentRead"] is True
            if name == "batch_get_item":
                assert all(one["ConsistentRead"] is True for one in said["RequestItems"].values())


def test_the_client_tries_nothing_twice_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Any] = []
    monkeypatch.setattr(dynamodb_client.boto3, "client", lambda _, config: made.append(config))
    dynamodb_client.connect()
    assert made[0].retries["total_max_attempts"] == 1


async def test_more_items_than_one_question_may_name_are_asked_for_in_parts(
    place: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dynamodb_client, "KEYS_MAX", 3)
    with faulty(place.client) as client:
        async with opened(replace(place, client=client)) as world:
            for name in "abcde":
                await admitted(world, name)
            assert len(await world.store.timeline(TENANT, TimelineQuery())) == 5
        asked = [
            said["RequestItems"][place.name]["Keys"]
            for name, said in client.asked
            if name == "batch_get_item"
        ]
        assert max(map(len, asked)) == 3


def pk(kind: str, said: Mapping[str, Any]) -> str:
    """The partition key of a member of a transaction."""
    return str((said["Item"] if kind == "Put" else said["Key"])["pk"]["S"])


# Tenants


async def test_no_name_reaches_into_another_tenant(world: World, place: Table) -> None:
    """A name may have the sign that the keys are put together with."""
    for tenant_id in ("a#b", "a"):
        await world.configure(sample.document(accounts=["c", "b#c"]), tenant_id=tenant_id)
    await admitted(world, "i", tenant_id="a#b", account_id="c")
    await admitted(world, "i", tenant_id="a", account_id="b#c")
    await admitted(world, "b", tenant_id="a", account_id="b#c")
    day = "2026-11-24"
    assert (await world.store.budget_used("a#b", "c", day))["actions"] == 1
    assert (await world.store.budget_used("a", "b#c", day))["actions"] == 2
    assert await world.store.budget_used("a", "c", day) == {}
    assert await world.store.ledger_size("a#b") == 2
    assert [
        one.intent.action_intent_id for one in await world.store.timeline("a", TimelineQuery())
    ] == ["b", "i"]
    assert len(items_of(place)) == len({(item["pk"], item["sk"]) for item in items_of(place)})
    assert await world.store.intent("a", "b#i") is None
    assert await world.store.entries_about("a", "b#i") == []


async def test_a_transition_names_only_its_own_tenants_items(place: Table) -> None:
    with faulty(place.client) as client:
        async with opened(replace(place, client=client)) as world:
            await world.configure(sample.DOCUMENT, tenant_id="southwind")
            client.asked.clear()
            await whole_life(world)
            await world.store.timeline(TENANT, TimelineQuery())
        shared = {"INSTALLATION", "EVERYWHERE", "KEY", "KEYHASH", "SESSION"}
        named = {pk(kind, said) for kind, said in client.written()}
        assert all(
            TENANT in one or one.partition("#")[0] in shared or one.endswith("#*") for one in named
        ), named


async def test_an_edit_in_the_budget_of_its_own_hold_writes_the_counters_once(world: World) -> None:
    """DynamoDB takes no item twice in one transaction: what is taken and what is given back go
    together.
    """
    record = await admitted(world, "a")
    edited = await admission(world, "e", supersedes="a")
    cancelled = steps.cancel(record, code="X", reason=None, actor=OWNER, now=NOON)
    answer = await world.store.advance(replace(cancelled, superseded_by=edited))
    assert isinstance(answer, Applied)
    assert await world.used() == {"actions": 1, "actions:CREATE_TASK": 1}
    assert [entry.position for entry in await world.store.entries(TENANT, 0, 10)] == [1, 2, 3, 4]


# The switches that hold everywhere


async def test_each_of_the_16_copies_of_the_switches_moves_at_once(
    world: World, place: Table
) -> None:
    tenants: dict[tables.Key, str] = {}
    while len(tenants) < tables.EVERYWHERE_SHARDS:
        name = f"tenant-{secrets.token_hex(3)}"
        tenants.setdefault(tables.everywhere_of(name), name)
    decided = []
    for name in tenants.values():
        await world.configure(sample.DOCUMENT, tenant_id=name)
        decided.append(await admission(world, "a", tenant_id=name))
    stored = await world.configure({"stop_switches": []}, tenant_id="*")
    assert stored.version == (1, 1)
    versions = [item["version"] for item in items_of(place) if item["pk"].startswith("EVERYWHERE#")]
    assert versions == [1] * tables.EVERYWHERE_SHARDS
    assert [await world.store.admit(one) for one in decided] == [
        SettingsMoved()
    ] * tables.EVERYWHERE_SHARDS
    again = await world.configure({"stop_switches": [], "more": 1}, tenant_id="*")
    assert again.version == (2, 2)
    for name in tenants.values():
        assert (await world.store.settings_version(name)).everywhere == 2
        assert (await world.store.settings(name)).everywhere == {"stop_switches": [], "more": 1}


# Other processes


async def test_entries_of_another_process_are_seen_soon(shop: World, table: Table) -> None:
    other = await DynamoStore.open(table.name, client=table.client)
    size = await shop.store.ledger_size(TENANT)
    wanted = await admission(shop, "a")
    reader = asyncio.create_task(other.wait_for_entries(TENANT, size, 60_000))
    await asyncio.sleep(0.05)
    assert not reader.done()
    await shop.store.admit(wanted)
    assert await asyncio.wait_for(reader, dynamodb.ENTRIES_POLL_MS / 1000 + 2) is True
    assert await other.wait_for_entries(TENANT, size + 1, 30) is False
    await other.close()


async def test_entries_of_its_own_process_are_seen_at_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(world.store._tail, "_poll_ms", 60_000)
    wanted = await admission(world, "a")
    reader = asyncio.create_task(world.store.wait_for_entries(TENANT, 1, 60_000))
    await asyncio.sleep(0.1)
    await world.store.admit(wanted)
    assert await asyncio.wait_for(reader, 5) is True


async def test_every_process_has_the_same_salt_whoever_was_first(table: Table) -> None:
    stores = await asyncio.gather(
        *(DynamoStore.open(table.name, client=table.client) for _ in range(8))
    )
    assert items_of(table) == [], "who opens a table writes nothing"
    salts = set(await asyncio.gather(*(store.installation_salt() for store in stores)))
    assert len(salts) == 1
    assert len(salts.pop()) == 16
    await asyncio.gather(*(store.close() for store in stores))


async def test_queues_of_all_tenants_are_read_whole_page_by_page(world: World) -> None:
    """The queues are in 16 parts; an order over all of them is kept, and nothing is left out or
    seen twice.
    """
    await world.autonomy(budgets=[{"max_per_day": 100}])
    names = [f"q{number:02}" for number in range(30)]
    for number, name in enumerate(names):
        await admitted(world, name, now=NOON + number // 10, expires_at=NOON + HOUR + number)
    seen: list[str] = []
    after: Due | None = None
    while page := await world.store.approved(7, after):
        seen += [due.action_intent_id for due in page]
        after = page[-1]
    assert seen == names
    assert [due.action_intent_id for due in await world.store.expired(NOON + HOUR + 9, 5)] == names[
        :5
    ]
    assert len(await world.store.expired(NOON + HOUR + 9, 50)) == 10
    for name in names[19::-1]:  # a place in the queue is by admission, whoever started first
        await applied(world, await started(world, await world.record(name)))
    assert len(await world.store.approved(100)) == 10
    dead = await world.store.dead_leases(NOON + 24 * HOUR, 15)
    assert [due.action_intent_id for due in dead] == names[:15]
    rest = await world.store.dead_leases(NOON + 24 * HOUR, 15, dead[-1])
    assert [due.action_intent_id for due in rest] == names[15:20]
    late = await started(world, await world.record(names[29]))
    assert late.attempt is not None
    over = replace(late, attempt=replace(late.attempt, lease_until=NOON))
    await applied(world, over)
    found = await world.store.dead_leases(NOON, 1)
    assert [due.action_intent_id for due in found] == names[29:], (
        "behind everything whose lease lives on"
    )


async def test_the_timeline_and_what_waits_are_read_whole_page_by_page(world: World) -> None:
    for number in range(12):
        await admitted(
            world, f"w{number:02}", confidence_score=0.1, account_id=f"account-{number % 3}"
        )
    seen: list[str] = []
    after: str | None = None
    while page := await world.store.waiting(TENANT, after, 5):
        seen += [record.intent.action_intent_id for record in page]
        after = seen[-1]
    assert seen == [f"w{number:02}" for number in range(12)]
    told: list[str] = []
    before: int | None = None
    while records := await world.store.timeline(
        TENANT, TimelineQuery(before=before, limit=2, account_id="account-1")
    ):
        told += [record.intent.action_intent_id for record in records]
        before = records[-1].position
    assert told == ["w10", "w07", "w04", "w01"]


async def test_a_timeline_reads_no_further_back_than_it_must(place: Table) -> None:
    """A day of a long history, and the few that a page shows of many that fit."""
    with faulty(place.client) as client:
        async with opened(replace(place, client=client)) as world:
            await world.autonomy(budgets=[{"max_per_day": 1_000}])
            for number in range(40):
                await admitted(world, f"a{number:02}", now=NOON + number * HOUR)
            client.asked.clear()
            store, latest = world.store, NOON + 39 * HOUR
            assert (
                len(await store.timeline(TENANT, TimelineQuery(auto_executed=True, limit=5))) == 5
            )
            read = sum(
                len(keys["Keys"])
                for name, request in client.asked
                if name == "batch_get_item"
                for keys in request["RequestItems"].values()
            )
            assert read == 5 * 3  # of each: the intent, what the agent wrote, its decision
            client.asked.clear()
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(intents, "FILTERED_PAGE", 5)
                told = await store.timeline(TENANT, TimelineQuery(since=latest, limit=5))
            assert [record.intent.action_intent_id for record in told] == ["a39"]
            assert client.count("query") == 1
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(intents, "FILTERED_PAGE", 5)
                told = await store.timeline(
                    TENANT, TimelineQuery(until=NOON + 2 * HOUR + 1, limit=5)
                )
            assert [record.intent.action_intent_id for record in told] == ["a02", "a01", "a00"]


# Opening and closing


async def test_a_table_that_is_not_there_is_named_so(place: Table) -> None:
    with pytest.raises(Unavailable) as refused:
        await DynamoStore.open("no-such-table", client=place.client)
    assert refused.value.code == "TABLE_NOT_FOUND"


async def test_a_table_of_a_newer_clearance_is_refused(place: Table) -> None:
    item = {**tables.INSTALLATION._asdict(), "salt": b"s" * 16, "format": FORMAT + 1}
    await asyncio.to_thread(
        place.client.put_item, TableName=place.name, Item=dynamodb_client.encode_item(item)
    )
    with pytest.raises(Unavailable) as refused:
        await DynamoStore.open(place.name, client=place.client)
    assert refused.value.code == "STORE_TOO_NEW"


async def test_what_was_acknowledged_is_there_after_a_new_start(place: Table) -> None:
    async with opened(place) as world:
        before = await world.propose(task("t1"))
    store = await DynamoStore.open(place.name, client=place.client)
    assert await store.intent(TENANT, "t1") == before
    await store.close()
    with pytest.raises(Unavailable):
        await store.intent(TENANT, "t1")
    with pytest.raises(Unavailable):
        await store.admit(await admission(world, "t2"))


async def test_without_credentials_or_a_region_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_REGION",
        "AWS_DEFAULT_REGION",
        "AWS_PROFILE",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(Unavailable) as refused:
        await DynamoStore.open("table")
    assert refused.value.code == "AWS_NOT_USABLE"
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    with pytest.raises(Unavailable) as refused:
        await DynamoStore.open("table")
    assert refused.value.code == "AWS_NOT_USABLE"
