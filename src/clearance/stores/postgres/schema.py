"""The schema of a PostgreSQL store: how it is brought up to date, how old months age out, and
whether this software fits it.

Migrations only expand: while a migration that says `works with: N` is in force, software that knows
schema N still runs on it. So an operator migrates to a new version first, and then replaces its
processes one by one. A later migration contracts, when no old process is left.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from importlib import resources

import psycopg
from psycopg import AsyncConnection, sql

from clearance.core.errors import InvalidInput, Unavailable
from clearance.core.principal import EVERYWHERE
from clearance.core.record import OPEN
from clearance.stores.sql import one_of

APP_ROLE = "clearance_app"
# Of PostgreSQL's advisory locks: two that migrate at once do it one after the other
MIGRATION_LOCK = 4_848_484_803
CONNECT_SECONDS_MAX = 10
LOCK_SECONDS_MAX = 30  # that a statement of a migration waits for running ones
DROP_SECONDS_MAX = 2  # that the end of a month waits for readers, because all others wait behind it

_WORKS_WITH = re.compile(r"-- works with: (\d+)\n")
_MONTH = re.compile(r"intent_(\d{4})_(\d{2})")


@dataclass(frozen=True, slots=True)
class Migration:
    """One step of the schema. `works_with` is the oldest schema whose software runs on this one."""

    number: int
    name: str
    works_with: int
    script: str


def migrations() -> list[Migration]:
    """Every step that this software knows, in order."""
    folder = resources.files("clearance.stores.postgres") / "migrations"
    known = []
    for file in sorted(
        (file for file in folder.iterdir() if file.name.endswith(".sql")),
        key=lambda file: file.name,
    ):
        script = file.read_text(encoding="utf-8")
        works_with = _WORKS_WITH.match(script)
        if works_with is None:
            sentence = f"{file.name} does not say which software works with it."
            raise ValueError(sentence)
        name = file.name.removesuffix(".sql")
        known.append(Migration(int(name.partition("_")[0]), name, int(works_with[1]), script))
    return known


async def connect(conninfo: str) -> AsyncConnection:
    """A connection as the role that the address names. Unavailable if there is none."""
    try:
        return await AsyncConnection.connect(
            conninfo, autocommit=True, connect_timeout=CONNECT_SECONDS_MAX
        )
    except psycopg.Error as error:
        raise unreachable(error) from error


def unreachable(error: psycopg.Error) -> Unavailable:
    """The refusal when there is no connection; the driver's text names no password."""
    reason = " ".join(str(error).split()) or type(error).__name__
    return Unavailable(f"The database cannot be reached: {reason}.", code="DATABASE_UNREACHABLE")


async def migrate(conninfo: str) -> list[str]:
    """Applies the migrations that the database does not have yet, each in one transaction; their
    names.
    """
    async with await connect(conninfo) as connection:
        await connection.execute("SELECT pg_advisory_lock(%s)", (MIGRATION_LOCK,))
        try:
            await _prepare(connection)
            applied = [
                migration.name for migration in migrations() if await _apply(connection, migration)
            ]
            await connection.execute(
                "SELECT clearance.make_months((extract(epoch FROM now()) * 1000)::bigint)"
            )
        except psycopg.Error as error:
            sentence = f"The database could not be migrated: {' '.join(str(error).split())}."
            raise Unavailable(sentence, code="MIGRATION_FAILED") from error
    return applied


async def _prepare(connection: AsyncConnection) -> None:
    await connection.execute(
        f"""DO $$ BEGIN
            IF NOT EXISTS (SELECT FROM pg_roles
            WHERE rolname = '{APP_ROLE}') THEN CREATE ROLE {APP_ROLE} NOLOGIN; END IF;
        EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$"""
    )
    member = await connection.execute("SELECT pg_has_role(current_user, %s, 'MEMBER')", (APP_ROLE,))
    if await member.fetchone() != (True,):
        await connection.execute(f"GRANT {APP_ROLE} TO current_user")
    await connection.execute("CREATE SCHEMA IF NOT EXISTS clearance")
    await connection.execute(
        """CREATE TABLE IF NOT EXISTS clearance.migration (
        number int PRIMARY KEY, name text NOT NULL, works_with int NOT NULL,
        applied_at timestamptz NOT NULL DEFAULT now())"""
    )


async def _apply(connection: AsyncConnection, migration: Migration) -> bool:
    rows = await connection.execute(
        "SELECT 1 FROM clearance.migration WHERE number = %s", (migration.number,)
    )
    if await rows.fetchone():
        return False
    async with connection.transaction():
        await connection.execute("SET LOCAL search_path = clearance")
        await connection.execute(f"SET LOCAL lock_timeout = '{LOCK_SECONDS_MAX}s'")
        await connection.execute(sql.SQL(migration.script))
        await connection.execute(
            "INSERT INTO clearance.migration (number, name, works_with) VALUES (%s, %s, %s)",
            (migration.number, migration.name, migration.works_with),
        )
        if migration.number == 1:
            await connection.execute(
                "INSERT INTO installation VALUES (1, %s)", (secrets.token_bytes(16),)
            )
            await connection.execute("INSERT INTO tenant (tenant_id) VALUES (%s)", (EVERYWHERE,))
    return True


async def check(connection: AsyncConnection) -> None:
    """Unavailable if this software does not fit the schema that the database has."""
    newest = migrations()[-1].number
    try:
        rows = await connection.execute(
            "SELECT max(number), max(works_with) FROM clearance.migration"
        )
        number, works_with = await rows.fetchone() or (None, None)
    except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName):
        number = works_with = None
    except psycopg.errors.InsufficientPrivilege:
        sentence = f"This login may not read the schema clearance: grant it the role {APP_ROLE}."
        raise Unavailable(sentence, code="ROLE_NOT_GRANTED") from None
    if number is None or works_with is None or number < newest:
        sentence = (
            f"The database has schema {number or 0}, and this Clearance needs {newest}: run "
            f"clearance migrate."
        )
        raise Unavailable(sentence, code="STORE_NOT_MIGRATED")
    if works_with > newest:
        sentence = (
            f"The database has schema {number}; this Clearance knows {newest}. Use a newer "
            f"Clearance."
        )
        raise Unavailable(sentence, code="STORE_TOO_NEW")


async def age_out(conninfo: str, month: str) -> list[str]:
    """Drops the rows of intents, and what was counted, from before a month (`YYYY-MM`, UTC); the
    months that went.

    A month stays whole while one of its intents is open. Ledger entries and the ids of intents stay
    for ever: what was proposed in a month that went is refused when it is proposed again
    (`INTENT_AGED_OUT`). InvalidInput (`INVALID_MONTH`) for a month that has not begun; Unavailable
    if somebody reads what should go: run it again.
    """
    gone = set()
    async with await connect(conninfo) as connection:
        await _must_have_begun(connection, month)
        months = await connection.execute(
            "SELECT c.relname FROM pg_inherits h JOIN pg_class c ON c.oid = h.inhrelid "
            "WHERE h.inhparent = 'clearance.intent'::regclass ORDER BY c.relname"
        )
        try:
            for (name,) in await months.fetchall():
                named = _MONTH.fullmatch(name)
                if (
                    named
                    and f"{named[1]}-{named[2]}" < month
                    and await _drop_month(connection, name)
                ):
                    gone.add(f"{named[1]}-{named[2]}")
        except psycopg.errors.LockNotAvailable:
            sentence = (
                "Another session reads the intents, a backup perhaps: drop months when it is over."
            )
            raise Unavailable(sentence) from None
        gone |= await _empty_elsewhen(connection, month)
        await connection.execute(_FORGET_BUDGETS, {"first": f"{month}-01"})
        await connection.execute(_FORGET_COUNTERS, {"month": month})
    return sorted(gone)


# In no time zone is it more than a day earlier than in UTC.
_FORGET_BUDGETS = """DELETE FROM clearance.budget_use
    WHERE day < least(%(first)s, to_char(now() AT TIME ZONE 'UTC' - interval '1 day',
    'YYYY-MM-DD')) COLLATE "C" """
# A month's window is the start of each window in it, and comes before them all.
_FORGET_COUNTERS = """DELETE FROM clearance.counter
    WHERE "window" < least(%(month)s, to_char(now() AT TIME ZONE 'UTC' - interval '1 day',
    'YYYY-MM')) COLLATE "C" """
_CLOSED_ELSEWHEN = f"""WITH month AS (
        SELECT date_trunc('month', to_timestamp(created_at / 1000.0) AT TIME ZONE 'UTC') AS begins
        FROM clearance.intent_elsewhen GROUP BY 1
        HAVING date_trunc('month',
        to_timestamp(min(created_at) / 1000.0) AT TIME ZONE 'UTC') < %(first)s::timestamp
            AND NOT bool_or(status IN {one_of(OPEN)})
    ), gone AS (
        DELETE FROM clearance.intent_elsewhen i USING month WHERE i.created_at >= extract(epoch
        FROM month.begins) * 1000
            AND i.created_at < extract(epoch FROM month.begins + interval '1 month') * 1000
    ) SELECT to_char(begins, 'YYYY-MM') FROM month"""


async def _must_have_begun(connection: AsyncConnection, month: str) -> None:
    answer = await connection.execute(
        "SELECT %s > to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM') COLLATE \"C\"", (month,)
    )
    if await answer.fetchone() != (False,):
        sentence = "The month has not begun: only what is older than this month can go."
        raise InvalidInput(sentence, code="INVALID_MONTH")


async def _drop_month(connection: AsyncConnection, name: str) -> bool:
    table = sql.Identifier("clearance", name)
    async with connection.transaction():
        await connection.execute(f"SET LOCAL lock_timeout = '{DROP_SECONDS_MAX}s'")
        await connection.execute(sql.SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE").format(table))
        still = await connection.execute(
            sql.SQL("SELECT EXISTS (SELECT FROM {} WHERE status = ANY(%s))").format(table),
            ([status.value for status in OPEN],),
        )
        if await still.fetchone() != (False,):
            return False
        await connection.execute(sql.SQL("DROP TABLE {}").format(table))
    return True


async def _empty_elsewhen(connection: AsyncConnection, month: str) -> set[str]:
    """Deletes what was written before its month had a partition, by the same rule; the months that
    went.
    """
    months = await connection.execute(_CLOSED_ELSEWHEN, {"first": f"{month}-01"})
    return {name for (name,) in await months.fetchall()}
