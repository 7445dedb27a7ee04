"""What is known when everything has settled: what the store keeps, what the tool server wrote down,
what callers were told.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from clearance.core.ledger import Entry
from clearance.core.record import IntentRecord
from clearance.flow.ports.intents import TimelineQuery
from clearance.flow.ports.store import Store

PAGE = 500


@dataclass(frozen=True, slots=True)
class Call:
    """A call as the tool server wrote it down.

    `key` came beside the arguments, whatever the tool; `ledger_size` is how long the tenant's
    ledger was when the call arrived (None: the store did not say); `acted`: it changed something;
    `answered` is what was answered, None if nothing was."""

    seq: int
    tenant_id: str
    tool: str
    key: str
    arguments: Mapping[str, Any]
    behaviour: str
    ledger_size: int | None
    acted: bool
    answered: str | None
    at_ms: int


@dataclass(frozen=True, slots=True)
class Answered:
    """What a caller was told and may rely on: `verb` is propose, approve, reject, edit, cancel,
    reconcile, stop or settings.
    """

    verb: str
    tenant_id: str
    action_intent_id: str | None
    said: Mapping[str, Any]
    at: float = 0.0


@dataclass(frozen=True, slots=True)
class Refused:
    """What a caller was refused, with its code."""

    verb: str
    tenant_id: str
    action_intent_id: str | None
    code: str
    sentence: str = ""


@dataclass(frozen=True, slots=True)
class Full:
    """A counter that had no room for an intent."""

    action_intent_id: str
    subject: str
    window: str
    bucket: str
    limit: int


@dataclass
class Evidence:
    """Everything about one tenant.

    `budget_used`: by account and day, what the store counts of each bucket; `counted`: likewise, by
    subject and window of limits. `full`: the counters that had no room for one more act when
    nothing else happened any more. `waiting_max`: how many intents of one agent may wait for
    people. `effects`: what a
    repeat of each action type does. `shown`: the intents as the API's timeline shows them, by id.
    `jumps`: clocks of processes were set wrong during the run."""

    tenant_id: str
    entries: list[Entry]
    records: dict[str, IntentRecord]
    budget_used: dict[tuple[str, str], dict[str, int]]
    counted: dict[tuple[str, str], dict[str, int]]
    calls: list[Call]
    effects: Mapping[str, str]
    tools: Mapping[str, str]
    answered: Sequence[Answered] = ()
    refused: Sequence[Refused] = ()
    shown: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    seen_whole: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    ledger_size: int = 0
    settled: bool = True
    full: Sequence[Full] = ()
    waiting_max: int = 200


async def collect(
    store: Store,
    tenant_id: str,
    calls: Sequence[Call],
    effects: Mapping[str, str],
    tools: Mapping[str, str],
) -> Evidence:
    """Reads a tenant through the port, whatever the store is."""
    entries: list[Entry] = []
    while page := await store.entries(tenant_id, entries[-1].position if entries else 0, PAGE):
        entries += page
    records: dict[str, IntentRecord] = {}
    before: int | None = None
    while found := await store.timeline(tenant_id, TimelineQuery(before=before, limit=PAGE)):
        records |= {record.intent.action_intent_id: record for record in found}
        before = found[-1].position
    days = {record.hold.day for record in records.values() if record.hold}
    accounts = {record.intent.account_id for record in records.values()}
    used = {
        (account, day): dict(await store.budget_used(tenant_id, account, day))
        for account in accounts
        for day in days
    }
    counters = {
        claim.counter
        for record in records.values()
        for claim in (record.hold.claims if record.hold else ())
        if claim.counter is not None
    }
    counted = {
        (counter.subject, counter.window): dict(buckets)
        for counter, buckets in (await store.counted(tenant_id, counters)).items()
    }
    own = [call for call in calls if call.tenant_id == tenant_id]
    evidence = Evidence(tenant_id, entries, records, used, counted, own, effects, tools)
    evidence.ledger_size = await store.ledger_size(tenant_id)
    return evidence


def calls_of(record: Path) -> list[Call]:
    """Every call that the tool server wrote down, in order."""
    with closing(sqlite3.connect(record)) as database:
        rows = database.execute(
            "select seq, tenant, tool, key, arguments, behaviour, ledger_size, acted, answered, "
            "at_ms from call order by seq"
        ).fetchall()
    return [
        Call(
            seq,
            tenant,
            tool,
            key,
            json.loads(arguments),
            behaviour,
            size,
            bool(acted),
            answered,
            at_ms,
        )
        for seq, tenant, tool, key, arguments, behaviour, size, acted, answered, at_ms in rows
    ]
