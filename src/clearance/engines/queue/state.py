"""The state of the queue: how many hints wait, who works, and which of the workers sweeps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import psycopg
from psycopg import AsyncConnection

from clearance.core.errors import Unavailable
from clearance.engines.queue.schema import APP_ROLE, SCHEMA, connect

_JOBS = f"SELECT status::text, count(*) FROM {SCHEMA}.procrastinate_jobs GROUP BY status"
# A worker that was killed stays on the list until another one strikes it off.
SILENT_SECONDS_MAX = 30  # without a sign of life, for a worker that counts as alive
_WORKERS = f"""SELECT
    count(*) FILTER (WHERE last_heartbeat > now() - make_interval(secs => {SILENT_SECONDS_MAX})),
    (SELECT worker FROM {SCHEMA}.sweeping WHERE until > clock_timestamp()),
    floor(extract(epoch FROM max(last_heartbeat)) * 1000)::bigint
    FROM {SCHEMA}.procrastinate_workers"""


@dataclass(frozen=True, slots=True)
class QueueState:
    """The content of the queue: jobs by state, how many workers live, the name of the one that
    sweeps, and the last sign of life of any that did not end in order, in milliseconds.
    """

    jobs: Mapping[str, int]
    workers: int
    sweeper: str | None
    seen_at: int | None = field(default=None, compare=False)


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
    [(workers, sweeper, seen_at)] = await (await connection.execute(_WORKERS)).fetchall()
    by_state = {str(state): int(count) for state, count in jobs}
    return QueueState(by_state, int(workers), sweeper, seen_at)
