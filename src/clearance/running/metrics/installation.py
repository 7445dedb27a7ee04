"""The current state of an installation: its store is read on request, and not often.

`/metrics` asks for no credential, so many readers must cost no more than one: a reading is reused
for FRESH_MS, and only one reading runs at a time, however long it takes.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from itertools import chain
from typing import TypeAlias

import structlog

from clearance.configuration.document import read_document
from clearance.core.errors import Refusal, Unavailable
from clearance.core.moment import SECOND_MS
from clearance.core.principal import EVERYWHERE
from clearance.core.record import STEPS
from clearance.core.stop import StopLevel, StopScope
from clearance.flow.context import Context
from clearance.flow.ports.totals import Totals
from clearance.running.metrics.families import (
    EXPIRY,
    INTENT_OLDEST_SECONDS,
    INTENTS_OPEN,
    LEASE,
    LEDGER_ENTRIES,
    OVERDUE_SECONDS,
    QUEUE_JOBS,
    STOP_SWITCHES,
    STORE_UP,
    SWEEP_AGE_SECONDS,
    SWEEPING,
    WORKERS_ALIVE,
    Sample,
)

FRESH_MS = 5 * SECOND_MS  # how long a reading is reused
ANSWER_SECONDS_MAX = 2.0  # of the store; who asked then learns that it is away
SETTINGS_TOGETHER = 8  # documents that are read at once

AWAY: Sequence[Sample] = (Sample(STORE_UP, 0),)
JOB_STATES = ("todo", "doing")

Queued: TypeAlias = Callable[[], Awaitable[Mapping[str, int]]]
"""How many jobs the queue of a database has, by state. Raises Unavailable."""

_log = structlog.get_logger(__name__)


class Watch:
    """A watch on an installation, through the store of one process."""

    def __init__(self, context: Context, queued: Queued | None = None) -> None:
        self._context = context
        self._queued = queued
        self._switches: dict[str, tuple[int, Counter[tuple[str, str]]]] = {}
        self._reading: asyncio.Task[Sequence[Sample]] | None = None
        self._fresh_until = 0  # once it is done

    async def samples(self) -> Sequence[Sample]:
        """The last reading, if it is fresh, else a new one; AWAY if that fails or takes too
        long.
        """
        reading, now = self._reading, self._context.clock.monotonic_ms()
        if reading is None or (reading.done() and now >= self._fresh_until):
            reading = self._reading = asyncio.create_task(self._read())
        await asyncio.wait({reading}, timeout=ANSWER_SECONDS_MAX)
        return reading.result() if reading.done() and not reading.cancelled() else AWAY

    async def look(self) -> Sequence[Sample]:
        """The content of the store at this moment. Raises Unavailable."""
        now = self._context.clock.now_ms()
        totals = await self._context.store.totals(now)
        switches = await self._switches_on(totals.settings_versions)
        return [
            Sample(STORE_UP, 1),
            *_of_totals(totals, now),
            *(
                Sample(STOP_SWITCHES, switches[scope, level], {"scope": scope, "level": level})
                for scope in StopScope
                for level in StopLevel
            ),
            *await self._of_queue(),
            *await self._of_workers(),
        ]

    async def _read(self) -> Sequence[Sample]:
        try:
            return await self.look()
        except Refusal as refusal:
            _log.warning("totals not read", code=refusal.code)
        except Exception:
            _log.exception("totals not read")
        finally:
            self._fresh_until = self._context.clock.monotonic_ms() + FRESH_MS
        return AWAY

    async def _of_queue(self) -> Sequence[Sample]:
        """The queue may be away alone: then nothing is known of it, and all else still is."""
        if self._queued is None:
            return ()
        try:
            jobs = await self._queued()
        except Unavailable as refusal:
            _log.warning("queue not read", code=refusal.code)
            return ()
        return [Sample(QUEUE_JOBS, jobs.get(state, 0), {"state": state}) for state in JOB_STATES]

    async def _of_workers(self) -> Sequence[Sample]:
        workers = await self._context.workers()
        return [Sample(WORKERS_ALIVE, workers.alive)] if workers else []

    async def _switches_on(self, versions: Mapping[str, int]) -> Counter[tuple[str, str]]:
        """How many switches are on, by scope and level.

        A tenant's are read again only when its settings have moved.
        """
        moved = [
            tenant_id
            for tenant_id, version in versions.items()
            if version != self._switches.get(tenant_id, (0,))[0]
        ]
        for start in range(0, len(moved), SETTINGS_TOGETHER):
            together = moved[start : start + SETTINGS_TOGETHER]
            await asyncio.gather(*(self._read_switches(tenant_id) for tenant_id in together))
        return sum((counted for _, counted in self._switches.values()), Counter())

    async def _read_switches(self, tenant_id: str) -> None:
        stored = await self._context.store.settings(tenant_id)
        document = stored.everywhere if tenant_id == EVERYWHERE else stored.document
        reading = read_document({"stop_switches": document.get("stop_switches", [])})
        standing = chain.from_iterable(reading.reach.stop_switches.values())
        counted = Counter(
            (str(switch.scope), str(switch.level)) for switch in reading.document.stop_switches
        ) + Counter((str(switch.scope), str(switch.level)) for switch in standing)
        self._switches[tenant_id] = (stored.version.tenant, counted)


def sweep_samples(context: Context) -> Sequence[Sample]:
    """Whether this process sweeps, and how long ago it last did."""
    if context.swept_at is None:
        return [Sample(SWEEPING, 0)]
    age = max(context.clock.monotonic_ms() - context.swept_at, 0)
    return [Sample(SWEEPING, 1), Sample(SWEEP_AGE_SECONDS, age / SECOND_MS)]


def _of_totals(totals: Totals, now: int) -> Sequence[Sample]:
    samples = [
        Sample(LEDGER_ENTRIES, totals.ledger_entries),
        Sample(OVERDUE_SECONDS, _seconds(totals.expired_since, now), {"due": EXPIRY}),
        Sample(OVERDUE_SECONDS, _seconds(totals.lease_over_since, now), {"due": LEASE}),
    ]
    for status in STEPS:
        backlog, labels = totals.open.get(status), {"status": status.value}
        samples += [
            Sample(INTENTS_OPEN, backlog.count if backlog else 0, labels),
            Sample(
                INTENT_OLDEST_SECONDS, _seconds(backlog.since if backlog else None, now), labels
            ),
        ]
    return samples


def _seconds(since: int | None, now: int) -> float:
    """How long ago a moment was; 0 if there is none, or if clocks differ."""
    return 0.0 if since is None else max(now - since, 0) / SECOND_MS
