"""Sweep: it finds work that no worker has, from the states alone, in small bounded steps.

A wiped queue loses nothing.

The sweep hints an APPROVED intent without an attempt again, expires an intent past its time, and
names each intent that a dead worker left, so that an engine carries on with it. It also records and
closes the receipts of stops.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass

import structlog

from clearance.core import steps
from clearance.core.errors import Conflict, Refusal, Unavailable
from clearance.core.moment import SECOND_MS
from clearance.core.principal import system
from clearance.core.record import Change, IntentRecord, IntentStatus
from clearance.flow.context import Context
from clearance.flow.ports.due import Due, DueReads
from clearance.flow.ports.stops import Stop
from clearance.flow.receipts import settle
from clearance.flow.review import advance

STEP_MAX = 200  # intents that one step looks at
STOPS_MAX = 20  # stops whose receipts one step looks at
EXPIRING_MS_MAX = 10 * SECOND_MS  # of one step, after which it expires no further intent

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class SweepSummary:
    """The result of one step: how many intents it hinted and expired, and the intents that a dead
    worker left, to be carried on with.
    """

    hinted: int
    expired: int
    dead: tuple[Due, ...]


class Sweeper:
    """Takes the steps, and remembers how far along the queues the last step came, so that held
    intents do not hide the rest.
    """

    def __init__(
        self,
        context: Context,
        worker: str,
        *,
        alone: bool,
        under_way: Container[tuple[str, str]] = (),
    ) -> None:
        """`alone`: no other worker can be alive, so the leases of others are over, even before
        their time.

        `under_way`: the intents that this worker itself is carrying out now.
        """
        self._context = context
        self._reads: DueReads = context.store
        self._under_way = under_way
        self._worker = worker
        self._alone = alone
        self._approved_after: Due | None = None
        self._dead_after: Due | None = None
        self._stops_after: Stop | None = None

    async def find(self) -> SweepSummary:
        """One bounded step over everything that may be due. It claims nothing."""
        hinted, dead = await self._hint(), await self._dead()
        expired = await self._expire()
        await self._settle_stops()
        return SweepSummary(hinted, expired, dead)

    async def _settle_stops(self) -> None:
        """Records and closes receipts of stops, as far as they can be."""
        try:
            stops = await self._context.store.open_stops(STOPS_MAX, self._stops_after)
            self._stops_after = stops[-1] if len(stops) == STOPS_MAX else None
        except Refusal as refusal:
            _log.warning("receipt of a stop not recorded", code=refusal.code)
            return
        for stop in stops:
            try:
                await settle(self._context, stop)
            except Refusal as refusal:
                _log.warning("receipt of a stop not recorded", code=refusal.code)
            except Exception:  # whatever is wrong with one stop, the sweep and the others go on
                _log.exception("receipt of a stop not recorded", tenant_id=stop.tenant_id)

    async def _expire(self) -> int:
        """Expires each intent that is past its time; a tenant whose state is busy keeps the others
        waiting once, and not for long.
        """
        clock, busy, expired = self._context.clock, set[str](), 0
        ends = clock.monotonic_ms() + EXPIRING_MS_MAX
        try:
            overdue = await self._reads.expired(clock.now_ms(), STEP_MAX)
        except Unavailable as refusal:  # the earlier findings must not be lost to it
            _log.warning("not expired", code=refusal.code)
            return 0
        for due in overdue:
            if clock.monotonic_ms() >= ends:
                break
            if due.tenant_id in busy:
                continue
            try:
                expired += await _expire(self._context, due)
            except Unavailable as refusal:
                _log.warning(
                    "not expired", code=refusal.code, action_intent_id=due.action_intent_id
                )
                busy.add(due.tenant_id)
        self._context.swept_at = clock.monotonic_ms()
        return expired

    async def _hint(self) -> int:
        approved = await self._reads.approved(STEP_MAX, self._approved_after)
        self._approved_after = approved[-1] if len(approved) == STEP_MAX else None
        for due in approved:
            self._context.engine.hint(due)
        return len(approved)

    async def _dead(self) -> tuple[Due, ...]:
        now = self._context.clock.now_ms()
        living = self._worker if self._alone else None
        dead = await self._reads.dead_leases(now, STEP_MAX, self._dead_after, living_worker=living)
        self._dead_after = dead[-1] if len(dead) == STEP_MAX else None
        # Our own attempts under way are alive, whatever the wall clock says.
        return tuple(
            due for due in dead if (due.tenant_id, due.action_intent_id) not in self._under_way
        )


async def _expire(context: Context, due: Due) -> bool:
    def step(record: IntentRecord) -> Change:
        return steps.expire(record, actor=system(due.tenant_id), now=context.clock.now_ms())

    try:
        record = await advance(context, due.tenant_id, due.action_intent_id, step)
    except Conflict:
        return False  # a person ruled on it, or it started, meanwhile
    except Unavailable:
        raise
    except Refusal as refusal:
        _log.warning("not expired", code=refusal.code, action_intent_id=due.action_intent_id)
        return False
    return record.status is IntentStatus.EXPIRED
