"""Stops in the table of a store: what switches cover, and the items of stops.

An index tells which intents are open, and each of them is then read as it is now. Which calls are
under way must be exact although an index may be some moments old: the end of the ledger, which is
not, names those that began since.
"""

from __future__ import annotations

import contextlib
import json
from collections import Counter
from collections.abc import Callable, Collection, Coroutine, Iterable, Mapping, Sequence
from typing import Any

from clearance.core.canonical import Json
from clearance.core.ledger import Draft, EntryKind
from clearance.core.record import ENDED, OPEN, IntentRecord, IntentStatus
from clearance.flow.ports.settings import SettingsChange
from clearance.flow.ports.stops import ENDED_LOOKED_AT_MAX, Stop, Tally
from clearance.stores import codec
from clearance.stores.dynamodb import items, table
from clearance.stores.dynamodb.client import KEYS_MAX, Calls, IndexQuery, Item, Write, put
from clearance.stores.dynamodb.transactions import NEW, Plan, Seen, Transactions
from clearance.stores.tail import Tail

# Entries at the end of the ledger that are read: an index is behind the table by fewer of them
LATELY_ENTRIES = 1_000
ENTRIES_PAGE = 500  # of them that are read at once


class DynamoStops:
    """`Stops` in the table of a store."""

    _calls: Calls
    _transactions: Transactions
    _tail: Tail
    _current: Callable[[Iterable[Item]], Coroutine[Any, Any, list[Item]]]
    _records: Callable[[Sequence[Item]], Coroutine[Any, Any, list[IntentRecord]]]
    tenants: Callable[[], Coroutine[Any, Any, list[str]]]

    async def open_tallies(self, tenant_id: str) -> list[Tally]:
        matches = [item for status in OPEN for item in await self._in_state(tenant_id, status)]
        return _tallied(matches)

    async def _in_state(self, tenant_id: str, status: IntentStatus) -> list[Item]:
        asked = IndexQuery(tenant_id, table.OPEN, ("begins_with", f"{status.value}#"))
        current = await self._current(await self._calls.all(asked))
        return [item for item in current if item["status"] == status.value]

    async def ended_tallies(self, tenant_id: str, since: int) -> list[Tally]:
        statuses, matches, looked_at = {status.value for status in ENDED}, list[Item](), 0
        asked = IndexQuery(tenant_id, table.TIMELINE, forward=False, page=KEYS_MAX)
        async with contextlib.aclosing(self._calls.pages(asked)) as pages:
            async for page in pages:
                late = [item for item in page if item["changed_at"] >= since]
                matches += await self._current(item for item in late if item["status"] in statuses)
                looked_at += len(page)
                over = bool(page) and items.is_before(page[-1], since)
                if over or looked_at >= ENDED_LOOKED_AT_MAX:
                    break
        return _tallied(item for item in matches if item["status"] in statuses)

    async def running(self, tenant_id: str) -> list[IntentRecord]:
        status = IntentStatus.RUNNING
        indexed = {item["pk"]: item for item in await self._in_state(tenant_id, status)}
        lately = await self._began_lately(tenant_id)
        seen = await self._calls.get_many(table.intent(tenant_id, name) for name in lately)
        current = {item["pk"]: item for item in seen.values() if item["status"] == status.value}
        return await self._records(list((indexed | current).values()))

    async def _began_lately(self, tenant_id: str) -> set[str]:
        """The intents of which an attempt began, by the latest entries of the ledger."""
        names: set[str] = set()
        looked_at = 0
        asked = IndexQuery(table.ledger_of(tenant_id), forward=False, page=ENTRIES_PAGE)
        async with contextlib.aclosing(self._calls.pages(asked)) as pages:
            async for page in pages:
                names |= {
                    item["action_intent_id"]
                    for item in page
                    if json.loads(item["body"])["kind"] == EntryKind.EXECUTION_STARTED
                }
                looked_at += len(page)
                if looked_at >= LATELY_ENTRIES:
                    break
        return names

    async def ledger_sizes(self) -> Mapping[str, int]:
        heads = {tenant_id: table.head(tenant_id) for tenant_id in await self.tenants()}
        seen = await self._calls.get_many(heads.values())
        return {
            tenant_id: seen[key]["ledger_size"] for tenant_id, key in heads.items() if key in seen
        }

    async def open_stops(self, limit: int, after: Stop | None = None) -> list[Stop]:
        behind = (">", items.stop_order(after.tenant_id, after.position)) if after else ()
        asked = IndexQuery(table.OPEN_STOPS, table.OPEN, behind, page=limit)
        async with contextlib.aclosing(self._calls.pages(asked)) as pages:
            indexed = (await anext(pages))[:limit]
        current = await self._current(indexed)
        return await self._stops([item for item in current if "closed" not in item])

    async def stops_at(self, tenant_id: str, moments: Collection[int]) -> list[Stop]:
        first = table.stop(tenant_id, min(moments), 0).sk
        last = table.stop(tenant_id, max(moments), table.POSITION_MAX).sk
        asked = IndexQuery(table.stop(tenant_id, 0, 0).pk, sort=("between", first, last))
        matches = await self._calls.all(asked)
        return await self._stops([item for item in matches if item["at"] in moments])

    async def _stops(self, matches: Sequence[Item]) -> list[Stop]:
        keys = {item["sk"]: items.stop_parts(item) for item in matches}
        wanted = [key for own in keys.values() for key in own]
        seen = await self._calls.get_many(wanted) if wanted else {}
        return [
            codec.stop(
                item["tenant_id"],
                item["position"],
                item["at"],
                items.text_of(keys[item["sk"]], seen) or "",
                item.get("recorded"),
                item.get("closed"),
            )
            for item in matches
        ]

    async def move_stop(self, seen: Stop, state: Mapping[str, Json], entry: Draft) -> Stop | None:
        key = table.stop(seen.tenant_id, seen.at, seen.position)

        def plan(looked: Seen, _: str) -> Plan[Stop | None] | None:
            item = looked.items.get(key, {})
            if item.get("recorded") != seen.recorded or "closed" in item or not item:
                return None
            position = looked.ledger_size + 1
            after = seen.moved(state, position)
            return Plan(((entry, None),), stop_writes(after), after)

        moved: Stop | None = await self._transactions.commit(seen.tenant_id, (key,), plan)
        self._tail.moved()
        return moved


def opened(change: SettingsChange, position: int) -> list[Write]:
    """What opens the stop of a change of settings, if it is one."""
    if change.stop is None:
        return []
    return stop_writes(Stop(change.tenant_id, position, change.at, change.stop))


def stop_writes(stop: Stop) -> list[Write]:
    """A stop's item as it is after its latest entry, on the condition that it was as before that,
    and the parts of its state.
    """
    item, parts = items.stop_item(stop)
    key = table.stop(stop.tenant_id, stop.at, stop.position)
    if stop.recorded is None:
        own = put(key, item, NEW)
    elif stop.closed is None:
        own = put(key, item, "attribute_exists(pk) AND attribute_not_exists(recorded)")
    else:
        before = "recorded = :recorded AND attribute_not_exists(closed)"
        own = put(key, item, before, recorded=stop.recorded)
    return [own, *(put(part, {"text": text}, None) for part, text in parts.items())]


def _tallied(matches: Iterable[Item]) -> list[Tally]:
    counts = Counter(
        (item["account_id"], item["action_type"], item["proposed_by"], item["status"])
        for item in matches
    )
    return [codec.tally(*names, count) for names, count in counts.items()]
