"""Refusals: everything that Clearance refuses to do, by name and stable code.

A refusal has one sentence, the same in the API, the CLI, the pages and the ledger. Its class is the
kind of refusal (doors map kinds to their own statuses); its code says which refusal it is.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with an input: where (`path`, names and list positions from the
    outside in) and what.
    """

    path: tuple[str | int, ...]
    sentence: str

    def __str__(self) -> str:
        where = ".".join(str(part) for part in self.path)
        return f"{where}: {self.sentence}" if where else self.sentence


IN_DOUBT = "IN_DOUBT"
"""The code of what may have been done: a commit was asked for, and its answer was lost."""


class Refusal(Exception):
    """Something was asked that Clearance refuses; nothing was stored, consumed or called, unless
    the code is `IN_DOUBT`.
    """

    code = "REFUSED"

    def __init__(
        self, sentence: str, *, code: str | None = None, problems: tuple[Problem, ...] = ()
    ) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.problems = problems
        if code is not None:
            self.code = code


class InvalidInput(Refusal):
    """The input does not have the shape that it must have."""

    code = "INVALID_INPUT"


class TooLarge(Refusal):
    """The input is larger than its limit."""

    code = "TOO_LARGE"


class Unauthenticated(Refusal):
    """No valid credential came with the request."""

    code = "UNAUTHENTICATED"


class Forbidden(Refusal):
    """The credential is valid, and does not allow this."""

    code = "FORBIDDEN"


class NotFound(Refusal):
    """The tenant has nothing of that name."""

    code = "NOT_FOUND"


class Conflict(Refusal):
    """The current state does not allow this."""

    code = "CONFLICT"


class TooMany(Refusal):
    """More came than may: a rate or a quota is used up.

    `retry_after_seconds`: when the same request may be sent again; None if time alone does not
    help.
    """

    code = "TOO_MANY"
    retry_after_seconds: int | None = None

    @classmethod
    def for_seconds(cls, seconds: int, sentence: str, *, code: str) -> TooMany:
        """The refusal of what may be sent again after so many seconds."""
        refusal = cls(sentence, code=code)
        refusal.retry_after_seconds = seconds
        return refusal


class VersionMismatch(Refusal):
    """The settings changed since they were read."""

    code = "VERSION_MISMATCH"


class VersionRequired(Refusal):
    """A change of settings must name the version that it was made from."""

    code = "VERSION_REQUIRED"


class Unavailable(Refusal):
    """It cannot be done now. Nothing was done, and the same request may be sent again.

    With the code `IN_DOUBT` it is not known whether it was done. Then only a request that does no
    more when it is repeated may be sent again.

    `action_intent_id`: the id of the proposal that this is about, also if it was made here.
    """

    code = "UNAVAILABLE"
    action_intent_id: str | None = None

    @property
    def in_doubt(self) -> bool:
        """True if what was asked may have been done."""
        return self.code == IN_DOUBT

    def about(self, action_intent_id: str) -> Unavailable:
        """The same of a proposal: another one, because callers who waited together share this."""
        named = Unavailable(self.sentence, code=self.code, problems=self.problems)
        named.action_intent_id = action_intent_id
        return named
