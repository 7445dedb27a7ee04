"""The database server beside the store: its own description, and a lock for work that one process
at a time may do.

Nothing here reads or writes a fact of Clearance.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import class_row

from clearance.core.errors import Forbidden, InvalidInput, Unavailable
from clearance.stores.postgres import schema
from clearance.stores.postgres.schema import check, connect

LOCK_SECONDS_MAX = 60  # how long a start waits for another one to end
_MONTH = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])")
LOCK_KEY = int.from_bytes(b"clearanc", "big")  # of the advisory lock that a start holds


@dataclass(frozen=True, slots=True)
class Server:
    """The server's report.

    Connections are counts; `connections_max` leaves out what is reserved for others.
    """

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
       (SELECT count(*) FROM pg_stat_activity
       WHERE backend_type = 'client backend')::int AS connections,
       (current_setting('max_connections')::int
        - current_setting('superuser_reserved_connections')::int
        - coalesce(current_setting('reserved_connections', true), '0')::int) AS connections_max,
       floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now_ms
FROM pg_roles AS me WHERE me.rolname = current_user
"""


def check_url(url: str) -> None:
    """InvalidInput (`INVALID_DATABASE_URL`) if no driver could read it.

    The sentence has nothing of it: it may hold a password.
    """
    try:
        named = conninfo_to_dict(url)
    except (psycopg.Error, UnicodeError):
        named = {}
    # Characters of a password that are not escaped end up in the parts behind it, which errors
    # show.
    ports = str(named.get("port") or "")
    behind = [str(named.get(part) or "")[1:] for part in ("host", "dbname")]
    if not named or re.search(r"[^0-9,]", ports) or any("@" in part for part in behind):
        sentence = (
            "CLEARANCE_DATABASE_URL is no PostgreSQL URL or connection string "
            "(postgresql://user@host/database); in a URL, "
            "characters such as @ / : and spaces are percent-encoded."
        )
        raise InvalidInput(sentence, code="INVALID_DATABASE_URL")


def named(url: str, program: str) -> str:
    """The address for a program: what the server shows of its connections, unless the address says
    that itself.
    """
    return make_conninfo(url, fallback_application_name=program)


async def check_schema(conninfo: str) -> int:
    """The schema that the database has. Unavailable if this software does not fit it."""
    async with await connect(conninfo) as connection:
        await check(connection)
        [(number,)] = await (
            await connection.execute("SELECT max(number) FROM clearance.migration")
        ).fetchall()
    return int(number)


async def look(conninfo: str) -> Server:
    """The server's report about itself and the role that asks.

    Unavailable if it does not answer.
    """
    async with await connect(conninfo) as connection:
        cursor = connection.cursor(row_factory=class_row(Server))
        await cursor.execute("SELECT 1")  # so that the clock is read on a connection that stands
        answer = await (await cursor.execute(_LOOK)).fetchone()
    if answer is None:
        sentence = "The database does not know the role that asks."
        raise Unavailable(sentence)
    return answer


@contextlib.asynccontextmanager
async def one_at_a_time(conninfo: str) -> AsyncIterator[None]:
    """Only one process is in this block at a time; the others wait.

    It is a transaction's lock, so it cannot be left behind.
    """
    async with await connect(conninfo) as connection:
        try:
            await connection.execute("BEGIN")
            await connection.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
            await connection.execute("SET LOCAL statement_timeout = 0")
            await connection.execute(f"SET LOCAL lock_timeout = '{LOCK_SECONDS_MAX}s'")
            await connection.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK_KEY,))
        except psycopg.errors.LockNotAvailable:
            sentence = (
                f"Another process is starting, and did not end within {LOCK_SECONDS_MAX} seconds."
            )
            raise Unavailable(sentence) from None
        yield


async def make_months(conninfo: str, now_ms: int) -> None:
    """Sees to it that this month and the two after it have partitions of their own."""
    async with await connect(conninfo) as connection:
        await connection.execute("SELECT clearance.make_months(%s)", (now_ms,))


async def age_out(conninfo: str, month: str) -> list[str]:
    """Drops what is older than a month, as `postgres_schema.age_out` says.

    Only the owner of the schema may.
    """
    if not _MONTH.fullmatch(month):
        sentence = "The month is written as YYYY-MM, for example 2026-01."
        raise InvalidInput(sentence, code="INVALID_MONTH")
    try:
        return await schema.age_out(conninfo, month)
    except psycopg.errors.InsufficientPrivilege:
        sentence = (
            "Only the owner of the schema clearance can drop months: use the login that migrates."
        )
        raise Forbidden(sentence) from None
