"""What is kept of a tool's answer: all of it up to a limit, and its true size."""

from __future__ import annotations

import json

from clearance.core.intent import Json
from clearance.core.outcome import Outcome, OutcomeStatus

RESULT_BYTES_MAX = 32 * 1024  # of the answer's JSON; a larger answer is kept as the text of its beginning


def keep(result: Json) -> Outcome:
    """A success with the tool's answer, cut to its limit."""
    text = json.dumps(result, ensure_ascii=False, allow_nan=False)
    size = len(text.encode("utf-8", "replace"))
    if size <= RESULT_BYTES_MAX:
        return Outcome(OutcomeStatus.SUCCEEDED, "The tool answered.", result, size)
    kept = text.encode("utf-8", "replace")[:RESULT_BYTES_MAX].decode("utf-8", "ignore")
    sentence = f"The tool answered {size} bytes; the first {RESULT_BYTES_MAX} are kept."
    return Outcome(OutcomeStatus.SUCCEEDED, sentence, kept, size, result_truncated=True)
