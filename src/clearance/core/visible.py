"""Characters that hide, steer or reorder a text, made visible.

Its one idea: no door removes a character. A reader sees each one that has no picture of its own by
its number, for example `⟨U+202E⟩`, so that two texts that differ also look different. This list is
the only one.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping

# Controls, format characters (direction marks and tags among them), lone surrogates, private use,
# what is not assigned, and separators of lines and paragraphs.
_HIDDEN_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
# Letters, marks and symbols that show nothing: a joiner, fillers, the Khmer inherent vowels, the
# Braille pattern without dots, and the musical note without a head.
_FILLERS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0\U00016fe4\U0001d159")
_VARIATION_SELECTORS = (range(0x180B, 0x1810), range(0xFE00, 0xFE10), range(0xE0100, 0xE01F0))
_EMOJI_SELECTOR = "\ufe0f"
_AS_THEY_ARE = {"\n": "\n", "\t": "\t"}
_PICTURES = {"\n": "↵", "\t": "⇥"}
_NOT_PLAIN = re.compile(r"[^ -~]")


def hidden(character: str) -> bool:
    """True if a character shows nothing of its own, or changes how the text around it is read.

    Line breaks and tabs are controls too.
    """
    return (
        unicodedata.category(character) in _HIDDEN_CATEGORIES
        or character in _FILLERS
        or any(ord(character) in selectors for selectors in _VARIATION_SELECTORS)
    )


def visible(text: str) -> str:
    """The text over its lines: every hidden character is shown by its number, and only line breaks
    and tabs stay what they are.

    The selector that draws a symbol as an emoji is seen in the symbol before it, and stays.
    """
    return _NOT_PLAIN.sub(lambda match: _shown(match, _AS_THEY_ARE), text)


def on_one_line(text: str) -> str:
    """The text on one line: as `visible`, and a line break is shown as `↵`, a tab as `⇥`."""
    return _NOT_PLAIN.sub(lambda match: _shown(match, _PICTURES), text)


def _shown(match: re.Match[str], pictures: Mapping[str, str]) -> str:
    character = match[0]
    if picture := pictures.get(character):
        return picture
    if not hidden(character) or _draws_an_emoji(match):
        return character
    return f"⟨U+{ord(character):04X}⟩"


def _draws_an_emoji(match: re.Match[str]) -> bool:
    before = match.string[max(0, match.start() - 1) : match.start()]
    return match[0] == _EMOJI_SELECTOR and unicodedata.category(before or " ") == "So"
