"""Outcomes: how an execution ended, in which class of error, and whether anything was sent.

An outcome is honest about doubt: `UNKNOWN` means that the call may have happened and no answer
came.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from clearance.core.canonical import Json


class OutcomeStatus(StrEnum):
    """How the execution of an intent ended."""

    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    UNKNOWN = "UNKNOWN"


class ErrorClass(StrEnum):
    """The kind of error that a tool call met."""

    AUTH = "AUTH"
    RATE_LIMIT = "RATE_LIMIT"
    VALIDATION = "VALIDATION"
    DOWNSTREAM = "DOWNSTREAM"
    TIMEOUT = "TIMEOUT"
    UNKNOWN = "UNKNOWN"


TRANSIENT = frozenset({ErrorClass.RATE_LIMIT, ErrorClass.DOWNSTREAM, ErrorClass.TIMEOUT})
"""The classes in which the same call may succeed a little later."""


class Sent(StrEnum):
    """Whether a tool call that met an error was sent.

    `NOT_SENT`: the request never left us. `MAYBE`: it was (or may have been) sent and no answer
    came. `ANSWERED`: the tool server answered, with an error.
    """

    NOT_SENT = "NOT_SENT"
    ANSWERED = "ANSWERED"
    MAYBE = "MAYBE"

    def worst(self, other: Sent) -> Sent:
        """What is known of two tries together: one that may have gone through is not undone by one
        that did not.
        """
        order = list(Sent)
        return max(self, other, key=order.index)


@dataclass(frozen=True, slots=True)
class CallError:
    """Why a tool call did not succeed. `sentence` is safe to show and store: it holds no secret.

    `retry_after_ms` is the pause that the tool asked for. `retry_at` (milliseconds since 1970) is
    its end, in the error that ended the tries.
    """

    error_class: ErrorClass
    sentence: str
    sent: Sent
    code: str = "TOOL_ERROR"
    retry_after_ms: int | None = None
    retry_at: int | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one execution ended.

    `result` is the tool's answer, cut to its limit; `result_bytes` is its size before the cut.
    """

    status: OutcomeStatus
    sentence: str
    result: Json = None
    result_bytes: int = 0
    result_truncated: bool = False
    error: CallError | None = None

    @property
    def nothing_sent(self) -> bool:
        """True if it is known that the tool was never called, so that the budget's hold is given
        back.
        """
        return self.status is OutcomeStatus.CANCELLED
