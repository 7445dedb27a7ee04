"""A worker process for tests: a real store and queue, and a tool that writes a line for each call
that reaches it.

`python -m tests.flow.support.queue_process CONNINFO FILE SECONDS`: SECONDS is how long a call
takes. Says `ready` when it works, and ends on SIGTERM."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

from clearance.clock import SystemClock
from clearance.engines.queue.procrastinate import Queue
from clearance.flow.context import Context
from clearance.flow.ports.tools import ToolCall
from clearance.stores.postgres.store import PostgresStore
from tests.support.sample import RecordingTools


async def main(conninfo: str, file: Path, seconds: float) -> None:
    async def behave(call: ToolCall) -> dict[str, bool]:
        with file.open("a") as effects:
            effects.write(f"{call.idempotency_key} {os.getpid()}\n")
        await asyncio.sleep(seconds)
        return {"ok": True}

    store, queue, stopped = await PostgresStore.open(conninfo), Queue(conninfo), asyncio.Event()
    context = Context(store, RecordingTools(behave=behave), queue, SystemClock())
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    async with queue.open(context):
        running = asyncio.create_task(queue.run(context, stopped))
        while not queue.ready():
            await asyncio.sleep(0.01)
        print("ready", flush=True)  # noqa: T201
        await running
    await store.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2]), float(sys.argv[3])))
