"""Receipts of stops: what was under way when a switch was turned on, recorded once, and closed when
the last of these calls has ended.

A change of switches opens a stop in its own transaction. Since a claim names the settings that it
was decided under, no covered call begins behind the entry of that change. So the calls that were
under way then are those that are RUNNING when somebody looks later, and those that the ledger says
ended behind it; less those that began behind it, after the switch was lifted again. The process
that made the stop records this at once; a sweep records it if that process died, and closes it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import structlog

from clearance.core.canonical import Json, digest
from clearance.core.errors import Refusal, Unavailable
from clearance.core.ledger import Entry, EntryKind, draft
from clearance.core.moment import from_text
from clearance.core.principal import EVERYWHERE, system
from clearance.core.record import IntentStatus
from clearance.core.stop import StopLevel, StopScope, StopSwitch
from clearance.flow.context import Context
from clearance.flow.covered import standing_of
from clearance.flow.ports.stops import Stop
from clearance.flow.requests import PAGE_SIZE_MAX, CallUnderWay

RECORD_SECONDS_MAX = 2  # that an answer to a stop waits for its receipt; a sweep records it then

Attempted: TypeAlias = tuple[str, int]
"""An intent's id and the number of its attempt."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Began:
    """A call as the ledger says that it began, and who proposed its intent."""

    call: CallUnderWay
    account_id: str
    action_type: str
    agent: str


async def opening_state(
    context: Context, tenant_id: str, switches: list[dict[str, Json]]
) -> dict[str, Json]:
    """The first state of a stop. One that holds everywhere also has the length of each tenant's
    ledger: what ended behind that was under way.
    """
    state: dict[str, Json] = {"switches": switches}
    if tenant_id == EVERYWHERE:
        with contextlib.suppress(Unavailable):  # which must not prevent a stop
            state["behind"] = dict(await context.store.ledger_sizes())
    return state


async def record_soon(context: Context, tenant_id: str, at: int) -> None:
    """Records the receipt of a stop that was just made, unless that fails or takes long: then a
    sweep does.
    """
    try:
        async with asyncio.timeout(RECORD_SECONDS_MAX):
            for stop in await context.store.stops_at(tenant_id, (at,)):
                await settle(context, stop)
    except (Refusal, TimeoutError) as error:
        code = error.code if isinstance(error, Refusal) else "TIMEOUT"
        _log.warning("receipt of a stop not recorded yet", tenant_id=tenant_id, code=code)
    except Exception:  # the stop is on, and its answer says so
        _log.exception("receipt of a stop not recorded yet", tenant_id=tenant_id)


async def settle(context: Context, stop: Stop) -> None:
    """Records a stop's receipt if it is not recorded, and closes it if its last call has ended."""
    recorded = stop if stop.recorded is not None else await _record(context, stop)
    if recorded is not None and recorded.closed is None:
        await _close(context, recorded)


# Recording


async def _record(context: Context, stop: Stop) -> Stop | None:
    """The stop with its receipt recorded; None if another process did so meanwhile."""
    switches = [_switch(form) for form in stop.state["switches"]]
    tenants, calls, standings = await _tenants(context, stop), [], []
    for tenant_id in tenants:
        behind = await _behind(context, stop, tenant_id)
        calls += await _calls_at(context, tenant_id, behind, switches)
        standings.append(await standing_of(context, tenant_id))
    held = [standing.held_by(switches) for standing in standings]
    done: Counter[IntentStatus] = Counter()
    for standing in standings:
        done.update(standing.done_of(switches))
    named = sorted([call.tenant_id, call.action_intent_id, call.attempt] for call in calls)
    entry = draft(
        EntryKind.STOP_RECORDED,
        context.clock.now_ms(),
        system(stop.tenant_id),
        stop=stop.position,
        switches=stop.state["switches"],
        waiting=sum(each.waiting for each in held),
        approved=sum(each.approved for each in held),
        under_way=len(calls),
        under_way_digest=digest(named),
        done={status.value: done[status] for status in sorted(done)},
    )
    # The last to end comes first: while it runs, no other has to be looked at.
    calls.sort(key=lambda call: -call.deadline)
    left = [[call.tenant_id, call.action_intent_id, call.attempt] for call in calls]
    return await context.store.move_stop(stop, {**stop.state, "calls": left}, entry)


def _switch(form: Mapping[str, Json]) -> StopSwitch:
    return StopSwitch(StopScope(form["scope"]), form["subject"], StopLevel(form["level"]), "")


async def _tenants(context: Context, stop: Stop) -> list[str]:
    if stop.tenant_id != EVERYWHERE:
        return [stop.tenant_id]
    return await context.store.tenants()


async def _behind(context: Context, stop: Stop, tenant_id: str) -> int:
    """The position of a tenant's ledger behind which everything that ended was under way."""
    if stop.tenant_id != EVERYWHERE:
        return stop.position
    behind: Mapping[str, int] = stop.state.get("behind", {})
    known = behind.get(tenant_id)
    return await context.store.ledger_size(tenant_id) if known is None else known


async def _calls_at(
    context: Context, tenant_id: str, behind: int, switches: Iterable[StopSwitch]
) -> list[CallUnderWay]:
    """The covered calls that were under way at a position of the ledger."""
    running = await context.store.running(tenant_id)  # first: what ends now is in the ledger then
    candidates = {
        (record.intent.action_intent_id, record.attempt.number)
        for record in running
        if record.attempt is not None
    }
    ended, began = await _since(context, tenant_id, behind)
    calls = []
    for action_intent_id, number in sorted((candidates | ended) - began):
        beginning = await _began(context, tenant_id, (action_intent_id, number))
        if beginning and any(_covers(switch, beginning) for switch in switches):
            calls.append(beginning.call)
    return calls


async def _since(
    context: Context, tenant_id: str, behind: int
) -> tuple[set[Attempted], set[Attempted]]:
    """The attempts that ended behind a position, and those that began there. An attempt ends also
    when the next one of its intent begins.
    """
    ended: set[Attempted] = set()
    began: set[Attempted] = set()
    size = await context.store.ledger_size(tenant_id)
    while behind < size:
        entries = await context.store.entries(tenant_id, behind, PAGE_SIZE_MAX)
        if not entries:
            sentence = "The ledger cannot be read to its end now."
            raise Unavailable(sentence)
        for entry in entries:
            fields = entry.fields
            if fields["kind"] == EntryKind.EXECUTION_STARTED:
                began.add((fields["action_intent_id"], fields["attempt"]))
                if fields["attempt"] > 1:
                    ended.add((fields["action_intent_id"], fields["attempt"] - 1))
            elif fields["kind"] == EntryKind.OUTCOME_RECORDED:
                ended.add((fields["action_intent_id"], fields["attempt"]))
        behind = entries[-1].position
    return ended, began


async def _began(context: Context, tenant_id: str, attempted: Attempted) -> _Began | None:
    action_intent_id, number = attempted
    for entry in await context.store.entries_about(tenant_id, action_intent_id):
        fields = entry.fields
        if fields["kind"] == EntryKind.EXECUTION_STARTED and fields["attempt"] == number:
            agent = await context.proposer(tenant_id, action_intent_id)
            call = _call(entry, tenant_id)
            return _Began(call, fields["account_id"], fields["action_type"], agent or "")
    return None


def _call(entry: Entry, tenant_id: str) -> CallUnderWay:
    fields = entry.in_full
    return CallUnderWay(
        action_intent_id=fields["action_intent_id"],
        attempt=fields["attempt"],
        tool=fields["tool"],
        since=from_text(fields["at"]),
        deadline=from_text(fields["lease_until"]),
        tenant_id=tenant_id,
    )


def _covers(switch: StopSwitch, began: _Began) -> bool:
    server = (began.call.tool or "").partition(".")[0]
    return switch.covers(began.account_id, began.action_type, began.agent, server)


# Closing


async def _close(context: Context, stop: Stop) -> None:
    """Writes the closing entry, if the last call that was under way has ended."""
    ended: Counter[IntentStatus] = Counter()
    for tenant_id, action_intent_id, number in stop.state["calls"]:
        status = await _ended_as(context, tenant_id, action_intent_id, number)
        if status is None:
            return
        ended[status] += 1
    entry = draft(
        EntryKind.STOP_CLOSED,
        context.clock.now_ms(),
        system(stop.tenant_id),
        stop=stop.position,
        recorded=stop.recorded,
        ended={status.value: ended[status] for status in sorted(ended)},
    )
    state = {"switches": stop.state["switches"], "ended": dict(ended)}
    await context.store.move_stop(stop, state, entry)


async def _ended_as(
    context: Context, tenant_id: str, action_intent_id: str, number: int
) -> IntentStatus | None:
    """How a call ended; None if it is under way. One whose worker was lost is over with its lease,
    and nobody knows how.
    """
    record = await context.store.intent(tenant_id, action_intent_id)
    if record is None or record.attempt is None or record.attempt.number != number:
        return IntentStatus.UNKNOWN
    if record.status is not IntentStatus.RUNNING:
        return record.status
    over = context.clock.now_ms() >= record.attempt.lease_until
    return IntentStatus.UNKNOWN if over else None
