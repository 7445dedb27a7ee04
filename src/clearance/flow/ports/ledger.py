"""The port of those who read the ledger."""

from __future__ import annotations

from typing import Protocol

from clearance.core.ledger import Entry


class LedgerReads(Protocol):
    """Reads the ledger of a tenant."""

    async def entries(self, tenant_id: str, after: int, limit: int) -> list[Entry]:
        """Ledger entries in order, from the position behind `after`."""

    async def entries_about(self, tenant_id: str, action_intent_id: str) -> list[Entry]:
        """The ledger entries of one intent, in order."""

    async def ledger_size(self, tenant_id: str) -> int:
        """The position of the latest entry; 0 if there is none."""

    async def wait_for_entries(self, tenant_id: str, after: int, timeout_ms: int) -> bool:
        """Returns as soon as there is an entry behind `after` (True), or when the time is over
        (False).
        """
