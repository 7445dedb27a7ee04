"""Usage: what is used of the budget and of every limit, as the gate and people ask for it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from clearance.core.accounts import AccountKind
from clearance.core.budget import Claim, Counter, Hold, rule_for
from clearance.core.gate import Facts, counters_of
from clearance.core.limits import (
    LimitedCounter,
    LimitKey,
    Limits,
    Who,
    limited_counters,
    looked_at,
)
from clearance.core.moment import day_in_zone
from clearance.core.principal import Permission, Principal
from clearance.core.record import IntentRecord
from clearance.core.settings import Settings
from clearance.flow.context import Context
from clearance.flow.memory import rejection_of
from clearance.flow.requests import BucketUse, CounterUse


async def usage(context: Context, principal: Principal, who: Who) -> list[CounterUse]:
    """The use of every counter that acts of these would be counted in now, as far as `who` names
    its subject; that of the tenant always.
    """
    principal.require(Permission.READ, on=principal.tenant)
    settings = await context.settings(principal.tenant_id)
    limits, account = settings.limits, who.get(LimitKey.ACCOUNT)
    known = account is None or await _is_known(context, settings, account)
    counters = limited_counters(limits, who, context.clock.now_ms(), known=known)
    used = await context.store.counted(principal.tenant_id, [each.counter for each in counters])
    return [_use(limits, each, used.get(each.counter, {})) for each in counters]


async def _is_known(context: Context, settings: Settings, account_id: str) -> bool:
    """True if an account does not count on the share of those that are not known."""
    admitted = await known_accounts(context, settings, account_id)
    standing = settings.accounts.standing(account_id, admitted)
    return standing.kind is not AccountKind.UNKNOWN


def _use(limits: Limits, limited: LimitedCounter, used: Mapping[str, int]) -> CounterUse:
    # An account's own buckets are counted here too, if it is not known; its budget shows them.
    counted = (bucket for bucket in used if ":" not in bucket)
    buckets = []
    for bucket in sorted({*limited.limits, *counted}):
        use, limit = used.get(bucket, 0), limited.limits.get(bucket)
        words = limits.amount(bucket, use)
        if limit is not None:
            words = limits.used_of(bucket, use, limit)
            limit = limits.smallest(bucket, limit)
        buckets.append(BucketUse(bucket, limits.smallest(bucket, use), limit, words))
    return CounterUse(limited.counter, tuple(buckets))


async def facts_now(context: Context, settings: Settings, record: IntentRecord, now: int) -> Facts:
    """The facts as they are now, without the intent's own hold."""
    return await _facts(context, settings, record, now, None)


async def facts_of_hold(
    context: Context, settings: Settings, record: IntentRecord, now: int
) -> Facts:
    """The facts for an intent whose hold stays in the windows that it was taken from, without that
    hold: there, what others use is looked at.
    """
    return await _facts(context, settings, record, now, record.hold)


async def _facts(
    context: Context, settings: Settings, record: IntentRecord, now: int, held: Hold | None
) -> Facts:
    """Of the day and the windows that a hold is in, else of those that it is now."""
    intent, own = record.intent, record.hold
    rule = rule_for(settings.budgets, intent.account_id)
    day = held.day if held else day_in_zone(now, rule.zone if rule else "UTC")
    used = dict(await context.store.budget_used(intent.tenant_id, intent.account_id, day))
    mine = own.claims if own and own.state.counts else ()
    if own and own.day == day:
        _give_back(used, (claim for claim in mine if claim.counter is None))
    known = await known_accounts(context, settings, intent.account_id)
    needed = counters_of(intent, settings, known, now)
    looked = {counter: looked_at(counter, held) for counter in needed}
    counted = await context.store.counted(intent.tenant_id, set(looked.values()))
    for counter, other in looked.items():
        used |= _by_place(counter, counted.get(other, {}))
        moved = (replace(claim, counter=counter) for claim in mine if claim.counter == other)
        _give_back(used, moved)
    rejected = await rejection_of(context, record, settings, now)
    return Facts(settings, used, known, rejected)


async def known_accounts(context: Context, settings: Settings, account_id: str) -> frozenset[str]:
    """The account that an admission made known: this one, or one that looks like it. Asked only
    where that could make a difference.
    """
    if not settings.accounts.may_be_admitted(account_id):
        return frozenset()
    return await context.store.known_accounts(settings.tenant_id, (account_id,))


def _by_place(counter: Counter, used: Mapping[str, int]) -> dict[str, int]:
    return {Claim(bucket, 0, None, counter).place: use for bucket, use in used.items()}


def _give_back(used: dict[str, int], claims: Iterable[Claim]) -> None:
    for claim in claims:
        used[claim.place] = used.get(claim.place, 0) - claim.amount
