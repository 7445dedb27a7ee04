"""Fingerprints, and every limit of an action intent."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearance.core import intent as intents
from clearance.core.errors import InvalidInput, Refusal
from clearance.core.intent import ActionIntent, RiskLevel, checked_content, fingerprint

INTENT = ActionIntent(
    "northwind", "acme", "i1", "CREATE_TASK", {"title": "x"}, 0.9, RiskLevel.LOW, "ada"
)


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"action_intent_id": ""}, "action_intent_id"),
        ({"action_intent_id": "a" * 65}, "action_intent_id"),
        ({"action_intent_id": "a.b"}, "action_intent_id"),
        ({"action_intent_id": "a\n"}, "action_intent_id"),
        ({"account_id": ""}, "account_id"),
        ({"account_id": "a\u202eb"}, "account_id"),
        ({"account_id": " a"}, "account_id"),
        ({"account_id": "a" * 129}, "account_id"),
        ({"account_id": "\ud800"}, "account_id"),
        ({"account_id": "acme\u2800"}, "account_id"),
        ({"account_id": "acme\u3164"}, "account_id"),
        ({"account_id": "acme\ufe0f"}, "account_id"),
        ({"account_id": "acme\U000e0100"}, "account_id"),
        ({"action_type": "create_task"}, "action_type"),
        ({"trace_id": ""}, "trace_id"),
        ({"confidence_score": float("nan")}, "confidence_score"),
        ({"confidence_score": 1.0000001}, "confidence_score"),
        ({"confidence_score": -0.1}, "confidence_score"),
        ({"why": ("\ud800",)}, "why"),
        ({"why": ("x",) * 33}, "why"),
        ({"why": ("x" * 2001,)}, "why"),
        ({"expires_at": -1}, "expires_at"),
        ({"parameters": {"a": float("inf")}}, "parameters"),
        ({"parameters": {"a": 2**53}}, "parameters"),
        ({"parameters": {"\ud800": 1}}, "parameters"),
        ({"parameters": {"a": ["\ud800"]}}, "parameters"),
        ({"parameters": {"a": {1, 2}}}, "parameters"),
        ({"target": "\ud800"}, "target"),
    ],
)
def test_every_limit_is_a_problem_with_its_place(changes: dict[str, Any], where: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        checked_content(replace(INTENT, **changes))
    assert {problem.path[0] for problem in refused.value.problems} == {where}


def test_depth_and_size_are_bounded_without_recursing_into_what_is_too_deep() -> None:
    nested: Any = 1
    for _ in range(5_000):
        nested = [nested]
    with pytest.raises(InvalidInput, match="nested more than 16"):
        checked_content(replace(INTENT, parameters={"a": nested}))
    with pytest.raises(Refusal) as refused:
        checked_content(replace(INTENT, parameters={"a": "x" * intents.CONTENT_BYTES_MAX}))
    assert refused.value.code == "INTENT_TOO_LARGE"


@given(st.integers(0, 10_000))
def test_confidence_is_rounded_down_to_basis_points(basis_points: int) -> None:
    assert replace(INTENT, confidence_score=basis_points / 10_000).confidence_bp == basis_points
    assert replace(INTENT, confidence_score=0.79999).confidence_bp == 7999


def test_a_hint_that_is_absent_stays_absent() -> None:
    bare = replace(INTENT, confidence_score=None, risk_level=None)
    assert not {"confidence_score", "risk_level"} & intents.content(bare).keys()
    assert (bare.confidence_bp, bare.confidence_stated, bare.risk_stated) == (0, False, None)
    stated = replace(bare, confidence_score=0.0)
    assert (stated.confidence_bp, stated.confidence_stated) == (0, True)
    assert fingerprint(checked_content(bare)) != fingerprint(checked_content(stated))


def test_the_fingerprint_is_of_content_alone() -> None:
    def of(**changes: Any) -> bytes:
        return fingerprint(checked_content(replace(INTENT, **changes)))

    same = of()
    assert of(trace_id="another") == same
    assert of(proposed_by="another") == same
    for changes in (
        {"account_id": "b"},
        {"action_type": "B"},
        {"parameters": {}},
        {"target": 1},
        {"confidence_score": 0.8},
        {"risk_level": RiskLevel.HIGH},
        {"why": ("x",)},
        {"expires_at": 1},
        {"supersedes": "i0"},
    ):
        assert of(**changes) != same, changes
