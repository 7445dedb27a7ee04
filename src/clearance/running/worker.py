"""A worker: it carries out approved intents of a database, beside any number of others, until it is
asked to end.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from fastapi import FastAPI

from clearance.api import operations
from clearance.configuration.values import variables_of
from clearance.core.errors import Refusal, Unavailable
from clearance.core.principal import EVERYWHERE
from clearance.flow.control import Control
from clearance.flow.ports.tools import Tools
from clearance.profiles import choose, postgres
from clearance.profiles.environment import Environment
from clearance.profiles.parts import Parts, operator
from clearance.profiles.place import Database
from clearance.profiles.postgres import Readiness
from clearance.running.door_settings import DoorSettings, door_settings
from clearance.running.logs import configure_logs
from clearance.running.metrics.measured import MeasuredStore, MeasuredTools
from clearance.running.metrics.prometheus import Exposition, Metrics
from clearance.running.process import answering, listening, signals, url_of

if TYPE_CHECKING:
    import socket

    from clearance.engines.queue.procrastinate import Queue


@dataclass(frozen=True, slots=True)
class WorkerAnnouncement:
    """The announcement of a working worker; `url` is where its health is, if it is anywhere.

    `missing`: a sentence for each tool server whose variables this worker does not have.
    """

    name: str
    concurrency: int
    url: str | None
    missing: tuple[str, ...] = ()


async def work(
    place: Database,
    host: str,
    port: int | None,
    announce: Callable[[WorkerAnnouncement], None],
    concurrency: int,
    *,
    tools: Tools | None = None,
) -> None:
    """Carries out approved intents until SIGINT or SIGTERM; then drains.

    Raises Refusal if it cannot start.
    """
    configure_logs(Environment().log_level)
    door = door_settings(Environment()).at(host)
    place = replace(place, program="clearance worker")
    conninfo = postgres.conninfo_of(place)
    from clearance.engines.queue.procrastinate import Queue  # noqa: PLC0415 - comes with the extra

    queue, metrics = Queue(conninfo, concurrency=concurrency), Metrics()
    async with contextlib.AsyncExitStack() as ends:
        shutdown = ends.enter_context(signals())
        taken = None if port is None else ends.enter_context(listening(host, port))
        runner = MeasuredTools(tools or choose.tools_of(place), metrics)
        wrapped = partial(MeasuredStore, meter=metrics)
        parts = await ends.enter_async_context(
            postgres.postgres(place, runner, engine=queue, wrapped=wrapped)
        )
        await postgres.database_queue(place)
        await ends.enter_async_context(queue.open(parts.context))
        shutdown.listen()
        if taken is not None:
            exposition = Exposition(metrics, parts.context, partial(postgres.jobs, place))
            app = _health(place, parts, queue, exposition)
            await ends.enter_async_context(
                _answering_until_the_end(app, taken, door, shutdown.asked)
            )
        months = asyncio.create_task(postgres.keep_months(place, parts.context.clock))
        ends.callback(months.cancel)
        url, missing = (
            None if taken is None else url_of(host, taken),
            await _missing_variables(parts.control),
        )
        announce(WorkerAnnouncement(queue.name, concurrency, url, missing))
        await queue.run(parts.context, shutdown.asked)


async def _missing_variables(control: Control) -> tuple[str, ...]:
    """What the tool servers of all tenants need of the
    environment, and this worker does not have.
    """
    missing = []
    for tenant_id in await control.tenants(operator(EVERYWHERE)):
        with contextlib.suppress(
            Refusal
        ):  # settings that cannot be read fail each of their intents, and say so there
            for server in (await control.settings(operator(tenant_id))).tool_servers.values():
                absent = variables_of(repr(server)) - os.environ.keys()
                missing += [
                    f"The tool server {server.name} of {tenant_id} needs {name}, which is not "
                    f"set: its calls fail here."
                    for name in sorted(absent)
                ]
    return tuple(missing)


def _health(place: Database, parts: Parts, queue: Queue, exposition: Exposition) -> FastAPI:
    """A worker's health: it is ready if its store answers, and it hears of jobs and carries them
    out.
    """
    readiness = Readiness(place, parts)

    async def check() -> None:
        await readiness.check()
        if not queue.ready():
            sentence = "The worker is not connected to the queue now."
            raise Unavailable(sentence, code="QUEUE_AWAY")

    return operations.worker_app(check, exposition)


@contextlib.asynccontextmanager
async def _answering_until_the_end(
    app: FastAPI, taken: socket.socket, door: DoorSettings, asked: asyncio.Event
) -> AsyncIterator[None]:
    """Answers while the worker works and while it drains; from the moment that it was asked to end,
    it is not ready.
    """

    async def drain() -> None:
        await asked.wait()
        operations.drain(app)

    draining = asyncio.create_task(drain())
    try:
        async with answering(app, taken, door, until=asyncio.Event(), end_streams=lambda: None):
            yield
    finally:
        draining.cancel()
