"""What was perhaps meant by a word that is not known."""

from __future__ import annotations

from collections.abc import Collection
from difflib import get_close_matches

from clearance.core.canonical import Json

COMPARED_MAX = 100  # words that a caller's word is compared with; 64 characters each take 20 ms


def suggestion(value: Json, known: Collection[str]) -> str:
    """A question to add to a sentence, if one of the known words is close to what was written."""
    if not isinstance(value, str):
        return ""
    by_lower = {word.lower(): word for word in sorted(known)}
    close = get_close_matches(value.lower(), list(by_lower), n=1)
    return f"; did you mean {by_lower[close[0]]}?" if close else ""


def bounded_suggestion(value: Json, known: Collection[str]) -> str:
    """The same for a word of a caller, who must not choose how long it takes: of many known words,
    only some that begin like it.
    """
    if len(known) > COMPARED_MAX and isinstance(value, str):
        start = value[:2].lower()
        known = [word for word in known if word[:2].lower() == start][:COMPARED_MAX]
    return suggestion(value, known)
