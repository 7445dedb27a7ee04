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
from clearance.core.credential import KEY_LENGTH_WEAK
from clearance.core.errors import Conflict, Refusal
from clearance.core.principal import EVERYWHERE, Role
from clearance.flow.control import Control
from clearance.flow.ports.tools import Tools
from clearance.flow.requests import PinReport
from clearance.profiles import choose, postgres
from clearance.profiles.environment import Environment
from clearance.profiles.local import only_one
from clearance.profiles.parts import Parts, operator
from clearance.profiles.place import Database, Place, Table
from clearance.running.logs import configure_logs
from clearance.running.metrics.measured import MeasuredStore, MeasuredTools, count_refused
from clearance.running.metrics.prometheus import Exposition, Metrics
from clearance.running.process import answering, listening, signals, url_of
from clearance.web.routes import mount

FIRST_KEY_NAME = "owner"


@dataclass(frozen=True, slots=True)
class Announcement:
    """The announcement of a start: the address, a new first key (shown this once), what changed,
    and the state of the tools.
    """

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
    linger_seconds: int = 0,
) -> None:
    """Serves the REST API and the pages until SIGINT or SIGTERM; then drains.

    Raises Refusal if it cannot start.
    """
    async with serving(config, place, host, port, linger_seconds=linger_seconds) as up:
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
    linger_seconds: int = 0,
) -> AsyncIterator[Serving]:
    """A server for as long as the block lasts.

    A configuration with an error changes nothing and starts nothing.

    Asked to end, it says so in `/readyz` at once, ends the event streams, and answers on for
    `linger_seconds`.
    """
    configure_logs(Environment().log_level)
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
        announcement = await _started(parts.control, place, wanted, url_of(host, taken))
        jobs = partial(postgres.jobs, place) if isinstance(place, Database) else None
        app = application(parts, Exposition(metrics, parts.context, jobs))
        over = asyncio.Event()
        if isinstance(place, Database):
            app.state.check = postgres.Readiness(place, parts).check
            app.state.workers = parts.context.workers
        draining = asyncio.create_task(_drain(app, shutdown.asked, linger_seconds, over))
        ends.callback(draining.cancel)
        shutdown.listen()
        async with answering(app, taken, until=over, end_streams=lambda: end_streams(app)) as ended:
            yield Serving(
                announcement.url, announcement.first_key, parts.control, announcement, ended
            )


async def _drain(
    app: FastAPI, asked: asyncio.Event, linger_seconds: int, over: asyncio.Event
) -> None:
    await asked.wait()
    operations.drain(app)
    end_streams(app)
    await asyncio.sleep(linger_seconds)
    over.set()


async def _started(
    control: Control, place: Path | Database, wanted: Configuration | None, url: str
) -> Announcement:
    """Applies the configuration, looks at the tools (on a database, workers do that), and makes the
    first key.
    """
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
        # Last: a later failure would keep the key from its owner, and it is shown only once.
        key, weak = await _first_key(control, tenant_id)
    return Announcement(url, tenant_id, key, changes, pins, weak)


def application(parts: Parts, exposition: Exposition) -> FastAPI:
    """The REST API with the pages on it, and `/metrics`."""
    app = create_app(parts.control, parts.access, metrics=exposition)
    mount(app, parts.control, parts.access)
    return app


async def _only_tenant(control: Control) -> str | None:
    tenants = await control.tenants(operator(EVERYWHERE))
    return tenants[0] if len(tenants) == 1 else None


async def _first_key(control: Control, tenant_id: str | None) -> tuple[str | None, bool]:
    """Makes the first key of a tenant that has none; the environment may set it.

    The key if it is new, and if it is weak.
    """
    if tenant_id is None:
        return None, False
    owner, given = operator(tenant_id), Environment().bootstrap_api_key
    if given is not None:
        text = given.get_secret_value()
        await control.ensure_api_key(owner, FIRST_KEY_NAME, Role.OWNER, text)
        return None, len(text) < KEY_LENGTH_WEAK
    if any(key.revoked_at is None for key in await control.api_keys(owner)):
        return None, False
    _, text = await control.create_api_key(owner, FIRST_KEY_NAME, Role.OWNER)
    return text, False
