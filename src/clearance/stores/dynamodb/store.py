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
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from itertools import chain

from clearance.configuration.document import StoredSettings
from clearance.core.canonical import Json
from clearance.core.decision import SettingsVersion
from clearance.core.errors import Unavailable
from clearance.core.ledger import PARTS, Entry
from clearance.core.principal import EVERYWHERE
from clearance.core.record import OPEN, Admission, Change, IntentRecord, IntentStatus, admitted
from clearance.flow.ports.due import Due
from clearance.flow.ports.intents import TimelineQuery
from clearance.flow.ports.settings import SettingsChange
from clearance.flow.ports.totals import Totals
from clearance.flow.ports.transitions import (
    AdmitAnswer,
    Admitted,
    AdvanceAnswer,
    AlreadyAdmitted,
    Applied,
    BudgetSpent,
    RecordMoved,
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
from clearance.stores.dynamodb.marks import DynamoMarks
from clearance.stores.dynamodb.totals import totals
from clearance.stores.dynamodb.transactions import (
    NEW,
    IsKnown,
    Plan,
    Seen,
    Transactions,
    admission_actions,
    admission_keys,
    budget_actions,
    given_back,
    is_current,
    refusal,
    step_actions,
)
from clearance.stores.tail import Tail

FILTERED_PAGE = (
    500  # entries of the timeline's index that are looked at together if not all of them may fit
)
ENTRIES_POLL_MS = 500  # how soon entries of another process are seen


class DynamoStore(DynamoCredentials):
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
        intent, hold = admission.intent, admission.decision.hold

        def plan(seen: Seen, transition_id: str) -> Plan[_Admission] | _Admission:
            refused = refusal(admission, seen)
            if refused is not None:
                return refused
            position = seen.ledger_size + 1
            taken = [(intent.account_id, hold, 1)] if hold else []
            return Plan(
                entries=((admission.entry, intent.action_intent_id),),
                actions=[
                    *admission_actions(admission, position, transition_id),
                    *budget_actions(intent.tenant_id, taken),
                ],
                answer=Admitted(admitted(admission, position)),
                under=admission.decision.settings_version,
            )

        answer: _Admission = await self._transactions.commit(
            intent.tenant_id, admission_keys(admission), plan
        )
        self._tail.moved()
        return await self._known(admission) if isinstance(answer, IsKnown) else answer

    async def _known(self, admission: Admission) -> AlreadyAdmitted:
        record = await self.intent(admission.intent.tenant_id, admission.intent.action_intent_id)
        if record is None:
            sentence = "An intent of this id was there, and is gone."
            raise Unavailable(sentence)
        return AlreadyAdmitted(record)

    async def advance(self, change: Change) -> AdvanceAnswer:
        key = table.intent(change.tenant_id, change.action_intent_id)
        content_key = table.content(change.tenant_id, change.action_intent_id)
        before = await self._calls.get_many((key, content_key))
        if (
            key not in before
            or before[key]["tenant_id"] != change.tenant_id
            or before[key]["revision"] != change.revision
        ):
            return RecordMoved()
        content = before[content_key]["content"]
        decided_key = table.ledger(change.tenant_id, before[key]["decision_position"])
        parts_keys = items.decision_parts(before[key])
        edited = change.superseded_by

        def plan(seen: Seen, transition_id: str) -> Plan[_Step] | _Step:
            item = seen.items.get(key)
            refused = is_current(item, change, seen) or (refusal(edited, seen) if edited else None)
            if refused is not None or item is None:
                return refused or RecordMoved()
            decided = (
                seen.items[decided_key]["body"],
                items.text_of(parts_keys, seen.items),
            )
            return _step(change, item, seen, transition_id, content, decided)

        keys = [key, decided_key, *parts_keys, *(admission_keys(edited) if edited else [])]
        answer: _Step = await self._transactions.commit(change.tenant_id, keys, plan)
        self._tail.moved()
        if isinstance(answer, IsKnown) and edited:
            return await self._known(edited)
        return RecordMoved() if isinstance(answer, IsKnown) else answer

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
                parts[content]["content"],
                parts[decision]["body"],
                items.text_of(keys, parts),
            )
            for item, content, decision, keys in zip(
                intents, contents, decisions, texts, strict=True
            )
        ]

    async def timeline(self, tenant_id: str, query: TimelineQuery) -> list[IntentRecord]:
        """Filters are looked at here: one that few intents fit reads a long way back."""
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
        async with contextlib.aclosing(self._calls.pages(asked)) as pages:
            async for page in pages:
                matching = [item for item in page if fits(item)]
                while matching and len(chosen) < query.limit:
                    count = query.limit - len(chosen)
                    # An intent that moved on since the index saw it is judged by what it is now.
                    current = await self._current(matching[:count])
                    chosen |= {item["pk"]: item for item in current if fits(item)}
                    matching = matching[count:]
                if len(chosen) >= query.limit or (page and items.is_before(page[-1], query.since)):
                    break
        return await self._records(sorted(chosen.values(), key=lambda item: -int(item["position"])))

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


_Admission = Admitted | IsKnown | SettingsMoved | BudgetSpent
_Step = Applied | RecordMoved | IsKnown | SettingsMoved | BudgetSpent


def _step(
    change: Change,
    item: Item,
    seen: Seen,
    transition_id: str,
    content: bytes,
    decided: tuple[bytes, str | None],
) -> Plan[_Step]:
    """One step of an intent, with the intent that an edit admits: its entry comes first."""
    edited = change.superseded_by
    first = seen.ledger_size + 1
    position = first + 1 if edited else first
    actions, after = step_actions(item, change, position, transition_id)
    entries = [(change.entry, change.action_intent_id)]
    moves = given_back(item, change)
    new = None
    if edited:
        actions += admission_actions(edited, first, transition_id)
        entries.insert(0, (edited.entry, edited.intent.action_intent_id))
        new = admitted(edited, first)
        if edited.decision.hold:
            moves.insert(0, (edited.intent.account_id, edited.decision.hold, 1))
    if change.decision is not None:
        parts = (text.text for text in change.entry.texts if text.name == PARTS)
        decided = change.entry.body, next(parts, None)
    record = items.record(after, content, *decided)
    under = edited.decision.settings_version if edited else change.settings_version
    actions += budget_actions(change.tenant_id, moves)
    return Plan(tuple(entries), actions, Applied(record, new), under)


def _put_everywhere(shard: int, version: int) -> Write:
    key = table.everywhere(shard)
    if version == 0:
        return put(key, {"version": 1}, NEW)
    return put(key, {"version": version + 1}, "version = :seen", seen=version)
