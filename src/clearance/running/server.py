"""A server: the doors on the parts of a profile, from its first key to its orderly end."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from fastapi import FastAPI

from clearance.api import operations
from clearance.api.app import create_app, end_streams
from clearance.configuration import file
from clearance.configuration.file import Configuration
from clearance.core.errors import Conflict, Refusal
from clearance.core.principal import EVERYWHERE
from clearance.doors.path_prefix import put_below
from clearance.flow.control import Control
from clearance.flow.ports.tools import Tools
from clearance.flow.requests import PinReport
from clearance.profiles import choose, postgres
from clearance.profiles.environment import Environment
from clearance.profiles.local import only_one
from clearance.profiles.parts import Parts, operator
from clearance.profiles.place import Database, Place, Table
from clearance.running.door_settings import DoorSettings, door_settings
from clearance.running.first_key import key_file_of, make_first_key
from clearance.running.logs import configure_logs
from clearance.running.metrics.measured import MeasuredStore, MeasuredTools, count_refused
from clearance.running.metrics.prometheus import Exposition, Metrics
from clearance.running.process import answering, listening, signals, url_of
from clearance.web.routes import mount


@dataclass(frozen=True, slots=True)
class Announcement:
    """The announcement of a start: the address, the file of a new first key, what changed, and the
    state of the tools. Never a key: it may end in a journal.
    """

    url: str
    tenant_id: str | None
    first_key_file: str | None
    changes: tuple[str, ...]
    pins: PinReport | None
    weak_key: bool


@dataclass(frozen=True, slots=True)
class Serving:
    """A server that is up. `ended` is set when it was asked to stop."""

    url: str
    control: Control
    announcement: Announcement
    ended: asyncio.Event


async def serve(
    config: Path | None,
    place: Place,
    host: str,
    port: int,
    announce: Callable[[Announcement], None],
    *,
    door: DoorSettings | None = None,
    linger_seconds: int = 0,
    key_file: Path | None = None,
) -> None:
    """Serves the REST API and the pages until SIGINT or SIGTERM; then drains.

    `door`: what is known of hosts and proxies; without it, what the environment says.

    Raises Refusal if it cannot start.
    """
    async with serving(
        config, place, host, port, door=door, linger_seconds=linger_seconds, key_file=key_file
    ) as up:
        announce(up.announcement)
        await up.ended.wait()


@contextlib.asynccontextmanager
async def serving(
    config: Path | None,
    place: Place,
    host: str,
    port: int,
    *,
    tools: Tools | None = None,
    door: DoorSettings | None = None,
    linger_seconds: int = 0,
    key_file: Path | None = None,
) -> AsyncIterator[Serving]:
    """A server for as long as the block lasts.

    A configuration with an error changes nothing and starts nothing.

    Asked to end, it says so in `/readyz` at once, ends the event streams, and answers on for
    `linger_seconds`. `key_file`: where a first key goes, unless `key_file_of` is right.
    """
    configure_logs(Environment().log_level)
    door = (door or door_settings(Environment())).at(host)
    if isinstance(place, Table):
        sentence = (
            "A table is served by the functions of its deployment: unset CLEARANCE_TABLE, or use "
            "their address."
        )
        raise Conflict(sentence, code="SERVED_BY_FUNCTIONS")
    if isinstance(place, Database):
        place = replace(place, program="clearance serve")
    wanted = file.load(config) if config else None
    async with contextlib.AsyncExitStack() as ends:
        shutdown = ends.enter_context(signals())
        if isinstance(place, Path):
            ends.enter_context(only_one(place))
        taken = ends.enter_context(listening(host, port))
        metrics = Metrics()
        runner = MeasuredTools(tools or choose.tools_of(place), metrics)
        wrapped = partial(MeasuredStore, meter=metrics)
        parts = await ends.enter_async_context(choose.for_serving(place, runner, wrapped))
        parts.context.refusals.heard = partial(count_refused, metrics)
        url = url_of(host, taken) + door.path_prefix
        announcement = await _started(parts, place, wanted, url, key_file)
        jobs = partial(postgres.jobs, place) if isinstance(place, Database) else None
        app = application(parts, Exposition(metrics, parts.context, jobs), door.path_prefix)
        over = asyncio.Event()
        if isinstance(place, Database):
            app.state.check = postgres.Readiness(place, parts).check
            app.state.workers = parts.context.workers
        draining = asyncio.create_task(_drain(app, shutdown.asked, linger_seconds, over))
        ends.callback(draining.cancel)
        shutdown.listen()
        async with answering(
            app, taken, door, until=over, end_streams=lambda: end_streams(app)
        ) as ended:
            yield Serving(announcement.url, parts.control, announcement, ended)


async def _drain(
    app: FastAPI, asked: asyncio.Event, linger_seconds: int, over: asyncio.Event
) -> None:
    await asked.wait()
    operations.drain(app)
    end_streams(app)
    await asyncio.sleep(linger_seconds)
    over.set()


async def _started(
    parts: Parts,
    place: Path | Database,
    wanted: Configuration | None,
    url: str,
    key_file: Path | None,
) -> Announcement:
    """Applies the configuration, looks at the tools (on a database, workers do that), and makes the
    first key.
    """
    control = parts.control
    async with (
        contextlib.nullcontext() if isinstance(place, Path) else postgres.one_at_a_time(place)
    ):
        changes: tuple[str, ...] = ()
        if wanted:
            try:
                differences = await control.apply(operator(wanted.tenant_id), wanted.document)
            except Refusal as refusal:
                raise wanted.refused(refusal) from refusal
            changes = tuple(difference.sentence for difference in differences)
        tenant_id = wanted.tenant_id if wanted else await _only_tenant(control)
        pins = None
        if tenant_id and isinstance(place, Path):
            pins = await control.pin_tools(operator(tenant_id))
        # Last: a start that fails leaves no key.
        key = await make_first_key(parts, tenant_id, key_file or key_file_of(place))
    file = str(key.file) if key.file else None
    return Announcement(url, tenant_id, file, changes, pins, key.is_weak)


def application(parts: Parts, exposition: Exposition, prefix: str = "") -> FastAPI:
    """The REST API with the pages on it, and `/metrics`, below a checked path prefix."""
    app = create_app(parts.control, parts.access, metrics=exposition)
    put_below(app, prefix)
    mount(app, parts.control, parts.access)
    return app


async def _only_tenant(control: Control) -> str | None:
    tenants = await control.tenants(operator(EVERYWHERE))
    return tenants[0] if len(tenants) == 1 else None
