"""Decisions per second of a policy set of 15 rules, beside the same rules written by hand in Python.

The two run in turns, so that whatever else the machine does slows both; what is compared is the median of the turns.
The hand-written rules are the floor: what a decision costs if nobody has to be able to read, check or change the rules.
"""

from __future__ import annotations

import statistics
import sys
import time
from itertools import product
from typing import TYPE_CHECKING

from clearance.core.catalog import Action, Effect, ToolName
from clearance.core.decision import Answer
from clearance.core.intent import RiskLevel
from clearance.core.policy import PolicySet, Question

if TYPE_CHECKING:
    from collections.abc import Callable

TURNS = 15
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
    name: Action(name, ToolName("bank", name), RiskLevel.LOW, Effect.KEYED, PARAMETERS, sentence="did", proposal="do")
    for name in ("REFUND", "PAY_OUT", "CREDIT")
}
CONDITIONS = {  # a forbid for each, from the hardest to the softest
    "confidence-floor": "context.confidence_bp < 3000",
    "hard-cap": "context.parameters.amount > 1000000",
    "currencies": '!["EUR", "USD"].contains(context.parameters.currency)',
    "mode-disabled": 'context.mode == "DISABLED"',
    "blocked-recipient": 'context.parameters has recipient && context.parameters.recipient like "BLOCKED-*"',
    "frozen-account": 'resource == Account::"frozen"',
    "mode": 'context.unattended && context.mode != "AUTO_EXECUTE"',
    "high-risk": "context.unattended && context.risk > 2",
    "medium-risk": "context.unattended && context.risk == 2 && context.confidence_bp < 8500",
    "low-risk": "context.unattended && context.risk < 2 && context.confidence_bp < 6000",
    "soft-cap": "context.unattended && context.parameters.amount > 50000",
    "new-agent": 'context.unattended && principal == Agent::"new"',
    "tagged": 'context.unattended && context.parameters has tags && context.parameters.tags.contains("review")',
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


def by_hand(question: Question) -> tuple[Answer, tuple[str, ...]]:
    """The same 15 rules."""
    parameters, amount = question.parameters, int(question.parameters["amount"] * 100)
    hard = {
        "confidence-floor": question.confidence_bp < 3_000,
        "hard-cap": amount > 1_000_000,
        "currencies": parameters["currency"] not in {"EUR", "USD"},
        "mode-disabled": question.mode == "DISABLED",
        "blocked-recipient": parameters.get("recipient", "").startswith("BLOCKED-"),
        "frozen-account": question.account_id == "frozen",
    }
    if blocked := tuple(sorted(name for name, holds in hard.items() if holds)):
        return Answer.BLOCK, blocked
    soft = {
        "mode": question.mode != "AUTO_EXECUTE",
        "high-risk": question.risk > 2,
        "medium-risk": question.risk == 2 and question.confidence_bp < 8_500,
        "low-risk": question.risk < 2 and question.confidence_bp < 6_000,
        "soft-cap": amount > 50_000,
        "new-agent": question.agent_id == "new",
        "tagged": "review" in parameters.get("tags", ()),
    }
    if held := tuple(sorted(name for name, holds in soft.items() if holds)):
        return Answer.REQUIRE_APPROVAL, held
    return Answer.AUTO_EXECUTE, ("refunds",) if question.action_type == "REFUND" else ("others",)


def questions() -> list[Question]:
    """A spread of questions, of which some run, some wait and some are blocked."""
    values = product(
        ("agent", "new"),
        ("acme", "frozen"),
        ("REFUND", "PAY_OUT", "CREDIT"),
        (2_999, 7_000, 9_500),
        (0, 2, 3),
        ("AUTO_EXECUTE", "APPROVAL_REQUIRED"),
        ({"amount": 20.5, "currency": "EUR"}, {"amount": 900, "currency": "USD", "recipient": "x", "tags": ["a"]}),
    )
    return [Question(*value) for value in values]


def seconds_per_call(call: Callable[[Question], object], asked: list[Question]) -> float:
    """The mean time of one call in one turn."""
    start = time.perf_counter()
    for question in asked:
        call(question)
    return (time.perf_counter() - start) / len(asked)


def main() -> None:
    """Check that both agree, then measure them in turns."""
    policy, asked = PolicySet.load(POLICY, CATALOG), questions()
    for question in asked:
        found = policy.decide(question)
        if (found.answer, found.clauses) != by_hand(question):
            sys.exit(f"different answers: {question}: {found}, by hand {by_hand(question)}")
    turns = [(seconds_per_call(policy.decide, asked), seconds_per_call(by_hand, asked)) for _ in range(TURNS)]
    cedar, hand = (statistics.median(column) for column in zip(*turns, strict=True))
    ratio = statistics.median(mine / theirs for mine, theirs in turns)
    start = time.perf_counter()
    PolicySet.load(POLICY, CATALOG)
    loading = time.perf_counter() - start
    print(f"{len(asked)} questions to {len(policy.clauses)} rules, {TURNS} turns, medians")
    best = min(turns)[0]
    print(f"policy set  {cedar * 1e6:8.1f} us a decision  {1 / cedar:10,.0f} decisions/s  (best {best * 1e6:.1f} us)")
    print(f"by hand     {hand * 1e6:8.1f} us a decision  {1 / hand:10,.0f} decisions/s")
    print(f"ratio       {ratio:8.1f}")
    print(f"loading     {loading * 1e3:8.1f} ms")


if __name__ == "__main__":
    main()
