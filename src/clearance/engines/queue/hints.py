"""Hints on their way to the queue: kept in memory, and deferred as jobs in batches by one task,
without a timer.

While one batch is on its way, the next one gathers. A hint that cannot be deferred is dropped: the
sweep finds its intent.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import Sequence

import psycopg
import structlog
from psycopg import AsyncConnection

from clearance.core.approval import ApprovalSource
from clearance.core.errors import Refusal, Unavailable
from clearance.core.settings import Settings
from clearance.engines.lanes import lane_of
from clearance.engines.queue.schema import APP_ROLE, STATEMENT_SECONDS_MAX, address
from clearance.flow.context import Context
from clearance.flow.ports.due import Due

WAITING_MAX = 10_000  # hints that wait in one process; one more is dropped
BATCH_MAX = 500  # hints in one statement

_log = structlog.get_logger(__name__)

_DEFER = (
    "SELECT clearance_queue.defer_hints(%s::text[], %s::text[], %s::text[], %s::integer[], "
    "%s::boolean[])"
)


class Hints:
    """The hints of one process. `add` may be called at any time; they leave while `run` does."""

    def __init__(self, conninfo: str) -> None:
        self._conninfo = address(conninfo)
        self._waiting: OrderedDict[tuple[str, str], Due] = OrderedDict()
        self._woken = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._dropped = 0
        self._connection: AsyncConnection | None = None

    def add(self, due: Due) -> None:
        """Keeps a hint unless it waits already. Never blocks, never raises."""
        if len(self._waiting) >= WAITING_MAX:
            self._dropped += 1
            return
        self._waiting.setdefault((due.tenant_id, due.action_intent_id), due)
        self._idle.clear()
        self._woken.set()

    async def flushed(self) -> None:
        """Returns when nothing waits: all of it was deferred or dropped."""
        await self._idle.wait()

    async def run(self, context: Context) -> None:
        """Defers waiting hints, for ever."""
        try:
            while True:
                await self._woken.wait()
                self._woken.clear()
                while self._waiting:
                    taken = min(BATCH_MAX, len(self._waiting))
                    await self._flush(
                        context, [self._waiting.popitem(last=False)[1] for _ in range(taken)]
                    )
                if self._dropped:
                    _log.warning("hints dropped", code="TOO_MANY_WAIT", count=self._dropped)
                    self._dropped = 0
                self._idle.set()
        finally:
            await self._hang_up()

    async def _flush(self, context: Context, batch: Sequence[Due]) -> None:
        """One batch.

        A connection that broke since it was last used is no reason to drop anything: so it is tried
        twice.
        """
        try:
            rows = await _rows(context, batch)
            try:
                await self._defer(rows)
            except (psycopg.Error, TimeoutError):
                await self._hang_up()
                await self._defer(rows)
        except Refusal as refusal:
            _log.warning("hints dropped", code=refusal.code, count=len(batch))
        except (psycopg.Error, TimeoutError) as error:
            await self._hang_up()
            _log.warning(
                "hints dropped", code="QUEUE_AWAY", kind=type(error).__name__, count=len(batch)
            )
        except Exception:
            await self._hang_up()
            _log.exception("hints dropped", count=len(batch))

    async def _defer(self, rows: Rows) -> None:
        async with asyncio.timeout(STATEMENT_SECONDS_MAX):
            if self._connection is None:
                # No prepared statements: a pooler may stand between, and give each statement to
                # another session.
                opened = await AsyncConnection.connect(
                    self._conninfo, autocommit=True, prepare_threshold=None
                )
                self._connection = opened
                await opened.execute(f"SET ROLE {APP_ROLE}")
            await self._connection.execute(_DEFER, rows)

    async def _hang_up(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(psycopg.Error, OSError):
                await connection.close()


Rows = tuple[list[str], list[str], list[str], list[int], list[bool]]


async def _rows(context: Context, batch: Sequence[Due]) -> Rows:
    """The jobs to defer.

    A tenant whose settings cannot be read has no lanes, and delays no other tenant's hints.
    """
    settings: dict[str, Settings] = {}
    for tenant_id in {due.tenant_id for due in batch}:
        try:
            settings[tenant_id] = await context.settings(tenant_id)
        except Unavailable:
            raise
        except Refusal as refusal:
            _log.warning("hints dropped", code=refusal.code, tenant_id=tenant_id)
    kept = [due for due in batch if due.tenant_id in settings]
    lanes = [lane_of(settings[due.tenant_id], due) for due in kept]
    return (
        [due.tenant_id for due in kept],
        [due.action_intent_id for due in kept],
        [lane.name for lane in lanes],
        [lane.places for lane in lanes],
        [due.approval_source is ApprovalSource.HUMAN for due in kept],
    )
