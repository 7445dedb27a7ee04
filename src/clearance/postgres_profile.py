"""The profile `postgres`: any number of processes that serve and any number that work, all state in one database.

What comes with the extra `postgres` is imported where it is used: who has no database needs none of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import os
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

import structlog
from fastapi import FastAPI

from clearance.api import operations
from clearance.core.errors import Conflict, InvalidInput, Refusal, Unavailable
from clearance.environment import Environment
from clearance.flow.ports import Applied, BudgetSpent, Clock, Engine, Known, Moved, SettingsMoved, Tools
from clearance.parts import Database, NoEngine, Parts, Table, assembled, place
from clearance.process import answering, listening, signals, url_of
from clearance.telemetry import configure_logs
from clearance.tools.masking import variables_of
from clearance.tools.mcp import McpTools
from clearance.worker_metrics import MeasuredTools, WorkerMetrics

if TYPE_CHECKING:
    import socket

    from clearance.core.record import Change
    from clearance.engines.procrastinate import Queue
    from clearance.stores import postgres_server as _postgres_server

    DatabaseQueue: TypeAlias = _postgres_server.Queue
    DatabaseServer: TypeAlias = _postgres_server.Server

SCHEMA_LOOK_MS = 10_000  # how long a schema that fits is believed to
CONNECTIONS = range(2, 1_000)  # that a process may be given for its store
MONTHS_SECONDS = 12 * 3_600.0  # between two looks whether the months to come have partitions

_log = structlog.get_logger(__name__)


def database() -> Database:
    """The database of the environment. Conflict (`NO_DATABASE`) if it names none."""
    where = place(None)
    if isinstance(where, Database):
        return where
    alone = "a table needs no such command" if isinstance(where, Table) else "a data directory needs serve alone"
    sentence = f"CLEARANCE_DATABASE_URL is not set, and this is for a database: {alone}."
    raise Conflict(sentence, code="NO_DATABASE")


@contextlib.asynccontextmanager
async def postgres(
    where: Database,
    *,
    tools: Tools | None = None,
    engine: Engine | None = None,
    measured: WorkerMetrics | None = None,
) -> AsyncIterator[Parts]:
    """Opens the database. Unavailable if it is not there, or has a schema that this software does not fit."""
    conninfo = conninfo_of(where)
    from clearance.stores.postgres import PostgresStore  # noqa: PLC0415 - comes with the extra

    class MeasuredStore(PostgresStore):
        """Counts the outcomes that are written."""

        async def advance(self, change: Change) -> Applied | Moved | Known | SettingsMoved | BudgetSpent:
            answer = await super().advance(change)
            if measured and change.outcome and isinstance(answer, Applied):
                measured.recorded(change.outcome.status)
            return answer

    async with contextlib.AsyncExitStack() as ends:
        store = await MeasuredStore.open(conninfo, connections_max=_connections_max())
        yield assembled(ends, store, tools or McpTools(), engine or NoEngine())


def conninfo_of(where: Database) -> str:
    """The database for the driver. Conflict (`POSTGRES_NOT_INSTALLED`) if there is none; InvalidInput if the URL is none."""
    try:
        for module in ("psycopg", "psycopg_pool", "procrastinate"):
            importlib.import_module(module)
    except ImportError:
        sentence = "A database needs the PostgreSQL driver and the queue: pip install 'clearance[postgres]'."
        raise Conflict(sentence, code="POSTGRES_NOT_INSTALLED") from None
    from clearance.stores.postgres_server import check_url, named  # noqa: PLC0415 - comes with the extra

    conninfo = where.url.get_secret_value()
    check_url(conninfo)
    return named(conninfo, where.program)


def _connections_max() -> int:
    """How many connections the store of this process may have. InvalidInput (`INVALID_ENVIRONMENT`) if that is no number."""
    said = Environment().database_connections
    if said.isdecimal() and int(said) in CONNECTIONS:
        return int(said)
    sentence = f"CLEARANCE_DATABASE_CONNECTIONS must be a number from {CONNECTIONS.start} to {CONNECTIONS.stop - 1}."
    raise InvalidInput(sentence, code="INVALID_ENVIRONMENT")


@contextlib.asynccontextmanager
async def one_at_a_time(where: Database) -> AsyncIterator[None]:
    """Processes that start at once apply and make keys one after the other."""
    conninfo = conninfo_of(where)
    from clearance.stores import postgres_server  # noqa: PLC0415 - comes with the extra

    async with postgres_server.one_at_a_time(conninfo):
        yield


async def migrate(where: Database) -> list[str]:
    """Brings the schema of the store and of the queue up to date; the names of what was applied."""
    conninfo = conninfo_of(replace(where, program="clearance migrate"))
    from clearance.engines.procrastinate import prepare  # noqa: PLC0415 - comes with the extra
    from clearance.stores import postgres_schema  # noqa: PLC0415 - comes with the extra

    applied = await postgres_schema.migrate(conninfo)
    return applied + await prepare(conninfo)


async def age_out(where: Database, month: str) -> list[str]:
    """Drops what is older than a month; the months that went."""
    conninfo = conninfo_of(where)
    from clearance.stores import postgres_server  # noqa: PLC0415 - comes with the extra

    return await postgres_server.age_out(conninfo, month)


async def database_server(where: Database) -> DatabaseServer:
    """What the database server says of itself."""
    conninfo = conninfo_of(where)
    from clearance.stores import postgres_server  # noqa: PLC0415 - comes with the extra

    return await postgres_server.look(conninfo)


async def check_schema(where: Database) -> int:
    """The number of the database's schema. Unavailable if this software does not fit it."""
    conninfo = conninfo_of(where)
    from clearance.stores import postgres_server  # noqa: PLC0415 - comes with the extra

    return await postgres_server.check_schema(conninfo)


async def database_queue(where: Database) -> DatabaseQueue:
    """What the queue has now."""
    conninfo = conninfo_of(where)
    from clearance.stores import postgres_server  # noqa: PLC0415 - comes with the extra

    return await postgres_server.look_at_queue(conninfo)


@contextlib.asynccontextmanager
async def queueing(where: Database, tools: Tools | None) -> AsyncIterator[Parts]:
    """The parts of a server on a database: what is approved goes to the queue."""
    conninfo = conninfo_of(where)
    from clearance.engines.procrastinate import Queue  # noqa: PLC0415 - comes with the extra

    queue = Queue(conninfo)
    async with postgres(where, tools=tools, engine=queue) as parts:
        await database_queue(where)
        async with queue.open(parts.context):
            yield parts


class Readiness:
    """Whether a process on a database can work: its store answers, and has a schema that this software fits."""

    def __init__(self, where: Database, parts: Parts) -> None:
        self._where = where
        self._parts = parts
        self._looked_at: int | None = None

    async def check(self) -> None:
        """Raises Unavailable. The schema changes rarely, so it is looked at now and then."""
        await self._parts.access.check_store()
        now = self._parts.context.clock.monotonic_ms()
        if self._looked_at is None or now - self._looked_at > SCHEMA_LOOK_MS:
            await check_schema(self._where)
            self._looked_at = now


# Working


@dataclass(frozen=True, slots=True)
class WorkerAnnouncement:
    """What a worker that works has to say; `url` is where its health is, if it is anywhere.

    `missing`: a sentence for each tool server whose variables this worker does not have.
    """

    name: str
    concurrency: int
    url: str | None
    missing: tuple[str, ...] = ()


async def work(
    where: Database,
    host: str,
    port: int | None,
    announce: Callable[[WorkerAnnouncement], None],
    concurrency: int,
    *,
    tools: Tools | None = None,
) -> None:
    """Carries out what is approved until SIGINT or SIGTERM; then drains. Raises Refusal if it cannot start."""
    configure_logs(Environment().log_level)
    where = replace(where, program="clearance worker")
    conninfo = conninfo_of(where)
    from clearance.engines.procrastinate import Queue  # noqa: PLC0415 - comes with the extra

    queue, measured = Queue(conninfo, concurrency=concurrency), WorkerMetrics()
    async with contextlib.AsyncExitStack() as ends:
        ending = ends.enter_context(signals())
        taken = None if port is None else ends.enter_context(listening(host, port))
        runner = MeasuredTools(tools or McpTools(), measured)
        parts = await ends.enter_async_context(postgres(where, tools=runner, engine=queue, measured=measured))
        await database_queue(where)
        await ends.enter_async_context(queue.open(parts.context))
        ending.listen()
        if taken is not None:
            app = _health(where, parts, queue, measured)
            await ends.enter_async_context(_answering_until_the_end(app, taken, ending.asked))
        months = asyncio.create_task(_keep_months(where, parts.context.clock))
        ends.callback(months.cancel)
        url, missing = None if taken is None else url_of(host, taken), await _missing_variables(parts)
        announce(WorkerAnnouncement(queue.name, concurrency, url, missing))
        await queue.run(parts.context, ending.asked)


async def _missing_variables(parts: Parts) -> tuple[str, ...]:
    """What the tool servers of all tenants need of the environment, and this worker does not have."""
    found = []
    for tenant_id in await parts.context.store.tenants():
        with contextlib.suppress(Refusal):  # settings that cannot be read fail each of their intents, and say so there
            for server in (await parts.context.settings(tenant_id)).tool_servers.values():
                absent = variables_of(repr(server)) - os.environ.keys()
                found += [
                    f"The tool server {server.name} of {tenant_id} needs {name}, which is not set: its calls fail here."
                    for name in sorted(absent)
                ]
    return tuple(found)


def _health(where: Database, parts: Parts, queue: Queue, measured: WorkerMetrics) -> FastAPI:
    """A worker's health: it is ready if its store answers, and it hears of jobs and carries them out."""
    readiness = Readiness(where, parts)

    async def check() -> None:
        await readiness.check()
        if not queue.ready():
            sentence = "The worker is not connected to the queue now."
            raise Unavailable(sentence, code="QUEUE_AWAY")

    async def measure() -> bytes:
        with contextlib.suppress(Unavailable):  # what the process itself counted is there in any case
            found = await database_queue(where)
            measured.queued(found.jobs, sweeping=found.sweeper == queue.name)
        return measured.text()

    return operations.worker_app(check, measure)


@contextlib.asynccontextmanager
async def _answering_until_the_end(app: FastAPI, taken: socket.socket, asked: asyncio.Event) -> AsyncIterator[None]:
    """Answers while the worker works and while it drains; from the moment that it was asked to end, it is not ready."""

    async def drain() -> None:
        await asked.wait()
        operations.drain(app)

    draining = asyncio.create_task(drain())
    try:
        async with answering(app, taken, until=asyncio.Event(), end_streams=lambda: None):
            yield
    finally:
        draining.cancel()


async def _keep_months(where: Database, clock: Clock) -> None:
    """Makes the partitions of the months to come, for as long as the worker works."""
    conninfo = conninfo_of(where)
    from clearance.stores import postgres_server  # noqa: PLC0415 - comes with the extra

    while True:
        try:
            await postgres_server.make_months(conninfo, clock.now_ms())
        except Exception as error:
            _log.warning("months not made", kind=type(error).__name__)
        await asyncio.sleep(MONTHS_SECONDS)
