"""Characters that hide, steer or reorder a text, made visible.

Its one idea: no door removes a character. A reader sees each one that has no picture of its own by
its number, for example `⟨U+202E⟩`, so that two texts that differ also look different. This list is
the only one.
"""

from __future__ import annotations

import re
import unicodedata

# Controls, format characters (direction marks and tags among them), lone surrogates, private use,
# what is not assigned, and separators of lines and paragraphs.
_HIDDEN_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
# Letters, marks and a symbol that show nothing: a joiner, fillers, the Khmer inherent vowels, and
# the Braille pattern without dots.
_FILLERS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
_VARIATION_SELECTORS = (range(0x180B, 0x1810), range(0xFE00, 0xFE10), range(0xE0100, 0xE01F0))
_LINE_BREAK, _TAB = "\n", "\t"
_PICTURES = {_LINE_BREAK: "↵", _TAB: "⇥"}
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
    """
    return _NOT_PLAIN.sub(_in_text, text)


def on_one_line(text: str) -> str:
    """The text on one line: as `visible`, and a line break is shown as `↵`, a tab as `⇥`."""
    return _NOT_PLAIN.sub(_in_line, text)


def _in_text(match: re.Match[str]) -> str:
    character = match[0]
    return character if character in _PICTURES or not hidden(character) else _number(character)


def _in_line(match: re.Match[str]) -> str:
    character = match[0]
    if picture := _PICTURES.get(character):
        return picture
    return _number(character) if hidden(character) else character


def _number(character: str) -> str:
    return f"⟨U+{ord(character):04X}⟩"
