"""The database server beside the store: what it says of itself, and a lock for what one process at a time may do.

Nothing here reads or writes a fact of Clearance.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import class_row

from clearance.core.errors import InvalidInput, Unavailable
from clearance.stores.postgres_schema import check, connect

LOCK_SECONDS_MAX = 60  # how long a start waits for another one to end
LOCK_KEY = int.from_bytes(b"clearanc", "big")  # of the advisory lock that a start holds


@dataclass(frozen=True, slots=True)
class Server:
    """What the server says. Connections are counts; `connections_max` leaves out what is reserved for others."""

    version: str
    version_number: int
    role: str
    superuser: bool
    bypasses_row_security: bool
    owns_schema: bool
    has_app_role: bool
    read_only: bool
    fsync: str
    full_page_writes: str
    synchronous_commit: str
    connections: int
    connections_max: int
    now_ms: int


_LOOK = """
SELECT current_setting('server_version') AS version,
       current_setting('server_version_num')::int AS version_number,
       me.rolname::text AS role,
       me.rolsuper AS superuser,
       me.rolbypassrls AS bypasses_row_security,
       coalesce((SELECT pg_has_role(me.oid, nspowner, 'USAGE')
                 FROM pg_namespace WHERE nspname = 'clearance'), false) AS owns_schema,
       coalesce((SELECT pg_has_role(me.oid, oid, 'USAGE')
                 FROM pg_roles WHERE rolname = 'clearance_app'), false) AS has_app_role,
       pg_is_in_recovery() AS read_only,
       current_setting('fsync') AS fsync,
       current_setting('full_page_writes') AS full_page_writes,
       current_setting('synchronous_commit') AS synchronous_commit,
       (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend')::int AS connections,
       (current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
        - coalesce(current_setting('reserved_connections', true), '0')::int) AS connections_max,
       floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now_ms
FROM pg_roles AS me WHERE me.rolname = current_user
"""


def check_url(url: str) -> None:
    """InvalidInput (`INVALID_DATABASE_URL`) if a driver could not read it. The sentence has nothing of it: it may hold a password."""
    try:
        named = conninfo_to_dict(url)
    except (psycopg.Error, UnicodeError):
        named = {}
    if not named:
        sentence = "CLEARANCE_DATABASE_URL is no PostgreSQL URL or connection string (postgresql://user@host/database)."
        raise InvalidInput(sentence, code="INVALID_DATABASE_URL")


async def check_schema(conninfo: str) -> int:
    """The schema that the database has. Unavailable if this software does not fit it."""
    async with await connect(conninfo) as connection:
        await check(connection)
        [(number,)] = await (await connection.execute("SELECT max(number) FROM clearance.migration")).fetchall()
    return int(number)


async def look(conninfo: str) -> Server:
    """What the server says of itself and of the role that asks. Unavailable if it does not answer."""
    async with await connect(conninfo) as connection:
        cursor = connection.cursor(row_factory=class_row(Server))
        await cursor.execute("SELECT 1")  # so that the clock is read on a connection that stands
        found = await (await cursor.execute(_LOOK)).fetchone()
    if found is None:
        sentence = "The database does not know the role that asks."
        raise Unavailable(sentence)
    return found


@contextlib.asynccontextmanager
async def one_at_a_time(conninfo: str) -> AsyncIterator[None]:
    """Only one process is in this block at a time; the others wait. It is a transaction's lock, so it cannot be left behind."""
    async with await connect(conninfo) as connection:
        try:
            await connection.execute("BEGIN")
            await connection.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
            await connection.execute("SET LOCAL statement_timeout = 0")
            await connection.execute(f"SET LOCAL lock_timeout = '{LOCK_SECONDS_MAX}s'")
            await connection.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK_KEY,))
        except psycopg.errors.LockNotAvailable:
            sentence = f"Another process is starting, and did not end within {LOCK_SECONDS_MAX} seconds."
            raise Unavailable(sentence) from None
        yield
