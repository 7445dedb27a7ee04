"""Approvals: who may rule, with what reason, until which moment, and what a ruling is good for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearance.configuration.compiling import compile_settings
from clearance.configuration.document import StoredSettings
from clearance.core import gate, steps
from clearance.core.approval import (
    REASON_LENGTH_MAX,
    ApprovalRule,
    ApprovalSource,
    ApprovalState,
    Ruling,
    RulingKind,
    approval_id,
    check_ruling,
    intent_of,
    open_approval,
)
from clearance.core.credential import principal_of
from clearance.core.decision import SettingsVersion
from clearance.core.errors import Conflict, Refusal
from clearance.core.gate import Facts
from clearance.core.intent import ActionIntent, RiskLevel, checked_content
from clearance.core.moment import HOUR_MS
from clearance.core.principal import Principal, Role, system
from clearance.core.record import IntentRecord, IntentStatus, admitted
from clearance.core.revalidation import Verdict, revalidate
from tests.support import sample
from tests.support.sample import AGENT, APPROVER, NOON, OWNER, TENANT

APPROVE, REJECT, EDIT = RulingKind.APPROVE, RulingKind.REJECT, RulingKind.EDIT
INTENT = ActionIntent(
    TENANT, "acme", "i1", "CREATE_TASK", {"title": "x"}, 0.5, RiskLevel.LOW, AGENT.actor_id
)
SETTINGS = compile_settings(TENANT, StoredSettings(SettingsVersion(1, 0), sample.document(), {}))
OPENED = open_approval(INTENT, number=1, digest="sha256:1", lasts_ms=HOUR_MS, now=NOON)


def waiting(intent: ActionIntent = INTENT) -> IntentRecord:
    decision = gate.decide(intent, Facts(SETTINGS), NOON)
    admission = steps.admit(
        intent, checked_content(intent), decision, SETTINGS, salt=bytes(16), actor=AGENT, now=NOON
    )
    return admitted(admission, 1)


def refusal(
    ruler: Principal = APPROVER,
    kind: RulingKind = APPROVE,
    reason: str | None = None,
    *,
    state: ApprovalState = ApprovalState.OPEN,
    intent: ActionIntent = INTENT,
    now: int = NOON,
) -> str | None:
    """Why a ruling is refused, None if it is not."""
    try:
        check_ruling(replace(OPENED, state=state), intent, ruler, kind, reason, now=now)
    except Refusal as refused:
        return refused.code
    return None


@pytest.mark.parametrize("expires_at", [None, NOON + HOUR_MS])
@pytest.mark.parametrize(
    ("after_ms", "ruling", "expiry"),
    [
        (-1, None, "NOT_EXPIRED"),
        (0, "APPROVAL_EXPIRED", None),
        (1, "APPROVAL_EXPIRED", None),
    ],
)
def test_at_every_moment_an_approval_is_either_ruled_on_or_over(
    expires_at: int | None, after_ms: int, ruling: str | None, expiry: str | None
) -> None:
    record = waiting(replace(INTENT, expires_at=expires_at))
    assert record.approval is not None
    now = record.approval.expires_at + after_ms

    def refused(step: Callable[[], object]) -> str | None:
        try:
            step()
        except Refusal as refusal:
            return refusal.code
        return None

    assert refused(lambda: steps.rule(record, APPROVER, APPROVE, None, now=now)) == ruling
    assert refused(lambda: steps.expire(record, actor=system(TENANT), now=now)) == expiry


@given(st.integers(1, 10**12), st.none() | st.integers(0, 10**13))
def test_an_approval_is_over_with_its_intent_at_the_latest(
    lasts_ms: int, expires_at: int | None
) -> None:
    intent = replace(INTENT, expires_at=expires_at)
    opened = open_approval(intent, number=1, digest="sha256:1", lasts_ms=lasts_ms, now=NOON)
    ends = [NOON + lasts_ms, *([] if expires_at is None else [expires_at])]
    assert (opened.expires_at, opened.state) == (min(ends), ApprovalState.OPEN)


@given(st.from_regex(r"[A-Za-z0-9_:-]{1,64}", fullmatch=True), st.integers(1, 10**6))
def test_an_approvals_name_leads_back_to_its_intent(action_intent_id: str, number: int) -> None:
    assert intent_of(approval_id(action_intent_id, number)) == action_intent_id


@pytest.mark.parametrize("state", ApprovalState)
def test_only_an_open_approval_is_ruled_on(state: ApprovalState) -> None:
    is_open = state is ApprovalState.OPEN
    assert refusal(state=state) == (None if is_open else "APPROVAL_CLOSED")


@pytest.mark.parametrize(
    "forged",
    [
        {"digest": "sha256:2"},
        {"state": ApprovalState.OPEN},
        {"state": ApprovalState.REJECTED},
        {"rulings": ()},
        {"rulings": (Ruling(REJECT, "olga", "no", NOON),)},
        {},
    ],
)
def test_what_runs_has_a_ruling_that_approves_exactly_that(forged: dict[str, Any]) -> None:
    record = waiting()
    ruled = steps.rule(record, APPROVER, APPROVE, None, now=NOON).approval
    assert ruled is not None
    approval, human = replace(ruled, **forged), ApprovalSource.HUMAN
    record = replace(record, status=IntentStatus.APPROVED, approval=approval, approval_source=human)
    checked = revalidate(record, Facts(SETTINGS), NOON)
    assert checked.code == ("APPROVAL_MISSING" if forged else "UNCHANGED")
    assert checked.verdict is (Verdict.CANCEL if forged else Verdict.START)


@pytest.mark.parametrize("kind", RulingKind)
def test_who_may_rule(kind: RulingKind) -> None:
    own = replace(INTENT, proposed_by=APPROVER.actor_id)
    edited = replace(INTENT, edited_by=APPROVER.actor_id)
    for intent in (own, edited):
        assert refusal(APPROVER, kind, "why", intent=intent) == "OWN_PROPOSAL"
        owner = replace(OWNER, actor_id=APPROVER.actor_id)
        assert refusal(owner, kind, "why", intent=intent) is None
    for role in (Role.AGENT, Role.AUDITOR):
        assert refusal(principal_of(TENANT, "a", role), kind, "why") == "FORBIDDEN"


@pytest.mark.parametrize(
    ("kind", "reason", "code"),
    [
        (APPROVE, None, None),
        (EDIT, None, None),
        (REJECT, None, "REASON_REQUIRED"),
        (REJECT, " \n", "REASON_REQUIRED"),
        (REJECT, "no", None),
        (APPROVE, "x" * REASON_LENGTH_MAX, None),
        (APPROVE, "x" * (REASON_LENGTH_MAX + 1), "REASON_TOO_LONG"),
        (REJECT, "x" * (REASON_LENGTH_MAX + 1), "REASON_TOO_LONG"),
    ],
)
def test_the_reason_of_a_ruling(kind: RulingKind, reason: str | None, code: str | None) -> None:
    assert refusal(kind=kind, reason=reason) == code


TWO = ApprovalRule(approvers=2)


def approve(name: str) -> Ruling:
    return Ruling(RulingKind.APPROVE, name, None, NOON)


def test_one_person_is_enough_by_default() -> None:
    ruled = OPENED.ruled(approve("olga"))
    assert (ruled.state, ruled.decisive) == (ApprovalState.APPROVED, approve("olga"))


def test_as_many_different_people_approve_as_the_rule_needs() -> None:
    once = replace(OPENED, needs=TWO).ruled(approve("olga"))
    assert (once.state, once.decisive) == (ApprovalState.OPEN, None)
    assert once.ruled(approve("olga")).state is ApprovalState.OPEN
    twice = once.ruled(approve("ines"))
    assert (twice.state, twice.decisive) == (ApprovalState.APPROVED, approve("ines"))
    assert [ruling.ruled_by for ruling in twice.rulings] == ["olga", "ines"]


@pytest.mark.parametrize("kind", [RulingKind.REJECT, RulingKind.EDIT])
def test_one_person_is_enough_to_close_it_in_any_other_way(kind: RulingKind) -> None:
    ruled = replace(OPENED, needs=TWO).ruled(Ruling(kind, "olga", "no", NOON))
    assert ruled.state is ApprovalState.REJECTED
    assert not ruled.approved_by_enough


def test_a_person_rules_once_on_an_approval() -> None:
    once = replace(OPENED, needs=TWO).ruled(approve("olga"))
    with pytest.raises(Conflict) as refused:
        check_ruling(once, INTENT, APPROVER, RulingKind.APPROVE, None, now=NOON)
    assert refused.value.code == "ALREADY_RULED"
