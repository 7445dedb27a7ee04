"""Coverage: what policy reads of each action, which rules reach it, whether it can run alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from clearance.core.accounts import AccountPattern, Accounts, UnknownAccounts
from clearance.core.budget import BudgetRule
from clearance.core.catalog import Action, Effect, ToolName
from clearance.core.coverage import Coverage, coverage_of
from clearance.core.decision import SettingsVersion
from clearance.core.intent import RiskLevel
from clearance.core.mode import Allowlist, AutonomyMode, ModeRule
from clearance.core.policy import PolicySet
from clearance.core.settings import Settings

PAY = Action(
    action_type="PAY",
    tool=ToolName("bank", "pay"),
    risk_level=RiskLevel.LOW,
    effect=Effect.IDEMPOTENT,
    parameters={
        "type": "object",
        "properties": {
            "amount": {"type": "integer", "x-scale": 100, "x-unit": "EUR"},
            "to": {"type": "object", "properties": {"mail": {"type": "string"}}},
            "note": {"x-policy": "unread"},
            "tree": {"type": "object", "additionalProperties": {"type": "object"}},
        },
        "additionalProperties": False,
    },
    sentence="paid",
    proposal="pay",
    arguments={"channel": "web"},
)
AUTO = ModeRule(AutonomyMode.AUTO_EXECUTE)


def rule(text: str, name: str) -> str:
    return f'@id("{name}") @reason("R") @explanation("E.")\n{text}\n'


PERMIT = rule("permit(principal, action, resource);", "permit")


def covered(text: str = PERMIT, act: Action = PAY, **changes: Any) -> Coverage:
    parts: dict[str, Any] = {
        "allowlist": Allowlist(frozenset({"PAY"})),
        "modes": (AUTO,),
        "budgets": (BudgetRule(account=None, max_per_day=5),),
        "policy": PolicySet.load(text, {"PAY": act}),
        "accounts": Accounts(frozenset({"a", "b", "c"})),
        **changes,
    }
    return coverage_of(Settings("northwind", SettingsVersion(0, 0), {"PAY": act}, **parts), act)


def test_everything_that_the_schema_declares_is_read_or_waived_or_named() -> None:
    coverage = covered()
    assert dict(coverage.read) == {
        "amount": "Long in hundredths (EUR)",
        "channel": "String",
        "to.mail": "String",
        "tree.names": "Set<String>",
    }
    assert coverage.waived == ("note",)
    [(name, why)] = coverage.unread
    assert name == "tree.values"
    assert "not of one scalar type" in why


@pytest.mark.parametrize(
    ("schema", "required", "name"),
    [
        ({"type": "string"}, ["__x"], "__x"),
        ({"type": "string"}, [], None),
        ({"type": ["string", "null"]}, ["__x"], None),
        ({"type": "string", "x-policy": "unread"}, ["__x"], None),
    ],
)
@pytest.mark.parametrize("is_nested", [False, True])
def test_an_action_whose_every_call_has_something_unread_cannot_run_alone(
    schema: Any, required: list[str], name: str | None, is_nested: bool
) -> None:
    parameters = {"type": "object", "properties": {"__x": schema}, "required": required}
    if is_nested:
        parameters = {"type": "object", "properties": {"to": parameters}, "required": ["to"]}
    obstacle = covered(act=replace(PAY, parameters=parameters)).obstacle
    assert obstacle == (name and f"every call has {name}, which policy cannot read")


def test_a_rule_reaches_an_action_if_it_can_match_it() -> None:
    text = PERMIT + rule(
        "forbid(principal, action, resource) when { context.unattended && context.risk > 1 };",
        "risky",
    )
    assert covered(text).rules == ("permit", "risky")


FORBID = "forbid(principal, action, resource)"
ALONE = [
    ({}, None),
    ({"accounts": Accounts()}, "no account is known that it could run on"),
    (
        {"accounts": Accounts(patterns=(AccountPattern("a", 0),))},
        "no account is known that it could run on",
    ),
    ({"accounts": Accounts(patterns=(AccountPattern("c[0-9]", 1),))}, None),
    ({"accounts": Accounts(unknown=UnknownAccounts.ALLOW)}, None),
    ({"allowlist": Allowlist()}, "it is not on the allowlist"),
    ({"modes": ()}, "its autonomy mode is nowhere AUTO_EXECUTE"),
    ({"budgets": ()}, "no account that it could run on has a budget"),
    ({"policy": None}, "the tenant has no policy"),
    (
        {"text": rule("permit(principal, action, resource) unless { context.unattended };", "p")},
        "no rule permits it unattended",
    ),
    (
        {"text": PERMIT + rule(f"{FORBID} when {{ context.unattended }};", "never")},
        "the rule never always forbids it unattended",
    ),
    (
        {"text": PERMIT + rule('forbid(principal == Agent::"ben", action, resource);', "ben")},
        None,
    ),
    (
        {"text": PERMIT + rule('forbid(principal, action, resource == Account::"a");', "a")},
        None,
    ),
    (
        {"text": rule('permit(principal, action, resource == Account::"a");', "a")},
        None,
    ),
    (
        {"modes": (ModeRule(AutonomyMode.AUTO_EXECUTE, account="a"),)},
        None,
    ),
    (
        {
            "modes": (ModeRule(AutonomyMode.AUTO_EXECUTE, account="a"),),
            "budgets": (BudgetRule(account="b", max_per_day=5),),
        },
        "no account that it could run on has a budget",
    ),
]


@pytest.mark.parametrize(("changes", "obstacle"), ALONE)
def test_the_obstacle_is_that_of_the_account_that_comes_furthest(
    changes: dict[str, Any], obstacle: str | None
) -> None:
    assert covered(**changes).obstacle == obstacle
