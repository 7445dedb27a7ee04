"""What is the same on every disk and in every run: pages
and statements that one admission costs.
"""

from __future__ import annotations

import asyncio
import sqlite3
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.sample import TENANT, NoEngine

from bench.drive import Job, must_be
from bench.storage import admission
from bench.stores import InstantTools, configure, document, new_context
from clearance.clock import SystemClock
from clearance.core.record import Admission
from clearance.flow.context import Context
from clearance.flow.ports.transitions import Admitted
from clearance.stores.sqlite.store import SqliteStore

if TYPE_CHECKING:
    from clearance.stores.postgres.connections import Called

GROUP = 64
GROUPS_BEFORE = 10  # so that trees have grown beyond their first pages
PAGES_MAX = 2.5  # of the write-ahead log, for one admission in groups of 64
ROUND_TRIPS_MAX = 4  # to PostgreSQL, for 64 admissions at once
ACCOUNTS = 1000


async def pages_per_admission(folder: Path, groups: int = 40) -> float:
    """Pages of SQLite's write-ahead log for one admitted intent in groups of 64, over 1000
    accounts.
    """
    async with new_context(Job("sqlite", str(folder), "", GROUP, 0)) as context:
        store = context.store
        if not isinstance(store, SqliteStore):
            raise TypeError(store)
        settings, connection = await context.fresh_settings(TENANT), store._writer_connection
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        for group in range(-GROUPS_BEFORE, groups):
            if group == 0:
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            first = (group + GROUPS_BEFORE) * GROUP
            ready = [
                admission(context, settings, first + number, ACCOUNTS) for number in range(GROUP)
            ]
            await store._writer.submit(partial(_admit_all, store, ready))
        return float(connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()[1]) / (
            groups * GROUP
        )


def _admit_all(store: SqliteStore, ready: list[Admission], connection: sqlite3.Connection) -> None:
    for one in ready:
        must_be(type(store._admit(connection, one)), Admitted, "the answer")


async def round_trips_per_group(url: str, groups: int = 10) -> float:
    """Round trips to a PostgreSQL that has the schema, for 64 intents that are admitted at once.

    Each is one commit.
    """
    from clearance.stores.postgres.store import PostgresStore  # noqa: PLC0415

    store = await PostgresStore.open(url)
    try:
        await configure(store, document())
        context = Context(store, InstantTools(), NoEngine(), SystemClock())
        settings = await context.fresh_settings(TENANT)
        calls, really = 0, store._connections.call

        async def counted(statement: str, values: object) -> Called:
            nonlocal calls
            calls += 1
            return await really(statement, values)

        store._connections.call = counted  # type: ignore[method-assign]
        for group in range(groups):
            ready = [
                admission(context, settings, group * GROUP + number, ACCOUNTS)
                for number in range(GROUP)
            ]
            for answer in await asyncio.gather(*(store.admit(one) for one in ready)):
                must_be(type(answer), Admitted, "the answer")
        return calls / groups
    finally:
        await store.close()


async def statements_per_admission(folder: Path) -> int:
    """SQL statements that the writer runs for one more intent of an account that is known, without
    begin and commit.
    """
    async with new_context(Job("sqlite", str(folder), "", 1, 0)) as context:
        store = context.store
        if not isinstance(store, SqliteStore):
            raise TypeError(store)
        settings = await context.fresh_settings(TENANT)
        await store.admit(admission(context, settings, 0, 1))
        ran: list[str] = []
        store._writer_connection.set_trace_callback(ran.append)
        await store.admit(admission(context, settings, 1, 1))
        store._writer_connection.set_trace_callback(None)
        return len([one for one in ran if not one.startswith(("BEGIN", "COMMIT", "--"))])
