"""The profile `postgres`: any number of processes that serve and any number that work, all state in
one database.

The packages of the extra `postgres` are imported where they are used: users without a database need
none of them.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

import structlog

from clearance.core.errors import Conflict, InvalidInput
from clearance.flow.ports.clock import Clock
from clearance.flow.ports.engine import Engine
from clearance.flow.ports.tools import Tools
from clearance.flow.requests import Workers
from clearance.profiles.environment import Environment
from clearance.profiles.parts import NoEngine, Parts, Wrapping, as_it_is, assembled
from clearance.profiles.place import Database, Table, place_of

if TYPE_CHECKING:
    from clearance.engines.queue.state import QueueState
    from clearance.stores.postgres.server import Server

    DatabaseServer: TypeAlias = Server

SCHEMA_LOOK_MS = 10_000  # how long a schema that fits is believed to
CONNECTIONS = range(2, 1_000)  # that a process may be given for its store
MONTHS_SECONDS = 12 * 3_600.0  # between two looks whether the months to come have partitions

_log = structlog.get_logger(__name__)


def database() -> Database:
    """The database of the environment. Conflict (`NO_DATABASE`) if it names none."""
    place = place_of(None)
    if isinstance(place, Database):
        return place
    alone = (
        "a table needs no such command"
        if isinstance(place, Table)
        else "a data directory needs serve alone"
    )
    sentence = f"CLEARANCE_DATABASE_URL is not set, and this is for a database: {alone}."
    raise Conflict(sentence, code="NO_DATABASE")


@contextlib.asynccontextmanager
async def postgres(
    place: Database,
    tools: Tools,
    *,
    engine: Engine | None = None,
    wrapped: Wrapping = as_it_is,
) -> AsyncIterator[Parts]:
    """Opens the database.

    Unavailable if it is not there, or has a schema that this software does not fit.
    """
    conninfo = conninfo_of(place)
    from clearance.stores.postgres.store import PostgresStore  # noqa: PLC0415

    async with contextlib.AsyncExitStack() as ends:
        store = await PostgresStore.open(conninfo, connections_max=_connections_max())
        yield assembled(ends, wrapped(store), tools, engine or NoEngine())


def conninfo_of(place: Database) -> str:
    """The database for the driver.

    Conflict (`POSTGRES_NOT_INSTALLED`) if there is none; InvalidInput if the URL is none.
    """
    try:
        for module in ("psycopg", "psycopg_pool", "procrastinate"):
            importlib.import_module(module)
    except ImportError:
        sentence = (
            "A database needs the PostgreSQL driver and the queue: pip install "
            "'clearance[postgres]'."
        )
        raise Conflict(sentence, code="POSTGRES_NOT_INSTALLED") from None
    from clearance.stores.postgres.server import check_url, named  # noqa: PLC0415

    conninfo = place.url.get_secret_value()
    check_url(conninfo)
    return named(conninfo, place.program)


def _connections_max() -> int:
    """How many connections the store of this process may have.

    InvalidInput (`INVALID_ENVIRONMENT`) if that is no number.
    """
    text = Environment().database_connections
    if text.isdecimal() and int(text) in CONNECTIONS:
        return int(text)
    sentence = (
        f"CLEARANCE_DATABASE_CONNECTIONS must be a number from {CONNECTIONS.start} to "
        f"{CONNECTIONS.stop - 1}."
    )
    raise InvalidInput(sentence, code="INVALID_ENVIRONMENT")


@contextlib.asynccontextmanager
async def one_at_a_time(place: Database) -> AsyncIterator[None]:
    """Processes that start at once apply and make keys one after the other."""
    conninfo = conninfo_of(place)
    from clearance.stores.postgres import server  # noqa: PLC0415 - comes with the extra

    async with server.one_at_a_time(conninfo):
        yield


async def migrate(place: Database) -> list[str]:
    """Brings the schema of the store and of the queue up to date; the names of what was applied."""
    conninfo = conninfo_of(replace(place, program="clearance migrate"))
    from clearance.engines.queue.schema import prepare  # noqa: PLC0415 - comes with the extra
    from clearance.stores.postgres import schema  # noqa: PLC0415

    applied = await schema.migrate(conninfo)
    return applied + await prepare(conninfo)


async def age_out(place: Database, month: str) -> list[str]:
    """Drops what is older than a month; the months that went."""
    conninfo = conninfo_of(place)
    from clearance.stores.postgres import server  # noqa: PLC0415 - comes with the extra

    return await server.age_out(conninfo, month)


async def database_server(place: Database) -> DatabaseServer:
    """The database server's own description."""
    conninfo = conninfo_of(place)
    from clearance.stores.postgres import server  # noqa: PLC0415 - comes with the extra

    return await server.look(conninfo)


async def check_schema(place: Database) -> int:
    """The number of the database's schema. Unavailable if this software does not fit it."""
    conninfo = conninfo_of(place)
    from clearance.stores.postgres import server  # noqa: PLC0415 - comes with the extra

    return await server.check_schema(conninfo)


async def database_queue(place: Database) -> QueueState:
    """The content of the queue now."""
    conninfo = conninfo_of(place)
    from clearance.engines.queue import state  # noqa: PLC0415 - comes with the extra

    return await state.look(conninfo)


async def workers(place: Database) -> Workers:
    """The workers on the database."""
    queue = await database_queue(place)
    return Workers(queue.workers, sum(queue.jobs.values()), queue.seen_at)


async def jobs(place: Database) -> Mapping[str, int]:
    """How many jobs the queue has now, by state."""
    return (await database_queue(place)).jobs


@contextlib.asynccontextmanager
async def queueing(
    place: Database, tools: Tools, wrapped: Wrapping = as_it_is
) -> AsyncIterator[Parts]:
    """The parts of a server on a database: approved intents go to the queue."""
    conninfo = conninfo_of(place)
    from clearance.engines.queue.procrastinate import Queue  # noqa: PLC0415 - comes with the extra

    queue = Queue(conninfo)
    async with postgres(place, tools, engine=queue, wrapped=wrapped) as parts:
        await database_queue(place)
        parts.context.watch_workers(partial(workers, place))
        async with queue.open(parts.context):
            yield parts


class Readiness:
    """Whether a process on a database can work: its store answers, and has a schema that this
    software fits.
    """

    def __init__(self, place: Database, parts: Parts) -> None:
        self._place = place
        self._parts = parts
        self._looked_at: int | None = None

    async def check(self) -> None:
        """Raises Unavailable. The schema changes rarely, so it is looked at now and then."""
        await self._parts.access.check_store()
        now = self._parts.context.clock.monotonic_ms()
        if self._looked_at is None or now - self._looked_at > SCHEMA_LOOK_MS:
            await check_schema(self._place)
            self._looked_at = now


async def keep_months(place: Database, clock: Clock) -> None:
    """Makes the partitions of the months to come, for as long as the worker works."""
    conninfo = conninfo_of(place)
    from clearance.stores.postgres import server  # noqa: PLC0415 - comes with the extra

    while True:
        try:
            await server.make_months(conninfo, clock.now_ms())
        except Exception as error:
            _log.warning("months not made", kind=type(error).__name__)
        await asyncio.sleep(MONTHS_SECONDS)
