"""Limits: how much may run unattended in one window of time, for the tenant as a whole, for each
agent, account and action type, or for named ones.

Every limit that covers an act holds. What agrees in the keys of a limit is counted together, in a
counter for each window. Windows are fixed, so twice the limit can pass around the edge between two
of them. The acts of the tenant and of each agent are counted also where no limit is set; the
account's stand in its budget.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import lru_cache

from clearance.core.budget import Claim, Counter, Hold
from clearance.core.canonical import INTEGER_MAX, Json, canonical
from clearance.core.catalog import Action
from clearance.core.moment import SECOND_MS, minute_in_zone
from clearance.core.money import Money
from clearance.core.schema import SCALE_MAX
from clearance.core.template import outside

READS_PER_MINUTE_DEFAULT = 60  # acts of one agent that only read
MILLIONTHS_MAX = INTEGER_MAX  # millionths of a unit: what a limit can be, and what an act can take
UNITS_MAX = MILLIONTHS_MAX // SCALE_MAX  # the same in whole units
UNCOUNTABLE = MILLIONTHS_MAX + 1  # millionths that no limit has room for
ACTIONS, READS = "actions", "reads"
MINUTE_MS = 60 * SECOND_MS
SUBJECTS_KEPT = 4_096  # texts of subjects that a process makes once
MINUTES_KEPT = 64  # minutes of zones, likewise
UNKNOWN = "unknown"  # instead of the names of all accounts that are not known
_AMOUNT = "amount:"


class Per(StrEnum):
    """The window of a limit. Minutes and hours are those of UTC; days and months those of a
    zone.
    """

    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"
    MONTH = "month"


_LENGTHS = {Per.MONTH: 7, Per.DAY: 10, Per.HOUR: 13, Per.MINUTE: 16}
"""Characters of the name of a window: as much of `2026-11-30T14:05`."""


class LimitKey(StrEnum):
    """By what acts are counted together, in the order in which people read it."""

    AGENT = "agent"
    ACCOUNT = "account"
    ACTION_TYPE = "action_type"


Who = Mapping[LimitKey, str]
"""Whose acts: an agent, account and action type, or some of them."""


@dataclass(frozen=True, slots=True)
class Limit:
    """How much of what its `names` say may run unattended in a window, counted apart for each value
    of the keys in `each`. Without keys it is the tenant's.

    `amounts` are in millionths of their units. What is None has no limit.
    """

    per: Per
    names: Who = field(default_factory=dict)
    each: frozenset[LimitKey] = frozenset()
    zone: str = "UTC"
    actions: int | None = None
    reads: int | None = None
    amounts: Mapping[str, int] = field(default_factory=dict)

    @property
    def keys(self) -> frozenset[LimitKey]:
        """The keys that it names, and those that it takes each value of."""
        return self.each.union(self.names)

    @property
    def buckets(self) -> dict[str, int]:
        """The limit of each bucket that it has one for."""
        counts = {ACTIONS: self.actions, READS: self.reads}
        amounts = {f"{_AMOUNT}{unit}": most for unit, most in self.amounts.items()}
        return {bucket: most for bucket, most in counts.items() if most is not None} | amounts

    def covers(self, who: Who) -> bool:
        """True if it limits the acts of these."""
        return self.each <= who.keys() and self.names.items() <= who.items()

    def replaces(self, other: Limit, bucket: str) -> bool:
        """True if it takes the place of another one in a bucket: it limits that too, has the same
        keys and the same window, and names more of them.
        """
        same = self.per is other.per and self.keys == other.keys
        return same and bucket in self.buckets and self.names.items() > other.names.items()


READS_DEFAULT = Limit(Per.MINUTE, each=frozenset({LimitKey.AGENT}), reads=READS_PER_MINUTE_DEFAULT)
"""The rate of reads where no limit for each agent, or for the agent, says one per minute."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of a tenant, and how many smallest units make one of each unit of their
    amounts, by the finest scale of the catalog.
    """

    rules: tuple[Limit, ...] = ()
    scales: Mapping[str, int] = field(default_factory=dict)

    def smallest(self, bucket: str, counted: int) -> int:
        """What is counted of a bucket, in smallest units of the finest scale; use is rounded up."""
        return counted if _unit(bucket) is None else -(-counted * self._scale(bucket) // SCALE_MAX)

    def amount(self, bucket: str, counted: int) -> str:
        """What is counted of a bucket, as people read it: `12 actions`, `349.00 EUR`."""
        if _unit(bucket) is None:
            return f"{counted:,} {bucket if counted != 1 else bucket[:-1]}"
        return self._money(bucket).amount(self.smallest(bucket, counted))

    def used_of(self, bucket: str, used: int, limit: int) -> str:
        """The use of a bucket and its limit, as people read them: `349.00 of 600.00 EUR`."""
        if _unit(bucket) is None:
            return f"{used:,} of {limit:,} {bucket}"
        smallest = (self.smallest(bucket, counted) for counted in (used, limit))
        return self._money(bucket).used_of(*smallest)

    def _money(self, bucket: str) -> Money:
        return Money(self._scale(bucket), _unit(bucket) or "")

    def _scale(self, bucket: str) -> int:
        return self.scales.get(_unit(bucket) or "", SCALE_MAX)


@dataclass(frozen=True, slots=True)
class Spending:
    """What an act spends: millionths of a unit (None: they are not known, or no limit could count
    them). An empty unit has no name.
    """

    unit: str
    millionths: int | None


@dataclass(frozen=True, slots=True)
class Taking:
    """What an act takes from the limits that cover it. `reads`: it changes nothing."""

    spends: Spending | None = None
    reads: bool = False

    def of(self, bucket: str) -> int | None:
        """What it takes from a bucket; None if the bucket does not count such acts.

        What cannot be counted, or has no unit, takes more than any limit of an amount.
        """
        if bucket in {ACTIONS, READS}:
            return 1 if self.reads is (bucket == READS) else None
        if self.spends is None or (unit := _unit(bucket)) is None:
            return None
        if self.spends.unit not in {"", unit}:
            return None
        millionths = self.spends.millionths if self.spends.unit else None
        return UNCOUNTABLE if millionths is None else min(millionths, UNCOUNTABLE)


@dataclass(frozen=True, slots=True)
class LimitedCounter:
    """A counter, and the limits of its buckets (None: counted without a limit)."""

    counter: Counter
    limits: Mapping[str, int | None]


def spending_of(action: Action, amount: int | None) -> Spending | None:
    """What an act spends; `amount` is in smallest units (`Action.amount_spent`). None if its action
    spends nothing.
    """
    if action.spends is None:
        return None
    money = action.spent_in
    return Spending(money.unit, None if amount is None else in_millionths(amount, money.scale))


def finest_scales(spent: Iterable[Money]) -> dict[str, int]:
    """How many smallest units make one of each unit that is spent, by the finest way in which
    amounts of it are written.
    """
    scales: dict[str, int] = {}
    for money in spent:
        if money.unit:
            scales[money.unit] = max(money.scale, scales.get(money.unit, 1))
    return scales


def in_millionths(amount: int, scale: int) -> int:
    """An amount in smallest units of a scale, in millionths of its unit."""
    return amount * SCALE_MAX // scale


def applying(limits: Sequence[Limit], who: Who) -> list[tuple[Limit, dict[str, int]]]:
    """The limits that hold for the acts of these: all that cover them, each with its limits in the
    buckets in which no other one replaces it.
    """
    covering = [limit for limit in limits if limit.covers(who)]
    return [
        (
            limit,
            {
                bucket: most
                for bucket, most in limit.buckets.items()
                if not any(other.replaces(limit, bucket) for other in covering)
            },
        )
        for limit in covering
    ]


def limited_counters(
    limits: Limits, who: Who, now: int, *, known: bool = True
) -> tuple[LimitedCounter, ...]:
    """The counters of the acts of these, with the limits that hold there.

    `known`: the account is. Accounts that are not known are counted together, as if they were one.
    """
    counters: dict[Counter, dict[str, int | None]] = {}
    for limit, own in applying(_with_reads(limits.rules, who), who):
        buckets = counters.setdefault(_counter(limit, who, now, known=known), {})
        for bucket, most in own.items():
            other = buckets.get(bucket)
            buckets[bucket] = most if other is None else min(most, other)
    for limit in _ALWAYS_COUNTED:
        if limit.covers(who):
            counters.setdefault(_counter(limit, who, now, known=known), {}).setdefault(
                ACTIONS, None
            )
    return tuple(LimitedCounter(counter, buckets) for counter, buckets in counters.items())


_ALWAYS_COUNTED = (Limit(Per.DAY), Limit(Per.DAY, each=frozenset({LimitKey.AGENT})))


def _with_reads(limits: Sequence[Limit], who: Who) -> Sequence[Limit]:
    """The limits, and the rate of reads where none of those that cover these has one."""
    limited = any(
        limit.reads is not None
        and limit.covers(who)
        and (limit.keys, limit.per) == (READS_DEFAULT.keys, READS_DEFAULT.per)
        for limit in limits
    )
    return limits if limited else (*limits, READS_DEFAULT)


def claims_of(counters: Iterable[LimitedCounter], taking: Taking) -> tuple[Claim, ...]:
    """What an act takes from the counters: one claim for each of their buckets that counts it."""
    return tuple(
        Claim(bucket, taken, limit, each.counter)
        for each in counters
        for bucket, limit in each.limits.items()
        if (taken := taking.of(bucket)) is not None
    )


def together(claims: Iterable[Claim]) -> tuple[Claim, ...]:
    """Claims with each place once: what budget and limits both count there is taken once, under the
    lower limit.
    """
    by_place: dict[str, Claim] = {}
    for claim in claims:
        other = by_place.get(claim.place)
        by_place[claim.place] = claim if other is None else _lower(other, claim)
    return tuple(by_place.values())


def _lower(claim: Claim, other: Claim) -> Claim:
    """The claim that covers two of one place."""
    limits = [limit for limit in (claim.limit, other.limit) if limit is not None]
    amount = max(claim.amount, other.amount)
    return replace(claim, amount=amount, limit=min(limits, default=None))


def counter_of(subject: Mapping[str, str], per: Per, now: int, zone: str = "UTC") -> Counter:
    """The counter of a subject in the window that it is now."""
    return Counter(_subject(tuple(subject.items())), window_at(now, per, zone))


@lru_cache(maxsize=SUBJECTS_KEPT)
def _subject(keys: tuple[tuple[str, str], ...]) -> str:
    return canonical(dict(keys)).decode()


def window_at(now: int, per: Per, zone: str = "UTC") -> str:
    """The name of the window that it is now, as `Counter` has it."""
    if per in {Per.MINUTE, Per.HOUR} or zone == "UTC":
        return _minute(now // MINUTE_MS, "UTC")[: _LENGTHS[per]]
    return f"{_minute(now // MINUTE_MS, zone)[: _LENGTHS[per]]} {zone}"


@lru_cache(maxsize=MINUTES_KEPT)
def _minute(minute: int, zone: str) -> str:
    return minute_in_zone(minute * MINUTE_MS, zone)


def _counter(limit: Limit, who: Who, now: int, *, known: bool) -> Counter:
    subject = {key.value: who[key] for key in limit.keys}
    if LimitKey.ACCOUNT in limit.each and not known:
        del subject[LimitKey.ACCOUNT.value]
        subject["accounts"] = UNKNOWN
    return counter_of(subject, limit.per, now, limit.zone)


# --- A hold that is looked at later ---


def looked_at(counter: Counter, hold: Hold | None) -> Counter:
    """The counter to look at for an act that may hold claims already: these stay in the window
    that they were taken from, as long as the hold counts.
    """
    if hold is None or not hold.state.counts:
        return counter
    kind = _kind(counter)
    held = (claim.counter for claim in hold.claims if claim.counter is not None)
    return next((other for other in held if _kind(other) == kind), counter)


def covers_all(held: Hold | None, needed: Hold | None) -> bool:
    """True if a hold covers the claims that would be needed now, in whichever windows its own are.

    A counter without a limit need not have been counted yet.
    """
    taken = {_bucket_kind(claim): claim.amount for claim in held.claims} if held else {}
    return needed is not None and all(
        taken.get(_bucket_kind(claim), -1) >= claim.amount
        for claim in needed.claims
        if claim.counter is None or claim.limit is not None
    )


def _bucket_kind(claim: Claim) -> tuple[str, tuple[str, int, str] | None]:
    return claim.bucket, None if claim.counter is None else _kind(claim.counter)


def _kind(counter: Counter) -> tuple[str, int, str]:
    """What a counter has in common with those of the same subject in other windows."""
    window, _, zone = counter.window.partition(" ")
    return counter.subject, len(window), zone


# --- In words ---


def as_json(counter: Counter) -> dict[str, Json]:
    """A counter as doors and findings write it: the keys of its subject, its window and its
    zone.
    """
    window, _, zone = counter.window.partition(" ")
    return {"subject": json.loads(counter.subject), "window": window, "zone": zone or "UTC"}


def in_words(counter: Counter) -> str:
    """Whose counter it is, and of which window: `agent support for 2026-11`."""
    return f"{subject_in_words(counter)} for {window_in_words(counter)}"


def subject_in_words(counter: Counter) -> str:
    """Whose counter it is: `the tenant`, `agent support and account acme`."""
    subject = json.loads(counter.subject)
    words = [_SUBJECTS[key](subject[key]) for key in _SUBJECTS if key in subject]
    return " and ".join(words) or "the tenant"


_SUBJECTS: Mapping[str, Callable[[str], str]] = {
    LimitKey.AGENT: lambda name: f"agent {outside(name)}",
    LimitKey.ACCOUNT: lambda name: f"account {outside(name)}",
    "accounts": lambda name: (
        "accounts that are not known" if name == UNKNOWN else f"new accounts like {name}"
    ),
    LimitKey.ACTION_TYPE: lambda name: f"action type {name}",
}


def window_in_words(counter: Counter) -> str:
    """The window of a counter: `2026-11-30`, `2026-11-30 14:05 UTC`, `2026-11 (Europe/Berlin)`."""
    window, _, zone = counter.window.partition(" ")
    if "T" in window:
        hour = window.replace("T", " ")
        return f"{hour} UTC" if len(window) == _LENGTHS[Per.MINUTE] else f"{hour}:00 UTC"
    return f"{window} ({zone})" if zone else window


def _unit(bucket: str) -> str | None:
    """The unit that a bucket counts; None if it counts acts."""
    return bucket.removeprefix(_AMOUNT) if bucket.startswith(_AMOUNT) else None
