"""The manners of a foreign tool, as the catalog corrects them: which of its answers mean that it
failed, and what its errors say about what was done.

Real servers answer errors as plain text, and make an error of their own broken connection. Nobody
but the operator can know that; so it stands in the catalog.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TypeAlias

from clearance.core.canonical import Json
from clearance.core.outcome import CallError, ErrorClass, OutcomeStatus, Sent

ANSWER_MEANS_FAILED = "ANSWER_MEANS_FAILED"
ERROR_MEANS_UNKNOWN = "ERROR_MEANS_UNKNOWN"

Scalar: TypeAlias = str | int | float | bool


@dataclass(frozen=True, slots=True)
class FailedWhen:
    """One sign that an answer means failed: a value in its structure, or the beginning of its text.

    `pointer` is a JSON Pointer (RFC 6901) into the structured answer, or else into the text if that
    is JSON. Without `equals`, anything there but null is the sign.
    """

    pointer: str | None = None
    equals: Scalar | None = None
    prefixes: tuple[str, ...] = ()

    def matches(self, structure: Json, text: str) -> bool:
        """True if an answer has the sign."""
        if self.pointer is None:
            return text.lstrip().startswith(self.prefixes)
        value = _at(self.pointer, structure)
        if self.equals is None:
            return value is not None
        # To Python, True is 1.
        alike = isinstance(value, bool) == isinstance(self.equals, bool)
        return alike and bool(value == self.equals)


@dataclass(frozen=True, slots=True)
class Manners:
    """What the catalog says of a tool's answers and errors."""

    failed_when: tuple[FailedWhen, ...] = ()
    error_means: OutcomeStatus = OutcomeStatus.FAILED

    def means_failed(self, structure: Json, text: str) -> bool:
        """True if an answer means failed. `structure` is None if it has none but its text."""
        if structure is None and any(sign.pointer is not None for sign in self.failed_when):
            with suppress(ValueError, RecursionError):
                structure = json.loads(text)
        return any(sign.matches(structure, text) for sign in self.failed_when)

    def of_error(self, error: CallError, structure: Json, text: str) -> CallError:
        """What an error means that a tool gave as its answer.

        If it leaves open what was done, it is as if the connection was lost: a repeatable effect
        may be tried again, unless the tool says that this would not help.
        """
        if self.error_means is not OutcomeStatus.UNKNOWN or self.means_failed(structure, text):
            return error
        unclear = error.error_class is ErrorClass.UNKNOWN
        why = "The catalog says that this error leaves open what was done."
        return replace(
            error,
            error_class=ErrorClass.DOWNSTREAM if unclear else error.error_class,
            sentence=f"{why} {error.sentence}",
            sent=Sent.MAYBE,
            code=ERROR_MEANS_UNKNOWN,
        )


def means_failed(tool: str, text: str) -> CallError:
    """The error that an answer is, if the catalog says so."""
    sentence = f"The tool {tool} answered, and the catalog says that this answer means failed"
    whole = f"{sentence}: {text}" if text else f"{sentence}."
    return CallError(ErrorClass.UNKNOWN, whole, Sent.ANSWERED, code=ANSWER_MEANS_FAILED)


AS_IT_SAYS = Manners()
"""A tool that says whether it failed, and fails only if nothing was done."""


def _at(pointer: str, value: Json) -> Json:
    """What a pointer names in a value; None if there is nothing."""
    for part in pointer.split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        if isinstance(value, Mapping):
            value = value.get(name)
        elif isinstance(value, list) and name.isdecimal() and int(name) < len(value):
            value = value[int(name)]
        else:
            return None
    return value
