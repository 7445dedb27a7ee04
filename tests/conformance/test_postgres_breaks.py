"""PostgreSQL breaks at the worst moment: what was asked is done once, and whoever asked is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from clearance.configuration.document import parse_document
from clearance.core import steps
from clearance.core.approval import RulingKind
from clearance.core.credential import ApiKey
from clearance.core.errors import Conflict, NotFound, Unavailable
from clearance.core.ledger import EntryKind, draft
from clearance.core.principal import Role
from clearance.core.record import IntentStatus
from clearance.flow.ports.settings import SettingsChange
from clearance.flow.ports.transitions import (
    Admitted,
    AlreadyAdmitted,
    Applied,
    BudgetSpent,
    RecordMoved,
    SettingsMoved,
)
from clearance.stores.batches import BATCH_MAX
from clearance.stores.postgres import connections as postgres_connections
from clearance.stores.postgres.store import PostgresStore
from tests.conformance.support.cutting import Wire, wire
from tests.conformance.test_store import admission, admitted, applied, started
from tests.support import sample
from tests.support.sample import APPROVER, NOON, OWNER, TENANT
from tests.support.world import World, opened

pytestmark = pytest.mark.anyio

NAME = "store-under-test"
SECONDS_MAX = 20.0


@pytest.fixture
def place(database: str) -> str:
    return make_conninfo(database, application_name=NAME)


@pytest.fixture
async def cut(place: str, tmp_path: Path) -> AsyncIterator[Wire]:
    async with wire(place, tmp_path) as made:
        yield made


@pytest.fixture
async def shaky(cut: Wire, place: str) -> AsyncIterator[World]:
    """A world whose store speaks to PostgreSQL through the wire; what is done past the store goes
    another way.
    """
    async with opened(cut.conninfo) as made:
        made.place = place
        yield made


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(SECONDS_MAX):
        while not await condition():
            await asyncio.sleep(0.02)


async def counts(world: World) -> dict[str, int]:
    """What must have happened exactly once."""
    [found] = world.sql(
        """SELECT (SELECT count(*) FROM intent), (SELECT count(*)
        FROM intent_key), count(l.*), t.ledger_size, max(l.position)
            FROM tenant t JOIN ledger l ON l.tenant_id = t.tenant_id WHERE t.tenant_id = 'northwind'
            GROUP BY t.ledger_size"""
    )
    assert found[2] == found[3] == found[4]
    assert found[0] == found[1]
    return {"intents": found[0], "entries": found[2]}


# The answer is lost


async def test_an_admission_whose_answer_is_lost_is_known_again(shaky: World, cut: Wire) -> None:
    wanted = await admission(shaky, "lost-1")
    cut.lose_answer("lost-1")
    answer = await shaky.store.admit(wanted)
    assert isinstance(answer, Admitted)
    assert await shaky.store.intent(TENANT, "lost-1") == answer.record
    assert (cut.broken, await counts(shaky)) == (1, {"intents": 1, "entries": 2})
    assert await shaky.used() == {"actions": 1, "actions:CREATE_TASK": 1}
    assert await shaky.store.admit(wanted) == AlreadyAdmitted(
        answer.record
    )  # what is asked anew is another request


async def test_a_step_whose_answer_is_lost_is_known_again(shaky: World, cut: Wire) -> None:
    change = await started(shaky, await admitted(shaky, "lost-2"))
    cut.lose_answer("lost-2")
    after = await applied(shaky, change)
    assert (after.status, after.revision, after.attempt) == (
        IntentStatus.RUNNING,
        2,
        change.attempt,
    )
    assert (cut.broken, await counts(shaky)) == (1, {"intents": 1, "entries": 3})
    assert await shaky.store.advance(change) == RecordMoved()


async def test_an_edit_whose_answer_is_lost_is_known_again_with_its_new_intent(
    shaky: World, cut: Wire
) -> None:
    waiting = await admitted(shaky, "lost-3", confidence_score=0.1)
    edited = await admission(shaky, "edited", supersedes="lost-3")
    cut.lose_answer("lost-3")
    answer = await shaky.store.advance(
        steps.rule(waiting, APPROVER, RulingKind.EDIT, None, now=NOON, edited=edited)
    )
    assert isinstance(answer, Applied)
    assert (answer.record, answer.admitted) == (
        await shaky.record("lost-3"),
        await shaky.record("edited"),
    )
    assert (answer.record.position, answer.admitted and answer.admitted.position) == (4, 3)
    assert (cut.broken, await counts(shaky)) == (1, {"intents": 2, "entries": 4})
    assert await shaky.used() == {"actions": 1, "actions:CREATE_TASK": 1}


async def test_a_batch_whose_answer_is_lost_twice_is_known_again_one_by_one(
    shaky: World, cut: Wire
) -> None:
    waiting = await admitted(shaky, "w", confidence_score=0.1)
    change = await started(shaky, await admitted(shaky, "s"))
    edit = steps.rule(
        waiting,
        APPROVER,
        RulingKind.EDIT,
        None,
        now=NOON,
        edited=await admission(shaky, "e", supersedes="w"),
    )
    wanted = [await admission(shaky, f"lost-{number}") for number in range(9)]
    with locked(shaky):
        first = asyncio.create_task(
            shaky.store.admit(await admission(shaky, "first", account_id="globex"))
        )
        second = asyncio.create_task(
            shaky.store.admit(await admission(shaky, "second", account_id="globex"))
        )
        await until(
            lambda: waits(shaky, 2)
        )  # both lanes are taken, so that what follows goes together
        cut.lose_answer("lost-0")
        cut.lose_answer("lost-0")
        together = asyncio.gather(
            *(shaky.store.admit(one) for one in wanted),
            shaky.store.advance(change),
            shaky.store.advance(edit),
        )
        await asyncio.sleep(0.05)
    answers = await together
    assert isinstance(await first, Admitted)
    assert isinstance(await second, Admitted)
    assert cut.broken == 2
    # "s" took one, and nine places are left: for nine tasks, or for eight and the edit.
    assert sum(isinstance(answer, Admitted | Applied) for answer in answers) == 10
    assert sum(isinstance(answer, BudgetSpent) for answer in answers) == 1
    for answer in answers:
        if isinstance(answer, Admitted | Applied):
            assert await shaky.record(answer.record.intent.action_intent_id) == answer.record
    assert (await shaky.used())["actions"] == 10
    positions = [entry.position for entry in await shaky.store.entries(TENANT, 0, 100)]
    assert positions == list(range(1, len(positions) + 1))
    await counts(shaky)


async def test_what_moved_on_before_the_lost_answer_was_asked_again_is_not_done_twice(
    shaky: World, cut: Wire, database: str
) -> None:
    waiting = await admitted(shaky, "lost-4", confidence_score=0.1)
    other = World(await PostgresStore.open(database), database)

    async def start_it() -> None:
        await applied(other, await started(other, await other.record("lost-4")))

    cut.lose_answer("lost-4", start_it)
    ruled = steps.rule(waiting, APPROVER, RulingKind.APPROVE, None, now=NOON)
    assert await shaky.store.advance(ruled) == RecordMoved()
    record = await shaky.record("lost-4")
    assert (record.status, record.revision) == (IntentStatus.RUNNING, 3)
    assert record.approval is not None
    assert record.approval.decisive is not None
    assert await counts(shaky) == {"intents": 1, "entries": 4}
    await other.store.close()


async def test_settings_whose_answer_is_lost_are_in_force_once(shaky: World, cut: Wire) -> None:
    cut.lose_answer("DISABLED")
    changed = await shaky.control.apply(
        OWNER, parse_document(sample.document(modes=[{"mode": "DISABLED"}]))
    )
    assert (cut.broken, bool(changed)) == (1, True)
    assert (await shaky.store.settings_version(TENANT)).tenant == 2
    assert await counts(shaky) == {"intents": 0, "entries": 2}


async def test_a_credential_whose_answer_is_lost_is_there_once_and_whoever_made_it_may_use_it(
    shaky: World, cut: Wire
) -> None:
    key = ApiKey("key-lost", TENANT, "ops", Role.APPROVER, b"h" * 32, NOON)
    cut.lose_answer("key-lost")
    await shaky.store.add_api_key(key, draft(EntryKind.API_KEY_CREATED, NOON, OWNER))
    assert cut.broken == 1
    assert await shaky.store.api_key(b"h" * 32) == key
    assert await counts(shaky) == {"intents": 0, "entries": 2}
    for taken in (b"i" * 32, b"h" * 32):
        other = ApiKey("key-other", TENANT, "ops", Role.APPROVER, taken, NOON)
        with pytest.raises(Conflict):
            await shaky.store.add_api_key(other, draft(EntryKind.API_KEY_CREATED, NOON, OWNER))


async def test_settings_that_another_changed_while_the_answer_was_lost_are_told_apart(
    shaky: World, cut: Wire, database: str
) -> None:
    entry = draft(EntryKind.SETTINGS_CHANGED, NOON, OWNER)
    mine = SettingsChange(TENANT, 1, {"policy": "mine"}, entry, NOON)
    other = World(await PostgresStore.open(database), database)

    async def change_again() -> None:
        after = SettingsChange(TENANT, 2, {"policy": "after"}, entry, NOON)
        assert await other.store.configure(after) == 3

    cut.lose_answer("mine", change_again)
    assert await shaky.store.configure(mine) == 2
    cut.lose_question("never")
    assert (
        await shaky.store.configure(SettingsChange(TENANT, 1, {"policy": "never"}, entry, NOON))
        == SettingsMoved()
    )
    assert (cut.broken, await counts(shaky)) == (2, {"intents": 0, "entries": 3})
    await other.store.close()


async def test_a_credential_that_ended_although_the_answer_was_lost_has_ended_once(
    shaky: World, cut: Wire
) -> None:
    key, _ = await shaky.control.create_api_key(OWNER, "ops", Role.APPROVER)
    cut.lose_answer(key.key_id)
    cut.lose_answer("end_api_key")
    await shaky.control.revoke_api_key(OWNER, key.key_id)
    assert cut.broken == 2
    assert await counts(shaky) == {"intents": 0, "entries": 3}
    with pytest.raises(NotFound):
        await shaky.control.revoke_api_key(OWNER, key.key_id)


async def test_an_answer_that_stays_lost_is_a_doubt(
    shaky: World, cut: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = await admission(shaky, "lost-6")
    monkeypatch.setattr(postgres_connections, "AGAIN_SECONDS_MAX", 0.0)
    cut.lose_answer("lost-6")
    with pytest.raises(Unavailable, match="not known whether") as refused:
        await shaky.store.admit(wanted)
    assert refused.value.in_doubt
    assert await counts(shaky) == {"intents": 1, "entries": 2}
    cut.lose_question(TENANT)
    with pytest.raises(Unavailable) as unread:
        await shaky.store.settings_version(TENANT)
    assert not unread.value.in_doubt


# The question is lost, or the work on it


async def test_a_question_that_never_arrived_is_asked_again(shaky: World, cut: Wire) -> None:
    wanted = await admission(shaky, "lost-5")
    cut.lose_question("lost-5")
    assert isinstance(await shaky.store.admit(wanted), Admitted)
    cut.lose_question(TENANT)
    assert (await shaky.record("lost-5")).revision == 1
    assert (cut.broken, await counts(shaky)) == (2, {"intents": 1, "entries": 2})


@contextmanager
def locked(world: World) -> Iterator[psycopg.Connection]:
    """Somebody else holds the tenant's lock."""
    with world._postgres() as connection, connection.transaction():
        connection.execute("SELECT FROM tenant WHERE tenant_id = 'northwind' FOR UPDATE")
        yield connection


async def waits(world: World, number: int = 1) -> bool:
    """True if so many of the store's connections wait for a lock."""
    statement = f"""SELECT count(*) FROM pg_stat_activity WHERE application_name = '{NAME}'
    AND wait_event_type = 'Lock'"""
    return bool(world.sql(statement) == [(number,)])


def terminate(world: World, where: str = "true") -> int:
    """Ends connections of the store; how many there were."""
    found = world.sql(
        f"""SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
            WHERE application_name = '{NAME}' AND pid <> pg_backend_pid() AND {where}"""
    )
    return len(found)


async def test_a_connection_that_ends_while_a_transition_waits_for_its_lock_costs_nothing(
    world: World,
) -> None:
    wanted = await admission(world, "a")
    with locked(world):
        answer = asyncio.create_task(world.store.admit(wanted))
        await until(lambda: waits(world))
        assert terminate(world, "wait_event_type = 'Lock'") == 1
        await until(lambda: waits(world))  # asked again
    assert isinstance(await answer, Admitted)
    assert await counts(world) == {"intents": 1, "entries": 2}
    assert await world.used() == {"actions": 1, "actions:CREATE_TASK": 1}


async def test_whoever_changes_the_switches_for_everything_and_every_transition_wait_for_each_other(
    world: World,
) -> None:
    with world._postgres() as connection, connection.transaction():
        connection.execute("SELECT lock_tenant('northwind')")  # a transition that is under way
        changing = asyncio.create_task(world.configure({"stop_switches": []}, tenant_id="*"))
        await until(lambda: waits(world))
    await changing
    decided = await admission(world, "a")
    with world._postgres() as connection, connection.transaction():
        connection.execute("SELECT lock_tenant('*')")
        connection.execute(
            "UPDATE tenant SET settings_version = settings_version + 1 WHERE tenant_id = '*'"
        )
        deciding = asyncio.create_task(world.store.admit(decided))
        await until(lambda: waits(world))
    assert await deciding == SettingsMoved()
    assert await counts(world) == {"intents": 0, "entries": 1}


async def test_when_every_idle_connection_broke_the_next_request_is_answered_soon(
    world: World,
) -> None:
    connections = world.store._connections  # type: ignore[attr-defined]
    await asyncio.gather(
        *(connections.call("SELECT pg_sleep(0.3), %s", (n,)) for n in range(16))
    )  # all sixteen exist
    await until(lambda: connected(world, 16))
    assert terminate(world) == 16
    began = asyncio.get_running_loop().time()
    await admitted(world, "a")
    assert asyncio.get_running_loop().time() - began < 1.5
    await world.record("a")


async def connected(world: World, number: int) -> bool:
    found = world.sql(
        f"SELECT count(*) FROM pg_stat_activity WHERE application_name = '{NAME}' AND pid <> "
        f"pg_backend_pid()"
    )
    return bool(found == [(number,)])


async def test_a_deadlock_is_tried_again(world: World) -> None:
    wanted = await admission(world, "a")
    with world._postgres() as connection, connection.transaction():
        connection.execute("LOCK TABLE ledger IN EXCLUSIVE MODE")
        answer = asyncio.create_task(world.store.admit(wanted))
        await until(lambda: waits(world))  # it has the tenant, and waits for the ledger
        lock = "SELECT FROM tenant WHERE tenant_id = 'northwind' FOR UPDATE"
        await asyncio.to_thread(connection.execute, lock)  # PostgreSQL ends who waited first
    assert isinstance(await answer, Admitted)
    assert await counts(world) == {"intents": 1, "entries": 2}


def refuse_entries(world: World, state: str, condition: str) -> None:
    """From now on entries are refused with this SQLSTATE, as long as a condition holds."""
    with world._postgres() as connection:
        connection.execute("CREATE SEQUENCE tries; GRANT USAGE ON tries TO clearance_app")
        connection.execute(
            f"""CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                IF {condition} THEN RAISE EXCEPTION 'on purpose' USING ERRCODE = '{state}'; END IF;
                RETURN NEW;
            END $$"""
        )
        connection.execute(
            "CREATE TRIGGER fail BEFORE INSERT ON ledger FOR EACH ROW EXECUTE FUNCTION fail()"
        )


@pytest.mark.parametrize("state", ["40001", "40P01", "57P01", "08006"])
async def test_what_postgresql_asks_to_be_repeated_is_repeated(world: World, state: str) -> None:
    wanted = [await admission(world, f"a{number}") for number in range(3)]
    refuse_entries(world, state, "nextval('clearance.tries') <= 2")
    assert isinstance(await world.store.admit(wanted[0]), Admitted)
    assert await counts(world) == {"intents": 1, "entries": 2}
    assert await world.used() == {"actions": 1, "actions:CREATE_TASK": 1}


async def test_what_fails_again_and_again_is_unavailable_and_nothing_happened(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_connections, "AGAIN_SECONDS_MAX", 0.3)
    wanted = await admission(world, "a")
    refuse_entries(world, "40001", "nextval('clearance.tries') > 0")
    with pytest.raises(Unavailable) as refused:
        await world.store.admit(wanted)
    assert not refused.value.in_doubt
    [(tries,)] = world.sql("SELECT last_value FROM tries")
    assert 2 <= tries <= 20
    world.sql("DROP TRIGGER fail ON ledger")
    assert (await counts(world), await world.used()) == ({"intents": 0, "entries": 1}, {})
    assert isinstance(await world.store.admit(wanted), Admitted)


async def test_one_unit_that_cannot_be_stored_keeps_no_other_from_it(world: World) -> None:
    good = [await admission(world, f"a{number}") for number in range(5)]
    bad = [await admission(world, f"bad{number}") for number in range(2)]
    refuse_entries(world, "23514", "convert_from(NEW.body, 'UTF8') LIKE '%\"bad%'")
    wanted = [good[0], good[1], bad[0], good[2], bad[1], good[3], good[4]]
    answers = await asyncio.gather(
        *(world.store.admit(one) for one in wanted), return_exceptions=True
    )
    kinds = [
        "bad" if isinstance(answer, Unavailable) else type(answer).__name__ for answer in answers
    ]
    assert kinds == ["Admitted", "Admitted", "bad", "Admitted", "bad", "Admitted", "Admitted"]
    assert await counts(world) == {"intents": 5, "entries": 6}
    assert await world.used() == {"actions": 5, "actions:CREATE_TASK": 5}


async def test_who_waits_too_long_for_a_lock_is_told_and_nothing_happened(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "SET lock_timeout = 8000" in postgres_connections._SETTINGS
    short = postgres_connections._SETTINGS.replace(
        "SET lock_timeout = 8000", "SET lock_timeout = 100"
    )
    monkeypatch.setattr(postgres_connections, "_SETTINGS", short)
    async with opened(database) as world:
        wanted = await admission(world, "a")
        with locked(world), pytest.raises(Unavailable) as refused:
            await world.store.admit(wanted)
        assert not refused.value.in_doubt
        assert await counts(world) == {"intents": 0, "entries": 1}
        assert isinstance(await world.store.admit(wanted), Admitted)


async def test_a_statement_does_not_run_for_ever(world: World) -> None:
    [said] = await world.store._connections.rows(  # type: ignore[attr-defined]
        "*",
        """SELECT current_setting('statement_timeout'), current_setting('lock_timeout'),
            current_setting('idle_in_transaction_session_timeout')""",
    )
    assert said == ("10s", "8s", "5s")


async def test_what_waits_while_a_batch_is_under_way_shares_the_next_one(world: World) -> None:
    wanted = [
        await admission(world, f"a{number}", account_id="globex")
        for number in range(2 + 2 * BATCH_MAX)
    ]
    before = _transactions(world)
    with locked(world):
        first = [asyncio.create_task(world.store.admit(wanted[0]))]
        await until(lambda: waits(world, 1))
        first.append(asyncio.create_task(world.store.admit(wanted[1])))
        await until(lambda: waits(world, 2))
        rest = [asyncio.create_task(world.store.admit(one)) for one in wanted[2:]]
        await asyncio.sleep(0.05)
        assert await waits(world, 2)
    answers = await asyncio.gather(*first, *rest)
    assert all(isinstance(answer, Admitted) for answer in answers)
    assert _transactions(world) - before == 4


def _transactions(world: World) -> int:
    """How many transactions wrote to the ledger."""
    return len(world.sql("SELECT DISTINCT xmin::text FROM ledger"))
