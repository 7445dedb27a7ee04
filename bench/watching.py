"""A store that tells when an intent is done: how a measurement waits for an outcome without asking
again and again.
"""

from __future__ import annotations

import asyncio
from typing import Any, cast

from clearance.core.record import Change
from clearance.flow.ports.store import Store
from clearance.flow.ports.transitions import Applied


class Watching:
    """The store itself, but for `advance`, which also resolves `outcome` once the outcome is
    committed.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._outcomes: dict[str, asyncio.Future[str]] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    @classmethod
    def over(cls, store: Store) -> tuple[Watching, Store]:
        """The watcher, and the store to work with."""
        watching = cls(store)
        return watching, cast("Store", watching)

    async def advance(self, change: Change) -> Any:
        """As the store does it."""
        answer = await self._store.advance(change)
        if isinstance(answer, Applied) and answer.record.outcome is not None:
            self.outcome(change.action_intent_id).set_result(answer.record.outcome.status.value)
        return answer

    def outcome(self, action_intent_id: str) -> asyncio.Future[str]:
        """The status of the intent's outcome, when there is one."""
        return self._outcomes.setdefault(
            action_intent_id, asyncio.get_running_loop().create_future()
        )
