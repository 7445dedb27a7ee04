"""Which acts are the same, and that nobody can tell from a digest what they are."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearance.core.catalog import Action, Effect, ToolName
from clearance.core.intent import ActionIntent, RiskLevel
from clearance.core.likeness import likeness_key, likeness_of, same_call_of

KEY = likeness_key(b"s" * 16)
INTENT = ActionIntent("northwind", "acme", "i1", "PAY", {}, 0.9, RiskLevel.LOW, "ada")
PAY = Action(
    "PAY", ToolName("bank", "pay"), RiskLevel.LOW, Effect.KEYED, {"type": "object"}, "paid", "pay"
)
ARGUMENTS: dict[str, Any] = {"order": "o9", "amount": 5, "note": "n"}
values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner),
    max_leaves=4,
)


def like(intent: ActionIntent = INTENT, action: Action | None = PAY, **changes: Any) -> bytes:
    return likeness_of(KEY, intent, action, ARGUMENTS | changes)


def call(intent: ActionIntent = INTENT, **changes: Any) -> bytes:
    return same_call_of(KEY, intent, PAY, ARGUMENTS | changes)


@pytest.mark.parametrize(
    ("field", "value"),
    [("tenant_id", "southwind"), ("account_id", "globex"), ("action_type", "PAY_ALL")],
)
def test_other_parties_and_other_actions_are_never_the_same(field: str, value: str) -> None:
    other = replace(INTENT, **{field: value})
    assert like(other) != like()
    assert call(other) != call()


def test_a_likeness_knows_no_agent_and_a_call_does() -> None:
    ben = replace(INTENT, proposed_by="ben", confidence_score=0.1, why=("please",))
    assert like(ben) == like()
    assert call(ben) != call()
    assert call(replace(INTENT, confidence_score=0.1, action_intent_id="i2")) == call()


def test_without_the_key_of_the_installation_a_digest_cannot_be_made() -> None:
    other = likeness_key(b"t" * 16)
    assert likeness_of(other, INTENT, PAY, ARGUMENTS) != like()
    assert len({like(), call(), KEY}) == 3
    assert {len(like()), len(call()), len(KEY)} == {32}


def test_only_what_the_catalog_names_counts() -> None:
    by_order = replace(PAY, same_when=("order",))
    assert like(action=by_order, amount=6, note="x") == like(action=by_order)
    assert like(action=by_order, order="o8") != like(action=by_order)
    assert like(amount=6) != like()
    absent = {name: value for name, value in ARGUMENTS.items() if name != "order"}
    for action in (by_order, PAY):
        left_out = likeness_of(KEY, INTENT, action, absent)
        for empty in (None, "", " ", "\u200b"):
            assert likeness_of(KEY, INTENT, action, absent | {"order": empty}) == left_out
        for value in (0, False, [], {}, "0"):
            assert likeness_of(KEY, INTENT, action, absent | {"order": value}) != left_out


WRITTEN = [
    "O9",
    "  o9\n",
    "\uff4f9",
    "o\u200b9",
    "\ufeffo9",
    "o\u00ad9",
    "\u043e9",
    "09",
]


@pytest.mark.parametrize("order", WRITTEN)
def test_a_no_is_not_passed_by_how_a_text_is_written(order: str) -> None:
    assert like(order=order) == like()
    assert call(order=order) != call(), "a call that is folded is the same to the letter"
    nested = likeness_of(KEY, INTENT, PAY, {"lines": [{"order": order}]})
    assert nested == likeness_of(KEY, INTENT, PAY, {"lines": [{"order": "o9"}]})


@given(values, values)
def test_two_calls_are_the_same_only_if_their_arguments_are(one: Any, other: Any) -> None:
    equal = repr(one) == repr(other) or (one == other and type(one) is type(other))
    assert (
        same_call_of(KEY, INTENT, PAY, {"x": one}) == same_call_of(KEY, INTENT, PAY, {"x": other})
    ) == equal


def test_words_stay_apart_and_numbers_are_numbers() -> None:
    for together in ("a b", "a\nb", "é\tb", "é\nb"):
        assert like(note=together) != like(note=together.replace(together[1], ""))
    assert like(amount=5.0) == like(amount=5)
    assert like(amount="5") != like(amount=5)


@pytest.mark.parametrize(
    "template", ["{action_intent_id}", "ref {action_intent_id}", {"a": ["{action_intent_id}"]}]
)
def test_an_act_is_not_another_one_because_of_its_id(template: Any) -> None:
    """The agent chooses the id, and would have a new act with each."""
    action = replace(PAY, arguments={"reference": template, "note": "{order}"})
    for reference in ("i1", "i2"):
        given = ARGUMENTS | {"reference": reference}
        assert likeness_of(KEY, INTENT, action, given) == like(action=action)
        assert same_call_of(KEY, INTENT, action, given) == call()
    assert likeness_of(KEY, INTENT, action, ARGUMENTS | {"note": "x"}) != like(action=action)
