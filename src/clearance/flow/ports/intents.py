"""The port of those who read intents."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Protocol

from clearance.core.budget import Counter
from clearance.core.record import IntentRecord, IntentStatus


@dataclass(frozen=True, slots=True)
class TimelineQuery:
    """Which intents, newest fact first.

    `before` is the cursor: the ledger position of the last one seen.
    """

    account_id: str | None = None
    proposed_by: str | None = None
    action_type: str | None = None
    auto_executed: bool | None = None
    statuses: tuple[IntentStatus, ...] = ()
    since: int | None = None
    until: int | None = None
    before: int | None = None
    limit: int = 50


class IntentReads(Protocol):
    """Reads intents and the budget that they use."""

    async def intent(self, tenant_id: str, action_intent_id: str) -> IntentRecord | None:
        """All that is known of one intent."""

    async def timeline(self, tenant_id: str, query: TimelineQuery) -> list[IntentRecord]:
        """Intents by their latest fact, newest first."""

    async def waiting(self, tenant_id: str, after: str | None, limit: int) -> list[IntentRecord]:
        """Intents that await an approval, oldest request first; `after` is the id of the last one
        seen.
        """

    async def count_by_status(self, tenant_id: str) -> Mapping[IntentStatus, int]:
        """How many intents are in each state that is not terminal."""

    async def budget_used(self, tenant_id: str, account_id: str, day: str) -> Mapping[str, int]:
        """The held and settled use, by bucket."""

    async def counted(
        self, tenant_id: str, counters: Collection[Counter]
    ) -> Mapping[Counter, Mapping[str, int]]:
        """The held and settled use of counters, by bucket; a counter without use may be absent."""

    async def alike(self, tenant_id: str, likeness: bytes, limit: int) -> list[IntentRecord]:
        """Intents of one likeness, the latest fact first."""

    async def known_accounts(self, tenant_id: str, account_ids: Collection[str]) -> frozenset[str]:
        """The accounts that an admission made known, of these and of all that look like one of
        them. Of those that look alike, the first alone is known.
        """

    async def accounts_since(self, tenant_id: str, since: int, limit: int) -> list[str]:
        """Accounts that intents were admitted about since a moment, in any order."""
