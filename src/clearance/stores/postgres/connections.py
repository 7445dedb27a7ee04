"""Connections to PostgreSQL: a pool that names the tenant of each transaction, and asks again when
a connection breaks.

Every connection works as `clearance_app`, with no more privileges than the product needs, whichever
role logged in. Nothing else of a session is relied on, so a pooler may stand between. A transaction
is sent as a whole: no client keeps a lock while it thinks.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import select
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

import psycopg
import structlog
from psycopg import AsyncConnection
from psycopg.pq import ConnStatus
from psycopg_pool import AsyncConnectionPool

from clearance.core.errors import IN_DOUBT, InvalidInput, Unavailable
from clearance.stores.postgres.schema import (
    APP_ROLE,
    CONNECT_SECONDS_MAX,
    check,
    connect,
    unreachable,
)

CONNECTIONS_MAX = 16  # of one process
STATEMENT_MS_MAX = 10_000  # of one statement, a batch of transitions included
LOCK_MS_MAX = 8_000  # that a statement waits for another's lock
IDLE_MS_MAX = 5_000  # that a transaction may wait for its client
ANSWER_SECONDS_MAX = 15  # after which a database that says nothing counts as gone
AGAIN_SECONDS_MAX = 8.0  # how long work is tried again after a connection broke
PAUSE_SECONDS = 0.05  # before the second try; doubles, with jitter
PAUSE_SECONDS_MAX = 1.0

Row: TypeAlias = tuple[Any, ...]
Answer = TypeVar("Answer")
_log = structlog.get_logger(__name__)

_AGAIN = frozenset({"40P01", "40001", "57P01", "57P02", "57P03", "57P05", "53300", "25006"})
# The server ends, or does not know itself (40003)
_LOST = frozenset({"40003", "57P01", "57P02", "57P03", "57P05"})
_SETTINGS = f"""SET statement_timeout = {STATEMENT_MS_MAX}; SET lock_timeout = {LOCK_MS_MAX};
    SET idle_in_transaction_session_timeout = {IDLE_MS_MAX};
    SET default_transaction_isolation = 'read committed';
    SET ROLE {APP_ROLE};
    SELECT set_config('synchronous_commit', 'on', false)
    WHERE current_setting('synchronous_commit') = 'off'"""


class Connections:
    """The pool of one process."""

    def __init__(self, pool: AsyncConnectionPool[AsyncConnection]) -> None:
        self._pool = pool
        self._closed = False

    @classmethod
    async def open(cls, conninfo: str, connections_max: int) -> Connections:
        """Opens the pool. Unavailable if there is no database, or none that this software fits."""
        async with await connect(conninfo) as first:
            await _configure(first)
            await check(first)
        pool = AsyncConnectionPool(
            conninfo,
            min_size=1,
            max_size=connections_max,
            open=False,
            configure=_configure,
            timeout=AGAIN_SECONDS_MAX,
            reconnect_timeout=AGAIN_SECONDS_MAX,
            kwargs={"autocommit": True, "connect_timeout": CONNECT_SECONDS_MAX},
        )
        await pool.open()
        return cls(pool)

    async def close(self) -> None:
        """Ends every connection."""
        self._closed = True
        await self._pool.close()

    async def rows(
        self, tenant_id: str, statement: str, values: Any = (), *, writes: bool = False
    ) -> list[Row]:
        """The rows of one statement, which sees this tenant alone (`*`: all).

        Unavailable if the database does not answer.
        """

        async def work(connection: AsyncConnection) -> list[Row]:
            async with connection.pipeline():
                await connection.execute(
                    "SELECT set_config('clearance.tenant', %s, true)", (tenant_id,)
                )
                cursor = await connection.execute(statement, values)
            return await cursor.fetchall() if cursor.description else []

        try:
            return await self._until_answered(work, _Tries(writes=writes))
        except psycopg.DataError:
            sentence = "A value holds what no stored text can hold, such as a zero character."
            raise InvalidInput(sentence, code="INVALID_TEXT") from None

    async def call(self, statement: str, values: Any) -> Called:
        """The rows of a function that names its tenant itself: one statement, one transaction.

        Unavailable (`IN_DOUBT`) if it may have been committed.
        """

        async def work(connection: AsyncConnection) -> list[Row]:
            cursor = await connection.execute(statement, values)
            return await cursor.fetchall()

        tries = _Tries(writes=True)
        return Called(await self._until_answered(work, tries), again=tries.lost)

    async def _until_answered(
        self, work: Callable[[AsyncConnection], Awaitable[Answer]], tries: _Tries
    ) -> Answer:
        """Tries again while the connection breaks or PostgreSQL says that a transaction should be
        repeated.
        """
        ends = time.monotonic() + AGAIN_SECONDS_MAX
        pause, useless = PAUSE_SECONDS, 0
        while True:
            tries.asked = False
            try:
                async with (
                    asyncio.timeout(ANSWER_SECONDS_MAX),
                    self._pool.connection() as connection,
                ):
                    tries.asked = True
                    return await _ask(connection, work)
            except _Useless as error:
                useless += 1
                if useless <= self._pool.max_size:
                    continue  # the pool has another one
                if self._closed or time.monotonic() + pause > ends:
                    raise _no_answer(error, tries) from error
            except (
                psycopg.OperationalError,
                psycopg.InterfaceError,
                psycopg.InternalError,
                TimeoutError,
            ) as error:
                tries.lost |= tries.asked and _is_lost(error)
                if self._closed or not _may_pass(error) or time.monotonic() + pause > ends:
                    raise _no_answer(error, tries) from error
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311
            pause = min(pause * 2, PAUSE_SECONDS_MAX)


@dataclass(frozen=True, slots=True)
class Called:
    """What a function answered. `again`: it was asked before without an answer, so what it refuses
    now may be there because of that.
    """

    rows: list[Row]
    again: bool


@dataclass(slots=True)
class _Tries:
    """The known facts about the tries of one question. `asked`: the current one reached a
    connection. `lost`: the answer of one was, and the server may have carried it out.
    """

    writes: bool
    asked: bool = False
    lost: bool = False


class _Useless(Exception):
    """A connection of the pool that can be asked nothing any more; nothing was asked."""


async def _ask(
    connection: AsyncConnection, work: Callable[[AsyncConnection], Awaitable[Answer]]
) -> Answer:
    if _hung_up(connection):
        raise _Useless
    try:
        return await work(connection)
    except psycopg.errors.FeatureNotSupported as error:
        # A migration changed what a statement answers since it was prepared here. A new connection
        # prepares it anew.
        await connection.close()
        raise _Useless from error


async def _configure(connection: AsyncConnection) -> None:
    try:
        await connection.execute(_SETTINGS)
    except psycopg.errors.InsufficientPrivilege:
        sentence = f"This login may not act as {APP_ROLE}: grant it that role."
        raise Unavailable(sentence, code="ROLE_NOT_GRANTED") from None
    except psycopg.errors.UndefinedObject:
        sentence = f"The database has no role {APP_ROLE}: run clearance migrate."
        raise Unavailable(sentence, code="STORE_NOT_MIGRATED") from None
    except psycopg.Error as error:
        raise unreachable(error) from error


def _hung_up(connection: AsyncConnection) -> bool:
    """True if the server ended the idle connection: there is something to read, and it is the
    end.
    """
    server, readable = connection.pgconn, select.poll()
    readable.register(server.socket, select.POLLIN)
    with contextlib.suppress(psycopg.OperationalError):
        while readable.poll(0) and server.status == ConnStatus.OK:
            server.consume_input()
    return server.status != ConnStatus.OK


def _may_pass(error: Exception) -> bool:
    """True for a broken connection, and for an error after which PostgreSQL asks for a repeat."""
    if isinstance(error, TimeoutError):
        return False
    state = getattr(error, "sqlstate", None)
    return state is None or state in _AGAIN or state.startswith("08")


def _is_lost(error: Exception) -> bool:
    """True if the server may have committed: it did not say itself that the statement failed."""
    state = getattr(error, "sqlstate", None)
    return state is None or state in _LOST or state.startswith("08")


def _no_answer(error: Exception, tries: _Tries) -> Unavailable:
    with contextlib.suppress(Exception):  # a log that cannot be written must not hide the answer
        _log.error(
            "database failed", kind=type(error).__name__, sqlstate=getattr(error, "sqlstate", None)
        )
    if tries.writes and tries.lost:
        sentence = "The database gave no answer, so it is not known whether this was stored."
        return Unavailable(sentence, code=IN_DOUBT)
    return Unavailable("The database did not answer; ask again.")
