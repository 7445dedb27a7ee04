"""Profiles: the files that name a concrete store, engine and tool runner are this one and `aws_profile`.

`local`: SQLite, the embedded worker and MCP tools, all in one process, all state under one data directory. `postgres`: any
number of processes that serve and any number that work, all state in one database. `aws`: functions on one table. A place of
state says which it is.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import importlib
import os
import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TypeAlias

import structlog
from fastapi import FastAPI

from clearance import aws_profile, configuration
from clearance.api import operations
from clearance.api.app import create_app, end_streams
from clearance.configuration import Configuration
from clearance.core.credential import KEY_LENGTH_WEAK, SECRET_BYTES, new_key
from clearance.core.errors import Conflict, InvalidInput, NotFound, Refusal, Unavailable
from clearance.core.principal import Role
from clearance.engines.worker import Worker
from clearance.environment import Environment
from clearance.flow import administer
from clearance.flow.administer import PinReport
from clearance.flow.context import Context
from clearance.flow.ports import (
    Applied,
    BudgetSpent,
    Clock,
    Engine,
    Known,
    Moved,
    SettingsMoved,
    Tools,
)
from clearance.parts import Database, NoEngine, Parts, Place, Table, assembled, operator, place
from clearance.process import answering, listening, signals, url_of
from clearance.stores import archive, archive_sqlite
from clearance.stores.sqlite import SqliteStore
from clearance.telemetry import configure_logs
from clearance.tools.masking import variables_of
from clearance.tools.mcp import McpTools
from clearance.web.pages import mount
from clearance.worker_metrics import MeasuredTools, WorkerMetrics

if TYPE_CHECKING:
    import socket

    from clearance.core.record import Change
    from clearance.engines.procrastinate import Queue
    from clearance.stores import postgres_server as _postgres_server

    DatabaseQueue: TypeAlias = _postgres_server.Queue
    DatabaseServer: TypeAlias = _postgres_server.Server

__all__ = ["Database", "NoEngine", "Parts", "Place", "Table", "operator", "place"]
"""What is said by name of the parts, beside what is here."""

STORE_FILE = "clearance.sqlite3"
LOCK_FILE = "serve.lock"
FIRST_KEY_NAME = "owner"
SCHEMA_LOOK_MS = 10_000  # how long a schema that fits is believed to
CONNECTIONS = range(2, 1_000)  # that a process may be given for its store
MONTHS_SECONDS = 12 * 3_600.0  # between two looks whether the months to come have partitions

_log = structlog.get_logger(__name__)


# The parts


@contextlib.asynccontextmanager
async def opened(where: Place, *, new: bool = False) -> AsyncIterator[Parts]:
    """The state, for a command that ends soon. NotFound (`NO_DATA`) if there is none in a data directory, unless it may be new."""
    if isinstance(where, Path) and not new:
        _must_have_data(where)
    async with _profile(where) as parts:
        yield parts


def _must_have_data(where: Path) -> None:
    if not (where / STORE_FILE).exists():
        sentence = f"There is nothing in the data directory {where}: serve or apply a configuration first."
        raise NotFound(sentence, code="NO_DATA")


def _profile(where: Place) -> contextlib.AbstractAsyncContextManager[Parts]:
    if isinstance(where, Path):
        return local(where)
    return postgres(where) if isinstance(where, Database) else aws_profile.aws(where)


@contextlib.asynccontextmanager
async def local(data: Path, *, tools: Tools | None = None, worker: Worker | None = None) -> AsyncIterator[Parts]:
    """Opens the data directory; with a worker, approved intents are carried out until the block ends."""
    async with contextlib.AsyncExitStack() as ends:  # in reverse: the worker drains, then the tools end, then the store
        store = await SqliteStore.open(data / STORE_FILE)
        parts = assembled(ends, store, tools or McpTools(), worker or NoEngine())
        if worker:
            await ends.enter_async_context(_working(worker, parts.context))
        yield parts


@contextlib.asynccontextmanager
async def _working(worker: Worker, context: Context) -> AsyncIterator[None]:
    stopped = asyncio.Event()
    working = asyncio.create_task(worker.run(context, stopped))
    try:
        yield
    finally:
        stopped.set()
        await working


@contextlib.contextmanager
def only_one(data: Path) -> Iterator[None]:
    """Holds the data directory for one serving process. Conflict (`ALREADY_SERVED`) if another one has it."""
    data.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (data / LOCK_FILE).open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            sentence = f"Another process serves {data}; one data directory has one serving process."
            raise Conflict(sentence, code="ALREADY_SERVED") from None
        yield


# Serving


@dataclass(frozen=True, slots=True)
class Announcement:
    """What a start has to say: the address, a new first key (shown this once), what changed, and the state of the tools."""

    url: str
    tenant_id: str | None
    first_key: str | None
    changes: tuple[str, ...]
    pins: PinReport | None
    weak_key: bool


@dataclass(frozen=True, slots=True)
class Serving:
    """A server that is up. `ended` is set when it was asked to stop."""

    url: str
    first_key: str | None
    parts: Parts
    announcement: Announcement
    ended: asyncio.Event


async def serve(
    config: Path | None,
    where: Place,
    host: str,
    port: int,
    announce: Callable[[Announcement], None],
    *,
    linger_seconds: int = 0,
) -> None:
    """Serves the REST API and the pages until SIGINT or SIGTERM; then drains. Raises Refusal if it cannot start."""
    async with serving(config, where, host, port, linger_seconds=linger_seconds) as up:
        announce(up.announcement)
        await up.ended.wait()


@contextlib.asynccontextmanager
async def serving(
    config: Path | None,
    where: Place,
    host: str,
    port: int,
    *,
    tools: Tools | None = None,
    linger_seconds: int = 0,
) -> AsyncIterator[Serving]:
    """A server for as long as the block lasts. A configuration with an error changes nothing and starts nothing.

    Asked to end, it says so in `/readyz` at once, ends the event streams, and answers on for `linger_seconds`.
    """
    configure_logs(Environment().log_level)
    if isinstance(where, Table):
        sentence = "A table is served by the functions of its deployment: unset CLEARANCE_TABLE, or use their address."
        raise Conflict(sentence, code="SERVED_BY_FUNCTIONS")
    if isinstance(where, Database):
        where = replace(where, program="clearance serve")
    wanted = configuration.load(config) if config else None
    async with contextlib.AsyncExitStack() as ends:
        ending = ends.enter_context(signals())
        if isinstance(where, Path):
            ends.enter_context(only_one(where))
        taken = ends.enter_context(listening(host, port))
        parts = await ends.enter_async_context(_for_serving(where, tools))
        said = await _started(parts, where, wanted, url_of(host, taken))
        app, over = application(parts), asyncio.Event()
        if isinstance(where, Database):
            app.state.check = _Readiness(where, parts).check
        draining = asyncio.create_task(_drain(app, ending.asked, linger_seconds, over))
        ends.callback(draining.cancel)
        ending.listen()
        async with answering(app, taken, until=over, end_streams=lambda: end_streams(app)) as ended:
            yield Serving(said.url, said.first_key, parts, said, ended)


def _for_serving(where: Path | Database, tools: Tools | None) -> contextlib.AbstractAsyncContextManager[Parts]:
    """The parts of a server: on a data directory with the worker in it, on a database with the queue's way in."""
    return local(where, tools=tools, worker=Worker()) if isinstance(where, Path) else _queueing(where, tools)


async def _drain(app: FastAPI, asked: asyncio.Event, linger_seconds: int, over: asyncio.Event) -> None:
    await asked.wait()
    operations.drain(app)
    end_streams(app)
    await asyncio.sleep(linger_seconds)
    over.set()


async def _started(parts: Parts, where: Path | Database, wanted: Configuration | None, url: str) -> Announcement:
    """Applies the configuration, makes the first key, and looks at the tools: on a database, workers do that."""
    async with _one_start(where):
        changes: tuple[str, ...] = ()
        if wanted:
            differences = await parts.control.apply(operator(wanted.tenant_id), wanted.document)
            changes = tuple(difference.sentence for difference in differences)
        tenant_id = wanted.tenant_id if wanted else await _only_tenant(parts)
        key, weak = await _first_key(parts, tenant_id)
    pins = None
    if tenant_id and isinstance(where, Path):
        pins = await administer.pin_tools(parts.context, operator(tenant_id), tenant_id)
    return Announcement(url, tenant_id, key, changes, pins, weak)


def application(parts: Parts) -> FastAPI:
    """The REST API with the pages on it."""
    app = create_app(parts.control, parts.access)
    mount(app, parts.control, parts.access)
    return app


async def new_api_key(parts: Parts, tenant_id: str, name: str, role: Role) -> str:
    """Makes a credential of this name, in place of the one that had it; its text."""
    text = new_key(secrets.token_bytes(SECRET_BYTES))
    await administer.ensure_api_key(parts.context, operator(tenant_id), name, role, text)
    return text


async def _only_tenant(parts: Parts) -> str | None:
    tenants = await parts.context.store.tenants()
    return tenants[0] if len(tenants) == 1 else None


async def _first_key(parts: Parts, tenant_id: str | None) -> tuple[str | None, bool]:
    """Makes the first key of a tenant that has none; the environment may set it. The key if it is new, and if it is weak."""
    if tenant_id is None:
        return None, False
    given = Environment().bootstrap_api_key
    if given is not None:
        text = given.get_secret_value()
        await administer.ensure_api_key(parts.context, operator(tenant_id), FIRST_KEY_NAME, Role.OWNER, text)
        return None, len(text) < KEY_LENGTH_WEAK
    if any(key.revoked_at is None for key in await parts.context.store.api_keys(tenant_id)):
        return None, False
    _, text = await administer.create_api_key(parts.context, operator(tenant_id), FIRST_KEY_NAME, Role.OWNER)
    return text, False


# The profile `postgres`


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
    conninfo = _conninfo(where)
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


def _conninfo(where: Database) -> str:
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
async def _one_start(where: Path | Database) -> AsyncIterator[None]:
    """Processes that start at once apply and make keys one after the other."""
    if isinstance(where, Path):
        yield  # it is held for one process alone
        return
    conninfo = _conninfo(where)
    from clearance.stores.postgres_server import one_at_a_time  # noqa: PLC0415 - comes with the extra

    async with one_at_a_time(conninfo):
        yield


async def migrate(where: Database) -> list[str]:
    """Brings the schema of the store and of the queue up to date; the names of what was applied."""
    conninfo = _conninfo(replace(where, program="clearance migrate"))
    from clearance.engines.procrastinate import prepare  # noqa: PLC0415 - comes with the extra
    from clearance.stores import postgres_schema  # noqa: PLC0415 - comes with the extra

    applied = await postgres_schema.migrate(conninfo)
    return applied + await prepare(conninfo)


async def age_out(where: Database, month: str) -> list[str]:
    """Drops what is older than a month; the months that went."""
    conninfo = _conninfo(where)
    from clearance.stores import postgres_server  # noqa: PLC0415 - comes with the extra

    return await postgres_server.age_out(conninfo, month)


async def database_server(where: Database) -> DatabaseServer:
    """What the database server says of itself."""
    conninfo = _conninfo(where)
    from clearance.stores import postgres_server  # noqa: PLC0415 - comes with the extra

    return await postgres_server.look(conninfo)


async def check_schema(where: Database) -> int:
    """The number of the database's schema. Unavailable if this software does not fit it."""
    conninfo = _conninfo(where)
    from clearance.stores import postgres_server  # noqa: PLC0415 - comes with the extra

    return await postgres_server.check_schema(conninfo)


async def database_queue(where: Database) -> DatabaseQueue:
    """What the queue has now."""
    conninfo = _conninfo(where)
    from clearance.stores import postgres_server  # noqa: PLC0415 - comes with the extra

    return await postgres_server.look_at_queue(conninfo)


@contextlib.asynccontextmanager
async def _queueing(where: Database, tools: Tools | None) -> AsyncIterator[Parts]:
    """The parts of a server on a database: what is approved goes to the queue."""
    conninfo = _conninfo(where)
    from clearance.engines.procrastinate import Queue  # noqa: PLC0415 - comes with the extra

    queue = Queue(conninfo)
    async with postgres(where, tools=tools, engine=queue) as parts:
        await database_queue(where)
        async with queue.open(parts.context):
            yield parts


class _Readiness:
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
    conninfo = _conninfo(where)
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
    readiness = _Readiness(where, parts)

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
    conninfo = _conninfo(where)
    from clearance.stores import postgres_server  # noqa: PLC0415 - comes with the extra

    while True:
        try:
            await postgres_server.make_months(conninfo, clock.now_ms())
        except Exception as error:
            _log.warning("months not made", kind=type(error).__name__)
        await asyncio.sleep(MONTHS_SECONDS)


# Moving from one place to another


def export(where: Place, file: BinaryIO) -> archive.Summary:
    """Writes everything that is known in a place to a file. Conflict (`ALREADY_SERVED`) while a process works on it."""
    with contextlib.ExitStack() as ends:
        if isinstance(where, Path):
            _must_have_data(where)
            ends.enter_context(only_one(where))
            return archive.write(ends.enter_context(archive_sqlite.reading(where / STORE_FILE)), file)
        conninfo = _conninfo(_no_table(where))
        from clearance.stores import archive_postgres  # noqa: PLC0415 - comes with the extra

        return archive.write(ends.enter_context(archive_postgres.reading(conninfo)), file)


def import_from(file: BinaryIO, where: Place) -> archive.Summary:
    """Puts what `export` wrote into a place that is empty, whole or not at all. Conflict (`STORE_NOT_EMPTY`), InvalidInput."""
    with contextlib.ExitStack() as ends:
        if isinstance(where, Path):
            ends.enter_context(only_one(where))
            return archive.fill(ends.enter_context(archive_sqlite.filling(where / STORE_FILE)), file)
        conninfo = _conninfo(_no_table(where))
        from clearance.stores import archive_postgres  # noqa: PLC0415 - comes with the extra

        return archive.fill(ends.enter_context(archive_postgres.filling(conninfo)), file)


def _no_table(where: Database | Table) -> Database:
    if isinstance(where, Database):
        return where
    sentence = "State moves between a data directory and a database; a table takes no part in that."
    raise Conflict(sentence, code="NOT_MOVABLE")
