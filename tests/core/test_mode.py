"""Autonomy modes: the narrowest place wins, and nothing configured asks a person."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from clearance.core.mode import Allowlist, AutonomyMode, ModeRule, resolve

PLACES = (("acme", "MAIL"), (None, "MAIL"), ("acme", None), (None, None))
SOURCES = ("account and action type", "action type", "account default", "tenant default")
ELSEWHERE = (("globex", "MAIL"), ("acme", "REFUND"), ("Acme", "MAIL"), (None, "REFUND"))

rules_there = st.dictionaries(
    st.sampled_from(PLACES + ELSEWHERE), st.sampled_from(AutonomyMode), max_size=8
)


@given(rules_there, st.randoms())
def test_the_first_place_with_a_rule_decides_in_any_order_of_rules(
    by_place: dict[tuple[str | None, str | None], AutonomyMode], random: Random
) -> None:
    rules = [ModeRule(mode, *place) for place, mode in by_place.items()]
    random.shuffle(rules)
    resolved = resolve(rules, "acme", "MAIL")
    expected = next(
        (
            (by_place[place], source)
            for place, source in zip(PLACES, SOURCES, strict=True)
            if place in by_place
        ),
        (AutonomyMode.APPROVAL_REQUIRED, "nothing configured"),
    )
    assert (resolved.mode, resolved.source) == expected


def test_the_allowlist_of_an_account_adds_to_the_tenants() -> None:
    allowlist = Allowlist(frozenset({"MAIL"}), {"acme": frozenset({"REFUND"})})
    assert allowlist.allows("acme", "MAIL")
    assert allowlist.allows("acme", "REFUND")
    assert allowlist.allows("globex", "MAIL")
    assert not allowlist.allows("globex", "REFUND")
    assert not Allowlist().allows("acme", "MAIL")
