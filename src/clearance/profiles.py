"""Profiles: which store, engine and tool runner a process is made of, as the place of its state says; and serving.

`local`: SQLite, the embedded worker and MCP tools, all in one process, all state under one data directory. What the other two
are made of is in `postgres_profile` and `aws_profile`; these three files name concrete ones, and no other does.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from fastapi import FastAPI

from clearance import aws_profile, configuration, postgres_profile
from clearance.api import operations
from clearance.api.app import create_app, end_streams
from clearance.configuration import Configuration
from clearance.core.credential import KEY_LENGTH_WEAK, SECRET_BYTES, new_key
from clearance.core.errors import Conflict, NotFound
from clearance.core.principal import Role
from clearance.engines.worker import Worker
from clearance.environment import Environment
from clearance.flow import administer
from clearance.flow.administer import PinReport
from clearance.flow.context import Context
from clearance.flow.ports import (
    Tools,
)
from clearance.parts import Database, NoEngine, Parts, Place, Table, assembled, operator, place
from clearance.process import answering, listening, signals, url_of
from clearance.stores import archive, archive_sqlite
from clearance.stores.sqlite import SqliteStore
from clearance.telemetry import configure_logs
from clearance.tools.mcp import McpTools
from clearance.web.pages import mount

__all__ = ["Database", "NoEngine", "Parts", "Place", "Table", "operator", "place"]
"""What is said by name of the parts, beside what is here."""

STORE_FILE = "clearance.sqlite3"
LOCK_FILE = "serve.lock"
FIRST_KEY_NAME = "owner"


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
    return postgres_profile.postgres(where) if isinstance(where, Database) else aws_profile.aws(where)


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
            app.state.check = postgres_profile.Readiness(where, parts).check
        draining = asyncio.create_task(_drain(app, ending.asked, linger_seconds, over))
        ends.callback(draining.cancel)
        ending.listen()
        async with answering(app, taken, until=over, end_streams=lambda: end_streams(app)) as ended:
            yield Serving(said.url, said.first_key, parts, said, ended)


def _for_serving(where: Path | Database, tools: Tools | None) -> contextlib.AbstractAsyncContextManager[Parts]:
    """The parts of a server: on a data directory with the worker in it, on a database with the queue's way in."""
    return (
        local(where, tools=tools, worker=Worker())
        if isinstance(where, Path)
        else postgres_profile.queueing(where, tools)
    )


async def _drain(app: FastAPI, asked: asyncio.Event, linger_seconds: int, over: asyncio.Event) -> None:
    await asked.wait()
    operations.drain(app)
    end_streams(app)
    await asyncio.sleep(linger_seconds)
    over.set()


async def _started(parts: Parts, where: Path | Database, wanted: Configuration | None, url: str) -> Announcement:
    """Applies the configuration, makes the first key, and looks at the tools: on a database, workers do that."""
    async with contextlib.nullcontext() if isinstance(where, Path) else postgres_profile.one_at_a_time(where):
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


# Moving from one place to another


def export(where: Place, file: BinaryIO) -> archive.Summary:
    """Writes everything that is known in a place to a file. Conflict (`ALREADY_SERVED`) while a process works on it."""
    with contextlib.ExitStack() as ends:
        if isinstance(where, Path):
            _must_have_data(where)
            ends.enter_context(only_one(where))
            return archive.write(ends.enter_context(archive_sqlite.reading(where / STORE_FILE)), file)
        conninfo = postgres_profile.conninfo_of(_no_table(where))
        from clearance.stores import archive_postgres  # noqa: PLC0415 - comes with the extra

        return archive.write(ends.enter_context(archive_postgres.reading(conninfo)), file)


def import_from(file: BinaryIO, where: Place) -> archive.Summary:
    """Puts what `export` wrote into a place that is empty, whole or not at all. Conflict (`STORE_NOT_EMPTY`), InvalidInput."""
    with contextlib.ExitStack() as ends:
        if isinstance(where, Path):
            ends.enter_context(only_one(where))
            return archive.fill(ends.enter_context(archive_sqlite.filling(where / STORE_FILE)), file)
        conninfo = postgres_profile.conninfo_of(_no_table(where))
        from clearance.stores import archive_postgres  # noqa: PLC0415 - comes with the extra

        return archive.fill(ends.enter_context(archive_postgres.filling(conninfo)), file)


def _no_table(where: Database | Table) -> Database:
    if isinstance(where, Database):
        return where
    sentence = "State moves between a data directory and a database; a table takes no part in that."
    raise Conflict(sentence, code="NOT_MOVABLE")
