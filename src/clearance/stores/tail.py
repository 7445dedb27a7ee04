"""The end of a store's ledgers: a commit of this process wakes the readers that wait for an entry,
and they poll for commits of other processes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable


class Tail:
    """`poll_ms`: how soon entries of another process are seen."""

    def __init__(self, poll_ms: int) -> None:
        self._poll_ms = poll_ms
        self._moved = asyncio.Event()

    def moved(self) -> None:
        """Something was committed."""
        self._moved.set()
        self._moved = asyncio.Event()

    async def wait(self, size: Callable[[], Awaitable[int]], after: int, timeout_ms: int) -> bool:
        """True as soon as the ledger of this `size` reaches behind the position `after`; False when
        the time is over.
        """
        loop = asyncio.get_running_loop()
        ends = loop.time() + timeout_ms / 1000
        while True:
            moved = (
                self._moved
            )  # taken before the look, so that no commit between look and wait is missed
            if await size() > after:
                return True
            left = ends - loop.time()
            if left <= 0:
                return False
            try:
                await asyncio.wait_for(moved.wait(), min(left, self._poll_ms / 1000))
            except TimeoutError:
                continue
