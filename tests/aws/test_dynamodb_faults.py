"""DynamoDB is busy, collides or falls silent at the worst moment: what was asked is done once, and
whoever asked is told.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError

from clearance.core import steps
from clearance.core.approval import RulingKind
from clearance.core.budget import Claim, Counter
from clearance.core.credential import ApiKey
from clearance.core.decision import SettingsVersion
from clearance.core.errors import Unavailable
from clearance.core.ledger import EntryKind, draft
from clearance.core.outcome import Outcome, OutcomeStatus
from clearance.core.principal import Role
from clearance.core.record import IntentStatus
from clearance.flow.ports.intents import TimelineQuery
from clearance.flow.ports.settings import SettingsChange
from clearance.flow.ports.transitions import Admitted, Applied, RecordMoved, SettingsMoved
from clearance.stores.dynamodb import client as dynamodb_client
from clearance.stores.dynamodb import table as tables
from clearance.stores.dynamodb import transactions
from clearance.stores.dynamodb.store import DynamoStore
from clearance.stores.dynamodb.transactions import Seen, Transactions
from tests.aws.support.emulators import dynamodb_client as client_of
from tests.aws.support.faults import (
    Call,
    Faulty,
    Reply,
    cancelled,
    cutter,
    faulty,
    lost_answer,
    lost_question,
)
from tests.aws.support.table import Table
from tests.conformance.test_store import admission, admitted, applied, started
from tests.support.sample import APPROVER, NOON, OWNER, TENANT
from tests.support.world import World, opened

pytestmark = pytest.mark.anyio

TRANSACT = "transact_write_items"
READS = Counter('{"agent":"agent-ada"}', "2026-11-24T12:00")


@dataclass
class Shaky:
    """A world on a table whose client may meet faults."""

    world: World
    client: Faulty

    async def counts(self) -> tuple[int, int]:
        """Intents, and ledger entries."""
        store = self.world.store
        return len(await store.timeline(TENANT, TimelineQuery())), await store.ledger_size(TENANT)


@pytest.fixture
async def shaky(table: Table) -> AsyncIterator[Shaky]:
    with faulty(table.client) as client:
        async with opened(replace(table, client=client)) as world:
            client.asked.clear()
            yield Shaky(world, client)


def arriving_late(shaky: Shaky, position: int) -> None:
    """The question hangs in the network.

    It arrives while the next look reads: behind the entry, and before everything else.
    """
    late: list[Call] = []

    def hang(call: Call) -> dict[str, Any]:
        late.append(call)
        raise ConnectionClosedError(endpoint_url="injected")

    def torn(call: Call) -> dict[str, Any]:
        call()
        late[0]()
        answer = call()
        [(name, found)] = answer["Responses"].items()
        entry = dynamodb_client.encode_item(tables.ledger(TENANT, position)._asdict())
        return answer | {"Responses": {name: [item for item in found if {**item, **entry} != item]}}

    shaky.client.next(TRANSACT, hang)
    shaky.client.next("batch_get_item", lambda call: call(), torn)


async def test_what_arrives_in_the_middle_of_a_look_is_not_taken_for_somebody_elses(
    shaky: Shaky,
) -> None:
    wanted = await admission(shaky.world, "a")
    arriving_late(shaky, 2)
    assert isinstance(await shaky.world.store.admit(wanted), Admitted)
    key = ApiKey("k2", TENANT, "second", Role.AGENT, b"2" * 32, NOON)
    arriving_late(shaky, 3)
    await shaky.world.store.add_api_key(key, draft(EntryKind.API_KEY_CREATED, NOON, OWNER))
    assert await shaky.counts() == (1, 3)


# Busy


@pytest.mark.parametrize(
    "said",
    [
        cancelled("TransactionConflict", "None", "None", "None"),
        cancelled("None", "None", "None", "ThrottlingError"),
        cancelled("ProvisionedThroughputExceeded", "None"),
        cancelled("ConditionalCheckFailed", "TransactionConflict"),
        Reply("ThrottlingException"),
        Reply("ProvisionedThroughputExceededException"),
        Reply("RequestLimitExceeded"),
        Reply("TransactionInProgressException"),
        Reply("InternalServerError", 500),
        Reply("ServiceUnavailable", 503),
    ],
    ids=lambda said: "-".join((said.code, *said.reasons)),
)
async def test_what_may_pass_is_tried_again_and_stored_once(shaky: Shaky, said: Reply) -> None:
    shaky.client.refuse(TRANSACT, said, said, said)
    record = await admitted(shaky.world, "a")
    assert shaky.client.count(TRANSACT) == 4
    assert await shaky.world.store.intent(TENANT, "a") == record
    assert await shaky.counts() == (1, 2)
    assert await shaky.world.used() == {"actions": 1, "actions:CREATE_TASK": 1}


async def test_each_try_is_a_request_of_its_own(shaky: Shaky) -> None:
    shaky.client.refuse(
        TRANSACT, cancelled("TransactionConflict"), cancelled("TransactionConflict")
    )
    await admitted(shaky.world, "a")
    tokens = [
        request["ClientRequestToken"] for name, request in shaky.client.asked if name == TRANSACT
    ]
    assert len(set(tokens)) == len(tokens) == 3
    assert all(len(token) <= 36 for token in tokens)


@pytest.mark.parametrize(
    ("said", "code"),
    [
        (cancelled("None", "ValidationError"), "UNAVAILABLE"),
        (cancelled("ItemCollectionSizeLimitExceeded"), "UNAVAILABLE"),
        (Reply("AccessDeniedException"), "TABLE_FORBIDDEN"),
        (Reply("ResourceNotFoundException"), "TABLE_NOT_FOUND"),
        (Reply("ValidationException"), "UNAVAILABLE"),
    ],
)
async def test_what_will_not_pass_is_said_at_once(shaky: Shaky, said: Reply, code: str) -> None:
    shaky.client.refuse(TRANSACT, said)
    with pytest.raises(Unavailable) as refused:
        await shaky.world.store.admit(await admission(shaky.world, "a"))
    assert refused.value.code == code
    assert "injected" not in refused.value.sentence, "what DynamoDB says may quote what it was sent"
    assert shaky.client.count(TRANSACT) == 1
    assert await shaky.counts() == (0, 1)


async def test_reads_are_tried_again_too(shaky: Shaky) -> None:
    record = await admitted(shaky.world, "a")
    shaky.client.refuse("get_item", Reply("ThrottlingException"), Reply("InternalServerError", 500))
    shaky.client.next("batch_get_item", lost_question)
    assert await shaky.world.store.intent(TENANT, "a") == record


async def test_what_a_batch_left_out_is_read_after_all(shaky: Shaky) -> None:
    """DynamoDB may answer with some of the keys that were asked for."""
    names = [f"a{number}" for number in range(5)]
    for name in names:
        await admitted(shaky.world, name)

    def half(call: Call) -> dict[str, Any]:
        answer = call()
        [(table, found)] = answer["Responses"].items()
        cut = [{"pk": item["pk"], "sk": item["sk"]} for item in found[1:]]
        return {
            "Responses": {table: found[:1]},
            "UnprocessedKeys": {table: {"Keys": cut, "ConsistentRead": True}},
        }

    shaky.client.next("batch_get_item", half, half, half)
    told = await shaky.world.store.timeline(TENANT, TimelineQuery())
    assert [record.intent.action_intent_id for record in told] == names[::-1]


async def test_a_query_that_does_not_go_on_ends_with_a_refusal(shaky: Shaky) -> None:
    def stuck(_: Call) -> dict[str, Any]:
        return {"Items": [], "Count": 0, "LastEvaluatedKey": {"pk": {"S": "same"}}}

    for read in (shaky.world.store.api_keys, shaky.world.store.count_by_status):
        shaky.client.faults["query"] = [stuck] * 100
        with pytest.raises(Unavailable, match="does not come to an end"):
            await asyncio.wait_for(read(TENANT), 20)
        assert shaky.client.faults["query"], "it went on as long as DynamoDB did"


async def test_in_the_end_it_says_that_nothing_was_stored(
    shaky: Shaky, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transactions, "COMMIT_SECONDS_MAX", 0.3)
    shaky.client.refuse(TRANSACT, *(cancelled("TransactionConflict") for _ in range(1_000)))
    with pytest.raises(Unavailable, match="nothing was stored"):
        await shaky.world.store.admit(await admission(shaky.world, "a"))
    shaky.client.replies.clear()
    assert shaky.client.count(TRANSACT) > 1
    assert await shaky.counts() == (0, 1)
    await admitted(shaky.world, "a")


async def test_a_read_that_gets_no_answer_ends(
    shaky: Shaky, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dynamodb_client, "AGAIN_SECONDS_MAX", 0.2)
    shaky.client.refuse("get_item", *(Reply("InternalServerError", 500) for _ in range(1_000)))
    with pytest.raises(Unavailable, match="in time"):
        await shaky.world.store.intent(TENANT, "a")
    shaky.client.replies.clear()
    assert await shaky.world.store.intent(TENANT, "a") is None


# Lost


async def test_a_lost_question_is_asked_again(shaky: Shaky) -> None:
    shaky.client.next(TRANSACT, lost_question, lost_question)
    await admitted(shaky.world, "a")
    assert await shaky.counts() == (1, 2)


async def _admit(world: World) -> object:
    answer = await world.store.admit(await admission(world, "a"))
    assert isinstance(answer, Admitted)
    return await world.record("a") == answer.record


async def _admit_guarded(world: World) -> object:
    wanted = replace(
        await admission(world, "a", confidence_score=0.1),
        likeness=b"l" * 32,
        same_call=b"c" * 32,
        rejected_since=0,
        waiting_max=2,
        quota=(Claim("reads", 1, 1, READS),),
        knows_account=True,
    )
    answer = await world.store.admit(wanted)
    assert isinstance(answer, Admitted)
    assert await world.store.counted(TENANT, [READS]) == {READS: {"reads": 1}}
    return await world.record("a") == answer.record


async def _start(world: World) -> object:
    answer = await world.store.advance(await started(world, await world.record("s")))
    assert isinstance(answer, Applied)
    return await world.record("s") == answer.record


async def _cancel(world: World) -> object:
    record = await world.record("s")
    answer = await world.store.advance(
        steps.cancel(record, code="X", reason=None, actor=OWNER, now=NOON)
    )
    assert isinstance(answer, Applied)
    return await world.used() == {"actions": 0, "actions:CREATE_TASK": 0}


async def _edit(world: World) -> object:
    edited = await admission(world, "e", supersedes="w")
    record = await world.record("w")
    change = steps.rule(record, APPROVER, RulingKind.EDIT, None, now=NOON, edited=edited)
    answer = await world.store.advance(change)
    assert isinstance(answer, Applied)
    assert await world.used() == {"actions": 2, "actions:CREATE_TASK": 2}
    return answer.admitted == await world.record("e")


async def _configure(world: World) -> object:
    return (await world.autonomy(budgets=[])).version.tenant == 2


async def _configure_everywhere(world: World) -> object:
    return (await world.configure({"stop_switches": []}, tenant_id="*")).version == (1, 1)


async def _add_key(world: World) -> object:
    key = ApiKey("k2", TENANT, "second", Role.AGENT, b"2" * 32, NOON)
    await world.store.add_api_key(key, draft(EntryKind.API_KEY_CREATED, NOON, OWNER))
    return await world.store.api_key(b"2" * 32) == key


async def _revoke_key(world: World) -> object:
    assert await world.store.revoke_api_key(
        TENANT, "k1", NOON, draft(EntryKind.API_KEY_REVOKED, NOON, OWNER)
    )
    return await world.store.api_key(b"1" * 32) is None


TRANSITIONS = [
    _admit,
    _admit_guarded,
    _start,
    _cancel,
    _edit,
    _configure,
    _configure_everywhere,
    _add_key,
    _revoke_key,
]


@pytest.mark.parametrize("transition", TRANSITIONS, ids=lambda transition: transition.__name__)
async def test_a_lost_answer_is_found_again(
    shaky: Shaky, transition: Callable[[World], Awaitable[object]]
) -> None:
    world = shaky.world
    await admitted(world, "s")
    await admitted(world, "w", confidence_score=0.1)
    key = ApiKey("k1", TENANT, "first", Role.AGENT, b"1" * 32, NOON)
    await world.store.add_api_key(key, draft(EntryKind.API_KEY_CREATED, NOON, OWNER))
    size = await world.store.ledger_size(TENANT) + await world.store.ledger_size("*")
    before = shaky.client.count(TRANSACT)
    shaky.client.next(TRANSACT, lost_answer)
    assert await transition(world)
    assert shaky.client.count(TRANSACT) == before + 1, "what was committed is not sent again"
    entries = await world.store.ledger_size(TENANT) + await world.store.ledger_size("*") - size
    assert entries == (2 if transition is _edit else 1)


async def test_an_error_of_the_service_says_nothing_about_what_it_did(shaky: Shaky) -> None:
    def fail_after_all(call: Call) -> dict[str, Any]:
        call()
        said: Any = {
            "Error": {"Code": "InternalServerError"},
            "ResponseMetadata": {"HTTPStatusCode": 500},
        }
        raise ClientError(said, "TransactWriteItems")

    shaky.client.next(TRANSACT, fail_after_all)
    assert isinstance(await shaky.world.store.admit(await admission(shaky.world, "a")), Admitted)
    assert shaky.client.count(TRANSACT) == 1
    assert await shaky.counts() == (1, 2)


async def test_it_is_found_again_even_after_others_moved_the_intent_on(shaky: Shaky) -> None:
    """The answer of the claim is lost; before it is looked for, another process has recorded an
    outcome.
    """
    world = shaky.world
    change = await started(world, await admitted(world, "a"))
    other = await DynamoStore.open(world.place.name, client=shaky.client.client)  # type: ignore[union-attr]
    loop = asyncio.get_running_loop()
    done = Outcome(OutcomeStatus.SUCCEEDED, "Done.", {"ok": True}, 11)

    async def move_on() -> None:
        running = await other.intent(TENANT, "a")
        assert running is not None
        answer = await other.advance(
            steps.record_outcome(running, 1, done, tries=1, actor=OWNER, now=NOON)
        )
        assert isinstance(answer, Applied)

    def lose_while_others_move_on(call: Call) -> dict[str, Any]:
        call()
        asyncio.run_coroutine_threadsafe(move_on(), loop).result(30)
        raise ConnectionClosedError(endpoint_url="injected")

    shaky.client.next(TRANSACT, lose_while_others_move_on)
    answer = await world.store.advance(change)
    assert isinstance(answer, Applied)
    assert (answer.record.status, answer.record.revision) == (IntentStatus.RUNNING, 2)
    assert (await world.record("a")).status is IntentStatus.SUCCEEDED
    assert len(await world.store.entries_about(TENANT, "a")) == 3
    await other.close()


async def test_an_entry_that_others_wrote_meanwhile_is_not_taken_for_ours(shaky: Shaky) -> None:
    """The question is lost, and another process commits at the position that it was to have."""
    world = shaky.world
    wanted, others = await admission(world, "a"), await admission(world, "b")
    other = await DynamoStore.open(world.place.name, client=shaky.client.client)  # type: ignore[union-attr]
    loop = asyncio.get_running_loop()

    def lose_while_others_commit(_: Call) -> dict[str, Any]:
        asyncio.run_coroutine_threadsafe(other.admit(others), loop).result(30)
        raise ConnectionClosedError(endpoint_url="injected")

    shaky.client.next(TRANSACT, lose_while_others_commit)
    answer = await world.store.admit(wanted)
    assert isinstance(answer, Admitted)
    assert answer.record == await world.record("a")
    assert (answer.record.position, (await world.record("b")).position) == (3, 2)
    await other.close()


async def test_a_question_that_arrives_late_changes_nothing(shaky: Shaky) -> None:
    """It hung in the network while the store had given it up and was answered on another
    connection.
    """
    late: list[Call] = []

    def hang(call: Call) -> dict[str, Any]:
        late.append(call)
        raise ConnectionClosedError(endpoint_url="injected")

    shaky.client.next(TRANSACT, hang)
    record = await admitted(shaky.world, "a")
    with pytest.raises(ClientError) as refused:
        await asyncio.to_thread(late[0])
    assert refused.value.response["Error"]["Code"] == "TransactionCanceledException"
    assert await shaky.world.record("a") == record
    assert await shaky.counts() == (1, 2)
    assert await shaky.world.used() == {"actions": 1, "actions:CREATE_TASK": 1}


async def test_where_nobody_can_know_it_says_so(
    shaky: Shaky, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transactions, "COMMIT_SECONDS_MAX", 0.2)
    shaky.client.next(TRANSACT, *(lost_question for _ in range(1_000)))
    with pytest.raises(Unavailable, match="not known whether") as refused:
        await shaky.world.store.admit(await admission(shaky.world, "a"))
    assert refused.value.in_doubt
    shaky.client.faults.clear()
    assert isinstance(await shaky.world.store.admit(await admission(shaky.world, "a")), Admitted)


async def test_it_says_so_too_if_it_may_not_ask_again(shaky: Shaky) -> None:
    def lose_it_and_the_grant(call: Call) -> dict[str, Any]:
        shaky.client.refuse(TRANSACT, Reply("AccessDeniedException"))
        return lost_question(call)

    shaky.client.next(TRANSACT, lose_it_and_the_grant)
    with pytest.raises(Unavailable, match="not known whether") as refused:
        await shaky.world.store.admit(await admission(shaky.world, "a"))
    assert refused.value.in_doubt
    assert shaky.client.count(TRANSACT) == 2


async def test_it_says_so_too_if_it_cannot_even_look(
    shaky: Shaky, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = await admission(shaky.world, "a")
    monkeypatch.setattr(dynamodb_client, "AGAIN_SECONDS_MAX", 0.2)

    def lose_everything(call: Call) -> dict[str, Any]:
        shaky.client.next("batch_get_item", *(lost_question for _ in range(1_000)))
        return lost_answer(call)

    shaky.client.next(TRANSACT, lose_everything)
    with pytest.raises(Unavailable, match="not known whether") as refused:
        await shaky.world.store.admit(wanted)
    assert refused.value.in_doubt
    shaky.client.faults.clear()
    assert await shaky.counts() == (1, 2)


async def test_whoever_waits_too_long_for_their_turn_is_told(
    shaky: Shaky, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transactions, "COMMIT_SECONDS_MAX", 0.3)
    wanted = [await admission(shaky.world, f"a{number}") for number in range(3)]
    let_go = threading.Event()

    def hang(call: Call) -> dict[str, Any]:
        let_go.wait(30)
        return call()

    shaky.client.next(TRANSACT, hang)
    first = asyncio.create_task(shaky.world.store.admit(wanted[0]))
    with pytest.raises(Unavailable, match="wait"):
        await asyncio.gather(*(shaky.world.store.admit(one) for one in wanted[1:]))
    let_go.set()
    assert isinstance(await first, Admitted)
    assert await shaky.counts() == (1, 2)


@pytest.mark.parametrize("target", ["TransactWriteItems", "BatchGetItem"])
async def test_a_connection_that_is_really_cut(dynamodb_table: Table, target: str) -> None:
    assert dynamodb_table.endpoint is not None
    async with cutter(dynamodb_table.endpoint) as wire:
        client = await asyncio.to_thread(client_of, wire.near)
        async with opened(Table(dynamodb_table.name, client, wire.near)) as world:
            wire.cut_next = f"DynamoDB_20120810.{target}".encode()
            record = await admitted(world, "a")
            assert wire.cuts == 1
            assert await world.record("a") == record
            assert await world.store.ledger_size(TENANT) == 2
            assert await world.used() == {"actions": 1, "actions:CREATE_TASK": 1}
        client.close()


# A look that is not fresh


@pytest.fixture
def stale(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Makes every look of a transition see other things than there are; nothing may be committed on
    the strength of that.
    """
    look = Transactions.look

    def see(*hidden: tables.Key, **changed: Any) -> None:
        async def other(self: Transactions, tenant_id: str, keys: Any = ()) -> Seen:
            seen = await look(self, tenant_id, keys)
            kept = {key: item for key, item in seen.items.items() if key not in hidden}
            return replace(seen, items=kept, **changed)

        monkeypatch.setattr(Transactions, "look", other)
        monkeypatch.setattr(transactions, "COMMIT_SECONDS_MAX", 0.1)

    return see


async def test_the_commit_itself_keeps_the_budget(shaky: Shaky, stale: Callable[..., None]) -> None:
    world = shaky.world
    for number in range(10):
        await admitted(world, f"a{number}")
    one_more = await admission(world, "b")
    stale(tables.budget(TENANT, "acme", "2026-11-24"))
    with pytest.raises(Unavailable):
        await world.store.admit(one_more)
    assert await world.used() == {"actions": 10, "actions:CREATE_TASK": 10}
    assert await world.store.intent(TENANT, "b") is None


async def test_the_commit_itself_admits_an_id_once(
    shaky: Shaky, stale: Callable[..., None]
) -> None:
    first = await admitted(shaky.world, "a")
    again = await admission(shaky.world, "a", account_id="globex")
    stale(tables.intent(TENANT, "a"))
    with pytest.raises(Unavailable):
        await shaky.world.store.admit(again)
    assert await shaky.world.record("a") == first
    assert await shaky.world.used("globex") == {}


async def test_the_commit_itself_keeps_to_the_settings(
    shaky: Shaky, stale: Callable[..., None]
) -> None:
    decided = await admission(shaky.world, "a")
    assert decided.decision.settings_version == (1, 0)
    await shaky.world.autonomy(modes=[])
    stale(version=SettingsVersion(1, 0))
    with pytest.raises(Unavailable):
        await shaky.world.store.admit(decided)
    assert await shaky.world.store.intent(TENANT, "a") is None


async def test_the_commit_itself_keeps_to_the_switches_that_hold_everywhere(
    shaky: Shaky, stale: Callable[..., None]
) -> None:
    decided = await admission(shaky.world, "a")
    await shaky.world.configure({"stop_switches": []}, tenant_id="*")
    second = await admission(shaky.world, "b")
    await shaky.world.configure({"stop_switches": []}, tenant_id="*")
    for one in (decided, second):
        stale(version=one.decision.settings_version)
        with pytest.raises(Unavailable):
            await shaky.world.store.admit(one)
    assert await shaky.world.store.intent(TENANT, "a") is None


async def test_the_commit_itself_takes_a_step_once(
    shaky: Shaky, stale: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The item that was looked at is the one before the step, and the size of the ledger the one
    after it.
    """
    world = shaky.world
    change = await started(world, await admitted(world, "a"))
    before = await world.store._calls.get_many([tables.intent(TENANT, "a")])  # type: ignore[attr-defined]
    await applied(world, change)
    read = world.store._calls.get_many  # type: ignore[attr-defined]

    async def get_many(_: Any, keys: Any) -> Any:
        return await read(keys) | before

    monkeypatch.setattr(dynamodb_client.Calls, "get_many", get_many)
    monkeypatch.setattr(transactions, "COMMIT_SECONDS_MAX", 0.1)
    with pytest.raises(Unavailable):
        await world.store.advance(change)
    monkeypatch.undo()
    assert await world.store.advance(change) == RecordMoved()
    assert len(await world.store.entries_about(TENANT, "a")) == 2


async def test_an_entry_is_never_written_over(shaky: Shaky, stale: Callable[..., None]) -> None:
    """Even if somebody set the count of the ledger back by hand."""
    world = shaky.world
    await admitted(world, "a")
    entries = await world.store.entries(TENANT, 0, 10)
    next_one = await admission(world, "b")
    await asyncio.to_thread(
        lambda: shaky.client.client.update_item(
            TableName=world.place.name,  # type: ignore[union-attr]
            Key={"pk": {"S": f"HEAD#{TENANT}"}, "sk": {"S": "HEAD"}},
            UpdateExpression="SET ledger_size = :one",
            ExpressionAttributeValues={":one": {"N": "1"}},
        )
    )
    stale()
    with pytest.raises(Unavailable):
        await world.store.admit(next_one)
    assert await world.store.entries(TENANT, 0, 10) == entries
    assert await world.store.intent(TENANT, "b") is None


# An index that is behind


async def test_a_list_from_an_old_index_shows_what_is_so_now(shaky: Shaky) -> None:
    world = shaky.world
    first, waits = await admitted(world, "a"), await admitted(world, "w", confidence_score=0.1)
    kept: list[dict[str, Any]] = []

    def remember(call: Call) -> dict[str, Any]:
        kept.append(call())
        return kept[-1]

    shaky.client.next("query", remember, remember)
    assert len(await world.store.timeline(TENANT, TimelineQuery())) == 2
    assert len(await world.store.waiting(TENANT, None, 10)) == 1
    await applied(world, steps.cancel(waits, code="X", reason=None, actor=OWNER, now=NOON))
    running = await applied(world, await started(world, first))

    shaky.client.next("query", lambda _: kept[0])
    assert await world.store.timeline(TENANT, TimelineQuery()) == [running, await world.record("w")]
    shaky.client.next("query", lambda _: kept[0])
    assert (
        await world.store.timeline(TENANT, TimelineQuery(statuses=(IntentStatus.APPROVED,))) == []
    )
    shaky.client.next("query", lambda _: kept[1])
    assert await world.store.waiting(TENANT, None, 10) == []


async def test_a_reader_never_skips_an_entry_that_is_not_there_yet(shaky: Shaky) -> None:
    """A page of the ledger may show an entry a moment before
    the one that was committed before it.
    """
    for number in range(3):
        await admitted(shaky.world, f"a{number}")

    def without_the_third(call: Call) -> dict[str, Any]:
        answer = call()
        return answer | {"Items": [item for item in answer["Items"] if int(item["sk"]["S"]) != 3]}

    shaky.client.next("query", without_the_third)
    assert [entry.position for entry in await shaky.world.store.entries(TENANT, 0, 10)] == [1, 2]
    assert [entry.position for entry in await shaky.world.store.entries(TENANT, 2, 10)] == [3, 4]


async def test_settings_that_changed_while_the_answer_was_lost_are_the_first_ones(
    shaky: Shaky,
) -> None:
    """Two processes change the settings from the same version; the answer of the one that won is
    lost.
    """
    world = shaky.world
    entry = draft(EntryKind.SETTINGS_CHANGED, NOON, OWNER)
    shaky.client.next(TRANSACT, lost_answer)
    won = await world.store.configure(SettingsChange(TENANT, 1, {"policy": "won"}, entry, NOON))
    assert won == 2
    assert (
        await world.store.configure(SettingsChange(TENANT, 1, {"policy": "lost"}, entry, NOON))
        == SettingsMoved()
    )
    assert (await world.store.settings(TENANT)).document == {"policy": "won"}
    assert (await world.store.settings(TENANT)).version == (2, 0)
