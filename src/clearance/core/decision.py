"""The three answers of the gate, ordered by how much they allow, so that a row of checks can only tighten them."""

from __future__ import annotations

from enum import StrEnum


class Answer(StrEnum):
    """What may happen to an intent: it runs, it waits for a person, or it never runs."""

    AUTO_EXECUTE = "AUTO_EXECUTE"
    REQUIRE_APPROVAL = "REQUIRE_APPROVAL"
    BLOCK = "BLOCK"

    @property
    def strictness(self) -> int:
        """0 for the answer that allows most, 2 for the one that allows nothing."""
        return _STRICTNESS[self]


_STRICTNESS = {Answer.AUTO_EXECUTE: 0, Answer.REQUIRE_APPROVAL: 1, Answer.BLOCK: 2}
