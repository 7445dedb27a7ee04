"""Look: what two texts have in common that a person may take for each other.

The tables are Unicode's: case, width, letters of other alphabets, characters that show nothing.
They keep ASCII apart, where a person does not: 1, l and I are one here, as are 0 and o, rn and m,
vv and w. Stores keep the looks of accounts, so another fold needs a migration.
"""

from __future__ import annotations

from collections.abc import Collection
from difflib import SequenceMatcher

from disarm import skeleton_key

from clearance.core.visible import hidden

NEAR_MAX = 5  # names that are near another
_COMPARED_MAX = 20  # names that are compared letter by letter: those with most pairs in common
_RATIO_MIN = 0.6  # of letters in common, as `difflib` counts them

# An I is read as an l by the tables, and as an i by case.
_LETTERS = str.maketrans({"i": "l", "1": "l", "0": "o"})
_PAIRS = (("rn", "m"), ("vv", "w"))


def skeleton(text: str) -> str:
    """The text in small plain letters and digits, as Unicode's tables have it; spaces are one."""
    if not text.isascii():
        text = "".join(each for each in text if each.isspace() or not hidden(each))
    return skeleton_key(text)


def look(text: str) -> str:
    """What a text has in common with all that look like it."""
    folded = skeleton(text).translate(_LETTERS)
    for pair, letter in _PAIRS:
        folded = folded.replace(pair, letter)
    return folded


def near(name: str, names: Collection[str]) -> tuple[str, ...]:
    """The names that a person may have meant by another one, the nearest first, at most NEAR_MAX:
    those that look like it, and those that are spelt much like it.
    """
    meant, seen = skeleton(name), look(name)
    texts = {other: skeleton(other) for other in names if other != name}
    pairs = _pairs(meant)
    shared = sorted(texts, key=lambda other: (-len(pairs & _pairs(texts[other])), other))
    ratios = {
        other: 1.0 if look(other) == seen else SequenceMatcher(None, texts[other], meant).ratio()
        for other in shared[:_COMPARED_MAX]
    }
    close = (other for other in ratios if ratios[other] >= _RATIO_MIN)
    return tuple(sorted(close, key=lambda other: -ratios[other])[:NEAR_MAX])


def _pairs(text: str) -> frozenset[str]:
    return frozenset(text[at : at + 2] for at in range(max(len(text) - 1, 1)))
