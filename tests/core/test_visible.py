"""Hidden characters: no door hides one, and no door removes one."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearance.cli.output import clean
from clearance.core.template import phrase, plain
from clearance.core.visible import hidden, on_one_line, visible
from clearance.web.rendering import Renderer

NAMED = "\u034f\u3164\u2800\U000e0100\U0001d173\U0001bca0\u202e\u200b\ud800\U000e0041\ufe0f\x00"
"""Each got past one of the three lists that there were."""

EVERY = [
    character
    for character in map(chr, range(0x110000))
    if unicodedata.category(character) in {"Cc", "Cf", "Cs", "Zl", "Zp"}
    or ("FILLER" in unicodedata.name(character, "") and unicodedata.category(character) != "Po")
    or "VARIATION SELECTOR" in unicodedata.name(character, "")
]


def in_a_sentence(text: str) -> str:
    return plain(phrase("{x}", {"x": text})).strip("'")


def on_a_page(text: str) -> str:
    template = Renderer()._templates.from_string("{{ text }}")
    return template.render(text=text)


@pytest.mark.parametrize("show", [visible, on_one_line, clean, in_a_sentence, on_a_page])
@pytest.mark.parametrize("characters", [list(NAMED), EVERY], ids=["named", "every"])
def test_every_hidden_character_is_visible_at_every_door(show, characters: list[str]) -> None:
    pictures = {"\n": {"\n", "↵"}, "\t": {"\t", "⇥"}}
    for character in characters:
        number = f"⟨U+{ord(character):04X}⟩"
        assert show(f"a{character}b") in {
            f"a{shown}b" for shown in pictures.get(character, {number})
        }, number


@given(st.text())
def test_what_is_visible_stays_as_it_is_and_nothing_is_lost(text: str) -> None:
    shown = visible(text)
    assert not any(hidden(character) for character in shown if character not in "\n\t\ufe0f")
    assert visible(shown) == shown
    kept = "".join(character for character in text if not hidden(character))
    assert visible(kept) == kept
    assert on_one_line(kept) == kept


def test_texts_that_differ_look_different() -> None:
    assert visible("pay\u200b") != visible("pay")
    assert visible("é 日本 🚀 \u00a0") == "é 日本 🚀 \u00a0"
    assert visible("❤\ufe0f and\ufe0f \ufe0f") == "❤\ufe0f and⟨U+FE0F⟩ ⟨U+FE0F⟩"
