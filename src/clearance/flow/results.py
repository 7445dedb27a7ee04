"""Results: what is kept of a tool's answer, which is all of it up to a limit, and its true size."""

from __future__ import annotations

import json

from clearance.core.outcome import Outcome, OutcomeStatus
from clearance.flow.ports.tools import ToolAnswer

RESULT_BYTES_MAX = (
    32 * 1024
)  # of the answer's JSON; a larger answer is kept as the text of its beginning


def keep(answer: ToolAnswer) -> Outcome:
    """A success with the tool's answer, cut to its limit.

    An answer that the tool runner cut already stays marked as cut.
    """
    written = json.dumps(answer.result, ensure_ascii=False, allow_nan=False)
    written_bytes = len(written.encode("utf-8", "replace"))
    size = written_bytes if answer.result_bytes is None else answer.result_bytes
    if written_bytes <= RESULT_BYTES_MAX:
        sentence = (
            f"The tool answered {size} bytes; a part is kept."
            if answer.truncated
            else "The tool answered."
        )
        return Outcome(
            OutcomeStatus.SUCCEEDED,
            sentence,
            answer.result,
            size,
            result_truncated=answer.truncated,
        )
    text = answer.result if isinstance(answer.result, str) else written
    kept = text.encode("utf-8", "replace")[:RESULT_BYTES_MAX].decode("utf-8", "ignore")
    sentence = f"The tool answered {size} bytes; the first {RESULT_BYTES_MAX} are kept."
    return Outcome(OutcomeStatus.SUCCEEDED, sentence, kept, size, result_truncated=True)
