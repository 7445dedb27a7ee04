"""Fifteen rules and the questions to them, as plain data: what a policy set, rules by hand and a
peer are asked alike.

The rules by hand are the floor: what a decision costs if nobody has to be able to read, check,
version or change the rules.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

from bench.drive import Job, Measured, Timed, must_be, timed

# Of the questions: what the peer in `peers/agt_policy.py` answers as the rules do, run or not
RUN_OR_NOT_ALIKE = 429

CONDITIONS = {  # a forbid for each, from the hardest to the softest
    "confidence-floor": "context.confidence_bp < 3000",
    "hard-cap": "context.parameters.amount > 1000000",
    "currencies": '!["EUR", "USD"].contains(context.parameters.currency)',
    "mode-disabled": 'context.mode == "DISABLED"',
    "blocked-recipient": "context.parameters has recipient && context.parameters.recipient like "
    '"BLOCKED-*"',
    "frozen-account": 'resource == Account::"frozen"',
    "mode": 'context.unattended && context.mode != "AUTO_EXECUTE"',
    "high-risk": "context.unattended && context.risk > 2",
    "medium-risk": "context.unattended && context.risk >= 2 && context.confidence_bp < 8500",
    "unsure": "context.unattended && context.confidence_bp < 6000",
    "soft-cap": "context.unattended && context.parameters.amount > 50000",
    "new-agent": 'context.unattended && principal == Agent::"new"',
    "tagged": "context.unattended && context.parameters has tags && "
    'context.parameters.tags.contains("review")',
}


@dataclass(frozen=True)
class Asked:
    """A question, in the order in which the policy's `Question` takes it."""

    agent_id: str
    account_id: str
    action_type: str
    confidence_bp: int
    risk: int
    mode: str
    parameters: Mapping[str, Any]

    @property
    def amount_minor(self) -> int:
        return int(self.parameters["amount"] * 100)


def questions() -> list[Asked]:
    """432 questions, of which some run, some wait and some are blocked."""
    values = product(
        ("agent", "new"),
        ("acme", "frozen"),
        ("REFUND", "PAY_OUT", "CREDIT"),
        (2_999, 7_000, 9_500),
        (0, 2, 3),
        ("AUTO_EXECUTE", "APPROVAL_REQUIRED"),
        (
            {"amount": 20.5, "currency": "EUR"},
            {"amount": 900, "currency": "USD", "recipient": "x", "tags": ["a"]},
        ),
    )
    return [Asked(*value) for value in values]


def by_hand(asked: Asked) -> tuple[str, tuple[str, ...]]:
    """The same 15 rules: the answer, and the names of the rules that it rests on."""
    parameters, amount = asked.parameters, asked.amount_minor
    hard = {
        "confidence-floor": asked.confidence_bp < 3_000,
        "hard-cap": amount > 1_000_000,
        "currencies": parameters["currency"] not in {"EUR", "USD"},
        "mode-disabled": asked.mode == "DISABLED",
        "blocked-recipient": parameters.get("recipient", "").startswith("BLOCKED-"),
        "frozen-account": asked.account_id == "frozen",
    }
    if blocked := tuple(sorted(name for name, holds in hard.items() if holds)):
        return "BLOCK", blocked
    soft = {
        "mode": asked.mode != "AUTO_EXECUTE",
        "high-risk": asked.risk > 2,
        "medium-risk": asked.risk >= 2 and asked.confidence_bp < 8_500,
        "unsure": asked.confidence_bp < 6_000,
        "soft-cap": amount > 50_000,
        "new-agent": asked.agent_id == "new",
        "tagged": "review" in parameters.get("tags", ()),
    }
    if held := tuple(sorted(name for name, holds in soft.items() if holds)):
        return "REQUIRE_APPROVAL", held
    return "AUTO_EXECUTE", ("refunds",) if asked.action_type == "REFUND" else ("others",)


def answer_all(answer: Callable[[Any], object], asked: list[Any]) -> Timed:
    """The time of all answers, one after another."""
    taken = []
    begin = time.perf_counter()
    for question in asked:
        start = time.perf_counter()
        answer(question)
        taken.append(time.perf_counter() - start)
    return timed(time.perf_counter() - begin, taken)


async def measure(job: Job) -> Measured:
    """The rules by hand."""
    await asyncio.sleep(0)
    asked = questions()
    must_be(len(asked), job.operations, "questions")
    return {"policy": answer_all(by_hand, asked)}
