"""Stops as people see them: what each switch holds now, what is under way under it, and what there
is that could be stopped.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from clearance.configuration.compiling import accounts_of
from clearance.configuration.switches import switches_in_force
from clearance.core.errors import Forbidden, InvalidInput, Unavailable
from clearance.core.look import near
from clearance.core.principal import EVERYWHERE, PROPOSERS, Permission, Principal
from clearance.core.record import IntentRecord, IntentStatus
from clearance.core.stop import NAMES_NOTHING, StopLevel, StopScope, StopSwitch
from clearance.flow.context import Context, aside
from clearance.flow.covered import Standing, standing_of
from clearance.flow.observe import ACCOUNTS_SEEN_MAX
from clearance.flow.ports.intents import TimelineQuery
from clearance.flow.ports.stops import Stop
from clearance.flow.requests import CallUnderWay, StopReceipt, StopSubject, StopSubjects

CALLS_SHOWN_MAX = 100  # calls under way that a receipt names
RECEIPT_SECONDS_MAX = 10  # that making a receipt may take; the switch is on all the same
TENANTS_AT_ONCE = 8  # whose intents are counted at the same time


@dataclass(frozen=True, slots=True)
class _Tenant:
    """One tenant as a receipt looks at it."""

    tenant_id: str
    standing: Standing
    running: Sequence[IntentRecord]


async def stop_receipt(
    context: Context, principal: Principal, scope: StopScope, subject: str | None
) -> StopReceipt:
    """The receipt of one switch, or a preview of it."""
    _require(principal)
    if (subject is None) != (scope in NAMES_NOTHING):
        sentence = f"A stop of the scope {scope} names {'nothing' if subject else 'a subject'}."
        raise InvalidInput(sentence, code="INVALID_STOP_SUBJECT")
    if scope is StopScope.GLOBAL and principal.tenant_id != EVERYWHERE:
        sentence = "Only the installation's operator sees what a stop of everything holds."
        raise Forbidden(sentence)
    asked = StopSwitch(scope, subject, StopLevel.HOLD, "")
    return (await _in_time(context, principal, asked))[0]


async def stop_receipts(context: Context, principal: Principal) -> list[StopReceipt]:
    """The receipts of all switches that are on."""
    _require(principal)
    return await _in_time(context, principal, None)


def _require(principal: Principal) -> None:
    principal.require(Permission.READ, on=principal.tenant)


async def _in_time(
    context: Context, principal: Principal, asked: StopSwitch | None
) -> list[StopReceipt]:
    try:
        async with asyncio.timeout(RECEIPT_SECONDS_MAX):
            return await _receipts(context, principal, asked)
    except TimeoutError:
        sentence = "What a stop covers could not be counted in time; the switches are as they were."
        raise Unavailable(sentence, code="RECEIPT_NOT_NOW") from None


async def _receipts(
    context: Context, principal: Principal, asked: StopSwitch | None
) -> list[StopReceipt]:
    stored = await context.store.settings(principal.tenant_id)
    on = switches_in_force(stored.document)
    wanted = on
    if asked is not None:
        wanted = [switch for switch in on if switch.place == asked.place][:1] or [asked]
    moments = {switch.set_at for switch in wanted if switch.set_at is not None}
    stops = await context.store.stops_at(principal.tenant_id, moments) if moments else []
    tenants = await _tenants(context, principal)
    named = any(switch.subject is not None for switch in wanted)
    names = await _known_names(context, principal.tenant_id) if named else {}
    return [
        _receipt(
            context,
            switch,
            _stop_of(switch, stops),
            tenants,
            await _names(context, principal.tenant_id, switch, names),
        )
        for switch in wanted
    ]


async def _tenants(context: Context, principal: Principal) -> list[_Tenant]:
    if principal.tenant_id != EVERYWHERE:
        return [await _tenant(context, principal.tenant_id)]
    places = asyncio.Semaphore(TENANTS_AT_ONCE)

    async def read(tenant_id: str) -> _Tenant:
        async with places:
            return await _tenant(context, tenant_id)

    return await asyncio.gather(*map(read, await context.store.tenants()))


async def _tenant(context: Context, tenant_id: str) -> _Tenant:
    standing = await standing_of(context, tenant_id)
    return _Tenant(tenant_id, standing, await context.store.running(tenant_id))


def _stop_of(switch: StopSwitch, stops: Iterable[Stop]) -> Stop | None:
    """The stop that turned a switch on."""
    form = {"scope": switch.scope.value, "subject": switch.subject, "level": switch.level.value}
    own = [stop for stop in stops if stop.at == switch.set_at and form in stop.state["switches"]]
    return own[-1] if own else None


@dataclass(frozen=True, slots=True)
class _Names:
    """Whether the name that a switch covers is known, and the names near it if not."""

    known: bool
    near: tuple[str, ...] = ()


def _receipt(
    context: Context,
    switch: StopSwitch,
    stop: Stop | None,
    tenants: Sequence[_Tenant],
    names: _Names,
) -> StopReceipt:
    own = (switch,)
    held = [tenant.standing.held_by(own) for tenant in tenants]
    done: Counter[IntentStatus] = Counter()
    for tenant in tenants:
        done.update(tenant.standing.done_of(own))
    calls = sorted(
        chain.from_iterable(_calls(tenant, switch) for tenant in tenants),
        key=lambda call: (call.since, call.tenant_id, call.action_intent_id),
    )
    return StopReceipt(
        switch=switch,
        on=bool(switch.reason),
        stop=stop.position if stop else None,
        known=names.known,
        near=names.near,
        waiting=sum(each.waiting for each in held),
        approved=sum(each.approved for each in held),
        under_way=len(calls),
        calls=tuple(calls[:CALLS_SHOWN_MAX]),
        done=dict(done),
        starts=sum(tenant.standing.starting_without(switch) for tenant in tenants),
        at=context.clock.now_ms(),
        recorded=stop.recorded if stop else None,
        closed=stop is not None and stop.closed is not None,
        ended=_ended(stop),
    )


def _ended(stop: Stop | None) -> dict[IntentStatus, int] | None:
    ended = stop.state.get("ended") if stop else None
    return None if ended is None else {IntentStatus(name): ended[name] for name in sorted(ended)}


def _calls(tenant: _Tenant, switch: StopSwitch) -> Iterable[CallUnderWay]:
    for record in tenant.running:
        intent, attempt = record.intent, record.attempt
        action = tenant.standing.settings.catalog.get(intent.action_type)
        server = action.tool.server if action else None
        names = (intent.account_id, intent.action_type, intent.proposed_by)
        if attempt is not None and switch.covers(*names, server):
            yield CallUnderWay(
                action_intent_id=intent.action_intent_id,
                attempt=attempt.number,
                tool=str(action.tool) if action else None,
                since=attempt.started_at,
                deadline=attempt.lease_until,
                tenant_id=tenant.tenant_id,
            )


# Names


async def _names(
    context: Context, tenant_id: str, switch: StopSwitch, names: Mapping[StopScope, set[str]]
) -> _Names:
    if switch.subject is None:
        return _Names(known=True)
    own = names[switch.scope]
    if switch.subject in own or await _was_seen(context, tenant_id, switch):
        return _Names(known=True)
    return _Names(known=False, near=await aside(near, switch.subject, own))


async def _was_seen(context: Context, tenant_id: str, switch: StopSwitch) -> bool:
    """True if there is an intent of a name, however old."""
    query = {
        StopScope.ACCOUNT: TimelineQuery(account_id=switch.subject, limit=1),
        StopScope.AGENT: TimelineQuery(proposed_by=switch.subject, limit=1),
        StopScope.ACTION_TYPE: TimelineQuery(action_type=switch.subject, limit=1),
    }.get(switch.scope)
    if query is None:
        return False
    try:
        return bool(await context.store.timeline(tenant_id, query))
    except Unavailable:  # a store that would have to look through too many intents
        return False


async def _known_names(context: Context, tenant_id: str) -> dict[StopScope, set[str]]:
    """What there is of each scope, by name: in the settings, among the credentials, and in the
    intents that are open or of which the latest came.
    """
    settings = await context.settings(tenant_id)
    _, reading = await context.stored(tenant_id)
    document = reading.document
    # Those of the settings less the stop switches, or a wrong name would be known by its stop.
    accounts = accounts_of(document, settings.policy, ()).named
    tallies = await context.store.open_tallies(tenant_id)
    keys = await context.store.api_keys(tenant_id)
    seen = await context.store.accounts_since(tenant_id, 0, ACCOUNTS_SEEN_MAX)
    agents = {key.name for key in keys if key.role in PROPOSERS and key.revoked_at is None}
    return {
        StopScope.ACCOUNT: {*accounts, *seen, *(tally.account_id for tally in tallies)},
        StopScope.AGENT: {*agents, *(tally.proposed_by for tally in tallies)},
        StopScope.ACTION_TYPE: {*document.catalog, *(tally.action_type for tally in tallies)},
        StopScope.TOOL_SERVER: set(document.tool_servers),
    }


async def stop_subjects(context: Context, principal: Principal) -> StopSubjects:
    """What there is that could be stopped."""
    _require(principal)
    names = await _known_names(context, principal.tenant_id)
    standing = await standing_of(context, principal.tenant_id)
    counts = _held_by_name(standing)
    return {
        scope: [
            StopSubject(
                name,
                *(
                    counts[scope, name, status]
                    for status in (
                        IntentStatus.AWAITING_APPROVAL,
                        IntentStatus.APPROVED,
                        IntentStatus.RUNNING,
                    )
                ),
            )
            for name in sorted(own)
        ]
        for scope, own in names.items()
    }


def _held_by_name(standing: Standing) -> Counter[tuple[StopScope, str, IntentStatus]]:
    counts: Counter[tuple[StopScope, str, IntentStatus]] = Counter()
    for tally in standing.open:
        named = {
            StopScope.ACCOUNT: tally.account_id,
            StopScope.AGENT: tally.proposed_by,
            StopScope.ACTION_TYPE: tally.action_type,
            StopScope.TOOL_SERVER: standing.server_of(tally.action_type),
        }
        for scope, name in named.items():
            if name is not None:
                counts[scope, name, tally.status] += tally.count
    return counts
