"""Limits in the settings: a change of them is said as money, and what has no ceiling is said."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from clearance.configuration.advice import advice
from clearance.configuration.differences import differences
from clearance.configuration.document import parse_document, read_document
from tests.support import sample

LIMITS: list[dict[str, Any]] = [
    {"for": "tenant", "per": "day", "actions": 2_000, "amount": {"EUR": 500_000}},
    {"agent": "agent-ada", "for": "each account", "per": "minute", "actions": 30},
]


def document(*limits: Any, scale: int = 100) -> dict[str, Any]:
    """A tenant that refunds cents, and limits of it."""
    made = sample.document(limits=copy.deepcopy(list(limits)))
    amount = made["catalog"]["ISSUE_REFUND"]["parameters"]["properties"]["amount_minor"]
    amount |= {"x-scale": scale, "x-unit": "EUR"}
    return made


def changes(before: Any, after: Any) -> list[str]:
    found = differences(read_document(before), parse_document(after))
    return [each.sentence for each in found if each.path.startswith("autonomy.limits")]


def test_each_limit_that_changes_is_named_with_its_amount_as_money() -> None:
    second = {**LIMITS[1], "actions": 60}
    first = {**LIMITS[0], "amount": {"EUR": 1_000_000}, "zone": "Europe/Berlin"}
    assert changes(document(*LIMITS), document(second, first)) == [
        "autonomy.limits.tenant, per day.zone was UTC and is Europe/Berlin now.",
        "autonomy.limits.tenant, per day.amount.EUR was 5,000.00 EUR and is 10,000.00 EUR now.",
        "autonomy.limits.each account, agent agent-ada, per minute.actions was 30 and is 60 now.",
    ]
    assert changes(document(*LIMITS), document(*reversed(LIMITS))) == []
    assert "autonomy.limits.tenant, per day.actions is new: 2000." in changes(
        document(), document(*LIMITS)
    )
    lost = document({**LIMITS[0], "per": "week"})
    assert "autonomy.limits.entry 0 is gone: it was (not readable)." in changes(lost, document())


def test_a_finer_scale_in_the_catalog_says_what_it_makes_of_a_limit() -> None:
    """The number stays, and means another amount."""
    assert changes(document(*LIMITS), document(*LIMITS, scale=1_000)) == [
        "autonomy.limits.tenant, per day.amount.EUR was 5,000.00 EUR and is 500.000 EUR now."
    ]


@pytest.mark.parametrize(
    ("limits", "open_ended"),
    [
        ([], "actions and EUR"),
        ([{**LIMITS[0], "amount": {}}], "EUR"),
        ([{"for": "tenant", "per": "hour", "amount": {"EUR": 5}}], "actions"),
        ([LIMITS[1]], "actions and EUR"),
        (LIMITS, None),
    ],
)
def test_what_no_limit_of_the_tenant_bounds_is_said(limits: Any, open_ended: str | None) -> None:
    found = [
        problem.sentence
        for problem in advice(parse_document(document(*limits)))
        if problem.path == ("autonomy", "limits")
    ]
    expected = f"the tenant as a whole has no limit of {open_ended} (for: tenant), so nothing"
    assert [sentence.startswith(expected) for sentence in found] == [True] * bool(open_ended)
    nothing_alone = {**document(*limits), "autonomy": {"limits": limits}}
    assert not advice(parse_document(nothing_alone))


@pytest.mark.parametrize(
    ("limit", "gone"),
    [
        ({"agent": "agent-ada", "per": "day", "actions": 100}, "EUR, reads"),
        ({"agent": "agent-ada", "per": "day", "reads": 1, "amount": {"EUR": 9}}, "actions"),
        ({"agent": "agent-ada", "per": "day", "actions": 1, "reads": 1, "amount": {"EUR": 9}}, ""),
        ({"agent": "agent-ada", "per": "hour", "actions": 100}, ""),
        ({"for": "each account", "agent": "agent-ada", "per": "day", "actions": 100}, ""),
    ],
)
def test_what_goes_with_a_limit_that_is_replaced_is_said(limit: Any, gone: str) -> None:
    of_each = {"for": "each agent", "per": "day", "actions": 9, "reads": 9, "amount": {"EUR": 5}}
    ceiling = {"for": "tenant", "per": "day", "actions": 999, "amount": {"EUR": 500}}
    found = advice(parse_document(document(ceiling, limit, of_each)))
    expected = f"takes the place of entry 2, which also limits {gone}"
    assert [(each.path, each.sentence) for each in found] == [
        (("autonomy", "limits", 1), expected)
    ] * bool(gone)


def test_a_limit_of_an_agent_without_a_key_is_pointed_at() -> None:
    [found] = advice(parse_document(document(*LIMITS)), {"agent-ade"})
    assert found.path == ("autonomy", "limits", 1, "agent")
    hint = "no key is for it; did you mean agent-ade?"
    assert found.sentence == f"names the agent agent-ada, and {hint}"
    assert not advice(parse_document(document(*LIMITS)), {"agent-ada"})
