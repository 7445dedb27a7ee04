"""Observe: what people and agents may read, always of their own tenant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from clearance.core import narrative as timelines
from clearance.core.budget import BudgetRule, rule_for
from clearance.core.catalog import readable
from clearance.core.gate import Facts
from clearance.core.ledger import Entry
from clearance.core.moment import day_in_zone
from clearance.core.narrative import Explanation, ShownCall
from clearance.core.principal import Permission, Principal
from clearance.core.record import STEPS, IntentRecord, IntentStatus
from clearance.core.settings import Settings
from clearance.core.template import Phrase
from clearance.flow.context import Context
from clearance.flow.ports.intents import TimelineQuery
from clearance.flow.requests import PAGE_SIZE_MAX, Concern, NarratedIntent, TenantState

ACCOUNTS_SEEN_MAX = 1_000  # accounts that are listed at once


async def intent(context: Context, principal: Principal, action_intent_id: str) -> NarratedIntent:
    """One intent."""
    settings = await settings_for_reader(context, principal)
    return narrate(await context.record(principal.tenant_id, action_intent_id), settings)


def narrate(record: IntentRecord, settings: Settings) -> NarratedIntent:
    """The record with its sentence. For the verbs alone: their answers are narrated already."""
    return NarratedIntent(record, *narration_of(record, settings))


def narration_of(record: IntentRecord, settings: Settings) -> tuple[Phrase, str, ShownCall | None]:
    """How an intent stands, what people call its action, and its call, in the words of a
    catalog.
    """
    action = settings.catalog.get(record.intent.action_type)
    label = action.label if action else readable(record.intent.action_type)
    call = timelines.shown_call(record, action)
    return timelines.say(record, action, call, settings), label, call


async def settings_for_reader(context: Context, principal: Principal) -> Settings:
    """The settings in force, for a principal who may read."""
    principal.require(Permission.READ, on=principal.tenant)
    return await context.settings(principal.tenant_id)


async def waiting(
    context: Context, principal: Principal, *, after: str | None, limit: int
) -> list[NarratedIntent]:
    """The intents that await a person."""
    settings = await settings_for_reader(context, principal)
    records = await context.store.waiting(principal.tenant_id, after, min(limit, PAGE_SIZE_MAX))
    return [narrate(record, settings) for record in records]


async def timeline(
    context: Context, principal: Principal, query: TimelineQuery
) -> list[NarratedIntent]:
    """A page of the timeline."""
    settings = await settings_for_reader(context, principal)
    bounded = replace(query, limit=min(query.limit, PAGE_SIZE_MAX))
    records = await context.store.timeline(principal.tenant_id, bounded)
    return [narrate(record, settings) for record in records]


async def explain(context: Context, principal: Principal, action_intent_id: str) -> Explanation:
    """Why, and what would change it."""
    settings = await settings_for_reader(context, principal)
    record = await context.record(principal.tenant_id, action_intent_id)
    now = context.clock.now_ms()
    return timelines.explain(record, await _facts(context, settings, record, now), now)


async def _facts(context: Context, settings: Settings, record: IntentRecord, now: int) -> Facts:
    """The facts as they are now, without the intent's own hold."""
    account_id = record.intent.account_id
    known = await known_accounts(context, settings, account_id)
    rule = rule_for(settings.budgets, account_id)
    if rule is None:
        return Facts(settings, known_accounts=known)
    day = day_in_zone(now, rule.zone)
    return Facts(settings, await used_by_others(context, record, day), known)


async def known_accounts(context: Context, settings: Settings, account_id: str) -> frozenset[str]:
    """The account, if an admission made it known; asked only where that could make a difference."""
    if settings.accounts.pattern_of(account_id) is None:
        return frozenset()
    return await context.store.known_accounts(settings.tenant_id, (account_id,))


async def used_by_others(context: Context, record: IntentRecord, day: str) -> Mapping[str, int]:
    """The use of the account's buckets on a day, without this intent's own hold."""
    used = dict(
        await context.store.budget_used(record.intent.tenant_id, record.intent.account_id, day)
    )
    if record.hold and record.hold.day == day and record.hold.state.counts:
        for claim in record.hold.claims:
            used[claim.bucket] = used.get(claim.bucket, 0) - claim.amount
    return used


async def history(context: Context, principal: Principal, action_intent_id: str) -> list[Entry]:
    """The entries of one intent."""
    principal.require(Permission.READ, on=principal.tenant)
    await context.record(principal.tenant_id, action_intent_id)
    return await context.store.entries_about(principal.tenant_id, action_intent_id)


async def ledger(context: Context, principal: Principal, *, after: int, limit: int) -> list[Entry]:
    """The tenant's entries behind a position."""
    principal.require(Permission.READ, on=principal.tenant)
    return await context.store.entries(principal.tenant_id, after, min(limit, PAGE_SIZE_MAX))


async def ledger_size(context: Context, principal: Principal) -> int:
    """The position of the latest entry."""
    principal.require(Permission.READ, on=principal.tenant)
    return await context.store.ledger_size(principal.tenant_id)


async def wait_for_entries(
    context: Context, principal: Principal, *, after: int, timeout_ms: int
) -> bool:
    """Waits for the next entry."""
    principal.require(Permission.READ, on=principal.tenant)
    return await context.store.wait_for_entries(principal.tenant_id, after, timeout_ms)


async def counts(context: Context, principal: Principal) -> Mapping[IntentStatus, int]:
    """How many intents are under way, by state."""
    principal.require(Permission.READ, on=principal.tenant)
    return await context.store.count_by_status(principal.tenant_id)


async def accounts_seen(context: Context, principal: Principal, *, since: int) -> list[str]:
    """The accounts of the intents since a moment."""
    principal.require(Permission.READ, on=principal.tenant)
    return await context.store.accounts_since(principal.tenant_id, since, ACCOUNTS_SEEN_MAX)


async def state(context: Context, principal: Principal) -> TenantState:
    """How the tenant stands now."""
    by_status = await counts(context, principal)
    tenant_id, store = principal.tenant_id, context.store
    first = await store.waiting(tenant_id, None, 1)
    settings = await context.settings(tenant_id)
    unreadable = (Concern(part.code, part.sentence) for part in settings.unreadable.values())
    concerns = (
        *dict.fromkeys(unreadable),
        _no_policy(settings),
        _unknown(by_status.get(IntentStatus.UNKNOWN, 0)),
    )
    return TenantState(
        tenant_id=tenant_id,
        at=context.clock.now_ms(),
        counts={status: by_status.get(status, 0) for status in STEPS},
        waiting_since=next(
            (record.approval.opened_at for record in first if record.approval), None
        ),
        settings_version=await store.settings_version(tenant_id),
        stop_switches=settings.stop_switches,
        ledger_size=await store.ledger_size(tenant_id),
        concerns=tuple(concern for concern in concerns if concern),
    )


def _no_policy(settings: Settings) -> Concern | None:
    if settings.policy is not None or settings.unreadable:
        return None
    return Concern("POLICY_NOT_CONFIGURED", "The tenant has no policy: every intent is blocked.")


def _unknown(count: int) -> Concern | None:
    if not count:
        return None
    outcomes, them = ("1 outcome is", "it") if count == 1 else (f"{count} outcomes are", "them")
    sentence = f"{outcomes} unknown: a person must settle {them}."
    return Concern("OUTCOMES_UNKNOWN", sentence)


async def budget(
    context: Context, principal: Principal, account_id: str
) -> tuple[BudgetRule | None, str, Mapping[str, int]]:
    """The account's rule, its day now, and its use."""
    settings = await settings_for_reader(context, principal)
    rule = rule_for(settings.budgets, account_id)
    day = day_in_zone(context.clock.now_ms(), rule.zone if rule else "UTC")
    return rule, day, await context.store.budget_used(principal.tenant_id, account_id, day)


async def settings(context: Context, principal: Principal) -> Settings:
    """The settings in force."""
    return await settings_for_reader(context, principal)
