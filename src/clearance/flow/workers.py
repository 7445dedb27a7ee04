"""Whether any process carries out what is approved, where that is not this process's own work.

Without a worker nothing is lost and nothing runs. People must reach the stop switch all the same,
so the doors stay open, and say it. Who asks needs no credential, so many questions cost one look.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from clearance.core.errors import Unavailable
from clearance.core.moment import SECOND_MS
from clearance.flow.ports.clock import Clock
from clearance.flow.requests import Workers

FRESH_MS = 5 * SECOND_MS  # how long a look at the workers is reused
LOOK_SECONDS_MAX = 2.0  # for a look; after that nothing is known

_log = structlog.get_logger(__name__)


class Workforce:
    """The workers of an installation, as one process sees them."""

    def __init__(self, look: Callable[[], Awaitable[Workers]], clock: Clock) -> None:
        self._look = look
        self._clock = clock
        self._looking: asyncio.Task[Workers | None] | None = None
        self._fresh_until = 0  # once it is done

    async def now(self) -> Workers | None:
        """The workers as of FRESH_MS ago at most; None if that is not known."""
        looking, now = self._looking, self._clock.monotonic_ms()
        if looking is None or (looking.done() and now >= self._fresh_until):
            looking = self._looking = asyncio.create_task(self._looked())
        await asyncio.wait({looking}, timeout=LOOK_SECONDS_MAX)
        return looking.result() if looking.done() and not looking.cancelled() else None

    async def _looked(self) -> Workers | None:
        try:
            return await self._look()
        except Unavailable as refusal:
            _log.warning("workers not seen", code=refusal.code)
        except Exception:
            _log.exception("workers not seen")
        finally:
            self._fresh_until = self._clock.monotonic_ms() + FRESH_MS
        return None
