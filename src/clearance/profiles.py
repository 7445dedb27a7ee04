"""Profiles: the only file that names a concrete store, engine and tool runner.

Today there is one, `local`: SQLite, the embedded worker and MCP tools, all in one process, all state under one data directory.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import secrets
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from clearance import configuration
from clearance.access import Access
from clearance.api.app import create_app, end_streams
from clearance.clock import SystemClock
from clearance.configuration import Configuration
from clearance.core.credential import KEY_LENGTH_WEAK, SECRET_BYTES, new_key
from clearance.core.errors import Conflict
from clearance.core.principal import PERMISSIONS, ActorKind, Principal, Role
from clearance.engines.worker import Worker
from clearance.environment import Environment
from clearance.flow import administer
from clearance.flow.administer import PinReport
from clearance.flow.context import Context
from clearance.flow.control import Control
from clearance.flow.ports import Due, Tools
from clearance.stores.sqlite import SqliteStore
from clearance.telemetry import configure_logs
from clearance.tools.mcp import McpTools
from clearance.web.pages import mount

STORE_FILE = "clearance.sqlite3"
LOCK_FILE = "serve.lock"
FIRST_KEY_NAME = "owner"
KEEP_ALIVE_SECONDS = 5
STREAMS_END_SECONDS = 5  # how long open connections may take to end when the process is asked to


class NoEngine:
    """An engine for processes that only configure: the serving process finds what they approve by its sweep."""

    def hint(self, due: Due) -> None:
        """Does nothing."""


@dataclass(slots=True)
class Local:
    """The parts of one embedded process."""

    context: Context
    control: Control
    access: Access


def operator(tenant_id: str) -> Principal:
    """Whoever works on the data directory itself: they could read and change the files, so they may do anything."""
    return Principal(tenant_id, "operator", ActorKind.PERSON, PERMISSIONS[Role.OWNER])


@contextlib.asynccontextmanager
async def local(data: Path, *, tools: Tools | None = None, worker: Worker | None = None) -> AsyncIterator[Local]:
    """Opens the data directory; with a worker, approved intents are carried out until the block ends."""
    clock = SystemClock()
    runner = tools or McpTools()
    async with contextlib.AsyncExitStack() as ends:  # in reverse: the worker drains, then the tools end, then the store
        store = await SqliteStore.open(data / STORE_FILE)
        ends.push_async_callback(store.close)
        ends.push_async_callback(runner.close)
        context = Context(store, runner, worker or NoEngine(), clock)
        if worker:
            await ends.enter_async_context(_working(worker, context))
        yield Local(context, Control(context), Access(store, clock))


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
    parts: Local
    announcement: Announcement
    ended: asyncio.Event


async def serve(
    config: Path | None, data: Path, host: str, port: int, announce: Callable[[Announcement], None]
) -> None:
    """Serves the REST API and the pages until SIGINT or SIGTERM; then drains. Raises Refusal if it cannot start."""
    async with serving(config, data, host, port) as up:
        announce(up.announcement)
        await up.ended.wait()


@contextlib.asynccontextmanager
async def serving(
    config: Path | None, data: Path, host: str, port: int, *, tools: Tools | None = None
) -> AsyncIterator[Serving]:
    """A server for as long as the block lasts. A configuration with an error changes nothing and starts nothing."""
    configure_logs(Environment().log_level)
    wanted = configuration.load(config) if config else None
    with only_one(data), _listening(host, port) as listening:
        async with local(data, tools=tools, worker=Worker()) as parts:
            url = f"http://{f'[{host}]' if ':' in host else host}:{listening.getsockname()[1]}"
            said = await _started(parts, wanted, url)
            async with _running(application(parts), listening) as ended:
                yield Serving(url, said.first_key, parts, said, ended)


async def _started(parts: Local, wanted: Configuration | None, url: str) -> Announcement:
    """Applies the configuration, makes the first key, and looks at the tools."""
    changes: tuple[str, ...] = ()
    if wanted:
        differences = await parts.control.apply(operator(wanted.tenant_id), wanted.document)
        changes = tuple(difference.sentence for difference in differences)
    tenant_id = wanted.tenant_id if wanted else await _only_tenant(parts)
    key, weak = await _first_key(parts, tenant_id)
    pins = await administer.pin_tools(parts.context, operator(tenant_id), tenant_id) if tenant_id else None
    return Announcement(url, tenant_id, key, changes, pins, weak)


async def new_api_key(parts: Local, tenant_id: str, name: str, role: Role) -> str:
    """Makes a credential of this name, in place of the one that had it; its text."""
    text = new_key(secrets.token_bytes(SECRET_BYTES))
    await administer.ensure_api_key(parts.context, operator(tenant_id), name, role, text)
    return text


def application(parts: Local) -> FastAPI:
    """The REST API with the pages on it."""
    app = create_app(parts.control, parts.access)
    mount(app, parts.control, parts.access)
    return app


class _Server(uvicorn.Server):
    """Ends the event streams before it waits for open connections; a signal ends the server, and not the process."""

    def __init__(self, app: FastAPI, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._app = app

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        end_streams(self._app)
        await super().shutdown(sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        with super().capture_signals():
            yield
            self._captured_signals.clear()  # else they are raised again, before the worker and the store have ended


@contextlib.asynccontextmanager
async def _running(app: FastAPI, listening: socket.socket) -> AsyncIterator[asyncio.Event]:
    """Runs the server beside the block; the event is set when it ends, by a signal or because the block did."""
    settings = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=STREAMS_END_SECONDS,
    )
    server, ended = _Server(app, settings), asyncio.Event()
    running = asyncio.create_task(server.serve(sockets=[listening]))
    running.add_done_callback(lambda _: ended.set())
    try:
        while not server.started and not ended.is_set():  # noqa: ASYNC110 - uvicorn sets no event
            await asyncio.sleep(0.01)
        yield ended
    finally:
        server.should_exit = True
        await running


@contextlib.contextmanager
def _listening(host: str, port: int) -> Iterator[socket.socket]:
    """Takes the address before anything else happens, so that a second start changes nothing."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((host, port))
        except OSError as error:
            sentence = f"Cannot listen on {host}:{port}: {error.strerror}."
            raise Conflict(sentence, code="ADDRESS_IN_USE") from None
        yield listening


async def _only_tenant(parts: Local) -> str | None:
    tenants = await parts.context.store.tenants()
    return tenants[0] if len(tenants) == 1 else None


async def _first_key(parts: Local, tenant_id: str | None) -> tuple[str | None, bool]:
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
