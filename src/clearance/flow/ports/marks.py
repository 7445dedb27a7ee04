"""The port of marks: the tries of one attempt, where separate invocations see them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from clearance.core.outcome import Sent


class Phase(StrEnum):
    """Where the latest try of an attempt is."""

    BEGUN = "BEGUN"  # it may have been sent, and no more is known
    OVER = "OVER"  # it is known what it sent, and it may be repeated
    CLOSED = "CLOSED"  # nothing is sent any more


@dataclass(frozen=True, slots=True)
class Mark:
    """The tries of one attempt so far, as in `Tried`. `by` differs between any two marks."""

    tries: int
    sent: Sent
    wait_ms: int
    phase: Phase
    by: str


class Marks(Protocol):
    """Where the marks of attempts are kept, for ever.

    Every method raises Unavailable if it cannot be done now.
    """

    async def mark(self, tenant_id: str, action_intent_id: str, attempt: int) -> Mark | None:
        """The mark of an attempt, as it is now."""

    async def swap(
        self, tenant_id: str, action_intent_id: str, attempt: int, seen: Mark | None, new: Mark
    ) -> bool:
        """Writes a mark if the one before it is still `seen`,
        durably; False if it is another one.
        """
