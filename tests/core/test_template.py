"""Templates: data goes in once, keeps its type where it stands alone, and is never a template."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearance.core.intent import ActionIntent, RiskLevel
from clearance.core.template import (
    SHOWN_LENGTH_MAX,
    fill,
    placeholders,
    sentence,
    values_of,
)


def values(**parameters: Any) -> dict[str, Any]:
    intent = ActionIntent("t", "acme", "i1", "MAIL", parameters, 0.9, RiskLevel.LOW, "ada")
    return values_of(intent, parameters)


def test_the_fields_of_an_intent_win_over_parameters_of_the_same_name() -> None:
    known = values(account_id="rival", title="x", result="forged")
    assert sentence("{title} for {account_id}: {result}", known) == "x for acme: ?"
    assert sentence("{parameters.account_id}", known) == "rival"


@given(st.text(max_size=30))
def test_a_value_is_never_read_as_a_template(value: str) -> None:
    known = values(title=value + "{account_id}", secret="no")
    assert fill("{title}", known) == value + "{account_id}"
    assert fill("<{title}>", known) == f"<{value}{{account_id}}>"


@given(st.integers() | st.booleans() | st.none() | st.lists(st.integers(), max_size=3))
def test_a_placeholder_alone_keeps_the_type_of_its_value(value: Any) -> None:
    filled = fill({"a": ["{x}", {"b": "{x}"}], "c": 1}, {"x": value})
    assert filled == {"a": [value, {"b": value}], "c": 1}
    assert type(filled["a"][0]) is type(value)


def test_a_missing_value_is_an_error_in_a_call_and_a_question_mark_in_a_sentence() -> None:
    with pytest.raises(KeyError, match=r"target\.id"):
        fill("x {target.id}", values())
    assert sentence("x {target.id}", values()) == "x ?"


@given(st.text(max_size=300))
def test_a_sentence_stays_on_one_line_and_short(value: str) -> None:
    shown = sentence("{x}", {"x": value})
    assert len(shown) <= SHOWN_LENGTH_MAX
    assert not any(mark in shown for mark in "\n\r\t\x00\u202e\u2028\u200b")


def test_names_are_listed_in_their_order() -> None:
    assert placeholders("{b} {a.c-1} {1x} {} {b}") == ["b", "a.c-1", "b"]
