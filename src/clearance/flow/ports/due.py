"""The port of engines and sweeps that look for work: which intents are due."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from clearance.core.approval import ApprovalSource


@dataclass(frozen=True, slots=True)
class Due:
    """An intent that a worker should look at now, with the facts that tell an engine where it
    queues.

    `account_id` is there when it was just approved, and not when it was found again: a queue does
    not keep it.
    """

    tenant_id: str
    action_intent_id: str
    action_type: str
    approval_source: ApprovalSource | None = None
    account_id: str | None = None


class DueReads(Protocol):
    """Finds the intents that need work now."""

    async def approved(self, limit: int, after: Due | None = None) -> list[Due]:
        """Intents that are APPROVED and have no attempt, oldest
        first: the truth of the work queue.
        """

    async def expired(self, now: int, limit: int) -> list[Due]:
        """Intents that wait or are approved, and whose time has passed."""

    async def dead_leases(
        self, now: int, limit: int, after: Due | None = None, *, living_worker: str | None = None
    ) -> list[Due]:
        """RUNNING intents whose lease is over, oldest first; with `living_worker`, also those of
        every other worker.
        """
