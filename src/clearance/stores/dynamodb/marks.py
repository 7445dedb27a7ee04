"""The marks of attempts in the DynamoDB store's table: a small item for each attempt, written alone
and by condition.
"""

from __future__ import annotations

from clearance.core.outcome import Sent
from clearance.flow.ports.marks import Mark, Phase
from clearance.stores.dynamodb import table
from clearance.stores.dynamodb.client import Calls, Item


class DynamoMarks:
    """The `Marks` of one table."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def mark(self, tenant_id: str, action_intent_id: str, attempt: int) -> Mark | None:
        item = await self._calls.get(table.mark(tenant_id, action_intent_id, attempt))
        return None if item is None else _mark(item)

    async def swap(
        self, tenant_id: str, action_intent_id: str, attempt: int, seen: Mark | None, new: Mark
    ) -> bool:
        """If an answer was lost, `by` says whether it was written."""
        key = table.mark(tenant_id, action_intent_id, attempt)
        condition = (
            ("attribute_not_exists(pk)", {})
            if seen is None
            else ("written_by = :seen", {"seen": seen.by})
        )
        if await self._calls.put_if(key, _item(new), condition[0], **condition[1]):
            return True
        item = await self._calls.get(key)
        return item is not None and item["written_by"] == new.by


def _item(mark: Mark) -> Item:
    known = {"tries": mark.tries, "sent": mark.sent.value, "wait_ms": mark.wait_ms}
    return {**known, "phase": mark.phase.value, "written_by": mark.by}


def _mark(item: Item) -> Mark:
    return Mark(
        item["tries"], Sent(item["sent"]), item["wait_ms"], Phase(item["phase"]), item["written_by"]
    )
