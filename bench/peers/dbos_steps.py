"""A DBOS workflow of three steps (decide, call, record): durable steps alone, without any policy,
budget or ledger.

Runs in the peers' venv. On SQLite the file is put into WAL mode first; DBOS would leave the slower
rollback journal.
"""

from __future__ import annotations

import sqlite3

import psycopg
from dbos import DBOS, DBOSConfig

from bench.databases import database
from bench.drive import Job, Measured, Timed, drive, must_be

STEPS = 3


@DBOS.step()
async def decide(number: int) -> dict[str, object]:
    return {"answer": "AUTO_EXECUTE", "number": number}


@DBOS.step()
async def call(decision: dict[str, object]) -> dict[str, object]:
    return {"ok": True, "number": decision["number"]}


@DBOS.step()
async def record(answer: dict[str, object]) -> dict[str, object]:
    return {"status": "SUCCEEDED", **answer}


@DBOS.workflow()
async def carry_out(number: int) -> dict[str, object]:
    return await record(await call(await decide(number)))


async def measure(job: Job) -> Measured:
    if job.store == "sqlite":
        path = job.path / "dbos.sqlite3"
        with sqlite3.connect(path) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
        found = await _timed(job, f"sqlite:///{path}")
        with sqlite3.connect(path) as connection:
            _check(job, *(connection.execute(sql).fetchone()[0] for sql in _counts("")))
        return {"steps": found}
    with database(job.postgres) as url:
        found = await _timed(job, url)
        with psycopg.connect(url) as connection:
            _check(job, *(connection.execute(sql).fetchone()[0] for sql in _counts("dbos.")))
    return {"steps": found}


async def _timed(job: Job, url: str) -> Timed:
    DBOS(config=DBOSConfig(name="bench", system_database_url=url, log_level="WARNING"))
    DBOS.launch()
    try:
        return await drive(carry_out, job)
    finally:
        DBOS.destroy()


def _counts(schema: str) -> tuple[str, str]:
    done = f"SELECT count(*) FROM {schema}workflow_status WHERE status = 'SUCCESS'"
    return done, f"SELECT count(*) FROM {schema}operation_outputs"


def _check(job: Job, workflows: int, steps: int) -> None:
    must_be(workflows, job.total, "workflows")
    must_be(steps, STEPS * job.total, "steps")
