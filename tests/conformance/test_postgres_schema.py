"""The schema of PostgreSQL over time: its migrations, its
months, and who may bring it up to date.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from clearance.core import steps
from clearance.core.errors import Conflict, InvalidInput, Unavailable
from clearance.core.ledger import EntryKind
from clearance.flow.ports.intents import TimelineQuery
from clearance.stores.postgres import schema, server
from clearance.stores.postgres.schema import Migration, migrate, migrations
from clearance.stores.postgres.store import PostgresStore
from tests.conformance.test_store import admission, admitted, applied
from tests.support.postgres import new_database, new_login
from tests.support.sample import NOON, OWNER, TENANT
from tests.support.world import World, opened

pytestmark = pytest.mark.anyio

JANUARY = 1_579_046_400_000  # 2020-01-15T00:00:00Z
FIRST = ["0001_first", "0002_entry_format_2", "0003_tools", "0004_limits", "0005_stops"]
EXPANDS = Migration(
    5,
    "0005_expands",
    4,
    """ALTER TABLE intent ADD COLUMN more text;
    ALTER TABLE ledger ADD COLUMN more text NOT NULL DEFAULT 'x';
    ALTER TABLE tenant ADD COLUMN more int NOT NULL DEFAULT 0;
    DO $$ BEGIN EXECUTE 'CREATE OR REPLACE VIEW intent_record WITH (security_invoker = true) AS '
        || replace(rtrim(pg_get_viewdef('intent_record'), ';'), 'i.likeness', 'i.likeness,
        i.more'); END $$""",
)
CONTRACTS = Migration(6, "0006_contracts", 6, "ALTER TABLE ledger DROP COLUMN more")
BREAKS = Migration(5, "0005_breaks", 4, "CREATE TABLE half (); SELECT 1 / 0")


@pytest.fixture
def place(database: str) -> str:
    return database


@pytest.fixture
def empty(postgres_folder: Path) -> Iterator[str]:
    """A database without the schema."""
    with new_database(postgres_folder) as conninfo:
        yield conninfo


def ms(year: int, month: int, day: int) -> int:
    return int(dt.datetime(year, month, day, tzinfo=dt.UTC).timestamp()) * 1000


def knows(monkeypatch: pytest.MonkeyPatch, *more: Migration) -> None:
    """This software knows further migrations from now on."""
    known = [*migrations(), *more]
    monkeypatch.setattr(schema, "migrations", lambda: known)


def applied_to(conninfo: str) -> list[str]:
    with psycopg.connect(conninfo) as connection:
        return [
            name
            for (name,) in connection.execute(
                "SELECT name FROM clearance.migration ORDER BY number"
            )
        ]


# Migrations


async def test_a_database_without_the_schema_or_with_an_older_one_is_refused(
    empty: str, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Unavailable) as refused:
        await PostgresStore.open(empty)
    assert refused.value.code == "STORE_NOT_MIGRATED"
    knows(monkeypatch, EXPANDS)
    with pytest.raises(Unavailable) as refused:
        await PostgresStore.open(database)
    assert refused.value.code == "STORE_NOT_MIGRATED"


async def test_many_that_migrate_at_once_migrate_once(empty: str) -> None:
    done = await asyncio.gather(*(migrate(empty) for _ in range(5)))
    assert sorted(done) == [[], [], [], [], FIRST]
    async with opened(empty) as world:
        await admitted(world, "a")
    assert await migrate(empty) == []
    with psycopg.connect(empty) as connection:
        assert connection.execute(
            "SELECT count(*), min(length(credential_salt)) FROM clearance.installation"
        ).fetchone() == (
            1,
            16,
        )
        found = connection.execute(
            "SELECT count(*) FROM pg_inherits WHERE inhparent = 'clearance.intent'::regclass"
        ).fetchone()
        assert found == (4,)


async def test_a_migration_that_fails_leaves_nothing_of_itself(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    knows(monkeypatch, BREAKS)
    with pytest.raises(Unavailable) as refused:
        await migrate(database)
    assert refused.value.code == "MIGRATION_FAILED"
    assert applied_to(database) == FIRST
    with psycopg.connect(database) as connection:
        assert connection.execute("SELECT to_regclass('clearance.half')").fetchone() == (None,)
    monkeypatch.undo()
    async with opened(database) as world:
        await admitted(world, "a")


async def test_a_migration_waits_for_readers_only_so_long(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    knows(monkeypatch, EXPANDS)
    monkeypatch.setattr(schema, "LOCK_SECONDS_MAX", 1)
    with psycopg.connect(database) as reading:
        reading.execute("SELECT count(*) FROM clearance.intent")
        with pytest.raises(Unavailable) as refused:
            await migrate(database)
    assert refused.value.code == "MIGRATION_FAILED"
    assert await migrate(database) == ["0005_expands"]


async def test_software_of_before_goes_on_while_the_schema_expands_and_ends_when_it_contracts(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(database) as world:
        record = await admitted(world, "before")
        for _ in range(10):  # often enough that the driver prepares the statements
            await asyncio.gather(*(world.store.intent(TENANT, "before") for _ in range(4)))
            await world.store.timeline(TENANT, TimelineQuery())
        for number in range(8):
            await admitted(world, f"warm-{number}", account_id="globex")
        with monkeypatch.context() as newer:
            knows(newer, EXPANDS)
            assert await migrate(database) == ["0005_expands"]
        assert await world.store.intent(TENANT, "before") == record
        assert len(await world.store.timeline(TENANT, TimelineQuery())) == 9
        await applied(world, steps.cancel(record, code="X", reason=None, actor=OWNER, now=NOON))
        await admitted(world, "after", account_id="globex")
        async with opened(database) as started_later:
            await admitted(started_later, "later", account_id="globex")
        with monkeypatch.context() as newer:
            knows(newer, EXPANDS, CONTRACTS)
            assert await migrate(database) == ["0006_contracts"]
            store = await PostgresStore.open(database)
            assert await store.intent(TENANT, "later") == await world.record("later")
            await store.close()
    with pytest.raises(Unavailable) as refused:
        await PostgresStore.open(database)
    assert refused.value.code == "STORE_TOO_NEW"
    with pytest.raises(Unavailable) as refused:
        await server.check_schema(database)
    assert refused.value.code == "STORE_TOO_NEW"


async def test_every_migration_says_which_software_works_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, one in enumerate(migrations(), start=1):
        assert (one.number, 1 <= one.works_with <= one.number) == (number, True)
    folder = tmp_path / "migrations"
    folder.mkdir(parents=True)
    (folder / "0001_silent.sql").write_text("SELECT 1", encoding="utf-8")
    monkeypatch.setattr(schema.resources, "files", lambda _: tmp_path)
    with pytest.raises(ValueError, match="0001_silent"):
        migrations()


async def test_an_owner_that_may_make_no_roles_migrates_if_the_role_is_there(empty: str) -> None:
    with new_login(empty, "IN ROLE clearance_app") as owner:
        name = psycopg.conninfo.conninfo_to_dict(owner)["user"]
        with psycopg.connect(empty, autocommit=True) as admin:
            admin.execute("SELECT FROM pg_roles WHERE rolname = 'clearance_app'")
            admin.execute(f"ALTER DATABASE {admin.info.dbname} OWNER TO {name}")  # type: ignore[arg-type]
        assert await migrate(owner) == FIRST
        async with opened(owner) as world:
            await admitted(world, "a")
        with psycopg.connect(empty, autocommit=True) as admin:
            admin.execute(f"ALTER DATABASE {admin.info.dbname} OWNER TO postgres")  # type: ignore[arg-type]


async def test_an_owner_that_is_no_member_of_the_role_is_told_what_to_grant(empty: str) -> None:
    with new_login(empty, "") as owner:
        name = psycopg.conninfo.conninfo_to_dict(owner)["user"]
        with psycopg.connect(empty, autocommit=True) as admin:
            admin.execute(f"GRANT CREATE ON DATABASE {admin.info.dbname} TO {name}")  # type: ignore[arg-type]
        with pytest.raises(Unavailable) as refused:
            await migrate(owner)
        assert refused.value.code == "MIGRATION_FAILED"
        assert "clearance_app" in refused.value.sentence


# Months


def months(world: World) -> list[str]:
    found = world.sql(
        "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'intent'::regclass "
        "ORDER BY 1"
    )
    return [name for (name,) in found]


async def closed(world: World, name: str, at: int) -> None:
    record = await admitted(world, name, now=at)
    await applied(world, steps.cancel(record, code="X", reason=None, actor=OWNER, now=at + 1))


async def names(world: World) -> list[str]:
    return [
        record.intent.action_intent_id
        for record in await world.store.timeline(TENANT, TimelineQuery())
    ]


async def test_a_month_and_the_two_after_it_have_partitions_whatever_the_time_zone(
    world: World, database: str
) -> None:
    before = set(months(world))
    elsewhere = make_conninfo(database, options="-c TimeZone=Pacific/Auckland")
    await asyncio.gather(*(server.make_months(elsewhere, ms(2020, 1, 1) - 1) for _ in range(4)))
    await server.make_months(database, ms(2019, 12, 31))
    assert set(months(world)) - before == {"intent_2019_12", "intent_2020_01", "intent_2020_02"}
    for name, at in (
        ("last", ms(2020, 1, 1) - 1),
        ("first", ms(2020, 1, 1)),
        ("late", ms(2020, 3, 1)),
    ):
        await admitted(world, name, now=at)
    where = world.sql(
        "SELECT action_intent_id, tableoid::regclass::text FROM intent ORDER BY created_at"
    )
    assert where == [
        ("last", "intent_2019_12"),
        ("first", "intent_2020_01"),
        ("late", "intent_elsewhen"),
    ]
    await server.make_months(database, ms(2020, 3, 31))
    assert "intent_2020_03" not in months(
        world
    )  # what came before it had a partition stays where it is
    assert {"intent_2020_04", "intent_2020_05"} <= set(months(world))
    assert sorted(await names(world)) == ["first", "last", "late"]


async def test_a_month_is_not_made_while_somebody_reads_and_nobody_waits_behind_it(
    world: World, database: str
) -> None:
    loop = asyncio.get_running_loop()
    with psycopg.connect(database) as reading:  # a dump, for example
        reading.execute("SELECT count(*) FROM clearance.intent")
        began = loop.time()
        async with asyncio.timeout(10):
            with pytest.raises(psycopg.errors.LockNotAvailable):
                await server.make_months(database, JANUARY)
        await admitted(world, "a")
        assert loop.time() - began < 5
    assert "intent_2020_01" not in months(world)


async def test_months_are_not_dropped_while_somebody_reads_and_nobody_waits_behind_it(
    world: World, database: str
) -> None:
    await server.make_months(database, JANUARY)
    loop = asyncio.get_running_loop()
    with psycopg.connect(database) as reading:
        reading.execute("SELECT count(*) FROM clearance.intent")
        began = loop.time()
        async with asyncio.timeout(10):
            with pytest.raises(Unavailable):
                await server.age_out(database, "2020-02")
        await admitted(world, "a")
        assert loop.time() - began < 5
    assert "intent_2020_01" in months(world)
    assert await server.age_out(database, "2020-02") == ["2020-01"]


async def test_what_is_old_and_closed_goes_and_its_ledger_and_its_id_stay(
    world: World, database: str
) -> None:
    await server.make_months(database, JANUARY)
    await closed(world, "old", JANUARY)
    await closed(world, "old-too", ms(2020, 2, 3))
    await admitted(world, "open", now=ms(2020, 2, 4))
    await closed(world, "kept", ms(2020, 3, 1))
    entries = await world.entries()
    assert await server.age_out(database, "2020-03") == ["2020-01"]
    assert await world.store.intent(TENANT, "old") is None
    assert await names(world) == ["kept", "open", "old-too"]
    assert await world.entries() == entries
    about = [entry.fields["kind"] for entry in await world.store.entries_about(TENANT, "old")]
    assert about == [EntryKind.ACTION_APPROVED, EntryKind.ACTION_CANCELLED]
    with pytest.raises(Conflict) as refused:
        await admitted(world, "old")
    assert refused.value.code == "INTENT_AGED_OUT"
    assert (await world.entries(), await world.used()) == (entries, {})
    await applied(
        world,
        steps.cancel(await world.record("open"), code="X", reason=None, actor=OWNER, now=JANUARY),
    )
    assert await server.age_out(database, "2020-03") == ["2020-02"]
    assert await names(world) == ["kept"]


async def test_an_aged_out_id_is_refused_beside_others_that_are_taken(
    world: World, database: str
) -> None:
    await server.make_months(database, JANUARY)
    await closed(world, "old", JANUARY)
    await server.age_out(database, "2020-02")
    wanted = [await admission(world, name) for name in ("a", "old", "b", "old")]
    answers = await asyncio.gather(
        *(world.store.admit(one) for one in wanted), return_exceptions=True
    )
    assert [type(answer).__name__ for answer in answers] == [
        "Admitted",
        "Conflict",
        "Admitted",
        "Conflict",
    ]
    assert await world.used() == {"actions": 2, "actions:CREATE_TASK": 2}


async def test_what_was_written_before_its_month_had_a_partition_ages_out_too(
    world: World, database: str
) -> None:
    await closed(world, "old", ms(2019, 5, 5))
    await admitted(world, "open", now=ms(2019, 6, 6))
    await closed(world, "beside-open", ms(2019, 6, 7))
    assert await server.age_out(database, "2019-12") == ["2019-05"]
    assert await names(world) == ["beside-open", "open"]
    with pytest.raises(Conflict):
        await admitted(world, "old")


async def test_budgets_of_now_and_months_to_come_stay_whatever_is_asked(
    world: World, database: str
) -> None:
    [(month, following, yesterday)] = world.sql(
        """SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM'),
        to_char(now() AT TIME ZONE 'UTC' + interval '1 month', 'YYYY-MM'),
            to_char(now() AT TIME ZONE 'UTC' - interval '1 day', 'YYYY-MM-DD')"""
    )
    for day in ("2020-01-31", yesterday):
        world.sql(f"INSERT INTO budget_use VALUES ('{TENANT}', 'acme', '{day}', 'actions', 3)")
    with pytest.raises(InvalidInput) as refused:
        await server.age_out(database, following)
    assert refused.value.code == "INVALID_MONTH"
    there = months(world)
    assert await server.age_out(database, month) == []
    assert months(world) == there
    assert world.sql("SELECT day FROM budget_use") == [(yesterday,)]
    world.sql(f"INSERT INTO budget_use VALUES ('{TENANT}', 'acme', '2020-02-01', 'actions', 3)")
    windows = ["2020-01 Europe/Oslo", "2020-01-31T23:59", yesterday[:7], yesterday, month]
    for window in sorted(set(windows)):
        world.sql(f"INSERT INTO counter VALUES ('{TENANT}', '{{}}', '{window}', 'actions', 3)")
    assert await server.age_out(database, "2020-01") == []
    assert len(world.sql('SELECT "window" FROM counter')) == len(set(windows))
    assert await server.age_out(database, month) == []
    kept = {one for one in windows if one >= yesterday[:7]}
    assert {one for (one,) in world.sql('SELECT "window" FROM counter')} == kept
    world.sql(f"INSERT INTO budget_use VALUES ('{TENANT}', 'acme', '2020-02-01', 'actions', 3)")
    with psycopg.connect(database) as connection:  # as if the month had begun today
        connection.execute(schema._FORGET_BUDGETS, {"first": "2999-01-01"})
    assert world.sql("SELECT day FROM budget_use") == [(yesterday,)]
