"""What only PostgreSQL has: its triggers, privileges and walls between tenants, its months, its
migrations.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from clearance.configuration.values import DURATION_DAYS_MAX
from clearance.core import steps
from clearance.core.budget import Claim, Hold
from clearance.core.budget import Counter as BudgetCounter
from clearance.core.credential import ApiKey, PageSession
from clearance.core.errors import InvalidInput, Unavailable
from clearance.core.ledger import EntryKind, Reason, draft
from clearance.core.principal import Role
from clearance.flow.ports.intents import TimelineQuery
from clearance.flow.ports.transitions import Admitted, RejectedBefore
from clearance.flow.requests import SettingsPart
from clearance.stores.postgres import server
from clearance.stores.postgres.store import PostgresStore
from tests.conformance.test_store import admission, admitted, applied, started
from tests.support.postgres import new_login
from tests.support.sample import NOON, OWNER, TENANT, task
from tests.support.world import World, opened

pytestmark = pytest.mark.anyio

MOVED_BY_A_STEP = (
    *("approval", "approval_source", "attempt", "changed_at", "decision_position", "due_at"),
    *("hold", "outcome", "position", "revision", "status", "transition_id"),
)
GRANTED = {
    "api_key": {"SELECT", "INSERT", "UPDATE (revoked_at)"},
    "budget_use": {"SELECT", "INSERT", "UPDATE (used)"},
    "counter": {"SELECT", "INSERT", "UPDATE (used)"},
    "installation": {"SELECT"},
    "intent": {"SELECT", "INSERT", f"UPDATE ({', '.join(MOVED_BY_A_STEP)})"},
    "intent_key": {"SELECT", "INSERT"},
    "intent_record": {"SELECT"},
    "known_account": {"SELECT", "INSERT"},
    "ledger": {"SELECT", "INSERT"},
    "ledger_text": {"SELECT", "INSERT", "DELETE"},
    "tool": {"SELECT", "INSERT"},
    "migration": {"SELECT"},
    "page_session": {"SELECT", "INSERT", "DELETE"},
    "settings": {"SELECT", "INSERT"},
    "stop": {"SELECT", "INSERT", "UPDATE (closed, recorded, state)"},
    "tenant": {"SELECT", "INSERT", "UPDATE (ledger_size, settings_version)"},
}
"""All that `clearance_app` may do to a table, and nobody else."""

OF_A_TENANT = {
    *("api_key", "budget_use", "counter", "intent", "intent_key", "known_account", "ledger"),
    *("ledger_text", "settings", "stop", "tool", "tenant"),
}
COUNTER = BudgetCounter('{"agent":"a"}', "2026-11-24")
CHANGED_IN_PLACE = {
    "api_key": "revoked_at",
    "budget_use": "used",
    "counter": "used",
    "intent": "changed_at",
    "stop": "closed",
    "tenant": "ledger_size",
}


@pytest.fixture
def place(database: str) -> str:
    return database


@pytest.fixture
def member(database: str) -> Iterator[str]:
    """A login that may do what `clearance_app` may, and nothing else."""
    with new_login(database, "IN ROLE clearance_app") as conninfo:
        yield conninfo


@contextmanager
def session(conninfo: str, tenant_id: str | None) -> Iterator[psycopg.Connection]:
    """A session that named a tenant, or none."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        if tenant_id is not None:
            connection.execute("SELECT set_config('clearance.tenant', %s, false)", (tenant_id,))
        yield connection


# What was written stays


@pytest.mark.parametrize("table", ["ledger", "intent_key"])
@pytest.mark.parametrize(
    "attack",
    [
        "UPDATE {} SET tenant_id = 'southwind'",
        "DELETE FROM {}",
        "TRUNCATE {}",
        "TRUNCATE {} CASCADE",
        "INSERT INTO {0} SELECT * FROM {0} ON CONFLICT ({1}) DO UPDATE SET intent_no = 0",
        (
            "MERGE INTO {0} USING {0} AS s ON {0}.tenant_id = s.tenant_id AND {0}.intent_no = "
            "s.intent_no WHEN MATCHED THEN DELETE"
        ),
    ],
)
async def test_not_even_the_owner_changes_or_loses_an_entry_or_an_id(
    world: World, table: str, attack: str
) -> None:
    await world.propose(task("t1"))
    before = world.sql(f"SELECT * FROM {table}")
    keys = {"ledger": "tenant_id, position", "intent_key": "tenant_id, action_intent_id"}
    with pytest.raises(psycopg.errors.IntegrityConstraintViolation, match="append-only"):
        world.sql(attack.format(table, keys[table]))
    assert before
    assert world.sql(f"SELECT * FROM {table}") == before


@pytest.mark.parametrize(
    "attack",
    [
        "UPDATE clearance.ledger SET body = ''",
        "DELETE FROM clearance.ledger",
        "TRUNCATE clearance.ledger",
        "DELETE FROM clearance.intent_key",
        "DELETE FROM clearance.intent",
        "DELETE FROM clearance.budget_use",
        "UPDATE clearance.intent SET content = '{}'",
        "UPDATE clearance.intent SET tenant_id = 'southwind'",
        "UPDATE clearance.tenant SET tenant_id = 'southwind'",
        "UPDATE clearance.settings SET document = '{}'",
        "UPDATE clearance.api_key SET key_hash = ''",
        "UPDATE clearance.installation SET credential_salt = ''",
        "INSERT INTO clearance.migration (number, name, works_with) VALUES (99, 'x', 99)",
        "SELECT setval('clearance.intent_number', 1)",
        "SELECT * FROM clearance.intent_elsewhen",
        "ALTER TABLE clearance.ledger DISABLE TRIGGER ALL",
        "ALTER TABLE clearance.ledger DISABLE ROW LEVEL SECURITY",
        "DROP TRIGGER ledger_keeps_entries ON clearance.ledger",
        "SET session_replication_role = replica",
        "CREATE TABLE clearance.mine ()",
        "DROP TABLE clearance.page_session",
        (
            "CREATE OR REPLACE FUNCTION clearance.refuse_change() RETURNS trigger LANGUAGE plpgsql "
            "AS 'BEGIN RETURN NULL; END'"
        ),
    ],
)
async def test_who_serves_has_no_right_to_it(world: World, member: str, attack: str) -> None:
    await world.propose(task("t1"))
    with session(member, TENANT) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(attack)  # type: ignore[arg-type]


async def test_who_serves_has_exactly_these_rights(world: World) -> None:
    found = world.sql(
        """SELECT c.relname, p.privilege_type, NULL FROM pg_class c, aclexplode(c.relacl) p
            WHERE c.relnamespace = 'clearance'::regnamespace AND c.relkind IN ('r', 'p', 'v')
            AND p.grantee <> c.relowner
        UNION ALL SELECT c.relname, p.privilege_type, string_agg(a.attname, ', ' ORDER BY a.attname)
            FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid, aclexplode(a.attacl) p
            WHERE c.relnamespace = 'clearance'::regnamespace AND c.relkind IN ('r', 'p', 'v')
            GROUP BY 1, 2"""
    )
    granted: dict[str, set[str]] = {}
    for table, privilege, columns in found:
        granted.setdefault(table, set()).add(f"{privilege} ({columns})" if columns else privilege)
    assert granted == GRANTED
    open_to_all = world.sql(
        """SELECT p.proname FROM pg_proc p WHERE p.pronamespace = 'clearance'::regnamespace
            AND (p.proacl IS NULL OR EXISTS (SELECT FROM aclexplode(p.proacl) a
            WHERE a.grantee = 0))"""
    )
    assert open_to_all == []
    definers = world.sql(
        "SELECT proname, proconfig FROM pg_proc WHERE prosecdef AND pronamespace = "
        "'clearance'::regnamespace"
    )
    assert [name for name, _ in definers] == ["make_months"]
    assert "search_path=clearance, pg_temp" in definers[0][1]


# The second wall between tenants


async def _something_in_every_table(world: World) -> None:
    await admitted(world, "a")
    wanted = await admission(world, "c", account_id="globex")
    hold = Hold("2026-11-24", (Claim("actions", 1, 9), Claim("actions", 1, 9, COUNTER)))
    decision = replace(wanted.decision, hold=hold)
    answer = await world.store.admit(replace(wanted, decision=decision, knows_account=True))
    assert isinstance(answer, Admitted)
    record = answer.record
    reason = Reason("No need.", b"r" * 16)
    await applied(world, steps.cancel(record, code="X", reason=reason, actor=OWNER, now=NOON))
    await world.store.add_api_key(_key(), draft(EntryKind.API_KEY_CREATED, NOON, OWNER))
    await world.store.keep_tools(TENANT, {"sha256-2:0": {}})
    everything = [{"scope": "TENANT", "level": "HOLD", "reason": "A drill."}]
    await world.control.put_settings_part(
        OWNER, SettingsPart.STOP_SWITCHES, {"stop_switches": everything}, version=-1
    )


def _key(name: str = "ops") -> ApiKey:
    return ApiKey(f"key-{name}", TENANT, name, Role.APPROVER, name.encode() * 10, NOON)


async def test_every_table_of_a_tenant_has_the_wall(world: World) -> None:
    found = world.sql(
        """SELECT c.relname, c.relrowsecurity FROM pg_class c
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id'
            WHERE c.relnamespace = 'clearance'::regnamespace AND c.relkind IN ('r', 'p')
            AND NOT c.relispartition"""
    )
    assert dict(found) == dict.fromkeys(OF_A_TENANT, True)


@pytest.mark.parametrize("named", [None, "", "southwind"])
async def test_who_names_no_tenant_or_another_one_sees_and_writes_nothing(
    world: World, member: str, named: str | None
) -> None:
    await _something_in_every_table(world)
    with session(member, named) as wrong, session(member, TENANT) as right:
        for table in sorted(OF_A_TENANT | {"intent_record"}):
            look = f"SELECT count(*) FROM clearance.{table} WHERE tenant_id = '{TENANT}'"
            assert wrong.execute(look).fetchone() == (0,), table  # type: ignore[arg-type]
            assert right.execute(look).fetchone() > (0,), table  # type: ignore[arg-type, operator]
        for table in sorted(OF_A_TENANT):
            write = f"INSERT INTO clearance.{table} (tenant_id) VALUES ('{TENANT}')"
            with pytest.raises(psycopg.errors.InsufficientPrivilege, match="row-level security"):
                wrong.execute(write)  # type: ignore[arg-type]
            with pytest.raises((psycopg.errors.NotNullViolation, psycopg.errors.UniqueViolation)):
                right.execute(write)  # type: ignore[arg-type]
        for table, column in CHANGED_IN_PLACE.items():
            change = (
                f"UPDATE clearance.{table} SET {column} = {column} WHERE tenant_id = '{TENANT}'"
            )
            assert wrong.execute(change).rowcount == 0, table  # type: ignore[arg-type]
            assert right.execute(change).rowcount > 0, table  # type: ignore[arg-type]
            lock = f"SELECT 1 FROM clearance.{table} WHERE tenant_id = '{TENANT}' FOR UPDATE"
            assert wrong.execute(lock).rowcount == 0, table  # type: ignore[arg-type]


async def test_the_installation_sees_every_tenant_and_writes_none(
    world: World, member: str
) -> None:
    await _something_in_every_table(world)
    with session(member, "*") as connection:
        for table in sorted(OF_A_TENANT):
            look = f"SELECT count(*) FROM clearance.{table} WHERE tenant_id = '{TENANT}'"
            assert connection.execute(look).fetchone() > (0,), table  # type: ignore[arg-type, operator]
            with pytest.raises(psycopg.errors.InsufficientPrivilege, match="row-level security"):
                connection.execute(f"INSERT INTO clearance.{table} (tenant_id) VALUES ('{TENANT}')")  # type: ignore[arg-type]
        for table, column in CHANGED_IN_PLACE.items():
            with pytest.raises(psycopg.errors.InsufficientPrivilege, match="row-level security"):
                connection.execute(  # type: ignore[call-overload]
                    f"UPDATE clearance.{table} SET {column} = {column} WHERE tenant_id = '{TENANT}'"
                )


async def test_a_no_is_looked_for_among_all_that_could_have_waited_for_it(world: World) -> None:
    longest = 2 * DURATION_DAYS_MAX * 86_400_000
    assert world.sql("SELECT waits_ms_max()") == [(longest,)]
    asked = replace(await admission(world, "a"), likeness=b"l" * 32, rejected_since=NOON)
    early = replace(await admission(world, "b", now=NOON - longest), likeness=b"l" * 32)
    await world.store.admit(early)
    world.sql("UPDATE intent SET status = 'REJECTED', changed_at = changed_at + waits_ms_max()")
    assert await world.store.admit(asked) == RejectedBefore("b", NOON)
    assert await world.store.admit(replace(asked, waiting_max=9)) == RejectedBefore("b", NOON)


async def test_no_tenant_changes_the_switches_that_hold_everywhere(
    world: World, member: str
) -> None:
    with session(member, TENANT) as connection:
        assert connection.execute(
            "SELECT count(*) FROM clearance.tenant WHERE tenant_id = '*'"
        ).fetchone() == (1,)
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="row-level security"):
            connection.execute(
                "UPDATE clearance.tenant SET settings_version = 7 WHERE tenant_id = '*'"
            )
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="row-level security"):
            connection.execute("INSERT INTO clearance.settings VALUES ('*', 7, '{}', 0)")
    assert (await world.store.settings_version(TENANT)).everywhere == 0


# Who logs in


async def test_a_member_of_the_role_can_do_everything_that_the_store_needs(
    database: str, member: str
) -> None:
    async with opened(member) as world:
        await _something_in_every_table(world)
        waiting = await admitted(world, "w", confidence_score=0.1)
        await applied(world, await started(world, await world.record("a")))
        await applied(world, steps.cancel(waiting, code="X", reason=None, actor=OWNER, now=NOON))
        await world.configure({"stop_switches": []}, tenant_id="*")
        await world.store.add_session(PageSession(b"t" * 32, _key().key_id, NOON, NOON + 1))
        assert await world.store.session_key(b"t" * 32, NOON) == _key()
        await world.store.end_session(b"t" * 32)
        assert await world.store.revoke_api_key(
            TENANT, _key().key_id, NOON, draft(EntryKind.API_KEY_REVOKED, NOON, OWNER)
        )
        assert len(await world.store.timeline(TENANT, TimelineQuery())) == 3
        assert len(await world.store.installation_salt()) == 16
        kinds = Counter(entry["kind"] for entry in await world.entries())
        assert kinds == {
            "SETTINGS_CHANGED": 1,
            "ACTION_APPROVED": 2,
            "APPROVAL_REQUESTED": 1,
            "EXECUTION_STARTED": 1,
            "ACTION_CANCELLED": 2,
            "API_KEY_CREATED": 1,
            "API_KEY_REVOKED": 1,
            "STOP_SWITCHES_CHANGED": 1,
            "STOP_RECORDED": 1,
            "STOP_CLOSED": 1,
        }
        await server.make_months(member, NOON + 400 * 86_400_000)


async def test_whoever_logs_in_the_store_works_as_the_role_with_the_least_rights(
    database: str,
) -> None:
    store = await PostgresStore.open(make_conninfo(database, options="-c synchronous_commit=off"))
    [said] = await store._connections.rows(
        TENANT,
        """SELECT current_user, current_setting('synchronous_commit'),
        current_setting('clearance.tenant'),
            current_setting('transaction_isolation')""",
    )
    assert said == ("clearance_app", "on", TENANT, "read committed")
    await store.close()


async def test_the_database_shows_which_program_asks_unless_the_address_says_it(
    database: str,
) -> None:
    for address, shown in (
        (database, "clearance serve"),
        (make_conninfo(database, application_name="mine"), "mine"),
    ):
        store = await PostgresStore.open(server.named(address, "clearance serve"))
        assert await store._connections.rows("*", "SELECT current_setting('application_name')") == [
            (shown,)
        ]
        await store.close()


async def test_a_login_without_the_role_is_told_so(database: str) -> None:
    with new_login(database, "") as conninfo:
        with pytest.raises(Unavailable) as refused:
            await PostgresStore.open(conninfo)
        assert refused.value.code == "ROLE_NOT_GRANTED"


async def test_no_transition_is_made_under_an_isolation_that_reads_old_rows(database: str) -> None:
    async with opened(
        make_conninfo(database, options="-c default_transaction_isolation=serializable")
    ) as world:
        await admitted(world, "a")  # the store asks for what it needs
    with session(database, None) as connection:
        connection.execute("SET default_transaction_isolation = 'repeatable read'")
        with pytest.raises(psycopg.errors.InvalidTransactionState, match="read committed"):
            connection.execute("SELECT clearance.end_api_key('northwind', 'none', 0, '')")


async def test_no_error_shows_the_password(database: str) -> None:
    for address in (
        "postgresql://serve:s3cr3t@127.0.0.1:1/clearance",
        make_conninfo(database, user="nobody_here", password="s3cr3t"),
    ):
        with pytest.raises(Unavailable) as refused:
            await PostgresStore.open(address)
        assert refused.value.code == "DATABASE_UNREACHABLE"
        assert "s3cr3t" not in refused.value.sentence


async def test_a_closed_store_says_that_it_is(database: str) -> None:
    async with opened(database) as world:
        pass
    with pytest.raises(Unavailable):
        await world.store.intent(TENANT, "t1")
    with pytest.raises(Unavailable):
        await world.propose(task("t1"))


async def test_what_was_acknowledged_is_there_for_the_next_process(database: str) -> None:
    async with opened(database) as world:
        before = await world.propose(task("t1"))
    store = await PostgresStore.open(database)
    assert await store.intent(TENANT, "t1") == before
    await store.close()


async def test_a_reader_hears_of_entries_of_another_process(world: World, database: str) -> None:
    reader = await PostgresStore.open(database)
    size = await reader.ledger_size(TENANT)
    hears = asyncio.create_task(reader.wait_for_entries(TENANT, size, 60_000))
    await asyncio.sleep(0.05)
    assert not hears.done()
    await world.propose(task("t1"))
    async with asyncio.timeout(5):
        assert await hears is True
    await reader.close()


async def test_a_question_with_a_zero_character_is_refused_and_breaks_nothing(world: World) -> None:
    with pytest.raises(InvalidInput) as refused:
        await world.store.timeline(TENANT, TimelineQuery(account_id="a\0b"))
    assert refused.value.code == "INVALID_TEXT"
    assert await world.store.timeline(TENANT, TimelineQuery()) == []
