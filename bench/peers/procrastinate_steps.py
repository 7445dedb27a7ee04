"""A procrastinate job of three steps, each a committed row of the job's own: durable steps alone,
without policy or ledger.

procrastinate itself keeps no checkpoint inside a job, so the job writes what DBOS would write. One
process defers and works.
"""

from __future__ import annotations

import asyncio

import procrastinate

from bench.databases import database
from bench.drive import Job, Measured, drive, must_be

STEPS = ("decide", "call", "record")
CONCURRENCY = 16
POOL = 20


async def measure(job: Job) -> Measured:
    with database(job.postgres) as url:
        connector = procrastinate.PsycopgConnector(conninfo=url, min_size=POOL, max_size=POOL)
        app = procrastinate.App(connector=connector)
        done: dict[int, asyncio.Future[None]] = {}

        @app.task(name="carry_out")
        async def carry_out(number: int) -> None:
            for step in STEPS:
                await connector.execute_query_async(
                    "INSERT INTO step (number, name, answer) VALUES (%(number)s, %(name)s, 'ok')",
                    number=number,
                    name=step,
                )
            done[number].set_result(None)

        async def operation(number: int) -> None:
            done[number] = asyncio.get_running_loop().create_future()
            await carry_out.defer_async(number=number)
            await done[number]

        async with app.open_async():
            await app.schema_manager.apply_schema_async()
            await connector.execute_query_async(
                "CREATE TABLE step (number int, name text, answer text, PRIMARY KEY (number, name))"
            )
            working = asyncio.create_task(
                app.run_worker_async(
                    concurrency=CONCURRENCY, install_signal_handlers=False, wait=True
                )
            )
            found = await drive(operation, job)
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)
            steps = await connector.execute_query_one_async("SELECT count(*) AS count FROM step")
            jobs = await connector.execute_query_one_async(
                "SELECT count(*) AS count FROM procrastinate_jobs WHERE status = 'succeeded'"
            )
        must_be(steps["count"], len(STEPS) * job.total, "steps")
        must_be(jobs["count"], job.total, "jobs")
    return {"steps": found}
