"""The schema `clearance_queue`: procrastinate's tables and what Clearance adds to them, how they
are brought up to date, and connections to them.

Procrastinate ships its schema and, for each of its versions, files of statements; it keeps no
record of which were run. So `clearance_queue.applied` names them. Nothing in this schema is a fact:
dropping it loses time, not intents.
"""

from __future__ import annotations

from hashlib import sha256
from importlib import resources
from pathlib import Path

import psycopg
from procrastinate.schema import SchemaManager
from psycopg import AsyncConnection, sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from clearance.core.errors import Unavailable

SCHEMA = "clearance_queue"
APP_ROLE = "clearance_app"
LOCK_SECONDS_MAX = 30  # that a change of the schema waits for running statements
STATEMENT_SECONDS_MAX = 10  # of one statement of the queue's
# Of PostgreSQL's advisory locks: two that prepare at once do it one after the other
PREPARE_LOCK = 4_848_484_805
CONNECTION_DEFAULTS = {
    "application_name": "clearance-queue",
    "connect_timeout": "5",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "20000",
}
"""The defaults where the address sets nothing; seconds, and milliseconds for the last. With them, a
peer that vanished is noticed.
"""


def address(conninfo: str) -> str:
    """The address with our defaults."""
    given = conninfo_to_dict(conninfo)
    return make_conninfo(
        conninfo,
        **{name: value for name, value in CONNECTION_DEFAULTS.items() if name not in given},
    )


async def connect(conninfo: str) -> AsyncConnection:
    """A connection as the role that the address names.

    Unavailable (`DATABASE_UNREACHABLE`) if there is none; the driver's text names no password.
    """
    try:
        return await AsyncConnection.connect(address(conninfo), autocommit=True)
    except psycopg.Error as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        sentence = f"The database cannot be reached: {reason}."
        raise Unavailable(sentence, code="DATABASE_UNREACHABLE") from error


async def prepare(conninfo: str) -> list[str]:
    """Makes or updates the schema; the names of what was applied, none if it was up to date.

    Unavailable if it cannot.
    """
    async with await connect(conninfo) as connection:
        try:
            await connection.execute("SELECT pg_advisory_lock(%s)", (PREPARE_LOCK,))
            return await _prepare(connection)
        except psycopg.Error as error:
            sentence = f"The queue's schema could not be prepared: {' '.join(str(error).split())}."
            raise Unavailable(sentence, code="MIGRATION_FAILED") from error


async def _prepare(connection: AsyncConnection) -> list[str]:
    async with connection.transaction():
        await connection.execute(
            f"""DO $$ BEGIN
                IF NOT EXISTS (SELECT FROM pg_roles
                WHERE rolname = '{APP_ROLE}') THEN CREATE ROLE {APP_ROLE} NOLOGIN; END IF;
            EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$"""
        )
        await connection.execute(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
        await connection.execute(
            f"""CREATE TABLE IF NOT EXISTS {SCHEMA}.applied (
            name text PRIMARY KEY, at timestamptz NOT NULL DEFAULT now())"""
        )
    applied = await connection.execute(f"SELECT name FROM {SCHEMA}.applied")
    known = {name for (name,) in await applied.fetchall()}
    return [
        name
        for name, script, says in _scripts(known)
        if await _apply(connection, name, script, says)
    ]


def _scripts(known: set[str]) -> list[tuple[str, str, list[str]]]:
    """The statements left to run: a name, the statements, and every name that is known
    afterwards.
    """
    folder = Path(SchemaManager.get_migrations_path())
    steps = sorted(file.name for file in folder.glob("*.sql"))  # their names begin with the version
    if not known:
        left = [(f"procrastinate {steps[-1][:8]}", SchemaManager.get_schema(), steps)]
    else:
        left = [
            (step, (folder / step).read_text(encoding="utf-8"), [step])
            for step in steps
            if step not in known
        ]
    own = (
        resources.files("clearance.engines.queue").joinpath("queue.sql").read_text(encoding="utf-8")
    )
    name = f"clearance {sha256(own.encode()).hexdigest()[:12]}"
    return left if name in known and not left else [*left, (name, own, [name])]


async def _apply(connection: AsyncConnection, name: str, script: str, says: list[str]) -> bool:
    async with connection.transaction():
        await connection.execute(f"SET LOCAL search_path = {SCHEMA}")
        await connection.execute(f"SET LOCAL lock_timeout = '{LOCK_SECONDS_MAX}s'")
        await connection.execute(sql.SQL(script))  # the package's own files, and ours
        await connection.cursor().executemany(
            f"INSERT INTO {SCHEMA}.applied (name) VALUES (%s) ON CONFLICT DO NOTHING",
            [(applied,) for applied in says],
        )
        await connection.execute(
            f"""GRANT USAGE ON SCHEMA {SCHEMA} TO {APP_ROLE};
            GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {SCHEMA} TO {APP_ROLE};
            REVOKE INSERT, UPDATE, DELETE ON {SCHEMA}.applied FROM {APP_ROLE};
            GRANT USAGE ON ALL SEQUENCES IN SCHEMA {SCHEMA} TO {APP_ROLE}"""
        )
    return bool(name)
