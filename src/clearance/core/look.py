"""Look: what two texts have in common that a person may take for each other.

The tables are Unicode's: case, width, letters of other alphabets, characters that show nothing.
They keep ASCII apart, where a person does not: 1, l and I are one here, as are 0 and o, rn and m,
vv and w. Stores keep the looks of accounts, so another fold needs a migration.
"""

from __future__ import annotations

from disarm import skeleton_key

from clearance.core.visible import hidden

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
