"""The yardstick on SQLite: one row inserted and committed at a time, one connection, WAL,
`synchronous=FULL`.
"""

from __future__ import annotations

import asyncio
import sqlite3

from bench.drive import Job, Measured, drive, must_be

BODY = b"x" * 600


async def measure(job: Job) -> Measured:
    connection = sqlite3.connect(
        job.path / "raw.sqlite3", isolation_level=None, check_same_thread=False
    )
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE fact (id INTEGER PRIMARY KEY, body BLOB NOT NULL)")
    lock = asyncio.Lock()

    def insert() -> None:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("INSERT INTO fact (body) VALUES (?)", (BODY,))
        connection.execute("COMMIT")

    async def operation(_: int) -> None:
        async with lock:
            await asyncio.get_running_loop().run_in_executor(None, insert)

    found = await drive(operation, job)
    must_be(connection.execute("SELECT count(*) FROM fact").fetchone()[0], job.total, "rows")
    connection.close()
    return {"raw": found}
