"""The digest of the day: how many acts there were of each kind, and how much of the budgets they
used.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from clearance.core.budget import BudgetRule, rule_for
from clearance.core.limits import window_in_words
from clearance.core.moment import SECOND_MS, day_in_zone
from clearance.core.principal import Principal
from clearance.core.record import IntentRecord, IntentStatus
from clearance.core.settings import Settings
from clearance.flow.ports.intents import TimelineQuery
from clearance.flow.requests import PAGE_SIZE_MAX, CounterUse
from clearance.web.presenting import approved_by_person
from clearance.web.timeline_filter import OUTCOMES
from clearance.web.visitor import Frame, Site

ACCOUNTS_MAX = 4  # accounts whose budget is shown: the ones with the most acts
ACCOUNTS_KNOWN_MAX = 100  # accounts that are offered as a filter


@dataclass(frozen=True, slots=True)
class Count:
    """A number of the digest, and the timeline's list behind it."""

    number: int
    words: str
    tone: str
    address: str


def _percent(used: int, limit: int) -> int:
    """How much of a limit is used, as 0 to 100."""
    return min(100, 100 * used // limit) if limit else 100


@dataclass(frozen=True, slots=True)
class BudgetUse:
    """How much of an account's acts per day is used, held ones too; `amounts` likewise, by the
    label of the action that spends them.
    """

    account_id: str
    used: int
    limit: int
    amounts: Sequence[tuple[str, str]] = ()

    @property
    def percent(self) -> int:
        """How much is used, as 0 to 100."""
        return _percent(self.used, self.limit)


@dataclass(frozen=True, slots=True)
class LimitUse:
    """How much is used of one limit of the tenant, in the window that it is now."""

    window: str
    shown: str
    percent: int


@dataclass(frozen=True, slots=True)
class Digest:
    """What happened on a day of the tenant.

    `complete` is False if there was more than is counted.
    """

    day: str
    zone: str
    counts: Sequence[Count]
    limits: Sequence[LimitUse]
    budgets: Sequence[BudgetUse]
    accounts: Sequence[str]
    complete: bool


async def digest(site: Site, principal: Principal, settings: Settings, around: Frame) -> Digest:
    """The digest of today, in the zone of the budget that holds for each account."""
    rule = rule_for(settings.budgets, "")
    zone = rule.zone if rule else "UTC"
    day = day_in_zone(site.clock.now_ms(), zone)
    query = TimelineQuery(since=_begins(day, zone), limit=PAGE_SIZE_MAX)
    records = [narrated.record for narrated in await site.control.timeline(principal, query)]
    by_account = Counter(record.intent.account_id for record in records)
    budgets = []
    for account_id, _ in by_account.most_common(ACCOUNTS_MAX):
        own_rule, _, used = await site.control.budget(principal, account_id)
        if own_rule:
            amounts = _amounts(own_rule, used, settings)
            budgets.append(
                BudgetUse(account_id, used.get("actions", 0), own_rule.max_per_day, amounts)
            )
    return Digest(
        day=day,
        zone=zone,
        counts=_counts(records, around),
        limits=_limits(await site.control.usage(principal, {})),
        budgets=budgets,
        accounts=sorted(name for name, _ in by_account.most_common(ACCOUNTS_KNOWN_MAX)),
        complete=len(records) < PAGE_SIZE_MAX,
    )


def _limits(tenants: Sequence[CounterUse]) -> list[LimitUse]:
    """The limits of the tenant as a whole."""
    return [
        LimitUse(window_in_words(use.counter), bucket.shown, _percent(bucket.used, bucket.limit))
        for use in tenants
        for bucket in use.buckets
        if bucket.limit is not None
    ]


def _amounts(
    rule: BudgetRule, used: Mapping[str, int], settings: Settings
) -> list[tuple[str, str]]:
    """The amounts that a budget limits, and how much of each is used."""
    limits = rule.max_amount_per_day_by_action_type
    known = {name: settings.catalog[name] for name in limits if name in settings.catalog}
    return [
        (action.label, action.spent_in.used_of(used.get(f"amount:{name}", 0), limits[name]))
        for name, action in known.items()
    ]


def _begins(day: str, zone: str) -> int:
    """The first moment of a day in a zone."""
    return int(datetime.fromisoformat(day).replace(tzinfo=ZoneInfo(zone)).timestamp()) * SECOND_MS


def _counts(records: Sequence[IntentRecord], around: Frame) -> list[Count]:
    """Autopilot, people and waiting intents are always named; other results only if there were
    any.
    """
    done = [record for record in records if record.status is IntentStatus.SUCCEEDED]
    autopilot = sum(1 for record in done if record.auto_executed)
    people = sum(1 for record in done if approved_by_person(record))
    statuses = Counter(record.status for record in records)
    not_done = sum(statuses[status] for status in OUTCOMES["not-done"][1])
    always = [
        Count(autopilot, "by autopilot", "autopilot", "/?source=autopilot&outcome=done"),
        Count(people, "with approval", "done", "/?source=people&outcome=done"),
        Count(around.waiting, "waiting", "waiting", "/needs-you"),
    ]
    otherwise = [
        Count(statuses[IntentStatus.BLOCKED], "blocked", "blocked", "/?outcome=blocked"),
        Count(not_done, "not run", "quiet", "/?outcome=not-done"),
        Count(statuses[IntentStatus.FAILED], "failed", "blocked", "/?outcome=failed"),
        Count(around.unknown, "unknown", "unknown", "/?outcome=unknown"),
    ]
    return always + [count for count in otherwise if count.number]
