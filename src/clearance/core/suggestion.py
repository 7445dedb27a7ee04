"""What was perhaps meant by a word that is not known."""

from __future__ import annotations

from collections.abc import Collection
from difflib import get_close_matches

from clearance.core.canonical import Json


def suggestion(value: Json, known: Collection[str]) -> str:
    """A question to add to a sentence, if one of the known words is close to what was written."""
    if not isinstance(value, str):
        return ""
    by_lower = {word.lower(): word for word in sorted(known)}
    close = get_close_matches(value.lower(), list(by_lower), n=1)
    return f"; did you mean {by_lower[close[0]]}?" if close else ""
