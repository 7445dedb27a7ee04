"""Clearance's policy alone: a Cedar policy set of fifteen rules, both questions of each decision
included.

Its answers and clauses must be those of the same rules by hand.
"""

from __future__ import annotations

import asyncio

from bench.drive import Job, Measured, must_be
from bench.fifteen_rules import CONDITIONS, answer_all, by_hand, questions
from clearance.core.catalog import Action, Effect, ToolName
from clearance.core.intent import RiskLevel
from clearance.core.policy import PolicySet, Question

PARAMETERS = {
    "type": "object",
    "required": ["amount", "currency"],
    "properties": {
        "amount": {"type": "number", "x-scale": 100},
        "currency": {"type": "string"},
        "recipient": {"type": "string"},
        "tags": {"type": "array", "items": {"type": "string"}},
    },
}
CATALOG = {
    name: Action(
        name,
        ToolName("bank", name),
        RiskLevel.LOW,
        Effect.KEYED,
        PARAMETERS,
        sentence="did",
        proposal="do",
    )
    for name in ("REFUND", "PAY_OUT", "CREDIT")
}
POLICY = "\n".join(
    f'@id("{name}") @reason("R_{number}") @explanation("{name}")\n'
    f"forbid(principal, action, resource) when {{ {condition} }};"
    for number, (name, condition) in enumerate(CONDITIONS.items())
)
POLICY += """
@id("refunds") @reason("REFUNDS") @explanation("Refunds may run.")
permit(principal, action == Action::"REFUND", resource);
@id("others") @reason("OTHERS") @explanation("Payments and credits may run.")
permit(principal, action in [Action::"PAY_OUT", Action::"CREDIT"], resource);
"""


async def measure(job: Job) -> Measured:
    await asyncio.sleep(0)
    policy, asked = PolicySet.load(POLICY, CATALOG), questions()
    must_be(len(asked), job.operations, "questions")
    ours = [
        Question(
            one.agent_id,
            one.account_id,
            one.action_type,
            one.confidence_bp,
            one.risk,
            one.mode,
            one.parameters,
        )
        for one in asked
    ]
    for question, one in zip(ours, asked, strict=True):
        found = policy.decide(question)
        must_be((found.answer.value, found.clauses), by_hand(one), f"the answer to {one}")
    return {"policy": answer_all(policy.decide, ours)}
