"""The promises about all that a store holds together: sums, limits, and how many there are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from clearance.core.budget import HoldState
from clearance.core.decision import Answer
from clearance.core.record import IntentRecord, IntentStatus
from tests.model.support.keeping import Kept, Place, kept_for_good, place_of
from tests.model.support.promises import Broken, Promise

if TYPE_CHECKING:
    from tests.model.support.scenarios import Scenario

INVENTED = "new-"
"""How the accounts begin that no settings name."""
BLOCKED_BYTES = "blocked_bytes"
"""The bucket of what blocked intents leave; no hold takes from it."""


def check_kept(kept: Kept, every: list[IntentRecord], scenario: Scenario) -> Iterator[Broken]:
    """What does not add up in what the store holds. `every` are the records by number."""
    records = [every[intent.number] for intent in kept.intents]
    for record in records:
        yield from _check_charged(record)
    yield from _check_names(records, scenario)
    yield from _check_sums(kept, records, scenario)
    for place, used in kept.used:
        if place.bucket == BLOCKED_BYTES and used > scenario.blocked_bytes:
            yield Broken(Promise.QUOTAS, f"What was blocked left {used} bytes.")


def _check_charged(record: IntentRecord) -> Iterator[Broken]:
    settled = record.hold is not None and record.hold.state is HoldState.SETTLED
    started = record.attempt is not None and record.status is not IntentStatus.CANCELLED
    if record.auto_executed and started and not settled:
        yield Broken(Promise.BUDGET, f"{record.status} by policy, and the hold is not settled.")


def _check_names(records: list[IntentRecord], scenario: Scenario) -> Iterator[Broken]:
    alone = [record for record in records if record.decision.answer is Answer.AUTO_EXECUTE]
    names = {record.intent.account_id for record in alone}
    new = sorted(name for name in names if name.startswith(INVENTED))
    if len(new) > scenario.new_accounts:
        sentence = f"{new} were let run alone; {scenario.new_accounts} may be new."
        yield Broken(Promise.ACCOUNTS, sentence)


def _check_sums(kept: Kept, records: list[IntentRecord], scenario: Scenario) -> Iterator[Broken]:
    total: dict[Place, int] = {}
    limits: dict[Place, int] = {}
    for record in records:
        for claim in record.hold.claims if record.hold else ():
            place = place_of(claim, record.intent.account_id, record.hold)
            if record.hold is not None and (record.hold.state.counts or kept_for_good(claim)):
                total[place] = total.get(place, 0) + claim.amount
            if claim.limit is not None:
                limits[place] = min(claim.limit, limits.get(place, claim.limit))
    counted = {place: used for place, used in kept.used if place.bucket != BLOCKED_BYTES}
    if total != {place: used for place, used in counted.items() if used or place in total}:
        yield Broken(Promise.BUDGET, f"The holds sum up to {total}, the counters say {counted}.")
    for place, used in total.items():
        own = place.bucket == "actions" and not place.subject.startswith("{")
        most = scenario.budget if own else limits.get(place, used)
        if used > most:
            what = f"{used} of {place.bucket} are held or settled by {place.subject}"
            yield Broken(Promise.BUDGET if own else Promise.LIMITS, f"{what}; the limit is {most}.")
