"""Stop switches: each scope covers exactly its subject, and the strictest one counts."""

from __future__ import annotations

from dataclasses import replace

import pytest

from clearance.core.catalog import Action, Effect, ToolName
from clearance.core.intent import ActionIntent, RiskLevel
from clearance.core.stop import StopLevel, StopScope, StopSwitch, strictest

INTENT = ActionIntent(
    "northwind", "acme", "i1", "CREATE_TASK", {"title": "x"}, 0.9, RiskLevel.LOW, "ada"
)
ACTION = Action(
    "CREATE_TASK", ToolName("crm", "create_task"), RiskLevel.LOW, Effect.KEYED, {}, "did", "do"
)
SUBJECTS = {
    StopScope.GLOBAL: None,
    StopScope.TENANT: None,
    StopScope.ACCOUNT: "acme",
    StopScope.ACTION_TYPE: "CREATE_TASK",
    StopScope.TOOL_SERVER: "crm",
    StopScope.AGENT: "ada",
}


def on(scope: StopScope, subject: str | None, level: StopLevel = StopLevel.HOLD) -> StopSwitch:
    return StopSwitch(scope, subject, level, "why")


@pytest.mark.parametrize("scope", list(StopScope))
def test_a_switch_covers_its_subject(scope: StopScope) -> None:
    switch = on(scope, SUBJECTS[scope])
    assert strictest([switch], INTENT, ACTION) is switch


@pytest.mark.parametrize("scope", [scope for scope in StopScope if SUBJECTS[scope]])
@pytest.mark.parametrize("subject", ["acmee", "", "crm.create_task", None])
def test_a_switch_covers_nothing_else(scope: StopScope, subject: str | None) -> None:
    assert strictest([on(scope, subject)], INTENT, ACTION) is None


def test_no_switch_without_a_subject_covers_an_action_that_the_catalog_does_not_have() -> None:
    assert strictest([on(StopScope.TOOL_SERVER, None)], INTENT, None) is None
    assert strictest([on(StopScope.TOOL_SERVER, "crm")], INTENT, None) is None


def test_refuse_counts_before_hold_wherever_it_stands() -> None:
    hold, refuse = on(StopScope.TENANT, None), on(StopScope.AGENT, "ada", StopLevel.REFUSE)
    assert strictest([hold, refuse], INTENT, ACTION) is refuse
    assert strictest([refuse, hold], INTENT, ACTION) is refuse
    other = replace(INTENT, proposed_by="bob")
    assert strictest([refuse, hold], other, ACTION) is hold
