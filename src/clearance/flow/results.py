"""Results: what is kept of a tool's answer, which is all of it up to a limit, and its true size."""

from __future__ import annotations

from dataclasses import replace

from clearance.core.call import outcome_of
from clearance.core.canonical import Json
from clearance.core.cut import cut, json_bytes
from clearance.core.outcome import CallError, Outcome, OutcomeStatus
from clearance.flow.ports.tools import ToolAnswer

RESULT_BYTES_MAX = 32 * 1024  # of the answer's JSON; a larger one is cut inside its structure


def keep(answer: ToolAnswer) -> Outcome:
    """A success with the tool's answer, cut to its limit.

    An answer that the tool runner cut already stays marked as cut, and so does one of which parts
    are left out.
    """
    kept, how = _kept(answer.result)
    size = json_bytes(answer.result) if answer.result_bytes is None else answer.result_bytes
    size += sum(part.size for part in answer.left_out)
    if how is None and answer.truncated:
        how = "a part is kept"
    if answer.left_out:
        missing = f"not kept: {', '.join(map(str, answer.left_out))}"
        how = f"{how}; {missing}" if how else missing
    sentence = f"The tool answered {size} bytes; {how}." if how else "The tool answered."
    return Outcome(OutcomeStatus.SUCCEEDED, sentence, kept, size, result_truncated=how is not None)


def ended(error: CallError, answer: ToolAnswer | None) -> Outcome:
    """How an execution ended with an error, and what is kept of an answer that means it."""
    outcome = outcome_of(error)
    if answer is None:
        return outcome
    kept = keep(answer)
    return replace(kept, status=outcome.status, sentence=outcome.sentence, error=error)


def _kept(result: Json) -> tuple[Json, str | None]:
    """What is kept, and how it is cut; None if it is whole."""
    if json_bytes(result) <= RESULT_BYTES_MAX:
        return result, None
    if isinstance(result, str):
        text = result.encode(errors="replace")[:RESULT_BYTES_MAX].decode(errors="ignore")
        return text, f"the first {RESULT_BYTES_MAX} are kept"
    kept = cut(result, RESULT_BYTES_MAX)
    return kept, f"{json_bytes(kept)} are kept, cut in its longest parts"
