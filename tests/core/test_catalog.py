"""The catalog: parameters fit their schema, amounts are never rounded, risk only rises."""

from __future__ import annotations

from dataclasses import fields, replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearance.core.catalog import PROBLEMS_MAX, Action, Effect, ToolName, Undo
from clearance.core.errors import InvalidInput
from clearance.core.intent import ActionIntent, RiskLevel
from clearance.core.manners import Manners
from clearance.core.outcome import OutcomeStatus

SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["order"],
    "properties": {
        "order": {"type": "string", "maxLength": 5},
        "amount": {"type": "number", "x-scale": 100},
    },
    "additionalProperties": False,
}
REFUND = Action(
    "REFUND",
    ToolName("shop", "refund"),
    RiskLevel.MEDIUM,
    Effect.KEYED,
    SCHEMA,
    "refunded",
    "refund",
    spends="amount",
)


def intent(risk: RiskLevel = RiskLevel.LOW, **parameters: Any) -> ActionIntent:
    return ActionIntent("t", "acme", "i1", "REFUND", parameters, 0.9, risk, "ada")


def test_every_problem_is_reported_with_its_place_up_to_a_limit() -> None:
    with pytest.raises(InvalidInput) as refused:
        REFUND.check_parameters({"order": "too long", "amount": "1", "more": 1})
    assert refused.value.code == "INVALID_PARAMETERS"
    assert {problem.path for problem in refused.value.problems} == {
        ("parameters",),
        ("parameters", "order"),
        ("parameters", "amount"),
    }
    texts_only = replace(REFUND, parameters={"additionalProperties": {"type": "string"}})
    numbers = {str(number): number for number in range(2 * PROBLEMS_MAX)}
    with pytest.raises(InvalidInput) as refused:
        texts_only.check_parameters(numbers)
    assert len(refused.value.problems) == PROBLEMS_MAX


@given(st.decimals(0, 10**6, places=4))
def test_an_amount_is_whole_units_or_unknown(amount: Decimal) -> None:
    exact = Decimal(repr(float(amount))) * 100
    assert REFUND.amount_spent({"amount": float(amount)}) == (exact if exact % 1 == 0 else None)


def test_of_an_integer_the_units_are_spent() -> None:
    """Its scale says how people read it."""
    schema = {"type": "object", "properties": {"amount": {"type": "integer", "x-scale": 100}}}
    assert replace(REFUND, parameters=schema).amount_spent({"amount": 250}) == 250


def test_what_no_branch_declares_and_what_would_be_rounded_is_refused() -> None:
    to = {"properties": {"mail": {"type": "string"}}}
    schema = {**SCHEMA, "properties": {**SCHEMA["properties"], "to": to}}
    action = replace(REFUND, parameters=schema)
    action.check_parameters({"order": "x", "to": {"mail": "y"}, "amount": 0.29})
    with pytest.raises(InvalidInput) as refused:
        action.check_parameters({"order": "x", "to": {"bcc": "y"}, "amount": 250.009})
    assert refused.value.code == "INVALID_PARAMETERS"
    assert {problem.path for problem in refused.value.problems} == {
        ("parameters", "to", "bcc"),
        ("parameters", "amount"),
    }
    assert "has more than 2 decimals; 250.01 was probably meant" in refused.value.sentence


@pytest.mark.parametrize("others", [{}, {"additionalProperties": False}])
def test_a_misspelt_parameter_is_refused_with_the_one_that_was_meant(others: Any) -> None:
    """At any depth, and whether the validator refuses the name or we do."""
    to = {"type": "object", "properties": {"mail": {"type": "string"}}, **others}
    listed = {"type": "array", "items": to}
    schema = {"type": "object", "properties": {"amount": {}, "to": to, "all": listed}, **others}
    action = replace(REFUND, parameters=schema)
    for parameters, meant in [
        ({"amnt": 1}, "amount"),
        ({"to": {"mial": "x"}}, "mail"),
        ({"all": [{"mail": "x"}, {"mial": "x"}]}, "mail"),
    ]:
        with pytest.raises(InvalidInput, match=rf"; did you mean {meant}\?"):
            action.check_parameters(parameters)
    with pytest.raises(InvalidInput) as refused:
        action.check_parameters({"zzz": 1})
    assert "did you mean" not in refused.value.sentence


@pytest.mark.parametrize("amount", [-1, -0.01, True, "5", None, [5]])
def test_an_amount_that_is_none_is_unknown(amount: Any) -> None:
    assert REFUND.amount_spent({"amount": amount}) is None
    assert replace(REFUND, spends=None).amount_spent({"amount": 5}) is None


def test_a_default_that_excludes_what_the_agent_wrote_is_refused() -> None:
    schema = {
        "type": "object",
        "properties": {"page": {"type": "integer", "default": 1}, "cursor": {"type": "string"}},
        "oneOf": [{"required": ["page"]}, {"required": ["cursor"]}],
    }
    action = replace(REFUND, parameters=schema)
    assert action.with_defaults({}) == {"page": 1}
    action.check_parameters({"cursor": "x"})
    with pytest.raises(InvalidInput, match="with its defaults filled in"):
        action.with_defaults({"cursor": "x"})
    assert action.with_defaults({"cursor": 5}) == {"cursor": 5, "page": 1}, "it fits in no way"


@pytest.mark.parametrize(
    "described",
    [
        {"type": "object", "properties": {"a": {}}, "default": {"b": 1}},
        {"type": "number", "x-scale": 100, "default": 0.005},
        {"type": "integer", "default": 1e22},
    ],
)
def test_a_default_that_the_validator_alone_lets_through_is_refused(described: Any) -> None:
    """Settings that an earlier version accepted were not looked at when they were loaded."""
    action = replace(REFUND, parameters={"type": "object", "properties": {"o": described}})
    with pytest.raises(InvalidInput, match="with its defaults filled in"):
        action.with_defaults({})


@given(st.sampled_from(RiskLevel), st.sampled_from(RiskLevel))
def test_an_agent_can_raise_the_risk_and_never_lower_it(ours: RiskLevel, theirs: RiskLevel) -> None:
    effective = replace(REFUND, risk_level=ours).effective_risk(intent(theirs))
    assert effective == max(ours, theirs)


def test_only_an_at_most_once_effect_forbids_a_repeat() -> None:
    assert [effect for effect in Effect if not effect.repeatable] == [Effect.AT_MOST_ONCE]


CHANGED: dict[str, tuple[Any, set[str]]] = {
    "action_type": ("REFUND2", {"entry_digest", "digest_0_1"}),
    "tool": (ToolName("shop", "refund_all"), {"digest_0_1"}),  # a binding names it itself
    "risk_level": (RiskLevel.HIGH, {"shown_digest", "digest_0_1"}),
    "effect": (Effect.AT_MOST_ONCE, {"entry_digest", "digest_0_1"}),
    "parameters": ({}, {"digest_0_1"}),
    "sentence": ("x", set()),
    "proposal": ("x", {"shown_digest"}),
    "arguments": ({"x": 1}, {"entry_digest", "digest_0_1"}),
    "idempotency_argument": ("key", {"entry_digest", "digest_0_1"}),
    "spends": (None, {"digest_0_1"}),
    "approval_expires_after_ms": (1, set()),
    "manners": (Manners(error_means=OutcomeStatus.UNKNOWN), set()),
    "undo": (Undo(ToolName("shop", "charge"), {}, None), {"shown_digest"}),
    "label": ("Pay back", {"shown_digest"}),
    "description": ("It pays.", set()),  # on the page of the intent, for whoever wants to know more
    "prose": (frozenset({"note"}), set()),  # what becomes of it is in the final arguments
    "key_kept_for_ms": (1, {"entry_digest"}),
    "accepts": (("ACCOUNT_NOT_SENT",), set()),
    "same_when": (("order",), set()),  # it is about other acts, not about this call
    "editors_rule": (True, set()),  # it is about who rules, not about the call
    "account": ("order", set()),  # the account itself is the intent's, and checked with each call
}


@pytest.mark.parametrize("name", [field.name for field in fields(Action)])
def test_the_digests_cover_how_a_call_is_made_and_what_people_are_shown(name: str) -> None:
    """Each field of an action, changed alone. The decision record says why it is in, or not."""
    other, digests = CHANGED[name]
    action = replace(REFUND, **{name: other})
    every = ("entry_digest", "shown_digest", "digest_0_1")
    assert {part for part in every if getattr(action, part) != getattr(REFUND, part)} == digests


def test_people_are_shown_for_how_long_an_act_can_be_undone_and_not_how() -> None:
    undos = [Undo(ToolName("shop", tool), {}, ms) for tool, ms in (("a", None), ("b", None))]
    always, another, briefly = (
        replace(REFUND, undo=undo).shown_digest for undo in (*undos, replace(undos[0], within_ms=1))
    )
    assert always == another != briefly


def test_people_are_shown_the_unit_of_an_amount_and_so_it_is_compared() -> None:
    def amount(**declared: Any) -> Action:
        properties = {"amount": {"type": "integer", **declared}}
        return replace(REFUND, parameters={"type": "object", "properties": properties})

    plain, euros = amount(), amount(**{"x-unit": "EUR"})
    cents, dollars = (amount(**{"x-scale": 100, "x-unit": unit}) for unit in ("EUR", "USD"))
    assert plain.shown_digest == REFUND.shown_digest
    assert len({each.shown_digest for each in (plain, euros, cents, dollars)}) == 4
    assert cents.amount_spent({"amount": 34900}) == 34900
    assert cents.spent_in.amount(34900) == "349.00 EUR"
