"""The state of the queue: how many hints wait, who works, and which of the workers sweeps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import psycopg
from psycopg import AsyncConnection

from clearance.core.errors import Unavailable
from clearance.engines.queue.schema import APP_ROLE, SCHEMA, connect

_JOBS = f"SELECT status::text, count(*) FROM {SCHEMA}.procrastinate_jobs GROUP BY status"
_WORKERS = f"""SELECT (SELECT count(*) FROM {SCHEMA}.procrastinate_workers),
    (SELECT worker FROM {SCHEMA}.sweeping WHERE until > clock_timestamp())"""


@dataclass(frozen=True, slots=True)
class QueueState:
    """The content of the queue: jobs by state, how many workers live, and the name of the one that
    sweeps.
    """

    jobs: Mapping[str, int]
    workers: int
    sweeper: str | None


async def look(conninfo: str) -> QueueState:
    """The content of the queue now.

    Unavailable: no database (`DATABASE_UNREACHABLE`), no queue in it (`STORE_NOT_MIGRATED`), or a
    login that may not use it (`ROLE_NOT_GRANTED`).
    """
    async with await connect(conninfo) as connection:
        try:
            return await _look(connection)
        except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName):
            sentence = "The database has no queue: run clearance migrate."
            raise Unavailable(sentence, code="STORE_NOT_MIGRATED") from None
        except psycopg.errors.InsufficientPrivilege:
            sentence = f"This login may not use the queue: grant it the role {APP_ROLE}."
            raise Unavailable(sentence, code="ROLE_NOT_GRANTED") from None


async def _look(connection: AsyncConnection) -> QueueState:
    jobs = await (await connection.execute(_JOBS)).fetchall()
    [(workers, sweeper)] = await (await connection.execute(_WORKERS)).fetchall()
    return QueueState({str(state): int(count) for state, count in jobs}, int(workers), sweeper)
