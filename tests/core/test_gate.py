"""The row of checks: each may only tighten, BLOCK ends the row, every finding is kept."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearance.configuration.compiling import compile_settings
from clearance.configuration.document import StoredSettings
from clearance.core import gate
from clearance.core.budget import AMOUNT_MAX, BudgetRule, Counter, hold_for, spent_claim
from clearance.core.canonical import digest
from clearance.core.catalog import Effect
from clearance.core.decision import Answer, SettingsVersion
from clearance.core.gate import Facts
from clearance.core.intent import ActionIntent, RiskLevel, checked_content
from clearance.core.limits import Limit, LimitKey, Limits, Per
from clearance.core.mode import AutonomyMode, ModeRule, resolve
from clearance.core.moment import as_text
from clearance.core.narrative import explain
from clearance.core.policy import PolicySet
from clearance.core.record import admitted
from clearance.core.settings import Settings
from clearance.core.steps import admit
from clearance.core.stop import StopLevel, StopScope, StopSwitch
from clearance.core.suggestion import COMPARED_MAX, bounded_suggestion, suggestion
from tests.support import sample
from tests.support.sample import NOON

POLICY = (
    sample.POLICY
    + """
@id("risk") @reason("RISKY") @explanation("Medium risk needs a person.")
forbid(principal, action == Action::"CREATE_TASK", resource)
when { context.unattended && context.risk >= 2 };
"""
)
SETTINGS: Settings = compile_settings(
    "northwind", StoredSettings(SettingsVersion(1, 0), {**sample.document(), "policy": POLICY}, {})
)
INTENT = ActionIntent(
    "northwind", "acme", "i1", "CREATE_TASK", {"title": "x"}, 0.9, RiskLevel.LOW, "ada"
)


def decide(
    intent: ActionIntent = INTENT,
    used: dict[str, int] | None = None,
    now: int = NOON,
    **changes: Any,
) -> Any:
    return gate.decide(intent, Facts(replace(SETTINGS, **changes), used or {}), now)


def test_an_empty_row_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "ROW", ())
    assert (decide().answer, decide().reason) == (Answer.BLOCK, "NOTHING_CHECKED")


def test_every_check_is_kept_in_its_order_and_the_budget_is_asked_last() -> None:
    checks = ["stop_switch", "expiry", "catalog", "account", "allowlist", "mode", "policy"]
    checks += ["rejection"]
    unattended = ["budget", "limits"]
    assert [finding.check for finding in decide().findings] == [*checks, *unattended]
    waits = decide(replace(INTENT, confidence_score=0.5))
    assert [finding.check for finding in waits.findings] == checks
    assert waits.hold is None


@pytest.mark.parametrize(
    ("action_type", "ends"),
    [("CREATE_TASC", "CREATE_TASC; did you mean CREATE_TASK?"), ("ZZZ", "no action ZZZ.")],
)
def test_an_unknown_action_is_blocked_with_the_one_that_was_meant(
    action_type: str, ends: str
) -> None:
    decided = decide(replace(INTENT, action_type=action_type))
    assert decided.reason == "UNKNOWN_ACTION"
    assert decided.findings[-1].sentence.endswith(ends)


def test_what_was_meant_is_looked_for_among_a_bounded_number_of_actions() -> None:
    names = ["A" + "".join(letters) for letters in itertools.product("ABCDEFG", repeat=4)]
    assert len(names) > 20 * COMPARED_MAX
    assert bounded_suggestion("XAAAA", ["XAAAB", *names]) == "; did you mean XAAAB?"
    assert bounded_suggestion("BABAG", names) == ""
    assert suggestion("BABAG", names) != ""


def test_the_first_of_the_strictest_findings_gives_the_reason() -> None:
    decision = decide(
        replace(INTENT, confidence_score=0.5), modes=(ModeRule(AutonomyMode.PROPOSE_ONLY),)
    )
    assert decision.reason == "MODE_PROPOSE_ONLY"
    blocked = decide(
        modes=(ModeRule(AutonomyMode.DISABLED),),
        allowlist=replace(SETTINGS.allowlist, tenant=frozenset()),
    )
    assert blocked.reason == "ACTION_TYPE_DISABLED"
    assert [finding.check for finding in blocked.findings][-1] == "mode", "BLOCK ends the row"


def test_policy_sees_the_higher_of_both_risks() -> None:
    assert decide(replace(INTENT, risk_level=RiskLevel.MEDIUM)).reason == "RISKY"
    riskier = {"CREATE_TASK": replace(SETTINGS.catalog["CREATE_TASK"], risk_level=RiskLevel.HIGH)}
    assert decide(replace(INTENT, risk_level=RiskLevel.MINIMAL), catalog=riskier).reason == "RISKY"


def test_what_policy_cannot_read_is_in_the_finding_by_name_alone() -> None:
    schema = {
        "type": "object",
        "properties": {
            "title": {"type": "string"},
            "weight": {"type": "number"},
            "note": {"x-policy": "unread"},
        },
        "additionalProperties": False,
    }
    document = {**sample.document(), "policy": POLICY}
    document["catalog"]["CREATE_TASK"]["parameters"] = schema
    settings = compile_settings("northwind", StoredSettings(SettingsVersion(1, 0), document, {}))
    weighed = replace(INTENT, parameters={"title": "x", "weight": 0.123456, "note": [1]})
    decision = gate.decide(weighed, Facts(settings, {}), NOON)
    assert (decision.answer, decision.reason) == (Answer.REQUIRE_APPROVAL, "PARAMETERS_NOT_READ")
    [finding] = [finding for finding in decision.findings if finding.check == "policy"]
    assert (finding.inputs["unread"], finding.inputs["waived"]) == (["weight"], ["note"])
    assert "0.123456" not in str(decision)
    plain = gate.decide(replace(INTENT, parameters={"title": "x"}), Facts(settings, {}), NOON)
    [finding] = [finding for finding in plain.findings if finding.check == "policy"]
    assert not {"unread", "waived"} & finding.inputs.keys()


@pytest.mark.parametrize(
    ("expires_at", "reason"), [(NOON, "INTENT_EXPIRED"), (NOON + 1, "TASKS_ALLOWED")]
)
def test_an_intent_is_expired_at_its_very_moment(expires_at: int, reason: str) -> None:
    assert decide(replace(INTENT, expires_at=expires_at)).reason == reason


@pytest.mark.parametrize(
    ("switch", "answer"),
    [
        (StopSwitch(StopScope.GLOBAL, None, StopLevel.REFUSE, "x"), Answer.BLOCK),
        (StopSwitch(StopScope.ACCOUNT, "acme", StopLevel.HOLD, "x"), Answer.REQUIRE_APPROVAL),
        (StopSwitch(StopScope.ACCOUNT, "globex", StopLevel.REFUSE, "x"), Answer.AUTO_EXECUTE),
        (StopSwitch(StopScope.TOOL_SERVER, "crm", StopLevel.REFUSE, "x"), Answer.BLOCK),
        (StopSwitch(StopScope.AGENT, "bob", StopLevel.REFUSE, "x"), Answer.AUTO_EXECUTE),
    ],
)
def test_a_stop_switch_covers_what_it_names(switch: StopSwitch, answer: Answer) -> None:
    assert decide(stop_switches=(switch,)).answer is answer


def test_the_strictest_of_several_switches_counts() -> None:
    hold = StopSwitch(StopScope.TENANT, None, StopLevel.HOLD, "x")
    refuse = StopSwitch(StopScope.ACCOUNT, "acme", StopLevel.REFUSE, "x")
    assert decide(stop_switches=(hold, refuse)).answer is Answer.BLOCK


def test_modes_resolve_from_the_narrowest_place_to_the_widest() -> None:
    rules = [
        ModeRule(AutonomyMode.AUTO_EXECUTE, "acme", "T"),
        ModeRule(AutonomyMode.DISABLED, None, "T"),
        ModeRule(AutonomyMode.PROPOSE_ONLY, "acme", None),
        ModeRule(AutonomyMode.APPROVAL_REQUIRED, None, None),
    ]
    found = []
    while rules:
        found.append(resolve(rules, "acme", "T").mode)
        rules.pop(0)
    assert found == [
        AutonomyMode.AUTO_EXECUTE,
        AutonomyMode.DISABLED,
        AutonomyMode.PROPOSE_ONLY,
        AutonomyMode.APPROVAL_REQUIRED,
    ]
    assert resolve([], "acme", "T").mode is AutonomyMode.APPROVAL_REQUIRED


def test_an_act_whose_amount_is_unknown_never_fits_an_amount_limit() -> None:
    rule = BudgetRule(10, max_amount_per_day_by_action_type={"T": AMOUNT_MAX})
    claim = spent_claim(hold_for(rule, "T", None, NOON), {})
    assert claim is not None
    assert claim.bucket == "amount:T"
    assert spent_claim(hold_for(BudgetRule(10), "T", None, NOON), {}) is None


@pytest.mark.parametrize(
    ("amount", "used", "reason", "sentence"),
    [
        (-500, {}, "AMOUNT_NOT_COUNTED", "The amount -5.00 EUR is negative, so the budget cannot"),
        (-500, {"amount:PAY": 14_990}, "AMOUNT_NOT_COUNTED", "The amount -5.00 EUR is negative"),
        (None, {}, "AMOUNT_NOT_COUNTED", "The amount is not known, so the budget cannot count it"),
        (60_000, {}, "BUDGET_EXCEEDED", "is 500.00 EUR (amount:PAY); this needs 600.00 EUR."),
        (
            60_000,
            {"amount:PAY": 14_990},
            "BUDGET_EXCEEDED",
            "has 149.90 of 500.00 EUR used (amount:PAY); this needs 600.00 EUR more.",
        ),
    ],
)
def test_a_budget_says_only_what_it_knows(amount, used, reason: str, sentence: str) -> None:
    """The first look of a proposal has read no use of the budget: it must not name one."""
    euros = {"type": ["integer", "null"], "x-scale": 100, "x-unit": "EUR"}
    pay = replace(
        SETTINGS.catalog["ISSUE_REFUND"],
        action_type="PAY",
        spends="amount",
        arguments={},
        parameters={"type": "object", "properties": {"amount": euros}},
    )
    rule = BudgetRule(10, max_amount_per_day_by_action_type={"PAY": 50_000})
    case = gate._Case(
        replace(INTENT, action_type="PAY", parameters={"amount": amount}),
        Facts(replace(SETTINGS, catalog={"PAY": pay}, budgets=(rule,)), used),
        NOON,
        pay,
    )
    seen = gate._check_budget(case)
    assert (seen.answer, seen.code) == (Answer.REQUIRE_APPROVAL, reason)
    assert sentence in seen.sentence
    claims = {claim["bucket"]: claim.get("used") for claim in seen.inputs["claims"]}
    assert claims == {"actions": None, "actions:PAY": None, "amount:PAY": used.get("amount:PAY")}


def euros(**unit: Any) -> Any:
    """An action that spends euros in cents, unless `unit` says otherwise."""
    amount = {"type": ["integer", "null"], "x-scale": 100, "x-unit": "EUR", **unit}
    named = {key: value for key, value in amount.items() if value is not None}
    return replace(
        SETTINGS.catalog["ISSUE_REFUND"],
        action_type="PAY",
        spends="amount",
        arguments={},
        parameters={"type": "object", "properties": {"amount": named}},
    )


LIMITS = Limits(
    (
        Limit(Per.DAY, actions=2_000, amounts={"EUR": 5_000_000_000}),
        Limit(
            Per.MONTH, {LimitKey.AGENT: "ada"}, frozenset({LimitKey.ACCOUNT}), amounts={"EUR": 0}
        ),
    ),
    {"EUR": 100},
)


@pytest.mark.parametrize(
    ("amount", "unit", "used", "reason", "sentence"),
    [
        (0, {}, {}, "LIMITS_HELD", "Every limit has room."),
        (0, {}, {"actions {} 2026-11-24": 1_999}, "LIMITS_HELD", "Every limit has room."),
        (
            0,
            {},
            {"actions {} 2026-11-24": 2_000},
            "LIMIT_EXCEEDED",
            "tenant for 2026-11-24 has 2,000 of 2,000 actions used; this needs 1 action more.",
        ),
        (
            70_000,
            {},
            {"amount:EUR {} 2026-11-24": 4_999_990_000},
            "LIMIT_EXCEEDED",
            "The limit of the tenant for 2026-11-24 has 4,999.99 of 5,000.00 EUR used; this needs",
        ),
        (
            1,
            {},
            {},
            "LIMIT_EXCEEDED",
            "The limit of agent ada and account acme for 2026-11 is 0.00 EUR; this needs 0.01 EUR.",
        ),
        (None, {}, {}, "AMOUNT_NOT_COUNTED", "not known, so the limit of EUR cannot count it"),
        (-1, {}, {}, "AMOUNT_NOT_COUNTED", "The amount -0.01 EUR is negative, so the limit of EUR"),
        (10**12, {}, {}, "AMOUNT_NOT_COUNTED", "too large, so the limit of EUR cannot count it"),
        (1, {"x-unit": None}, {}, "AMOUNT_NOT_COUNTED", "PAY spends an amount without a unit, so"),
        (1, {"x-unit": "USD"}, {}, "LIMITS_HELD", "Every limit has room."),
    ],
)
def test_a_limit_that_does_not_fit_says_whose_it_is_and_what_is_left(
    amount: int | None, unit: Any, used: dict[str, int], reason: str, sentence: str
) -> None:
    pay = euros(**unit)
    intent = replace(INTENT, action_type="PAY", parameters={"amount": amount})
    facts = Facts(replace(SETTINGS, catalog={"PAY": pay}, limits=LIMITS), used)
    case = gate._Case(intent, facts, NOON, pay)
    seen = gate._check_limits(case)
    assert (seen.code, sentence in seen.sentence) == (reason, True), seen.sentence
    assert (seen.answer is Answer.AUTO_EXECUTE) == (case.hold is not None)
    assert digest(dict(seen.inputs)), "the ledger keeps it"


def test_what_runs_alone_holds_its_claims_on_budget_and_limits_together() -> None:
    decision = decide(limits=LIMITS)
    assert decision.answer is Answer.AUTO_EXECUTE
    assert decision.hold is not None
    counters = {
        claim.counter.subject: claim.limit for claim in decision.hold.claims if claim.counter
    }
    assert counters == {"{}": 2_000, '{"agent":"ada"}': None}
    assert {claim.bucket for claim in decision.hold.claims if not claim.counter} == {
        "actions",
        "actions:CREATE_TASK",
    }


def test_the_day_is_the_one_of_the_rules_zone() -> None:
    midnight_in_utc = NOON + 12 * 3_600_000
    assert hold_for(BudgetRule(1, "UTC"), "T", None, midnight_in_utc - 1).day == "2026-11-24"
    assert hold_for(BudgetRule(1, "UTC"), "T", None, midnight_in_utc).day == "2026-11-25"
    assert hold_for(BudgetRule(1, "Pacific/Auckland"), "T", None, NOON).day == "2026-11-25"
    assert (
        hold_for(BudgetRule(1, "America/Los_Angeles"), "T", None, midnight_in_utc).day
        == "2026-11-24"
    )


@given(
    confidence=st.integers(0, 10_000),
    risk=st.sampled_from(RiskLevel),
    mode=st.sampled_from(AutonomyMode),
    listed=st.booleans(),
    used=st.integers(0, 12),
    level=st.sampled_from([None, *StopLevel]),
)
def test_any_single_tightening_never_loosens_the_answer(
    confidence: int,
    risk: RiskLevel,
    mode: AutonomyMode,
    listed: bool,
    used: int,
    level: StopLevel | None,
) -> None:
    intent = replace(INTENT, confidence_score=confidence / 10_000, risk_level=risk)
    allowlist = SETTINGS.allowlist if listed else replace(SETTINGS.allowlist, tenant=frozenset())
    switches = (StopSwitch(StopScope.TENANT, None, level, "x"),) if level else ()
    facts: dict[str, Any] = {
        "modes": (ModeRule(mode),),
        "allowlist": allowlist,
        "stop_switches": switches,
    }
    loose = decide(intent, {"actions": used}, **facts)
    tightened = [
        decide(
            intent,
            {"actions": used},
            **{**facts, "allowlist": replace(allowlist, tenant=frozenset())},
        ),
        decide(intent, {"actions": used + 20}, **facts),
        decide(intent, {"actions": used}, **{**facts, "modes": (ModeRule(AutonomyMode.DISABLED),)}),
        decide(intent, {"actions": used}, **{**facts, "budgets": ()}),
        decide(intent, {"actions": used}, **{**facts, "policy": None}),
        decide(replace(intent, confidence_score=0.0), {"actions": used}, **facts),
        decide(replace(intent, risk_level=RiskLevel.HIGH), {"actions": used}, **facts),
    ]
    assert all(one.answer.strictness >= loose.answer.strictness for one in tightened)
    if loose.answer is Answer.AUTO_EXECUTE:
        assert loose.hold is not None
        assert (mode, listed, level) == (AutonomyMode.AUTO_EXECUTE, True, None)
        assert used < 10


def test_what_an_agent_does_not_state_reads_as_nothing() -> None:
    bare = replace(INTENT, confidence_score=None, risk_level=None)
    asked = decide(bare)
    assert (asked.answer, asked.reason) == (Answer.REQUIRE_APPROVAL, "CONFIDENCE_TOO_LOW")
    seen = {finding.check: finding.inputs for finding in asked.findings}
    assert seen["catalog"]["risk_level"] == seen["catalog"]["risk_level_catalog"] == "LOW"
    assert seen["catalog"]["risk_level_intent"] is None
    assert (seen["policy"]["confidence_bp"], seen["policy"]["confidence_stated"]) == (0, False)

    silent = """@id("silent") @reason("SILENT") @explanation("It says nothing.")
    forbid(principal, action, resource) when { !context.confidence_stated };"""
    tasks = sample.POLICY.replace("context.confidence_bp < 8000", "context.risk > 2") + silent
    policy = PolicySet.load(tasks, SETTINGS.catalog)
    assert decide(bare, policy=policy).reason == "SILENT"
    assert decide(replace(bare, confidence_score=0.0), policy=policy).answer is Answer.AUTO_EXECUTE


def test_the_nearest_changes_are_true() -> None:
    intent = replace(INTENT, confidence_score=0.5)
    decision = decide(intent)
    admission = admit(
        intent,
        checked_content(intent),
        decision,
        SETTINGS,
        salt=b"s" * 16,
        actor=sample.AGENT,
        now=NOON,
    )
    explained = explain(admitted(admission, 1), Facts(SETTINGS), NOON)
    assert [change.sentence for change in explained.nearest_changes] == [
        "It would run without a person if the confidence were at least 0.8."
    ]
    assert decide(replace(intent, confidence_score=0.8)).answer is Answer.AUTO_EXECUTE
    assert decide(replace(intent, confidence_score=0.7999)).answer is Answer.REQUIRE_APPROVAL


def test_an_amount_that_nobody_limits_is_limited_by_what_a_counter_can_hold() -> None:
    hold = hold_for(BudgetRule(10), "T", 2**53 - 1, NOON)
    spent = spent_claim(hold, {})
    assert spent is not None
    assert (spent.bucket, spent.limit) == ("amount:T", AMOUNT_MAX)
    assert spent_claim(hold_for(BudgetRule(10), "T", 1, NOON), {"amount:T": AMOUNT_MAX - 1}) is None
    assert spent_claim(hold_for(BudgetRule(10), "T", 1, NOON), {"amount:T": AMOUNT_MAX}) is not None


def reads(used: int | None = None, now: int = NOON, **limits: Any) -> Any:
    """The decision on an act that changes nothing, of an account without a budget."""
    read = replace(SETTINGS.catalog["CREATE_TASK"], effect=Effect.READ)
    place = f'reads {{"agent":"ada"}} {as_text(now)[:16]}'
    known = {} if used is None else {place: used}
    return decide(used=known, now=now, catalog={"CREATE_TASK": read}, budgets=(), **limits)


def test_a_read_needs_no_budget_and_its_agent_has_sixty_of_them_a_minute() -> None:
    first, last, over = reads(), reads(59), reads(60)
    assert [each.answer.value for each in (first, last)] == ["AUTO_EXECUTE"] * 2
    assert (over.answer, over.reason) == (Answer.REQUIRE_APPROVAL, "LIMIT_EXCEEDED")
    assert over.hold is None
    [claim] = first.hold.claims
    assert (claim.bucket, claim.amount, claim.limit) == ("reads", 1, 60)
    assert claim.counter == Counter('{"agent":"ada"}', "2026-11-24T12:00")


def test_a_limit_of_reads_for_the_agent_takes_the_place_of_the_sixty() -> None:
    each = frozenset({LimitKey.AGENT})
    fewer = {"limits": Limits((Limit(Per.MINUTE, each=each, reads=2),))}
    assert reads(1, **fewer).answer is Answer.AUTO_EXECUTE
    assert reads(2, **fewer).reason == "LIMIT_EXCEEDED"
    acts = {"limits": Limits((Limit(Per.MINUTE, each=each, actions=2),))}
    assert [claim.bucket for claim in reads(**acts).hold.claims] == ["reads"]
    assert reads(60, **acts).reason == "LIMIT_EXCEEDED"
