"""The intents of a DynamoDB store as they are read: each by itself as it is now, lists by indexes
that may be some moments old.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import chain

from clearance.core.budget import Counter
from clearance.core.errors import Unavailable
from clearance.core.record import OPEN, IntentRecord, IntentStatus
from clearance.flow.ports.intents import TimelineQuery
from clearance.stores.dynamodb import items, table
from clearance.stores.dynamodb.client import KEYS_MAX, Calls, IndexQuery, Item
from clearance.stores.dynamodb.windows import is_past

FILTERED_PAGE = (
    500  # entries of the timeline's index that are looked at together if not all of them may fit
)
LOOKED_AT_MAX = 10_000  # intents of the timeline that one question looks at, one after the other


class DynamoIntents:
    """`IntentReads` in the table of a store."""

    _calls: Calls

    async def intent(self, tenant_id: str, action_intent_id: str) -> IntentRecord | None:
        item = await self._own(tenant_id, action_intent_id)
        return (await self._records([item]))[0] if item else None

    async def _own(self, tenant_id: str, action_intent_id: str) -> Item | None:
        """The item of a tenant's intent.

        An id that could never be admitted may form another tenant's key; such an id has no item.
        """
        item = await self._calls.get(table.intent(tenant_id, action_intent_id))
        return item if item and item["tenant_id"] == tenant_id else None

    async def _records(self, intents: Sequence[Item]) -> list[IntentRecord]:
        """The records of intents' items.

        What they lead to never changes, and was there before they were.
        """
        contents = [table.content(item["tenant_id"], item["action_intent_id"]) for item in intents]
        decisions = [table.ledger(item["tenant_id"], item["decision_position"]) for item in intents]
        texts = [items.decision_parts(item) for item in intents]
        parts = await self._calls.get_many([*contents, *decisions, *chain.from_iterable(texts)])
        return [
            items.record(
                item,
                parts[content],
                parts[decision]["body"],
                items.text_of(keys, parts),
            )
            for item, content, decision, keys in zip(
                intents, contents, decisions, texts, strict=True
            )
        ]

    async def timeline(self, tenant_id: str, query: TimelineQuery) -> list[IntentRecord]:
        """Filters are looked at here: one that few intents fit reads a long way back.

        Unavailable (`TIMELINE_TOO_LONG`) if the intents of one actor are too far apart.
        """
        fits = items.timeline_filter(query)
        filtered = query != TimelineQuery(before=query.before, limit=query.limit)
        asked = IndexQuery(
            tenant_id,
            table.TIMELINE,
            ("<", query.before) if query.before is not None else (),
            forward=False,
            page=max(query.limit, FILTERED_PAGE) if filtered else query.limit,
        )
        chosen: dict[str, Item] = {}
        looked_at = 0
        async with contextlib.aclosing(self._calls.pages(asked)) as pages:
            async for page in pages:
                matching = [item for item in page if fits(item)]
                while matching and len(chosen) < query.limit:
                    count = query.limit - len(chosen) if query.proposed_by is None else KEYS_MAX
                    # An intent that moved on since the index saw it is judged by what it is now.
                    current = await self._current(matching[:count])
                    chosen |= {item["pk"]: item for item in current if fits(item)}
                    matching = matching[count:]
                    looked_at += count
                if len(chosen) >= query.limit or (page and items.is_before(page[-1], query.since)):
                    break
                if query.proposed_by is not None and looked_at >= LOOKED_AT_MAX:
                    raise _too_far_apart(query.proposed_by)
        return await self._records(_latest(chosen.values(), query.limit))

    async def _current(self, indexed: Iterable[Item]) -> list[Item]:
        """Intents that an index found, in its order, as they are now."""
        keys = [table.Key(item["pk"], item["sk"]) for item in indexed]
        current = await self._calls.get_many(keys)
        return [current[key] for key in keys if key in current]

    async def waiting(self, tenant_id: str, after: str | None, limit: int) -> list[IntentRecord]:
        status = IntentStatus.AWAITING_APPROVAL
        last = await self._own(tenant_id, after) if after else None
        first = items.open_order(status, last["positions"][0] + 1 if last else 0)
        asked = IndexQuery(
            tenant_id,
            table.OPEN,
            ("between", first, items.open_order(status, table.POSITION_MAX)),
            page=limit,
        )
        waiting: list[Item] = []
        async with contextlib.aclosing(self._calls.pages(asked)) as pages:
            async for page in pages:
                waiting += [
                    item for item in await self._current(page) if item["status"] == status.value
                ]
                if len(waiting) >= limit:
                    break
        return await self._records(waiting[:limit])

    async def count_by_status(self, tenant_id: str) -> Mapping[IntentStatus, int]:
        async def count(status: IntentStatus) -> int:
            return await self._calls.count(
                IndexQuery(tenant_id, table.OPEN, ("begins_with", f"{status.value}#"))
            )

        counts = await asyncio.gather(*(count(status) for status in OPEN))
        return {status: counted for status, counted in zip(OPEN, counts, strict=True) if counted}

    async def budget_used(self, tenant_id: str, account_id: str, day: str) -> Mapping[str, int]:
        return items.used(await self._calls.get(table.budget(tenant_id, account_id, day)))

    async def counted(
        self, tenant_id: str, counters: Collection[Counter]
    ) -> Mapping[Counter, Mapping[str, int]]:
        beside = {counter: table.counters(tenant_id, counter.subject) for counter in counters}
        alone = {
            counter: table.past_window(tenant_id, counter.subject, counter.window)
            for counter in counters
        }
        seen = await self._calls.get_many(beside.values())
        current = {counter: items.counted(seen.get(key)) for counter, key in beside.items()}
        past = [counter for counter, windows in current.items() if is_past(counter.window, windows)]
        seen |= await self._calls.get_many(alone[counter] for counter in past)
        current |= {counter: items.counted(seen.get(alone[counter])) for counter in past}
        return {
            counter: windows[counter.window]
            for counter, windows in current.items()
            if counter.window in windows
        }

    async def alike(self, tenant_id: str, likeness: bytes, limit: int) -> list[IntentRecord]:
        """Of those that the table names: the last 16 that were admitted (fewer if their names are
        long), and the last one that a person rejected.
        """
        alike = await self._calls.get(table.alike(tenant_id, likeness)) or {}
        names = {*alike.get("intents", ()), *filter(None, (alike.get("rejected"),))}
        intents = await self._calls.get_many(table.intent(tenant_id, name) for name in names)
        return await self._records(_latest(intents.values(), limit))

    async def known_accounts(self, tenant_id: str, account_ids: Collection[str]) -> frozenset[str]:
        keys = {table.known_account(tenant_id, account_id) for account_id in account_ids}
        known = await self._calls.get_many(keys)
        return frozenset(item["account_id"] for item in known.values())

    async def accounts_since(self, tenant_id: str, since: int, limit: int) -> list[str]:
        """Of the latest 10,000 intents by their latest fact."""
        accounts: set[str] = set()
        looked_at = 0
        asked = IndexQuery(tenant_id, table.TIMELINE, forward=False, page=FILTERED_PAGE)
        async with contextlib.aclosing(self._calls.pages(asked)) as pages:
            async for page in pages:
                # What was admitted since then has no earlier fact.
                new = [
                    item
                    for item in page
                    if item["changed_at"] >= since and item["account_id"] not in accounts
                ]
                current = await self._current(new)
                accounts |= {item["account_id"] for item in current if item["created_at"] >= since}
                looked_at += len(page)
                over = bool(page) and items.is_before(page[-1], since)
                if over or len(accounts) >= limit or looked_at >= LOOKED_AT_MAX:
                    break
        return sorted(accounts)[:limit]


def _latest(intents: Iterable[Item], limit: int) -> list[Item]:
    """Those with the latest facts, the latest first."""
    return sorted(intents, key=lambda item: -int(item["position"]))[:limit]


def _too_far_apart(proposed_by: str) -> Unavailable:
    sentence = (
        f"Of the {LOOKED_AT_MAX} intents that were looked at, too few are of {proposed_by}: ask "
        "for those since a later time."
    )
    return Unavailable(sentence, code="TIMELINE_TOO_LONG")
