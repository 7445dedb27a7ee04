"""The yardstick on PostgreSQL: one row inserted and committed at a time, over a psycopg pool of 16
connections.
"""

from __future__ import annotations

from psycopg_pool import AsyncConnectionPool

from bench.databases import database
from bench.drive import Job, Measured, drive, must_be
from bench.raw_sqlite import BODY

POOL = 16


async def measure(job: Job) -> Measured:
    with database(job.postgres) as url:
        async with AsyncConnectionPool(
            url, min_size=POOL, max_size=POOL, kwargs={"autocommit": True}
        ) as pool:
            await pool.wait()
            async with pool.connection() as connection:
                await connection.execute(
                    "CREATE TABLE fact (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, body "
                    "bytea NOT NULL)"
                )

            async def operation(_: int) -> None:
                async with pool.connection() as connection:
                    await connection.execute("INSERT INTO fact (body) VALUES (%s)", (BODY,))

            found = await drive(operation, job)
            async with pool.connection() as connection:
                row = await (await connection.execute("SELECT count(*) FROM fact")).fetchone()
            must_be(row, (job.total,), "rows")
    return {"raw": found}
