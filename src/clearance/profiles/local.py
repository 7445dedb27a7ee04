"""The profile `local`: SQLite, the embedded worker and MCP tools in one process, all state under
one data directory.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from clearance.core.errors import Conflict
from clearance.engines.worker import Worker
from clearance.flow.context import Context
from clearance.flow.ports.tools import Tools
from clearance.profiles.parts import NoEngine, Parts, Wrapping, as_it_is, assembled
from clearance.stores.sqlite.store import SqliteStore

STORE_FILE = "clearance.sqlite3"


LOCK_FILE = "serve.lock"


@contextlib.asynccontextmanager
async def local(
    data: Path,
    tools: Tools,
    *,
    worker: Worker | None = None,
    wrapped: Wrapping = as_it_is,
    read_only: bool = False,
) -> AsyncIterator[Parts]:
    """Opens the data directory; with a worker, approved intents are carried out until the block
    ends. `read_only`: as a store of another version left it.
    """
    async with (
        contextlib.AsyncExitStack() as ends
    ):  # in reverse: the worker drains, then the tools end, then the store
        store = wrapped(await SqliteStore.open(data / STORE_FILE, read_only=read_only))
        parts = assembled(ends, store, tools, worker or NoEngine())
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
    """Holds the data directory for one serving process.

    Conflict (`ALREADY_SERVED`) if another one has it.
    """
    data.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = data / LOCK_FILE
    path.touch(mode=0o600)
    with path.open("a") as lock:
        with contextlib.suppress(PermissionError):  # another user's, which need not be mended
            path.chmod(0o600)  # earlier versions let others read it
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            sentence = f"Another process serves {data}; one data directory has one serving process."
            raise Conflict(sentence, code="ALREADY_SERVED") from None
        yield
