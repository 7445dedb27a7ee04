"""The totals of a DynamoDB store now, over all tenants.

That takes some requests for each tenant, since the table counts its intents in no other place: for
T tenants about 3 T + 16 read units, and one more for each open intent that is looked at. A table
with more than TENANTS_MAX tenants is not added up, because part of a total would be a wrong one.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence

from clearance.core.errors import Unavailable
from clearance.core.principal import EVERYWHERE
from clearance.core.record import OPEN, IntentStatus
from clearance.flow.ports.totals import COUNTED_MAX, Backlog, Totals
from clearance.stores.dynamodb import items, table
from clearance.stores.dynamodb.client import Calls, IndexQuery, Item
from clearance.stores.dynamodb.table import Key

TENANTS_MAX = 1_000  # whose intents are added up
LOOKED_AT_MAX = 25  # intents of one tenant and state, the first admitted, whose age is looked at
LEASES_MAX = 100  # of one shard of the queue
_SHARDS = tuple(f"{shard:02}" for shard in range(table.QUEUE_SHARDS))


async def totals(calls: Calls, tenants: Sequence[str], now: int) -> Totals:
    """The totals at a moment. Unavailable (`TOO_MANY_TENANTS`) if they would cost too much."""
    if len(tenants) > TENANTS_MAX:
        sentence = f"The table has more than {TENANTS_MAX} tenants: they are not added up."
        raise Unavailable(sentence, code="TOO_MANY_TENANTS")
    heads = {tenant_id: table.head(tenant_id) for tenant_id in (*tenants, EVERYWHERE)}
    states, expiries, leases, known = await asyncio.gather(
        asyncio.gather(*(_state(calls, status, tenants) for status in OPEN)),
        _expiries(calls),
        _leases(calls),
        calls.get_many(heads.values()),
    )
    return Totals(
        open={
            status: backlog for status, backlog in zip(OPEN, states, strict=True) if backlog.count
        },
        expired_since=min((moment for moment in expiries if moment <= now), default=None),
        lease_over_since=min((moment for moment in leases if moment <= now), default=None),
        ledger_entries=sum(head["ledger_size"] for head in known.values()),
        settings_versions={
            tenant_id: known[key]["settings_version"] if key in known else 0
            for tenant_id, key in heads.items()
        },
    )


async def _state(calls: Calls, status: IntentStatus, tenants: Sequence[str]) -> Backlog:
    """The intents of all tenants that are in one state."""
    backlogs = await asyncio.gather(*(_backlog(calls, status, tenant) for tenant in tenants))
    return Backlog(
        min(sum(backlog.count for backlog in backlogs), COUNTED_MAX),
        min((backlog.since for backlog in backlogs if backlog.since), default=0),
    )


async def _backlog(calls: Calls, status: IntentStatus, tenant_id: str) -> Backlog:
    prefix = ("begins_with", f"{status.value}#")
    first = await _page(calls, IndexQuery(tenant_id, table.OPEN, prefix, page=LOOKED_AT_MAX))
    count = len(first)
    if count == LOOKED_AT_MAX:
        count = await calls.count(IndexQuery(tenant_id, table.OPEN, prefix), most=COUNTED_MAX)
    # The index may be some moments old: an intent that has moved on since is not in this state.
    current = await calls.get_many(Key(item["pk"], item["sk"]) for item in first)
    since = [item["changed_at"] for item in current.values() if item["status"] == status.value]
    return Backlog(count - len(first) + len(since), min(since, default=0))


async def _expiries(calls: Calls) -> Sequence[int]:
    """The first expiry of each shard."""
    pages = await asyncio.gather(
        *(_page(calls, IndexQuery(shard, table.DUE, page=1)) for shard in _SHARDS)
    )
    return [int(item["due_at"]) for page in pages for item in page]


async def _leases(calls: Calls) -> Sequence[int]:
    """The ends of the leases that run, up to LEASES_MAX of each shard."""
    queues = [items.queue(IntentStatus.RUNNING, shard) for shard in _SHARDS]
    pages = await asyncio.gather(
        *(_page(calls, IndexQuery(queue, table.QUEUE, page=LEASES_MAX)) for queue in queues)
    )
    return [int(item["lease_until"]) for page in pages for item in page]


async def _page(calls: Calls, query: IndexQuery) -> list[Item]:
    """The first page of a query."""
    async with contextlib.aclosing(calls.pages(query)) as pages:
        return await anext(pages)
