"""Answers that a tool server makes dear: what is alike once it is masked, and what is looked at."""

from __future__ import annotations

from clearance.tools.masking import Mask
from clearance.tools.untrusted import ASIDE_CHARACTERS, storable, takes_long

SECRET = "s3cr3t-value-of-16"
MANY = 8_000


def spelled(number: int) -> str:
    """The secret, in one of many spellings that JSON has for it."""
    escapes = (f"\\u{ord(letter):04x}" for letter in SECRET)
    pairs = zip(f"{number:0{len(SECRET)}b}", escapes, SECRET, strict=True)
    return "".join(escape if bit == "1" else letter for bit, escape, letter in pairs)


def test_names_that_are_masked_alike_are_counted_and_not_tried_one_by_one() -> None:
    names = {spelled(number): number for number in range(MANY)}
    kept = storable(names, Mask([SECRET])).result
    assert isinstance(kept, dict)
    assert len(kept) == len(names) == MANY
    assert sorted(kept.values()) == list(range(MANY))
    assert {name.partition(" (")[0] for name in kept} == {"***"}
    taken = storable({"*** (2)": 1, SECRET: 2, spelled(1): 3}, Mask([SECRET])).result
    assert taken == {"*** (2)": 1, "***": 2, "*** (3)": 3}


def test_what_takes_long_is_known_without_looking_at_all_of_it() -> None:
    small = {"items": [{"id": number} for number in range(10)], "text": "x" * 1_000}
    assert not takes_long(small, None, "text", 5)
    assert takes_long("x" * (ASIDE_CHARACTERS + 1))
    assert takes_long([[]] * (ASIDE_CHARACTERS + 1))
    assert takes_long({"a": "x" * ASIDE_CHARACTERS}, "y")
    deep: list[object] = []
    for _ in range(ASIDE_CHARACTERS + 1):
        deep = [deep]
    assert takes_long(deep)
