"""The DynamoDB store: one table, any number of processes and functions, with the promises of the
embedded one.

A transition is one TransactWriteItems. Items are read as they are now. Lists of intents come from
indexes that DynamoDB brings up to date some moments later, so each intent in a list is then read
itself. This file refuses to know: whether a step is legal (the core's).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from itertools import chain

from clearance.configuration.document import StoredSettings
from clearance.core.canonical import Json
from clearance.core.decision import SettingsVersion
from clearance.core.errors import Unavailable
from clearance.core.ledger import Entry
from clearance.core.principal import EVERYWHERE
from clearance.core.record import Admission, Change, IntentStatus
from clearance.flow.ports.due import Due
from clearance.flow.ports.settings import SettingsChange
from clearance.flow.ports.totals import Totals
from clearance.flow.ports.transitions import (
    AdmitAnswer,
    AdvanceAnswer,
    AlreadyAdmitted,
    RecordMoved,
    SameCallWaits,
    SettingsMoved,
)
from clearance.stores.batches import SharedReads
from clearance.stores.dynamodb import items, table
from clearance.stores.dynamodb.client import (
    Calls,
    Client,
    IndexQuery,
    Item,
    Write,
    connect,
    put,
)
from clearance.stores.dynamodb.credentials import DynamoCredentials, salt_of
from clearance.stores.dynamodb.intents import DynamoIntents
from clearance.stores.dynamodb.marks import DynamoMarks
from clearance.stores.dynamodb.plans import (
    AdmissionAnswer,
    ByRecord,
    StepAnswer,
    Stepped,
    admission_keys,
    admission_plan,
    guarded,
    step_keys,
    step_plan,
)
from clearance.stores.dynamodb.stops import DynamoStops, opened
from clearance.stores.dynamodb.totals import totals
from clearance.stores.dynamodb.transactions import NEW, Plan, Seen, Transactions
from clearance.stores.tail import Tail

ENTRIES_POLL_MS = 500  # how soon entries of another process are seen


class DynamoStore(DynamoIntents, DynamoCredentials, DynamoStops):
    """A `Store` in one DynamoDB table."""

    def __init__(self, calls: Calls, salt: bytes | None) -> None:
        """`salt`: None if no process has asked the table for one yet."""
        super().__init__(calls, Transactions(calls), Tail(ENTRIES_POLL_MS), salt)
        self.marks = DynamoMarks(calls)
        self._shared = SharedReads()

    @classmethod
    async def open(cls, table_name: str, *, client: Client | None = None) -> DynamoStore:
        """Opens a table, and writes nothing.

        Unavailable: `TABLE_NOT_FOUND`, `TABLE_FORBIDDEN`, `STORE_TOO_NEW`.
        """
        usable = client if client is not None else await asyncio.to_thread(connect)
        calls = Calls(table_name, usable, owned=client is None)
        try:
            return cls(calls, await salt_of(calls))
        except BaseException:
            await calls.close()
            raise

    async def close(self) -> None:
        """Waits for the calls that are under way."""
        await self._calls.close()

    # Transitions

    async def admit(self, admission: Admission) -> AdmitAnswer:
        tenant_id = admission.intent.tenant_id
        answer: AdmissionAnswer = await self._transactions.commit(
            tenant_id,
            admission_keys(admission),
            guarded(tenant_id, partial(admission_plan, admission)),
        )
        self._tail.moved()
        return await self._of_record(tenant_id, answer) if isinstance(answer, ByRecord) else answer

    async def advance(self, change: Change) -> AdvanceAnswer:
        tenant_id, key = change.tenant_id, table.intent(change.tenant_id, change.action_intent_id)
        content_key = table.content(change.tenant_id, change.action_intent_id)
        seen = await self._calls.get_many((key, content_key))
        if (
            key not in seen
            or seen[key]["tenant_id"] != tenant_id
            or seen[key]["revision"] != change.revision
        ):
            return RecordMoved()
        before = Stepped(seen[key], seen[content_key])
        answer: StepAnswer = await self._transactions.commit(
            tenant_id,
            step_keys(before, change),
            guarded(tenant_id, partial(step_plan, before, change)),
        )
        self._tail.moved()
        return await self._of_record(tenant_id, answer) if isinstance(answer, ByRecord) else answer

    async def _of_record(self, tenant_id: str, answer: ByRecord) -> AlreadyAdmitted | SameCallWaits:
        record = await self.intent(tenant_id, answer.action_intent_id)
        if record is None:
            sentence = "An intent of this id was there, and is gone."
            raise Unavailable(sentence)
        return answer.answer(record)

    async def configure(self, change: SettingsChange) -> int | SettingsMoved:
        parts = items.settings_parts(change.document)
        version = change.version + 1

        def plan(seen: Seen, _: str) -> Plan[int | SettingsMoved] | SettingsMoved:
            if seen.version.tenant != change.version:
                return SettingsMoved()
            actions = [
                put(
                    table.settings(change.tenant_id, version, number),
                    items.settings_part(change, parts, number),
                    NEW,
                )
                for number in range(len(parts))
            ]
            if change.tenant_id != EVERYWHERE:
                actions.append(put(table.tenant(change.tenant_id), {}, None))
            else:
                actions += [
                    _put_everywhere(shard, change.version)
                    for shard in range(table.EVERYWHERE_SHARDS)
                ]
            actions += opened(change, seen.ledger_size + 1)
            return Plan(((change.entry, None),), actions, version, configures=True)

        answer: int | SettingsMoved = await self._transactions.commit(change.tenant_id, (), plan)
        self._tail.moved()
        return answer

    async def keep_tools(self, tenant_id: str, tools: Mapping[str, Json]) -> None:
        known = await self.kept_tools(tenant_id, tools)
        for digest, tool in tools.items():
            if digest in known:
                continue
            parts = items.packed(json.dumps(tool))
            # The first says how many there are, so it comes last.
            for number in reversed(range(len(parts))):
                item = {"text": parts[number], "parts": len(parts)}
                await self._calls.put_same(table.tool(tenant_id, digest, number), item)

    # Reads

    async def kept_tools(self, tenant_id: str, digests: Collection[str]) -> Mapping[str, Json]:
        firsts = {digest: table.tool(tenant_id, digest, 0) for digest in digests}
        seen = await self._calls.get_many(firsts.values()) if firsts else {}
        keys = {
            digest: [table.tool(tenant_id, digest, part) for part in range(seen[first]["parts"])]
            for digest, first in firsts.items()
            if first in seen
        }
        rest = [key for own in keys.values() for key in own[1:]]
        seen |= await self._calls.get_many(rest) if rest else {}
        return {digest: json.loads(items.text_of(own, seen) or "") for digest, own in keys.items()}

    async def settings(self, tenant_id: str) -> StoredSettings:
        version = await self.settings_version(tenant_id)
        own, everywhere = await asyncio.gather(
            self._document(tenant_id, version.tenant),
            self._document(EVERYWHERE, version.everywhere),
        )
        return StoredSettings(version, own[0], everywhere[0], own[1], everywhere[1])

    async def _document(
        self, tenant_id: str, version: int
    ) -> tuple[Mapping[str, Json], bytes | None]:
        """One version of a document, with its salt: it never changes, so it is that of the version
        that was read before.
        """
        if version == 0:
            return {}, None
        first = await self._calls.get(table.settings(tenant_id, version, 0))
        keys = [
            table.settings(tenant_id, version, number)
            for number in range(1, first["parts"] if first else 0)
        ]
        rest = await self._calls.get_many(keys) if keys else {}
        if first is None or len(rest) < len(keys):
            # Never as if there were no settings: the missing part may hold a stop switch.
            sentence = f"Version {version} of the settings is not whole."
            raise Unavailable(sentence, code="SETTINGS_NOT_WHOLE")
        document = items.settings_document([first, *(rest[key] for key in keys)])
        return document, first.get("salt")

    async def settings_version(self, tenant_id: str) -> SettingsVersion:
        async def read() -> SettingsVersion:
            return (await self._transactions.look(tenant_id)).version

        return await self._shared.get(f"settings {tenant_id}", read)

    async def entries(self, tenant_id: str, after: int, limit: int) -> list[Entry]:
        asked = IndexQuery(
            table.ledger_of(tenant_id), sort=(">", table.position_text(after)), page=limit
        )
        entries: list[Item] = []
        async with contextlib.aclosing(self._calls.pages(asked)) as pages:
            async for page in pages:
                entries += page
                if len(entries) >= limit:
                    break
        # A page is not one moment: an entry may be seen before the one that was committed before
        # it. Entries behind such a gap are left for the next question.
        dense = [
            item
            for number, item in enumerate(entries, start=after + 1)
            if int(item["sk"]) == number
        ]
        return await self._entries(tenant_id, dense[:limit])

    async def _entries(self, tenant_id: str, ledger: Sequence[Item]) -> list[Entry]:
        """Entries from their items, with the texts beside them."""
        keys = [
            items.text_keys(tenant_id, int(item["sk"]), item.get("texts", {})) for item in ledger
        ]
        wanted = [key for own in keys for parts in own.values() for key in parts]
        seen = await self._calls.get_many(wanted) if wanted else {}
        return [
            Entry(int(item["sk"]), item["body"], items.entry_texts(own, seen))
            for item, own in zip(ledger, keys, strict=True)
        ]

    async def entries_about(self, tenant_id: str, action_intent_id: str) -> list[Entry]:
        item = await self._own(tenant_id, action_intent_id)
        positions: list[int] = item["positions"] if item else []
        keys = [table.ledger(tenant_id, position) for position in positions]
        entries = await self._calls.get_many(keys)
        return await self._entries(tenant_id, [entries[key] for key in keys])

    async def ledger_size(self, tenant_id: str) -> int:
        async def read() -> int:
            head = await self._calls.get(table.head(tenant_id))
            return int(head["ledger_size"]) if head else 0

        return await self._shared.get(f"ledger {tenant_id}", read)

    async def wait_for_entries(self, tenant_id: str, after: int, timeout_ms: int) -> bool:
        return await self._tail.wait(lambda: self.ledger_size(tenant_id), after, timeout_ms)

    async def approved(self, limit: int, after: Due | None = None) -> list[Due]:
        return await self._queued(IntentStatus.APPROVED, limit, after, items.ours)

    async def expired(self, now: int, limit: int) -> list[Due]:
        async def part(shard: int) -> list[Item]:
            return await self._first(
                IndexQuery(f"{shard:02}", table.DUE, ("<=", now), page=limit), limit, items.ours
            )

        due = chain.from_iterable(
            await asyncio.gather(*(part(shard) for shard in range(table.QUEUE_SHARDS)))
        )
        return [
            items.due(item) for item in sorted(due, key=lambda item: int(item["due_at"]))[:limit]
        ]

    async def dead_leases(
        self, now: int, limit: int, after: Due | None = None, *, living_worker: str | None = None
    ) -> list[Due]:
        def dead(item: Item) -> bool:
            over = item["lease_until"] <= now
            other = living_worker is not None and item["worker"] != living_worker
            return (over or other) and items.ours(item)

        return await self._queued(IntentStatus.RUNNING, limit, after, dead)

    async def _queued(
        self, status: IntentStatus, limit: int, after: Due | None, fits: Callable[[Item], bool]
    ) -> list[Due]:
        """What is in one state, of all tenants, by admission: the parts of the queue, put together
        again.
        """
        last = (
            await self._calls.get(table.intent(after.tenant_id, after.action_intent_id))
            if after
            else None
        )
        behind = items.queue_order(last) if last else "0"

        async def part(shard: int) -> list[Item]:
            asked = IndexQuery(
                items.queue(status, f"{shard:02}"), table.QUEUE, (">", behind), page=limit
            )
            return await self._first(asked, limit, fits)

        queued = chain.from_iterable(
            await asyncio.gather(*(part(shard) for shard in range(table.QUEUE_SHARDS)))
        )
        return [
            items.due(item)
            for item in sorted(queued, key=lambda item: str(item["queue_order"]))[:limit]
        ]

    async def _first(
        self, asked: IndexQuery, limit: int, fits: Callable[[Item], bool]
    ) -> list[Item]:
        """The first items of a query that fit."""
        fitting: list[Item] = []
        async with contextlib.aclosing(self._calls.pages(asked)) as pages:
            async for page in pages:
                fitting += filter(fits, page)
                if len(fitting) >= limit:
                    break
        return fitting[:limit]

    async def tenants(self) -> list[str]:
        return [item["sk"] for item in await self._calls.all(IndexQuery(table.TENANTS))]

    async def totals(self, now: int) -> Totals:
        """Unavailable (`TOO_MANY_TENANTS`) where that would cost too much."""
        return await totals(self._calls, await self.tenants(), now)


def _put_everywhere(shard: int, version: int) -> Write:
    key = table.everywhere(shard)
    if version == 0:
        return put(key, {"version": 1}, NEW)
    return put(key, {"version": version + 1}, "version = :seen", seen=version)
