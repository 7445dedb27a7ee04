"""Autonomy budgets: which limits a rule sets for one act, on which day, and the two steps in which
they are used.

Use is counted in buckets of one account and day: all actions, the actions of one type, the amount
that one type spends. A hold takes from every bucket that applies, or from none; it is settled when
execution starts and released when it never does. The limit covers held and settled together, so
settling moves no counter. The store counts; this file says what is counted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from clearance.core.moment import day_in_zone

COUNT_MAX = 1_000_000_000  # acts per day
NEW_ACCOUNTS = "new_accounts"  # the bucket of names that are new under a pattern
NEVER_GIVEN_BACK = frozenset({NEW_ACCOUNTS})  # or withdrawing would name accounts without end
AMOUNT_MAX = 10**15  # of the smallest unit, per act and per day: sums stay far inside 64 bits


@dataclass(frozen=True, slots=True)
class BudgetRule:
    """How much may run unattended per account and day: in all, per action type, and as the amount
    that a type spends.

    Without an account it holds for each account of the tenant that has no rule of its own. The day
    begins in `zone`.
    """

    max_per_day: int
    zone: str = "UTC"
    account: str | None = None
    max_per_day_by_action_type: Mapping[str, int] = field(default_factory=dict)
    max_amount_per_day_by_action_type: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Counter:
    """What is counted together: all that one subject does in one fixed window.

    `subject` is the canonical JSON of the keys that name it (`{}`: the tenant as a whole;
    `{"agent":"support"}`). `window` is a day (`2026-11-30`), a month (`2026-11`), or the UTC hour
    or minute (`2026-11-30T14`, `2026-11-30T14:05`); behind a day or month in another zone than UTC
    stands a space and the zone's name.
    """

    subject: str
    window: str


@dataclass(frozen=True, slots=True)
class Claim:
    """The share that one act takes from one bucket of a counter, and the bucket's limit.

    Without a counter the bucket is the account's own, of the hold's day: `actions`,
    `actions:TYPE` or `amount:TYPE`. A bucket without a limit is counted all the same: a limit that
    is set later finds what was used before.
    """

    bucket: str
    amount: int
    limit: int | None
    counter: Counter | None = None

    @property
    def place(self) -> str:
        """What names the bucket and its counter among all those of one act."""
        if self.counter is None:
            return self.bucket
        return f"{self.bucket} {self.counter.subject} {self.counter.window}"


def is_of_counter(place: str) -> bool:
    """True if a claim's place is in a counter, and not in the account's own buckets."""
    return " " in place


class HoldState(StrEnum):
    """Where a hold is on its way; SETTLED and RELEASED are final, except that nothing sent releases
    a settled one.
    """

    HELD = "HELD"
    SETTLED = "SETTLED"
    RELEASED = "RELEASED"

    @property
    def counts(self) -> bool:
        """True while the hold counts as use."""
        return self is not HoldState.RELEASED


@dataclass(frozen=True, slots=True)
class Hold:
    """The claims of one intent on its account's budget of one day (`YYYY-MM-DD` in the rule's
    zone).
    """

    day: str
    claims: tuple[Claim, ...]
    state: HoldState = HoldState.HELD

    @property
    def given_back(self) -> tuple[Claim, ...]:
        """The claims that go back to their counters when the hold is released."""
        return tuple(claim for claim in self.claims if claim.bucket not in NEVER_GIVEN_BACK)


def rule_for(rules: Sequence[BudgetRule], account_id: str) -> BudgetRule | None:
    """The account's own rule, else the rule for each account, else None: no budget, no autonomy."""
    by_account = {rule.account: rule for rule in rules}
    return by_account.get(account_id, by_account.get(None))


def hold_for(rule: BudgetRule, action_type: str, amount: int | None, now: int) -> Hold:
    """The hold that an act needs under a rule; `amount` is what it spends, None if the catalog says
    nothing of that.
    """
    claims = [
        Claim("actions", 1, rule.max_per_day),
        Claim(f"actions:{action_type}", 1, rule.max_per_day_by_action_type.get(action_type)),
    ]
    amount_limit = rule.max_amount_per_day_by_action_type.get(action_type)
    if amount is not None or amount_limit is not None:
        # An amount limit on an act whose amount is unknown must let nothing through: claim more
        # than any limit. Where no limit is set AMOUNT_MAX is one, because a counter that
        # overflows counts nothing.
        limit = AMOUNT_MAX if amount_limit is None else amount_limit
        claims.append(
            Claim(f"amount:{action_type}", AMOUNT_MAX + 1 if amount is None else amount, limit)
        )
    return Hold(day_in_zone(now, rule.zone), tuple(claims))


def hold_of_read(now: int) -> Hold:
    """The hold of an act that changes nothing: it takes nothing from the budget of an account."""
    return Hold(day_in_zone(now, "UTC"), ())


def spent_claim(hold: Hold, used: Mapping[str, int]) -> Claim | None:
    """The first claim that does not fit beside what is used already (by the claim's place), or
    None if the whole hold fits.
    """
    for claim in hold.claims:
        if claim.limit is not None and used.get(claim.place, 0) + claim.amount > claim.limit:
            return claim
    return None
