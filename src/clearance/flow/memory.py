"""Memory: what is known of the same act, and what a store is asked about it in the transaction that
admits an intent.

A look before that transaction could be outdated in it, so nothing is decided on one: the store
answers, and the gate decides again with its answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace

from clearance.core.canonical import Json
from clearance.core.gate import Facts
from clearance.core.likeness import Rejection, likeness_of, same_call_of
from clearance.core.principal import Principal
from clearance.core.record import Admission, IntentRecord, IntentStatus
from clearance.core.same_acts import same_acts
from clearance.core.settings import Settings
from clearance.flow.context import Context
from clearance.flow.requests import NarratedIntent

ALIKE_MAX = 50  # of the latest intents of one likeness that are looked at
TOGETHER = 8  # likenesses that are looked up at once


async def remembering(context: Context, admission: Admission, facts: Facts) -> Admission:
    """The admission with what makes its act the same as another, and the question whether a person
    said no to it, unless the gate knew.

    What is blocked is like nothing: no agent can make others ask by what never ran.
    """
    if admission.status is IntentStatus.BLOCKED:
        return admission
    intent, settings = admission.intent, facts.settings
    key, action = await context.likeness_key(), settings.catalog.get(intent.action_type)
    likeness = likeness_of(key, intent, action, _arguments(admission))
    asked = settings.remembers_since(admission.at) if facts.rejected is None else None
    return replace(admission, likeness=likeness, rejected_since=asked)


async def by_an_agent(
    context: Context, admission: Admission, settings: Settings, *, folds: bool
) -> Admission:
    """The admission with what is asked of an agent's proposal alone: whether the same call waits
    already, where its door folds, and whether its quotas have room.
    """
    intent, quotas = admission.intent, settings.quotas
    same_call = None
    if folds:
        key, action = await context.likeness_key(), settings.catalog.get(intent.action_type)
        same_call = same_call_of(key, intent, action, _arguments(admission))
    waits = admission.status is IntentStatus.AWAITING_APPROVAL
    leaves = admission.status is IntentStatus.BLOCKED and intent.content_kept
    return replace(
        admission,
        same_call=same_call,
        waiting_max=quotas.waiting_each_agent if waits else None,
        quota=(
            (quotas.blocked(intent.proposed_by, len(admission.content), admission.at),)
            if leaves
            else ()
        ),
    )


def _arguments(admission: Admission) -> Mapping[str, Json]:
    """What the tool would get; the parameters as proposed where no call can be made."""
    made = admission.decision.made
    return made.arguments if made else admission.intent.parameters


async def with_alike(
    context: Context, principal: Principal, narrated: Sequence[NarratedIntent]
) -> list[NarratedIntent]:
    """The intents that wait for a person, with what else is known of the same act; not for an
    agent, because it would tell of others' acts.
    """
    principal.require_reading()
    if principal.sees_own_only:
        return list(narrated)
    waiting = IntentStatus.AWAITING_APPROVAL
    asked = [item.record.likeness for item in narrated if item.record.status is waiting]
    known = await _alike(context, principal.tenant_id, set(filter(None, asked)))
    return [
        replace(item, alike=same_acts(item.record, known.get(item.record.likeness or b"", ())))
        if item.record.status is waiting
        else item
        for item in narrated
    ]


async def _alike(
    context: Context, tenant_id: str, likenesses: set[bytes]
) -> dict[bytes, list[IntentRecord]]:
    """The latest intents of each likeness, a few likenesses at once."""
    known: dict[bytes, list[IntentRecord]] = {}
    names = sorted(likenesses)
    for start in range(0, len(names), TOGETHER):
        together = names[start : start + TOGETHER]
        looks = (context.store.alike(tenant_id, each, ALIKE_MAX) for each in together)
        known |= zip(together, await asyncio.gather(*looks), strict=True)
    return known


async def rejection_of(
    context: Context, record: IntentRecord, settings: Settings, now: int
) -> Rejection | None:
    """The latest no of a person to the same act that is remembered now, as far as it is among the
    latest acts that are the same.
    """
    if record.likeness is None:
        return None
    since = settings.remembers_since(now)
    same = await context.store.alike(record.intent.tenant_id, record.likeness, ALIKE_MAX)
    rejections = (
        Rejection(other.intent.action_intent_id, _said_no_at(other))
        for other in same
        if other.status is IntentStatus.REJECTED
        and other.intent.action_intent_id != record.intent.supersedes
    )
    return next((rejection for rejection in rejections if rejection.at >= since), None)


def _said_no_at(rejected: IntentRecord) -> int:
    """When a person said no: erasing their reason later changes the intent, and not this."""
    ruling = rejected.approval.decisive if rejected.approval else None
    return ruling.ruled_at if ruling else rejected.changed_at
