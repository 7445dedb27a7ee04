"""A real server on 127.0.0.1 with a store, a worker and tools of its own, and a real browser that
looks at it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import uvicorn
from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, async_playwright

from clearance.api.app import create_app, end_streams
from clearance.clock import SystemClock
from clearance.core.principal import Role
from clearance.doors.access import Access
from clearance.doors.path_prefix import put_below
from clearance.engines.worker import Worker
from clearance.flow.context import Context
from clearance.flow.control import Control
from clearance.stores.sqlite.store import SqliteStore
from clearance.web.routes import mount
from tests.support import sample
from tests.support.sample import OWNER, RecordingTools
from tests.support.world import World

DESKTOP = {"width": 1200, "height": 900}
PHONE = {"width": 390, "height": 844}
PATIENCE_MS = 5_000  # how long a test waits for the page to show something
ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage")


@pytest.fixture(scope="module")
async def browser() -> AsyncIterator[Browser]:
    """Chromium. Without one these tests are skipped, except where everything must run."""
    path = (
        shutil.which("chromium")
        or shutil.which("chromium-browser")
        or shutil.which("google-chrome")
    )
    if path is None:
        sentence = "No chromium on the PATH: the pages were not looked at."
        if os.environ.get("CI") == "true":
            pytest.fail(sentence)
        pytest.skip(sentence)
    async with async_playwright() as playwright:
        launched = await playwright.chromium.launch(executable_path=path, args=list(ARGUMENTS))
        yield launched
        await launched.close()


@dataclass
class Served:
    """A running server, and what is behind it."""

    url: str
    world: World
    keys: dict[Role, str] = field(default_factory=dict)


@pytest.fixture
async def served(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Served]:
    """A server with a configured tenant and a key for each role, below the path prefix that a test
    asks for.
    """
    prefix = getattr(request, "param", "")
    place, worker, clock = tmp_path / "store.sqlite3", Worker(), SystemClock()
    store = await SqliteStore.open(place)
    world = World(store, place, clock=clock, tools=RecordingTools(), engine=worker)  # type: ignore[arg-type]
    world.context = Context(store, world.tools, worker, clock)
    world.control = Control(world.context)
    await world.configure(sample.DOCUMENT)
    access = Access(store, clock)
    app = create_app(world.control, access)
    put_below(app, prefix)
    mount(app, world.control, access)
    listening = socket.socket(proto=socket.IPPROTO_TCP)
    listening.bind(("127.0.0.1", 0))
    server = uvicorn.Server(
        uvicorn.Config(app, log_config=None, access_log=False, timeout_graceful_shutdown=3)
    )
    stopped = asyncio.Event()
    running = asyncio.create_task(_serve(server, listening))
    working = asyncio.create_task(worker.run(world.context, stopped))
    made = Served(f"http://127.0.0.1:{listening.getsockname()[1]}{prefix}", world)
    for role, name in ((Role.OWNER, "owner"), (Role.APPROVER, "olga"), (Role.AUDITOR, "anders")):
        _, made.keys[role] = await world.control.create_api_key(OWNER, name, role)
    yield made
    end_streams(app)
    server.should_exit = True
    await running
    stopped.set()
    await working
    await store.close()


async def _serve(server: uvicorn.Server, listening: socket.socket) -> None:
    # Signals are pytest's own.
    server.capture_signals = contextlib.nullcontext  # type: ignore[method-assign]
    await server.serve(sockets=[listening])


@dataclass
class Visit:
    """A browser that looks at a server, and everything that it complained about."""

    served: Served
    context: BrowserContext
    page: Page
    complaints: list[str]

    async def sign_in(self, role: Role = Role.OWNER, path: str = "/") -> None:
        """Signs in by the page, as a person does."""
        await self.page.goto(f"{self.served.url}{path}")
        await self.page.get_by_label("API key").fill(self.served.keys[role])
        await self.page.get_by_role("button", name="Sign in").click()
        await self.page.wait_for_url(f"{self.served.url}{path}")

    async def go(self, path: str) -> None:
        """Loads a page."""
        await self.page.goto(f"{self.served.url}{path}")


@pytest.fixture
async def visit(browser: Browser, served: Served) -> AsyncIterator[Visit]:
    """A new browser profile on the server; at the end, nothing may have been complained about."""
    context = await browser.new_context(
        viewport=DESKTOP, locale="en-GB", timezone_id="Europe/Copenhagen"
    )  # type: ignore[arg-type]
    context.set_default_timeout(PATIENCE_MS)
    page = await context.new_page()
    complaints: list[str] = []

    def heard(message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            complaints.append(message.text)

    page.on("console", heard)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    yield Visit(served, context, page, complaints)
    await context.close()
    assert complaints == []
