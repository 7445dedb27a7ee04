"""What the page of an intent shows of its hold: what it takes from the budget and from limits."""

from __future__ import annotations

from dataclasses import dataclass

from clearance.core.budget import Claim, Counter
from clearance.core.catalog import Action
from clearance.core.gate import money_of_bucket
from clearance.core.limits import Limits, in_words
from clearance.core.record import IntentRecord


@dataclass(frozen=True, slots=True)
class ShownClaim:
    """What an act takes from one bucket of the budget or of a limit, and the bucket's limit."""

    bucket: str
    name: str
    amount: str
    limit: str | None


def claims(
    record: IntentRecord, action: Action | None, label: str, limits: Limits
) -> list[ShownClaim]:
    """What an intent takes from the budget and from the limits on it, amounts with their unit."""
    return [
        _counted(claim, claim.counter, limits) if claim.counter else _own(claim, action, label)
        for claim in (record.hold.claims if record.hold else ())
        if claim.counter is None or claim.limit is not None
    ]


def _own(claim: Claim, action: Action | None, label: str) -> ShownClaim:
    names = {"actions": "Acts", "actions:": f"{label}, acts", "amount:": f"{label}, amount"}
    money = money_of_bucket(claim.bucket, action)
    kind, colon, _ = claim.bucket.partition(":")
    limit = None if claim.limit is None else money.amount(claim.limit)
    name = names.get(kind + colon, claim.bucket)
    return ShownClaim(claim.bucket, name, money.amount(claim.amount), limit)


def _counted(claim: Claim, counter: Counter, limits: Limits) -> ShownClaim:
    limit = None if claim.limit is None else limits.amount(claim.bucket, claim.limit)
    name = f"Limit of {in_words(counter)}"
    return ShownClaim(claim.bucket, name, limits.amount(claim.bucket, claim.amount), limit)
