"""The policy evaluator of Microsoft's agent-governance-toolkit 4.1.0, asked the same questions.

Runs in the peers' venv.

A rule of it is one condition on one field, the first that matches decides, and there is no answer
"ask a person". So the policy cannot be written in it: rules with two conditions are left with the
first, and what should wait is denied.
"""

from __future__ import annotations

import asyncio
from typing import Any

from agent_os.policies.evaluator import PolicyEvaluator
from agent_os.policies.schema import (
    PolicyAction,
    PolicyCondition,
    PolicyDefaults,
    PolicyDocument,
    PolicyRule,
)

from bench.drive import Job, Measured, must_be
from bench.fifteen_rules import RUN_OR_NOT_ALIKE, Asked, answer_all, by_hand, questions

RULES: tuple[tuple[str, str, str, Any, str], ...] = (
    ("confidence-floor", "confidence_bp", "lt", 3_000, "block"),
    ("hard-cap", "amount_minor", "gt", 1_000_000, "block"),
    ("currencies", "currency", "not_in", ["EUR", "USD"], "block"),
    ("mode-disabled", "mode", "eq", "DISABLED", "block"),
    ("blocked-recipient", "recipient", "matches", "^BLOCKED-", "block"),
    ("frozen-account", "account_id", "eq", "frozen", "block"),
    ("mode", "mode", "ne", "AUTO_EXECUTE", "deny"),
    ("high-risk", "risk", "gt", 2, "deny"),
    ("medium-risk", "risk", "eq", 2, "deny"),  # and only below a confidence of 0.85: cannot be said
    ("unsure", "confidence_bp", "lt", 6_000, "deny"),
    ("soft-cap", "amount_minor", "gt", 50_000, "deny"),
    ("new-agent", "agent_id", "eq", "new", "deny"),
    ("tagged", "tags", "contains", "review", "deny"),
    ("refunds", "action_type", "eq", "REFUND", "allow"),
    ("others", "action_type", "in", ["PAY_OUT", "CREDIT"], "allow"),
)


def evaluator() -> PolicyEvaluator:
    """The nearest that its rules can say, strict by default."""
    rules = [
        PolicyRule(
            name=name,
            condition=PolicyCondition(field=field, operator=operator, value=value),
            action=PolicyAction(action),
            priority=100 - number,
        )
        for number, (name, field, operator, value, action) in enumerate(RULES)
    ]
    return PolicyEvaluator(
        [PolicyDocument(rules=rules, defaults=PolicyDefaults(action=PolicyAction.DENY))]
    )


def context(asked: Asked) -> dict[str, Any]:
    """A question as its evaluator takes it: a flat dictionary."""
    return {
        "agent_id": asked.agent_id,
        "account_id": asked.account_id,
        "action_type": asked.action_type,
        "confidence_bp": asked.confidence_bp,
        "risk": asked.risk,
        "mode": asked.mode,
        "amount_minor": asked.amount_minor,
        "tags": [],
        "recipient": "",
        **asked.parameters,
    }


async def measure(job: Job) -> Measured:
    await asyncio.sleep(0)
    asked, found = questions(), evaluator()
    must_be(len(asked), job.operations, "questions")
    asks = [context(one) for one in asked]
    answers = [found.evaluate(ask) for ask in asks]
    must_be(
        [answer for answer in answers if answer.audit_entry.get("error")],
        [],
        "errors of the evaluator",
    )
    same = sum(
        answer.allowed == (by_hand(one)[0] == "AUTO_EXECUTE")
        for answer, one in zip(answers, asked, strict=True)
    )
    must_be(same, RUN_OR_NOT_ALIKE, "questions with the same answer to whether it runs")
    return {"policy": answer_all(found.evaluate, asks)}
