"""Observe: what people and agents may read, always of their own tenant.

An agent reads of its own intents alone, and is shown less of them: see `agents_view`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TypeAlias

from clearance.core import agents_view
from clearance.core import narrative as timelines
from clearance.core.agents_view import ShownEntry
from clearance.core.budget import BudgetRule, rule_for
from clearance.core.catalog import Catalog, readable
from clearance.core.ledger import Entry
from clearance.core.moment import day_in_zone
from clearance.core.narrative import Explanation, ShownCall
from clearance.core.principal import Permission, Principal
from clearance.core.record import STEPS, IntentRecord, IntentStatus
from clearance.core.settings import Settings
from clearance.core.template import Phrase
from clearance.flow.context import Context, no_intent
from clearance.flow.ports.intents import TimelineQuery
from clearance.flow.requests import PAGE_SIZE_MAX, Concern, NarratedIntent, TenantState
from clearance.flow.usage import facts_now

Narration: TypeAlias = tuple[IntentRecord, Phrase, str, ShownCall | None]
"""An intent as a reader is shown it, how it stands, what people call its action, and its call."""

ACCOUNTS_SEEN_MAX = 1_000  # accounts that are listed at once


async def intent(context: Context, principal: Principal, action_intent_id: str) -> NarratedIntent:
    """One intent."""
    principal.require_reading()
    settings = await context.settings(principal.tenant_id)
    return narrate(await readable_record(context, principal, action_intent_id), settings, principal)


def narrate(record: IntentRecord, settings: Settings, reader: Principal) -> NarratedIntent:
    """The record with its sentence. For the verbs alone: their answers are narrated already."""
    return NarratedIntent(*narration_of(record, settings, reader))


def narration_of(record: IntentRecord, settings: Settings, reader: Principal) -> Narration:
    """An intent for a reader, in the words of a catalog."""
    action = settings.catalog.get(record.intent.action_type)
    label = action.label if action else readable(record.intent.action_type)
    call = timelines.shown_call(record, action)
    if reader.sees_own_only:
        phrase = agents_view.own_phrase(record, action, call, settings)
        return agents_view.own_record(record), phrase, label, call
    return record, timelines.say(record, action, call, settings), label, call


async def settings_for_reader(context: Context, principal: Principal) -> Settings:
    """The settings in force, for a principal who may read them."""
    principal.require(Permission.READ, on=principal.tenant)
    return await context.settings(principal.tenant_id)


def may_read(reader: Principal, record: IntentRecord) -> bool:
    """True if an intent of its tenant is the reader's to read."""
    return not reader.sees_own_only or record.intent.proposed_by == reader.actor_id


async def readable_record(
    context: Context, reader: Principal, action_intent_id: str
) -> IntentRecord:
    """One intent. NotFound for an agent if another proposed it, as if there were none."""
    record = await context.record(reader.tenant_id, action_intent_id)
    if not may_read(reader, record):
        raise no_intent(action_intent_id)
    return record


async def waiting(
    context: Context, principal: Principal, *, after: str | None, limit: int
) -> list[NarratedIntent]:
    """The intents that await a person."""
    settings = await settings_for_reader(context, principal)
    records = await context.store.waiting(principal.tenant_id, after, min(limit, PAGE_SIZE_MAX))
    return [narrate(record, settings, principal) for record in records]


async def timeline(
    context: Context, principal: Principal, query: TimelineQuery
) -> list[NarratedIntent]:
    """A page of the timeline."""
    principal.require_reading()
    settings = await context.settings(principal.tenant_id)
    bounded = replace(query, limit=min(query.limit, PAGE_SIZE_MAX))
    if principal.sees_own_only:
        bounded = replace(bounded, proposed_by=principal.actor_id)
    records = await context.store.timeline(principal.tenant_id, bounded)
    return [
        narrate(record, settings, principal) for record in records if may_read(principal, record)
    ]


async def actions(context: Context, principal: Principal) -> Catalog:
    """The catalog, of which the caller may propose what its credential is not kept from."""
    principal.require_reading()
    catalog = (await context.settings(principal.tenant_id)).catalog
    own = principal.scope.action_types
    return catalog if own is None else {name: catalog[name] for name in catalog if name in own}


async def explain(context: Context, principal: Principal, action_intent_id: str) -> Explanation:
    """Why and, for people, what would change it."""
    principal.require_reading()
    settings = await context.settings(principal.tenant_id)
    record = await readable_record(context, principal, action_intent_id)
    if principal.sees_own_only:
        seen, phrase, _, call = narration_of(record, settings, principal)
        current = settings.version == record.decision.settings_version
        return Explanation(seen, phrase, call, current, nearest_changes=())
    now = context.clock.now_ms()
    return timelines.explain(record, await facts_now(context, settings, record, now), now)


async def history(
    context: Context, principal: Principal, action_intent_id: str
) -> list[ShownEntry]:
    """The entries of one intent."""
    principal.require_reading()
    await readable_record(context, principal, action_intent_id)
    entries = await context.store.entries_about(principal.tenant_id, action_intent_id)
    show = agents_view.own_entry if principal.sees_own_only else agents_view.shown_entry
    return [show(entry) for entry in entries]


async def events(
    context: Context, principal: Principal, *, after: int, limit: int
) -> tuple[list[ShownEntry], int]:
    """The entries behind a position that the reader is shown, and the position that was read up
    to.
    """
    principal.require_reading()
    tenant_id = principal.tenant_id
    entries = await context.store.entries(tenant_id, after, min(limit, PAGE_SIZE_MAX))
    reached = entries[-1].position if entries else after
    if not principal.sees_own_only:
        return [agents_view.shown_entry(entry) for entry in entries], reached
    own = [
        entry
        for entry in entries
        if await _proposer(context, tenant_id, entry) == principal.actor_id
    ]
    return [agents_view.own_entry(entry) for entry in own], reached


async def _proposer(context: Context, tenant_id: str, entry: Entry) -> str | None:
    """Who proposed the intent that an entry is about; None if it is about none."""
    facts = entry.fields
    if "action_intent_id" not in facts:
        return None
    return await context.proposer(tenant_id, facts["action_intent_id"], facts.get("proposed_by"))


async def ledger(context: Context, principal: Principal, *, after: int, limit: int) -> list[Entry]:
    """The tenant's entries behind a position."""
    principal.require(Permission.READ, on=principal.tenant)
    return await context.store.entries(principal.tenant_id, after, min(limit, PAGE_SIZE_MAX))


async def ledger_size(context: Context, principal: Principal) -> int:
    """The position of the latest entry."""
    principal.require_reading()
    return await context.store.ledger_size(principal.tenant_id)


async def wait_for_entries(
    context: Context, principal: Principal, *, after: int, timeout_ms: int
) -> bool:
    """Waits for the next entry."""
    principal.require_reading()
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
        await no_worker(context, by_status),
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
        refused=context.refusals.lately(tenant_id, context.clock.now_ms()),
    )


async def no_worker(context: Context, counts: Mapping[IntentStatus, int]) -> Concern | None:
    """What people must know if what is approved waits for a worker, and none is alive."""
    workers = await context.workers()
    return workers.concern(counts.get(IntentStatus.APPROVED, 0)) if workers else None


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
